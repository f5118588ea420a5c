package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

const ms = time.Millisecond

// world is the virtual clock, the network and everything that lives on it.
type world struct {
	rng    *rand.Rand
	now    time.Duration
	queue  events
	order  uint64
	nodes  []*node
	byID   map[slotmap.NodeID]*node
	cut    map[[2]int]bool // one way
	loss   float64
	raft   raftModel
	timing control.Timing

	acked   map[uint16][]uint64 // per probed slot: writes that clients got an answer for
	writes  uint64
	refused uint64
	trace   []string
	failure string
	quiet   bool // clients look, but write nothing
	trap    bool // freeze the next node that is granted a lease
	stale   int  // proposals without effect
	kinds   map[control.EventKind]int
}

type event struct {
	at    time.Duration
	order uint64
	fn    func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

func newWorld(seed uint64, nodes int) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), byID: map[slotmap.NodeID]*node{}, cut: map[[2]int]bool{},
		timing: control.TimingFor(time.Second), acked: map[uint16][]uint64{}, kinds: map[control.EventKind]int{}}
	w.raft.maps = []*slotmap.Map{slotmap.New()}
	for range nodes {
		n := w.add()
		w.raft.servers = append(w.raft.servers, control.RaftServer{ID: n.id, Voter: len(w.raft.servers) < 3})
	}
	w.every(20*ms, w.elect)
	w.every(ms/2, w.write)
	return w
}

func (w *world) after(d time.Duration, fn func()) {
	w.order++
	heap.Push(&w.queue, event{w.now + d, w.order, fn})
}

func (w *world) every(d time.Duration, fn func()) {
	var again func()
	again = func() { fn(); w.after(d, again) }
	w.after(d, again)
}

func (w *world) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

// run lets time pass until the clock shows end or something is wrong.
func (w *world) run(end time.Duration) {
	for w.failure == "" && len(w.queue) > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.fn()
	}
	w.now = max(w.now, end)
}

func (w *world) logf(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8.3fs ", w.now.Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.logf("FAILURE %s", w.failure)
	}
}

// delay is one trip over the network: mostly short.
func (w *world) delay() time.Duration {
	if w.rng.IntN(50) == 0 {
		return w.between(5*ms, 150*ms)
	}
	return w.between(100*time.Microsecond, 3*ms)
}

func (w *world) path(from, to *node) bool { return from == to || !w.cut[[2]int{from.index, to.index}] }

func (w *world) connected(a, b *node) bool { return w.path(a, b) && w.path(b, a) }

// node is one machine: its process may be down, or frozen.
type node struct {
	w      *world
	index  int
	id     slotmap.NodeID
	weight int
	up     bool
	frozen time.Duration // until then
	gen    int           // of the process: what an earlier one scheduled is void
	boot   uint64
	offset time.Duration // of its clock
	drift  float64
	gone   bool // left for good

	agent   *control.Agent
	ctl     *control.Controller
	term    uint64
	applied int // index into raft.maps; on disk
	opened  *slotmap.Map
	closing *slotmap.Map
	lease   time.Duration
	paused  map[uint64]slotmap.Ranges
	gossip  map[slotmap.NodeID]time.Duration // last contact
	told    map[slotmap.NodeID]control.Life
	plane   plane
}

func (w *world) add() *node {
	i := len(w.nodes)
	n := &node{w: w, index: i, id: slotmap.NodeID(fmt.Sprintf("%040x", i+1)), weight: 100,
		offset: w.between(0, time.Hour), drift: 1 + (w.rng.Float64()-0.5)/100}
	w.nodes = append(w.nodes, n)
	w.byID[n.id] = n
	n.boots()
	return n
}

