package control

import (
	"sort"
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
	told     bool // that it waits
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
	c.onReleased(from, n, p)
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

// findings is what the answers to a failover allow.
type findings struct {
	promote []slotmap.Promotion
	open    slotmap.Ranges            // nobody that answered has a complete copy
	short   slotmap.Ranges            // too few have answered to know every acknowledged write
	lost    map[slotmap.NodeID]uint64 // by new primary: effects known to be lost
}

// promotions picks the best complete copy of every slot. Where the primary
// answered writes only when replicas held them as well, so many must have
// answered that every such write is on one of them at least: of each write's
// holders no more than all but one may be missing.
func (c *Controller) promotions(f *failover) findings {
	var out findings
	to := map[slotmap.NodeID]slotmap.Ranges{}
	forced := c.node(f.node).forcedBy
	acks := c.m.Acks(f.node)
	sums := c.lossSums(f)
	lists := make([][]slotmap.SlotPosition, 0, 8)
	for _, s := range c.m.Spans() {
		if s.Primary != f.node {
			continue
		}
		missing := 0
		lists = lists[:0]
		for _, id := range s.Replicas {
			list, answered := f.replies[id]
			if n := c.m.Node(id); !answered && n != nil && c.node(id).deadBoot != n.Boot {
				missing++
			}
			lists = append(lists, within(list, s.Range))
		}
		if acks > 0 && missing >= acks {
			out.short = append(out.short, s.Range)
			continue
		}
		for slot := s.First; ; slot++ {
			best, pos := -1, slotmap.SlotPosition{}
			for k, id := range s.Replicas {
				list := lists[k]
				if len(list) == 0 || list[0].Slot != slot {
					continue
				}
				p := list[0]
				lists[k] = list[1:]
				if p.Complete && (best < 0 || pos.Less(p) || forced == id && !p.Less(pos)) {
					best, pos = k, p
				}
			}
			if best < 0 {
				out.open = out.open.Append(slot)
			} else {
				id := s.Replicas[best]
				to[id] = to[id].Append(slot)
				sums.promoted(slot, id, pos.Seq)
			}
			if slot == s.Last {
				break
			}
		}
	}
	for _, id := range sortedKeys(to) {
		out.promote = append(out.promote, slotmap.Promotion{Slots: to[id], To: id})
	}
	out.lost = sums.lost()
	return out
}

// within are the positions of the slots of r; list is in slot order.
func within(list []slotmap.SlotPosition, r slotmap.Range) []slotmap.SlotPosition {
	at := func(slot int) int {
		return sort.Search(len(list), func(i int) bool { return int(list[i].Slot) >= slot })
	}
	return list[at(int(r.First)):at(int(r.Last)+1)]
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
	found := c.promotions(f)
	if len(found.short) > 0 {
		c.waits(f, found.short)
	}
	if len(found.promote) == 0 && n.State != slotmap.NodeActive {
		c.again(f)
		return false
	}
	c.propose(&slotmap.Promote{From: n.ID, Boot: n.Boot, List: found.promote, Fail: true}, func(res slotmap.Result, err error) {
		c.promoted(f, found, res, err)
	})
	return true
}

// waits tells, once, that a failover waits for replicas.
func (c *Controller) waits(f *failover, slots slotmap.Ranges) {
	if !f.told {
		f.told = true
		c.env.Emit(Event{Kind: EventFailoverWaits, Node: f.node, Slots: slots,
			Reason: "replicas that may hold acknowledged writes have not answered"})
	}
}

func (c *Controller) promoted(f *failover, found findings, res slotmap.Result, err error) {
	t := c.node(f.node)
	if err != nil || res.Stale != "" {
		f.state = f.state.Next(FailoverFailed)
		c.again(f)
		return
	}
	if t.forcedBy != "" {
		c.rest(f.node, t.forcedBy)
		t.forcedBy = ""
	}
	f.state = f.state.Next(FailoverPromoted)
	delete(c.failovers, f.node)
	took := c.env.Now() - f.began
	for _, p := range found.promote {
		c.Promoted++
		c.EffectsLost += found.lost[p.To]
		c.env.Emit(Event{Kind: EventFailover, Node: f.node, Peer: p.To, Slots: p.Slots, Took: took, Lost: found.lost[p.To]})
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
		c.propose(&slotmap.Register{Node: node}, nil)
		return true
	}
	entry := &slotmap.Register{Node: node, PrevBoot: old.Boot}
	if node.Boot == old.Boot {
		node.State, node.Fence, node.PrevBoot, node.Follows = old.State, old.Fence, old.PrevBoot, old.Follows
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
	found := c.promotions(f)
	if len(found.short) > 0 {
		// Without limit: what is not promoted here starts empty.
		c.waits(f, found.short)
		c.again(f)
		return false
	}
	if len(found.open) > 0 && c.mayWait(f, found.open) {
		c.again(f)
		return false
	}
	entry.Promote = found.promote
	c.propose(entry, func(res slotmap.Result, err error) {
		c.promoted(f, found, res, err)
		if err == nil && len(res.Lost) > 0 {
			c.env.Emit(Event{Kind: EventSlotsLost, Node: id, Slots: res.Lost,
				Reason: "restarted without data, and no replica has it"})
		}
	})
	return true
}
