package cluster

import (
	"strings"
	"testing"
	"time"

	"respkv/cluster/slotmap"
)

// TestWritesAwaitFailover: between being asked for positions and the map that
// names the next primary, a replica lets writes wait; reads go on as before.
func TestWritesAwaitFailover(t *testing.T) {
	self, dead := slotmap.NodeID(strings.Repeat("a", 40)), slotmap.NodeID(strings.Repeat("b", 40))
	m := slotmap.New()
	do := func(e slotmap.Entry) {
		next, res := m.Apply(e)
		if res.Stale != "" {
			t.Fatal(res.Stale)
		}
		m = next
	}
	do(&slotmap.Form{ClusterID: strings.Repeat("c", 40), Replicas: 1})
	for _, id := range []slotmap.NodeID{self, dead} {
		do(&slotmap.Register{Node: slotmap.Node{ID: id, Host: "h", ClientPort: 1, ClusterPort: 1, Weight: 100, Boot: 1}})
	}
	all := slotmap.Ranges{slotmap.All()}
	do(&slotmap.Assign{List: []slotmap.Assigned{{Slots: all, To: dead, Replicas: []slotmap.NodeID{self}}}})
	do(&slotmap.InSync{Node: self, Boot: 1, Add: all})
	cfg := DefaultConfig()
	r := newRouter(self, 1, &cfg)
	r.lease(time.Hour)
	r.closing(m)
	r.opened()
	look := func(write bool) (Verdict, Gate) {
		if r.mine(7) != (r.route(7, false, true).Verdict == Here && r.admit(7, true).Gate == Run) {
			t.Errorf("mine is %v", r.mine(7))
		}
		return r.route(7, !write, write).Verdict, r.admit(7, write).Gate
	}
	if v, _ := look(true); v != Moved {
		t.Fatalf("before: %v", v)
	}
	r.await(all)
	if v, g := look(true); v != Here || g != Paused {
		t.Fatalf("a write while the failover chooses: %v, gate %d", v, g)
	}
	if v, g := look(false); v != Here || g != Run {
		t.Fatalf("a READONLY read while the failover chooses: %v, gate %d", v, g)
	}
	wait := r.admit(7, true).Wait
	r.expire(0, 0)
	<-wait
	if v, _ := look(true); v != Moved {
		t.Fatalf("after nothing came of it: %v", v)
	}
	r.await(all)
	do(&slotmap.Promote{From: dead, Boot: 1, Fail: true, List: []slotmap.Promotion{{Slots: all, To: self}}})
	r.closing(m)
	r.opened()
	if v, g := look(true); v != Here || g != Run {
		t.Fatalf("promoted: %v, gate %d", v, g)
	}
	// Without the lease only admit, then route, know better.
	r.lease(0)
	if v, g := r.route(7, false, true).Verdict, r.admit(7, true).Gate; !r.mine(7) || v != ClusterDown || g != Reroute {
		t.Fatalf("lease lost: mine %v, %v, gate %d", r.mine(7), v, g)
	}
}

// TestMemberReturns: a process of a node that was a member before lets commands wait
// until it knows where they belong, for a while; later it says at once that it has no
// lease.
func TestMemberReturns(t *testing.T) {
	self, other := slotmap.NodeID(strings.Repeat("a", 40)), slotmap.NodeID(strings.Repeat("b", 40))
	cfg := DefaultConfig()
	formed := slotmap.New()
	for _, e := range []slotmap.Entry{
		&slotmap.Form{ClusterID: strings.Repeat("c", 40)},
		&slotmap.Register{Node: slotmap.Node{ID: self, Host: "h", ClientPort: 1, ClusterPort: 1, Weight: 100, Boot: 1}},
		&slotmap.Register{Node: slotmap.Node{ID: other, Host: "h", ClientPort: 2, ClusterPort: 2, Weight: 100, Boot: 1}},
		&slotmap.Assign{List: []slotmap.Assigned{{Slots: slotmap.Ranges{slotmap.All()}, To: other}}},
	} {
		next, res := formed.Apply(e)
		if res.Stale != "" {
			t.Fatal(res.Stale)
		}
		formed = next
	}
	lease := func(r *router) { r.lease(r.now() + time.Hour) }
	mapped := func(r *router) { r.closing(formed); r.opened() }
	for name, c := range map[string]struct {
		steps []func(*router)
		want  Verdict
	}{
		"the map, then the lease": {[]func(*router){mapped, lease}, Moved},
		"the lease, then the map": {[]func(*router){lease, mapped}, Moved},
		"no map":                  {[]func(*router){lease, func(r *router) { r.expire(0, 0) }}, Unassigned},
		"no lease":                {[]func(*router){mapped, func(r *router) { r.expire(0, 0) }}, ClusterDown},
		"it ends":                 {[]func(*router){mapped, (*router).close}, ClusterDown},
		"the lease is lost":       {[]func(*router){mapped, lease, func(r *router) { r.lease(0) }}, ClusterDown},
	} {
		r := newRouter(self, 1, &cfg)
		r.awaitCluster()
		waiting := 0
		for _, step := range c.steps {
			a := r.admit(7, true)
			if waits := r.returning() != nil; waits != (a.Gate == Paused && !r.m.Formed()) {
				t.Errorf("%s: waits for the map: %v", name, waits)
			}
			if v := r.route(7, false, true).Verdict; a.Gate == Paused {
				waiting++
				if v != Here || r.mine(7) {
					t.Errorf("%s: waits, and %v, mine %v", name, v, r.mine(7))
				}
			}
			step(r)
			if now := r.admit(7, true); a.Gate == Paused && now.Wait != a.Wait {
				<-a.Wait // who waits looks again
			}
		}
		if v, g := r.route(7, false, true).Verdict, r.admit(7, true).Gate; v != c.want || g != Reroute || waiting != 2 {
			t.Errorf("%s: %v, gate %d, after %d steps of waiting", name, v, g, waiting)
		}
	}
}
