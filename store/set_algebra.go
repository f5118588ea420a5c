package store

import "slices"

// SetOp is an operation on several sets.
type SetOp int

// Operations.
const (
	Union SetOp = iota
	Intersection
	Difference // of the first and all others
)

// SetResult is the outcome of an operation, outside of the keyspace. It is used,
// and closed or stored, under the locks under which the making ended.
type SetResult struct{ b setBuilder }

// Combine computes an operation on the sets at keys, in steps; missing ones are
// empty. Errors: ErrWrongType, ErrOutOfMemory, ErrChanged.
func (tx *Tx) Combine(op SetOp, keys []Key) (*SetResult, error) {
	sets, err := tx.openSets(keys)
	if err != nil {
		return nil, err
	}
	st := tx.steps()
	r := &SetResult{setBuilder{sh: sets[0].it.sh, apart: tx.Pause != nil}}
	add := func(member []byte) bool {
		_, err = r.b.add(member)
		return err == nil && st.next()
	}
	switch op {
	case Union:
		for i := range sets {
			if err == nil && !st.stopped {
				sets[i].spread(add)
			}
		}
	case Intersection:
		intersect(sets, &st, add)
	case Difference:
		subtract(sets, &st, &r.b, add)
	}
	if err = st.end(err); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (tx *Tx) openSets(keys []Key) ([]Set, error) {
	sets := make([]Set, len(keys))
	for i, k := range keys {
		var err error
		if sets[i], err = tx.OpenSet(k); err != nil {
			return nil, err
		}
	}
	// Looking up a later key may have removed it, past its deadline, and so
	// moved the entries of earlier ones. Only their records are used from
	// here on, and those stay.
	return sets, nil
}

// intersect calls fn for the common members of all sets until it returns false.
func intersect(sets []Set, st *steps, fn func(member []byte) bool) {
	slices.SortStableFunc(sets, func(a, b Set) int { return a.Len() - b.Len() })
	sets[0].spread(func(member []byte) bool {
		for i := 1; i < len(sets); i++ {
			if !sets[i].Contains(member) {
				return st.next()
			}
		}
		return fn(member)
	})
}

// subtract adds to b what is in the first set and in no other: by looking each
// of its members up in the others, or, where that is more work, by taking all of
// them and removing those of the others. The choice is Redis's.
func subtract(sets []Set, st *steps, b *setBuilder, add func(member []byte) bool) {
	first, rest := sets[0], sets[1:]
	lookups, all := 0, 0
	for i := range sets {
		if sets[i].Exists() {
			lookups += first.Len()
			all += sets[i].Len()
		}
	}
	if lookups/2 <= all {
		first.spread(func(member []byte) bool {
			for i := range rest {
				if rest[i].Contains(member) {
					return st.next()
				}
			}
			return add(member)
		})
		return
	}
	first.spread(add)
	for i := range rest {
		if st.stopped {
			return
		}
		rest[i].Each(func(member []byte) bool {
			b.remove(member)
			return b.len() > 0 && st.next()
		})
	}
}

// IntersectionLen counts the common members of the sets at keys, up to limit
// unless that is 0. Error: ErrWrongType.
func (tx *Tx) IntersectionLen(keys []Key, limit int) (n int, err error) {
	sets, err := tx.openSets(keys)
	if err != nil {
		return 0, err
	}
	st := tx.steps()
	intersect(sets, &st, func([]byte) bool {
		n++
		return st.next() && n != limit
	})
	return n, st.end(nil)
}

// Len is the number of members.
func (r *SetResult) Len() int { return r.b.len() }

// Each calls fn for every member, valid during the call only.
func (r *SetResult) Each(fn func(member []byte) bool) {
	r.b.each(fn)
}

// Close frees the result.
func (r *SetResult) Close() { r.b.discard() }

// Store makes the members the value of k, whatever was there; no members: k is
// removed. changed says whether there is, or was, anything. The result is
// closed. Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (r *SetResult) Store(tx *Tx, k Key) (changed bool, err error) {
	it := tx.look(k)
	defer func() { r.b = setBuilder{sh: r.b.sh, apart: r.b.apart} }()
	if r.b.len() == 0 {
		live := it.live
		if it.found {
			it.sh.removeItem(&it)
		}
		r.b.discard()
		return live, nil
	}
	if r.b.o != nil {
		// A new value: without the deadline of the old one.
		if it.sh != r.b.sh {
			r.b.o.reparent(&it.sh.owner)
		}
		err = tx.setObject(&it, k, TypeSet, EncodingHashtable, r.b.o, noDeadline, tx.newAccess())
		if err != nil {
			it.sh.discard(r.b.o)
		}
		return err == nil, err
	}
	dst, _, err := tx.write(&it, k, newValue{
		typ: TypeSet, encoding: r.b.encoding, length: len(r.b.data), deadline: noDeadline, access: tx.newAccess(),
	})
	if err == nil {
		copy(dst, r.b.data)
	}
	return err == nil, err
}
