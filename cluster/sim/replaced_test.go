package sim

import (
	"slices"
	"testing"
	"time"

	"respkv/cluster/control"
)

// TestReplaced: a node loses its disk and starts again as a new one at the same
// address. The old one is not waited for, however long the return timeout, and
// leaves map and raft.
func TestReplaced(t *testing.T) {
	simulate(t, 30, func(seed uint64) *world {
		w := emptyWorld(seed, ms)
		w.policy.ReturnTimeout = time.Hour
		w.begin(3 + int(seed%3))
		w.settle(10 * time.Second)
		w.loss = w.rng.Float64() * 0.05
		old := w.nodes[w.rng.IntN(3)]
		old.crash()
		old.gone = true
		w.run(w.now + w.between(0, 2*time.Second)*time.Duration(w.rng.IntN(2)))
		fresh := w.addAt(old.port)
		w.logf("node %d is now where node %d was", fresh.index, old.index)
		w.replace(old, fresh)
		w.checkCopies()
		if w.failure == "" && slices.ContainsFunc(w.raft.servers, func(s control.RaftServer) bool { return s.ID == old.id && s.Voter }) {
			w.failf("node %d still votes", old.index)
		}
		return w
	}, nil)
}

// TestReplacedAlone: the node that was replaced had the only copy of its slots,
// and nobody saw its port refuse a connection. Nobody can give the data back: the
// slots are served again, empty, long before the return timeout.
func TestReplacedAlone(t *testing.T) {
	simulate(t, 30, func(seed uint64) *world {
		w := emptyWorld(seed, ms)
		w.policy.ReturnTimeout, w.policy.TrustRefused, w.policy.Replicas = time.Hour, false, 0
		w.begin(3 + int(seed%3))
		w.settle(10 * time.Second)
		w.loss = w.rng.Float64() * 0.05
		old := w.nodes[w.rng.IntN(3)]
		old.crash()
		old.gone = true
		fresh := w.addAt(old.port)
		w.logf("node %d is now where node %d was", fresh.index, old.index)
		w.replace(old, fresh)
		return w
	}, nil)
}

// replace waits until the map has fresh, and old no more; then the network is good again.
func (w *world) replace(old, fresh *node) {
	deadline := w.now + time.Minute
	for w.failure == "" && (w.raft.last().Node(old.id) != nil || w.raft.last().Node(fresh.id) == nil) {
		if w.now > deadline {
			w.logf("%s", w.describe())
			w.failf("node %d is still a member", old.index)
		}
		w.run(w.now + 50*ms)
	}
	w.loss = 0
	w.settle(30 * time.Second)
}
