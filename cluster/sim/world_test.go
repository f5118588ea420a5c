package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/shared"
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
	raft   *raftModel   // the group that has formed; before that, an empty one
	groups []*raftModel // all that were begun
	timing control.Timing
	policy control.Policy
	given  []control.Given // by hand, by index of the node

	acked     [len(probed)][]uint64 // writes that clients got an answer for
	writes    uint64
	refused   uint64
	trace     []string
	proposed  func(entry any) // called for each entry on its way into the log; nil: nobody looks
	failure   string
	acks      int    // of a write; slotmap.AcksQuorum, waits, or 0
	stalled   bool   // replication is
	told      uint64 // effects that failovers told were lost
	quiet     bool   // clients look, but write nothing
	wander    bool   // nodes restart at other addresses
	trap      bool   // freeze the next node that is granted a lease
	stale     int    // proposals without effect
	discarded int    // clusters begun and given up
	onBegin   func(n *node)
	changes   []*valueWrite
	kinds     map[control.EventKind]int
}

// waits, as world.acks: replication is asynchronous, and each write is followed by
// WAIT 1. What that has not confirmed does not count as answered.
const waits = -100

// event is something that happens at a moment: to the world, or to a process,
// which may be gone or frozen by then.
type event struct {
	at    time.Duration
	order uint64
	fn    func()
	node  *node // nil: the world
	gen   int
}

// events is a heap by time, then order.
type events []event

func (q events) less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}

func (q *events) push(e event) {
	*q = append(*q, e)
	h := *q
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(i, up) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (q *events) pop() event {
	h := *q
	first, n := h[0], len(h)-1
	h[0] = h[n]
	h[n] = event{}
	h = h[:n]
	*q = h
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < n && h.less(down+1, down) {
			down++
		}
		if down >= n || !h.less(down, i) {
			return first
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}

// newWorld is one whose nodes have met, and whose raft is there: formation has
// a test of its own.
func newWorld(seed uint64, nodes int) *world {
	w := emptyWorld(seed, ms)
	w.begin(nodes)
	return w
}

// begin adds nodes with a raft group.
func (w *world) begin(nodes int) {
	w.groups = append(w.groups, w.raft)
	for range nodes {
		n := w.add()
		n.group = w.raft
		w.raft.servers = append(w.raft.servers, control.RaftServer{ID: n.id, Voter: len(w.raft.servers) < 3})
	}
}

// emptyWorld has no nodes yet, and a client that writes that often.
func emptyWorld(seed uint64, write time.Duration) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), byID: map[slotmap.NodeID]*node{}, cut: map[[2]int]bool{},
		timing: control.TimingFor(time.Second), kinds: map[control.EventKind]int{},
		policy: control.Policy{Expect: 3, Replicas: 1, MoveConcurrency: 2, MoveSlots: 1024, MoveTimeout: time.Minute,
			ReturnTimeout: 6 * time.Second, TrustRefused: true}}
	w.raft = newRaft(w)
	w.every(20*ms, w.elect)
	w.every(write, w.write)
	return w
}

func (w *world) after(d time.Duration, fn func()) {
	w.order++
	w.queue.push(event{at: w.now + d, order: w.order, fn: fn})
}

func (w *world) every(d time.Duration, fn func()) {
	var again func()
	again = func() { fn(); w.after(d, again) }
	w.after(d, again)
}

func (w *world) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)+1))
}

