package store

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

func freeAll(s *Store) {
	for i := range Shards {
		for s.FreeStep(i, 1000) {
		}
	}
}

// TestFlushReturnsMemory: what FlushAll leaves behind is freed in steps and
// given back to the system.
func TestFlushReturnsMemory(t *testing.T) {
	s := openStore(t, Options{})
	load(t, s, 200_000, 64, 0)
	tx := Tx{Store: s, Now: 1, DB: 5}
	mustSet(t, &tx, "other", "v", 0)
	s.LockAll()
	s.FlushAll()
	s.UnlockAll()
	if s.DBSize(0)+s.DBSize(5) != 0 || tx.Exists(MakeKey([]byte("other"))) {
		t.Error("keys are left")
	}
	freeAll(s)
	for s.ReleaseStep(1<<20) > 0 {
	}
	if m := s.Memory(false); m.Data != 0 || m.Index != 0 || m.Free != 0 || m.Resident > blockSize {
		t.Errorf("empty store holds %+v", m)
	}
	checkStore(t, s)
}

// TestCompaction: with 9 of 10 records deleted at random, compaction gives most
// of the memory back, in steps, and every value stays.
func TestCompaction(t *testing.T) {
	rng := testSeed(t)
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	kept := map[string][]byte{}
	for i := range 100_000 {
		name := fmt.Sprintf("key:%d", i)
		value := make([]byte, 1+rng.Intn(300))
		if i%1000 == 0 {
			value = make([]byte, 1+rng.Intn(60_000))
		}
		rng.Read(value)
		if _, err := tx.Set(MakeKey([]byte(name)), value, SetOptions{Deadline: int64(i % 2 * 1000)}); err != nil {
			t.Fatal(err)
		}
		kept[name] = value
	}
	for name := range kept {
		if rng.Intn(10) > 0 {
			tx.Delete(MakeKey([]byte(name)))
			delete(kept, name)
		}
	}
	before := s.Memory(false)
	moved := 0
	for more := true; more; {
		more = false
		for i := range Shards {
			n, again := s.CompactStep(i, 100)
			moved += n
			more = more || again
		}
	}
	after := s.Memory(false)
	t.Logf("%d moved: %+v then %+v", moved, before, after)
	if after.Data != before.Data {
		t.Errorf("data %d before, %d after", before.Data, after.Data)
	}
	if after.Free > before.Free*6/10 {
		t.Errorf("unused %d before, %d after", before.Free, after.Free)
	}
	for name, value := range kept {
		if got, ok, _ := tx.Get(MakeKey([]byte(name))); !ok || !bytes.Equal(got, value) {
			t.Fatalf("%s changed", name)
		}
	}
	checkStore(t, s)
}

// TestOutOfMemory: when the system gives no more, operations fail cleanly, and
// what is there stays and can be deleted.
func TestOutOfMemory(t *testing.T) {
	rng := testSeed(t)
	s := openStore(t, Options{})
	s.arena.mapLimit = 12 << 20
	tx := Tx{Store: s, Now: 1}
	model := map[string][]byte{}
	failed := 0
	for i := 0; failed < 3000; i++ {
		if i > 1_000_000 {
			t.Fatal("memory does not run out")
		}
		name := fmt.Sprintf("key:%d", rng.Intn(200_000))
		k := MakeKey([]byte(name))
		value := bytes.Repeat([]byte{byte(i)}, rng.Intn(100))
		if i%500 == 0 {
			value = make([]byte, rng.Intn(300_000))
		}
		var err error
		switch old, ok := model[name]; rng.Intn(4) {
		case 0:
			_, err = tx.Append(k, value)
			value = append(append([]byte(nil), old...), value...)
		case 1:
			_, err = tx.SetDeadline(k, 1<<50)
			value = old
			if !ok {
				continue
			}
		default:
			_, err = tx.Set(k, value, SetOptions{})
		}
		if err == nil {
			model[name] = value
		} else if failed++; err != ErrOutOfMemory {
			t.Fatal(err)
		}
	}
	checkStore(t, s)
	for name, value := range model {
		if got, ok, _ := tx.Get(MakeKey([]byte(name))); !ok || !bytes.Equal(got, value) {
			t.Fatalf("%s: %d bytes %v, want %d", name, len(got), ok, len(value))
		}
	}
	for name := range model {
		if !tx.Delete(MakeKey([]byte(name))) {
			t.Fatalf("%s is gone", name)
		}
	}
	checkStore(t, s)
}

