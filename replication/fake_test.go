package replication

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	fakeDatabases = 2
	// settle is how long a test waits for what must come.
	settle = time.Minute
)

// fakeStore is a keyspace of strings with a lock per shard, as Applier and Slots.
type fakeStore struct {
	locks [tapCount]sync.Mutex
	slots [slotCount][fakeDatabases]map[string]string // guarded by the slot's lock
	load  func(slot uint16)                           // nil, or called before each LoadEntry

	large   atomic.Int64 // keys read in steps
	changed atomic.Int64 // that changed meanwhile
	open    atomic.Int64 // snapshots not closed
}

func (f *fakeStore) WithSlot(slot uint16, fn func()) {
	f.locks[slot>>tapShift].Lock()
	defer f.locks[slot>>tapShift].Unlock()
	fn()
}

func (f *fakeStore) db(slot uint16, db int) map[string]string {
	if f.slots[slot][db] == nil {
		f.slots[slot][db] = make(map[string]string)
	}
	return f.slots[slot][db]
}

var errFake = errors.New("fake: bad effect")

// execute runs an effect. Slot lock held.
func (f *fakeStore) execute(slot uint16, db int, args [][]byte) error {
	if len(args) == 0 || db >= fakeDatabases {
		return errFake
	}
	m := f.db(slot, db)
	arg := func(i int) string { return string(args[i]) }
	switch name := arg(0); {
	case name == "SET" && len(args) == 3:
		m[arg(1)] = arg(2)
	case name == "APPEND" && len(args) == 3:
		m[arg(1)] += arg(2)
	case name == "POP" && len(args) == 2: // drops the first byte; gone when empty
		v, ok := m[arg(1)]
		if !ok {
			return errFake // a replica whose copy is exact never sees this
		}
		if len(v) <= 1 { // SET and APPEND make empty values too
			delete(m, arg(1))
		} else {
			m[arg(1)] = v[1:]
		}
	case name == "DEL" && len(args) >= 2:
		for i := range args[1:] {
			delete(m, arg(i+1))
		}
	case name == "RENAME" && len(args) == 3:
		v, ok := m[arg(1)]
		if !ok {
			return errFake
		}
		delete(m, arg(1))
		m[arg(2)] = v
	case name == "COPY" && len(args) == 3:
		v, ok := m[arg(1)]
		if !ok {
			return errFake
		}
		m[arg(2)] = v
	case name == "SWAPDB" && len(args) == 1:
		f.slots[slot][0], f.slots[slot][1] = f.slots[slot][1], f.slots[slot][0]
	case name == "FLUSH" && len(args) == 1:
		clear(m)
	default:
		return errFake
	}
	return nil
}

func (f *fakeStore) Apply(slot uint16, db int, args [][]byte, after func()) (err error) {
	f.WithSlot(slot, func() {
		err = f.execute(slot, db, args)
		after()
	})
	return err
}

func (f *fakeStore) ApplyGroup(slot uint16, n int, effect func(i int) (int, [][]byte), after func(i int)) (err error) {
	f.WithSlot(slot, func() {
		for i := 0; i < n && err == nil; i++ {
			db, args := effect(i)
			err = f.execute(slot, db, args)
			after(i)
		}
	})
	return err
}

func (f *fakeStore) Expect(dbs []int, names [][]byte) {
	if len(dbs) != len(names) || len(dbs) < 2 {
		panic("expected keys without databases, or only one")
	}
}

func (f *fakeStore) Keys(args [][]byte) [][]byte {
	if len(args) == 0 {
		return nil
	}
	switch string(args[0]) {
	case "SET", "APPEND", "POP":
		return args[1:min(2, len(args))]
	}
	return args[1:]
}

func fakeEntry(db int, key, value string, present bool) []byte {
	b := []byte{byte(db), 0}
	if present {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, uint64(len(key)))
	return append(append(b, key...), value...)
}

