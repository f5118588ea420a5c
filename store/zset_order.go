package store

import (
	"bytes"

	"respkv/internal/chunks"
)

// A large sorted set that is made of members in no order is made without its tree,
// which it gets at the end (order): to look for the place of each in a tree that
// grows costs several times more than to sort all of them.

// putUnordered is put while there is no tree.
func (o *zsetObject) putUnordered(tag uint32, member []byte, score float64, old element, at place, found bool) error {
	value := scoreBytes(score)
	if found {
		copy(old.inline(), value[:])
		return nil
	}
	_, err := o.elements.put(tag, member, value[:], noDeadline, old, at, false)
	return err
}

// order makes the tree, in steps. Errors: ErrOutOfMemory, ErrChanged; then the set can
// only be discarded.
func (o *zsetObject) order(st *steps) error {
	var entries chunks.List[zsetEntry]
	o.each(func(r *element) bool {
		entries.Add(zsetEntry{elementScore(r), r.ref})
		return st.next()
	})
	var err error
	if !st.stopped {
		last := func(zsetEntry) bool { return true }
		for e := range entries.Sorted(o.compare, st.next) {
			if err = o.tree.insert(&o.owner, *e, last); err != nil {
				break
			}
		}
	}
	return st.end(err)
}

// compare orders two entries.
func (o *zsetObject) compare(x, y zsetEntry) int {
	switch {
	case x.score < y.score:
		return -1
	case x.score > y.score:
		return 1
	}
	a := o.store.arena
	p, q := a.parseElement(x.at), a.parseElement(y.at)
	return bytes.Compare(p.name(), q.name())
}
