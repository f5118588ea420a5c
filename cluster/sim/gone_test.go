package sim

import (
	"sync/atomic"
	"testing"
	"time"

	"respkv/cluster/slotmap"
)

// checkPromotions: nobody is promoted of whom the controller has heard as another
// process by now. Its copies have gone with the one that told of them.
func (w *world) checkPromotions(entry any) {
	if e, ok := entry.(*slotmap.Promote); ok {
		for _, p := range e.List {
			if w.raft.leader.heard[p.To] > w.raft.last().Node(p.To).Boot {
				w.failf("slots %v are given to a process of node %d that is gone", p.Slots, w.byID[p.To].index)
			}
		}
	}
}

// TestRestartedReplica: a primary is killed, its replica tells its positions and is
// killed, too, before the majority that is needed is there again. When it is, with the
// replica's next process, what the former one had is no copy any more.
func TestRestartedReplica(t *testing.T) {
	var met atomic.Int64 // worlds run side by side
	simulate(t, 60, func(seed uint64) *world {
		w := newWorld(seed, 3)
		w.settle(10 * time.Second)
		var victim, replica *node
		for _, n := range w.nodes {
			if m := w.raft.last(); n != w.raft.leader {
				if r := w.byID[m.Within(m.PrimaryOf(n.id))[0].Replicas[0]]; r != w.raft.leader {
					victim, replica = n, r
				}
			}
		}
		replica.frozen = w.now + 2*time.Second
		for w.failure == "" && w.raft.last().Node(replica.id).State != slotmap.NodeFailed {
			w.run(w.now + ms)
		}
		victim.crash()
		w.proposed = func(entry any) {
			w.checkPromotions(entry)
			if e, ok := entry.(*slotmap.SetState); ok && e.Node == replica.id && e.State == slotmap.NodeActive && replica.boot == 1 {
				met.Add(1)
				w.after(w.between(0, 3*ms), func() { replica.crashFor(w.between(100*ms, time.Second)) })
			}
		}
		w.run(w.now + 10*time.Second)
		w.proposed = nil
		victim.boots()
		w.settle(20 * time.Second)
		return w
	}, nil)
	if *seedFlag == 0 && met.Load() == 0 {
		t.Fatal("no replica was killed: the test does not test")
	}
}
