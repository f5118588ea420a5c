package store

import (
	"fmt"
	"testing"
)

// TestScanWhileTheTableChanges: keys that stay are visited exactly once, while
// others come and go between the calls and segments split and merge.
func TestScanWhileTheTableChanges(t *testing.T) {
	rng := testSeed(t)
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	name := func(kind string, i int) []byte {
		if i%2 == 0 {
			return fmt.Appendf(nil, "{one}%s:%d", kind, i) // one deep slot
		}
		return fmt.Appendf(nil, "%s:%d", kind, i)
	}
	const stay, most = 4000, 60_000
	for i := range stay {
		if _, err := tx.Set(MakeKey(name("stay", i)), nil, SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	one := MakeKey([]byte("{one}"))
	ix := s.shards[one.Shard()].dbs[0].Load()
	depths := map[int]bool{}
	for round := range 6 {
		seen := map[string]int{}
		slotSeen := map[string]int{}
		cursor, slotCursor, slotDone := uint64(0), uint64(0), false
		added := 0
		for {
			cursor = tx.Scan(cursor, 1+rng.Intn(200), func(k Key, _ Type) { seen[string(k.Name)]++ })
			if !slotDone {
				slotCursor = tx.SlotScan(one.Slot, slotCursor, 1+rng.Intn(100), 1+rng.Intn(4000), 1<<30, func(k Key, _ []byte, _ int64) {
					slotSeen[string(k.Name)]++
				})
				slotDone = slotCursor == 0
			}
			// Even rounds fill the table, odd ones empty it.
			for range 1500 {
				if added >= most {
					break // the scan must come to an end
				}
				if k := MakeKey(name("come", added)); round%2 == 0 {
					if _, err := tx.Set(k, nil, SetOptions{}); err != nil {
						t.Fatal(err)
					}
				} else {
					tx.Delete(k)
				}
				added++
			}
			depths[ix.dir.Load().depth] = true
			if cursor == 0 {
				break
			}
		}
		if round%2 == 1 {
			for i := range most {
				tx.Delete(MakeKey(name("come", i)))
			}
			depths[ix.dir.Load().depth] = true
		}
		for !slotDone {
			slotCursor = tx.SlotScan(one.Slot, slotCursor, 1000, 1<<20, 1<<30, func(k Key, _ []byte, _ int64) { slotSeen[string(k.Name)]++ })
			slotDone = slotCursor == 0
		}
		for i := range stay {
			n := string(name("stay", i))
			if seen[n] != 1 {
				t.Fatalf("round %d: %s visited %d times", round, n, seen[n])
			}
			if i%2 == 0 && slotSeen[n] != 1 {
				t.Fatalf("round %d: slot scan visited %s %d times", round, n, slotSeen[n])
			}
		}
		checkStore(t, s)
	}
	if len(depths) < 4 {
		t.Errorf("the table had depths %v only: nothing was tested", depths)
	}
}

func TestScanCursors(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	if next := tx.Scan(0, 10, nil); next != 0 {
		t.Errorf("empty store: cursor %d", next)
	}
	for i := range 100 {
		if _, err := tx.Set(MakeKey(fmt.Appendf(nil, "%d", i)), nil, SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, cursor := range []uint64{1, 12345, 1 << 34, 1<<CursorBits - 1, 1 << CursorBits, 1<<64 - 1} {
		tx.Scan(cursor, 10, func(Key, Type) {})
	}
	calls, n := 0, 0
	for cursor := uint64(0); ; calls++ {
		if cursor = tx.Scan(cursor, 10, func(Key, Type) { n++ }); cursor == 0 {
			break
		}
	}
	if n != 100 || calls > 11 {
		t.Errorf("%d keys in %d calls with COUNT 10", n, calls+1)
	}
}

func TestRandomKeyIsFair(t *testing.T) {
	testSeed(t)
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	const keys, draws = 50, 20_000
	for i := range keys {
		name := fmt.Appendf(nil, "%d", i)
		if i%2 == 0 {
			name = fmt.Appendf(nil, "{one}%d", i)
		}
		if _, err := tx.Set(MakeKey(name), nil, SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	drawn := map[string]int{}
	for range draws {
		name, ok := tx.RandomKey(nil)
		if !ok {
			t.Fatal("no key")
		}
		drawn[string(name)]++
	}
	for name, n := range drawn {
		if n < draws/keys/2 || n > draws/keys*2 {
			t.Errorf("%s drawn %d times, want about %d", name, n, draws/keys)
		}
	}
	if len(drawn) != keys {
		t.Errorf("%d of %d keys drawn", len(drawn), keys)
	}
}

// TestOneSlot holds more keys in one slot than there are hashes in it.
func TestOneSlot(t *testing.T) {
	keys := 4_500_000
	if testing.Short() || raceEnabled {
		keys = 100_000
	}
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	name := func(buf []byte, i int) []byte { return fmt.Appendf(buf[:0], "{h}%d", i) }
	var buf [32]byte
	for i := range keys {
		if _, err := tx.Set(MakeKey(name(buf[:], i)), nil, SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	slot := MakeKey([]byte("{h}")).Slot
	if n := s.CountSlot(0, slot); n != keys {
		t.Fatalf("slot has %d keys", n)
	}
	n := 0
	for cursor := uint64(0); ; {
		cursor = tx.SlotScan(slot, cursor, 1000, 1<<20, 1<<30, func(Key, []byte, int64) { n++ })
		if cursor == 0 {
			break
		}
	}
	if n != keys {
		t.Errorf("slot scan visited %d of %d", n, keys)
	}
	for i := 0; i < keys; i += 997 {
		if !tx.Exists(MakeKey(name(buf[:], i))) {
			t.Fatalf("key %d is gone", i)
		}
	}
	m := s.Memory(false)
	t.Logf("%d keys: directory depth %d, index %.1f bytes per key", keys,
		s.shards[ShardOf(slot)].dbs[0].Load().dir.Load().depth, float64(m.Index)/float64(keys))
	removed := 0
	for {
		r := s.FlushSlot(0, slot, 1000)
		if r == 0 {
			break
		}
		removed += r
	}
	if removed < keys || s.DBSize(0) != 0 {
		t.Errorf("flushed %d of %d, %d left", removed, keys, s.DBSize(0))
	}
	checkStore(t, s)
	if d := s.shards[ShardOf(slot)].dbs[0].Load().dir.Load().depth; d > 3 {
		t.Errorf("directory of an empty slot has depth %d", d)
	}
}