// run lets time pass until the clock shows end or something is wrong. A frozen
// process does what was due after it thaws, one that is gone never.
func (w *world) run(end time.Duration) {
	for w.failure == "" && len(w.queue) > 0 && w.queue[0].at <= end {
		e := w.queue.pop()
		w.now = e.at
		if n := e.node; n != nil {
			if !n.up || n.gen != e.gen {
				continue
			}
			if w.now < n.frozen {
				w.order++
				e.at, e.order = n.frozen+w.between(0, ms), w.order
				w.queue.push(e)
				continue
			}
		}
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
	w       *world
	index   int
	port    int // the index, or that of a node whose place this one takes
	id      slotmap.NodeID
	weight  int
	given   control.Given // by hand
	up      bool
	frozen  time.Duration // until then
	gen     int           // of the process: what an earlier one scheduled is void
	boot    uint64
	offset  time.Duration // of its clock
	drift   float64
	gone    bool          // left for good
	crashed time.Duration // when, the last time

	group     *raftModel // whose log is on disk; nil: fresh
	applied   int        // index into group.maps; on disk
	vote      slotmap.NodeID
	member    bool // on disk with the vote: the map has named the cluster
	formation *control.Formation
	mayForm   bool
	running   bool // raft is

	agent   *control.Agent
	ctl     *control.Controller
	term    uint64
	opened  *slotmap.Map
	closing *slotmap.Map
	gate    [len(probed)]bool // open, but for the lease
	lease   time.Duration
	paused  map[uint64]slotmap.Ranges
	gossip  map[slotmap.NodeID]*contact
	heard   map[slotmap.NodeID]uint64 // newest process that has asked it for a lease
	plane   plane
	values  *shared.State // as observers were told
}

// contact is what a process knows of another node by gossip.
type contact struct {
	last time.Duration
	told control.Life
	seen control.Seen
}

func (w *world) add() *node { return w.addAt(len(w.nodes)) }

// addAt adds a node with the address of another one.
func (w *world) addAt(port int) *node {
	i := len(w.nodes)
	n := &node{w: w, index: i, port: port, given: w.givenTo(i), id: slotmap.NodeID(fmt.Sprintf("%040x", i+1)), weight: 100,
		offset: w.between(time.Second, time.Hour), drift: 1 + (w.rng.Float64()-0.5)/100}
	w.nodes = append(w.nodes, n)
	w.byID[n.id] = n
	n.boots()
	return n
}

// boots starts a process: everything but raft log and vote is new.
func (n *node) boots() {
	n.gen++
	if n.w.wander && n.gen > 1 && n.w.rng.IntN(3) == 0 {
		n.port = 100*n.gen + n.index
	}
	n.up, n.frozen = true, 0
	n.boot = uint64(n.gen)
	n.lease, n.paused = 0, map[uint64]slotmap.Ranges{}
	n.opened, n.closing = slotmap.New(), slotmap.New()
	n.gossip = map[slotmap.NodeID]*contact{}
	n.heard = map[slotmap.NodeID]uint64{}
	n.plane = plane{node: n}
	n.values = shared.New()
	n.formation = control.NewFormation(n.id, n.w.policy.Expect, n.w.timing, n.vote)
	n.formation.SetSlots(n.given.Slots.Len())
	n.mayForm = n.vote == "" // worlds without a formation
	n.running = n.group == nil || n.member || n.vote == ""
	self := slotmap.Node{ID: n.id, Host: "h", ClientPort: 1 + n.index, ClusterPort: 1 + n.port, Weight: n.weight, Boot: n.boot}
	if n.w.acks != waits {
		self.Acks = n.w.acks
	}
	n.agent = control.NewAgent(agentEnv{n, n.gen}, n.w.timing, self, n.opened)
	n.agent.SetGiven(n.given)
	n.ctl = control.NewController(ctlEnv{n, n.gen}, n.w.timing, n.w.policy, n.id, slotmap.New())
	n.publish()
	n.loop(n.w.timing.Tick, func() { n.agent.Tick(); n.ctl.Tick() })
	n.loop(100*ms, n.gossipRound)
	n.loop(5*ms, n.plane.replicate)
	n.loop(15*ms, n.follow)
}

// do runs fn as this process, later.
func (n *node) do(d time.Duration, fn func()) {
	n.w.order++
	n.w.queue.push(event{n.w.now + d, n.w.order, fn, n, n.gen})
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
	n.up, n.crashed = false, n.w.now
	if n.group != nil {
		n.group.lost(n)
	}
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
		c := n.gossip[other.id]
		if other.active() && n.w.connected(n, other) {
			if c == nil {
				c = &contact{told: control.Joining}
				n.gossip[other.id] = c
			}
			c.last = n.w.now
			c.seen = control.Seen{ID: other.id, Vote: other.vote, Bound: other.bound(), Formed: other.member, Slots: other.given.Slots.Len()}
		}
		if c == nil {
			continue
		}
		life := control.Alive
		switch silent := n.w.now - c.last; {
		case silent > time.Second:
			life = control.Failed
		case silent > 400*ms:
			life = control.Suspect
		}
		if c.told != life {
			c.told = life
			n.ctl.Gossip(other.id, life)
		}
	}
	n.forms()
}

// bound tells whether the node has the raft state of the cluster that it votes
// for.
func (n *node) bound() bool { return !n.member && n.formation.Bound(n.servers()) }

// servers are the members of raft's configuration, as the node has it on disk.
func (n *node) servers() (list []slotmap.NodeID) {
	if n.group != nil {
		for _, s := range n.group.servers {
			list = append(list, s.ID)
		}
	}
	return list
}

