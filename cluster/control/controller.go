package control

import (
	"errors"
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// ControllerEnv is what a controller acts through.
type ControllerEnv interface {
	// Now is a monotonic clock; its zero is arbitrary.
	Now() time.Duration
	// Random is used for names only.
	Random() uint64
	// Founder is whom this node voted for in the formation of its cluster, and
	// whether the cluster may form.
	Founder() (id slotmap.NodeID, may bool)
	// Send delivers m at most once, maybe never; to the own node too.
	Send(to slotmap.NodeID, m Message)
	// Propose puts e in the raft log and answers through Controller.Proposed.
	// The controller has at most one proposal under way.
	Propose(e slotmap.Entry)
	// Probe tries a TCP connection to the node's address and answers through
	// Controller.Probed.
	Probe(n slotmap.Node)
	// Raft changes the raft members and answers through Controller.RaftDone.
	// At most one change is under way.
	Raft(change RaftChange)
	// Change puts an entry of shared values in the raft log and calls done.
	// After an error it is not known whether it will be there.
	Change(entry []byte, done func(version uint64, refused string, err error))
	Emit(Event)
}

// RaftOp is a change of the raft members.
type RaftOp uint8

// Raft changes.
const (
	RaftAddNonvoter RaftOp = iota
	RaftAddVoter
	RaftDemote
	RaftRemove
	RaftTransfer // give the leadership to any other voter
)

// RaftChange names the node that is to change; the address is found by its ID.
type RaftChange struct {
	Op RaftOp
	ID slotmap.NodeID
}

// RaftServer is a member of the raft configuration.
type RaftServer struct {
	ID    slotmap.NodeID
	Voter bool
}

// AutoReplicas stands for as many replicas of a slot as the way in which the cluster
// was made asks for: one, or, if by hand, none but those that operators name.
const AutoReplicas = -1

// Policy is what the controller needs from the configuration.
type Policy struct {
	Expect   int
	Replicas int // or AutoReplicas
	// SetReplicas: Replicas holds for a cluster that has formed, too, in place of
	// the number that it formed with.
	SetReplicas     bool
	MoveConcurrency int
	MoveSlots       int
	MoveTimeout     time.Duration
	ReturnTimeout   time.Duration
	TrustRefused    bool
}

// maxVoters is the most raft voters: two may fail at a time.
const maxVoters = 5

// Controller decides assignments while its node leads raft. It keeps nothing
// across terms that is not in the map: Start begins from there.
type Controller struct {
	env    ControllerEnv
	timing Timing
	policy Policy
	self   slotmap.NodeID
	m      *slotmap.Map

	active     bool
	term       uint64
	floor      time.Duration // leases of the controller before may run until then
	started    time.Duration
	structural uint64 // map version of the last change of who holds what

	nodes   map[slotmap.NodeID]*tracked
	busy    slotmap.Entry // proposal under way
	onDone  func(slotmap.Result, error)
	servers []RaftServer
	raftOp  *RaftChange // change under way

	round     uint64 // term confirmation under way; 0: none
	rounds    uint64
	roundAt   time.Duration
	roundAcks map[slotmap.NodeID]bool

	moves     map[uint64]*move
	failovers map[slotmap.NodeID]*failover
	releases  map[slotmap.NodeID]*release      // by primary
	copying   map[slotmap.NodeID]time.Duration // since when copies for moves to a node make no progress
	wanted    []*wish                          // handoffs that operators asked for
	wishedAt  time.Duration                    // when the last of them was
	surplusAt time.Duration                    // since when surplus copies wait for more moves by hand
	waiting   []waiting                        // requests that wait for the proposal under way
	asks      uint64
	plan      planCache
	changing  map[uint64]bool // entries of shared values on their way into the log

	// Granted counts leases, Promoted failovers.
	Granted, Promoted, MovesDone, MovesAborted uint64
	// EffectsLost is the sum of Event.Lost.
	EffectsLost uint64
}

// tracked is what the controller knows of a node, in the map or not yet.
type tracked struct {
	life      Life
	gossip    Life // Alive, Suspect or Failed, as gossip says; Joining: nothing said
	lease     time.Duration
	request   *LeaseRequest // latest
	heardAt   time.Duration
	status    []slotmap.RangeStatus // last one of the process that the map knows
	statusOf  uint64                // its Boot
	pending   bool                  // request waits for a grant
	deadBoot  uint64                // this process is proven gone
	suspected time.Duration         // look at the port until then
	nextProbe time.Duration
	nextHello time.Duration
	away      time.Duration // since when it is failed or stopped; 0: it is not
	gone      time.Duration // since when the map does not have it
	forcedBy  slotmap.NodeID
	behind    time.Duration // since when copies that the map calls in sync are not complete
}

// NewController returns an inactive controller of node self.
func NewController(env ControllerEnv, timing Timing, policy Policy, self slotmap.NodeID, m *slotmap.Map) *Controller {
	return &Controller{env: env, timing: timing, policy: policy, self: self, m: m,
		nodes: map[slotmap.NodeID]*tracked{}}
}

// Start begins a term of leadership: every entry of earlier terms has been
// applied, and m is the result.
func (c *Controller) Start(term uint64, m *slotmap.Map, servers []RaftServer) {
	now := c.env.Now()
	c.active, c.term, c.m, c.servers = true, term, m, servers
	c.started, c.floor = now, now+c.timing.Lease+c.timing.Margin
	c.structural = m.Version()
	c.busy, c.onDone, c.raftOp, c.round = nil, nil, nil, 0
	c.moves, c.failovers, c.releases = map[uint64]*move{}, map[slotmap.NodeID]*failover{}, map[slotmap.NodeID]*release{}
	c.wanted, c.waiting, c.plan = nil, nil, planCache{}
	c.wishedAt, c.surplusAt = 0, 0
	c.changing = map[uint64]bool{}
	c.copying = map[slotmap.NodeID]time.Duration{}
	for id, t := range c.nodes {
		c.nodes[id] = &tracked{gossip: t.gossip, life: Joining}
	}
	for _, n := range m.Nodes() {
		t := c.node(n.ID)
		t.life = Alive
		if n.State == slotmap.NodeFailed || n.State == slotmap.NodeStopped {
			t.life, t.away = Failed, now
		}
		// An election often has a reason: look whether everybody is there.
		t.suspected = now + c.timing.Renew
	}
	// Handoffs of the controller before: whether it still commits them or this
	// abort comes first, one of them decides.
	for _, s := range m.Spans() {
		if s.Move != nil && c.moves[s.Move.Token] == nil {
			c.moves[s.Move.Token] = &move{state: MoveAborting, token: s.Move.Token,
				from: s.Primary, to: s.Move.Target, slots: m.Moving(s.Move.Token), began: now, reason: "the controller changed"}
		}
	}
	c.env.Emit(Event{Kind: EventController, Node: c.self})
	c.step()
}

// Stop ends the leadership.
func (c *Controller) Stop() { c.active, c.busy, c.onDone, c.raftOp = false, nil, nil, nil }

// SetPolicy changes the policy, from the next decision on.
func (c *Controller) SetPolicy(change func(*Policy)) {
	change(&c.policy)
	c.plan = planCache{}
}

// Active reports whether this controller leads.
func (c *Controller) Active() bool { return c.active }

func (c *Controller) node(id slotmap.NodeID) *tracked {
	t := c.nodes[id]
	if t == nil {
		t = &tracked{}
		c.nodes[id] = t
	}
	return t
}

// Life is how the controller sees a member.
func (c *Controller) Life(id slotmap.NodeID) Life { return c.node(id).life }

// Tick lets time pass.
func (c *Controller) Tick() { c.step() }

// MapApplied tells the newest map that the log gave.
func (c *Controller) MapApplied(m *slotmap.Map) {
	if m.Version() <= c.m.Version() && c.m.Formed() {
		return
	}
	c.m = m
	c.step()
}

// Gossip tells what memberlist thinks of a node: Alive, Suspect or Failed.
func (c *Controller) Gossip(id slotmap.NodeID, life Life) {
	t := c.node(id)
	t.gossip = life
	if life == Alive {
		t.nextHello = 0
	} else {
		t.suspected = c.env.Now() + c.timing.Lease
	}
	c.step()
}

// Broken tells that a connection to the node ended unexpectedly.
func (c *Controller) Broken(id slotmap.NodeID) {
	t := c.node(id)
	t.suspected, t.nextProbe = c.env.Now()+c.timing.Renew, 0
	c.step()
}

// Probed answers ControllerEnv.Probe. refused must be true only when the
// address answered that nobody listens there.
func (c *Controller) Probed(id slotmap.NodeID, boot uint64, refused bool) {
	n := c.m.Node(id)
	if !c.active || !refused || !c.policy.TrustRefused || n == nil || n.Boot != boot {
		return
	}
	t := c.node(id)
	if t.heardAt > t.nextProbe-c.timing.Probe && t.pending {
		return // it spoke after the probe began
	}
	t.deadBoot = boot
	c.lifeEvent(id, Refused, "its port refuses connections")
	c.step()
}

// ErrUndecided says that an entry may be in the log or not: the leadership was
// lost before it was committed, and the next leader decides.
var ErrUndecided = errors.New("control: leadership lost, the proposal may yet be committed")

// Proposed answers ControllerEnv.Propose(e). After ErrUndecided the controller
// does nothing until Start: what it knows may be overtaken at any moment, and a
// lease granted now could be to a node that the entry deposes.
func (c *Controller) Proposed(e slotmap.Entry, res slotmap.Result, err error) {
	if c.busy == nil || c.busy != e {
		return // of an earlier term
	}
	if errors.Is(err, ErrUndecided) {
		c.Stop()
		return
	}
	done, entry := c.onDone, c.busy
	c.busy, c.onDone = nil, nil
	if !isStep(entry) {
		c.plan = planCache{}
	}
	if err == nil && res.Stale == "" && changesHolders(entry) {
		c.structural = max(c.structural, res.Version)
	}
	if done != nil {
		done(res, err)
	}
	c.takeWaiting()
	// After a proposal that did nothing, look again at the next tick only: the
	// same decision made at once would fill the log.
	if err == nil && res.Stale == "" {
		c.step()
	}
}

// RaftDone answers ControllerEnv.Raft with the configuration that holds now.
func (c *Controller) RaftDone(servers []RaftServer, _ error) {
	c.raftOp = nil
	c.servers = servers
	c.step()
}

// changesHolders reports whether statuses gathered before the entry may speak
// of other copies than those after it.
func changesHolders(e slotmap.Entry) bool {
	switch e.(type) {
	case *slotmap.InSync, *slotmap.SetState, *slotmap.BeginMove, *slotmap.AbortMove, *slotmap.Replicas, *slotmap.Pin:
		return false
	}
	return true
}

func (c *Controller) propose(e slotmap.Entry, done func(slotmap.Result, error)) {
	c.busy, c.onDone = e, done
	c.forgetReleases(e)
	c.env.Propose(e)
}

// Receive handles a message of an agent.
func (c *Controller) Receive(from slotmap.NodeID, msg Message) {
	if !c.active {
		return
	}
	news := true
	switch m := msg.(type) {
	case *LeaseRequest:
		news = m.Node.ID == from && c.onLeaseRequest(from, m)
	case *PauseDone:
		c.onPauseDone(from, m)
	case *ConfirmDone:
		c.onConfirmDone(from, m)
	case *Positions:
		c.onPositions(from, m)
	case *TermIs:
		news = c.onTerm(from, m)
	case *LinkBroken:
		c.Broken(m.Node)
	case *Request:
		c.onRequest(from, m)
	case *Change:
		c.onChange(from, m)
		news = false
	default:
		return
	}
	if news {
		c.step()
		return
	}
	// Everyday renewals change nothing that decisions rest on.
	c.confirmTerm(c.env.Now())
}

// step notices what time and events brought, then decides.
func (c *Controller) step() {
	if !c.active {
		return
	}
	now := c.env.Now()
	c.greet(now)
	c.watch(now)
	c.confirmTerm(now)
	for _, token := range sortedKeys(c.moves) {
		c.moveStep(c.moves[token])
	}
	for _, id := range sortedKeys(c.failovers) {
		c.failoverStep(c.failovers[id])
	}
	for _, id := range sortedKeys(c.releases) {
		c.releaseStep(id, c.releases[id])
	}
	if c.busy == nil {
		c.decide(now)
	}
	c.decideRaft(now)
}

// greet tells nodes that do not ask this controller for leases that they
// should: new members, and everybody after an election.
func (c *Controller) greet(now time.Duration) {
	if !c.m.Formed() {
		return
	}
	for _, id := range sortedKeys(c.nodes) {
		t := c.nodes[id]
		if t.heardAt != 0 && now-t.heardAt < c.timing.Renew || now < t.nextHello || c.m.IsForgotten(id) {
			continue
		}
		if c.m.Node(id) == nil && t.gossip != Alive {
			continue
		}
		t.nextHello = now + c.timing.Probe
		c.env.Send(id, &Hello{ClusterID: c.m.ClusterID(), Term: c.term})
	}
}

// watch moves nodes through their life cycle and looks at silent ones.
func (c *Controller) watch(now time.Duration) {
	for _, n := range c.m.Nodes() {
		t := c.node(n.ID)
		t.gone = 0
		registered := t.request != nil && t.request.Node.Boot == n.Boot && t.heardAt != 0
		if n.State == slotmap.NodeLeaving {
			c.lifeEvent(n.ID, Leave, "asked to leave")
		}
		if registered && n.State == slotmap.NodeActive && t.lease > now {
			c.lifeEvent(n.ID, Registered, "")
		}
		overdue := now-max(t.heardAt, c.started) > c.timing.Renew+c.timing.Renew/2
		if overdue || now < t.suspected {
			if overdue || t.gossip == Suspect || t.gossip == Failed {
				c.lifeEvent(n.ID, Silent, "no sign of life")
			}
			if now >= t.nextProbe && t.deadBoot != n.Boot && n.ID != c.self {
				t.nextProbe = now + c.timing.Probe
				c.env.Probe(n)
			}
		}
		replaced := t.request != nil && t.pending && t.request.Node.Boot != n.Boot
		if c.down(n.ID) && !replaced {
			c.lifeEvent(n.ID, LeaseOver, "its lease has run out")
		}
		switch {
		case n.State != slotmap.NodeFailed && n.State != slotmap.NodeStopped:
			t.away = 0
		case t.away == 0:
			t.away = now
		}
	}
	for _, id := range sortedKeys(c.nodes) {
		if t := c.nodes[id]; c.m.Node(id) == nil && t.life != Joining {
			if t.gone == 0 {
				t.gone = now
			}
			c.lifeEvent(id, Forgotten, "")
		}
	}
}

// lifeEvent moves a node through its life cycle and tells about it.
func (c *Controller) lifeEvent(id slotmap.NodeID, e LifeEvent, reason string) {
	t := c.node(id)
	before := t.life
	t.life = before.Next(e)
	if t.life == before {
		return
	}
	var kind EventKind
	switch t.life {
	case Alive:
		kind = EventNodeUp
		if before == Joining {
			kind = EventNodeJoined
		}
	case Suspect:
		kind = EventNodeSuspect
	case Failed:
		kind = EventNodeDown
	case Left:
		kind = EventNodeLeft
	default:
		return
	}
	c.env.Emit(Event{Kind: kind, Node: id, Reason: reason})
}

// down reports whether a member may be promoted over: its process is gone, or
// its last lease has run out and it does not ask for another.
func (c *Controller) down(id slotmap.NodeID) bool {
	n := c.m.Node(id)
	if n == nil {
		return true
	}
	t := c.node(id)
	now := c.env.Now()
	if t.deadBoot == n.Boot {
		return true
	}
	over := max(t.lease, c.floor) + c.timing.Margin
	if t.forcedBy != "" {
		return now >= over
	}
	if t.pending && now-t.heardAt < c.timing.Lease {
		return false // it asks; granting waits for something else
	}
	if t.gossip == Alive {
		over += c.timing.Grace
	}
	return now >= over
}

func sortedKeys[K ~string | ~uint64, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
