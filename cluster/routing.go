package cluster

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// Per-slot flags of a routing table.
const (
	slotMine    = 1 << iota // this process is the primary
	slotCopy                // it is a replica
	slotClosed              // primary, but a handoff is finishing, or the data plane is not ready yet
	slotLagging             // replica that is too far behind to answer
	slotComing              // a handoff to this process is finishing
	slotAwaited             // a replica, and a failover is choosing the next primary
)

// table is what commands are routed by: immutable, replaced as a whole.
type table struct {
	m       *slotmap.Map
	primary [hashslot.Count]uint16 // 1 + index into m.Nodes(); 0: nobody
	flags   [hashslot.Count]uint8
	covered bool          // every slot has a primary that has not failed
	returns bool          // see router.returns
	wait    chan struct{} // closed when this table has been replaced
}

// router holds the table and the lease: all that the way of a command reads.
type router struct {
	self         slotmap.NodeID
	boot         uint64
	fullCoverage atomic.Bool // Runtime.RequireFullCoverage
	readsDown    atomic.Bool // Runtime.AllowReadsWhenDown
	base         time.Time
	deadline     atomic.Int64 // lease end, nanoseconds since base; 0: none
	current      atomic.Pointer[table]

	mu      sync.Mutex // guards what a table is built from; held for no I/O
	m       *slotmap.Map
	opening slotmap.Ranges            // gained, and the data plane has not followed yet
	paused  map[uint64]slotmap.Ranges // by move token
	lagging slotmap.Ranges
	awaited slotmap.Ranges // this node was asked for its positions, not long ago
	asked   time.Duration  // when that was
	closed  bool           // no lease is taken any more
	// returns: this node was a member before its process started, and has not had
	// map and lease since. Commands wait for that: what they are told is where to go
	// to, not that the cluster is down.
	returns bool
}

func newRouter(self slotmap.NodeID, boot uint64, cfg *Config) *router {
	r := &router{self: self, boot: boot,
		base: time.Now(), m: slotmap.New(), paused: map[uint64]slotmap.Ranges{}}
	r.fullCoverage.Store(cfg.RequireFullCoverage)
	r.readsDown.Store(cfg.AllowReadsWhenDown)
	r.mu.Lock()
	r.rebuild()
	r.mu.Unlock()
	return r
}

// now is the monotonic clock that leases are measured on.
func (r *router) now() time.Duration { return time.Since(r.base) }

// serving reports whether the lease is valid.
func (r *router) serving() bool { return int64(r.now()) < r.deadline.Load() }

// lease moves the lease's end, unless the node is closing.
func (r *router) lease(until time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.deadline.Store(int64(until))
		r.settle()
	}
}

// awaitCluster has commands wait for map and lease, until expire ends it.
func (r *router) awaitCluster() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.returns = true
	r.rebuild()
}

// settle ends the waiting for map and lease when both are there. mu is held.
func (r *router) settle() {
	if r.returns && r.m.Formed() && r.serving() {
		r.returns = false
		r.rebuild()
	}
}

// close ends the lease for good and wakes who waits.
func (r *router) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.returns = true, false
	r.deadline.Store(0)
	r.rebuild()
}

// rebuild publishes a table of the current state. mu is held.
func (r *router) rebuild() {
	t := &table{m: r.m, covered: true, returns: r.returns, wait: make(chan struct{})}
	self := r.m.Node(r.self)
	known := self != nil && self.Boot == r.boot
	index := map[slotmap.NodeID]uint16{}
	failed := map[slotmap.NodeID]bool{}
	for i, n := range r.m.Nodes() {
		index[n.ID] = uint16(i + 1)
		failed[n.ID] = n.State == slotmap.NodeFailed
	}
	for _, s := range r.m.Spans() {
		flag := uint8(0)
		switch {
		case known && s.Primary == r.self:
			flag = slotMine
		case known && s.HasReplica(r.self):
			flag = slotCopy
		}
		if known && s.Move != nil && s.Move.Target == r.self {
			flag |= slotComing
		}
		if s.Primary == "" || failed[s.Primary] {
			t.covered = false
		}
		p := index[s.Primary]
		for slot := int(s.First); slot <= int(s.Last); slot++ {
			t.primary[slot], t.flags[slot] = p, flag
		}
	}
	mark := func(rs slotmap.Ranges, flag uint8) {
		for _, r := range rs {
			for slot := int(r.First); slot <= int(r.Last); slot++ {
				t.flags[slot] |= flag
			}
		}
	}
	mark(r.opening, slotClosed)
	for _, rs := range r.paused {
		mark(rs, slotClosed)
	}
	mark(r.lagging, slotLagging)
	for _, s := range r.m.Within(r.awaited) {
		if known && s.HasReplica(r.self) {
			mark(slotmap.Ranges{s.Range}, slotAwaited)
		}
	}
	if old := r.current.Swap(t); old != nil {
		close(old.wait)
	}
}

