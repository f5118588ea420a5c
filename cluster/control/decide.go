package control

import (
	"fmt"
	"slices"
	"time"

	"respkv/cluster/placement"
	"respkv/cluster/slotmap"
)

// decide makes the most urgent proposal that is due. It is called whenever
// something changed and no proposal is under way; each call looks at the state
// anew, so nothing needs to be remembered across elections.
func (c *Controller) decide(now time.Duration) {
	if !c.m.Formed() {
		if founder, ok := c.env.Founder(); ok {
			byHand := c.policy.Expect == 0
			c.propose(&slotmap.Form{ClusterID: c.newClusterID(), Replicas: c.policy.replicas(byHand), Founder: founder,
				ByHand: byHand}, nil)
		}
		return
	}
	for _, n := range c.m.Nodes() {
		t := c.node(n.ID)
		if t.request != nil && t.pending && t.request.Node.Boot != n.Boot {
			continue // restarted: decided below, with its registration
		}
		if c.down(n.ID) && c.decideFailover(n) {
			return
		}
	}
	for _, id := range sortedKeys(c.nodes) {
		if c.decideRegister(id, c.nodes[id]) {
			return
		}
	}
	if c.decideMoves() || c.decideStates() || c.decideReplicas() || c.decideInSync(now) || c.decideWanted(now) || c.decideGiven(now) {
		return
	}
	c.decidePlacement(now)
}

func (c *Controller) newClusterID() string {
	id := ""
	for range 3 {
		id += fmt.Sprintf("%016x", c.env.Random())
	}
	return id[:slotmap.NodeIDLen]
}

// decideMoves commits or aborts handoffs that are ready for it.
func (c *Controller) decideMoves() bool {
	for _, token := range sortedKeys(c.moves) {
		mv := c.moves[token]
		switch mv.state {
		case MoveDone:
			delete(c.moves, token)
		case MoveCommitting:
			c.propose(&slotmap.CommitMove{Token: token}, func(res slotmap.Result, err error) {
				if err == nil && res.Stale == "" {
					c.MovesDone++
					if !c.plan.wants(res.Slots, mv.to) {
						c.plan = planCache{} // an operator did
					}
					c.env.Emit(Event{Kind: EventMoveEnd, Node: mv.from, Peer: mv.to, Slots: res.Slots, Took: c.env.Now() - mv.began})
				}
				c.settled(mv, err)
			})
			return true
		case MoveAborting:
			c.propose(&slotmap.AbortMove{Token: token}, func(res slotmap.Result, err error) {
				if err == nil && res.Stale == "" {
					c.MovesAborted++
					c.env.Emit(Event{Kind: EventMoveAbort, Node: mv.from, Peer: mv.to, Slots: res.Slots, Reason: mv.reason})
				}
				c.settled(mv, err)
			})
			return true
		}
	}
	return false
}

// settled ends a move once the log has decided it, one way or the other.
func (c *Controller) settled(mv *move, err error) {
	if err == nil {
		c.moveEvent(mv, MoveDecided, "")
		delete(c.moves, mv.token)
	}
}

// decideStates makes nodes that came back active again, and gives up those
// whose place another one has taken.
func (c *Controller) decideStates() bool {
	for _, n := range c.m.Nodes() {
		t := c.node(n.ID)
		if n.State == slotmap.NodeFailed && c.replaced(n) && len(c.m.PrimaryOf(n.ID)) == 0 {
			c.propose(&slotmap.SetState{Node: n.ID, Boot: n.Boot, State: slotmap.NodeLeaving}, func(res slotmap.Result, err error) {
				if err == nil && res.Stale == "" {
					c.env.Emit(Event{Kind: EventNodeReplaced, Node: n.ID, Reason: "another node has its address: it is not waited for"})
				}
			})
			return true
		}
		if n.State == slotmap.NodeFailed && !c.down(n.ID) && t.lease > c.env.Now() && t.request.Node.Boot == n.Boot {
			c.propose(&slotmap.SetState{Node: n.ID, Boot: n.Boot, State: slotmap.NodeActive}, nil)
			return true
		}
	}
	return false
}

