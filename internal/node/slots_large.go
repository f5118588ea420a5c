package node

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"respkv/internal/threads"
	"respkv/replication"
	"respkv/store"
)

// A large value goes over the wire as several entries of kind entryPart, which
// carry a payload of store.DumpValue in parts. Behind the name there is the
// number of the part (uvarint), flags (1 byte), in the first one the deadline (as
// of a present key), and a part of the payload. The first part begins anew
// whatever came before; the value is in the keyspace once the last one has come.
const partLast = 1

// defaultPartsFrom is how many elements, or kilobytes, are read and written under
// one hold of a shard's lock, about 1 ms.
const defaultPartsFrom = 2048

// valueSnapshot reads the state of one key in all databases. It implements
// replication.Snapshot.
type valueSnapshot struct {
	ks    *keyspace
	key   store.Key
	whole bool

	begun   bool
	steps   int
	changed atomic.Bool
	unwatch []func()
	db      int
	dump    *store.ValueDump // of the value in db; nil: not begun
	part    uint64           // the number of its next part
	entry   []byte
	payload []byte
}

// SnapshotValue implements replication.Slots.
func (ks *keyspace) SnapshotValue(_ uint16, key []byte, whole bool) replication.Snapshot {
	return &valueSnapshot{ks: ks, key: store.MakeKey(append([]byte(nil), key...)), whole: whole}
}

// Step implements replication.Snapshot.
func (s *valueSnapshot) Step(emit func(entry []byte), at func()) (done, changed bool) {
	st, shard := s.ks.store, s.key.Shard()
	defer threads.Breathe(s.steps)
	s.steps++
	st.LockShard(shard)
	defer st.UnlockShard(shard)
	defer at()
	if !s.begun {
		s.begin()
	}
	if s.changed.Load() {
		return false, true
	}
	for s.db < st.Databases() {
		emit(s.next())
		if s.dump != nil && !s.whole {
			break
		}
	}
	return s.db == st.Databases(), false
}

func (s *valueSnapshot) begin() {
	s.begun = true
	threads.Begin()
	s.ks.store.Pin(s.key.Shard())
	for db := range s.ks.store.Databases() {
		s.unwatch = append(s.unwatch, s.ks.watch(db, s.key, &s.changed))
	}
}

// next is the next entry.
func (s *valueSnapshot) next() []byte {
	tx := store.Tx{Store: s.ks.store, DB: s.db, Now: time.Now().UnixMilli(), IgnoreDeadlines: true, NoTouch: true}
	if s.dump == nil {
		var large bool
		if s.dump, large = tx.DumpParts(s.key, s.ks.partsFrom); !large {
			s.entry, s.payload = appendKey(s.entry[:0], s.payload[:0], &tx, s.key)
			s.db++
			return s.entry
		}
		s.part, s.payload = 0, append(s.payload[:0], s.dump.Next()...)
	}
	s.entry = appendHeader(s.entry[:0], entryPart, s.db, s.key.Name)
	s.entry = binary.AppendUvarint(s.entry, s.part)
	flags := len(s.entry)
	s.entry = append(s.entry, 0)
	if s.part == 0 {
		s.entry = binary.AppendUvarint(s.entry, uint64(s.dump.Deadline+1))
	}
	s.entry = append(s.entry, s.payload...)
	s.part++
	// One part ahead, to know which is the last.
	if s.payload = append(s.payload[:0], s.dump.Next()...); len(s.payload) == 0 {
		s.entry[flags] |= partLast
		s.dump.Stop()
		s.dump = nil
		s.db++
	}
	return s.entry
}

// Close implements replication.Snapshot.
func (s *valueSnapshot) Close() {
	if s.dump != nil {
		s.dump.Stop()
		s.dump = nil
	}
	if !s.begun {
		return
	}
	s.begun = false
	threads.End()
	st, shard := s.ks.store, s.key.Shard()
	st.LockShard(shard)
	defer st.UnlockShard(shard)
	for _, stop := range s.unwatch {
		stop()
	}
	st.Unpin(shard)
}

// loadingValue is a large value of which some parts have come.
type loadingValue struct {
	load     *store.ValueLoad
	deadline int64
	next     uint64 // number of the next part
}

// loadPart takes a part of the value of k, what is behind its name. The lock of
// the shard is held.
func (ks *keyspace) loadPart(tx *store.Tx, k store.Key, part []byte) error {
	number, part, err := uvarint(part)
	if err != nil || len(part) == 0 {
		return errEntry
	}
	last := part[0]&partLast != 0
	part = part[1:]
	l := ks.loading[k.Shard()][k.Slot]
	if number == 0 {
		deadline, payload, err := uvarint(part)
		if err != nil || deadline > 1<<63 {
			return errEntry
		}
		ks.giveUp(k.Slot)
		load, err := tx.LoadParts(k, payload)
		if err != nil {
			return err
		}
		threads.Begin()
		l = &loadingValue{load: load, deadline: int64(deadline - 1)}
		loading := &ks.loading[k.Shard()]
		if *loading == nil {
			*loading = make(map[uint16]*loadingValue)
		}
		(*loading)[k.Slot] = l
	} else {
		if l == nil || number != l.next || !l.load.Of(tx.DB, k) {
			return errEntry
		}
		if err := l.load.Add(part); err != nil {
			ks.giveUp(k.Slot)
			return err
		}
	}
	l.next = number + 1
	if !last {
		return nil
	}
	defer ks.giveUp(k.Slot)
	ks.replaced(k.Slot)
	return l.load.Store(tx, l.deadline)
}

// giveUp forgets the value that is being loaded in a slot, if there is one. The
// lock of its shard is held.
func (ks *keyspace) giveUp(slot uint16) {
	loading := ks.loading[store.ShardOf(slot)]
	if l := loading[slot]; l != nil {
		l.load.Close()
		threads.End()
		delete(loading, slot)
	}
}

// giveUpKey is giveUp if it is the value of that key.
func (ks *keyspace) giveUpKey(db int, k store.Key) {
	if l := ks.loading[k.Shard()][k.Slot]; l != nil && l.load.Of(db, k) {
		ks.giveUp(k.Slot)
	}
}
