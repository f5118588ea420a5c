package slotmap

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"respkv/cluster/hashslot"
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

func id(n int) NodeID { return NodeID(fmt.Sprintf("%040x", n)) }

func testNode(n int, boot uint64) Node {
	return Node{ID: id(n), Host: "10.0.0.1", ClientPort: 7000 + n, ClusterPort: 17000 + n, Weight: 100, Boot: boot}
}

// build applies entries that must all take effect.
func build(t *testing.T, m *Map, entries ...Entry) *Map {
	t.Helper()
	for _, e := range entries {
		next, res := m.Apply(e)
		if res.Stale != "" {
			t.Fatalf("%T %+v: stale: %s", e, e, res.Stale)
		}
		if err := next.validate(); err != nil {
			t.Fatalf("%T: %v", e, err)
		}
		m = next
	}
	return m
}

func formed(t *testing.T) *Map {
	return build(t, New(),
		&Form{ClusterID: string(id(99)), Replicas: 1},
		&Register{Node: testNode(1, 1)}, &Register{Node: testNode(2, 1)}, &Register{Node: testNode(3, 1)},
		&Assign{List: []Assigned{
			{Slots: Ranges{{0, 5460}}, To: id(1), Replicas: []NodeID{id(2)}},
			{Slots: Ranges{{5461, 10922}}, To: id(2), Replicas: []NodeID{id(3)}},
			{Slots: Ranges{{10923, 16383}}, To: id(3), Replicas: []NodeID{id(1)}},
		}})
}

func stale(t *testing.T, m *Map, e Entry) {
	t.Helper()
	before := m.Digest()
	next, res := m.Apply(e)
	if res.Stale == "" || next != m || m.Digest() != before {
		t.Fatalf("%T %+v took effect", e, e)
	}
}

func TestHandoffCommitWins(t *testing.T) {
	m := formed(t)
	stale(t, m, &BeginMove{Slots: Ranges{{0, 9}}, From: id(1), To: id(2)}) // not in sync
	m = build(t, m, &InSync{Node: id(2), Boot: 1, Add: Ranges{{0, 5460}}})
	m = build(t, m, &BeginMove{Slots: Ranges{{0, 9}}, From: id(1), To: id(2)})
	token := m.Slot(0).Move.Token
	stale(t, m, &BeginMove{Slots: Ranges{{0, 9}}, From: id(1), To: id(2)})
	epoch := m.Slot(0).Epoch
	m = build(t, m, &CommitMove{Token: token})
	stale(t, m, &AbortMove{Token: token})
	stale(t, m, &CommitMove{Token: token})
	a := m.Slot(0)
	if a.Primary != id(2) || a.Epoch <= epoch || !a.IsInSync(id(1)) || a.Move != nil {
		t.Fatalf("after commit: %+v", a)
	}
	if m.Node(id(1)).Fence != m.Version() {
		t.Fatal("the old primary is not fenced")
	}
	if got := m.PrimaryOf(id(2)).String(); got != "0-9 5461-10922" {
		t.Fatalf("primary of %s", got)
	}
}

func TestHandoffAbortWins(t *testing.T) {
	m := build(t, formed(t), &InSync{Node: id(2), Boot: 1, Add: Ranges{{0, 5460}}},
		&BeginMove{Slots: Ranges{{0, 9}}, From: id(1), To: id(2)})
	token := m.Slot(0).Move.Token
	m = build(t, m, &AbortMove{Token: token})
	stale(t, m, &CommitMove{Token: token})
	if a := m.Slot(0); a.Primary != id(1) || a.Move != nil {
		t.Fatalf("after abort: %+v", a)
	}
}

func TestFailoverCancelsMove(t *testing.T) {
	m := build(t, formed(t), &InSync{Node: id(2), Boot: 1, Add: Ranges{{0, 5460}}},
		&BeginMove{Slots: Ranges{{0, 9}}, From: id(1), To: id(2)})
	token := m.Slot(0).Move.Token
	stale(t, m, &Promote{From: id(1), Boot: 7, List: []Promotion{{Ranges{{0, 5460}}, id(2)}}})
	m = build(t, m, &Promote{From: id(1), Boot: 1, Fail: true, List: []Promotion{{Ranges{{0, 5460}}, id(2)}}})
	stale(t, m, &CommitMove{Token: token})
	if n := m.Node(id(1)); n.State != NodeFailed || n.Fence != m.Version() {
		t.Fatalf("failed node: %+v", n)
	}
	if a := m.Slot(0); a.Primary != id(2) || a.IsInSync(id(1)) || !a.HasReplica(id(1)) {
		t.Fatalf("after failover: %+v", a)
	}
}

