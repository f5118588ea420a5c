package control

import (
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// onLeaseRequest notes the request and the status it carries. The grant
// follows when a majority has confirmed, after this moment, that it has seen no
// later term: the lease runs from before the request arrived, and whoever is
// elected later waits a whole lease before promoting. It reports whether the
// request says anything new.
func (c *Controller) onLeaseRequest(from slotmap.NodeID, m *LeaseRequest) (news bool) {
	if c.m.IsForgotten(from) {
		return false
	}
	t := c.node(from)
	if t.request != nil && t.request.Node.Boot == m.Node.Boot && t.request.SentAt > m.SentAt {
		return false // overtaken
	}
	now, before, n := c.env.Now(), t.life, c.m.Node(from)
	if n != nil && n.PrevBoot == m.Node.Boot || t.request != nil && t.request.Node.Boot != m.Node.Boot && t.deadBoot == m.Node.Boot {
		return false // from the grave: it must not pass for a newer process, which may be on its way into the map
	}
	if n != nil && c.elsewhere(n, &m.Node) {
		return false
	}
	news = t.request == nil || t.request.Node != m.Node || !t.request.Given.equal(m.Given) || n == nil || n.Boot != m.Node.Boot || t.lease <= now ||
		t.request.MapVersion < c.structural && m.MapVersion >= c.structural || !sameCopies(t.request.Status, m.Status)
	t.request, t.heardAt, t.pending = m, now, true
	if n != nil && n.Boot == m.Node.Boot {
		t.status, t.statusOf = m.Status, n.Boot
	}
	switch {
	case n == nil:
	case n.Boot != m.Node.Boot:
		// A node has one process at a time: the other is gone, with its lease.
		t.deadBoot = n.Boot
		c.lifeEvent(from, NewProcess, "restarted")
	default:
		t.deadBoot, t.suspected = 0, 0
		c.lifeEvent(from, Heard, "")
	}
	return news || t.life != before
}

// elsewhere reports whether a request is from another process than the map has,
// at another address, while the first one may still have a lease. At the same
// address its predecessor is gone, since a port has one owner; elsewhere it may
// be a copy of the data directory, and both may live.
func (c *Controller) elsewhere(known, asks *slotmap.Node) bool {
	t := c.node(known.ID)
	return known.Boot != asks.Boot && (known.Host != asks.Host || known.ClusterPort != asks.ClusterPort) &&
		t.deadBoot != known.Boot && c.env.Now() < max(t.lease, c.floor)+c.timing.Margin
}

// sameCopies reports whether two statuses say the same of roles and
// completeness.
func sameCopies(a, b []slotmap.RangeStatus) bool {
	return slices.EqualFunc(a, b, func(x, y slotmap.RangeStatus) bool {
		return x.Range == y.Range && x.CaughtUp == y.CaughtUp && x.Primary == y.Primary
	})
}

// deposing reports whether a proposal under way may take primaries from id.
func (c *Controller) deposing(id slotmap.NodeID) bool {
	switch e := c.busy.(type) {
	case *slotmap.Promote:
		return e.From == id
	case *slotmap.Assign:
		return e.From == id
	case *slotmap.Register:
		return e.Node.ID == id
	}
	return false
}

// grant answers a request, if the node may have a lease now.
func (c *Controller) grant(id slotmap.NodeID, t *tracked) {
	n := c.m.Node(id)
	if n == nil || n.Boot != t.request.Node.Boot || c.deposing(id) || t.forcedBy != "" {
		return
	}
	delete(c.failovers, id) // it is there after all
	now := c.env.Now()
	t.pending = false
	t.lease = now + c.timing.Lease
	c.Granted++
	c.env.Send(id, &LeaseGrant{SentAt: t.request.SentAt, Boot: n.Boot, Length: c.timing.Lease, Fence: n.Fence})
}

// confirmTerm starts a round of asking the voters for their term when requests
// wait for one.
func (c *Controller) confirmTerm(now time.Duration) {
	if c.round != 0 && now-c.roundAt < c.timing.Renew {
		return
	}
	c.round = 0
	waiting := false
	for _, t := range c.nodes {
		waiting = waiting || t.pending
	}
	if !waiting {
		return
	}
	c.rounds++
	c.round, c.roundAt = c.rounds, now
	c.roundAcks = map[slotmap.NodeID]bool{}
	for _, s := range c.servers {
		if s.Voter {
			c.env.Send(s.ID, &AskTerm{ID: c.round})
		}
	}
}

// onTerm grants what waits when a majority has answered. It reports whether
// that gave a lease to a node that had none.
func (c *Controller) onTerm(from slotmap.NodeID, m *TermIs) (news bool) {
	if c.round == 0 || m.ID != c.round || m.Term != c.term {
		return false
	}
	c.roundAcks[from] = true
	voters, acks := 0, 0
	for _, s := range c.servers {
		if s.Voter {
			voters++
			if c.roundAcks[s.ID] {
				acks++
			}
		}
	}
	if acks <= voters/2 {
		return false
	}
	asked, now := c.roundAt, c.env.Now()
	c.round = 0
	for _, id := range sortedKeys(c.nodes) {
		if t := c.nodes[id]; t.pending && t.heardAt <= asked {
			news = news || t.lease <= now || t.life != Alive
			c.grant(id, t)
		}
	}
	return news
}
