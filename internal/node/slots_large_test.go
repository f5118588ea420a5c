package node

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"respkv/store"
)

// testKeyspace is a keyspace on its own; the flags of its watches are in watches.
type testKeyspace struct {
	*keyspace
	watches []*atomic.Bool
}

func newTestKeyspace(t testing.TB) *testKeyspace {
	t.Helper()
	st, err := store.Open(store.Options{Databases: 2})
	if err != nil {
		t.Fatal(err)
	}
	ks := &testKeyspace{keyspace: newKeyspace(st)}
	ks.partsFrom = 500
	ks.watch = func(_ int, _ store.Key, changed *atomic.Bool) func() {
		ks.watches = append(ks.watches, changed)
		return func() { ks.watches = ks.watches[:0] }
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return ks
}

// largeSlot is the slot of the keys that fill makes.
var largeSlot = store.MakeKey([]byte("{b}")).Slot

func largeKey(name string) store.Key { return store.MakeKey([]byte("{b}" + name)) }

// fill makes a small value, and one of n elements of each type, in database db.
func (ks *testKeyspace) fill(t testing.TB, db, n int) (names []string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tx := store.Tx{Store: ks.store, DB: db, Now: 1}
	_, err := tx.Set(largeKey("small"), []byte("value"), store.SetOptions{})
	must(err)
	var members [][]byte
	for i := range n {
		members = append(members, fmt.Appendf(nil, "a member of some length, number %d", i))
	}
	set, err := tx.OpenSet(largeKey("set"))
	must(err)
	_, _, err = set.Add(members...)
	must(err)
	list, err := tx.OpenList(largeKey("list"))
	must(err)
	_, err = list.Push(false, members...)
	must(err)
	hash, err := tx.Hash(largeKey("hash"))
	must(err)
	for _, m := range members {
		_, _, err := hash.Set(m, []byte("value"))
		must(err)
	}
	zset, err := tx.OpenZSet(largeKey("zset"))
	must(err)
	for i, m := range members {
		_, err = zset.Add(0, store.Scored{Score: float64(i % 9), Member: m})
		must(err)
	}
	stream, err := tx.OpenStream(largeKey("stream"))
	must(err)
	must(stream.Create())
	for i, m := range members {
		must(stream.Append(store.StreamID{Ms: uint64(i + 1)}, []byte("field"), m))
	}
	_, err = tx.SetDeadline(largeKey("zset"), 1<<40)
	must(err)
	return []string{"set", "hash", "list", "zset", "stream", "small"}
}

// entries reads a key in steps.
func (ks *testKeyspace) entries(t testing.TB, name string, between func(step int)) (entries [][]byte, changed bool) {
	t.Helper()
	s := ks.SnapshotValue(largeSlot, []byte("{b}"+name), false)
	defer s.Close()
	for step := 0; ; step++ {
		ats := 0
		done, changed := s.Step(func(entry []byte) { entries = append(entries, bytes.Clone(entry)) }, func() { ats++ })
		if ats != 1 {
			t.Errorf("at was called %d times", ats)
		}
		if done || changed {
			return entries, changed
		}
		between(step)
	}
}

func sameKey(t testing.TB, a, b *testKeyspace, db int, name string) {
	t.Helper()
	k := largeKey(name)
	from, to := store.Tx{Store: a.store, DB: db, Now: 1}, store.Tx{Store: b.store, DB: db, Now: 1}
	if !from.Exists(k) || from.DigestValue(k) != to.DigestValue(k) || from.Deadline(k) != to.Deadline(k) {
		t.Errorf("%s in database %d differs", name, db)
	}
}

// TestLargeValues copies a slot with large values from one keyspace to another.
func TestLargeValues(t *testing.T) {
	from, to := newTestKeyspace(t), newTestKeyspace(t)
	names := from.fill(t, 0, 5000)
	from.fill(t, 1, 5000)
	to.fill(t, 0, 5000) // is replaced
	postponed := make(map[string]bool)
	for cursor, done := uint64(0), false; !done; {
		var err error
		cursor, done, err = from.SnapshotStep(largeSlot, cursor, 1<<20, func(key, entry []byte) {
			if entry == nil {
				postponed[string(key)] = true
			} else if err := to.LoadEntry(largeSlot, entry); err != nil {
				t.Error(err)
			}
		}, func() {})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(postponed) != len(names)-1 || postponed["{b}small"] {
		t.Errorf("postponed: %v", postponed)
	}
	err := from.SnapshotKeys(largeSlot, [][]byte{[]byte("{b}set")}, func(_, entry []byte) {
		if entry != nil {
			t.Error("a large value in one entry")
		}
	}, func() {})
	if err != nil {
		t.Error(err)
	}
	for _, name := range names {
		steps := 0
		entries, changed := from.entries(t, name, func(int) { steps++ })
		if changed || len(from.watches) > 0 || name != "small" && steps < 2 {
			t.Errorf("%s: %d steps, changed %v, %d watches left", name, steps, changed, len(from.watches))
		}
		for _, entry := range entries {
			if err := to.LoadEntry(largeSlot, entry); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		sameKey(t, from, to, 0, name)
		sameKey(t, from, to, 1, name)
	}
	// In one step, while it is being changed.
	s := from.SnapshotValue(largeSlot, []byte("{b}set"), true)
	defer s.Close()
	var whole [][]byte
	if done, changed := s.Step(func(entry []byte) { whole = append(whole, bytes.Clone(entry)) }, func() {}); !done || changed || len(whole) < 4 {
		t.Errorf("whole: done %v, changed %v, %d entries", done, changed, len(whole))
	}
}

// TestLargeValueChanged has a value change while it is read, while it is loaded,
// and lose its slot.
func TestLargeValueChanged(t *testing.T) {
	from, to := newTestKeyspace(t), newTestKeyspace(t)
	from.fill(t, 0, 5000)
	begun, changed := from.entries(t, "hash", func(step int) {
		if step == 1 {
			for _, w := range from.watches {
				w.Store(true)
			}
			tx := store.Tx{Store: from.store, Now: 1}
			tx.Delete(largeKey("hash")) // what was being read is not there any more
		}
	})
	if !changed || len(begun) != 2 {
		t.Fatalf("changed %v after %d entries", changed, len(begun))
	}
	load := func(entries ...[]byte) error {
		for _, entry := range entries {
			if err := to.LoadEntry(largeSlot, entry); err != nil {
				return err
			}
		}
		return nil
	}
	list, _ := from.entries(t, "list", func(int) {})
	set, _ := from.entries(t, "set", func(int) {})
	gone, _ := from.entries(t, "hash", func(int) {})
	last := len(set) - 2 // then comes the other database
	for name, c := range map[string]struct {
		before, then [][]byte
		refused      bool
	}{
		"begun anew":       {set[:2], set, false},
		"another key":      {begun, list, false},
		"gone":             {begun, gone, false},
		"first missing":    {nil, set[1:2], true},
		"one missing":      {set[:1], set[2:3], true},
		"one twice":        {set[:2], set[1:2], true},
		"of another key":   {begun, set[2:3], true},
		"after the last":   {set[:last+1], set[last : last+1], true},
		"after it is gone": {append(begun[:2:2], gone...), begun[1:2], true},
	} {
		if err := to.ClearSlot(largeSlot); err != nil {
			t.Fatal(err)
		}
		if err := load(c.before...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := load(c.then...); (err != nil) != c.refused {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := load(set[:2]...); err != nil {
		t.Error(err)
	}
	if err := to.ClearSlot(largeSlot); err != nil {
		t.Error(err)
	}
	if load(set[2]) == nil {
		t.Error("took a part after the slot was cleared")
	}
	for shard := range to.loading {
		if len(to.loading[shard]) > 0 {
			t.Error("a value is still being loaded")
		}
	}
}

// FuzzLoadEntry: entries come from the network.
func FuzzLoadEntry(f *testing.F) {
	from := newTestKeyspace(f)
	from.partsFrom = 1
	from.fill(f, 0, 200)
	for _, name := range []string{"set", "hash", "list", "zset", "stream", "small"} {
		entries, _ := from.entries(f, name, func(int) {})
		only := entries[0]
		f.Add(only, only)
		// The same, and as the first and the second part of three.
		head := appendHeader(nil, entryPart, 0, []byte("{b}"+name))
		if len(only) < len(head)+3 {
			continue
		}
		first, second := bytes.Clone(only), append(bytes.Clone(head), 1, 0)
		first[len(head)+1] = 0
		f.Add(first, append(second, only[len(head)+8:]...))
		second[len(head)+1] = partLast
		f.Add(first, append(second, only[len(head)+8:]...))
	}
	ks := newTestKeyspace(f)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, entry := range [][]byte{first, second, second} {
			_ = ks.LoadEntry(largeSlot, entry) // an error, or a value
		}
		if err := ks.ClearSlot(largeSlot); err != nil {
			t.Error(err)
		}
		if n := ks.SlotKeyCount(largeSlot); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		shard := store.ShardOf(largeSlot)
		ks.store.LockShard(shard)
		defer ks.store.UnlockShard(shard)
		for ks.store.FreeStep(shard, 1000) {
		}
	})
}