// replaced reports whether a member is gone and a new node answers at its
// address, as after the loss of a data directory.
func (c *Controller) replaced(n slotmap.Node) bool {
	return c.down(n.ID) && slices.ContainsFunc(c.m.Nodes(), func(other slotmap.Node) bool {
		return other.ID != n.ID && other.Host == n.Host && other.ClusterPort == n.ClusterPort &&
			!c.down(other.ID) && c.node(other.ID).lease > c.env.Now()
	})
}

// decideReplicas makes the number of replicas that an operator has set that of
// the map.
func (c *Controller) decideReplicas() bool {
	wanted := c.policy.replicas(c.m.ByHand())
	if !c.policy.SetReplicas || c.m.ReplicationFactor() == wanted {
		return false
	}
	c.propose(&slotmap.Replicas{Factor: wanted}, nil)
	return true
}

// replicas is how many replicas of each slot the policy asks for.
func (p *Policy) replicas(byHand bool) int {
	switch {
	case p.Replicas != AutoReplicas:
		return p.Replicas
	case byHand:
		return 0
	}
	return 1
}

// complete are the slots of which a status says that the copies are complete.
func complete(status []slotmap.RangeStatus) (slots slotmap.Ranges) {
	for _, s := range status {
		if !s.Primary && s.CaughtUp {
			slots = append(slots, s.Range)
		}
	}
	return slots.Normalize()
}

// decideInSync records which copies are complete, from statuses that know who
// the primaries are now.
func (c *Controller) decideInSync(now time.Duration) bool {
	for _, n := range c.m.Nodes() {
		t := c.node(n.ID)
		if t.request == nil || t.request.Node.Boot != n.Boot || t.request.MapVersion < c.structural {
			continue
		}
		told := complete(t.request.Status)
		known := c.m.Where(func(a *slotmap.Assignment) bool { return a.IsInSync(n.ID) })
		add := told.Intersect(c.m.ReplicaOf(n.ID)).Subtract(known)
		remove := known.Subtract(told)
		// The target of a handoff counts until the handoff is decided.
		remove = remove.Subtract(c.m.Where(func(a *slotmap.Assignment) bool { return a.Move != nil && a.Move.Target == n.ID }))
		// A node that was primary until now follows within moments: that is not told.
		if len(remove) == 0 {
			t.behind = 0
		} else if t.behind == 0 {
			t.behind = now
		}
		if now-t.behind < c.timing.Renew {
			remove = nil
		}
		if len(add)+len(remove) > 0 {
			delete(c.copying, n.ID) // progress
			if w, slots := c.wishedOf(n.ID, add); w != nil && len(c.moves) < c.policy.MoveConcurrency && c.beginMove(now, w.from, w.to, slots, n.Boot) {
				return true
			}
			c.propose(&slotmap.InSync{Node: n.ID, Boot: n.Boot, Add: add, Remove: remove}, nil)
			return true
		}
	}
	return false
}

// beginMove begins a handoff of slots that to has in sync, or, with told not 0,
// of which that process of it has told that they are complete.
func (c *Controller) beginMove(now time.Duration, from, to slotmap.NodeID, slots slotmap.Ranges, told uint64) bool {
	source, target := c.m.Node(from), c.m.Node(to)
	if source == nil || target == nil || c.down(from) || c.down(to) || c.node(to).statusOf != target.Boot {
		return false
	}
	// Clients would wait for what is not complete any more.
	if slots = slots.Normalize().Intersect(complete(c.node(to).status)); len(slots) == 0 {
		return false
	}
	mv := &move{from: from, to: to, fromBoot: source.Boot, toBoot: target.Boot, began: now}
	c.propose(&slotmap.BeginMove{Slots: slots, From: from, To: to, Boot: told}, func(res slotmap.Result, err error) {
		if err != nil || res.Stale != "" {
			return
		}
		mv.token, mv.slots, mv.version = res.Token, res.Slots, res.Version
		mv.deadline = c.env.Now() + c.timing.Handoff
		c.moves[mv.token] = mv
		c.moveEvent(mv, MoveBegun, "")
		c.env.Emit(Event{Kind: EventMoveBegin, Node: from, Peer: to, Slots: res.Slots})
	})
	return true
}

