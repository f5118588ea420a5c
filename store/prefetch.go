package store

import (
	"sync/atomic"
	"unsafe"
)

const cacheLine = 64

// PrefetchIndex brings the index line of k into the cache. No lock is needed:
// the directory is published atomically, and index memory is never unmapped.
func (s *Store) PrefetchIndex(db int, k Key) {
	ix := s.shards[k.Shard()].dbs[db].Load()
	if ix == nil {
		return
	}
	tag := k.tag()
	dir := ix.dir.Load()
	w := segWord(atomic.LoadUint64(&dir.segs[dir.pos(tag)]))
	addr := s.arena.mappedAddr(w.ref()) + uintptr(w.home(tag))*8
	prefetch(addr)
	prefetch(addr + 32) // entries stand a little behind their home
}

// PrefetchRecord brings the record of k into the cache; call it a little after
// PrefetchIndex. No lock is needed: what it reads may be stale or torn, and is
// only ever the address of a prefetch.
func (s *Store) PrefetchRecord(db int, k Key) {
	ix := s.shards[k.Shard()].dbs[db].Load()
	if ix == nil {
		return
	}
	tag := k.tag()
	dir := ix.dir.Load()
	w := segWord(atomic.LoadUint64(&dir.segs[dir.pos(tag)]))
	base := s.arena.mappedPtr(w.ref())
	if base == nil {
		return
	}
	for i, end := w.home(tag), w.cells(); i < end; i++ {
		e := atomic.LoadUint64((*uint64)(unsafe.Add(base, i*8)))
		if e == 0 || tagOf(e) > tag {
			return
		}
		if tagOf(e) == tag {
			addr := s.arena.mappedAddr(refOf(e))
			prefetch(addr)
			prefetch(addr + cacheLine)
			return
		}
	}
}
