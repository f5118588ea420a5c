package placement

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0: a new one")

func id(n int) slotmap.NodeID { return slotmap.NodeID(fmt.Sprintf("%040x", n)) }

func apply(t *testing.T, m *slotmap.Map, e slotmap.Entry) *slotmap.Map {
	t.Helper()
	next, _ := m.Apply(e)
	return next
}

func empty(t *testing.T, nodes int) *slotmap.Map {
	m := apply(t, slotmap.New(), &slotmap.Form{ClusterID: string(id(99)), Replicas: 1})
	for n := range nodes {
		m = apply(t, m, &slotmap.Register{Node: slotmap.Node{ID: id(n), Host: "h", ClientPort: 1, ClusterPort: 1, Weight: 100, Boot: 1}})
	}
	return m
}

func members(n int) []Member {
	out := make([]Member, n)
	for i := range out {
		out[i] = Member{ID: id(i), Weight: 100}
	}
	return out
}

// carryOut makes up to limit slots of each difference between the map and the
// plan true, as the controller does: copies first, then primaries, then
// removals. It reports whether anything was left to do.
func carryOut(t *testing.T, m *slotmap.Map, targets []Target, limit int) (*slotmap.Map, bool) {
	budget, did := limit, false
	for _, target := range targets {
		for _, s := range m.Within(slotmap.Ranges{target.Range}) {
			rs := slotmap.Ranges{s.Range}
			if s.Primary == "" {
				m = apply(t, m, &slotmap.Assign{List: []slotmap.Assigned{{Slots: rs, To: target.Primary, Replicas: target.Replicas}}})
				did = true
				continue
			}
			want := append([]slotmap.NodeID{target.Primary}, target.Replicas...)
			var add, remove []slotmap.NodeID
			for _, w := range want {
				if w != "" && !s.Holds(w) {
					add = append(add, w)
				}
			}
			for _, r := range s.Replicas {
				found := false
				for _, w := range want {
					found = found || w == r
				}
				if !found {
					remove = append(remove, r)
				}
			}
			if len(add) == 0 && len(remove) == 0 && s.Primary == target.Primary {
				continue
			}
			if budget <= 0 {
				return m, true
			}
			rs, _ = rs.Take(budget)
			budget -= rs.Len()
			did = true
			switch {
			case len(add) > 0:
				m = apply(t, m, &slotmap.Place{List: []slotmap.Placement{{Slots: rs, Add: add}}})
				for _, a := range add {
					m = apply(t, m, &slotmap.InSync{Node: a, Boot: 1, Add: rs})
				}
			case s.Primary != target.Primary:
				m = apply(t, m, &slotmap.InSync{Node: target.Primary, Boot: 1, Add: rs})
				m = apply(t, m, &slotmap.BeginMove{Slots: rs, From: s.Primary, To: target.Primary})
				m = apply(t, m, &slotmap.CommitMove{Token: m.NextToken() - 1})
			default:
				m = apply(t, m, &slotmap.Place{List: []slotmap.Placement{{Slots: rs, Remove: remove}}})
			}
		}
	}
	return m, did
}

func settle(t *testing.T, m *slotmap.Map, mem []Member, replicas, limit int) *slotmap.Map {
	t.Helper()
	for range 200 {
		next, more := carryOut(t, m, Plan(mem, m, replicas, true), limit)
		m = next
		if !more {
			return m
		}
	}
	for _, s := range m.Spans()[:min(9, len(m.Spans()))] {
		t.Logf("%v %+v", s.Range, *s.Assignment)
	}
	t.Fatal("the plan never comes to rest")
	return nil
}

func TestFirstFormation(t *testing.T) {
	m := settle(t, empty(t, 3), members(3), 1, hashslot.Count)
	for i, want := range []string{"0-5460", "5461-10922", "10923-16383"} {
		if got := m.PrimaryOf(id(i)).String(); got != want {
			t.Errorf("node %d: primary of %s, want %s", i, got, want)
		}
		if got := m.ReplicaOf(id((i + 1) % 3)).String(); got != want {
			t.Errorf("node %d: replica of %s, want %s", (i+1)%3, got, want)
		}
	}
	if got := len(settle(t, empty(t, 1), members(1), 2, hashslot.Count).Spans()); got != 1 {
		t.Errorf("one node: %d spans", got)
	}
}