// planCache is the plan that is being carried out. A plan is worked out for a map
// at rest: from one where some of the copies have been begun and others not, a
// slightly different one comes out, of which then a little is carried out, and so on,
// slot by slot. So steps towards a plan do not change it; whatever else happens does.
type planCache struct {
	version   uint64
	members   []placement.Member
	rebalance bool
	targets   []placement.Target
	underWay  bool // the map is not yet as planned
	// difference between map and targets, unless it rested on who is down.
	difference *difference
}

// wants reports whether the plan has to as the primary of slots.
func (p *planCache) wants(slots slotmap.Ranges, to slotmap.NodeID) bool {
	return !slices.ContainsFunc(p.targets, func(t placement.Target) bool {
		return t.Primary != to && len(slots.Intersect(slotmap.Ranges{t.Range})) > 0
	})
}

// isStep reports whether an entry may be a step towards a plan, and changes nothing
// else that a plan rests on.
func isStep(e slotmap.Entry) bool {
	switch e.(type) {
	case *slotmap.Place, *slotmap.InSync, *slotmap.BeginMove, *slotmap.CommitMove, *slotmap.AbortMove:
		return true
	}
	return false
}

// crashPatience is how many leases a crashed process is waited for: long enough
// for a supervisor to start it again in its old place.
const crashPatience = 5

// patienceFor is how long the slots of a node that is away keep its place. The
// copies of a process that is known to be gone went with it: waiting for its
// return would save no copy, only leave its slots without one. One in whose place
// another node answers is gone, too: its port refuses nothing any more.
func (c *Controller) patienceFor(n *slotmap.Node, t *tracked) time.Duration {
	if n.State == slotmap.NodeFailed && (t.deadBoot == n.Boot || c.replaced(*n)) {
		return min(c.policy.ReturnTimeout, crashPatience*c.timing.Lease)
	}
	return c.policy.ReturnTimeout
}

// members are the nodes as placement sees them, in the order in which people
// count them: by address.
func (c *Controller) members(now time.Duration) (list []placement.Member, rebalance bool) {
	nodes := slices.Clone(c.m.Nodes())
	slices.SortStableFunc(nodes, func(a, b slotmap.Node) int {
		switch {
		case a.Host != b.Host && a.Host < b.Host:
			return -1
		case a.Host != b.Host:
			return 1
		}
		return a.ClientPort - b.ClientPort
	})
	rebalance = !c.m.Pinned() && !c.m.ByHand()
	for _, n := range nodes {
		t := c.node(n.ID)
		mem := placement.Member{ID: n.ID, Zone: n.Zone, Weight: n.Weight, Follows: n.Follows, Takes: c.takesOver(&n)}
		switch n.State {
		case slotmap.NodeLeaving:
			continue
		case slotmap.NodeStopped, slotmap.NodeFailed:
			// One that asks for a lease is back, however long it was away: before it
			// has one it is given nothing and loses nothing.
			if now-t.away > c.patienceFor(&n, t) && c.down(n.ID) {
				continue
			}
			mem.Away, mem.NoPrimary = true, n.State == slotmap.NodeStopped
			rebalance = false
		default:
			if t.life != Alive || t.request == nil || t.lease <= now {
				mem.Away, rebalance = true, false
			}
		}
		list = append(list, mem)
	}
	return list, rebalance
}

