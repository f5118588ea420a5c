package store

import (
	"bytes"
	"fmt"
	"testing"
)

// TestLargeElementsFreedLazily drops a hash with values in mappings of their own:
// no step under the shard's lock unmaps them.
func TestLargeElementsFreedLazily(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	k := MakeKey([]byte("h"))
	big := bytes.Repeat([]byte("x"), maxInline+1)
	before := s.Used()
	for i := range 4 {
		h, err := tx.Hash(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Set([]byte(fmt.Sprint(i)), big); err != nil {
			t.Fatal(err)
		}
	}
	tx.Delete(k)
	for s.FreeStep(k.Shard(), 1) {
	}
	if pending, _ := s.LazyValues(); pending != 4 {
		t.Errorf("%d mappings wait to be unmapped, want 4", pending)
	}
	for s.FreeLazily(1 << 20) {
	}
	if used := s.Used(); used > before+64<<10 {
		t.Errorf("%d bytes in use, %d before", used, before)
	}
}

// TestPauses has every operation in steps pause where it can: what is changed in
// the shards without being read does not disturb it, and a change that is told
// ends it with ErrChanged and leaves nothing.
func TestPauses(t *testing.T) {
	operations := map[string]func(tx *Tx) error{
		"copy set":  func(tx *Tx) error { _, err := tx.Copy(key("set"), 0, key("to"), true); return err },
		"copy hash": func(tx *Tx) error { _, err := tx.Copy(key("hash"), 0, key("to"), true); return err },
		"copy list": func(tx *Tx) error { _, err := tx.Copy(key("list"), 0, key("to"), true); return err },
		"union": func(tx *Tx) error {
			r, err := tx.Combine(Union, []Key{key("set"), key("ints")})
			if err == nil {
				_, err = r.Store(tx, key("to"))
			}
			return err
		},
		"difference": func(tx *Tx) error {
			r, err := tx.Combine(Difference, []Key{key("ints"), key("set")})
			if err == nil {
				_, err = r.Store(tx, key("to"))
			}
			return err
		},
	}
	for name, run := range operations {
		t.Run(name, func(t *testing.T) {
			var want [20]byte
			for _, stopAt := range []int{0, -1, 1, 3} {
				s := openStore(t, Options{})
				tx := Tx{Store: s, Now: 1}
				fillForPauses(t, &tx)
				used := s.Used()
				pauses := 0
				if stopAt != 0 {
					tx.Pause = func() bool {
						pauses++
						other := Tx{Store: s, Now: 1}
						add(t, &other, fmt.Sprint("other", pauses%7), fmt.Sprint(pauses), 20)
						other.Delete(key(fmt.Sprint("other", (pauses+3)%7)))
						for i := range Shards {
							if s.Pinned(i) {
								s.CompactStep(i, 100)
							}
						}
						return pauses != stopAt
					}
					for i := range Shards {
						s.Pin(i)
					}
				}
				err := run(&tx)
				switch {
				case stopAt > 0 && pauses >= stopAt:
					if err != ErrChanged {
						t.Errorf("error %v", err)
					}
					for i := range 7 {
						tx.Delete(key(fmt.Sprint("other", i)))
					}
					for i := range Shards {
						for s.FreeStep(i, 100) {
						}
					}
					if now := s.Used(); now > used+256<<10 || tx.Exists(key("to")) {
						t.Errorf("%d bytes in use after it was stopped, %d before", now, used)
					}
				case err != nil:
					t.Error(err)
				case stopAt == 0:
					want = tx.DigestValue(key("to"))
				default:
					if pauses == 0 || tx.DigestValue(key("to")) != want {
						t.Errorf("another result after %d pauses", pauses)
					}
				}
			}
		})
	}
}

func key(name string) Key { return MakeKey([]byte(name)) }

func add(t *testing.T, tx *Tx, name, prefix string, n int) {
	t.Helper()
	set, err := tx.OpenSet(key(name))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, _, err := set.Add([]byte(fmt.Sprint(prefix, i))); err != nil {
			t.Fatal(err)
		}
	}
}

