package sim

import (
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// TestLateRequest: a node is killed and starts again, and a request of the process
// that is gone arrives when the next one is on its way into the map. The living one
// must not pass for the older of the two: it would never be let in again.
func TestLateRequest(t *testing.T) {
	simulate(t, 30, func(seed uint64) *world {
		w := newWorld(seed, 3)
		w.settle(10 * time.Second)
		victim := w.nodes[w.rng.IntN(3)]
		for victim == w.raft.leader {
			victim = w.nodes[w.rng.IntN(3)]
		}
		late := &control.LeaseRequest{SentAt: victim.clock(), Node: *w.raft.last().Node(victim.id), MapVersion: w.raft.last().Version(), Status: victim.plane.status()}
		w.proposed = func(entry any) {
			if e, ok := entry.(*slotmap.Register); ok && e.Node.Boot > late.Node.Boot {
				w.proposed = nil
				w.raft.leader.do(0, func() { w.raft.leader.ctl.Receive(victim.id, late) })
			}
		}
		victim.crash()
		victim.boots()
		w.settle(20 * time.Second)
		if n := w.raft.last().Node(victim.id); w.failure == "" && n.Boot != victim.boot {
			w.failf("process %d of node %d counts, %d is there", n.Boot, victim.index, victim.boot)
		}
		return w
	}, nil)
}
