package store

import (
	"fmt"
	"testing"
)

type hookLog struct{ names []string }

func (h *hookLog) Expired(db int, k Key) {
	h.names = append(h.names, fmt.Sprintf("%d/%s", db, k.Name))
}

func (h *hookLog) FieldsExpired(db int, k Key, fields [][]byte, all bool) {
	h.names = append(h.names, fmt.Sprintf("%d/%s%q", db, k.Name, fields))
}

func mustSet(t testing.TB, tx *Tx, name, value string, deadline int64) Key {
	t.Helper()
	k := MakeKey([]byte(name))
	if ok, err := tx.Set(k, []byte(value), SetOptions{Deadline: deadline}); !ok || err != nil {
		t.Fatalf("Set %q: %v %v", name, ok, err)
	}
	return k
}

func TestLazyExpiry(t *testing.T) {
	for _, c := range []struct {
		name        string
		tx          Tx
		exists      bool
		stays, told bool
	}{
		{"at the deadline", Tx{Now: 100}, true, true, false},
		{"past it", Tx{Now: 101}, false, false, true},
		{"past it on a replica", Tx{Now: 101, KeepExpired: true}, false, true, false},
		{"past it, applying effects", Tx{Now: 101, IgnoreDeadlines: true}, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &hookLog{}
			s := openStore(t, Options{Hooks: h})
			k := mustSet(t, &Tx{Store: s, Now: 1, DB: 3}, "k", "v", 100)
			tx := c.tx
			tx.Store, tx.DB = s, 3
			if got := tx.Exists(k); got != c.exists {
				t.Errorf("Exists %v", got)
			}
			if _, got, _ := tx.Get(k); got != c.exists {
				t.Errorf("Get %v", got)
			}
			if got := s.DBSize(3) == 1; got != c.stays {
				t.Errorf("stays: %v", got)
			}
			if got := len(h.names) == 1 && h.names[0] == "3/k"; got != c.told {
				t.Errorf("hooks: %q", h.names)
			}
			if got := s.Stats().Expired == 1; got != c.told {
				t.Errorf("stats: %+v", s.Stats())
			}
		})
	}
}

// TestWritesOverKeptExpired: on a replica that keeps expired keys a write
// replaces them and sees nothing of the old value.
func TestWritesOverKeptExpired(t *testing.T) {
	for name, write := range map[string]func(tx *Tx, k Key) error{
		"5":     func(tx *Tx, k Key) error { _, err := tx.IncrBy(k, 5); return err },
		"x":     func(tx *Tx, k Key) error { _, err := tx.Append(k, []byte("x")); return err },
		"\x00x": func(tx *Tx, k Key) error { _, err := tx.SetRange(k, 1, []byte("x")); return err },
		"n": func(tx *Tx, k Key) error {
			_, err := tx.Set(k, []byte("n"), SetOptions{KeepTTL: true, IfMissing: true})
			return err
		},
	} {
		s := openStore(t, Options{})
		k := mustSet(t, &Tx{Store: s, Now: 1}, "k", "old", 100)
		tx := Tx{Store: s, Now: 200, KeepExpired: true}
		if err := write(&tx, k); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got, ok, _ := tx.Get(k); !ok || string(got) != name || tx.Deadline(k) != -1 {
			t.Errorf("got %q %v with deadline %d, want %q", got, ok, tx.Deadline(k), name)
		}
		if s.DBSize(0) != 1 || s.Expires(0) != 0 {
			t.Errorf("%q: size %d expires %d", name, s.DBSize(0), s.Expires(0))
		}
		checkStore(t, s)
	}
}

// TestExpireCycleFindsFewAmongMany: 500 keys with a deadline among 200,000 go
// without the others being looked at, and only the owned ones.
func TestExpireCycleFindsFewAmongMany(t *testing.T) {
	h := &hookLog{}
	s := openStore(t, Options{Hooks: h})
	tx := Tx{Store: s, Now: 1}
	load(t, s, 200_000, 8, 0)
	foreign := 0
	owned := func(slot uint16) bool { return slot%4 != 0 }
	for i := range 500 {
		k := mustSet(t, &tx, fmt.Sprintf("short:%d", i), "v", 100)
		if !owned(k.Slot) {
			foreign++
		}
		mustSet(t, &tx, fmt.Sprintf("long:%d", i), "v", 1_000_000)
	}
	sampled, expired := 0, 0
	for i := range Shards {
		for {
			r := s.ExpireCycle(i, 200, 100, owned)
			sampled += r.Sampled
			expired += r.Expired
			if !r.More {
				break
			}
		}
	}
	if want := 500 - foreign; expired != want || len(h.names) != want {
		t.Errorf("%d expired, %d told, want %d", expired, len(h.names), want)
	}
	if sampled > 20_000 {
		t.Errorf("looked at %d keys", sampled)
	}
	if n := s.Expires(0); n != int64(500+foreign) {
		t.Errorf("%d keys with a deadline left", n)
	}
	if avg := s.AvgTTL(0); avg < 900_000 || avg > 1_000_000 {
		t.Errorf("mean TTL %d", avg)
	}
	if st := s.Stats(); st.ExpiredCycle != int64(expired) || st.Expired != int64(expired) {
		t.Errorf("stats %+v", st)
	}
	checkStore(t, s)
}

func TestAccessInformation(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1_000_000_000}
	k := mustSet(t, &tx, "k", "v", 0)
	idle := func() int64 {
		info, _ := tx.ObjectInfo(k)
		return info.IdleSeconds
	}
	tx.Now += 10_000
	if idle() != 10 {
		t.Errorf("idle %d after 10 s", idle())
	}
	tx.NoTouch = true
	_, _, _ = tx.Get(k)
	if idle() != 10 {
		t.Errorf("idle %d after a lookup that does not touch", idle())
	}
	if tx.Touch(k); idle() != 0 {
		t.Errorf("idle %d after Touch", idle())
	}
	tx.Now += 5000
	tx.NoTouch = false
	_, _, _ = tx.Get(k)
	if idle() != 0 {
		t.Errorf("idle %d after Get", idle())
	}

	s.SetAccessPolicy(AccessPolicy{LFU: true, LogFactor: 0, DecayTime: 1})
	k = mustSet(t, &tx, "often", "v", 0)
	for range 10 {
		_, _, _ = tx.Get(k)
	}
	if info, _ := tx.ObjectInfo(k); info.Freq != lfuInitial+10 {
		t.Errorf("frequency %d after 10 lookups with factor 0", info.Freq)
	}
	tx.Now += 4 * 60_000
	if info, _ := tx.ObjectInfo(k); info.Freq != lfuInitial+6 {
		t.Errorf("frequency %d after 4 minutes more", info.Freq)
	}
}
