package store

import (
	"cmp"

	"respkv/internal/chunks"
)

// removesMany says whether so many elements, named one by one, are to be removed as
// element_less.go says.
func (it *item) removesMany(tx *Tx, names int) bool {
	return tx.Pause != nil && it.live && it.rec.large() && isManyLess(names, it.object().length())
}

// find returns the elements of those names that there are, each once, in steps.
func (it *item) find(e *elements, names [][]byte, st *steps) (*gone, error) {
	var found chunks.List[entry]
	for i, name := range names {
		if i%ExpectMost == 0 {
			it.expect(names[i:])
		}
		if r, _, ok := e.lookup(name); ok {
			found.Add(makeEntry(elementTag(name), r.ref, r.hasDeadline()))
		}
		if !st.next() {
			return nil, ErrChanged
		}
	}
	g, last := new(gone), ref(0)
	for at := range found.Sorted(cmp.Compare[entry], st.next) {
		if refOf(*at) != last {
			last = refOf(*at)
			r := e.store.arena.parseElement(last)
			g.add(&r)
		}
	}
	return g, st.end(nil)
}

// RemoveMany removes members in steps, if they are many and the set is large; else it does
// nothing, and is not done. Members may be missing, and come twice. The set goes with its
// last member. Errors: ErrOutOfMemory, ErrChanged; then nothing has changed.
func (s *Set) RemoveMany(members [][]byte) (removed int, done bool, err error) {
	if !s.it.removesMany(s.tx, len(members)) {
		return 0, false, nil
	}
	o, c := s.large(), new(setObject)
	removed, err = s.it.removeNamed(s.tx, s.k, &o.elements, members, func(g *gone, st *steps) error {
		return s.it.replaceLess(s.tx, s.k, &o.elements, &c.elements, c, g, st)
	})
	return removed, true, err
}

// RemoveMany removes fields as Set.RemoveMany does; also not done if fields have deadlines,
// or values with mappings of their own.
func (h *Hash) RemoveMany(fields [][]byte) (removed int, done bool, err error) {
	if !h.it.removesMany(h.tx, len(fields)) || h.large().dated() > 0 || h.large().external != nil {
		return 0, false, nil
	}
	o, c := h.large(), &hashObject{expire: h.large().expire}
	removed, err = h.it.removeNamed(h.tx, h.k, &o.elements, fields, func(g *gone, st *steps) error {
		return h.it.replaceLess(h.tx, h.k, &o.elements, &c.elements, c, g, st)
	})
	return removed, true, err
}

// RemoveMany removes members as Set.RemoveMany does.
func (z *ZSet) RemoveMany(members [][]byte) (removed int, done bool, err error) {
	if !z.it.removesMany(z.tx, len(members)) {
		return 0, false, nil
	}
	removed, err = z.it.removeNamed(z.tx, z.k, &z.view().o.elements, members, func(g *gone, st *steps) error {
		leaving := make(map[ref]struct{})
		for at := range g.entries.All() {
			leaving[refOf(*at)] = struct{}{}
			if !st.next() {
				return ErrChanged
			}
		}
		return z.replaceWithout(g, st, func(_ int, e zsetEntry) bool { _, leaves := leaving[e.at]; return leaves })
	})
	return removed, true, err
}

// removeNamed is RemoveMany for the value of k with the elements e. replace makes it one
// without those that go, if others stay.
func (it *item) removeNamed(tx *Tx, k Key, e *elements, names [][]byte, replace func(g *gone, st *steps) error) (removed int, err error) {
	st, all := tx.steps(), it.object().length()
	g, err := it.find(e, names, &st)
	if err != nil {
		return 0, err
	}
	if removed = g.entries.Len(); removed > 0 && removed < all {
		if err = replace(g, &st); err != nil {
			removed = 0
		}
		return removed, err
	}
	*it = tx.look(k) // a pause may have moved its entry
	if removed > 0 {
		it.sh.removeItem(it)
		*it = item{sh: it.sh}
	}
	return removed, nil
}

// replaceLess makes c, with the elements to, which it has not got yet, the value of k: the
// elements of from but for those that go.
func (it *item) replaceLess(tx *Tx, k Key, from, to *elements, c object, g *gone, st *steps) error {
	segments, end, err := from.less(to, g, st)
	if err != nil {
		it.sh.addGarbage(&shell{e: to, end: end}, 0)
		return err
	}
	*it = tx.look(k) // a pause may have moved its entry
	from.handOver(to, g, segments, 0)
	it.replaceObject(c, &shell{e: from, gone: g, end: tagEnd})
	return nil
}