// forms takes this node's next step towards a cluster.
func (n *node) forms() {
	if n.member {
		return
	}
	var seen []control.Seen
	for _, other := range n.w.nodes {
		if c := n.gossip[other.id]; c != nil && c.told == control.Alive {
			seen = append(seen, c.seen)
		}
	}
	step := n.formation.Step(n.clock(), n.servers(), seen)
	n.mayForm = step.Form
	if n.vote != n.formation.Vote() {
		n.vote = n.formation.Vote()
		n.w.logf("node %d votes for %s", n.index, short(n.vote))
	}
	if step.Discard {
		n.w.logf("node %d gives up what it had begun", n.index)
		n.group, n.applied = nil, 0
		n.w.discarded++
	}
	if n.running != step.Run {
		n.running = step.Run
		n.w.logf("node %d: raft runs: %v", n.index, n.running)
		if !n.running && n.group != nil {
			n.group.lost(n)
			n.ctl.Stop()
		}
	}
	if step.Begin != nil && n.group == nil {
		n.w.logf("node %d begins a cluster", n.index)
		g := newRaft(n.w)
		g.patient = n.w.now + n.w.between(250*ms, 550*ms)
		voters := control.Voters(step.Begin)
		for i, id := range step.Begin {
			g.servers = append(g.servers, control.RaftServer{ID: id, Voter: i < len(voters)})
		}
		n.group = g
		n.w.groups = append(n.w.groups, g)
		if n.w.onBegin != nil {
			n.w.onBegin(n)
		}
	}
}

// disk is the map that this node's raft log gives.
func (n *node) disk() *slotmap.Map {
	if n.group == nil {
		return slotmap.New()
	}
	return n.group.maps[n.applied]
}

// publish makes the gates and the data plane follow the applied map: at once
// for what is lost, later for what is gained.
func (n *node) publish() {
	m := n.disk()
	if n.group != nil {
		n.values = n.group.values[n.applied]
	}
	if m.Version() <= n.closing.Version() {
		return
	}
	if m.Formed() {
		n.member, n.vote = true, m.Founder()
		n.settleGiven(m)
	}
	n.closing = m
	n.gates()
	n.ctl.MapApplied(m)
	n.do(n.w.between(0, 3*ms), func() {
		if m.Version() < n.closing.Version() {
			return // a newer one is being published
		}
		n.plane.apply(m)
		n.opened = m
		n.gates()
		n.agent.MapApplied(m)
	})
}

// gates works out which slots this process would serve with a lease.
func (n *node) gates() {
	n.gate = [len(probed)]bool{}
	for _, m := range []*slotmap.Map{n.closing, n.opened} {
		if self := m.Node(n.id); self == nil || self.Boot != n.boot {
			return
		}
	}
	for i, slot := range probed {
		was, is := n.closing.Slot(slot), n.opened.Slot(slot)
		n.gate[i] = was.Primary == n.id && is.Primary == n.id && was.Epoch == is.Epoch
		for _, rs := range n.paused {
			n.gate[i] = n.gate[i] && !rs.Contains(slot)
		}
	}
}

// serves reports whether this process would acknowledge a write to the i-th
// probed slot now.
func (n *node) serves(i int) bool { return n.gate[i] && n.active() && n.clock() < n.lease }

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
			switch {
			case !dst.up:
			case n.w.now < dst.frozen:
				dst.do(0, func() { fn(dst) })
			default:
				fn(dst)
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
		if r, ok := m.(*control.LeaseRequest); ok {
			dst.heard[n.id] = max(dst.heard[n.id], r.Node.Boot)
		}
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
	e.gates()
	e.do(e.w.between(0, 2*ms), func() { e.agent.Paused(token, e.plane.positions(slots), nil) })
}

func (e agentEnv) Resume(token uint64, _ slotmap.Ranges) {
	delete(e.paused, token)
	e.gates()
}

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
func (e ctlEnv) Founder() (slotmap.NodeID, bool)           { return e.vote, e.mayForm }
func (e ctlEnv) Send(to slotmap.NodeID, m control.Message) { e.deliver(to, m) }
func (e ctlEnv) Propose(entry slotmap.Entry)               { e.group.propose(e.node, entry) }
func (e ctlEnv) Raft(change control.RaftChange)            { e.group.change(e.node, change) }

func (e ctlEnv) Emit(ev control.Event) {
	if ev.Kind == control.EventFailover {
		e.w.told += ev.Lost
		e.w.checkLost(ev)
	}
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

func (n *node) request(op control.Op, about slotmap.NodeID, slots ...slotmap.Range) {
	if to := n.agent.Controller(); to != "" {
		n.deliver(to, &control.Request{ID: n.w.rng.Uint64(), Op: op, Node: about, Slots: slots})
	}
}

// living are the nodes whose process runs and that have not left.
func (w *world) living() []*node {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return !n.up || n.gone })
}
