package store

import "math/bits"

// garbage is an index taken out of the keyspace whose segments and records are
// still to be freed.
type garbage struct {
	ix  *index
	tag uint32 // everything before is free
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
		sh.garbage = append(sh.garbage, garbage{ix: ix})
		sh.noteFlushed(true)
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

// FreeStep frees at least max keys, to the end of a segment, that FlushShard
// left behind in shard i, and says whether more is left. The caller holds the
// lock of the shard. 1000 keys take some 100 µs.
func (s *Store) FreeStep(i, max int) (more bool) {
	sh := &s.shards[i]
	for freed := 0; len(sh.garbage) > 0 && freed < max; {
		g := &sh.garbage[len(sh.garbage)-1]
		if g.tag >= tagEnd {
			sh.garbage[len(sh.garbage)-1] = garbage{}
			sh.garbage = sh.garbage[:len(sh.garbage)-1]
			continue
		}
		w := g.ix.dir.Load().word(g.tag)
		span := uint32(1) << (tagBits - w.depth())
		sh.scratch = sh.scratch[:0]
		for _, e := range sh.cellsOf(w)[1:] {
			if e != 0 {
				sh.scratch = append(sh.scratch, e)
			}
		}
		sh.each(sh.scratch, func(_ entry, rec *record) { sh.freeRecord(rec) })
		freed += len(sh.scratch) + 1
		g.tag += span
		sh.freeSegment(g.ix, w)
	}
	if len(sh.garbage) > 0 {
		return true
	}
	// Whole segments went through it: too large to keep 256 times.
	sh.garbage, sh.scratch = nil, nil
	sh.noteFlushed(false)
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
	}
	s.avgTTL[a].Store(s.avgTTL[b].Swap(s.avgTTL[a].Load()))
}

// Flushed returns a shard where FreeStep has something to free, or -1. No lock
// is needed.
func (s *Store) Flushed() int {
	for i := range s.flushed {
		if word := s.flushed[i].Load(); word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// noteFlushed says whether the shard holds garbage. The caller holds its lock.
func (sh *shard) noteFlushed(garbage bool) {
	word, bit := &sh.store.flushed[sh.id/64], uint64(1)<<(sh.id%64)
	if garbage {
		word.Or(bit)
	} else {
		word.And(^bit)
	}
}