func fakeHash(db int, key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte{byte(db)})
	io.WriteString(h, key)
	return h.Sum64()>>1 + 1
}

func (f *fakeStore) SnapshotStep(slot uint16, cursor uint64, budget int, emit func(key, entry []byte), at func()) (next uint64, done bool, err error) {
	type item struct {
		hash uint64
		db   int
		key  string
	}
	f.WithSlot(slot, func() {
		defer at()
		var items []item
		for db := range fakeDatabases {
			for key := range f.db(slot, db) {
				if h := fakeHash(db, key); h > cursor {
					items = append(items, item{h, db, key})
				}
			}
		}
		slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.hash, b.hash) })
		next = cursor
		for i, it := range items {
			if budget <= 0 && i > 0 {
				return
			}
			entry := fakeEntry(it.db, it.key, f.db(slot, it.db)[it.key], true)
			if f.isLarge(slot, it.key) {
				entry = nil
			}
			emit([]byte(it.key), entry)
			budget -= len(entry)
			next = it.hash
		}
		done = true
	})
	return next, done, nil
}

func (f *fakeStore) SnapshotKeys(slot uint16, keys [][]byte, emit func(key, entry []byte), at func()) error {
	f.WithSlot(slot, func() {
		defer at()
		for _, key := range keys {
			if f.isLarge(slot, string(key)) {
				emit(key, nil)
				continue
			}
			for db := range fakeDatabases {
				value, ok := f.db(slot, db)[string(key)]
				emit(key, fakeEntry(db, string(key), value, ok))
			}
		}
	})
	return nil
}

// fakeLarge is the length of values that are read in steps.
const fakeLarge = 12

func (f *fakeStore) isLarge(slot uint16, key string) bool {
	for db := range fakeDatabases {
		if len(f.db(slot, db)[key]) >= fakeLarge {
			return true
		}
	}
	return false
}

// fakeSnapshot reads one database a step.
type fakeSnapshot struct {
	f     *fakeStore
	slot  uint16
	key   string
	whole bool
	state [][]byte // entries at the first step
	step  int
}

func (f *fakeStore) SnapshotValue(slot uint16, key []byte, whole bool) Snapshot {
	f.open.Add(1)
	return &fakeSnapshot{f: f, slot: slot, key: string(key), whole: whole}
}

func (s *fakeSnapshot) Step(emit func(entry []byte), at func()) (done, changed bool) {
	s.f.WithSlot(s.slot, func() {
		defer at()
		var state [][]byte
		for db := range fakeDatabases {
			value, ok := s.f.db(s.slot, db)[s.key]
			state = append(state, fakeEntry(db, s.key, value, ok))
		}
		if s.state == nil {
			s.state = state
		}
		if changed = !slices.EqualFunc(s.state, state, bytes.Equal); changed {
			s.f.changed.Add(1)
			return
		}
		for s.step < len(state) {
			emit(state[s.step])
			if s.step++; !s.whole {
				break
			}
		}
		done = s.step == len(state)
	})
	if done {
		s.f.large.Add(1)
	}
	return done, changed
}

func (s *fakeSnapshot) Close() { s.f.open.Add(-1) }

func (f *fakeStore) ClearSlot(slot uint16) error {
	f.WithSlot(slot, func() { f.slots[slot] = [fakeDatabases]map[string]string{} })
	return nil
}

func (f *fakeStore) LoadEntry(slot uint16, entry []byte) error {
	if f.load != nil {
		f.load(slot)
	}
	if len(entry) < 3 || entry[0] >= fakeDatabases {
		return errFake
	}
	size, n := binary.Uvarint(entry[2:])
	if n <= 0 || size > uint64(len(entry)-2-n) {
		return errFake
	}
	key, value := entry[2+n:2+n+int(size)], entry[2+n+int(size):]
	f.WithSlot(slot, func() {
		if entry[1] == 0 {
			delete(f.db(slot, int(entry[0])), string(key))
		} else {
			f.db(slot, int(entry[0]))[string(key)] = string(value)
		}
	})
	return nil
}

