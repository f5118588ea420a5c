package control

import (
	"time"

	"respkv/cluster/slotmap"
)

// FailoverState is the state of one node's failover.
//
//	            Answered, Late            Failed
//	Collecting ----------------> Promoting -------> Collecting
//	    |  Back                      |  Promoted
//	    v                            v
//	 FailoverOver             FailoverOver
//
// It exists only for nodes that may be promoted over. Answered: every replica
// that is there has told its positions. Late: time to go on with those that
// have. Back: the node asks for leases again.
type FailoverState uint8

// Failover states.
const (
	Collecting FailoverState = iota
	Promoting
	FailoverOver
)

// String names the state.
func (s FailoverState) String() string {
	return [...]string{"collecting", "promoting", "over"}[s]
}

// FailoverEvent is what can happen to a failover.
type FailoverEvent uint8

// Failover events.
const (
	FailoverAnswered FailoverEvent = iota
	FailoverLate
	FailoverFailed
	FailoverPromoted
	FailoverBack
)

// String names the event.
func (e FailoverEvent) String() string {
	return [...]string{"answered", "late", "failed", "promoted", "back"}[e]
}

// failoverTable lists every transition; events not listed leave the state
// alone: once promoting, a node that is back is deposed first.
var failoverTable = map[FailoverState]map[FailoverEvent]FailoverState{
	Collecting: {FailoverAnswered: Promoting, FailoverLate: Promoting, FailoverBack: FailoverOver},
	Promoting:  {FailoverFailed: Collecting, FailoverPromoted: FailoverOver},
}

// Next is the transition function.
func (s FailoverState) Next(e FailoverEvent) FailoverState {
	if next, ok := failoverTable[s][e]; ok {
		return next
	}
	return s
}

// patience is how many leases slots of a restarted node wait for a replica that
// is said to have the data and cannot be reached, before they start empty.
const patience = 10

// failover of the slots of one node: it is down, or it came back as another
// process, without data.
type failover struct {
	state    FailoverState
	node     slotmap.NodeID
	boot     uint64
	began    time.Duration
	asked    uint64
	deadline time.Duration
	resend   time.Duration
	replies  map[slotmap.NodeID][]slotmap.SlotPosition
}

// beginFailover starts collecting, or returns the one under way.
func (c *Controller) beginFailover(n *slotmap.Node) *failover {
	if f := c.failovers[n.ID]; f != nil && f.boot == n.Boot {
		return f
	}
	now := c.env.Now()
	c.asks++
	f := &failover{node: n.ID, boot: n.Boot, began: now, asked: c.asks,
		deadline: now + c.timing.Collect, replies: map[slotmap.NodeID][]slotmap.SlotPosition{}}
	c.failovers[n.ID] = f
	c.failoverStep(f)
	return f
}

// candidates are the replicas of the node's slots that may be there, with the
// slots to ask each for.
func (c *Controller) candidates(f *failover) map[slotmap.NodeID]slotmap.Ranges {
	out := map[slotmap.NodeID]slotmap.Ranges{}
	for _, s := range c.m.Spans() {
		if s.Primary != f.node {
			continue
		}
		for _, id := range s.Replicas {
			if !c.down(id) {
				out[id] = append(out[id], s.Range)
			}
		}
	}
	return out
}

// failoverStep asks those that have not answered and moves on when it can.
func (c *Controller) failoverStep(f *failover) {
	if f.state != Collecting {
		return
	}
	now := c.env.Now()
	list := c.candidates(f)
	missing := false
	for _, id := range sortedKeys(list) {
		if _, ok := f.replies[id]; ok {
			continue
		}
		missing = true
		if now >= f.resend {
			c.env.Send(id, &AskPositions{ID: f.asked, Slots: list[id].Normalize()})
		}
	}
	if now >= f.resend {
		f.resend = now + c.timing.Probe
	}
	switch {
	case !missing:
		f.state = f.state.Next(FailoverAnswered)
	case now >= f.deadline:
		f.state = f.state.Next(FailoverLate)
	}
}

func (c *Controller) onPositions(from slotmap.NodeID, p *Positions) {
	n := c.m.Node(from)
	if n == nil {
		return
	}
	for _, f := range c.failovers {
		if f.asked != p.ID {
			continue
		}
		f.replies[from] = p.List
		if n.Boot != p.Boot {
			f.replies[from] = nil // another process: what the map says of its copies is void
		}
		c.failoverStep(f)
	}
}

