package store

import "math/rand/v2"

// Random calls fn for count fields drawn at random, each time from all of them
// with equal probability, until it returns false.
func (h *Hash) Random(count int, fn func(field, value []byte) bool) {
	if !h.it.live {
		return
	}
	if h.isLarge() {
		o := h.large()
		for range count {
			r, ok := h.randomLarge(o)
			if !ok {
				return
			}
			if !fn(r.name(), o.value(&r)) {
				return
			}
		}
		return
	}
	n := h.Len()
	if n == 0 {
		return
	}
	text := &h.it.sh.text
	positions := h.positions()
	p := h.it.packed()
	for range count {
		field, next := p.get(int(positions[rand.IntN(n)]))
		value, _ := p.get(next)
		if !fn(field.bytes(text[0][:0]), value.bytes(text[1][:0])) {
			return
		}
	}
}

// positions are those of the live fields of a packed hash.
func (h *Hash) positions() []int32 {
	p, stride := h.it.packed(), h.stride()
	list := make([]int32, 0, p.entries()/stride)
	for pos := p.first(); pos < p.end(); {
		next := p.skip(pos, stride)
		live := true
		if stride == 3 {
			e, _ := p.get(p.skip(pos, 2))
			live = !h.tx.past(packedDeadline(e))
		}
		if live {
			list = append(list, int32(pos))
		}
		pos = next
	}
	return list
}

// randomStale is how many fields past their deadline randomLarge draws before
// it looks for a live one.
const randomStale = 64

func (h *Hash) randomLarge(o *hashObject) (r element, ok bool) {
	for range randomStale {
		if r = o.random(); !h.tx.past(r.deadline()) {
			return r, true
		}
	}
	ok = false
	o.each(func(e *element) bool {
		if !h.tx.past(e.deadline()) {
			r, ok = *e, true
		}
		return !ok
	})
	return r, ok
}

// Sample calls fn for count different fields drawn at random, all of them when
// there are no more.
func (h *Hash) Sample(count int, fn func(field, value []byte) bool) {
	switch {
	case !h.it.live || count <= 0:
	case h.isLarge():
		o := h.large()
		st := h.tx.steps()
		o.sample(count, &st, func(r *element) bool { return !h.tx.past(r.deadline()) }, func(r *element) bool {
			return fn(r.name(), o.value(r))
		})
	default:
		text, p, positions := &h.it.sh.text, h.it.packed(), h.positions()
		for i := range min(count, len(positions)) {
			if count < len(positions) { // all: as they come
				j := i + rand.IntN(len(positions)-i)
				positions[i], positions[j] = positions[j], positions[i]
			}
			field, next := p.get(int(positions[i]))
			value, _ := p.get(next)
			if !fn(field.bytes(text[0][:0]), value.bytes(text[1][:0])) {
				return
			}
		}
	}
}