// closing publishes m with the slots that this node gains still closed: what
// it loses stops at once, before the data plane lets go of it.
func (r *router) closing(m *slotmap.Map) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opening = append(r.opening, r.gained(m)...).Normalize()
	var still slotmap.Ranges // awaited, and the primary is the same
	for _, s := range m.Within(r.awaited) {
		for _, old := range r.m.Within(slotmap.Ranges{s.Range}) {
			if old.Primary == s.Primary {
				still = append(still, old.Range)
			}
		}
	}
	r.awaited = still.Normalize()
	r.m = m
	r.rebuild()
}

// gained are slots that m makes this process primary of and the map before did
// not, or under another config epoch.
func (r *router) gained(m *slotmap.Map) slotmap.Ranges {
	if n := m.Node(r.self); n == nil || n.Boot != r.boot {
		return nil
	}
	var out slotmap.Ranges
	wasKnown := false
	if n := r.m.Node(r.self); n != nil && n.Boot == r.boot {
		wasKnown = true
	}
	for _, s := range m.Spans() {
		if s.Primary != r.self {
			continue
		}
		for _, old := range r.m.Within(slotmap.Ranges{s.Range}) {
			if !wasKnown || old.Primary != r.self || old.Epoch != s.Epoch {
				out = append(out, old.Range)
			}
		}
	}
	return out
}

// opened lets clients into what the data plane is ready for now.
func (r *router) opened() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opening = nil
	r.returns = r.returns && !(r.m.Formed() && r.serving())
	r.rebuild()
}

func (r *router) pause(token uint64, slots slotmap.Ranges) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused[token] = slots
	r.rebuild()
}

func (r *router) resume(token uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.paused, token)
	r.rebuild()
}

// await notes that a failover has asked for positions of slots: writes that
// come for them now are most likely sent by nodes that know the outcome before
// this one does, or by clients that guess it, and wait for the next map rather
// than be sent to a primary that is gone.
func (r *router) await(slots slotmap.Ranges) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = r.now()
	if next := append(slots.Normalize(), r.awaited...).Normalize(); !slices.Equal(next, r.awaited) {
		r.awaited = next
		r.rebuild()
	}
}

// expire ends the waiting for a failover that has not come about, and for a
// cluster that does not take this node in.
func (r *router) expire(failover, cluster time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.awaited) > 0 && r.now()-r.asked > failover {
		r.awaited = nil
		r.rebuild()
	}
	if r.returns && r.now() > cluster {
		r.returns = false
		r.rebuild()
	}
}

func (r *router) setLagging(slots slotmap.Ranges) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slots.String() != r.lagging.String() {
		r.lagging = slots
		r.rebuild()
	}
}

// wake replaces the table so that those waiting look again.
func (r *router) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rebuild()
}

func (t *table) moved(slot uint16) Decision {
	return Decision{Verdict: Moved, Node: &t.m.Nodes()[t.primary[slot]-1]}
}

func (r *router) route(slot uint16, readonly, write bool) Decision {
	t := r.current.Load()
	flags := t.flags[slot]
	if t.returns {
		return Decision{Verdict: Here} // and waits in admit
	}
	if t.primary[slot] == 0 {
		return Decision{Verdict: Unassigned}
	}
	readable := flags&slotMine != 0 ||
		flags&(slotCopy|slotLagging) == slotCopy && readonly
	if !r.serving() || !t.covered && r.fullCoverage.Load() {
		if !write && readable && r.readsDown.Load() {
			return Decision{Verdict: Here}
		}
		return Decision{Verdict: ClusterDown}
	}
	// A client that comes for a slot which is about to be this node's was most
	// likely sent by the old primary, which knows of the new map already: it
	// waits in admit rather than being sent to and fro until its client library
	// gives up.
	if flags&(slotMine|slotComing) != 0 || readable && !write || write && flags&slotAwaited != 0 {
		return Decision{Verdict: Here}
	}
	return t.moved(slot)
}

// returning is closed when this node is to look again for the map that it had as a member
// before its process started; nil: it has it, or does not wait for it.
func (r *router) returning() <-chan struct{} {
	if t := r.current.Load(); t.returns && !t.m.Formed() {
		return t.wait
	}
	return nil
}

// mine is route without the clock, for the slots of which that is all the answer
// depends on.
func (r *router) mine(slot uint16) bool {
	t := r.current.Load()
	return t.flags[slot]&(slotMine|slotClosed) == slotMine && !t.returns && (t.covered || !r.fullCoverage.Load())
}

func (r *router) admit(slot uint16, write bool) Admission {
	t := r.current.Load()
	flags := t.flags[slot]
	if t.returns {
		return Admission{Gate: Paused, Wait: t.wait}
	}
	serving := r.serving()
	if !serving && (write || !r.readsDown.Load()) {
		return Admission{Gate: Reroute}
	}
	switch {
	case flags&(slotMine|slotClosed) == slotMine|slotClosed:
		return Admission{Gate: Paused, Wait: t.wait}
	case flags&slotMine != 0:
		return Admission{Gate: Run, Owner: serving}
	case flags&slotComing != 0 || write && flags&slotAwaited != 0:
		return Admission{Gate: Paused, Wait: t.wait}
	case flags&slotCopy != 0 && !write:
		return Admission{Gate: Run}
	}
	return Admission{Gate: Reroute}
}