func fillForPauses(t *testing.T, tx *Tx) {
	t.Helper()
	add(t, tx, "set", "member:", 10_000)
	add(t, tx, "ints", "", 500)
	h, err := tx.Hash(key("hash"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tx.OpenList(key("list"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if _, _, err := h.Set([]byte(fmt.Sprint(i)), []byte("value")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Push(false, bytes.Repeat([]byte("element"), 10)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestParts dumps large values of all types in parts and loads them in another
// store, where others work between the parts. What is cut short, or comes twice,
// is refused, and nothing is left of it.
func TestParts(t *testing.T) {
	from := openStore(t, Options{})
	tx := Tx{Store: from, Now: 1}
	fillForPauses(t, &tx)
	z, err := tx.OpenZSet(key("zset"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := tx.OpenStream(key("stream"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if _, err := z.Add(0, Scored{float64(i % 77), []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
		id := StreamID{1, uint64(i + 1)}
		if err := s.Append(id, []byte("field"), bytes.Repeat([]byte("v"), 20)); err != nil {
			t.Fatal(err)
		}
	}
	s.CreateGroup([]byte("g"), StreamID{}, 0)
	g := s.Group([]byte("g"))
	ann := g.CreateConsumer([]byte("ann"), 1)
	for i := range 3000 {
		if err := g.Assign(StreamID{1, uint64(i + 1)}, ann, 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	tx.SetDeadline(key("zset"), 777)
	for _, name := range []string{"set", "hash", "list", "zset", "stream"} {
		k := key(name)
		if _, ok := tx.DumpParts(k, 1<<40); ok {
			t.Errorf("%s: dumped in parts, though small", name)
		}
		var parts [][]byte
		from.Pin(k.Shard())
		d, ok := tx.DumpParts(k, 1000)
		if !ok {
			t.Fatalf("%s: not in parts", name)
		}
		for part := d.Next(); part != nil; part = d.Next() {
			parts = append(parts, bytes.Clone(part))
			add(t, &tx, "other", fmt.Sprint(len(parts)), 100)
		}
		d.Stop()
		from.Unpin(k.Shard())
		if len(parts) < 2 {
			t.Errorf("%s: %d parts", name, len(parts))
		}
		whole, _, _ := tx.DumpValue(k, nil)
		if !bytes.Equal(bytes.Join(parts, nil), whole) {
			t.Errorf("%s: the parts are not the payload", name)
		}
		// Given up in the middle.
		if d, ok := tx.DumpParts(k, 1000); ok {
			d.Next()
			d.Stop()
		}
		for cut := range len(parts) + 2 {
			to := openStore(t, Options{})
			into := Tx{Store: to, Now: 1}
			add(t, &into, name, "before", 1000)
			before := into.DigestValue(k)
			l, err := into.LoadParts(k, parts[0])
			for i := 1; i < len(parts) && err == nil; i++ {
				if i == cut {
					break // incomplete
				}
				add(t, &into, "other", fmt.Sprint(i), 100)
				err = l.Add(bytes.Clone(parts[i]))
				if cut == len(parts)+1 && i == 1 && err == nil {
					err = l.Add(parts[i]) // twice
				}
			}
			if err == nil && cut != 0 && cut < len(parts) && cut%2 == 1 {
				l.Close()
				l = nil
			}
			if l != nil {
				if err == nil {
					err = l.Store(&into, d.Deadline)
				}
				l.Close()
			}
			switch complete := cut == 0 || cut == len(parts); {
			case complete && (err != nil || into.DigestValue(k) != tx.DigestValue(k) || into.Deadline(k) != tx.Deadline(k)):
				t.Errorf("%s: loaded with error %v, as something else", name, err)
			case complete:
				got, _, _ := into.DumpValue(k, nil)
				if name == "stream" && !bytes.Equal(got[payloadHeader:], whole[payloadHeader:]) {
					t.Error("another stream")
				}
			case cut == len(parts)+1 && name != "list" && err == nil:
				t.Errorf("%s: took a part twice", name)
			case l == nil && into.DigestValue(k) != before:
				t.Errorf("%s: changed by parts that were given up", name)
			}
			for i := range Shards {
				for to.FreeStep(i, 1000) {
				}
			}
			if name != "list" { // whose checks are those of list_test.go
				checkStore(t, to)
			}
		}
	}
}
