package store

import (
	"math/rand/v2"
)

// CursorBits is the number of bits that a Scan cursor needs: shard and tag.
const CursorBits = 8 + tagBits

// walkBatch is how many entries a walk over the whole keyspace takes at a time.
const walkBatch = 256

// lock takes the lock of shard i unless all are held.
func (tx *Tx) lock(i int) *shard {
	sh := &tx.Store.shards[i]
	if !tx.AllLocked {
		sh.mu.Lock()
	}
	return sh
}

func (tx *Tx) unlock(sh *shard) {
	if !tx.AllLocked {
		sh.mu.Unlock()
	}
}

// expired says whether a record is past its deadline for this Tx.
func (tx *Tx) expired(rec *record) bool {
	return rec.hasDeadline() && !tx.IgnoreDeadlines && tx.Now > rec.deadline()
}

// Scan calls fn for about count keys from cursor on and returns the cursor to
// go on with; 0 starts and 0 ends. Every key present from the first to the last
// call is visited at least once, and none twice unless it was deleted and set
// again, or renamed, in between, whatever happens to other keys. fn gets a key
// that aliases store memory, under the lock of its shard, and must not call
// into the store. A cursor that was never handed out is no error. Locks: see
// AllLocked.
func (tx *Tx) Scan(cursor uint64, count int, fn func(k Key, t Type)) (next uint64) {
	if cursor >= Shards<<tagBits {
		return 0
	}
	i, pos := int(cursor>>tagBits), uint32(cursor&(tagEnd-1))
	count = max(count, 1)
	for ; i < Shards; i, pos = i+1, 0 {
		if tx.Store.shards[i].dbs[tx.DB].Load() == nil {
			continue
		}
		var visited int
		visited, pos = tx.scanShard(i, pos, count, fn)
		if count -= visited; pos < tagEnd {
			return uint64(i)<<tagBits | uint64(pos)
		}
		if count <= 0 {
			// The next shard, or the end.
			return uint64(i+1) << tagBits % (Shards << tagBits)
		}
	}
	return 0
}

// scanShard visits about count keys of shard i and returns how many it visited
// and where to go on, tagEnd at the end.
func (tx *Tx) scanShard(i int, pos uint32, count int, fn func(k Key, t Type)) (visited int, next uint32) {
	sh := tx.lock(i)
	defer tx.unlock(sh)
	ix := sh.dbs[tx.DB].Load()
	if ix == nil {
		return 0, tagEnd
	}
	for pos < tagEnd && visited < count {
		limits := walkLimits{entries: min(count-visited, walkBatch), segments: 1 << tagBits}
		sh.scratch, pos = sh.collect(ix, pos, tagEnd, limits, sh.scratch[:0])
		visited += len(sh.scratch)
		sh.each(sh.scratch, func(e entry, rec *record) {
			if !tx.expired(rec) {
				fn(sh.keyOf(e, rec), rec.typ())
			}
		})
	}
	return visited, pos
}

// Keys calls fn for every key until it returns false, under the conditions of
// Scan.
func (tx *Tx) Keys(fn func(k Key, t Type) bool) {
	more := true
	for i := 0; i < Shards && more; i++ {
		for pos := uint32(0); pos < tagEnd && more; {
			_, pos = tx.scanShard(i, pos, walkBatch, func(k Key, t Type) {
				more = more && fn(k, t)
			})
		}
	}
}

// RandomKey appends the name of a random key to buf. False when there is none.
// Shards and slots are drawn by their number of keys; within a large slot a key
// is drawn by its distance in hash order from the one before. Locks: see
// AllLocked.
func (tx *Tx) RandomKey(buf []byte) (name []byte, ok bool) {
	// Keys past their deadline are removed, or, when they must be kept,
	// drawn again a limited number of times.
	for tries := 0; tries < 100 || !tx.KeepExpired; {
		n := tx.Store.DBSize(tx.DB)
		if n == 0 {
			return buf, false
		}
		n = rand.Int64N(n)
		i := 0
		for ; i < Shards; i++ {
			ix := tx.Store.shards[i].dbs[tx.DB].Load()
			if ix == nil {
				continue
			}
			if c := ix.count.Load(); n < c {
				break
			} else {
				n -= c
			}
		}
		if i == Shards {
			continue // keys went meanwhile
		}
		var drawn bool
		if name, drawn, ok = tx.randomInShard(i, n, buf); ok {
			return name, true
		}
		if drawn {
			tries++
		}
	}
	return buf, false
}

// smallSlot is the number of keys up to which every key of a slot is drawn with
// the same probability.
const smallSlot = 64