// boots starts a process: everything but the raft log is new.
func (n *node) boots() {
	n.gen++
	n.up, n.frozen = true, 0
	n.boot = uint64(n.gen)
	n.lease, n.paused = 0, map[uint64]slotmap.Ranges{}
	n.opened, n.closing = slotmap.New(), slotmap.New()
	n.gossip, n.told = map[slotmap.NodeID]time.Duration{}, map[slotmap.NodeID]control.Life{}
	n.plane = plane{node: n, copies: map[uint16]*slotCopy{}}
	self := slotmap.Node{ID: n.id, Host: "h", ClientPort: 1 + n.index, ClusterPort: 1, Weight: n.weight, Boot: n.boot}
	n.agent = control.NewAgent(agentEnv{n, n.gen}, n.w.timing, self, n.opened)
	n.ctl = control.NewController(ctlEnv{n, n.gen}, n.w.timing, control.Policy{
		Expect: 3, Replicas: 1, MoveConcurrency: 2, MoveSlots: 1024, MoveTimeout: time.Minute,
		ReturnTimeout: 6 * time.Second, TrustRefused: true}, n.id, n.w.raft.maps[n.applied])
	n.publish()
	n.loop(n.w.timing.Tick, func() { n.agent.Tick(); n.ctl.Tick() })
	n.loop(100*ms, n.gossipRound)
	n.loop(4*ms, n.plane.replicate)
	n.loop(15*ms, n.follow)
}

// do runs fn as this process, later: after it thaws when it is frozen, never
// when it is gone.
func (n *node) do(d time.Duration, fn func()) {
	gen := n.gen
	var run func()
	run = func() {
		switch {
		case !n.up || n.gen != gen:
		case n.w.now < n.frozen:
			n.w.after(n.frozen-n.w.now+n.w.between(0, ms), run)
		default:
			fn()
		}
	}
	n.w.after(d, run)
}

func (n *node) loop(every time.Duration, fn func()) {
	var again func()
	again = func() { fn(); n.do(every+n.w.between(0, every/10), again) }
	n.do(n.w.between(0, every), again)
}

func (n *node) clock() time.Duration {
	return n.offset + time.Duration(float64(n.w.now)*n.drift)
}

func (n *node) active() bool { return n.up && n.w.now >= n.frozen }

func (n *node) crash() {
	n.w.logf("node %d crashes", n.index)
	n.up = false
	n.w.raft.lost(n)
	for _, other := range n.w.nodes {
		if other != n && other.up && n.w.connected(n, other) && n.w.rng.IntN(3) > 0 {
			other.do(n.w.delay(), func() { other.ctl.Broken(n.id) })
		}
	}
}

// gossipRound stands for memberlist.
func (n *node) gossipRound() {
	for _, other := range n.w.nodes {
		if other == n || other.gone {
			continue
		}
		if other.active() && n.w.connected(n, other) {
			n.gossip[other.id] = n.w.now
		}
		last, met := n.gossip[other.id]
		life := control.Alive
		switch silent := n.w.now - last; {
		case !met:
			continue
		case silent > time.Second:
			life = control.Failed
		case silent > 400*ms:
			life = control.Suspect
		}
		if n.told[other.id] != life {
			n.told[other.id] = life
			n.ctl.Gossip(other.id, life)
		}
	}
}

// publish makes the gates and the data plane follow the applied map: at once
// for what is lost, later for what is gained.
func (n *node) publish() {
	m := n.w.raft.maps[n.applied]
	if m.Version() <= n.closing.Version() {
		return
	}
	n.closing = m
	n.ctl.MapApplied(m)
	n.do(n.w.between(0, 3*ms), func() {
		if m.Version() < n.closing.Version() {
			return // a newer one is being published
		}
		n.plane.apply(m)
		n.opened = m
		n.agent.MapApplied(m)
	})
}

// serves reports whether this process would acknowledge a write to slot now.
func (n *node) serves(slot uint16) bool {
	if !n.active() || n.clock() >= n.lease {
		return false
	}
	for _, m := range []*slotmap.Map{n.closing, n.opened} {
		self := m.Node(n.id)
		if self == nil || self.Boot != n.boot || m.Slot(slot).Primary != n.id {
			return false
		}
	}
	if n.closing.Slot(slot).Epoch != n.opened.Slot(slot).Epoch {
		return false
	}
	for _, rs := range n.paused {
		if rs.Contains(slot) {
			return false
		}
	}
	return true
}

