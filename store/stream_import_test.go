package store

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestStreamImport takes a stream apart, as for an RDB file, and makes it anew.
func TestStreamImport(t *testing.T) {
	s := openStore(t, Options{})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := &streamTest{t: t, rng: rand.New(rand.NewPCG(seed, 1)), tx: &Tx{Store: s, Now: 1000, AllLocked: true}, k: MakeKey([]byte("{k}stream"))}
	m.model.groups = map[string]map[StreamID]modelPending{}
	for range 1500 {
		m.step()
	}
	from := m.open()
	to := MakeKey([]byte("{k}copy"))
	im := m.tx.NewStreamImport(to)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for next, more := (StreamID{}), true; more; { // in steps, as if the lock was given up
		more = false
		from.Blocks(next, func(id StreamID, parts []byte, n int) bool {
			must(im.AddParts(id, bytes.Clone(parts), n))
			next, more = id.Next()
			return false
		})
	}
	info := from.Info()
	must(im.SetState(info.Last, info.MaxDeleted, info.Added))
	for _, g := range from.Groups() {
		must(im.AddGroup([]byte(g.Name), g.Last, g.Read))
		g.EachPending(nil, StreamID{}, func(p Pending) bool {
			must(im.AddPending(p.ID, p.Time, p.Count))
			return true
		})
		for _, c := range g.Consumers() {
			to, err := im.AddConsumer([]byte(c.Name), c.Seen, c.Active)
			must(err)
			g.EachPending(c, StreamID{}, func(p Pending) bool {
				must(im.Own(to, p.ID))
				return true
			})
		}
	}
	if im.Len() != info.Length {
		t.Errorf("%d entries, want %d", im.Len(), info.Length)
	}
	must(im.Store(m.tx, to, 0, NoAccess))
	im.Close()
	want, _, _ := m.tx.DumpValue(m.k, nil)
	got, _, _ := m.tx.DumpValue(to, nil)
	if !bytes.Equal(got[payloadHeader:], want[payloadHeader:]) {
		t.Error("the stream differs from what it was made of")
	}
	freeAll(s)
	checkStore(t, s)
}

// TestStreamImportRefuses: what does not fit together is refused, and leaves nothing.
func TestStreamImportRefuses(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1}
	k := MakeKey([]byte("s"))
	one := StreamID{1, 0}
	var parts []byte
	n := 0
	stream, _ := tx.OpenStream(k)
	if err := stream.Append(one, []byte("f"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	stream.Blocks(StreamID{}, func(_ StreamID, p []byte, entries int) bool {
		parts, n = bytes.Clone(p), entries
		return true
	})
	tx.Delete(k)
	for name, build := range map[string]func(im *StreamImport) error{
		"block twice":        func(im *StreamImport) error { return im.AddParts(one, parts, n) },
		"block cut off":      func(im *StreamImport) error { return im.AddParts(StreamID{2, 0}, parts[:len(parts)-2], n-1) },
		"wrong number":       func(im *StreamImport) error { return im.AddParts(StreamID{2, 0}, parts, n-1) },
		"negative number":    func(im *StreamImport) error { return im.AddParts(StreamID{2, 0}, parts, -1) },
		"too many added":     func(im *StreamImport) error { return im.SetState(one, StreamID{}, 1<<63) },
		"group twice":        func(im *StreamImport) error { return im.AddGroup([]byte("g"), one, 1) },
		"entries read":       func(im *StreamImport) error { return im.AddGroup([]byte("h"), one, -2) },
		"pending twice":      func(im *StreamImport) error { return im.AddPending(one, 1, 1) },
		"pending of nobody":  func(im *StreamImport) error { return im.Store(tx, k, 0, NoAccess) },
		"group before owner": func(im *StreamImport) error { return im.AddGroup([]byte("h"), one, 1) },
		"owned, not pending": func(im *StreamImport) error { return im.Own(im.g.Consumer([]byte("c")), StreamID{9, 9}) },
		"owned twice": func(im *StreamImport) error {
			c := im.g.Consumer([]byte("c"))
			if err := im.Own(c, one); err != nil {
				return err
			}
			return im.Own(c, one)
		},
		"consumer twice": func(im *StreamImport) error {
			_, err := im.AddConsumer([]byte("c"), 1, 1)
			return err
		},
	} {
		im := tx.NewStreamImport(k)
		err := im.AddParts(one, parts, n)
		if err == nil {
			err = im.SetState(one, StreamID{}, 1)
		}
		if err == nil {
			err = im.AddGroup([]byte("g"), one, 1)
		}
		if err == nil {
			_, err = im.AddConsumer([]byte("c"), 1, 1)
		}
		if err == nil {
			err = im.AddPending(one, 1, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := build(im); err != ErrBadPayload {
			t.Errorf("%s: %v", name, err)
		}
		im.Close()
		freeAll(s)
		checkStore(t, s)
	}
}
