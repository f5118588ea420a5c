package sim

import (
	"sync"
	"testing"
	"time"

	"respkv/cluster/slotmap"
)

// TestPlanIsCarriedOut: nodes join while others are still being given their copies,
// and leave. What is planned is begun as a whole and carried out before there is
// another plan: not slot by slot, with an entry of the log for each.
func TestPlanIsCarriedOut(t *testing.T) {
	var mu sync.Mutex
	most := 0
	simulate(t, 60, func(seed uint64) *world {
		w := emptyWorld(seed, 5*ms)
		w.policy.Replicas = 1 + w.rng.IntN(2)
		w.begin(3 + int(seed%3))
		w.settle(10 * time.Second)
		placed := 0
		w.proposed = func(entry any) {
			if _, ok := entry.(*slotmap.Place); ok {
				placed++
			}
		}
		for range 2 {
			w.add()
			w.run(w.now + w.between(0, 300*ms))
		}
		w.run(w.now + 500*ms)
		w.settle(10 * time.Second)
		mu.Lock()
		most = max(most, placed)
		mu.Unlock()
		if w.failure == "" && placed > 60 {
			w.failf("%d entries placed the copies of two nodes", placed)
		}
		return w
	}, nil)
	t.Logf("%d entries at most placed the copies of two nodes", most)
}
