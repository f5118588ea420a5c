package lua

import (
	"hash/maphash"
	"iter"
	"maps"
)

// names is a map that many may read while one makes the next one of it: set and
// drop copy the part that the name is in, and leave all other parts to both. So a
// change costs the same however many names there are.
type names[V any] struct {
	parts [nameParts]map[string]V
	count int
}

const nameParts = 256

var nameSeed = maphash.MakeSeed()

func namePart(name string) int { return int(maphash.String(nameSeed, name) % nameParts) }

func (n *names[V]) get(name string) (V, bool) {
	v, ok := n.parts[namePart(name)][name]
	return v, ok
}

// set is for the one who made this copy, before anybody else sees it; so is drop.
func (n *names[V]) set(name string, v V) {
	part := n.own(name)
	n.count -= len(part)
	part[name] = v
	n.count += len(part)
}

func (n *names[V]) drop(name string) {
	if _, ok := n.get(name); ok {
		delete(n.own(name), name)
		n.count--
	}
}

func (n *names[V]) own(name string) map[string]V {
	part := &n.parts[namePart(name)]
	if *part = maps.Clone(*part); *part == nil {
		*part = make(map[string]V)
	}
	return *part
}

func (n *names[V]) values() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, part := range n.parts {
			for _, v := range part {
				if !yield(v) {
					return
				}
			}
		}
	}
}
