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
	o, st := s.large(), s.tx.steps()
	g, err := s.it.find(&o.elements, members, &st)
	if err != nil {
		return 0, true, err
	}
	c := new(setObject)
	n := g.entries.Len()
	if n > 0 && n < o.length() {
		segments, end, err := o.less(&c.elements, g, &st)
		if err != nil {
			s.it.sh.addGarbage(&shell{e: &c.elements, end: end}, 0)
			return 0, true, err
		}
		s.it = s.tx.look(s.k) // a pause may have moved its entry
		o.handOver(&c.elements, g, segments, 0)
		s.it.replaceObject(c, &shell{e: &o.elements, gone: g, end: tagEnd})
		return n, true, nil
	}
	s.it = s.tx.look(s.k)
	if n > 0 {
		s.it.sh.removeItem(&s.it)
		s.it = item{sh: s.it.sh}
	}
	return n, true, nil
}

// RemoveMany removes fields as Set.RemoveMany does; also not done if fields have deadlines,
// or values with mappings of their own.
func (h *Hash) RemoveMany(fields [][]byte) (removed int, done bool, err error) {
	if !h.it.removesMany(h.tx, len(fields)) || h.large().dated() > 0 || h.large().external != nil {
		return 0, false, nil
	}
	o, st := h.large(), h.tx.steps()
	g, err := h.it.find(&o.elements, fields, &st)
	if err != nil {
		return 0, true, err
	}
	c := &hashObject{expire: o.expire}
	if removed = g.entries.Len(); removed > 0 && removed < o.length() {
		segments, end, err := o.less(&c.elements, g, &st)
		if err != nil {
			h.it.sh.addGarbage(&shell{e: &c.elements, end: end}, 0)
			return 0, true, err
		}
		h.it = h.tx.look(h.k) // a pause may have moved its entry
		o.handOver(&c.elements, g, segments, 0)
		h.it.replaceObject(c, &shell{e: &o.elements, gone: g, end: tagEnd})
		return removed, true, nil
	}
	h.it = h.tx.look(h.k)
	if removed > 0 {
		h.it.sh.removeItem(&h.it)
		h.it = item{sh: h.it.sh}
	}
	return removed, true, nil
}

// RemoveMany removes members as Set.RemoveMany does.
func (z *ZSet) RemoveMany(members [][]byte) (removed int, done bool, err error) {
	if !z.it.removesMany(z.tx, len(members)) {
		return 0, false, nil
	}
	o, st := z.view().o, z.tx.steps()
	g, err := z.it.find(&o.elements, members, &st)
	if err != nil {
		return 0, true, err
	}
	n := g.entries.Len()
	if n > 0 && n < o.length() {
		leaving := make(map[ref]struct{})
		for at := range g.entries.All() {
			leaving[refOf(*at)] = struct{}{}
			if !st.next() {
				return 0, true, ErrChanged
			}
		}
		err = z.replaceWithout(g, &st, func(_ int, e zsetEntry) bool { _, leaves := leaving[e.at]; return leaves })
		return n, true, err
	}
	z.it = z.tx.look(z.k)
	if n > 0 {
		z.it.sh.removeItem(&z.it)
		z.it = item{sh: z.it.sh}
	}
	return n, true, nil
}
