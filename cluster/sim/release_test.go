package sim

import (
	"slices"
	"testing"
	"time"

	"respkv/cluster/slotmap"
)

// checkRemovals looks at each removal of copies on its way into the log: from that
// moment on it may come to pass, whatever becomes of who proposed it. The replicas that
// stay must have what was answered, as many of them as were promised.
func (w *world) checkRemovals(entry any) {
	place, ok := entry.(*slotmap.Place)
	if !ok {
		return
	}
	m := w.raft.last()
	for _, p := range place.List {
		for i, slot := range probed {
			a := m.Slot(slot)
			if len(p.Remove) == 0 || !p.Slots.Contains(slot) || a.Primary == "" {
				continue
			}
			primary := w.byID[a.Primary].plane.copies[i]
			if primary == nil {
				continue
			}
			answered := w.answered(i, primary)
			stay, have := 0, 0
			for _, id := range a.Replicas {
				if slices.Contains(p.Remove, id) {
					continue
				}
				stay++
				if c := w.byID[id].plane.copies[i]; c != nil && c.complete && len(primary.log)-missing(primary, c) >= answered {
					have++
				}
			}
			if acks := max(1, m.Acks(a.Primary)); have < min(acks, stay) {
				w.failf("slot %d: of %d replicas that stay %d have what was answered", slot, stay, have)
			}
		}
	}
}

// answered is how much of a primary's history it takes to have all of it that
// clients were answered. Writes are numbered in their order.
func (w *world) answered(i int, primary *slotCopy) int {
	if len(w.acked[i]) == 0 {
		return 0
	}
	n, found := slices.BinarySearch(primary.log, slices.Max(w.acked[i]))
	if found {
		n++
	}
	return n
}

// TestSurplusCopies: nodes join and leave, and copies are removed that answers were
// given on account of, while others are slow and messages are lost. What was answered
// is never on such a copy only.
func TestSurplusCopies(t *testing.T) {
	for _, acks := range []int{slotmap.AcksQuorum, waits} {
		t.Run(map[int]string{slotmap.AcksQuorum: "quorum", waits: "WAIT"}[acks], func(t *testing.T) { testSurplusCopies(t, acks) })
	}
}

func testSurplusCopies(t *testing.T, acks int) {
	removed := 0
	simulate(t, 20, func(seed uint64) *world {
		w := emptyWorld(seed, ms)
		w.policy.Replicas, w.policy.Expect, w.acks = 1+w.rng.IntN(3), 3, acks
		w.policy.ReturnTimeout = time.Minute
		w.begin(4 + int(seed%2))
		w.every(ms, w.answer)
		w.settle(10 * time.Second)
		before := w.raft.last()
		w.proposed = w.checkRemovals
		for range 3 {
			w.loss = w.rng.Float64() * 0.2
			if len(w.nodes) < 8 {
				w.add()
			}
			for range 3 {
				w.run(w.now + w.between(0, 200*ms))
				slow := w.nodes[w.rng.IntN(len(w.nodes))]
				slow.frozen = w.now + w.between(0, 500*ms)
			}
			w.run(w.now + w.between(0, time.Second))
			w.heal()
			w.settle(60 * time.Second)
			w.checkCopies()
			w.quiet = false
			// A failover after a lease was lost waits for nobody's WAIT.
			if acks != waits && w.failure == "" && w.lost() > 0 {
				w.failf("%d answered writes lost", w.lost())
			}
		}
		for _, n := range before.Nodes() {
			if len(before.HeldBy(n.ID).Subtract(w.raft.last().HeldBy(n.ID))) > 0 {
				w.kinds[surplus]++
			}
		}
		return w
	}, func(w *world) { removed += w.kinds[surplus] })
	if removed == 0 {
		t.Fatal("no copy was removed: the test does not test")
	}
}

// surplus counts nodes that have lost copies.
const surplus = "surplus"
