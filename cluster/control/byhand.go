package control

import (
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// What operators decide in place of placement: which slots a node of a cluster
// made by hand begins with, and whose replica a node is.

// givenPatience is how many leases a new cluster waits for nodes that were given
// slots, so that config epochs are given in the order asked for.
const givenPatience = 3

func (g Given) equal(other Given) bool {
	return g.Epoch == other.Epoch && g.Follows == other.Follows && slices.Equal(g.Slots, other.Slots)
}

// Validate checks what comes from another node, or from disk.
func (g Given) Validate() error {
	if g.Follows != "" {
		if err := g.Follows.Validate(); err != nil {
			return err
		}
	}
	return g.Slots.Validate()
}

// decideGiven makes nodes replicas of those that operators have named, and
// assigns slots without a primary to the members that operators have
// given them to, or asked them to be moved to. Of two that were given the same, the
// one with the lower config epoch has them.
func (c *Controller) decideGiven(now time.Duration) bool {
	if !c.m.ByHand() {
		return false
	}
	for _, n := range c.m.Nodes() {
		t := c.node(n.ID)
		if t.request == nil || t.request.Node.Boot != n.Boot || t.request.Given.Follows == n.Follows || t.request.Given.Follows == "" {
			continue
		}
		if to := t.request.Given.Follows; c.mayFollow(&n, c.m.Node(to)) == "" {
			c.propose(&slotmap.Follow{Node: n.ID, Primary: to}, nil)
			return true
		}
	}
	free := c.m.Where(func(a *slotmap.Assignment) bool { return a.Primary == "" })
	if len(free) == 0 || c.unfenced() {
		return false
	}
	type claim struct {
		Given
		to slotmap.NodeID
	}
	var claims []claim
	for _, n := range c.m.Nodes() {
		t := c.node(n.ID)
		if t.request == nil || t.request.Node.Boot != n.Boot || n.State != slotmap.NodeActive || n.Follows != "" || c.down(n.ID) {
			continue
		}
		if slots := t.request.Given.Slots.Normalize().Intersect(free); len(slots) > 0 {
			claims = append(claims, claim{Given{Slots: slots, Epoch: t.request.Given.Epoch}, n.ID})
		}
	}
	for _, w := range c.wanted {
		n := c.m.Node(w.to)
		if slots := w.slots.Intersect(free); w.from == "" && len(slots) > 0 && n != nil && n.State == slotmap.NodeActive && n.Follows == "" && !c.down(n.ID) {
			claims = append(claims, claim{Given{Slots: slots}, n.ID})
		}
	}
	slices.SortStableFunc(claims, func(a, b claim) int { // by epoch, none last; then by slot
		switch {
		case a.Epoch-1 != b.Epoch-1 && a.Epoch-1 < b.Epoch-1:
			return -1
		case a.Epoch != b.Epoch:
			return 1
		}
		return int(a.Slots[0].First) - int(b.Slots[0].First)
	})
	entry := &slotmap.Assign{}
	left := free
	for _, cl := range claims {
		if slots := cl.Slots.Intersect(left); len(slots) > 0 {
			left = left.Subtract(slots)
			entry.List = append(entry.List, slotmap.Assigned{Slots: slots, To: cl.to})
		}
	}
	first := c.m.CurrentEpoch() == 0 // no slot was ever anybody's
	if len(entry.List) == 0 || first && len(left) > 0 && now-c.started < givenPatience*c.timing.Lease {
		return false
	}
	c.propose(entry, func(res slotmap.Result, err error) {
		if err == nil && first {
			c.env.Emit(Event{Kind: EventFormed, Node: c.self, Slots: res.Slots})
		}
	})
	return true
}

// unfenced reports whether a living node has not applied yet what it lost last: it
// may still serve slots that the map calls free.
func (c *Controller) unfenced() bool {
	return slices.ContainsFunc(c.m.Nodes(), func(n slotmap.Node) bool {
		t := c.node(n.ID)
		known := t.request != nil && t.request.Node.Boot == n.Boot && t.request.MapVersion >= n.Fence
		return !known && !c.down(n.ID)
	})
}

// takesOver reports whether a replica is to have the slots of the node that it
// follows: that one stops, or a handoff was asked for.
func (c *Controller) takesOver(n *slotmap.Node) bool {
	if primary := c.m.Node(n.Follows); primary != nil && primary.State == slotmap.NodeStopped {
		return true
	}
	return slices.ContainsFunc(c.wanted, func(w *wish) bool { return w.to == n.ID })
}

// mayFollow says why a member cannot be made a replica of another; empty: it can.
func (c *Controller) mayFollow(n, primary *slotmap.Node) string {
	switch {
	case primary == nil:
		return "unknown node"
	case primary.Follows != "":
		return OnlyPrimaryText
	case c.m.ByHand() && len(c.m.PrimaryOf(n.ID)) > 0:
		return NotEmptyText
	}
	return ""
}

// Answers to OpFollow, in Redis's words.
const (
	OnlyPrimaryText = "I can only replicate a master, not a replica."
	NotEmptyText    = "To set a master the node must be empty and without assigned slots."
)