func TestNewProcessLosesItsCopies(t *testing.T) {
	m := build(t, formed(t), &InSync{Node: id(2), Boot: 1, Add: Ranges{{0, 5460}}},
		&InSync{Node: id(1), Boot: 1, Add: Ranges{{10923, 16383}}})
	m = build(t, m, &Register{Node: testNode(1, 2), PrevBoot: 1, Promote: []Promotion{{Ranges{{0, 99}}, id(2)}}})
	stale(t, m, &Register{Node: testNode(1, 3), PrevBoot: 1})
	if m.Slot(0).Primary != id(2) || m.Slot(100).Primary != id(1) {
		t.Fatal("promotions of a register entry")
	}
	if m.LostSlots() != 5361 {
		t.Fatalf("lost %d slots", m.LostSlots())
	}
	if m.Slot(16383).IsInSync(id(1)) {
		t.Fatal("an empty copy counts as in sync")
	}
	if m.Slot(100).Epoch <= m.Slot(0).Epoch {
		t.Fatal("slots that start empty need a new epoch")
	}
}

// randomEntry is often stale, now and then not.
func randomEntry(r *rand.Rand, m *Map) Entry {
	node := func() NodeID { return id(1 + r.IntN(5)) }
	boot := func(n NodeID) uint64 {
		if k := m.Node(n); k != nil && r.IntN(5) > 0 {
			return k.Boot
		}
		return uint64(r.IntN(4))
	}
	slots := func() Ranges {
		var out Ranges
		for range 1 + r.IntN(3) {
			a, b := uint16(r.IntN(hashslot.Count)), uint16(r.IntN(hashslot.Count))
			out = append(out, Range{min(a, b), max(a, b)})
		}
		return out
	}
	n := node()
	switch r.IntN(13) {
	case 0:
		return &Form{ClusterID: string(id(99)), Replicas: r.IntN(3), ByHand: r.IntN(2) == 0}
	case 12:
		if r.IntN(3) == 0 {
			return &Follow{Node: n}
		}
		return &Follow{Node: n, Primary: node()}
	case 1, 2:
		k := 1 + r.IntN(5)
		nd := testNode(k, 1+uint64(r.IntN(4)))
		return &Register{Node: nd, PrevBoot: boot(nd.ID), Promote: []Promotion{{slots(), node()}}}
	case 3:
		return &Promote{From: n, Boot: boot(n), Fail: r.IntN(2) == 0, List: []Promotion{{slots(), node()}, {slots(), node()}}}
	case 4:
		return &SetState{Node: n, Boot: boot(n), State: NodeState(r.IntN(4))}
	case 5:
		return &Place{List: []Placement{{Slots: slots(), Add: []NodeID{n}, Release: []NodeID{node()}, Remove: []NodeID{node()}}}}
	case 6:
		return &Assign{List: []Assigned{{Slots: slots(), To: n, Replicas: []NodeID{node()}}}}
	case 7:
		return &InSync{Node: n, Boot: boot(n), Add: slots(), Remove: slots()}
	case 8:
		to := node()
		if to == n {
			return &Replicas{Factor: r.IntN(3)}
		}
		return &BeginMove{Slots: slots(), From: n, To: to}
	case 9:
		return &CommitMove{Token: uint64(r.IntN(int(m.NextToken()) + 1))}
	case 10:
		return &AbortMove{Token: uint64(r.IntN(int(m.NextToken()) + 1))}
	}
	if r.IntN(10) == 0 {
		return &Free{Node: n, Boot: boot(n), Slots: slots()}
	}
	if r.IntN(10) == 0 {
		return &Forget{Node: n, Boot: boot(n)}
	}
	return &Assign{From: n, List: []Assigned{{Slots: slots(), To: node()}}}
}

// TestRandomLog applies random logs: every state is one that a snapshot
// accepts, and a copy built from the encoded log, with a snapshot in the
// middle, is the same.
func TestRandomLog(t *testing.T) {
	r := randomSource(t)
	for range 60 {
		m, copied := New(), New()
		cut := r.IntN(120)
		for i := range 120 {
			e := randomEntry(r, m)
			data, err := Encode(e)
			if err != nil {
				t.Fatalf("%T %+v: %v", e, e, err)
			}
			decoded, err := Decode(data)
			if err != nil {
				t.Fatalf("%T: %v", e, err)
			}
			var res Result
			m, res = m.Apply(e)
			copied, _ = copied.Apply(decoded)
			if err := m.validate(); err != nil {
				t.Fatalf("after %T %+v (%+v): %v", e, e, res, err)
			}
			if i == cut {
				snap, err := copied.EncodeSnapshot()
				if err != nil {
					t.Fatal(err)
				}
				if copied, err = DecodeSnapshot(snap); err != nil {
					t.Fatal(err)
				}
			}
		}
		if m.Digest() != copied.Digest() {
			t.Fatal("replaying the log through a snapshot gave another map")
		}
	}
}

