package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// TestFormation: fresh nodes start at different moments, crash and come back,
// are cut off from each other. As many as can form one cluster at most: exactly
// one forms, and in the end everybody is in it.
func TestFormation(t *testing.T) {
	discarded, begun := 0, 0
	count := simulate(t, 60, func(seed uint64) *world {
		w := emptyWorld(seed, 5*ms)
		w.policy.Expect = 1 + w.rng.IntN(5)
		// Two halves that never see each other are the one case that cannot be
		// told from one cluster: not more nodes than that.
		nodes := w.policy.Expect + w.rng.IntN(w.policy.Expect)
		if w.policy.Expect > 1 && w.rng.IntN(2) == 0 {
			nodes = 2*w.policy.Expect - 1
		}
		w.struggle(nodes)
		return w
	}, func(w *world) {
		begun += len(w.groups)
		discarded += w.discarded
	})
	t.Logf("%d clusters begun, %d given up", begun, discarded)
	if *seedFlag == 0 && count >= 100 && discarded == 0 {
		t.Fatal("no candidate came back too late: the test does not test")
	}
}

// TestFormationByHand: nobody says how many nodes there will be; some were given
// slots, all of them together. Each gets what it was given.
func TestFormationByHand(t *testing.T) {
	quiet := 0
	simulate(t, 60, func(seed uint64) *world {
		w := emptyWorld(seed, 5*ms)
		w.policy.Expect = 0
		if w.rng.IntN(2) == 0 {
			w.policy.Replicas = control.AutoReplicas
		}
		primaries := 1 + w.rng.IntN(4)
		given := make([]control.Given, primaries+w.rng.IntN(4))
		for i := range primaries {
			given[i] = control.Given{Epoch: uint64(i + 1), Slots: slotmap.Ranges{{
				First: uint16(i * hashslot.Count / primaries), Last: uint16((i+1)*hashslot.Count/primaries - 1)}}}
		}
		for i := primaries; i < len(given); i++ {
			given[i].Follows = slotmap.NodeID(fmt.Sprintf("%040x", 1+w.rng.IntN(primaries)))
		}
		w.given = given
		w.struggle(len(given))
		w.run(w.now + 20*time.Second) // replicas are named, copies made
		calm := w.kinds[control.EventFailover]+w.kinds[control.EventSlotsLost] == 0
		if calm {
			quiet++
		}
		for i, g := range given {
			n := w.nodes[i]
			now := w.raft.last().Node(n.id)
			switch {
			case w.failure != "" || now == nil:
			case g.Follows != now.Follows && calm:
				w.failf("node %d follows %q, it was given to %q", i, now.Follows, g.Follows)
			case now.Follows != "" && len(w.raft.last().PrimaryOf(n.id)) > 0:
				w.failf("node %d has slots, and follows %q", i, now.Follows)
			case calm && !slices.Equal(w.raft.last().PrimaryOf(n.id), g.Slots):
				w.failf("node %d has %v, it was given %v", i, w.raft.last().PrimaryOf(n.id), g.Slots)
			}
		}
		if m := w.raft.last(); w.failure == "" && calm && w.policy.Replicas == control.AutoReplicas {
			for _, s := range m.Spans() {
				for _, id := range s.Replicas {
					if m.Node(id).Follows != s.Primary {
						w.failf("%s has a copy of %v, which nobody asked for", id.Short(), s.Range)
					}
				}
			}
		}
		return w
	}, func(*world) {})
	if *seedFlag == 0 && quiet == 0 {
		t.Fatal("no cluster was left as it was made: the test does not test")
	}
}

// givenTo is what operators give to a node before it starts.
func (w *world) givenTo(index int) control.Given {
	if index < len(w.given) {
		return w.given[index]
	}
	return control.Given{}
}

// settleGiven forgets what the map knows, as cluster.Node does.
func (n *node) settleGiven(m *slotmap.Map) {
	self := m.Node(n.id)
	if self == nil {
		return
	}
	n.given.Slots = n.given.Slots.Intersect(m.Where(func(a *slotmap.Assignment) bool { return a.Primary == "" }))
	if n.given.Follows == self.Follows {
		n.given.Follows = ""
	}
	if given := n.given; n.agent != nil {
		n.agent.SetGiven(given)
	}
}

// struggle adds nodes while they, and the network, meet with misfortune, and heals
// all of it in the end.
func (w *world) struggle(nodes int) {
	w.loss = w.rng.Float64() * 0.1
	// The worst moment for a candidate: it has begun, and nobody knows.
	misfortunes := w.rng.IntN(3)
	w.onBegin = func(n *node) {
		switch misfortunes--; {
		case misfortunes < 0:
		case w.rng.IntN(2) == 0:
			n.do(w.between(0, 300*ms), func() { n.crashFor(w.between(35*time.Second, 70*time.Second)) })
		default:
			w.after(w.between(0, 500*ms), func() {
				if w.onBegin != nil {
					w.misfortune(n)
				}
			})
		}
	}
	for range nodes {
		w.add()
		w.run(w.now + w.between(0, 3*time.Second))
	}
	for range w.rng.IntN(6) {
		w.run(w.now + w.between(0, 4*time.Second))
		w.misfortune(w.nodes[w.rng.IntN(len(w.nodes))])
	}
	if w.rng.IntN(2) == 0 {
		w.run(w.now + w.between(20*time.Second, 60*time.Second)) // candidates are given up
	}
	w.onBegin = nil
	w.heal()
	w.settleFormation(150 * time.Second)
}

// settleFormation waits until all living nodes are in one cluster that serves.
func (w *world) settleFormation(within time.Duration) {
	deadline := w.now + within
	for w.failure == "" {
		all := w.raft.last().Formed()
		for _, n := range w.living() {
			all = all && n.group == w.raft && w.raft.last().Node(n.id) != nil
		}
		for i, slot := range probed {
			n := w.byID[w.raft.last().Slot(slot).Primary]
			all = all && n != nil && n.serves(i)
		}
		if all {
			return
		}
		if w.now > deadline {
			for _, n := range w.nodes {
				w.logf("node %d: votes for %s, begun %v, member %v, raft runs %v", n.index, short(n.vote), n.group != nil, n.member, n.running)
			}
			w.failf("not all nodes are in one cluster")
			return
		}
		w.run(w.now + 50*ms)
	}
}

// misfortune harms a node while the others form a cluster, for long enough to
// be given up, or the network.
func (w *world) misfortune(n *node) {
	switch w.rng.IntN(7) {
	case 0, 1:
		if n.up {
			n.crashFor(w.between(0, time.Duration(1+w.rng.IntN(80))*time.Second))
		}
	case 2, 3, 4:
		w.logf("node %d is cut off", n.index)
		for i := range w.nodes {
			w.cut[[2]int{i, n.index}], w.cut[[2]int{n.index, i}] = true, true
		}
	case 5:
		w.logf("the network heals")
		clear(w.cut)
	case 6:
		half := w.rng.Uint64()
		w.logf("the network is cut in two")
		for i := range w.nodes {
			for k := range w.nodes {
				if half>>i&1 != half>>k&1 {
					w.cut[[2]int{i, k}] = true
				}
			}
		}
	}
}

// crashFor ends the process and starts it again later.
func (n *node) crashFor(d time.Duration) {
	n.crash()
	n.w.after(d, func() {
		if !n.up && !n.gone {
			n.w.logf("node %d starts again", n.index)
			n.boots()
		}
	})
}
