package store

import "sync/atomic"

// growSegment makes room in the segment w that holds tag: by taking a larger
// one, or, at ordinary size, by splitting it. Work is bounded by one segment,
// but for doubling the directory, which copies 8 bytes per segment.
func (o *owner) growSegment(ix *index, tag uint32, w segWord) error {
	cells := o.cellsOf(w)
	d := w.depth()
	if w.size() < ordinarySeg || d >= maxDepth {
		bigger, err := o.build(ix, w.size()+1, largestSeg, d, cells[1:])
		if err != nil {
			return err
		}
		ix.dir.Load().set(tag, d, bigger)
		o.freeSegment(ix, w)
		return nil
	}
	cut := 1
	for bit := uint32(1) << (tagBits - 1 - d); cut < len(cells); cut++ {
		if cells[cut] != 0 && tagOf(cells[cut])&bit != 0 {
			break
		}
	}
	left, err := o.build(ix, sizeFor(used(cells[1:cut])), largestSeg, d+1, cells[1:cut])
	if err != nil {
		return err
	}
	right, err := o.build(ix, sizeFor(used(cells[cut:])), largestSeg, d+1, cells[cut:])
	if err != nil {
		o.freeSegment(ix, left)
		return err
	}
	dir := ix.dir.Load()
	if d == dir.depth {
		dir = dir.doubled()
		ix.deepest = 0
		ix.dir.Store(dir)
	}
	bit := uint32(1) << (tagBits - 1 - d)
	dir.set(tag&^bit, d+1, left)
	dir.set(tag|bit, d+1, right)
	if d+1 == dir.depth {
		ix.deepest += 2
	}
	o.freeSegment(ix, w)
	return nil
}

func used(cells []uint64) (n int) {
	for _, e := range cells {
		if e != 0 {
			n++
		}
	}
	return n
}

// shrinkSegment merges the thinly filled segment w that holds tag with its
// buddy as long as both fit well into one, or takes a smaller one. Failing to
// get the memory is no error: the segment stays as it is.
func (o *owner) shrinkSegment(ix *index, tag uint32, w segWord) {
	for w.depth() > 0 {
		d := w.depth()
		bit := uint32(1) << (tagBits - d)
		dir := ix.dir.Load()
		left, right := dir.word(tag&^bit), dir.word(tag|bit)
		if left.depth() != d || right.depth() != d {
			break
		}
		lc, rc := o.cellsOf(left), o.cellsOf(right)
		n := int(uint32(lc[0])) + int(uint32(rc[0]))
		if n > maxLoad(segSizes[ordinarySeg])/2 {
			break
		}
		merged, err := o.build(ix, sizeFor(n), ordinarySeg, d-1, lc[1:], rc[1:])
		if err != nil {
			return
		}
		dir.set(tag, d-1, merged)
		if d == dir.depth {
			ix.deepest -= 2
			if ix.deepest == 0 {
				ix.halveDirectory()
			}
		}
		o.freeSegment(ix, left)
		o.freeSegment(ix, right)
		w = merged
	}
	cells := o.cellsOf(w)
	n := int(uint32(cells[0]))
	if size := sizeFor(n); n < len(cells)*3/10 && size < w.size() {
		smaller, err := o.build(ix, size, w.size()-1, w.depth(), cells[1:])
		if err != nil {
			return
		}
		ix.dir.Load().set(tag, w.depth(), smaller)
		o.freeSegment(ix, w)
	}
}

// set makes w the segment of the 1<<(tagBits-depth) tags around tag.
func (d *directory) set(tag uint32, depth int, w segWord) {
	n := 1 << (d.depth - depth)
	first := d.pos(tag) &^ (n - 1)
	for i := first; i < first+n; i++ {
		atomic.StoreUint64(&d.segs[i], uint64(w))
	}
}

func (d *directory) doubled() *directory {
	segs := make([]uint64, 2*len(d.segs))
	for i, w := range d.segs {
		segs[2*i], segs[2*i+1] = w, w
	}
	return &directory{depth: d.depth + 1, segs: segs}
}

// halveDirectory drops the last bit of the directory as long as no segment
// needs it.
func (ix *index) halveDirectory() {
	dir := ix.dir.Load()
	for ix.deepest == 0 && dir.depth > 0 {
		next := &directory{depth: dir.depth - 1, segs: make([]uint64, len(dir.segs)/2)}
		for i := range next.segs {
			next.segs[i] = dir.segs[2*i]
			if segWord(next.segs[i]).depth() == next.depth {
				ix.deepest++
			}
		}
		dir = next
	}
	ix.dir.Store(dir)
}

// build makes a segment for sorted entries, of the first size from size to most
// that they fit into: tags close together may need more than their number asks
// for. ErrOutOfMemory when none fits.
func (o *owner) build(ix *index, size, most, depth int, entries ...[]uint64) (segWord, error) {
	for ; size <= most; size++ {
		w, err := o.newSegment(ix, size, depth)
		if err != nil {
			return 0, err
		}
		cells := o.cellsOf(w)
		next, fits := 1, true
		for _, es := range entries {
			if next, fits = spread(w, cells, es, next); !fits {
				break
			}
		}
		if fits {
			return w, nil
		}
		o.freeSegment(ix, w)
	}
	return 0, ErrOutOfMemory
}

func (o *owner) newSegment(ix *index, size, depth int) (segWord, error) {
	n := segSizes[size] * 8
	r, err := o.alloc(n)
	if err != nil {
		return 0, err
	}
	w := makeSegWord(r, size, depth)
	clear(o.cellsOf(w))
	ix.bytes += int64(n)
	o.account(0, int64(n))
	return w, nil
}

func (o *owner) freeSegment(ix *index, w segWord) {
	n := w.cells() * 8
	o.free(w.ref(), n)
	ix.bytes -= int64(n)
	o.account(0, -int64(n))
}

// openIndex makes ix, all zero but for slots, an index without entries.
func (o *owner) openIndex(ix *index) error {
	w, err := o.newSegment(ix, 0, 0)
	if err != nil {
		return err
	}
	ix.deepest = 1
	ix.dir.Store(&directory{segs: []uint64{uint64(w)}})
	return nil
}
