package store

import (
	"sync"
	"sync/atomic"
)

// shard holds the keys of 64 contiguous slots. Everything but the atomic parts
// is guarded by mu.
type shard struct {
	mu    sync.Mutex
	id    int
	store *Store
	dbs   []atomic.Pointer[index] // nil while a database is empty
	heap  heap

	external   externals
	cells      int64 // bytes of cells and blocks handed out to this shard
	indexBytes int64 // of them, for index segments

	garbage []garbage // emptied databases whose memory is not yet free
	expire  position  // where ExpireCycle goes on
	compact compactState
	scratch []entry // for walks; empty between operations

	_ [cacheLine]byte // neighbours' locks on lines of their own
}

// position is a place in the keyspace of a shard.
type position struct {
	db  int
	tag uint32
}

// alloc returns memory of at least size bytes, owned by the shard until free.
func (sh *shard) alloc(size int) (ref, error) {
	r, err := sh.store.allocFor(sh, size)
	if err == nil {
		sh.cells += int64(cellSize(size))
	}
	return r, err
}

// free gives back what alloc returned for that size.
func (sh *shard) free(r ref, size int) {
	sh.cells -= int64(cellSize(size))
	if size > maxCell {
		sh.store.arena.free(r, blocksFor(size))
		return
	}
	class := classOf(size)
	h := sh.heapFor(class)
	if h != &sh.heap {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	h.free(r, class)
}

func (s *Store) allocFor(sh *shard, size int) (ref, error) {
	if size > maxCell {
		return s.arena.alloc(blocksFor(size), 1)
	}
	class := classOf(size)
	h := sh.heapFor(class)
	if h != &sh.heap {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	return h.alloc(class)
}

func (sh *shard) heapFor(class int) *heap {
	switch {
	case class < shardClasses:
		return &sh.heap
	case class < groupClasses:
		return &sh.store.groups[sh.id/groupShards]
	default:
		return &sh.store.large
	}
}

func blocksFor(size int) int { return (size + blockSize - 1) >> blockShift }

// cellSize returns the bytes that alloc(size) takes.
func cellSize(size int) int {
	if size > maxCell {
		return blocksFor(size) << blockShift
	}
	return classSize(classOf(size))
}

// index returns the index of db, made if need be.
func (sh *shard) index(db int) (*index, error) {
	ix := sh.dbs[db].Load()
	if ix == nil {
		var err error
		if ix, err = sh.newIndex(); err != nil {
			return nil, err
		}
		sh.dbs[db].Store(ix)
	}
	return ix, nil
}

// freeRecord gives back the memory of a record and of its external value.
func (sh *shard) freeRecord(rec *record) {
	if rec.encoding() == encodingRawExternal {
		id, _ := rec.external()
		sh.store.arena.freeRegion(sh.external.release(id))
	}
	sh.free(rec.ref, rec.size())
}

// value returns the bytes of a string record.
func (sh *shard) value(rec *record) []byte {
	if rec.encoding() == encodingRawExternal {
		id, n := rec.external()
		return sh.external.regions[id][:n]
	}
	return rec.inline()
}

// prefetchAhead is how many records ahead of its use a walk prefetches: enough
// to cover one memory latency.
const prefetchAhead = 8

// each calls fn for the record of each entry.
func (sh *shard) each(entries []entry, fn func(e entry, rec *record)) {
	a := sh.store.arena
	for i := range min(prefetchAhead, len(entries)) {
		prefetch(a.mappedAddr(refOf(entries[i])))
	}
	for i, e := range entries {
		if i+prefetchAhead < len(entries) {
			prefetch(a.mappedAddr(refOf(entries[i+prefetchAhead])))
		}
		rec := a.parse(refOf(e))
		fn(e, &rec)
	}
}

// slotOf returns the slot that an entry of this shard belongs to.
func (sh *shard) slotOf(e entry) uint16 {
	return uint16(sh.id*SlotsPerShard) + uint16(tagOf(e)>>hashBits)
}

// keyOf returns the key of a record. Its name aliases the record.
func (sh *shard) keyOf(e entry, rec *record) Key {
	return Key{Name: rec.key(), Slot: sh.slotOf(e), Hash: tagOf(e) & (1<<hashBits - 1)}
}
