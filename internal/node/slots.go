package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"respkv/internal/threads"
	"respkv/store"
)

// errEntry says that a snapshot entry from the network is malformed.
var errEntry = errors.New("node: malformed snapshot entry")

// Kinds of snapshot entries: the first byte. Append only: they go over the wire
// between nodes.
const (
	entryAbsent  = 0 // the key does not exist
	entryPresent = 1
	entryPart    = 2 // of a large value
)

// keyspace gives replication access to whole slots of the store. It implements
// replication.Slots.
//
// An entry is: kind (1 byte), database (uvarint), length of the name (uvarint),
// name; for a present key then deadline (uvarint, Unix milliseconds + 1, 0 for
// none) and the payload of store.DumpValue up to the end. A large value comes in
// several entries (slots_large.go).
type keyspace struct {
	store    *store.Store
	replaced func(slot uint16) // told of keys that no effect changes; lock of the shard held
	// watch says in changed when a key is changed, until stop is called; both
	// with the lock of the shard held.
	watch func(db int, k store.Key, changed *atomic.Bool) (stop func())

	partsFrom int                                    // store.Tx.Elements from which a value comes in parts
	loading   [store.Shards]map[uint16]*loadingValue // by slot; guarded by the lock of the shard
}

func newKeyspace(st *store.Store) *keyspace {
	return &keyspace{
		store: st, replaced: func(uint16) {}, partsFrom: defaultPartsFrom,
		watch: func(int, store.Key, *atomic.Bool) func() { return func() {} },
	}
}

// A snapshot cursor is the database in the bits above the store's cursor.
const cursorDatabaseShift = 40

// SnapshotStep implements replication.Slots.
func (ks *keyspace) SnapshotStep(slot uint16, cursor uint64, budget int, emit func(key, entry []byte), at func()) (next uint64, done bool, err error) {
	shard := store.ShardOf(slot)
	ks.store.LockShard(shard)
	defer ks.store.UnlockShard(shard)
	defer at()
	db := int(cursor >> cursorDatabaseShift)
	position := cursor & (1<<cursorDatabaseShift - 1)
	if db >= ks.store.Databases() {
		return 0, false, fmt.Errorf("node: snapshot cursor %#x of slot %d: no database %d", cursor, slot, db)
	}
	var entry []byte
	emitted := false
	for ; db < ks.store.Databases(); db++ {
		if ks.store.CountSlot(db, slot) > 0 {
			tx := store.Tx{Store: ks.store, DB: db, Now: time.Now().UnixMilli(), IgnoreDeadlines: true, NoTouch: true}
			position = tx.SlotScan(slot, position, snapshotKeys, max(budget, 1), ks.partsFrom, func(k store.Key, payload []byte, deadline int64) {
				if payload == nil {
					emit(k.Name, nil)
					return
				}
				entry = appendPresent(entry[:0], db, k.Name, payload, deadline)
				budget -= len(entry)
				emitted = true
				emit(k.Name, entry)
			})
			if position != 0 {
				return uint64(db)<<cursorDatabaseShift | position, false, nil
			}
		}
		position = 0
		if emitted && budget <= 0 && db+1 < ks.store.Databases() {
			return uint64(db+1) << cursorDatabaseShift, false, nil
		}
	}
	return 0, true, nil
}

// snapshotKeys bounds the keys read under one hold of the shard lock.
const snapshotKeys = 1024

// SnapshotKeys implements replication.Slots.
func (ks *keyspace) SnapshotKeys(slot uint16, keys [][]byte, emit func(key, entry []byte), at func()) error {
	shard := store.ShardOf(slot)
	ks.store.LockShard(shard)
	defer ks.store.UnlockShard(shard)
	defer at()
	var entry, payload []byte
	for _, name := range keys {
		k := store.MakeKey(name)
		if k.Slot != slot {
			return fmt.Errorf("node: key %q is of slot %d, not %d", name, k.Slot, slot)
		}
		for db := range ks.store.Databases() {
			tx := store.Tx{Store: ks.store, DB: db, Now: time.Now().UnixMilli(), IgnoreDeadlines: true, NoTouch: true}
			if tx.Elements(k) >= ks.partsFrom {
				emit(name, nil)
				continue
			}
			entry, payload = appendKey(entry[:0], payload[:0], &tx, k)
			emit(name, entry)
		}
	}
	return nil
}

