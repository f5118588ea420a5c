package control

import (
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// Surplus copies are removed in two steps. What has to hold, for a primary that answers
// a write when acks replicas hold it: at least acks of the replicas in the map hold each
// write that it has answered.
// A failover rests on that (promotions): it asks the replicas of the map, and goes on
// while fewer than acks of them are missing. A copy that is removed takes with it
// what was answered since it had it. So:
//
//  1. The copy is released: the map says that it is to go (Assignment.Going). From when the
//     primary has applied that, it answers nothing on account of this copy, and
//     says so with the version of its next lease request.
//  2. Then the primary is asked for its positions: all that it has answered on
//     account of the copy is before them.
//  3. Then the replicas that stay are asked for theirs, until acks of them (all, if
//     there are fewer) have reached those of the primary.
//  4. The copy is removed. What was answered before 2 is on acks of those that stay
//     by 3, what is answered later by 1.
//
// None of it depends on who else is away, on the order in which nodes hear of the
// map, nor on who commits the removal: a controller that is cut off may have it in its log
// and the next one find it there. A new primary counts all copies again (promoted),
// and the next controller begins at 2, with the release that it finds in the map.
// With asynchronous replication answers wait for nobody, but a WAIT may have been answered on
// account of the copy: acks is 1 then. Only where no replica stays, since none is wanted,
// is it removed at once.
type release struct {
	boot    uint64         // of the primary
	spans   []slotmap.Span // as they were when it began
	version uint64         // of the map that says what goes
	asked   uint64
	resend  time.Duration
	reached map[uint16]slotmap.SlotPosition // the primary's positions; nil: not told yet
	told    slotmap.Ranges                  // the slots of reached
	held    map[slotmap.NodeID]holds        // which slots the others have as far
}

// holds are slots that a process has.
type holds struct {
	boot  uint64
	slots slotmap.Ranges
}

// removable are the next steps of those removals of surplus copies whose primaries
// renew their leases.
func (c *Controller) removable(list []slotmap.Placement) (next []slotmap.Placement) {
	for _, p := range list {
		for _, s := range c.m.Within(p.Slots) {
			step := slotmap.Placement{Slots: slotmap.Ranges{s.Range}}
			for _, id := range p.Remove {
				if !s.IsGoing(id) {
					step.Release = append(step.Release, id)
				}
			}
			switch {
			case !c.renews(s.Primary):
				continue
			case c.m.Acks(s.Primary) == 0 && !slices.ContainsFunc(s.Replicas, func(id slotmap.NodeID) bool { return !slices.Contains(p.Remove, id) }):
				step.Release, step.Remove = nil, p.Remove
			case len(step.Release) == 0 && !c.released(s):
				continue
			case len(step.Release) == 0:
				step.Remove = p.Remove
			}
			next = append(next, step)
		}
	}
	return next
}

// released reports whether the copies of a span that are to go may: what its primary
// answered on account of them is on enough of the others. It begins to find out.
func (c *Controller) released(s slotmap.Span) bool {
	rel := c.releases[s.Primary]
	if rel == nil || rel.boot != c.m.Node(s.Primary).Boot || !rel.covers(s) {
		c.asks++
		rel = &release{boot: c.m.Node(s.Primary).Boot, version: c.m.Version(), asked: c.asks, held: map[slotmap.NodeID]holds{}}
		for _, other := range c.m.Spans() {
			if other.Primary == s.Primary && len(other.Going) > 0 {
				rel.spans = append(rel.spans, other)
			}
		}
		c.releases[s.Primary] = rel
		c.releaseStep(s.Primary, rel)
		return false
	}
	need, have := 0, 0
	for _, id := range s.Replicas {
		if s.IsGoing(id) {
			continue
		}
		need++
		n, h := c.m.Node(id), rel.held[id]
		if s.IsInSync(id) && n.Boot == h.boot && len((slotmap.Ranges{s.Range}).Subtract(h.slots)) == 0 {
			have++
		}
	}
	return have >= min(need, max(1, c.m.Acks(s.Primary)))
}

// covers reports whether the release is about s: the same copies go, under the same
// primary, as when it began.
func (rel *release) covers(s slotmap.Span) bool {
	if rel.reached != nil && len((slotmap.Ranges{s.Range}).Subtract(rel.told)) > 0 {
		return false // it was not the primary of these when it was asked
	}
	return slices.ContainsFunc(rel.spans, func(old slotmap.Span) bool {
		return old.First <= s.First && s.Last <= old.Last && old.Epoch == s.Epoch && slices.Equal(old.Going, s.Going)
	})
}

// slots are those that the release is about.
func (rel *release) slots() (slots slotmap.Ranges) {
	for _, s := range rel.spans {
		slots = append(slots, s.Range)
	}
	return slots.Normalize()
}

// releaseStep asks those that have not answered.
func (c *Controller) releaseStep(primary slotmap.NodeID, rel *release) {
	now, t := c.env.Now(), c.node(primary)
	if n := c.m.Node(primary); n == nil || n.Boot != rel.boot {
		delete(c.releases, primary)
		return
	}
	if now < rel.resend || t.request == nil || t.request.Node.Boot != rel.boot || t.request.MapVersion < rel.version {
		return
	}
	rel.resend = now + c.timing.Probe
	if rel.reached == nil {
		c.env.Send(primary, &AskPositions{ID: rel.asked, Slots: rel.slots()})
		return
	}
	ask := map[slotmap.NodeID]slotmap.Ranges{}
	for _, s := range rel.spans {
		for _, id := range s.Replicas {
			if left := (slotmap.Ranges{s.Range}).Subtract(rel.held[id].slots); !s.IsGoing(id) && len(left) > 0 && !c.down(id) {
				ask[id] = append(ask[id], left...)
			}
		}
	}
	for _, id := range sortedKeys(ask) {
		c.env.Send(id, &AskPositions{ID: rel.asked, Slots: ask[id].Normalize()})
	}
}

// onReleased takes an answer to releaseStep.
func (c *Controller) onReleased(from slotmap.NodeID, n *slotmap.Node, p *Positions) {
	for primary, rel := range c.releases {
		switch {
		case rel.asked != p.ID || n.Boot != p.Boot:
		case from == primary && rel.reached == nil:
			rel.reached = make(map[uint16]slotmap.SlotPosition, len(p.List))
			for _, pos := range p.List {
				rel.reached[pos.Slot] = pos
				rel.told = rel.told.Append(pos.Slot)
			}
			rel.told = rel.told.Normalize()
			// What the others said before that does not count.
			c.asks++
			rel.asked, rel.resend = c.asks, 0
			c.releaseStep(primary, rel)
		case from != primary && rel.reached != nil:
			h := rel.held[from]
			if h.boot != p.Boot {
				h = holds{boot: p.Boot}
			}
			var slots slotmap.Ranges
			for _, pos := range p.List {
				if want, known := rel.reached[pos.Slot]; known && pos.Complete && !pos.Less(want) {
					slots = slots.Append(pos.Slot)
				}
			}
			h.slots = append(slots, h.slots...).Normalize()
			rel.held[from] = h
		}
	}
}

// forgetReleases notes that an entry changes which copies count: what was found
// out for their primaries before says nothing about those that go from then on.
func (c *Controller) forgetReleases(e slotmap.Entry) {
	place, ok := e.(*slotmap.Place)
	if !ok {
		return
	}
	for _, p := range place.List {
		if len(p.Add)+len(p.Release) == 0 {
			continue
		}
		for _, s := range c.m.Within(p.Slots.Normalize()) {
			delete(c.releases, s.Primary)
		}
	}
}
