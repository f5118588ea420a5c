package store

import "sync/atomic"

// usage counts the memory of the data while it changes, cheaply enough for
// every write: what each heap holds but does not use is noted there (under the
// lock that guards the heap anyway) and passed on only in grains, so that
// writers of different shards seldom meet.
type usage struct {
	blocks  atomic.Int64 // blocks of the arena handed out; stored under its lock
	dirty   atomic.Int64 // free blocks that may hold pages
	free    atomic.Int64 // bytes that heaps hold but do not use, in grains
	regions atomic.Int64 // bytes of values with a mapping of their own
	pending atomic.Int64 // bytes of such mappings whose key is gone
	grain   atomic.Int64
}

const (
	// maxGrain is below a block, so that a block taken or given back is always
	// passed on at once: what is on its way is small change only.
	maxGrain = 8 << 10
	// grainShare makes all grains together, one a heap, some 0.2 % of a limit.
	grainShare = 17
)

// noteFree notes that the heap holds n more bytes that it does not use.
func (h *heap) noteFree(n int) {
	h.unnoted += int64(n)
	u := &h.arena.usage
	if grain := u.grain.Load(); h.unnoted >= grain || h.unnoted <= -grain {
		u.free.Add(h.unnoted)
		h.unnoted = 0
	}
}

// Used returns the bytes that keys, values and index take now, without what is
// free inside the memory held for them. Within 0.2 % of the limit given to
// Watch, else of 2 MB. No lock is needed, and no more than four counters are
// read.
func (s *Store) Used() int64 {
	u := &s.arena.usage
	return (u.blocks.Load()-1)<<blockShift - u.free.Load() + u.regions.Load() - u.pending.Load()
}

// Held returns the bytes that the system may hold pages for: Used, with what
// is free in between and what is not given back yet. No lock is needed.
func (s *Store) Held() int64 {
	u := &s.arena.usage
	return (u.blocks.Load()+u.dirty.Load())<<blockShift + u.regions.Load()
}

// Watch makes Used exact enough to be compared with limit, in bytes. The caller
// may hold shard locks (CONFIG SET in a transaction): a heap whose lock is taken
// is left out, and exact again once it was used.
func (s *Store) Watch(limit int64) {
	u := &s.arena.usage
	u.grain.Store(max(1, min(limit>>grainShare, maxGrain)))
	for i := range s.shards {
		if s.shards[i].mu.TryLock() {
			s.shards[i].heap.noteFree(0)
			s.shards[i].mu.Unlock()
		}
	}
	for i := range s.groups {
		s.groups[i].noteShared()
		s.objects[i].noteShared()
	}
	s.large.noteShared()
}

func (h *heap) noteShared() {
	if !h.mu.TryLock() {
		return
	}
	defer h.mu.Unlock()
	h.noteFree(0)
}