func TestRangeArithmetic(t *testing.T) {
	r := randomSource(t)
	set := func() Ranges {
		var out Ranges
		for range r.IntN(5) {
			a, b := uint16(r.IntN(64)), uint16(r.IntN(64))
			out = append(out, Range{min(a, b), max(a, b)})
		}
		return out
	}
	for range 2000 {
		raw, raw2 := set(), set()
		a, b := raw.Normalize(), raw2.Normalize()
		and, minus := a.Intersect(b), a.Subtract(b)
		n := r.IntN(70)
		taken, rest := a.Take(n)
		if taken.Len() != min(n, a.Len()) || taken.Len()+rest.Len() != a.Len() {
			t.Fatalf("take %d of %v: %v, %v", n, a, taken, rest)
		}
		for s := range uint16(64) {
			if a.Contains(s) != raw.Contains(s) || and.Contains(s) != (a.Contains(s) && b.Contains(s)) ||
				minus.Contains(s) != (a.Contains(s) && !b.Contains(s)) {
				t.Fatalf("slot %d: %v %v: and %v minus %v", s, a, b, and, minus)
			}
		}
		if again, err := ParseRanges(a.String()); err != nil || !slices.Equal(again, a) {
			t.Fatalf("%v was read as %v, %v", a, again, err)
		}
		if !slices.IsSortedFunc(minus, func(x, y Range) int { return int(x.First) - int(y.First) }) {
			t.Fatalf("unsorted %v", minus)
		}
	}
}

