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
	build []byte                  // for packed values in the making; see buffer
	dbs   []atomic.Pointer[index] // nil while a database is empty
	owner
	heap    heap
	objects objects // large values
	pins    int     // calls of Pin without Unpin

	garbage []garbage // what is out of the keyspace and not yet free
	expire  position  // where ExpireCycle goes on

	hints        []*index     // by database: when hash fields are due (hash_expire.go); nil: none
	hinted       atomic.Int64 // entries in hints
	expireFields position     // where ExpireFields goes on

	compact compactState
	scratch []entry             // for walks; empty between operations
	part    []byte              // for entries to be put into them
	text    [2][maxIntText]byte // of integers of packed values, as replies

	_ [cacheLine]byte // neighbours' locks on lines of their own
}

// position is a place in the keyspace of a shard.
type position struct {
	db  int
	tag uint32
}

// index returns the index of db, made if need be.
func (sh *shard) index(db int) (*index, error) {
	ix := sh.dbs[db].Load()
	if ix == nil {
		ix = &index{slots: new([SlotsPerShard]uint32)}
		if err := sh.openIndex(ix); err != nil {
			return nil, err
		}
		sh.dbs[db].Store(ix)
	}
	return ix, nil
}

// freeRecord gives back the memory of a record and of its external value. A
// large object may be left to FreeStep.
func (sh *shard) freeRecord(rec *record) {
	if rec.encoding() == encodingRawExternal {
		id, _ := rec.external()
		sh.store.arena.freeRegion(sh.external.release(id))
	} else if rec.large() {
		sh.discard(sh.objects.take(rec.handle()))
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
