package store

import "unsafe"

// compactState is where the compaction of a shard goes on.
type compactState struct {
	position
	object uint32 // number of the object to go on with, once all databases are done
	at     uint64 // where in it
	moved  int    // in this pass
}

// compactSegments bounds the index looked through per step.
const compactSegments = 16

// CompactStep looks at about budget records of shard i and moves those that lie
// in sparsely used memory, going on where the last call stopped. It returns how
// many it moved, and false once a whole pass found nothing worth moving. The
// caller holds the lock of the shard. 1000 records take less than 1 ms.
func (s *Store) CompactStep(i, budget int) (moved int, more bool) {
	sh := &s.shards[i]
	if sh.pins > 0 {
		return 0, false
	}
	st := &sh.compact
	if st.position == (position{}) && st.object == 0 && st.at == 0 {
		if !sh.fragmented() {
			return 0, false
		}
		st.moved = 0
	}
	for looked := 0; looked < budget; {
		if st.db >= len(sh.dbs) {
			n, m, done := sh.compactObjects(budget - looked)
			looked += n
			moved += m
			st.moved += m
			if done {
				more = st.moved > 0
				*st = compactState{}
				return moved, more
			}
			continue
		}
		ix := sh.dbs[st.db].Load()
		if ix == nil || st.tag >= tagEnd {
			st.position = position{db: st.db + 1}
			continue
		}
		limits := walkLimits{entries: min(budget-looked, walkBatch), segments: compactSegments}
		from := st.tag
		sh.scratch, st.tag = sh.collect(ix, from, tagEnd, limits, sh.scratch[:0])
		looked += len(sh.scratch) + 1
		n := 0
		sh.each(sh.scratch, func(e entry, rec *record) {
			if sh.moveRecord(ix, e, rec) {
				n++
			}
		})
		n += sh.moveSegments(ix, from, st.tag)
		moved += n
		st.moved += n
	}
	return moved, true
}

// compactObjects goes on with the elements of large values.
func (sh *shard) compactObjects(budget int) (looked, moved int, done bool) {
	st := &sh.compact
	for looked < budget {
		if int(st.object) >= len(sh.objects.list) {
			return looked, moved, true
		}
		o := sh.objects.list[st.object]
		looked++
		if o == nil {
			st.object, st.at = st.object+1, 0
			continue
		}
		next, n, m := o.compactStep(st.at, budget-looked)
		looked += n
		moved += m
		if st.at = next; next == 0 {
			st.object++
		}
	}
	return looked, moved, false
}

// fragmented says whether any heap that the shard uses could be compacted.
func (sh *shard) fragmented() bool {
	if sh.heap.fragmented() {
		return true
	}
	for _, h := range []*heap{&sh.store.objects[sh.id/groupShards], sh.group, &sh.store.large} {
		h.mu.Lock()
		yes := h.fragmented()
		h.mu.Unlock()
		if yes {
			return true
		}
	}
	return false
}

// relocate copies memory of the given size elsewhere if that helps to empty its
// run. The old place is still to be freed.
func (o *owner) relocate(r ref, size int) (to ref, ok bool) {
	if inBlocks(size) {
		return 0, false
	}
	class := classOf(size)
	h := o.heapFor(class)
	if h.shared {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	if !h.worthMoving(r, class) {
		return 0, false
	}
	to, err := h.alloc(class)
	if err != nil {
		return 0, false
	}
	o.account(int64(classSize(class)), 0)
	a := o.store.arena
	copy(unsafe.Slice((*byte)(a.ptr(to)), size), unsafe.Slice((*byte)(a.ptr(r)), size))
	return to, true
}

func (sh *shard) moveRecord(ix *index, e entry, rec *record) bool {
	to, ok := sh.relocate(rec.ref, rec.size())
	if !ok {
		return false
	}
	p, _ := sh.findRef(ix, tagOf(e), rec.ref)
	p.cells[p.at] = makeEntry(tagOf(e), to, e&deadlineBit != 0)
	sh.free(rec.ref, rec.size())
	return true
}

// moveSegments moves the segments that lie wholly in the tags [from, to), or
// end there.
func (o *owner) moveSegments(ix *index, from, to uint32) (moved int) {
	dir := ix.dir.Load()
	for pos := from; pos < to; {
		w := dir.word(pos)
		span := uint32(1) << (tagBits - w.depth())
		end := pos&^(span-1) + span
		if end <= to {
			if r, ok := o.relocate(w.ref(), w.cells()*8); ok {
				dir.set(pos, w.depth(), makeSegWord(r, w.size(), w.depth()))
				o.free(w.ref(), w.cells()*8)
				moved++
			}
		}
		pos = end
	}
	return moved
}