func TestParseRangesRefuses(t *testing.T) {
	for _, text := range []string{"x", "-", "1-", "-1", "5-4", "16384", "0-16384", "1,2", "1-2-3"} {
		if got, err := ParseRanges(text); !errors.Is(err, ErrRange) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, data, want string
	}{
		{"empty", "", "malformed"},
		{"unknown type", "\xff\x01{}", "unknown"},
		{"newer version", "\x0a\x02{}", "unknown"},
		{"unknown field", "\x0a\x01{\"token\":1,\"x\":2}", "malformed"},
		{"trailing", "\x0a\x01{\"token\":1}{}", "malformed"},
		{"bad id", "\x0b\x01{\"node\":\"zz\",\"boot\":1}", "malformed"},
		{"reversed range", "\x08\x01{\"slots\":[{\"f\":9,\"l\":1}],\"from\":\"" + string(id(1)) + "\",\"to\":\"" + string(id(2)) + "\"}", "malformed"},
	} {
		if _, err := Decode([]byte(tc.data)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func FuzzEntry(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		data, err := Encode(randomEntry(r, New()))
		if err == nil {
			f.Add(data)
		}
	}
	base, _ := New().Apply(&Form{ClusterID: string(id(99)), Replicas: 1})
	for n := range 3 {
		base, _ = base.Apply(&Register{Node: testNode(n+1, 1)})
	}
	base, _ = base.Apply(&Assign{List: []Assigned{{Slots: Ranges{All()}, To: id(1), Replicas: []NodeID{id(2)}}}})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		m, _ := base.Apply(e)
		if err := m.validate(); err != nil {
			t.Fatalf("%T %+v: %v", e, e, err)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	empty, _ := New().EncodeSnapshot()
	f.Add(empty)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeSnapshot(data)
		if err != nil {
			return
		}
		again, err := m.EncodeSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if m2, err := DecodeSnapshot(again); err != nil || m2.Digest() != m.Digest() {
			t.Fatalf("a decoded snapshot does not survive: %v", err)
		}
	})
}

// TestPinEndsWithTheMembers: what an operator placed stays until a node joins,
// returns as another process, leaves or stops; a failover alone does not end it.
func TestPinEndsWithTheMembers(t *testing.T) {
	id := func(c string) NodeID { return NodeID(strings.Repeat(c, NodeIDLen)) }
	node := func(c string, boot uint64) Node {
		return Node{ID: id(c), Host: "h", ClientPort: 1, ClusterPort: 1, Weight: 100, Boot: boot, Acks: AcksQuorum}
	}
	m := New()
	do := func(e Entry) {
		t.Helper()
		next, res := m.Apply(e)
		if res.Stale != "" {
			t.Fatalf("%T: %s", e, res.Stale)
		}
		m = next
	}
	do(&Form{ClusterID: string(id("f")), Replicas: 2, Founder: id("a")})
	do(&Register{Node: node("a", 1)})
	do(&Register{Node: node("b", 1)})
	all := Ranges{All()}
	do(&Assign{List: []Assigned{{Slots: all, To: id("a"), Replicas: []NodeID{id("b")}}}})
	do(&Pin{})
	do(&Promote{From: id("a"), Boot: 1, Fail: true, List: []Promotion{{Slots: all, To: id("b")}}})
	do(&SetState{Node: id("a"), Boot: 1, State: NodeActive})
	if !m.Pinned() || m.Founder() != id("a") || m.Acks(id("a")) != 1 {
		t.Fatalf("pinned %v, founder %s, %d acks of a quorum of three", m.Pinned(), m.Founder(), m.Acks(id("a")))
	}
	data, err := m.EncodeSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeSnapshot(data); err != nil || back.Digest() != m.Digest() || !back.Pinned() {
		t.Fatalf("snapshot: %v", err)
	}
	pinned := m
	for name, e := range map[string]Entry{
		"join":    &Register{Node: node("c", 1)},
		"restart": &Register{Node: node("a", 2), PrevBoot: 1},
		"leave":   &SetState{Node: id("a"), Boot: 1, State: NodeLeaving},
		"stop":    &SetState{Node: id("a"), Boot: 1, State: NodeStopped},
		"forget":  &Forget{Node: id("a"), Boot: 1},
	} {
		if m, res := pinned.Apply(e); m.Pinned() || res.Stale != "" {
			t.Errorf("still pinned after %s (%s)", name, res.Stale)
		}
	}
	if m, _ := pinned.Apply(&Register{Node: node("a", 2), PrevBoot: 1}); m.Node(id("a")).PrevBoot != 1 {
		t.Error("the process before is not remembered")
	}
}

// TestQuorum: a majority is that of the copies wanted, or of those that operators named.
func TestQuorum(t *testing.T) {
	id := func(c string) NodeID { return NodeID(strings.Repeat(c, NodeIDLen)) }
	for _, c := range []struct{ wanted, followers, want int }{
		{0, 0, 0}, {1, 0, 1}, {2, 0, 1}, {3, 0, 2}, {0, 1, 1}, {0, 2, 1}, {0, 3, 2}, {1, 3, 2}, {4, 1, 2},
	} {
		m := &Map{replicas: c.wanted, nodes: []Node{{ID: id("p")}, {ID: id("q")}}}
		for i := range c.followers {
			m.nodes = append(m.nodes, Node{ID: id(string(rune('a' + i))), Follows: id("p")})
		}
		if p, q := m.Quorum(id("p")), m.Quorum(id("q")); p != c.want || q != (c.wanted+1)/2 {
			t.Errorf("%+v: %d, and %d of the primary that nobody follows", c, p, q)
		}
	}
}

// TestRelease: a replica that is to be removed holds its copy and counts for nobody
// until it is removed, wanted again, or the slot has another primary.
func TestRelease(t *testing.T) {
	slots := Ranges{{0, 5460}}
	place := func(p Placement) *Place {
		p.Slots = slots
		return &Place{List: []Placement{p}}
	}
	m := build(t, formed(t), place(Placement{Add: []NodeID{id(3)}}),
		&InSync{Node: id(2), Boot: 1, Add: slots}, place(Placement{Release: []NodeID{id(2)}}))
	stale(t, m, place(Placement{Release: []NodeID{id(2), id(1)}})) // the primary is no replica
	for name, c := range map[string]struct {
		then                []Entry
		going, counts, held bool
	}{
		"released":         {going: true, held: true},
		"removed":          {then: []Entry{place(Placement{Remove: []NodeID{id(2)}})}},
		"forgotten":        {then: []Entry{&Promote{From: id(2), Boot: 1, Fail: true, List: []Promotion{{Slots: Ranges{{5461, 10922}}, To: id(3)}}}, &Forget{Node: id(2), Boot: 1}}},
		"wanted again":     {then: []Entry{place(Placement{Add: []NodeID{id(2)}})}, counts: true, held: true},
		"target of a move": {then: []Entry{&BeginMove{Slots: slots, From: id(1), To: id(2)}}, counts: true, held: true},
		"another primary":  {then: []Entry{&Promote{From: id(1), Boot: 1, Fail: true, List: []Promotion{{Slots: slots, To: id(3)}}}}, counts: true, held: true},
	} {
		a := build(t, m, c.then...).Slot(7)
		if a.IsGoing(id(2)) != c.going || a.Counts(id(2)) != c.counts || a.HasReplica(id(2)) != c.held {
			t.Errorf("%s: going %v, counts %v, holds %v", name, a.IsGoing(id(2)), a.Counts(id(2)), a.HasReplica(id(2)))
		}
	}
}
