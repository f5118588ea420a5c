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

// TestBackAfterPatience: a primary and its replica are cut off for longer than
// they are waited for, and the primary comes back first. It is there again from its
// first request on: what an operator has given to it stays with it.
func TestBackAfterPatience(t *testing.T) {
	const primaries = 3
	simulate(t, 30, func(seed uint64) *world {
		w := emptyWorld(seed, 5*ms)
		w.policy.Expect = 0
		for i := range primaries {
			w.given = append(w.given, control.Given{Epoch: uint64(i + 1), Slots: slotmap.Ranges{{
				First: uint16(i * hashslot.Count / primaries), Last: uint16((i+1)*hashslot.Count/primaries - 1)}}})
		}
		for i := range primaries {
			w.given = append(w.given, control.Given{Follows: slotmap.NodeID(fmt.Sprintf("%040x", i+1))})
		}
		for range w.given {
			w.add()
		}
		w.settleFormation(time.Minute)
		w.settle(time.Minute)
		i := w.rng.IntN(primaries)
		victim, replica := w.nodes[i], w.nodes[i+primaries]
		if victim == w.raft.leader || replica == w.raft.leader {
			return w // who leads goes on without them
		}
		before := w.raft.last().PrimaryOf(victim.id)
		for _, n := range []*node{victim, replica} {
			w.logf("node %d is cut off", n.index)
			for i := range w.nodes {
				w.cut[[2]int{i, n.index}], w.cut[[2]int{n.index, i}] = true, true
			}
		}
		w.run(w.now + w.policy.ReturnTimeout + w.between(2*time.Second, 6*time.Second))
		for i := range w.nodes {
			if i != replica.index {
				delete(w.cut, [2]int{i, victim.index})
				delete(w.cut, [2]int{victim.index, i})
			}
		}
		w.loss = 0.3 // the lease that it asks for takes a while
		w.logf("node %d is back", victim.index)
		w.run(w.now + 5*time.Second)
		w.heal()
		w.settle(time.Minute)
		if now := w.raft.last().PrimaryOf(victim.id); w.failure == "" && !slices.Equal(now, before) {
			w.failf("node %d has %v, it was given %v", victim.index, now, before)
		}
		return w
	}, nil)
}
