package cluster

import (
	"maps"
	"sync"
	"time"
)

// recentKept is how many events a node remembers: enough to look back at a
// rolling restart of a cluster, few enough to send to whoever shows them.
const recentKept = 128

// RecentEvent is an event and when it was told.
type RecentEvent struct {
	At time.Time
	Event
}

// recentEvents is the ring of the last events, and how many there were.
type recentEvents struct {
	mu     sync.Mutex // a leaf
	ring   [recentKept]RecentEvent
	next   int // where the next one goes; the oldest once the ring is full
	kept   int
	counts map[EventKind]uint64
}

func (r *recentEvents) add(e RecentEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[r.next] = e
	r.next = (r.next + 1) % recentKept
	r.kept = min(r.kept+1, recentKept)
	if r.counts == nil {
		r.counts = make(map[EventKind]uint64)
	}
	r.counts[e.Kind]++
}

// RecentEvents returns the last events told by this node, the oldest first.
// Each event is told by one node: that which decided it or which it befell.
func (n *Node) RecentEvents() []RecentEvent {
	r := &n.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]RecentEvent, 0, r.kept)
	for i := range r.kept {
		out = append(out, r.ring[(r.next-r.kept+i+recentKept)%recentKept])
	}
	return out
}

// EventCounts returns how many events of each kind this node has told.
func (n *Node) EventCounts() map[EventKind]uint64 {
	n.recent.mu.Lock()
	defer n.recent.mu.Unlock()
	return maps.Clone(n.recent.counts)
}
