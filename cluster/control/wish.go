package control

import (
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// wish is a handoff that an operator asked for, in as many moves as it takes.
// Without from it is of slots that nobody has, in a cluster made by hand: they are
// assigned (see decideGiven).
type wish struct {
	from, to slotmap.NodeID
	slots    slotmap.Ranges
	// copies: to gets a copy first where it has none. Without, only slots that it
	// replicates are handed over, as they are complete.
	copies bool
	until  time.Duration
}

// takeOverFor is how many leases a take-over is waited for, once accepted: under
// load a copy may cease to be complete for a while.
const takeOverFor = 30

// takeOver plans the handoff of what id replicates to it; with force, over
// primaries that do not take part. It is asked again for slots for which it has
// not come about; none named: all. A copy that is complete now makes it be
// accepted, those that are not yet follow.
func (c *Controller) takeOver(id slotmap.NodeID, force bool, slots slotmap.Ranges) string {
	if slots = slots.Normalize(); len(slots) == 0 {
		slots = slotmap.Ranges{slotmap.All()}
	}
	c.wanted = slices.DeleteFunc(c.wanted, func(w *wish) bool { return !w.copies && w.to == id })
	from := map[slotmap.NodeID]slotmap.Ranges{}
	complete := false
	for _, s := range c.m.Within(slots) {
		if s.HasReplica(id) && (force || !c.down(s.Primary)) {
			complete = complete || s.IsInSync(id)
			from[s.Primary] = append(from[s.Primary], s.Range)
		}
	}
	if len(from) == 0 || !force && !complete {
		return "the node has no replica that is in sync with a living primary"
	}
	for _, primary := range sortedKeys(from) {
		if force {
			c.node(primary).forcedBy = id
			continue
		}
		c.wish(&wish{from: primary, to: id, slots: from[primary].Normalize()})
	}
	return ""
}

// rest plans the handoff of what a forced take-over has left with a primary that
// lives: who forced it was slow to tell its positions.
func (c *Controller) rest(primary, by slotmap.NodeID) {
	left := c.m.Where(func(a *slotmap.Assignment) bool { return a.Primary == primary && a.HasReplica(by) })
	if len(left) > 0 {
		c.wish(&wish{from: primary, to: by, slots: left})
	}
}

// moveTo plans the move of slots to a node, from wherever they are. Asked again,
// it changes nothing; the last one who asks for a slot gets it.
func (c *Controller) moveTo(n *slotmap.Node, slots slotmap.Ranges) string {
	if n.State != slotmap.NodeActive || c.down(n.ID) {
		return "the node is not there to take slots"
	}
	if n.Follows != "" {
		return "the node is a replica: primaries have slots"
	}
	c.unwish(slots)
	from := map[slotmap.NodeID]slotmap.Ranges{}
	for _, s := range c.m.Within(slots.Normalize()) {
		if s.Primary != n.ID && (s.Primary != "" || c.m.ByHand()) {
			from[s.Primary] = append(from[s.Primary], s.Range)
		}
	}
	for _, primary := range sortedKeys(from) {
		c.wish(&wish{from: primary, to: n.ID, slots: from[primary].Normalize(), copies: true})
	}
	return ""
}

// settle is how many ticks after the last move by hand surplus copies are removed:
// who moves slot by slot has the next one by then, and all are removed in one
// entry. In any case they are after settleAtLast of them.
const (
	settle       = 10
	settleAtLast = 40
)

// maySettle reports whether surplus copies are to be removed now.
func (c *Controller) maySettle(now time.Duration) bool {
	if c.wishedAt == 0 || now-c.wishedAt >= settle*c.timing.Tick {
		c.surplusAt = 0
		return true
	}
	if c.surplusAt == 0 {
		c.surplusAt = now
	}
	if now-c.surplusAt < settleAtLast*c.timing.Tick {
		return false
	}
	c.surplusAt = 0
	return true
}

// wishedOf is the move that was asked for and can begin since copies of id have
// become complete, and which slots of it. Nothing if others became complete, too:
// the map is to know of those first.
func (c *Controller) wishedOf(id slotmap.NodeID, complete slotmap.Ranges) (*wish, slotmap.Ranges) {
	for _, w := range c.wanted {
		if w.to != id || !w.copies {
			continue
		}
		slots, _ := complete.Intersect(w.slots).Take(c.policy.MoveSlots)
		ready := c.m.Where(func(a *slotmap.Assignment) bool { return a.Primary == w.from && a.Move == nil })
		if len(slots) > 0 && len(complete.Subtract(slots)) == 0 && len(slots.Subtract(ready)) == 0 {
			return w, slots
		}
	}
	return nil, nil
}

func (c *Controller) wish(w *wish) {
	c.wishedAt = c.env.Now()
	w.until = c.env.Now() + c.policy.MoveTimeout
	if !w.copies {
		w.until = c.env.Now() + takeOverFor*c.timing.Lease
	}
	c.wanted = append(c.wanted, w)
	c.plan = planCache{}
}

// unwish takes slots out of the moves that were asked for. A handoff that has
// begun goes on.
func (c *Controller) unwish(slots slotmap.Ranges) {
	slots = slots.Normalize()
	for _, w := range c.wanted {
		if w.copies {
			w.slots = w.slots.Subtract(slots)
		}
	}
	c.wanted = slices.DeleteFunc(c.wanted, func(w *wish) bool { return len(w.slots) == 0 })
	c.plan = planCache{}
}

// freed turns moves of slots that are given up meanwhile into claims to slots that
// nobody has.
func (c *Controller) freed(slots slotmap.Ranges) {
	slots = slots.Normalize()
	var claims []*wish
	for _, w := range c.wanted {
		if given := w.slots.Intersect(slots); w.copies && len(given) > 0 {
			claims = append(claims, &wish{to: w.to, slots: given, copies: true, until: w.until})
		}
	}
	c.unwish(slots)
	c.wanted = append(c.wanted, claims...)
}

// wishes reports whether the copy of some of the slots on a node was asked for:
// placement leaves it alone.
func (c *Controller) wishes(id slotmap.NodeID, slots slotmap.Ranges) bool {
	return slices.ContainsFunc(c.wanted, func(w *wish) bool {
		return w.copies && w.to == id && len(w.slots.Intersect(slots)) > 0
	})
}

// decideWanted begins the next part of what was asked for: copies where they are
// missing, a handoff of what is complete. A wish stays until nothing is left of
// it that could be moved.
func (c *Controller) decideWanted(now time.Duration) bool {
	for i := 0; i < len(c.wanted); {
		w := c.wanted[i]
		var left, missing slotmap.Ranges
		waits := false
		for _, s := range c.m.Within(w.slots) {
			switch {
			case s.Primary != w.from:
			case w.from == "":
				waits = true // decideGiven assigns it, once nobody serves it any more
			case s.Move != nil:
				waits = true // it may fail yet
			case s.IsInSync(w.to):
				left = append(left, s.Range)
			case s.HasReplica(w.to):
				waits = true // it is complete soon, or again
			case !w.copies:
			default:
				missing = append(missing, s.Range)
			}
		}
		if now >= w.until || len(left)+len(missing) == 0 && !waits {
			c.wanted = slices.Delete(c.wanted, i, i+1)
			c.plan = planCache{}
			continue
		}
		if taken, _ := missing.Normalize().Take(c.policy.MoveSlots); len(taken) > 0 && !waits {
			c.propose(&slotmap.Place{List: []slotmap.Placement{{Slots: taken, Add: []slotmap.NodeID{w.to}}}}, nil)
			return true
		}
		left, _ = left.Normalize().Take(c.policy.MoveSlots)
		if len(left) > 0 && len(c.moves) < c.policy.MoveConcurrency && c.beginMove(now, w.from, w.to, left, 0) {
			return true
		}
		i++
	}
	return false
}
