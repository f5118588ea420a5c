package store

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIDTree compares a tree of some height with a sorted slice, and walks it both
// ways from everywhere.
func TestIDTree(t *testing.T) {
	s := openStore(t, Options{})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	tx := &Tx{Store: s, Now: 1}
	stream, _ := tx.OpenStream(MakeKey([]byte("s")))
	if err := stream.Create(); err != nil {
		t.Fatal(err)
	}
	stream.CreateGroup([]byte("g"), StreamID{}, 0)
	g := stream.Group([]byte("g"))
	o, tree := g.o, &g.pending
	a := s.arena
	var ids []StreamID
	id := func() StreamID { return StreamID{rng.Uint64N(300), rng.Uint64N(300)} }
	check := func() {
		t.Helper()
		c := &checker{t: t, s: s, runs: map[*heap]map[runID]int{}, seen: map[ref]bool{}}
		i := 0
		c.idTree(&o.owner, tree, func(id StreamID, value []uint64) {
			if id != ids[i] || value[0] != id.Ms^id.Seq {
				t.Fatalf("entry %d is %v", i, id)
			}
			i++
		})
	}
	for round := range shorter(60) {
		grow := round%3 < 2
		operations := 4000
		if !grow {
			operations = 1 + rng.IntN(60)
		}
		for range operations {
			id := id()
			if grow && round%9 == 0 && len(ids) > 0 { // appended in order
				id, _ = ids[len(ids)-1].Next()
			}
			i, found := slices.BinarySearchFunc(ids, id, StreamID.Compare)
			p, ok := tree.find(a, id)
			if ok != found {
				t.Fatalf("%v found: %v", id, ok)
			}
			switch {
			case found:
				tree.remove(&o.owner, &p)
				ids = slices.Delete(ids, i, i+1)
			case grow:
				value, err := tree.insert(&o.owner, id)
				if err != nil {
					t.Fatal(err)
				}
				value[0] = id.Ms ^ id.Seq
				ids = slices.Insert(ids, i, id)
			default: // entries that are neighbours, so that nodes become small
				for _, gone := range ids[i:min(i+rng.IntN(200), len(ids))] {
					tree.removeID(&o.owner, gone)
				}
				ids = slices.Delete(ids, i, min(i+len(ids)-tree.count, len(ids)))
			}
		}
		check()
		for range 20 {
			id := id()
			i, _ := slices.BinarySearchFunc(ids, id, StreamID.Compare)
			p, ok := tree.seek(a, id)
			for _, want := range ids[i:min(i+100, len(ids))] {
				if !ok || idOfEntry(tree.at(a, &p)) != want {
					t.Fatalf("from %v on: %v instead of %v", id, ok, want)
				}
				ok = tree.next(a, &p)
			}
			j, found := slices.BinarySearchFunc(ids, id, StreamID.Compare)
			if found {
				j++
			}
			p, ok = tree.floor(a, id)
			for j > 0 && j > i-100 {
				j--
				if !ok || idOfEntry(tree.at(a, &p)) != ids[j] {
					t.Fatalf("back from %v: %v instead of %v", id, ok, ids[j])
				}
				ok = tree.prev(a, &p)
			}
			if ok != (j > 0) {
				t.Fatalf("back from %v: %v at entry %d", id, ok, j)
			}
		}
		moved := 0
		for at, more := (StreamID{}), true; more; {
			var m int
			at, more, _, m = tree.compactStep(&o.owner, at, 50, nil)
			moved += m
		}
		check()
		if round == 8 {
			t.Logf("%d entries, height %d, %d nodes moved", len(ids), tree.node(a, tree.root).height, moved)
		}
	}
	for done := false; !done; {
		_, done = tree.freeStep(&o.owner, 10, nil)
	}
	if tree.count != 0 || tree.bytes != 0 {
		t.Errorf("%d entries, %d bytes are left", tree.count, tree.bytes)
	}
}

