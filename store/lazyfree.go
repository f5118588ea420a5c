package store

import "sync"

// lazyFree are values whose keys are gone and whose memory is still to be given
// back. Unmapping takes some 0.1 ms a megabyte: too long under a shard's lock
// for the largest values, and for those of many keys or elements that go at once.
// Smaller values are freed where they stand; that costs less than remembering
// them.
type lazyFree struct {
	mu      sync.Mutex // a leaf, taken under shard locks
	regions [][]byte
	freed   int64 // values freed since Open or ResetStats
}

// LazyFreeing says which removals leave the memory of large values to FreeLazily.
// Unlink and Evict are told by their callers.
type LazyFreeing struct {
	Expired  bool // keys past their deadline
	Replaced bool // values that a command replaces
}

// SetLazyFreeing changes that. Safe at any time.
func (s *Store) SetLazyFreeing(l LazyFreeing) { s.lazyFreeing.Store(&l) }

// detachValue takes a large value off its record, to be freed by FreeLazily.
// What is left of the record is small.
func (sh *shard) detachValue(rec *record) {
	if rec.encoding() != encodingRawExternal {
		return
	}
	id, _ := rec.external()
	mem := sh.external.release(id)
	rec.detach()
	sh.store.unmapLazily(mem)
}

// unmapLazily leaves a mapping to FreeLazily.
func (s *Store) unmapLazily(mem []byte) {
	s.arena.usage.pending.Add(int64(len(mem)))
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	s.lazy.regions = append(s.lazy.regions, mem)
}

// LazyValues returns the number of values that FreeStep and FreeLazily have still to
// free, and how many they have freed. No lock is needed.
func (s *Store) LazyValues() (pending, freed int64) {
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	return int64(len(s.lazy.regions)) + s.dropped.Load(), s.lazy.freed + s.stats.droppedFreed.Load()
}

// Detached says whether FreeLazily has something to free. No lock is needed.
func (s *Store) Detached() bool {
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	return len(s.lazy.regions) > 0
}

// FreeLazily gives about max bytes of detached values back to the system and
// says whether more is left. It takes no shard lock. 4 MB take less than 1 ms.
func (s *Store) FreeLazily(max int) (more bool) {
	for max > 0 {
		s.lazy.mu.Lock()
		n := len(s.lazy.regions)
		if n == 0 {
			s.lazy.mu.Unlock()
			return false
		}
		mem := s.lazy.regions[n-1]
		s.lazy.regions[n-1] = nil
		s.lazy.regions = s.lazy.regions[:n-1]
		s.lazy.mu.Unlock()
		max -= s.freeSome(mem, max)
	}
	return s.Detached()
}

// freeSome unmaps the end of a region, max bytes of it, and keeps the rest.
func (s *Store) freeSome(mem []byte, max int) (freed int) {
	rest := 0
	if len(mem) > max {
		rest = (len(mem) - max) &^ (pageSize - 1)
		// The mapping is unmapped as a whole, which then is quick.
		if releaseMemory(mem[rest:]) != nil {
			rest = 0
		}
	}
	u := &s.arena.usage
	u.pending.Add(-int64(len(mem) - rest))
	if rest == 0 {
		s.lazy.mu.Lock()
		s.lazy.freed++
		s.lazy.mu.Unlock()
		full := mem[:cap(mem)]
		u.regions.Add(int64(len(full) - len(mem)))
		s.arena.freeRegion(full)
		return len(mem)
	}
	u.regions.Add(-int64(len(mem) - rest))
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	s.lazy.regions = append(s.lazy.regions, mem[:rest])
	return len(mem) - rest
}

// Unlink is Delete that leaves the memory of a large value to FreeLazily.
func (tx *Tx) Unlink(k Key) bool {
	it := tx.look(k)
	live := it.live
	if it.found {
		it.sh.detachValue(&it.rec)
		it.sh.removeItem(&it)
	}
	return live
}
