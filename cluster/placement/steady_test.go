package placement

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// executor carries plans out as the controller does: copies are begun at once,
// except that those made for a move are limited; they become complete in any order,
// and what is ready goes on meanwhile.
type executor struct {
	t        *testing.T
	r        *rand.Rand
	m        *slotmap.Map
	mem      []Member
	replicas int
	plans    int
}

// begin starts the copies that the plan wants and the map does not have. It reports
// whether there were any.
func (x *executor) begin(targets []Target) bool {
	budget := 2048
	var list []slotmap.Placement
	for _, target := range targets {
		for _, s := range x.m.Within(slotmap.Ranges{target.Range}) {
			if s.HasReplica(target.Primary) && !s.IsInSync(target.Primary) {
				budget -= s.Len()
			}
		}
	}
	for _, target := range targets {
		for _, s := range x.m.Within(slotmap.Ranges{target.Range}) {
			slots := slotmap.Ranges{s.Range}
			if !s.Holds(target.Primary) {
				if taken, _ := slots.Take(budget); len(taken) > 0 {
					budget -= taken.Len()
					list = append(list, slotmap.Placement{Slots: taken, Add: []slotmap.NodeID{target.Primary}})
				}
			}
			var add []slotmap.NodeID
			for _, id := range target.Replicas {
				if !s.Holds(id) {
					add = append(add, id)
				}
			}
			if len(add) > 0 && s.Primary == target.Primary {
				list = append(list, slotmap.Placement{Slots: slots, Add: add})
			}
		}
	}
	if len(list) == 0 {
		return false
	}
	x.m = apply(x.t, x.m, &slotmap.Place{List: list})
	return true
}

// goOn does one thing that may happen while copies are under way. It reports whether
// there was any.
func (x *executor) goOn(targets []Target) bool {
	var able []func()
	remove := &slotmap.Place{}
	for _, target := range targets {
		for _, s := range x.m.Within(slotmap.Ranges{target.Range}) {
			slots := slotmap.Ranges{s.Range}
			ready := s.Primary == target.Primary
			for _, id := range s.Replicas {
				if !s.IsInSync(id) {
					able = append(able, func() { x.m = apply(x.t, x.m, &slotmap.InSync{Node: id, Boot: 1, Add: slots}) })
				}
			}
			var surplus []slotmap.NodeID
			for _, id := range s.Replicas {
				if !slices.Contains(target.Replicas, id) && id != target.Primary {
					surplus = append(surplus, id)
				}
			}
			for _, id := range target.Replicas {
				ready = ready && s.IsInSync(id)
			}
			if ready && len(surplus) > 0 {
				remove.List = append(remove.List, slotmap.Placement{Slots: slots, Remove: surplus})
			}
			if s.Primary != target.Primary && s.IsInSync(target.Primary) {
				able = append(able, func() {
					taken, _ := slots.Take(1024)
					x.m = apply(x.t, x.m, &slotmap.BeginMove{Slots: taken, From: s.Primary, To: target.Primary})
					x.m = apply(x.t, x.m, &slotmap.CommitMove{Token: x.m.NextToken() - 1})
				})
			}
		}
	}
	if len(remove.List) > 0 {
		able = append(able, func() { x.m = apply(x.t, x.m, remove) })
	}
	if len(able) == 0 {
		return false
	}
	able[x.r.IntN(len(able))]()
	return true
}

// rest carries out plans, each of them to its end, until there is nothing to do. It
// tells how often copies were begun.
func (x *executor) rest() (begun int) {
	x.t.Helper()
	targets := Plan(x.mem, x.m, x.replicas, true)
	kept := false
	for range 3000 {
		switch {
		case x.begin(targets):
			begun++
			kept = true
		case x.goOn(targets):
			kept = true
		case !kept:
			return begun
		default:
			x.plans++
			targets, kept = Plan(x.mem, x.m, x.replicas, true), false
		}
	}
	for _, s := range x.m.Spans()[:min(40, len(x.m.Spans()))] {
		x.t.Logf("%v %+v", s.Range, *s.Assignment)
	}
	x.t.Fatal("the plan never comes to rest")
	return 0
}

// TestPlansComeToRest: where a plan was carried out, in whatever order, there is
// little or nothing left for another one to improve.
func TestPlansComeToRest(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -seed=%d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	most, plans := 0, 0
	for range rounds {
		nodes := 3 + r.IntN(4)
		x := &executor{t: t, r: r, m: empty(t, nodes+3), mem: members(nodes), replicas: 1 + r.IntN(2)}
		if r.IntN(2) == 0 {
			for i := range nodes {
				x.mem[i].Weight = 50 * (1 + r.IntN(3))
			}
		}
		x.m = settle(t, x.m, x.mem, x.replicas, hashslot.Count)
		for range 4 {
			if i := r.IntN(len(x.mem)); r.IntN(3) == 0 && len(x.mem) > 3 {
				x.mem = slices.Delete(x.mem, i, i+1)
			} else if len(x.mem) < nodes+3 {
				for n := range nodes + 3 {
					if !slices.ContainsFunc(x.mem, func(m Member) bool { return m.ID == id(n) }) {
						x.mem = append(x.mem, Member{ID: id(n), Weight: 100})
						break
					}
				}
			}
			x.plans = 0
			begun := x.rest()
			most = max(most, begun)
			plans = max(plans, x.plans)
			if begun > 60 || x.plans > 5 {
				t.Fatalf("copies were begun %d times, in %d plans", begun, x.plans)
			}
			check(t, x.m, x.mem, x.replicas)
		}
	}
	t.Logf("copies were begun %d times at most, %d plans", most, plans)
}
