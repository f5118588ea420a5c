package store

// Bringing what elements hold into the processor's cache, for commands that name many of
// them: most of what a lookup in a large value costs is waiting for memory.

// ExpectMost is how many names one Expect takes.
const ExpectMost = 32

// expectLeast is from how many names on it is worth while.
const expectLeast = 4

// expect says which elements of a large value are about to be looked up; the first
// ExpectMost names count.
func (it *item) expect(names [][]byte) {
	if len(names) < expectLeast || !it.live || !it.rec.large() {
		return
	}
	var e *elements
	switch o := it.object().(type) {
	case *setObject:
		e = &o.elements
	case *hashObject:
		e = &o.elements
	case *zsetObject:
		e = &o.elements
	default:
		return
	}
	a, dir := e.store.arena, e.dir.Load()
	var tags [ExpectMost]uint32
	names = names[:min(len(names), ExpectMost)]
	for i, name := range names {
		tags[i] = elementTag(name)
		w := dir.word(tags[i])
		at := a.mappedAddr(w.ref()) + uintptr(w.home(tags[i]))*8
		prefetch(at)
		prefetch(at + 32) // entries stand a little behind their home
	}
	for _, tag := range tags[:len(names)] {
		w := dir.word(tag)
		cells := e.cellsOf(w)
		for i := w.home(tag); i < len(cells) && cells[i] != 0 && tagOf(cells[i]) <= tag; i++ {
			if tagOf(cells[i]) == tag {
				prefetch(a.mappedAddr(refOf(cells[i])))
				break
			}
		}
	}
}

// Expect says which members are about to be looked up, up to ExpectMost.
func (s *Set) Expect(members [][]byte) { s.it.expect(members) }

// Expect says which members are about to be looked up, up to ExpectMost.
func (z *ZSet) Expect(members [][]byte) { z.it.expect(members) }

// Expect says which fields are about to be looked up, up to ExpectMost.
func (h *Hash) Expect(fields [][]byte) { h.it.expect(fields) }