// decidePlacement takes the next steps from the map as it is to the map as it
// should be: slots without a primary get one, missing copies are begun,
// primaries handed over, surplus copies removed, emptied nodes forgotten.
func (c *Controller) decidePlacement(now time.Duration) {
	members, rebalance := c.members(now)
	here := 0
	for _, mem := range members {
		if !mem.Away {
			here++
		}
	}
	first := len(c.m.Where(func(a *slotmap.Assignment) bool { return a.Primary != "" })) == 0
	if here == 0 || first && !c.m.ByHand() && here < max(1, c.policy.Expect) {
		return
	}
	p := &c.plan
	kept := p.underWay && len(c.wanted) == 0
	if p.targets == nil || p.version != c.m.Version() && !kept || p.rebalance != rebalance || !slices.Equal(p.members, members) {
		*p = planCache{members: members, rebalance: rebalance,
			targets: placement.Plan(members, c.m, c.m.ReplicationFactor(), rebalance)}
	}
	if p.version != c.m.Version() {
		p.version, p.difference = c.m.Version(), nil
	}
	d := p.difference
	if d == nil {
		found := c.differences(members, p.targets)
		p.underWay = found.underWay
		if d = &found; !d.volatile {
			p.difference = d
		}
	}
	switch {
	case len(d.assign) > 0:
		c.propose(&slotmap.Assign{List: d.assign}, func(res slotmap.Result, err error) {
			if err == nil && first {
				c.env.Emit(Event{Kind: EventFormed, Node: c.self, Slots: res.Slots})
			}
		})
	case d.lost != nil:
		c.propose(d.lost, func(res slotmap.Result, err error) {
			if err == nil && len(res.Lost) > 0 {
				c.env.Emit(Event{Kind: EventSlotsLost, Node: d.lost.From, Slots: res.Lost, Reason: "the node did not return and no replica has the data"})
			}
		})
	case len(d.place) > 0:
		if d.gaveUp {
			c.plan = planCache{}
		}
		c.propose(&slotmap.Place{List: d.place}, nil)
	case d.move != nil && len(c.moves) < c.policy.MoveConcurrency && c.beginMove(now, d.move.From, d.move.To, d.move.Slots, 0):
	default:
		if remove := c.removable(d.remove); len(remove) > 0 && c.maySettle(now) {
			c.propose(&slotmap.Place{List: remove}, nil)
		} else {
			c.decideForget()
		}
	}
}

type difference struct {
	assign []slotmap.Assigned
	lost   *slotmap.Assign
	place  []slotmap.Placement
	move   *slotmap.BeginMove
	remove []slotmap.Placement
	// volatile: it rests on more than the map and the plan.
	volatile bool
	underWay bool // there is any, or copies are not complete yet
	gaveUp   bool // copies of it that make no progress
}

// differences compares the map with the plan.
func (c *Controller) differences(members []placement.Member, targets []placement.Target) difference {
	var d difference
	away := map[slotmap.NodeID]bool{}
	for _, mem := range members {
		away[mem.ID] = mem.Away
	}
	budget := c.policy.MoveConcurrency * c.policy.MoveSlots
	copying := map[slotmap.NodeID]time.Duration{}
	now := c.env.Now()
	for _, target := range targets {
		for _, s := range c.m.Within(slotmap.Ranges{target.Range}) {
			if target.Primary != "" && s.HasReplica(target.Primary) && !s.IsInSync(target.Primary) && s.Primary != "" {
				budget -= s.Len()
				since, ok := c.copying[target.Primary]
				if !ok {
					since = now
				}
				copying[target.Primary] = since
				if now-since > c.policy.MoveTimeout && s.Move == nil {
					d.gaveUp = true
					d.place = append(d.place, slotmap.Placement{Slots: slotmap.Ranges{s.Range}, Remove: []slotmap.NodeID{target.Primary}})
				}
			}
		}
	}
	c.copying = copying
	if len(d.place) > 0 {
		// Given up: they may be planned again, from a fresh start.
		for _, p := range d.place {
			delete(c.copying, p.Remove[0])
		}
		return d
	}
	for _, target := range targets {
		for _, s := range c.m.Within(slotmap.Ranges{target.Range}) {
			slots := slotmap.Ranges{s.Range}
			d.volatile = d.volatile || s.Primary != target.Primary
			d.underWay = d.underWay || s.Primary != target.Primary || s.Move != nil
			switch {
			case target.Primary == "":
			case s.Primary == "":
				d.assign = append(d.assign, slotmap.Assigned{Slots: slots, To: target.Primary, Replicas: target.Replicas})
			case s.Primary != target.Primary && c.down(s.Primary):
				// Failover found no copy, and it is not waited for any longer.
				if n := c.m.Node(s.Primary); n.State != slotmap.NodeActive && len(s.InSync) == 0 {
					if d.lost == nil {
						d.lost = &slotmap.Assign{From: s.Primary}
					}
					if d.lost.From == s.Primary {
						d.lost.List = append(d.lost.List, slotmap.Assigned{Slots: slots, To: target.Primary, Replicas: target.Replicas})
					}
				}
			default:
				c.spanDifference(&d, s, target, away, &budget)
			}
		}
	}
	return d
}

