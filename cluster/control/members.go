package control

import (
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// decideRaft keeps the raft members in step with the map, one change at a
// time: every member of the map is at least a non-voter; up to five vote, an
// odd number of them; a failed voter is replaced by a healthy node, if there
// is one, before it is demoted.
func (c *Controller) decideRaft(now time.Duration) {
	if c.raftOp != nil || !c.m.Formed() {
		return
	}
	if change, ok := c.raftChange(now); ok {
		c.raftOp = &change
		c.env.Raft(change)
	}
}

func (c *Controller) raftChange(now time.Duration) (RaftChange, bool) {
	voter := map[slotmap.NodeID]bool{}
	known := map[slotmap.NodeID]bool{}
	voters := 0
	for _, s := range c.servers {
		known[s.ID], voter[s.ID] = true, s.Voter
		if s.Voter {
			voters++
		}
	}
	healthy, healthyVoters := 0, 0
	var candidate, failed, departing, extra slotmap.NodeID
	for _, n := range c.m.Nodes() {
		if !known[n.ID] {
			return RaftChange{RaftAddNonvoter, n.ID}, true
		}
		good := n.State == slotmap.NodeActive && c.node(n.ID).life == Alive && c.node(n.ID).lease > now
		switch {
		case good:
			healthy++
			if voter[n.ID] {
				healthyVoters++
				if n.ID != c.self {
					extra = n.ID
				}
			} else if candidate == "" && c.node(n.ID).request.MapVersion >= c.structural {
				candidate = n.ID
			}
		case voter[n.ID] && n.ID != c.self && c.down(n.ID):
			if failed == "" || n.State == slotmap.NodeLeaving {
				failed = n.ID
			}
		case voter[n.ID] && n.ID != c.self && (n.State == slotmap.NodeLeaving || voters%2 == 0):
			departing = n.ID
		}
	}
	want := min(maxVoters, healthy)
	if want%2 == 0 {
		want--
	}
	for _, s := range c.servers {
		if c.m.Node(s.ID) == nil {
			t := c.node(s.ID)
			if t.gone == 0 {
				t.gone = now
			}
			// A node that was forgotten is given time to hear of it.
			if now-t.gone > c.timing.Lease {
				return RaftChange{RaftRemove, s.ID}, true
			}
		}
	}
	self := c.m.Node(c.self)
	switch {
	case self != nil && (self.State == slotmap.NodeLeaving || self.State == slotmap.NodeStopped) &&
		len(c.m.PrimaryOf(c.self)) == 0 && healthyVoters > 0:
		return RaftChange{RaftTransfer, c.self}, true
	case departing != "" && healthyVoters > 0 && (candidate == "" || healthyVoters >= want):
		// While it is still there to agree: of two voters, none may be missed.
		return RaftChange{RaftDemote, departing}, true
	case candidate != "" && healthyVoters < want:
		return RaftChange{RaftAddVoter, candidate}, true
	case failed != "" && healthyVoters >= 1 && (voters > maxVoters || healthyVoters > voters/2 &&
		(voters%2 == 0 || c.m.Node(failed).State == slotmap.NodeLeaving)):
		// Demoting from an even number takes nothing from what may fail, nor
		// from an odd one, if the node does not come back.
		return RaftChange{RaftDemote, failed}, true
	case failed == "" && voters > want && voters%2 == 0 && extra != "" && healthyVoters > 2:
		return RaftChange{RaftDemote, extra}, true
	}
	return RaftChange{}, false
}

// votes reports whether a node is a raft voter.
func (c *Controller) votes(id slotmap.NodeID) bool {
	for _, s := range c.servers {
		if s.ID == id {
			return s.Voter
		}
	}
	return false
}

// onRequest accepts or refuses an operator's request. What follows from an
// accepted one shows in the map.
func (c *Controller) onRequest(from slotmap.NodeID, r *Request) {
	answer := func(err string) { c.env.Send(from, &Response{ID: r.ID, Err: err}) }
	n := c.m.Node(r.Node)
	if n == nil {
		if c.m.IsForgotten(r.Node) && (r.Op == OpForget || r.Op == OpLeave) {
			answer("") // the one who asks has not heard of it yet
			return
		}
		answer("unknown node")
		return
	}
	if c.busy != nil {
		c.later(from, r)
		return
	}
	propose := func(e slotmap.Entry) {
		c.propose(e, func(res slotmap.Result, err error) {
			if err != nil {
				answer(err.Error())
				return
			}
			answer(res.Stale)
		})
	}
	others := 0
	for _, m := range c.m.Nodes() {
		if m.ID != r.Node && m.State == slotmap.NodeActive && !c.down(m.ID) {
			others++
		}
	}
	switch r.Op {
	case OpLeave, OpStop:
		state := slotmap.NodeLeaving
		if r.Op == OpStop {
			state = slotmap.NodeStopped
		}
		switch {
		case others == 0:
			answer("no other node can take over")
		case n.State == state:
			answer("")
		default:
			propose(&slotmap.SetState{Node: n.ID, Boot: n.Boot, State: state})
		}
	case OpForget:
		switch {
		case n.State == slotmap.NodeLeaving && !c.down(n.ID):
			answer("") // it is on its way
		case !c.down(n.ID) && len(c.m.PrimaryOf(n.ID)) > 0:
			answer("the node is alive: let it leave instead")
		case !c.down(n.ID) && others == 0:
			answer("no other node can take over")
		case !c.down(n.ID):
			// Alive and primary of nothing: its copies are made elsewhere first.
			propose(&slotmap.SetState{Node: n.ID, Boot: n.Boot, State: slotmap.NodeLeaving})
		case len(c.m.PrimaryOf(n.ID)) > 0:
			answer("the node is primary of slots that nobody else has")
		default:
			propose(&slotmap.Forget{Node: n.ID, Boot: n.Boot})
		}
	case OpTakeover, OpForce, OpMove:
		var why string
		if r.Op == OpMove {
			why = c.moveTo(n, r.Slots)
		} else {
			why = c.takeOver(n.ID, r.Op == OpForce, r.Slots)
		}
		if why != "" || c.m.Pinned() {
			answer(why)
			return
		}
		propose(&slotmap.Pin{})
	case OpFollow:
		switch why := c.mayFollow(n, c.m.Node(r.Primary)); {
		case why != "":
			answer(why)
		case n.Follows == r.Primary:
			answer("")
		default:
			propose(&slotmap.Follow{Node: n.ID, Primary: r.Primary})
		}
	case OpFree:
		if from != n.ID || len(c.m.PrimaryOf(n.ID).Intersect(r.Slots.Normalize())) == 0 {
			answer("the node is primary of none of the slots")
			return
		}
		c.freed(r.Slots)
		propose(&slotmap.Free{Node: n.ID, Boot: n.Boot, Slots: r.Slots})
	case OpKeep:
		c.unwish(r.Slots)
		answer("")
	default:
		answer("unknown operation")
	}
}

// waiting is a request that came while a proposal was under way.
type waiting struct {
	from slotmap.NodeID
	*Request
}

// maxWaiting bounds the requests that wait. Who is turned away asks again.
const maxWaiting = 64

// later keeps a request until the proposal that is under way is decided; once,
// however often it is sent.
func (c *Controller) later(from slotmap.NodeID, r *Request) {
	known := slices.ContainsFunc(c.waiting, func(w waiting) bool { return w.from == from && w.ID == r.ID })
	if !known && len(c.waiting) < maxWaiting {
		c.waiting = append(c.waiting, waiting{from, r})
	}
}

// takeWaiting goes on with the requests that wait, until one of them proposes.
func (c *Controller) takeWaiting() {
	for len(c.waiting) > 0 && c.busy == nil {
		w := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		c.onRequest(w.from, w.Request)
	}
}
