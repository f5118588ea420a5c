package control

import (
	"time"

	"respkv/cluster/slotmap"
)

// AgentEnv is what an agent acts through.
type AgentEnv interface {
	// Now is a monotonic clock; its zero is arbitrary.
	Now() time.Duration
	// Send delivers m at most once, maybe never.
	Send(to slotmap.NodeID, m Message)
	// Pause closes the gates of slots at once and answers through
	// Agent.Paused when no write is running there.
	Pause(token uint64, slots slotmap.Ranges)
	// Resume opens the gates of slots that stay with this node.
	Resume(token uint64, slots slotmap.Ranges)
	// Confirm answers through Agent.Confirmed when the positions are applied.
	// An earlier Confirm of the same token is forgotten.
	Confirm(token uint64, positions []slotmap.SlotPosition)
	Positions(slots slotmap.Ranges) []slotmap.SlotPosition
	Status() []slotmap.RangeStatus
	// Lease publishes until when this node may answer as primary.
	Lease(until time.Duration)
	// Term is this node's current raft term.
	Term() uint64
	// Changed answers Agent.Propose: the shared values have the change at
	// version, or refused says why they do not.
	Changed(id, version uint64, refused string)
}

// Agent is the part of a node that obeys the controller. It holds the lease.
type Agent struct {
	env    AgentEnv
	timing Timing
	self   slotmap.Node
	given  Given
	m      *slotmap.Map // published: the data plane and the gates follow it

	controller slotmap.NodeID
	lastSent   time.Duration
	sentOnce   bool
	soon       bool // something changed: do not wait for the next renewal

	lease    time.Duration    // as published
	early    []LeaseGrant     // grants for a map version not applied yet
	ahead    map[uint64]asked // pauses of moves that the map applied so far does not have
	paused   map[uint64]*pause
	confirms map[uint64]bool // tokens being confirmed; true: applied
	caughtUp []slotmap.RangeStatus
	changes  map[uint64]*change // of shared values, not answered
}

type pause struct {
	slots     slotmap.Ranges
	done      bool
	positions []slotmap.SlotPosition
}

// asked is a Pause and who sent it.
type asked struct {
	from slotmap.NodeID
	Pause
}

// maxConfirms bounds tokens remembered as target, maxAhead those that wait for
// the map to have their move.
const (
	maxConfirms = 256
	maxAhead    = 64
)

// NewAgent returns the agent of a node described by self, with the map it
// starts from.
func NewAgent(env AgentEnv, timing Timing, self slotmap.Node, m *slotmap.Map) *Agent {
	return &Agent{env: env, timing: timing, self: self, m: m,
		ahead: map[uint64]asked{}, paused: map[uint64]*pause{}, confirms: map[uint64]bool{}, changes: map[uint64]*change{}}
}

// SetController tells who leads raft; empty: nobody known.
func (a *Agent) SetController(id slotmap.NodeID) {
	if id != "" && id != a.controller {
		a.controller = id
		a.soon = true
		a.Tick()
	}
}

// Describe changes what this node says of itself: all but ID and Boot, which
// are those of the process. The map has it once the controller has heard of it.
func (a *Agent) Describe(self slotmap.Node) {
	self.ID, self.Boot = a.self.ID, a.self.Boot
	if a.self != self {
		a.self, a.soon = self, true
	}
}

// SetGiven tells the slots that operators have given to this node.
func (a *Agent) SetGiven(g Given) { a.given, a.soon = g, true }

// Controller is whom this agent asks for leases.
func (a *Agent) Controller() slotmap.NodeID { return a.controller }

// Registered reports whether the published map knows this very process.
func (a *Agent) Registered() bool {
	n := a.m.Node(a.self.ID)
	return n != nil && n.Boot == a.self.Boot
}

// shortStatus is how many ranges a status has that may be sent at once, rather
// than with the next tick: while many slots are copied it is long, and changes
// all the time.
const shortStatus = 64

// Tick asks for a lease when it is time to.
func (a *Agent) Tick() {
	if a.controller == "" {
		return
	}
	a.sendChanges()
	status := a.env.Status()
	if !sameCopies(status, a.caughtUp) {
		a.soon = true
	}
	every := a.timing.Renew
	switch {
	case a.soon && len(status) <= shortStatus:
		every = a.timing.Soon
	case a.soon, a.lease <= a.env.Now():
		every = a.timing.Tick
	}
	if a.sentOnce && a.env.Now()-a.lastSent < every {
		return
	}
	a.caughtUp, a.soon = status, false
	a.lastSent, a.sentOnce = a.env.Now(), true
	a.env.Send(a.controller, &LeaseRequest{
		SentAt: a.lastSent, Node: a.self, MapVersion: a.m.Version(), Status: status, Given: a.given,
	})
}

