package shared

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0: a new one")

func randomSource(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func set(kind, name, value string) Change { return Change{kind, name, []byte(value)} }

func apply(t *testing.T, s *State, id uint64, changes ...Change) *State {
	t.Helper()
	next, res := s.Apply(&Entry{ID: id, Changes: changes})
	if res.Refused != "" {
		t.Fatalf("refused: %s", res.Refused)
	}
	return next
}

func TestApply(t *testing.T) {
	s := apply(t, New(), 1, set("acl", "bob", "on"), set("config", "bob", "1"))
	changed := apply(t, s, 2, set("acl", "bob", ""), Change{Kind: "config", Name: "bob"}, Change{Kind: "config", Name: "nobody"})
	if got := changed.Get("acl", "bob"); got == nil || len(got) != 0 {
		t.Errorf("an empty value became %v", got)
	}
	if changed.Get("config", "bob") != nil || string(s.Get("acl", "bob")) != "on" || s.Version() != 1 || changed.Version() != 2 {
		t.Errorf("before %+v, after %+v", s, changed)
	}
	same, res := changed.Apply(&Entry{ID: 1, Changes: []Change{set("acl", "bob", "again")}})
	if same != changed || res.Refused != "" || res.Changes != nil || res.Version != 2 {
		t.Errorf("an entry that came twice: %+v", res)
	}
	want := []Change{{Kind: "config", Name: "bob"}, set("acl", "bob", "")}
	if got := changed.Since(s); !reflect.DeepEqual(got, want) {
		t.Errorf("since: %v", got)
	}
}

// TestSinceIsInOrder: a node that starts from a snapshot is told of values in
// the order in which they came, over all kinds.
func TestSinceIsInOrder(t *testing.T) {
	s := apply(t, New(), 1, set("config", "requirepass", "x"))
	s = apply(t, s, 2, set("acl", "default", "on nopass"))
	s = apply(t, s, 3, set("config", "requirepass", "y"))
	if got := fmt.Sprintf("%s", s.Since(New())); got != "[{acl default on nopass} {config requirepass y}]" {
		t.Error(got)
	}
}

func TestLimits(t *testing.T) {
	many := make([]Change, MaxChanges+1)
	for i := range many {
		many[i] = set("k", fmt.Sprint(i), "")
	}
	big := strings.Repeat("x", MaxValue)
	for name, changes := range map[string][]Change{
		"none": {}, "too many": many, "no kind": {set("", "n", "")}, "long kind": {set(strings.Repeat("k", MaxKind+1), "n", "")},
		"no name": {set("k", "", "")}, "long name": {set("k", strings.Repeat("n", MaxName+1), "")},
		"long value": {set("k", "n", big+"x")}, "long together": {set("k", "a", big), set("k", "b", big), set("k", "c", "x")},
	} {
		if _, err := Encode(&Entry{ID: 1, Changes: changes}); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Encode(&Entry{ID: 1, Changes: many[:MaxChanges]}); err != nil {
		t.Error(err)
	}
	full := apply(t, New(), 1, many[:MaxChanges]...)
	if same, res := full.Apply(&Entry{ID: 2, Changes: many[MaxChanges:]}); same != full || !strings.Contains(res.Refused, "values") {
		t.Errorf("one value too many: %+v", res)
	}
	s := New()
	for i := range MaxTotal/MaxValue - 1 {
		s = apply(t, s, uint64(i), set("k", fmt.Sprint(i), big))
	}
	if same, res := s.Apply(&Entry{ID: 99, Changes: []Change{set("k", "last", big)}}); same != s || !strings.Contains(res.Refused, "bytes") {
		t.Errorf("some bytes too many: %+v", res)
	}
	if data := s.EncodeSnapshot(); len(data) > MaxSnapshot {
		t.Errorf("snapshot of %d bytes", len(data))
	}
}

func TestRecentIsBounded(t *testing.T) {
	s := New()
	for id := range uint64(3 * maxRecent) {
		s = apply(t, s, id, set("k", "n", fmt.Sprint(id)))
	}
	if len(s.recent) != maxRecent || s.recent[maxRecent-1] != 3*maxRecent-1 {
		t.Errorf("%d IDs, the last is %d", len(s.recent), s.recent[len(s.recent)-1])
	}
}

// TestRandomLog: a copy built from the encoded log, with a snapshot in the
// middle, is the same; what Since tells leads from any state to any later one.
func TestRandomLog(t *testing.T) {
	r := randomSource(t)
	for range 20 {
		s, copied := New(), New()
		model := map[string]string{}
		states := []*State{s}
		for i := range 200 {
			e := &Entry{ID: uint64(r.IntN(150))}
			repeated := false
			for _, id := range s.recent {
				repeated = repeated || id == e.ID
			}
			for range 1 + r.IntN(3) {
				c := set(fmt.Sprint("kind", r.IntN(2)), fmt.Sprint(r.IntN(5)), fmt.Sprint(i))
				if r.IntN(4) == 0 {
					c.Value = nil
				}
				e.Changes = append(e.Changes, c)
			}
			data, err := Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			decoded, err := Decode(data)
			if err != nil || !reflect.DeepEqual(e, decoded) {
				t.Fatalf("%+v: %+v, %v", e, decoded, err)
			}
			s, _ = s.Apply(e)
			copied, _ = copied.Apply(decoded)
			states = append(states, s)
			for _, c := range e.Changes {
				switch {
				case repeated:
				case c.Value == nil:
					delete(model, c.Kind+c.Name)
				default:
					model[c.Kind+c.Name] = string(c.Value)
				}
			}
			if i == 100 {
				if copied, err = DecodeSnapshot(copied.EncodeSnapshot()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !s.Equal(copied) || s.Digest() != copied.Digest() {
			t.Fatal("replaying the log through a snapshot gave other values")
		}
		told := map[string]string{}
		from := states[r.IntN(len(states))]
		for _, c := range append(from.Since(New()), s.Since(from)...) {
			if c.Value == nil {
				delete(told, c.Kind+c.Name)
				continue
			}
			told[c.Kind+c.Name] = string(c.Value)
		}
		if !reflect.DeepEqual(told, model) {
			t.Fatalf("told %v, want %v", told, model)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(&Entry{ID: 300, Changes: []Change{set("k", "n", "v"), {Kind: "k", Name: "m"}}})
	if err != nil {
		t.Fatal(err)
	}
	for cut := range good {
		if _, err := Decode(good[:cut]); !errors.Is(err, ErrFormat) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	newer := bytes.Clone(good)
	newer[1]++
	for _, data := range [][]byte{newer, append(bytes.Clone(good), 0), {EntryType, 1, 1, 0}, {EntryType, 1, 1, 1, 1, 'k', 1, 'n', 2}} {
		if _, err := Decode(data); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", data, err)
		}
	}
	snapshot := apply(t, apply(t, New(), 1, set("k", "n", "v")), 2, set("k", "m", "v")).EncodeSnapshot()
	for cut := range snapshot {
		if _, err := DecodeSnapshot(snapshot[:cut]); !errors.Is(err, ErrFormat) {
			t.Errorf("snapshot cut at %d: %v", cut, err)
		}
	}
}

func FuzzEntry(f *testing.F) {
	data, _ := Encode(&Entry{ID: 300, Changes: []Change{set("k", "n", "v"), {Kind: "k", Name: "m"}}})
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(again); err != nil || !reflect.DeepEqual(e, back) {
			t.Fatalf("%+v does not survive: %v", e, err)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	s, _ := New().Apply(&Entry{ID: 1, Changes: []Change{set("k", "n", "v"), set("k", "o", "")}})
	f.Add(s.EncodeSnapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSnapshot(data)
		if err != nil {
			return
		}
		if back, err := DecodeSnapshot(s.EncodeSnapshot()); err != nil || !back.Equal(s) {
			t.Fatalf("a decoded snapshot does not survive: %v", err)
		}
	})
}