func (f *fakeStore) SlotKeyCount(slot uint16) (n int) {
	f.WithSlot(slot, func() {
		for db := range fakeDatabases {
			n += len(f.db(slot, db))
		}
	})
	return n
}

func (f *fakeStore) contents(slot uint16) (copies [fakeDatabases]map[string]string) {
	f.WithSlot(slot, func() {
		for db := range fakeDatabases {
			copies[db] = maps.Clone(f.db(slot, db))
		}
	})
	return copies
}

// fakeNode is a node without a cluster.
type fakeNode struct {
	id     string
	store  *fakeStore
	log    *Log
	source *Source
	links  map[string]*Link // by primary
	losses chan Loss
	oracle *oracle // may be nil
}

// oracle knows what a slot's copy at each position looks like.
type oracle struct {
	mu   sync.Mutex
	sums map[SlotPosition]uint64
}

var oracleSeed = maphash.MakeSeed()

// sum returns a digest of a slot. Slot lock held.
func (f *fakeStore) sum(slot uint16) (sum uint64) {
	for db := range fakeDatabases {
		for key, value := range f.slots[slot][db] {
			sum += (maphash.String(oracleSeed, key)*31 + maphash.String(oracleSeed, value)) * uint64(db+3)
		}
	}
	return sum
}

// check compares a slot with what it was when it was written.
func (o *oracle) check(t testing.TB, n *fakeNode, slot uint16) {
	t.Helper()
	n.store.WithSlot(slot, func() {
		at := n.log.History(slot)
		pos := history(at).lastEffect(n.log.Position(slot).Seq)
		o.mu.Lock()
		want, ok := o.sums[SlotPosition{slot, pos}]
		o.mu.Unlock()
		if got := n.store.sum(slot); pos.Seq > 0 && (!ok || got != want) {
			t.Errorf("node %s slot %d at %v: digest %x, was %x (%v) when written; epochs %v", n.id, slot, pos, got, want, ok, at)
		}
	})
}