func (c *Controller) spanDifference(d *difference, s slotmap.Span, target placement.Target, away map[slotmap.NodeID]bool, budget *int) {
	slots := slotmap.Ranges{s.Range}
	var add, remove []slotmap.NodeID
	ready := s.Primary == target.Primary && s.Move == nil
	for _, id := range target.Replicas {
		if !s.Holds(id) || s.IsGoing(id) {
			add = append(add, id)
		}
		ready = ready && (s.IsInSync(id) || away[id])
	}
	d.underWay = d.underWay || !ready
	if !s.Holds(target.Primary) || s.IsGoing(target.Primary) {
		// Copies made only for a move are limited: a node that joins must not
		// draw the whole cluster's traffic at once.
		if taken, _ := slots.Take(*budget); len(taken) > 0 {
			*budget -= taken.Len()
			d.place = append(d.place, slotmap.Placement{Slots: taken, Add: []slotmap.NodeID{target.Primary}})
		}
	}
	if len(add) > 0 && s.Primary == target.Primary {
		d.place = append(d.place, slotmap.Placement{Slots: slots, Add: add})
	}
	for _, id := range s.Replicas {
		if !slices.Contains(target.Replicas, id) && id != target.Primary && !c.wishes(id, slots) {
			remove = append(remove, id)
		}
	}
	d.underWay = d.underWay || len(remove) > 0
	if ready && len(remove) > 0 {
		d.remove = append(d.remove, slotmap.Placement{Slots: slots, Remove: remove})
	}
	if s.Primary != target.Primary && s.IsInSync(target.Primary) && s.Move == nil {
		switch {
		case d.move == nil:
			d.move = &slotmap.BeginMove{From: s.Primary, To: target.Primary}
			fallthrough
		case d.move.From == s.Primary && d.move.To == target.Primary:
			room := c.policy.MoveSlots - d.move.Slots.Len()
			taken, _ := slots.Take(room)
			d.move.Slots = append(d.move.Slots, taken...)
		}
	}
}

// renews reports whether a member renews its leases as the process that the map
// knows, and knows who holds what. Of one that may be gone a surplus copy can be the
// only one that has its last writes.
func (c *Controller) renews(id slotmap.NodeID) bool {
	n, t := c.m.Node(id), c.node(id)
	return n != nil && n.State == slotmap.NodeActive && t.deadBoot != n.Boot &&
		t.request != nil && t.request.Node.Boot == n.Boot && t.request.MapVersion >= c.structural && c.env.Now()-t.heardAt < c.timing.Renew+c.timing.Tick
}

// decideForget removes nodes that have left everything behind, their vote in
// raft included: they end as soon as they hear of it.
func (c *Controller) decideForget() {
	for _, n := range c.m.Nodes() {
		if n.State == slotmap.NodeLeaving && n.ID != c.self && len(c.m.HeldBy(n.ID)) == 0 && !c.votes(n.ID) {
			c.propose(&slotmap.Forget{Node: n.ID, Boot: n.Boot}, nil)
			return
		}
	}
}
