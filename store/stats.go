package store

import "sync/atomic"

type counters struct {
	expired       atomic.Int64
	expiredCycle  atomic.Int64
	evicted       atomic.Int64
	expiredFields atomic.Int64
	droppedFreed  atomic.Int64 // values freed by FreeStep
}

// Stats are counters since Open or ResetStats.
type Stats struct {
	Expired       int64 // keys removed because their deadline passed
	ExpiredCycle  int64 // of them, by ExpireCycle
	Evicted       int64 // keys removed by Evict before their deadline
	ExpiredFields int64 // hash fields removed because their deadline passed
}

// Stats returns the counters. No lock is needed.
func (s *Store) Stats() Stats {
	return Stats{Expired: s.stats.expired.Load(), ExpiredCycle: s.stats.expiredCycle.Load(),
		Evicted: s.stats.evicted.Load(), ExpiredFields: s.stats.expiredFields.Load()}
}

// ResetStats sets the counters to zero. No lock is needed.
func (s *Store) ResetStats() {
	s.stats.expired.Store(0)
	s.stats.expiredCycle.Store(0)
	s.stats.evicted.Store(0)
	s.stats.droppedFreed.Store(0)
	s.lazy.mu.Lock()
	s.lazy.freed = 0
	s.lazy.mu.Unlock()
	s.stats.expiredFields.Store(0)
}

// DBSize returns the number of keys in db. No lock is needed; while others
// write, the count is that of no single moment.
func (s *Store) DBSize(db int) (n int64) {
	for i := range s.shards {
		if ix := s.shards[i].dbs[db].Load(); ix != nil {
			n += ix.count.Load()
		}
	}
	return n
}

// Expires returns the number of keys in db that have a deadline. No lock is
// needed.
func (s *Store) Expires(db int) (n int64) {
	for i := range s.shards {
		if ix := s.shards[i].dbs[db].Load(); ix != nil {
			n += ix.expires.Load()
		}
	}
	return n
}

// MemoryStats say where the memory is, in bytes.
type MemoryStats struct {
	Data     int64 // cells of records, and large values
	Index    int64 // segments and directories
	Free     int64 // held for records and segments, but in none: fragmentation
	Resident int64 // that the system may hold pages for (upper bound)
	Mapped   int64 // reserved address space
}

// Memory returns where the memory is. It takes each shard's lock in turn, so
// the caller holds none, unless it holds all and says so.
func (s *Store) Memory(allLocked bool) MemoryStats {
	var m MemoryStats
	tx := Tx{Store: s, AllLocked: allLocked}
	for i := range s.shards {
		sh := tx.lock(i)
		external := sh.external.bytes + sh.external.foreign
		m.Data += sh.cells - sh.indexBytes + external
		m.Index += sh.indexBytes
		m.Free += sh.heap.held - sh.heap.used
		m.Mapped += external
		m.Resident += external
		for db := range sh.dbs {
			if ix := sh.dbs[db].Load(); ix != nil {
				m.Index += int64(len(ix.dir.Load().segs) * 8)
			}
		}
		tx.unlock(sh)
	}
	for i := range s.groups {
		m.Free += s.groups[i].unused() + s.objects[i].unused()
	}
	m.Free += s.large.unused()
	mapped, resident := s.arena.stats()
	m.Mapped += mapped
	m.Resident += resident
	return m
}

// unused returns the bytes held but not in a cell in use; for shared heaps.
func (h *heap) unused() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held - h.used
}

// ReleaseStep gives up to max bytes of free memory back to the system and
// returns how many; 0 means that there is none. It takes no shard lock.
func (s *Store) ReleaseStep(max int64) int64 { return s.arena.releaseStep(max) }

// HugePageStep asks the system for up to max huge pages where data fills them,
// and returns for how many. No lock is needed.
func (s *Store) HugePageStep(max int) int { return s.arena.hugeStep(max) }
