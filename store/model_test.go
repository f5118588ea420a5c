package store

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand"
	"strconv"
	"testing"
	"time"
)

var seedFlag = flag.Int64("store.seed", 0, "seed of the random tests; 0: from the clock")

func testSeed(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("seed: -store.seed=%d", seed)
	return rand.New(rand.NewSource(seed))
}

// shorter is n rounds of something random, and a fifth of it under -short, as
// with the race detector: the tests that call it have one goroutine.
func shorter(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type modelValue struct {
	value    []byte
	deadline int64 // -1: none
}

// model is the simple second implementation: maps, and everything copied.
type model struct {
	t    *testing.T
	rng  *rand.Rand
	s    *Store
	tx   Tx
	dbs  []map[string]modelValue
	keys []string
	last string // last operation, for messages
}

func (m *model) Expired(db int, k Key) {
	name := string(k.Name)
	v, ok := m.dbs[db][name]
	if !ok || v.deadline < 0 || v.deadline >= m.tx.Now {
		m.t.Fatalf("hook: %q of database %d expired, model has %v %v", name, db, v, ok)
	}
	delete(m.dbs[db], name)
}

func (m *model) FieldsExpired(int, Key, [][]byte, bool) { m.t.Fatal("a hash in a model of strings") }

func (m *model) db() map[string]modelValue { return m.dbs[m.tx.DB] }

// get is what the model says exists now.
func (m *model) get(db int, name string) (modelValue, bool) {
	v, ok := m.dbs[db][name]
	if ok && v.deadline >= 0 && v.deadline < m.tx.Now {
		return modelValue{}, false
	}
	return v, ok
}

func (m *model) randomValue() []byte {
	switch m.rng.Intn(12) {
	case 0, 1, 2:
		return []byte(strconv.FormatInt(m.rng.Int63()-m.rng.Int63(), 10))
	case 3:
		return []byte(strconv.Itoa(m.rng.Intn(100)))
	case 4:
		return make([]byte, m.rng.Intn(5000))
	case 5:
		if m.rng.Intn(30) == 0 {
			return bytes.Repeat([]byte{byte(m.rng.Intn(256))}, m.rng.Intn(3<<20))
		}
		fallthrough
	default:
		b := make([]byte, m.rng.Intn(90))
		m.rng.Read(b)
		return b
	}
}

func (m *model) check(ok bool, format string, args ...any) {
	if !ok {
		m.t.Helper()
		m.t.Fatalf("after %s: %s", m.last, fmt.Sprintf(format, args...))
	}
}

func (m *model) step() {
	rng, tx := m.rng, &m.tx
	tx.Now += int64(rng.Intn(3))
	tx.DB = 0
	if rng.Intn(8) == 0 {
		tx.DB = rng.Intn(len(m.dbs))
	}
	name := m.keys[rng.Intn(len(m.keys))]
	k := MakeKey([]byte(name))
	v, ok := m.get(tx.DB, name)
	op := rng.Intn(24)
	m.last = fmt.Sprintf("operation %d on %q of database %d at %d", op, name, tx.DB, tx.Now)
	switch op {
	case 0, 1, 2, 3, 4: // SET
		value := m.randomValue()
		o := SetOptions{}
		next := modelValue{value, -1}
		switch rng.Intn(5) {
		case 0:
			o.Deadline = tx.Now + int64(rng.Intn(30000))
			next.deadline = o.Deadline
		case 1:
			o.KeepTTL = true
			if ok {
				next.deadline = v.deadline
			}
		case 2:
			o.IfMissing = true
		case 3:
			o.IfExists = true
		}
		done, err := tx.Set(k, value, o)
		want := !(o.IfMissing && ok || o.IfExists && !ok)
		m.check(err == nil && done == want, "Set %v %v, want %v", done, err, want)
		if done {
			m.db()[name] = next
		}
	case 5, 6: // GET
		got, found, err := tx.Get(k)
		m.check(err == nil && found == ok && bytes.Equal(got, v.value), "Get %d bytes %v %v, want %d bytes %v", len(got), found, err, len(v.value), ok)
	case 7, 8, 9, 10: // DEL
		m.check(tx.Delete(k) == ok, "Delete, want %v", ok)
		delete(m.db(), name)
	case 11: // EXPIRE
		at := tx.Now + int64(rng.Intn(20000)) - 100
		done, err := tx.SetDeadline(k, at)
		m.check(err == nil && done == ok, "SetDeadline %v %v", done, err)
		if ok {
			m.db()[name] = modelValue{v.value, at}
		}
	case 12: // PERSIST
		done, err := tx.Persist(k)
		m.check(err == nil && done == (ok && v.deadline >= 0), "Persist %v %v", done, err)
		if done {
			m.db()[name] = modelValue{v.value, -1}
		}
	case 13: // APPEND
		more := m.randomValue()
		n, err := tx.Append(k, more)
		v.value = append(append([]byte(nil), v.value...), more...)
		m.check(err == nil && n == len(v.value), "Append %d %v", n, err)
		if !ok {
			v.deadline = -1
		}
		m.db()[name] = v
	case 14: // SETRANGE
		more, off := m.randomValue(), rng.Intn(200)
		n, err := tx.SetRange(k, int64(off), more)
		if len(more) > 0 {
			value := append([]byte(nil), v.value...)
			for len(value) < off+len(more) {
				value = append(value, 0)
			}
			copy(value[off:], more)
			if !ok {
				v.deadline = -1
			}
			v.value = value
			m.db()[name] = v
		}
		m.check(err == nil && n == len(v.value), "SetRange %d %v, want %d", n, err, len(v.value))
	case 15: // INCRBY
		delta := rng.Int63n(1000) - 500
		old, isInt := int64(0), !ok
		if ok {
			old, isInt = parseInt(v.value)
		}
		n, err := tx.IncrBy(k, delta)
		if !isInt {
			m.check(err == ErrNotInteger, "IncrBy %v", err)
			break
		}
		m.check(err == nil && n == old+delta, "IncrBy %d %v", n, err)
		if !ok {
			v.deadline = -1
		}
		m.db()[name] = modelValue{strconv.AppendInt(nil, n, 10), v.deadline}
	case 16: // RENAME
		to := m.keys[rng.Intn(len(m.keys))]
		err := tx.Rename(k, MakeKey([]byte(to)))
		m.check((err == nil) == ok, "Rename %v", err)
		if ok && to != name {
			m.db()[to] = v
			delete(m.db(), name)
		}
	case 17, 18: // COPY, MOVE
		to, db, replace, move := m.keys[rng.Intn(len(m.keys))], rng.Intn(len(m.dbs)), rng.Intn(2) == 0, op == 18
		if move {
			to, replace = name, false
		}
		_, exists := m.get(db, to)
		var done bool
		var err error
		if move {
			done, err = tx.Move(k, db)
		} else {
			done, err = tx.Copy(k, db, MakeKey([]byte(to)), replace)
		}
		if db == tx.DB && to == name {
			m.check(err == ErrSameObject, "same object: %v", err)
			break
		}
		m.check(err == nil && done == (ok && (replace || !exists)), "Copy or Move %v %v", done, err)
		if done {
			m.dbs[db][to] = v
			if move {
				delete(m.db(), name)
			}
		}
	case 19: // DUMP and LOAD
		payload, deadline, found := tx.DumpValue(k, nil)
		m.check(found == ok && (!ok || deadline == v.deadline), "DumpValue %v %d", found, deadline)
		if !ok {
			break
		}
		to := m.keys[rng.Intn(len(m.keys))]
		_, exists := m.get(tx.DB, to)
		err := tx.LoadValue(MakeKey([]byte(to)), payload, deadline, false)
		if exists {
			m.check(err == ErrKeyExists, "LoadValue %v", err)
			break
		}
		m.check(err == nil, "LoadValue %v", err)
		m.db()[to] = v
	case 20:
		m.check(tx.Deadline(k) == map[bool]int64{true: v.deadline, false: -2}[ok], "Deadline %d", tx.Deadline(k))
		n, err := tx.StrLen(k)
		m.check(err == nil && n == len(v.value), "StrLen %d %v", n, err)
	case 21: // active expiry, compaction and release
		m.s.ExpireCycle(rng.Intn(Shards), tx.Now, 20, nil)
		m.s.CompactStep(rng.Intn(Shards), 50)
		m.s.FreeStep(rng.Intn(Shards), 10)
		if rng.Intn(20) == 0 {
			m.s.ReleaseStep(1 << 20)
		}
	case 22: // random key
		got, found := tx.RandomKey(nil)
		if found {
			_, exists := m.get(tx.DB, string(got))
			m.check(exists, "RandomKey %q does not exist", got)
		}
	case 23:
		switch rng.Intn(400) {
		case 0:
			m.s.FlushDB(tx.DB)
			clear(m.db())
		case 1:
			b := rng.Intn(len(m.dbs))
			m.s.SwapDB(tx.DB, b)
			m.dbs[tx.DB], m.dbs[b] = m.dbs[b], m.dbs[tx.DB]
		default:
			if rng.Intn(4) > 0 {
				break
			}
			n := m.s.FlushSlot(tx.DB, k.Slot, 1<<30)
			for other := range m.db() {
				if MakeKey([]byte(other)).Slot == k.Slot {
					delete(m.db(), other)
					n--
				}
			}
			m.check(n == 0, "FlushSlot: %d more than the model", n)
		}
	}
}

// compare walks the whole keyspace in several ways.
func (m *model) compare() {
	for db := range m.dbs {
		tx := m.tx
		tx.DB = db
		seen := map[string]int{}
		for cursor := uint64(0); ; {
			cursor = tx.Scan(cursor, 1+m.rng.Intn(50), func(k Key, _ Type) {
				seen[string(k.Name)]++
				if want := MakeKey(k.Name); want.Slot != k.Slot || want.Hash != k.Hash {
					m.t.Fatalf("Scan gave key %+v, want %+v", k, want)
				}
			})
			if cursor == 0 {
				break
			}
		}
		live := 0
		slots := map[uint16]int{}
		dated := 0
		for name, want := range m.dbs[db] {
			slots[MakeKey([]byte(name)).Slot]++
			if want.deadline >= 0 {
				dated++
			}
			if _, ok := m.get(db, name); !ok {
				continue
			}
			live++
			if seen[name] != 1 {
				m.t.Fatalf("Scan visited %q %d times", name, seen[name])
			}
			k := MakeKey([]byte(name))
			if got, ok, err := tx.Get(k); !ok || err != nil || !bytes.Equal(got, want.value) || tx.Deadline(k) != want.deadline {
				m.t.Fatalf("%q: %d bytes, deadline %d, want %d bytes, %d", name, len(got), tx.Deadline(k), len(want.value), want.deadline)
			}
		}
		if live != len(seen) {
			m.t.Fatalf("Scan visited %d keys, the model has %d", len(seen), live)
		}
		if n := m.s.DBSize(db); n != int64(len(m.dbs[db])) || m.s.Expires(db) != int64(dated) {
			m.t.Fatalf("DBSize %d Expires %d, want %d, %d", n, m.s.Expires(db), len(m.dbs[db]), dated)
		}
		for slot, n := range slots {
			if got := m.s.CountSlot(db, slot); got != n || len(m.s.SlotKeys(db, slot, 1<<30)) != n {
				m.t.Fatalf("slot %d: %d keys, %d listed, want %d", slot, got, len(m.s.SlotKeys(db, slot, 1<<30)), n)
			}
		}
	}
}

func (m *model) drainGarbage() {
	for i := range Shards {
		for m.s.FreeStep(i, 1000) {
		}
	}
}

// TestModel compares random operations with plain maps. Key names lie in few
// slots, so that shards grow deep with little data.
func TestModel(t *testing.T) {
	for _, keys := range []int{200, 20000} {
		t.Run(strconv.Itoa(keys), func(t *testing.T) {
			m := &model{t: t, rng: testSeed(t), dbs: make([]map[string]modelValue, 3)}
			for i := range m.dbs {
				m.dbs[i] = map[string]modelValue{}
			}
			m.s = openStore(t, Options{Databases: len(m.dbs), Hooks: m})
			m.tx = Tx{Store: m.s, Now: 1_700_000_000_000, AllLocked: true}
			for i := range keys {
				name := fmt.Sprintf("key:%d", i)
				if i%4 > 0 {
					name = fmt.Sprintf("{%d}%d", i%4, i)
				}
				m.keys = append(m.keys, name)
			}
			for range shorter(5) {
				for range 30000 {
					m.step()
				}
				m.compare()
				m.drainGarbage()
				checkStore(t, m.s)
			}
			// Everything goes, and the memory with it.
			for db := range m.dbs {
				m.tx.DB = db
				for name := range m.dbs[db] {
					k := MakeKey([]byte(name))
					if _, ok := m.get(db, name); m.tx.Delete(k) != ok {
						t.Fatalf("final delete of %q", name)
					}
				}
				clear(m.dbs[db])
			}
			checkStore(t, m.s)
			if mem := m.s.Memory(true); mem.Data != 0 {
				t.Errorf("empty store holds %+v", mem)
			}
		})
	}
}