// send delivers over the network.
func (n *node) send(to slotmap.NodeID, fn func(*node)) {
	dst := n.w.byID[to]
	if dst == nil || !n.w.path(n, dst) || dst != n && n.w.rng.Float64() < n.w.loss {
		return
	}
	copies := 1
	if n.w.rng.IntN(200) == 0 {
		copies = 2
	}
	for range copies {
		// Whoever has the address then receives it: an earlier process's mail
		// may reach the next.
		n.w.after(n.w.delay(), func() {
			if dst.up {
				dst.do(0, func() { fn(dst) })
			}
		})
	}
}

func (n *node) deliver(to slotmap.NodeID, m control.Message) {
	if _, grant := m.(*control.LeaseGrant); grant && n.w.trap {
		// The worst moment to be frozen: with a grant in the mailbox.
		n.w.trap = false
		dst := n.w.byID[to]
		dst.frozen = n.w.now + n.w.between(500*ms, 3*time.Second)
		n.w.logf("node %d is frozen until %.3f, before it reads its grant", dst.index, dst.frozen.Seconds())
	}
	n.send(to, func(dst *node) {
		dst.agent.Receive(n.id, m)
		dst.ctl.Receive(n.id, m)
	})
}

type agentEnv struct {
	*node
	gen int
}

func (e agentEnv) Now() time.Duration                        { return e.clock() }
func (e agentEnv) Send(to slotmap.NodeID, m control.Message) { e.deliver(to, m) }
func (e agentEnv) Lease(until time.Duration)                 { e.lease = until }
func (e agentEnv) Term() uint64                              { return e.term }
func (e agentEnv) Status() []slotmap.RangeStatus             { return e.plane.status() }
func (e agentEnv) Positions(rs slotmap.Ranges) []slotmap.SlotPosition {
	return e.plane.positions(rs)
}

func (e agentEnv) Pause(token uint64, slots slotmap.Ranges) {
	e.paused[token] = slots
	e.do(e.w.between(0, 2*ms), func() { e.agent.Paused(token, e.plane.positions(slots), nil) })
}

func (e agentEnv) Resume(token uint64, _ slotmap.Ranges) { delete(e.paused, token) }

func (e agentEnv) Confirm(token uint64, positions []slotmap.SlotPosition) {
	deadline := e.w.now + e.w.timing.Handoff
	var poll func()
	poll = func() {
		switch {
		case e.plane.has(positions):
			e.agent.Confirmed(token, nil)
		case e.w.now > deadline:
			e.agent.Confirmed(token, fmt.Errorf("too late"))
		default:
			e.do(2*ms, poll)
		}
	}
	e.do(0, poll)
}

type ctlEnv struct {
	*node
	gen int
}

func (e ctlEnv) Now() time.Duration                        { return e.clock() }
func (e ctlEnv) Random() uint64                            { return e.w.rng.Uint64() }
func (e ctlEnv) Send(to slotmap.NodeID, m control.Message) { e.deliver(to, m) }
func (e ctlEnv) Propose(entry slotmap.Entry)               { e.w.raft.propose(e.node, entry) }
func (e ctlEnv) Raft(change control.RaftChange)            { e.w.raft.change(e.node, change) }

func (e ctlEnv) Emit(ev control.Event) {
	e.w.kinds[ev.Kind]++
	e.w.logf("node %d: %s about %s peer %s slots %v %s", e.index, ev.Kind, short(ev.Node), short(ev.Peer), ev.Slots, ev.Reason)
}

func short(id slotmap.NodeID) string {
	if id == "" {
		return "-"
	}
	return string(id[len(id)-2:])
}

func (e ctlEnv) Probe(target slotmap.Node) {
	dst := e.w.byID[target.ID]
	if !e.w.connected(e.node, dst) {
		return // a time-out says nothing
	}
	e.w.after(e.w.delay(), func() {
		refused := !dst.up // looked at on arrival
		e.do(e.w.delay(), func() { e.ctl.Probed(target.ID, target.Boot, refused) })
	})
}

func (n *node) request(op control.Op, about slotmap.NodeID) {
	if to := n.agent.Controller(); to != "" {
		n.deliver(to, &control.Request{ID: n.w.rng.Uint64(), Op: op, Node: about})
	}
}

// living are the nodes whose process runs and that have not left.
func (w *world) living() []*node {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return !n.up || n.gone })
}