// MapApplied tells that m has been published: the data plane follows it and
// the gates are those of m.
func (a *Agent) MapApplied(m *slotmap.Map) {
	a.m = m
	for token, p := range a.paused {
		if len(m.Moving(token)) > 0 {
			continue
		}
		// Whichever of commit and abort was in the log first: what is still
		// this node's goes on, the rest has moved.
		delete(a.paused, token)
		a.env.Resume(token, m.PrimaryOf(a.self.ID).Intersect(p.slots))
	}
	for token := range a.confirms {
		if len(m.Moving(token)) == 0 && token < m.NextToken() {
			delete(a.confirms, token)
		}
	}
	early := a.early
	a.early = nil
	for i := range early {
		a.granted(&early[i])
	}
	for _, token := range sortedKeys(a.ahead) {
		if p := a.ahead[token]; p.Version <= m.Version() {
			delete(a.ahead, token)
			a.pause(p.from, &p.Pause)
		}
	}
	a.soon = true
	a.Tick()
}

// Receive handles a message of another node's controller or agent.
func (a *Agent) Receive(from slotmap.NodeID, msg Message) {
	switch m := msg.(type) {
	case *Hello:
		if id := a.m.ClusterID(); id == "" || id == m.ClusterID {
			a.controller, a.soon = from, true
			a.Tick()
		}
	case *LeaseGrant:
		a.granted(m)
	case *Pause:
		a.pause(from, m)
	case *Confirm:
		a.confirm(from, m)
	case *AskPositions:
		a.env.Send(from, &Positions{ID: m.ID, Boot: a.self.Boot, List: a.env.Positions(m.Slots)})
	case *Changed:
		a.changed(m)
	case *AskTerm:
		a.env.Send(from, &TermIs{ID: m.ID, Term: a.env.Term()})
	}
}

// granted takes a lease, or keeps the grant until the map it was made for is
// applied: a node that does not know yet what it lost must not serve.
func (a *Agent) granted(g *LeaseGrant) {
	if g.Boot != a.self.Boot || g.Length > a.timing.Lease || g.SentAt > a.env.Now() {
		return
	}
	if g.Fence > a.m.Version() || !a.Registered() {
		if len(a.early) < 16 {
			a.early = append(a.early, *g)
		}
		return
	}
	if until := g.SentAt + g.Length; until > a.lease && until > a.env.Now() {
		a.lease = until
		a.env.Lease(until)
	}
}

func (a *Agent) pause(from slotmap.NodeID, m *Pause) {
	if p := a.paused[m.Token]; p != nil {
		if p.done {
			a.env.Send(from, &PauseDone{Token: m.Token, Boot: a.self.Boot, Positions: p.positions})
		}
		return
	}
	if a.m.Version() < m.Version {
		// Clients are not waiting yet, but whoever asked for the move is.
		if len(a.ahead) < maxAhead {
			a.ahead[m.Token] = asked{from, *m}
		}
		return
	}
	slots := a.m.Moving(m.Token).Intersect(a.m.PrimaryOf(a.self.ID))
	if len(slots) == 0 || !a.Registered() {
		a.env.Send(from, &PauseDone{Token: m.Token, Boot: a.self.Boot, Err: "no such move here"})
		return
	}
	a.paused[m.Token] = &pause{slots: slots}
	a.env.Pause(m.Token, slots)
}

// Paused is the answer to AgentEnv.Pause. After an error the slots stay closed
// until the move is decided.
func (a *Agent) Paused(token uint64, positions []slotmap.SlotPosition, err error) {
	p := a.paused[token]
	if p == nil {
		return
	}
	if err != nil {
		a.env.Send(a.controller, &PauseDone{Token: token, Boot: a.self.Boot, Err: err.Error()})
		return
	}
	p.done, p.positions = true, positions
	a.env.Send(a.controller, &PauseDone{Token: token, Boot: a.self.Boot, Positions: positions})
}

func (a *Agent) confirm(from slotmap.NodeID, m *Confirm) {
	applied, known := a.confirms[m.Token]
	switch {
	case applied:
		a.env.Send(from, &ConfirmDone{Token: m.Token, Boot: a.self.Boot})
	case !known && len(a.confirms) < maxConfirms:
		a.confirms[m.Token] = false
		a.env.Confirm(m.Token, m.Positions)
	}
}

// Confirmed is the answer to AgentEnv.Confirm.
func (a *Agent) Confirmed(token uint64, err error) {
	if _, known := a.confirms[token]; !known {
		return
	}
	done := &ConfirmDone{Token: token, Boot: a.self.Boot}
	if err != nil {
		delete(a.confirms, token)
		done.Err = err.Error()
	} else {
		a.confirms[token] = true
	}
	a.env.Send(a.controller, done)
}
