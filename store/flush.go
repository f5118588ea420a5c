package store

import "math/bits"

// garbage is memory out of the keyspace that is freed in steps: what FlushShard
// took out, and large objects.
type garbage interface {
	// freeStep frees about max keys or elements and says whether all is
	// free. It may add other garbage.
	freeStep(sh *shard, max int) (freed int, done bool)
}

// addGarbage leaves g, which is so many values, to FreeStep.
func (sh *shard) addGarbage(g garbage, values int64) {
	sh.store.dropped.Add(values)
	sh.garbage = append(sh.garbage, g)
	sh.store.garbage[sh.id/64].Or(1 << (sh.id % 64))
}

// droppedFreed counts values of addGarbage that are free.
func (sh *shard) droppedFreed(values int) {
	sh.store.dropped.Add(-int64(values))
	sh.store.stats.droppedFreed.Add(int64(values))
}

// Garbage says whether FreeStep has something to do in any shard. No lock is
// needed.
func (s *Store) Garbage() bool { return s.Flushed() >= 0 }

// HasGarbage says whether FreeStep has something to do in shard i. No lock is
// needed.
func (s *Store) HasGarbage(i int) bool { return s.garbage[i/64].Load()>>(i%64)&1 != 0 }

// freeing is how far an index is free: segment by segment, and, since a segment may have
// thousands of entries, a batch of them at a time.
type freeing struct {
	tag  uint32 // the first one of the segment that is next
	cell int    // of that segment, before which all is free
}

// step frees the next entries, up to the room of batch, by calling free, and the segment
// after its last ones.
func (f *freeing) step(o *owner, ix *index, batch []entry, free func(found []entry)) (found []entry, done bool) {
	w := ix.dir.Load().word(f.tag)
	cells := o.cellsOf(w)
	found, at := batch, max(f.cell, 1)
	for ; at < len(cells) && len(found) < cap(batch); at++ {
		if cells[at] != 0 {
			found = append(found, cells[at])
		}
	}
	free(found)
	if f.cell = at; at == len(cells) {
		f.tag, f.cell = f.tag+uint32(1)<<(tagBits-w.depth()), 0
		o.freeSegment(ix, w)
	}
	return found, f.tag >= tagEnd
}

// indexGarbage is the index of an emptied database.
type indexGarbage struct {
	ix *index
	freeing
}

func (g *indexGarbage) freeStep(sh *shard, max int) (freed int, done bool) {
	var batch [prefetchAhead * 4]entry
	for !done && freed < max {
		var found []entry
		found, done = g.step(&sh.owner, g.ix, batch[:0], func(found []entry) {
			sh.each(found, func(_ entry, rec *record) {
				sh.detachValue(rec)
				sh.freeRecord(rec)
			})
		})
		sh.droppedFreed(len(found))
		freed += len(found) + 1
	}
	return freed, done
}

// hintGarbage is an index of hints: its entries refer to nothing.
type hintGarbage struct {
	ix  *index
	tag uint32
}

func (g *hintGarbage) freeStep(sh *shard, _ int) (freed int, done bool) {
	w := g.ix.dir.Load().word(g.tag)
	g.tag += uint32(1) << (tagBits - w.depth())
	freed = int(uint32(sh.cellsOf(w)[0])) + 1
	sh.freeSegment(g.ix, w)
	return freed, g.tag >= tagEnd
}

// FlushSlot removes up to max keys of slot from db and returns how many it
// removed; 0 means that none is left. No hook is called. The caller holds the
// lock of the slot's shard; call it in steps.
func (s *Store) FlushSlot(db int, slot uint16, max int) int {
	sh := &s.shards[ShardOf(slot)]
	ix := sh.dbs[db].Load()
	if ix == nil || max <= 0 {
		return 0
	}
	pos, end := slotRange(slot)
	removed := 0
	for pos < end && removed < max {
		limits := walkLimits{entries: min(max-removed, walkBatch), segments: 1 << tagBits}
		sh.scratch, pos = sh.collect(ix, pos, end, limits, sh.scratch[:0])
		removed += len(sh.scratch)
		sh.each(sh.scratch, func(e entry, rec *record) {
			it := item{sh: sh, ix: ix, rec: *rec}
			it.place, _ = sh.findRef(ix, tagOf(e), refOf(e))
			sh.detachValue(&it.rec)
			sh.removeItem(&it)
		})
	}
	return removed
}

// FlushShard empties shard i of db in constant time; FreeStep gives the memory
// back. The caller holds the lock of the shard.
func (s *Store) FlushShard(db, i int) {
	sh := &s.shards[i]
	if ix := sh.dbs[db].Swap(nil); ix != nil {
		sh.addGarbage(&indexGarbage{ix: ix}, ix.count.Load())
	}
	if ix := sh.hints[db]; ix != nil {
		sh.hints[db] = nil
		sh.hinted.Add(-ix.count.Load())
		sh.addGarbage(&hintGarbage{ix: ix}, 0)
	}
}

// FlushDB is FlushShard for every shard. The caller holds all locks.
func (s *Store) FlushDB(db int) {
	for i := range s.shards {
		s.FlushShard(db, i)
	}
	s.avgTTL[db].Store(0)
}

// FlushAll is FlushDB for every database. The caller holds all locks.
func (s *Store) FlushAll() {
	for db := range s.databases {
		s.FlushDB(db)
	}
}

// FreeStep frees about max keys and elements of large values that were left behind in
// shard i, and says whether more is left. The caller holds the lock of the shard. 1000
// keys take some 100 µs.
func (s *Store) FreeStep(i, max int) (more bool) {
	sh := &s.shards[i]
	for freed := 0; len(sh.garbage) > 0 && freed < max; {
		last := len(sh.garbage) - 1
		g := sh.garbage[last]
		n, done := g.freeStep(sh, max-freed)
		freed += n
		if done {
			// What it added meanwhile takes its place.
			end := len(sh.garbage) - 1
			sh.garbage[last] = sh.garbage[end]
			sh.garbage[end] = nil
			sh.garbage = sh.garbage[:end]
		}
	}
	if len(sh.garbage) > 0 {
		return true
	}
	sh.garbage = nil
	s.garbage[i/64].And(^uint64(1 << (i % 64)))
	return false
}

// SwapDB exchanges two databases. The caller holds all locks.
func (s *Store) SwapDB(a, b int) {
	if a == b {
		return
	}
	for i := range s.shards {
		dbs := s.shards[i].dbs
		dbs[a].Store(dbs[b].Swap(dbs[a].Load()))
		hints := s.shards[i].hints
		hints[a], hints[b] = hints[b], hints[a]
	}
	s.avgTTL[a].Store(s.avgTTL[b].Swap(s.avgTTL[a].Load()))
}

// Flushed returns a shard where FreeStep has something to free, or -1. No lock
// is needed.
func (s *Store) Flushed() int {
	for i := range s.garbage {
		if word := s.garbage[i].Load(); word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}
