package store

import (
	"math/bits"
	"math/rand/v2"
)

// What is done to all elements of an object, in steps where it may take long.

// copyTo adds copies of all elements to c, an empty one. Errors: ErrOutOfMemory,
// ErrChanged.
func (e *elements) copyTo(c *elements, st *steps) (err error) {
	e.spread(func(r *element) bool {
		value := e.value(r)
		_, err = c.set(r.name(), value, r.deadline())
		return err == nil && st.count(1+len(value)/stepBytes)
	})
	return st.end(err)
}

// spread is each in an order that is far from that of the tags: for what is put
// into another index. In their order, entries would crowd the beginning of each
// segment until it splits, ten times slower. It takes the cells of all segments
// in turn, in bit-reversed order.
func (e *elements) spread(fn func(r *element) bool) {
	dir := e.dir.Load()
	var segments [][]uint64
	most := 0
	for pos := 0; pos < len(dir.segs); {
		w := segWord(dir.segs[pos])
		segments = append(segments, e.cellsOf(w))
		most = max(most, w.cells())
		pos += 1 << (dir.depth - w.depth())
	}
	width := bits.Len(uint(most - 1))
	batch := make([]entry, 0, walkBatch)
	for j := uint32(1); j < 1<<width; j++ {
		i := int(bits.Reverse32(j) >> (32 - width))
		for _, cells := range segments {
			if i >= len(cells) || cells[i] == 0 {
				continue
			}
			if batch = append(batch, cells[i]); len(batch) == walkBatch {
				if !e.whileElement(batch, fn) {
					return
				}
				batch = batch[:0]
			}
		}
	}
	e.whileElement(batch, fn)
}

// sample calls fn for count different elements drawn at random from those that
// live says are, until it returns false; for all of them when there are no more. In steps.
func (e *elements) sample(count int, st *steps, live, fn func(r *element) bool) {
	if count < e.length()/3 {
		// Drawing again what came already is cheaper than looking at all.
		drawn := make(map[ref]struct{}, min(count, walkBatch))
		for tries := 0; len(drawn) < count && tries < 4*count+randomStale; tries++ {
			if r := e.random(); live(&r) {
				drawn[r.ref] = struct{}{}
			}
			if !st.next() {
				return
			}
		}
		if len(drawn) == count {
			for at := range drawn {
				if r := e.store.arena.parseElement(at); !fn(&r) || !st.next() {
					return
				}
			}
			return
		}
	}
	left := e.length()
	if e.dated() > 0 {
		left = 0
		e.each(func(r *element) bool {
			if live(r) {
				left++
			}
			return st.next()
		})
	}
	// Selection sampling: see Set.Sample.
	want := min(count, left)
	e.each(func(r *element) bool {
		if st.stopped || want == 0 {
			return false
		}
		if live(r) {
			if rand.IntN(left) < want {
				want--
				if !fn(r) {
					return false
				}
			}
			left--
		}
		return st.next()
	})
}

// freeStep implements object.
func (e *elements) freeStep(max int) (freed int, done bool) {
	var batch [prefetchAhead * 4]entry
	for !done && freed < max {
		var found []entry
		found, done = e.freed.step(&e.owner, &e.index, batch[:0], func(found []entry) { e.eachElement(found, e.freeElement) })
		freed += len(found) + 1
	}
	return freed, done
}

// compactStep implements object.
func (e *elements) compactStep(pos uint64, budget int) (next uint64, looked, moved int) {
	return e.compactElements(pos, budget, func(*element, ref) {})
}

// compactElements is compactStep for a type that refers to its elements: it
// tells for each one moved, before the old place is freed, the new one.
func (e *elements) compactElements(pos uint64, budget int, note func(r *element, to ref)) (next uint64, looked, moved int) {
	var buf [prefetchAhead * 4]entry
	tag := uint32(min(pos, tagEnd))
	for tag < tagEnd && looked < budget {
		limits := walkLimits{entries: min(budget-looked, len(buf)), segments: compactSegments}
		from := tag
		var found []entry
		found, tag = e.collect(&e.index, from, tagEnd, limits, buf[:0])
		looked += len(found) + 1
		for _, c := range found {
			r := e.store.arena.parseElement(refOf(c))
			if to, ok := e.relocate(r.ref, r.size()); ok {
				p, _ := e.findRef(&e.index, tagOf(c), r.ref)
				p.cells[p.at] = makeEntry(tagOf(c), to, c&deadlineBit != 0)
				note(&r, to)
				e.free(r.ref, r.size())
				moved++
			}
		}
		moved += e.moveSegments(&e.index, from, tag)
	}
	return uint64(tag) % tagEnd, looked, moved
}