// promotions picks the best complete copy of every slot. open are slots of
// which nobody that answered has one.
func (c *Controller) promotions(f *failover) (list []slotmap.Promotion, open slotmap.Ranges) {
	type found struct {
		to  slotmap.NodeID
		pos slotmap.SlotPosition
	}
	best := map[uint16]found{}
	forced := c.node(f.node).forcedBy
	for _, s := range c.m.Spans() {
		if s.Primary != f.node {
			continue
		}
		for _, id := range s.Replicas {
			for _, p := range f.replies[id] {
				if !s.Contains(p.Slot) || !p.Complete {
					continue
				}
				b, ok := best[p.Slot]
				if !ok || b.pos.Less(p) || forced == id && !p.Less(b.pos) {
					best[p.Slot] = found{id, p}
				}
			}
		}
	}
	to := map[slotmap.NodeID]slotmap.Ranges{}
	for _, r := range c.m.PrimaryOf(f.node) {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			one := slotmap.Range{First: uint16(slot), Last: uint16(slot)}
			if b, ok := best[uint16(slot)]; ok {
				to[b.to] = append(to[b.to], one)
			} else {
				open = append(open, one)
			}
		}
	}
	for _, id := range sortedKeys(to) {
		list = append(list, slotmap.Promotion{Slots: to[id].Normalize(), To: id})
	}
	return list, open.Normalize()
}

// mayWait reports whether some of the open slots may have a complete copy on a
// node that has not answered and is not known to be gone.
func (c *Controller) mayWait(f *failover, open slotmap.Ranges) bool {
	if c.env.Now()-f.began > patience*c.timing.Lease {
		return false
	}
	for _, s := range c.m.Within(open) {
		for _, id := range s.InSync {
			n := c.m.Node(id)
			_, answered := f.replies[id]
			if n != nil && !answered && c.node(id).deadBoot != n.Boot {
				return true
			}
		}
	}
	return false
}

// again returns to collecting after a while.
func (c *Controller) again(f *failover) {
	now := c.env.Now()
	c.asks++
	f.state, f.asked, f.replies = Collecting, c.asks, map[slotmap.NodeID][]slotmap.SlotPosition{}
	f.deadline, f.resend = now+c.timing.Collect+c.timing.Renew, now+c.timing.Renew
}

// decideFailover proposes the promotion of a down node's slots. It reports
// whether a proposal was made.
func (c *Controller) decideFailover(n slotmap.Node) bool {
	if len(c.m.PrimaryOf(n.ID)) == 0 {
		delete(c.failovers, n.ID)
		if n.State == slotmap.NodeActive {
			c.propose(&slotmap.SetState{Node: n.ID, Boot: n.Boot, State: slotmap.NodeFailed}, nil)
			return true
		}
		return false
	}
	f := c.beginFailover(&n)
	if f.state != Promoting {
		return false
	}
	list, _ := c.promotions(f)
	if len(list) == 0 && n.State != slotmap.NodeActive {
		c.again(f)
		return false
	}
	c.propose(&slotmap.Promote{From: n.ID, Boot: n.Boot, List: list, Fail: true}, func(res slotmap.Result, err error) {
		c.promoted(f, list, res, err)
	})
	return true
}

func (c *Controller) promoted(f *failover, list []slotmap.Promotion, res slotmap.Result, err error) {
	t := c.node(f.node)
	if err != nil || res.Stale != "" {
		f.state = f.state.Next(FailoverFailed)
		c.again(f)
		return
	}
	t.forcedBy = ""
	f.state = f.state.Next(FailoverPromoted)
	delete(c.failovers, f.node)
	took := c.env.Now() - f.began
	for _, p := range list {
		c.Promoted++
		c.env.Emit(Event{Kind: EventFailover, Node: f.node, Peer: p.To, Slots: p.Slots, Took: took})
	}
}

// decideRegister proposes what a lease request says of its node: new, with
// other addresses, or another process, whose slots go to those that have the
// data. It reports whether a proposal was made.
func (c *Controller) decideRegister(id slotmap.NodeID, t *tracked) bool {
	if t.request == nil || !t.pending {
		return false
	}
	if c.m.IsForgotten(id) {
		t.pending = false
		return false
	}
	node := t.request.Node
	old := c.m.Node(id)
	if old == nil {
		c.pinned = false
		c.propose(&slotmap.Register{Node: node}, nil)
		return true
	}
	entry := &slotmap.Register{Node: node, PrevBoot: old.Boot}
	if node.Boot == old.Boot {
		node.State, node.Fence = old.State, old.Fence
		if node == *old {
			return false
		}
		c.propose(entry, nil)
		return true
	}
	if len(c.m.PrimaryOf(id)) == 0 {
		c.propose(entry, nil)
		return true
	}
	f := c.beginFailover(old)
	if f.state != Promoting {
		return false
	}
	list, open := c.promotions(f)
	if len(open) > 0 && c.mayWait(f, open) {
		c.again(f)
		return false
	}
	entry.Promote = list
	c.propose(entry, func(res slotmap.Result, err error) {
		c.promoted(f, list, res, err)
		if err == nil && len(res.Lost) > 0 {
			c.env.Emit(Event{Kind: EventSlotsLost, Node: id, Slots: res.Lost,
				Reason: "restarted without data, and no replica has it"})
		}
	})
	return true
}
