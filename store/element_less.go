package store

import (
	"cmp"

	"respkv/internal/chunks"
)

// Removing many elements of a large value in steps. To take them out one by one would be
// seen, and to make the value anew of those that stay takes long. So only what says which
// elements there are is made anew: the segments of the index, which are copied without the
// entries that go, and, of a sorted set, the tree. The new index then takes the place of the
// old one, in constant time, and the elements that stay lie where they did. The old index and
// the elements that went are freed like other large values: see FreeStep.

// manyLess is from how many elements on this is done in any case: to remove so many takes a
// millisecond.
const manyLess = 1000

// isManyLess says whether to remove count elements of so many as this says.
func isManyLess(count, of int) bool {
	return count > manyLess || count > freeAtOnce && count >= of/16
}

// gone are elements that are about to go: their entries and what they take.
type gone struct {
	entries chunks.List[entry]
	cells   int64 // bytes
}

func (g *gone) add(r *element) {
	g.entries.Add(makeEntry(elementTag(r.name()), r.ref, r.hasDeadline()))
	g.cells += int64(cellSize(r.size()))
}

// less makes c, which is zero, an index of the elements of e but for those that go, in
// steps. No value of e has a mapping of its own. segments is what the index of e takes. On
// error (ErrOutOfMemory, ErrChanged) c has what lies before the tag next, for a shell.
func (e *elements) less(c *elements, g *gone, st *steps) (segments int64, next uint32, err error) {
	c.owner = owner{store: e.store, small: e.small, group: e.group, parent: e.parent}
	dir := e.dir.Load()
	to := &directory{depth: dir.depth, segs: make([]uint64, len(dir.segs))}
	c.dir.Store(to)
	c.deepest = e.deepest
	var leaving, kept []entry // of the segment at hand
	copySegment := func() bool {
		w := dir.word(next)
		cells := e.cellsOf(w)
		segments += int64(cellSize(len(cells) * 8))
		kept = keep(kept[:0], cells[1:], leaving)
		var made segWord
		if made, err = c.build(&c.index, sizeFor(len(kept)), largestSeg, w.depth(), kept); err != nil {
			return false
		}
		to.set(next, w.depth(), made)
		header := c.cellsOf(made)[0]
		c.count.Store(c.count.Load() + int64(uint32(header)))
		c.expires.Store(c.expires.Load() + int64(header>>32))
		next += uint32(1) << (tagBits - w.depth())
		leaving = leaving[:0]
		return st.count(len(cells) / stepElements)
	}
	for at := range g.entries.Sorted(func(a, b entry) int { return cmp.Compare(tagOf(a), tagOf(b)) }, st.next) {
		for next+uint32(1)<<(tagBits-dir.word(next).depth()) <= tagOf(*at) {
			if !copySegment() {
				return segments, next, st.end(err)
			}
		}
		leaving = append(leaving, *at)
	}
	for !st.stopped && next < tagEnd && copySegment() {
	}
	return segments, next, st.end(err)
}

// keep appends the entries of cells that are not among those in less, to kept. Both are in
// the order of their tags.
func keep(kept, cells, less []entry) []entry {
	for _, c := range cells {
		if c == 0 {
			continue
		}
		for len(less) > 0 && tagOf(less[0]) < tagOf(c) {
			less = less[1:]
		}
		stays := true
		for i := 0; stays && i < len(less) && tagOf(less[i]) == tagOf(c); i++ {
			stays = refOf(less[i]) != refOf(c)
		}
		if stays {
			kept = append(kept, c)
		}
	}
	return kept
}

// handOver gives c all elements of e but for those that went. segments and other is what the
// index of e takes, and what else e has that are no elements.
func (e *elements) handOver(c *elements, g *gone, segments, other int64) {
	n := e.cells - g.cells - segments - other
	e.cells -= n
	c.cells += n
}

// replaceObject makes o the value of a key, in place of the large one there, which becomes
// old.
func (it *item) replaceObject(o object, old *shell) {
	it.sh.objects.list[it.rec.handle()] = o
	it.sh.addGarbage(old, 0)
}

// shell is what is left of a large value whose elements belong to another one, but for
// those in gone: garbage.
type shell struct {
	e    *elements
	tree *zsetTree // nil: it has none
	gone *gone     // nil: none
	end  uint32    // of the tags that the index has segments for
}

func (s *shell) freeStep(_ *shard, max int) (freed int, done bool) {
	for s.gone != nil && freed < max {
		some := s.gone.entries.TakeSome()
		if some == nil {
			s.gone = nil
		}
		s.e.eachElement(some, s.e.freeElement)
		freed += len(some)
	}
	if s.tree != nil && freed < max {
		n, done := s.tree.freeStep(&s.e.owner, max-freed)
		if freed += n; done {
			s.tree = nil
		}
	}
	for ; s.e.freed.tag < s.end && freed < max; freed++ {
		w := s.e.dir.Load().word(s.e.freed.tag)
		s.e.freed.tag += uint32(1) << (tagBits - w.depth())
		s.e.freeSegment(&s.e.index, w)
	}
	return freed, s.gone == nil && s.tree == nil && s.e.freed.tag >= s.end
}