func testConfig() Config {
	c := DefaultConfig()
	c.LogBytes = MinLogBytes
	c.TapBytes = 4 << 10
	c.Heartbeat = 10 * time.Millisecond
	c.ReconnectMin, c.ReconnectMax = time.Millisecond, 5*time.Millisecond
	c.BatchBytes = 4 << 10
	c.CopyStepBytes = 1 << 10
	return c
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newFakeNode(t testing.TB, id string, c Config) *fakeNode {
	t.Helper()
	n := &fakeNode{id: id, store: &fakeStore{}, links: map[string]*Link{}, losses: make(chan Loss, 10000)}
	var err error
	if n.log, err = NewLog(c); err != nil {
		t.Fatal(err)
	}
	n.source, err = NewSource(SourceOptions{Config: c, Log: n.log, Slots: n.store, Keys: n.store.Keys, NodeID: id, BootID: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.log.SetWanted(true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, l := range n.links {
			l.Close()
		}
		n.source.Close()
		if err := n.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// shrink gives the log a ring smaller than the configuration allows. Nothing may
// have been written yet.
func (n *fakeNode) shrink(t testing.TB, size int64) {
	t.Helper()
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	if err := n.log.ring.close(); err != nil {
		t.Fatal(err)
	}
	n.log.ring = newRing(size)
	if err := n.log.ring.open(); err != nil {
		t.Fatal(err)
	}
}

// follow opens a link to p; wrap, if not nil, sees each connection's replica end.
func (n *fakeNode) follow(t testing.TB, p *fakeNode, wrap func(net.Conn) net.Conn, changes ...func(*LinkOptions)) *Link {
	t.Helper()
	o := LinkOptions{
		Config: n.source.Config, Log: n.log, Applier: n.store, Slots: n.store,
		NodeID: n.id, BootID: 1, PrimaryID: p.id, Logger: quiet(),
		Dial: func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			if wrap != nil {
				here = wrap(here)
			}
			go p.source.Serve(context.Background(), there)
			return here, nil
		},
		OnLoss: func(l Loss) { n.losses <- l },
	}
	for _, change := range changes {
		change(&o)
	}
	l, err := NewLink(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Start()
	n.links[p.id] = l
	return l
}

// lead makes n primary of slots.
func (n *fakeNode) lead(t testing.TB, epoch uint64, slots ...uint16) {
	t.Helper()
	for _, slot := range slots {
		n.store.WithSlot(slot, func() {
			if err := n.log.BeginEpoch(slot, epoch); err != nil {
				t.Error(err)
			}
		})
	}
}

// write executes and logs an effect, if n is primary and the effect possible.
func (n *fakeNode) write(slot uint16, db int, args ...string) (done bool) {
	raw := make([][]byte, len(args))
	for i := range args {
		raw[i] = []byte(args[i])
	}
	n.store.WithSlot(slot, func() {
		if n.log.IsPrimary(slot) && n.store.execute(slot, db, raw) == nil {
			n.log.Append(slot, db, 0, raw)
			if n.oracle != nil {
				sum := n.store.sum(slot)
				n.oracle.mu.Lock()
				n.oracle.sums[SlotPosition{slot, n.log.Position(slot)}] = sum
				n.oracle.mu.Unlock()
			}
			done = true
		}
	})
	return done
}

// writeRandom writes something to one of few keys.
func (n *fakeNode) writeRandom(r *rand.Rand, slot uint16) {
	key := func() string { return fmt.Sprint("k", r.IntN(60)) }
	db := r.IntN(fakeDatabases)
	switch r.IntN(40) {
	case 0, 1, 2, 3, 4, 5:
		n.write(slot, db, "RENAME", key(), key())
	case 6, 7, 8, 9:
		n.write(slot, db, "COPY", key(), key())
	case 10, 11, 12, 13, 14, 15, 16, 17:
		n.write(slot, db, "POP", key())
	case 18, 19:
		n.write(slot, db, "DEL", key(), key())
	case 20:
		if r.IntN(20) == 0 {
			n.write(slot, db, "SWAPDB")
		}
	case 21:
		if r.IntN(20) == 0 {
			n.write(slot, db, "FLUSH")
		}
	case 22:
		n.write(slot, db, "SET", key(), string(bytes.Repeat([]byte{'x'}, r.IntN(12<<10))))
	case 23, 24, 25, 26, 27, 28, 29:
		n.write(slot, db, "SET", key(), fmt.Sprint(r.IntN(1000)))
	default:
		n.write(slot, db, "APPEND", key(), fmt.Sprint(r.IntN(10)))
	}
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(settle)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", settle, what)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// same waits until replica follows primary in slot, and compares the copies.
func same(t testing.TB, primary, replica *fakeNode, slot uint16) {
	t.Helper()
	deadline := time.Now().Add(settle)
	for {
		want, have := primary.log.Position(slot), replica.links[primary.id].SlotStatus(slot)
		if have.State == SlotStreaming && have.Position == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("slot %d: primary %s at %v, replica %s %v at %v; link %+v; source %+v", slot, primary.id, want, replica.id, have.State, have.Position,
				replica.links[primary.id].Info(), primary.source.Replicas())
		}
		time.Sleep(200 * time.Microsecond)
	}
	a, b := primary.store.contents(slot), replica.store.contents(slot)
	for db := range a {
		if !maps.Equal(a[db], b[db]) {
			t.Fatalf("slot %d database %d: %s has %d keys, %s has %d, or they differ", slot, db, primary.id, len(a[db]), replica.id, len(b[db]))
		}
	}
}