func TestFourthNodeTakesAQuarter(t *testing.T) {
	m := settle(t, empty(t, 3), members(3), 1, hashslot.Count)
	m = apply(t, m, &slotmap.Register{Node: slotmap.Node{ID: id(3), Host: "h", ClientPort: 1, ClusterPort: 1, Weight: 100, Boot: 1}})
	moved := 0
	for _, target := range Plan(members(4), m, 1, true) {
		for _, s := range m.Within(slotmap.Ranges{target.Range}) {
			if s.Primary != target.Primary {
				moved += s.Len()
			}
		}
	}
	if moved != hashslot.Count/4 {
		t.Fatalf("%d slots change their primary, want %d", moved, hashslot.Count/4)
	}
	m = settle(t, m, members(4), 1, 500)
	for i := range 4 {
		if p, r := m.PrimaryOf(id(i)).Len(), m.ReplicaOf(id(i)).Len(); p != 4096 || r < 3500 || r > 4700 {
			t.Errorf("node %d: primary of %d, replica of %d slots", i, p, r)
		}
	}
	if n := len(m.Spans()); n > 24 {
		t.Errorf("%d spans: ranges are not long", n)
	}
}

func TestNoRebalanceWhileANodeIsAway(t *testing.T) {
	m := settle(t, empty(t, 3), members(3), 1, hashslot.Count)
	mem := members(3)
	m = apply(t, m, &slotmap.Promote{From: id(2), Boot: 1, Fail: true, List: []slotmap.Promotion{{Slots: slotmap.Ranges{slotmap.All()}, To: id(0)}}})
	mem[2].Away = true
	for _, target := range Plan(mem, m, 1, false) {
		for _, s := range m.Within(slotmap.Ranges{target.Range}) {
			if s.Primary != target.Primary {
				t.Fatalf("%v moves from %s to %s", s.Range, s.Primary.Short(), target.Primary.Short())
			}
		}
	}
}

// TestRandomMembership lets nodes come and go and checks what a plan promises.
func TestRandomMembership(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -seed=%d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for range rounds {
		m := empty(t, 9)
		replicas := r.IntN(4)
		zones := r.IntN(3) == 0
		for range 8 {
			var mem []Member
			for i := range 9 {
				if r.IntN(3) > 0 || len(mem) == 0 && i == 8 {
					one := Member{ID: id(i), Weight: 50 * (1 + r.IntN(3))}
					if zones {
						one.Zone = fmt.Sprint(i % 3)
					}
					mem = append(mem, one)
				}
			}
			m = settle(t, m, mem, replicas, 1000+r.IntN(9000))
			check(t, m, mem, replicas)
		}
	}
}

func check(t *testing.T, m *slotmap.Map, mem []Member, replicas int) {
	t.Helper()
	sum := 0
	zoneOf := map[slotmap.NodeID]string{}
	zones := map[string]bool{}
	for _, x := range mem {
		sum += x.Weight
		zoneOf[x.ID] = x.Zone
		zones[x.Zone] = true
	}
	for _, x := range mem {
		share := hashslot.Count * x.Weight / sum
		if n := m.PrimaryOf(x.ID).Len(); n < share || n > share+1 {
			t.Fatalf("%d of %d slots for weight %d of %d", n, share, x.Weight, sum)
		}
	}
	for _, s := range m.Spans() {
		if len(s.Replicas) != min(replicas, len(mem)-1) {
			t.Fatalf("%v has %d replicas", s.Range, len(s.Replicas))
		}
		seen := map[slotmap.NodeID]bool{}
		seenZones := map[string]bool{}
		for _, id := range append([]slotmap.NodeID{s.Primary}, s.Replicas...) {
			if _, ok := zoneOf[id]; !ok || seen[id] {
				t.Fatalf("%v: copy twice or on a node that is no member", s.Range)
			}
			seen[id] = true
			seenZones[zoneOf[id]] = true
		}
		if !zones[""] && len(zones) > 1 && len(s.Replicas) > 0 && len(seenZones) < 2 {
			t.Fatalf("%v: all copies in one of %d zones", s.Range, len(zones))
		}
	}
}