// appendKey appends the entry of one key. payload is a buffer.
func appendKey(dst, payload []byte, tx *store.Tx, k store.Key) (entry, buffer []byte) {
	payload, deadline, ok := tx.DumpValue(k, payload)
	if !ok {
		return appendHeader(dst, entryAbsent, tx.DB, k.Name), payload
	}
	return appendPresent(dst, tx.DB, k.Name, payload, deadline), payload
}

// clearStep bounds the keys removed under one hold of the shard lock.
const clearStep = 1000

// ClearSlot implements replication.Slots.
func (ks *keyspace) ClearSlot(slot uint16) error {
	shard := store.ShardOf(slot)
	for step := 0; ; step++ {
		ks.store.LockShard(shard)
		ks.replaced(slot)
		ks.giveUp(slot)
		removed := 0
		for db := range ks.store.Databases() {
			removed += ks.store.FlushSlot(db, slot, clearStep)
		}
		if removed == 0 {
			ks.store.UnlockShard(shard)
			return nil
		}
		ks.store.UnlockShard(shard)
		threads.Breathe(step)
	}
}

// LoadEntry implements replication.Slots.
func (ks *keyspace) LoadEntry(slot uint16, entry []byte) error {
	if len(entry) == 0 {
		return errEntry
	}
	kind, rest := entry[0], entry[1:]
	db, rest, err := uvarint(rest)
	if err != nil || db >= uint64(ks.store.Databases()) {
		return errEntry
	}
	length, rest, err := uvarint(rest)
	if err != nil || length > uint64(len(rest)) {
		return errEntry
	}
	k := store.MakeKey(rest[:length])
	rest = rest[length:]
	if k.Slot != slot {
		return fmt.Errorf("%w: key of slot %d in slot %d", errEntry, k.Slot, slot)
	}
	tx := store.Tx{Store: ks.store, DB: int(db), Now: time.Now().UnixMilli(), IgnoreDeadlines: true, NoTouch: true}
	shard := k.Shard()
	switch kind {
	case entryAbsent:
		ks.store.LockShard(shard)
		defer ks.store.UnlockShard(shard)
		ks.replaced(slot)
		ks.giveUpKey(int(db), k)
		tx.Delete(k)
		return nil
	case entryPresent:
		deadline, payload, err := uvarint(rest)
		if err != nil || deadline > 1<<63 {
			return errEntry
		}
		ks.store.LockShard(shard)
		defer ks.store.UnlockShard(shard)
		ks.replaced(slot)
		ks.giveUpKey(int(db), k)
		return tx.LoadValue(k, payload, int64(deadline-1), true)
	case entryPart:
		defer threads.Breathe(0)
		ks.store.LockShard(shard)
		defer ks.store.UnlockShard(shard)
		return ks.loadPart(&tx, k, rest)
	}
	return fmt.Errorf("%w: kind %d", errEntry, kind)
}

// SlotKeyCount implements replication.Slots.
func (ks *keyspace) SlotKeyCount(slot uint16) int {
	n := 0
	ks.WithSlot(slot, func() {
		for db := range ks.store.Databases() {
			n += ks.store.CountSlot(db, slot)
		}
	})
	return n
}

// WithSlot implements replication.Slots.
func (ks *keyspace) WithSlot(slot uint16, fn func()) {
	shard := store.ShardOf(slot)
	ks.store.LockShard(shard)
	defer ks.store.UnlockShard(shard)
	fn()
}

func appendHeader(dst []byte, kind byte, db int, name []byte) []byte {
	dst = append(dst, kind)
	dst = binary.AppendUvarint(dst, uint64(db))
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	return append(dst, name...)
}

func appendPresent(dst []byte, db int, name, payload []byte, deadline int64) []byte {
	dst = appendHeader(dst, entryPresent, db, name)
	dst = binary.AppendUvarint(dst, uint64(deadline+1))
	return append(dst, payload...)
}

func uvarint(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errEntry
	}
	return v, b[n:], nil
}