// randomInShard draws a key from the slot that holds the n-th key of shard i.
// drawn without ok: it was past its deadline.
func (tx *Tx) randomInShard(i int, n int64, buf []byte) (name []byte, drawn, ok bool) {
	sh := tx.lock(i)
	defer tx.unlock(sh)
	ix := sh.dbs[tx.DB].Load()
	if ix == nil {
		return buf, false, false
	}
	slot := 0
	for ; slot < SlotsPerShard && n >= int64(ix.slots[slot]); slot++ {
		n -= int64(ix.slots[slot])
	}
	if slot == SlotsPerShard {
		return buf, false, false
	}
	pos, end := slotRange(uint16(slot))
	one := walkLimits{entries: 1, segments: 1 << tagBits}
	at := 0
	if ix.slots[slot] <= smallSlot {
		at, one.entries = int(n), int(n)+1
		sh.scratch, _ = sh.collect(ix, pos, end, one, sh.scratch[:0])
	} else {
		sh.scratch, _ = sh.collect(ix, pos+rand.Uint32N(end-pos), end, one, sh.scratch[:0])
		if len(sh.scratch) == 0 {
			sh.scratch, _ = sh.collect(ix, pos, end, one, sh.scratch[:0])
		}
		at = rand.IntN(len(sh.scratch))
	}
	e := sh.scratch[at]
	rec := sh.store.arena.parse(refOf(e))
	if !tx.expired(&rec) {
		return append(buf, rec.key()...), true, true
	}
	if !tx.KeepExpired {
		k := sh.keyOf(e, &rec)
		k.Name = append([]byte(nil), k.Name...)
		tx.look(k)
	}
	return buf, true, false
}

// SlotScan calls fn for keys of slot in hash order from cursor on, with their
// values as of DumpValue and deadlines (-1: none), until maxKeys keys or
// maxBytes bytes of names and payloads are reached, and returns the cursor to
// go on with; 0 starts and 0 ends. The cursor stays valid while the table grows
// and shrinks; it is the slot's own order, so that a key changed meanwhile is
// before the cursor (visited) or not (still to come). Keys past their deadline
// are included. At least one key is visited, and all keys of one hash together.
// Name and payload are valid during fn only, which must not call into the
// store. Of values that DumpParts takes with from, the payload is nil. The caller
// holds the lock of the slot's shard.
func (tx *Tx) SlotScan(slot uint16, cursor uint64, maxKeys, maxBytes, from int, fn func(k Key, payload []byte, deadline int64)) (next uint64) {
	sh := &tx.Store.shards[ShardOf(slot)]
	ix := sh.dbs[tx.DB].Load()
	first, end := slotRange(slot)
	if ix == nil || cursor >= uint64(end-first) {
		return 0
	}
	pos := first + uint32(cursor)
	var payload []byte
	for keys, size := 0, 0; pos < end && (keys == 0 || keys < maxKeys && size < maxBytes); {
		// Small batches: the bytes are known only after the fact.
		limits := walkLimits{entries: max(1, min(maxKeys-keys, 16)), segments: 1 << tagBits}
		var after uint32
		sh.scratch, after = sh.collect(ix, pos, end, limits, sh.scratch[:0])
		for i, e := range sh.scratch {
			// Past the limit stop before the next hash.
			if size >= maxBytes && i > 0 && tagOf(e) != tagOf(sh.scratch[i-1]) {
				after = tagOf(e)
				break
			}
			rec := sh.store.arena.parse(refOf(e))
			if rec.large() && elementsOf(sh.object(&rec)) >= from {
				fn(sh.keyOf(e, &rec), nil, rec.deadline())
			} else {
				payload = sh.dump(&rec, tx.Now, payload[:0])
				fn(sh.keyOf(e, &rec), payload, rec.deadline())
			}
			keys++
			size += rec.klen + len(payload)
		}
		pos = after
	}
	if pos >= end {
		return 0
	}
	return uint64(pos - first)
}

// SlotKeys returns copies of up to max key names of slot in db. The caller
// holds the lock of the slot's shard.
func (s *Store) SlotKeys(db int, slot uint16, max int) [][]byte {
	sh := &s.shards[ShardOf(slot)]
	ix := sh.dbs[db].Load()
	if ix == nil || max <= 0 {
		return nil
	}
	pos, end := slotRange(slot)
	max = min(max, int(ix.slots[slot%SlotsPerShard]))
	names := make([][]byte, 0, max)
	for pos < end && len(names) < max {
		limits := walkLimits{entries: min(max-len(names), walkBatch), segments: 1 << tagBits}
		sh.scratch, pos = sh.collect(ix, pos, end, limits, sh.scratch[:0])
		sh.each(sh.scratch, func(_ entry, rec *record) {
			if len(names) < max {
				names = append(names, append([]byte(nil), rec.key()...))
			}
		})
	}
	return names
}

// CountSlot returns the number of keys of slot in db. The caller holds the
// lock of the slot's shard.
func (s *Store) CountSlot(db int, slot uint16) int {
	ix := s.shards[ShardOf(slot)].dbs[db].Load()
	if ix == nil {
		return 0
	}
	return int(ix.slots[slot%SlotsPerShard])
}
