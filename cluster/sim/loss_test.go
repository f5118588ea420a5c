package sim

import (
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// TestQuorum: with durability quorum and three copies, no answered write is
// lost while one node at a time fails and others are slow.
func TestQuorum(t *testing.T) {
	failovers, waits := 0, 0
	count := simulate(t, 25, func(seed uint64) *world {
		w := emptyWorld(seed, ms)
		w.policy.Replicas, w.policy.Expect, w.acks = 2, 3, slotmap.AcksQuorum
		w.policy.ReturnTimeout = time.Minute
		w.begin(3 + int(seed%3))
		w.every(ms, w.answer)
		w.settle(10 * time.Second)
		for range 4 {
			w.loss = w.rng.Float64() * 0.2
			victim := w.nodes[w.rng.IntN(len(w.nodes))]
			other := w.nodes[w.rng.IntN(len(w.nodes))]
			if w.rng.IntN(2) == 0 {
				// Not failed, only slow, and maybe the one that holds a write.
				other.frozen = w.now + w.between(0, 600*ms)
				w.logf("node %d is frozen until %.3f", other.index, other.frozen.Seconds())
				w.run(w.now + w.between(0, 300*ms))
			}
			switch w.rng.IntN(3) {
			case 0, 1:
				victim.crashFor(w.between(0, 4*time.Second))
			case 2:
				w.logf("node %d is cut off", victim.index)
				for i := range w.nodes {
					w.cut[[2]int{i, victim.index}], w.cut[[2]int{victim.index, i}] = true, true
				}
			}
			w.run(w.now + w.between(0, 6*time.Second))
			w.heal()
			w.settle(60 * time.Second)
			w.checkCopies()
			w.quiet = false
			if w.failure == "" && w.lost() > 0 {
				w.failf("%d answered writes lost", w.lost())
			}
		}
		return w
	}, func(w *world) {
		failovers += w.kinds[control.EventFailover]
		waits += w.kinds[control.EventFailoverWaits]
		if len(w.acked[0]) == 0 {
			t.Error("no write was answered")
		}
	})
	t.Logf("%d failovers, %d of nodes had to wait", failovers, waits)
	if *seedFlag == 0 && failovers < count {
		t.Fatalf("only %d failovers in %d runs: the test does not test", failovers, count)
	}
}

// TestLossCount: when a primary crashes some time after its last write, its
// failover tells exactly how many effects nobody else had.
func TestLossCount(t *testing.T) {
	simulate(t, 30, func(seed uint64) *world {
		w := newWorld(seed, 3)
		w.settle(10 * time.Second)
		victim := w.nodes[w.rng.IntN(3)]
		for victim == w.raft.leader {
			victim = w.nodes[w.rng.IntN(3)] // the next controller has not heard its status
		}
		w.run(w.now + w.between(0, time.Second))
		w.stalled = true
		w.run(w.now + w.between(0, 500*ms))
		w.quiet = true
		w.run(w.now + time.Second)
		exact := 0
		for i, slot := range probed {
			if a := w.raft.last().Slot(slot); a.Primary == victim.id {
				exact += missing(victim.plane.copies[i], w.byID[a.Replicas[0]].plane.copies[i])
			}
		}
		victim.crash()
		w.run(w.now + 3*time.Second)
		if w.failure == "" && w.told != uint64(exact) {
			w.failf("%d effects were lost, the failover told of %d", exact, w.told)
		}
		return w
	}, nil)
}