func TestLargeKeysAndValues(t *testing.T) {
	s := openStore(t, Options{MaxStringLength: 64 << 20})
	tx := Tx{Store: s, Now: 1}
	for _, klen := range []int{1, 127, 128, 20_000, 70_000, 3 << 20} {
		if testing.Short() && klen > 70_000 {
			continue // each look at the whole store hashes the key
		}
		for _, vlen := range []int{0, 127, 128, 16383, 65535, maxInline, maxInline + 1, 5 << 20} {
			k := MakeKey(bytes.Repeat([]byte("k"), klen))
			value := bytes.Repeat([]byte{1, 2, 3, 4, 5}, vlen/5+1)[:vlen]
			if _, err := tx.Set(k, value, SetOptions{Deadline: 100}); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Append(k, []byte("tail")); err != nil {
				t.Fatal(err)
			}
			if ok, err := tx.Persist(k); !ok || err != nil {
				t.Fatal(ok, err)
			}
			other := MakeKey([]byte("other"))
			if err := tx.Rename(k, other); err != nil {
				t.Fatal(err)
			}
			if ok, err := tx.Copy(other, 1, k, true); !ok || err != nil {
				t.Fatal(ok, err)
			}
			for _, where := range []struct {
				db int
				k  Key
			}{{0, other}, {1, k}} {
				tx.DB = where.db
				got, ok, err := tx.Get(where.k)
				if !ok || err != nil || !bytes.Equal(got[:vlen], value) || string(got[vlen:]) != "tail" {
					t.Fatalf("key of %d, value of %d bytes: got %d %v %v", klen, vlen, len(got), ok, err)
				}
				if n, _ := tx.MemoryUsage(where.k); n < int64(vlen) {
					t.Errorf("value of %d bytes uses %d", vlen, n)
				}
			}
			tx.DB = 0
			checkStore(t, s)
		}
	}
	k := MakeKey([]byte("sparse"))
	if n, err := tx.SetRange(k, 40<<20, []byte("end")); n != 40<<20+3 || err != nil {
		t.Fatal(n, err)
	}
	if got, _, _ := tx.Get(k); len(bytes.TrimLeft(got, "\x00")) != 3 {
		t.Error("padding is not zero")
	}
	if _, err := tx.SetRange(k, 64<<20, []byte("x")); err != ErrTooLong {
		t.Error(err)
	}
	if _, err := tx.SetRange(k, 1<<62, []byte("x")); err != ErrTooLong {
		t.Error(err)
	}
	if _, err := tx.Set(MakeKey(make([]byte, maxKeyLength+1)), nil, SetOptions{}); err != ErrKeyTooLong {
		t.Error(err)
	}
	checkStore(t, s)
}

// TestPrefetchDuringChange is for the race detector and for crashes: prefetches
// run without a lock while other goroutines grow, empty, flush and compact.
func TestPrefetchDuringChange(t *testing.T) {
	s := openStore(t, Options{Databases: 2, HugePages: true})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := MakeKey(fmt.Appendf(nil, "{%d}%d", i%3, i%5000))
				s.PrefetchIndex(0, k)
				s.PrefetchRecord(0, k)
				if i%1000 == 0 {
					s.DBSize(0)
					s.Expires(0)
					s.Memory(false)
					s.ReleaseStep(1 << 18)
					s.HugePageStep(10)
					tx := Tx{Store: s, Now: 1}
					tx.RandomKey(nil)
					tx.Scan(0, 100, func(Key, Type) {})
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			tx := Tx{Store: s, Now: 1}
			for round := range 6 {
				for i := range 5000 {
					k := MakeKey(fmt.Appendf(nil, "{%d}%d", w, i))
					s.LockShard(k.Shard())
					if round%2 == 0 {
						_, _ = tx.Set(k, make([]byte, i%700), SetOptions{Deadline: int64(i % 3)})
					} else {
						tx.Delete(k)
					}
					if i%100 == 0 {
						s.CompactStep(k.Shard(), 50)
						s.ExpireCycle(k.Shard(), 1, 50, nil)
						s.FreeStep(k.Shard(), 100)
					}
					if i%2500 == 0 {
						s.FlushShard(0, k.Shard())
					}
					s.UnlockShard(k.Shard())
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	freeAll(s)
	checkStore(t, s)
}

func FuzzLoadValue(f *testing.F) {
	s := openStore(f, Options{})
	tx := Tx{Store: s, Now: 1}
	for _, v := range []string{"", "12", "-9223372036854775808", "text", string(make([]byte, 45)), string(make([]byte, maxInline+1))} {
		k := mustSet(f, &tx, "seed", v, 0)
		payload, _, _ := tx.DumpValue(k, nil)
		f.Add(payload, int64(-1))
	}
	for _, n := range []int{1, 3, 200, 600} {
		k := MakeKey([]byte("seed"))
		for _, format := range []string{"member:%d", "%d"} {
			tx.Delete(k)
			set, _ := tx.OpenSet(k)
			for i := range n {
				if _, _, err := set.Add(fmt.Appendf(nil, format, i)); err != nil {
					f.Fatal(err)
				}
			}
			payload, _, _ := tx.DumpValue(k, nil)
			f.Add(payload, int64(-1))
			tx.Delete(k)
			h, _ := tx.Hash(k)
			for i := range n {
				if _, _, err := h.SetAt(int64(i%2)*1000-1, false, fmt.Appendf(nil, format, i), []byte("value")); err != nil {
					f.Fatal(err)
				}
			}
			payload, _, _ = tx.DumpValue(k, nil)
			f.Add(payload, int64(-1))
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, deadline int64) {
		k := MakeKey([]byte("k"))
		err := tx.LoadValue(k, payload, deadline, true)
		if err != nil {
			if err != ErrBadPayload {
				t.Fatal(err)
			}
			return
		}
		// What was accepted comes back as it was, but for times of access that the clock
		// does not reach.
		all := tx
		all.IgnoreDeadlines = true
		again, when, ok := all.DumpValue(k, nil)
		const access, end = 2, 5
		same := len(again) >= end && bytes.Equal(again[:access], payload[:access]) && bytes.Equal(again[end:], payload[end:])
		if it := all.look(k); it.rec.large() { // in an order of its own
			digest := all.DigestValue(k)
			same = all.LoadValue(k, again, deadline, true) == nil && all.DigestValue(k) == digest
		}
		if !ok || !same || deadline > 0 && when != deadline || deadline <= 0 && when != -1 {
			t.Fatalf("loaded %q, %d; dumped %q, %d, %v", payload, deadline, again, when, ok)
		}
	})
}