// TestStreamOutOfMemory: what fails for want of memory leaves all as it was.
func TestStreamOutOfMemory(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1}
	k := MakeKey([]byte("s"))
	stream, _ := tx.OpenStream(k)
	value := make([]byte, 3000)
	var id StreamID
	appendOne := func() (err error) {
		id.Ms++
		return stream.Append(id, []byte("field"), value)
	}
	if err := appendOne(); err != nil {
		t.Fatal(err)
	}
	for range 20_000 {
		id.Ms++
		if err := stream.Append(id, []byte("f"), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	stream.CreateGroup([]byte("g"), StreamID{}, 0)
	g := stream.Group([]byte("g"))
	c := g.CreateConsumer([]byte("c"), 1)
	s.arena.mapLimit = s.arena.mapped
	var err error
	n := stream.Len()
	for ; err == nil; n++ {
		err = appendOne()
	}
	if err != ErrOutOfMemory || stream.Len() != n-1 {
		t.Errorf("%v: %d entries after %d", err, stream.Len(), n-1)
	}
	checkStore(t, s)
	delivered := 0
	for err = nil; err == nil; {
		var n int
		if n, err = stream.Deliver(g, c, 100, false, 2, func(*StreamEntry) {}); err == nil && n == 0 {
			t.Fatal("memory did not run out")
		}
		delivered += n
	}
	if err != ErrOutOfMemory || g.Len() != delivered || g.PendingOf(c) != delivered {
		t.Errorf("%v: %d of %d delivered are pending, %d with the consumer", err, g.Len(), delivered, g.PendingOf(c))
	}
	checkStore(t, s)
	if _, err := tx.Copy(k, 1, k, true); err != ErrOutOfMemory {
		t.Error(err)
	}
	if n := stream.Delete(StreamID{5, 0}, StreamID{6, 0}); n != 2 { // needs none
		t.Errorf("deleted %d", n)
	}
	freeAll(s)
	checkStore(t, s)
}

// TestStreamFreedInSteps: neither a stream nor what a group has pending is freed at
// once when there is much of it.
func TestStreamFreedInSteps(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1}
	k, other := MakeKey([]byte("{k}s")), MakeKey([]byte("else"))
	fill := func() {
		stream, _ := tx.OpenStream(k)
		for i := range uint64(20_000) {
			if err := stream.Append(StreamID{i + 1, 0}, []byte("f"), []byte("v")); err != nil {
				t.Fatal(err)
			}
		}
		stream.CreateGroup([]byte("g"), StreamID{}, 0)
		g := stream.Group([]byte("g"))
		if n, err := stream.Deliver(g, g.CreateConsumer([]byte("c"), 1), 0, false, 1, func(*StreamEntry) {}); n != 20_000 || err != nil {
			t.Fatal(n, err)
		}
	}
	fill()
	stream, _ := tx.OpenStream(k)
	stream.DestroyGroup([]byte("g"))
	if err := tx.Rename(k, other); err != nil { // its garbage stays behind
		t.Fatal(err)
	}
	steps := 0
	for s.FreeStep(k.Shard(), 100) {
		steps++
	}
	if steps < 200 || s.Garbage() {
		t.Errorf("a group was freed in %d steps", steps)
	}
	checkStore(t, s)
	fill()
	tx.Delete(k)
	tx.Delete(other)
	freeAll(s)
	checkStore(t, s)
}

// FuzzStream gives hostile payloads to LoadValue and uses what it takes.
func FuzzStream(f *testing.F) {
	s := openStore(f, Options{})
	tx := Tx{Store: s, Now: 1}
	k := MakeKey([]byte("seed"))
	for _, n := range []uint64{0, 1, 5, 300} {
		tx.Delete(k)
		stream, _ := tx.OpenStream(k)
		if err := stream.Create(); err != nil {
			f.Fatal(err)
		}
		for i := range n {
			field := "f"
			if i%3 == 0 {
				field = "other"
			}
			if err := stream.Append(StreamID{i + 1, i % 2}, []byte(field), []byte("value"), []byte("n"), []byte("12")); err != nil {
				f.Fatal(err)
			}
		}
		stream.Delete(StreamID{2, 1}, StreamID{3, 0})
		for _, name := range []string{"g", "h"} {
			stream.CreateGroup([]byte(name), StreamID{}, 0)
			g := stream.Group([]byte(name))
			if _, err := stream.Deliver(g, g.CreateConsumer([]byte("c"), 1), 3, false, 1, func(*StreamEntry) {}); err != nil {
				f.Fatal(err)
			}
			if err := g.Assign(StreamID{1, 0}, g.CreateConsumer([]byte("d"), 1), 5, 6); err != nil {
				f.Fatal(err)
			}
		}
		payload, _, _ := tx.DumpValue(k, nil)
		f.Add(payload)
	}
	freeAll(s)
	f.Fuzz(func(t *testing.T, payload []byte) {
		k := MakeKey([]byte("k"))
		if payload = slices.Clone(payload); len(payload) > 1 {
			payload[1] = uint8(TypeStream)<<4 | uint8(EncodingStream)
		}
		if err := tx.LoadValue(k, payload, -1, true); err != nil {
			if err != ErrBadPayload {
				t.Fatal(err)
			}
			return
		}
		again, _, _ := tx.DumpValue(k, nil)
		if err := tx.LoadValue(k, again, -1, true); err != nil {
			t.Fatalf("the payload of a stream that was loaded is refused: %q", again)
		}
		useStream(t, &tx, k)
		for s.FreeStep(k.Shard(), 1000) {
		}
		checkStore(t, s)
	})
}

// useStream does all that can be done to a stream.
func useStream(t *testing.T, tx *Tx, k Key) {
	stream, _ := tx.OpenStream(k)
	for _, reverse := range []bool{false, true} {
		stream.Range(StreamID{}, MaxStreamID, reverse, func(e *StreamEntry) bool {
			e.Each(func(_, _ []byte) {})
			return true
		})
	}
	info := stream.Info()
	tx.DigestValue(k)
	for _, g := range slices.Clone(stream.Groups()) {
		g.Lag()
		c := g.CreateConsumer([]byte("used only here"), 1)
		for _, c := range g.Consumers() {
			stream.History(g, c, StreamID{}, 0, 2, func(StreamID, *StreamEntry) {})
		}
		if _, err := stream.Deliver(g, c, 10, false, 3, func(*StreamEntry) {}); err != nil {
			t.Fatal(err)
		}
		g.EachPending(nil, StreamID{}, func(p Pending) bool { return p.Consumer != nil })
		g.DeleteConsumer(g.Consumers()[0])
	}
	if next, ok := info.Last.Next(); ok {
		if err := stream.Append(next, []byte("a"), []byte("b")); err != nil {
			t.Fatal(err)
		}
	}
	stream.Delete(info.First)
	stream.Trim(StreamTrim{MaxLen: int64(stream.Len() / 2)})
}
