package resp

import (
	"slices"
	"strconv"

	"respkv/cluster"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// clusterView is what CLUSTER SLOTS, SHARDS and NODES print, worked out of one
// picture of the cluster.
//
// Redis knows one role per node; here a node may be primary of some slots and
// replica of others. CLUSTER SLOTS and SHARDS speak of slot ranges and tell the
// whole truth, but for orderForRoles. CLUSTER NODES has one line per node: a node with no primary slot
// that replicates some is a slave, of the primary it shares most slots with;
// all others are masters.
type clusterView struct {
	info    cluster.Info
	members map[slotmap.NodeID]*cluster.Member
}

func (d *Dispatcher) clusterView() *clusterView {
	v := &clusterView{info: d.routing.Info()}
	v.members = make(map[slotmap.NodeID]*cluster.Member, len(v.info.Members))
	for i := range v.info.Members {
		v.members[v.info.Members[i].ID] = &v.info.Members[i]
	}
	return v
}

// available says whether clients may be told of a node.
func (v *clusterView) available(id slotmap.NodeID) bool {
	m := v.members[id]
	return m != nil && m.Health != cluster.Failed
}

// holders are the nodes of a slot, the primary first. complete leaves out
// replicas that failed or whose copy is not complete.
func (v *clusterView) holders(a *slotmap.Assignment, complete bool) []slotmap.NodeID {
	nodes := []slotmap.NodeID{a.Primary}
	for _, id := range a.Replicas {
		if v.members[id] == nil || complete && (!a.IsInSync(id) || !v.available(id)) {
			continue
		}
		nodes = append(nodes, id)
	}
	return nodes
}

// spans are the slots with who has them: as the map says, or, before there is a
// cluster, who was given them by hand, so that a program that gives slots to one node
// and has another meet it sees them there. Once they are all given, the cluster is
// about to form, and a program that waits for all slots has to wait for that: then a
// node shows its own. CLUSTER NODES never shows those of others before: redis-cli takes
// nodes that agree about all slots for a cluster.
func (v *clusterView) spans() []slotmap.Span {
	if v.info.Map.Formed() {
		return v.info.Map.Spans()
	}
	var spans []slotmap.Span
	var known slotmap.Ranges
	for i := range v.info.Members {
		m := &v.info.Members[i]
		for _, r := range m.Given.Subtract(known) {
			spans = append(spans, slotmap.Span{Range: r, Assignment: &slotmap.Assignment{Primary: m.ID}})
		}
		known = append(known, m.Given...).Normalize()
	}
	if known.Len() == hashslot.Count {
		spans = slices.DeleteFunc(spans, func(s slotmap.Span) bool { return s.Primary != v.info.Self })
	}
	slices.SortFunc(spans, func(a, b slotmap.Span) int { return int(a.First) - int(b.First) })
	return spans
}

// slotGroup is a slot range, or several, with the same holders.
type slotGroup struct {
	ranges slotmap.Ranges
	nodes  []slotmap.NodeID // primary first
	inSync []slotmap.NodeID
}

// awaitMap waits for the map on a node that has just come back: a client that asks for
// the slots then, as many do where they last were, would take none at all for the answer.
func (c *Ctx) awaitMap() {
	if c.inExec {
		return
	}
	for wait := c.d.routing.Returning(); wait != nil; wait = c.d.routing.Returning() {
		<-wait
	}
}

// clusterSlots: slots without a primary are left out.
func clusterSlots(c *Ctx) {
	c.awaitMap()
	v := c.d.clusterView()
	var groups []slotGroup // of one range each
	for _, s := range v.spans() {
		if v.members[s.Primary] == nil {
			continue
		}
		nodes := v.holders(s.Assignment, true)
		if n := len(groups); n > 0 {
			last := &groups[n-1]
			if r := &last.ranges[0]; int(r.Last)+1 == int(s.First) && slices.Equal(last.nodes, nodes) {
				r.Last = s.Last
				continue
			}
		}
		groups = append(groups, slotGroup{ranges: slotmap.Ranges{s.Range}, nodes: nodes})
	}
	groups = orderForRoles(groups)
	c.W.Array(len(groups))
	for _, g := range groups {
		c.W.Array(2 + len(g.nodes))
		c.W.Int(int64(g.ranges[0].First))
		c.W.Int(int64(g.ranges[0].Last))
		for _, id := range g.nodes {
			c.slotsNode(&v.members[id].Node)
		}
	}
}

// slotsNode writes a node of CLUSTER SLOTS: preferred endpoint, port, ID, and
// what else is known of its addresses.
func (c *Ctx) slotsNode(n *slotmap.Node) {
	preferred := c.d.preferredEndpoint()
	c.W.Array(4)
	c.endpoint(n)
	c.W.Int(int64(cluster.PortOf(n, c.Client.TLS())))
	c.W.BulkString(string(n.ID))
	withIP := preferred != endpointIP
	withHostname := preferred != endpointHostname && n.Hostname != ""
	fields := 0
	for _, with := range []bool{withIP, withHostname} {
		if with {
			fields++
		}
	}
	c.W.Map(fields)
	if withIP {
		c.W.BulkString("ip")
		c.W.BulkString(n.Host)
	}
	if withHostname {
		c.W.BulkString("hostname")
		c.W.BulkString(n.Hostname)
	}
}

// clusterShards: slots with the same primary and the same replicas are a shard,
// and so is a node that holds none.
func clusterShards(c *Ctx) {
	c.awaitMap()
	v := c.d.clusterView()
	var groups []slotGroup
	holding := make(map[slotmap.NodeID]bool)
	for _, s := range v.spans() {
		if v.members[s.Primary] == nil {
			continue
		}
		nodes := v.holders(s.Assignment, false)
		for _, id := range nodes {
			holding[id] = true
		}
		i := slices.IndexFunc(groups, func(g slotGroup) bool {
			return slices.Equal(g.nodes, nodes) && slices.Equal(g.inSync, s.InSync)
		})
		if i < 0 {
			groups = append(groups, slotGroup{nodes: nodes, inSync: s.InSync})
			i = len(groups) - 1
		}
		groups[i].ranges = append(groups[i].ranges, s.Range)
	}
	for _, m := range v.info.Members {
		if !holding[m.ID] {
			groups = append(groups, slotGroup{nodes: []slotmap.NodeID{m.ID}})
		}
	}
	info := c.d.replicationInfo()
	c.W.Array(len(groups))
	for _, g := range groups {
		ranges := g.ranges.Normalize()
		c.W.Map(2)
		c.W.BulkString("slots")
		c.W.Array(2 * len(ranges))
		for _, r := range ranges {
			c.W.Int(int64(r.First))
			c.W.Int(int64(r.Last))
		}
		c.W.BulkString("nodes")
		c.W.Array(len(g.nodes))
		for i, id := range g.nodes {
			health := "online"
			switch m := v.members[id]; {
			case m.Health == cluster.Failed:
				health = "fail"
			case i > 0 && !slices.Contains(g.inSync, id):
				health = "loading"
			}
			c.shardsNode(v.members[id], i > 0, health, info.offsetOf(v.members[id]))
		}
	}
}

// offsetOf is what is known here of a node's replication offset, 0 if nothing.
func (r *ReplicationInfo) offsetOf(m *cluster.Member) uint64 {
	if m.Self {
		return r.Offset
	}
	for _, l := range r.Replicas {
		if l.NodeID == string(m.ID) {
			return l.Offset
		}
	}
	for _, l := range r.Primaries {
		if l.NodeID == string(m.ID) {
			return l.Offset
		}
	}
	return 0
}

// shardsNode writes a node of CLUSTER SHARDS.
func (c *Ctx) shardsNode(m *cluster.Member, replica bool, health string, offset uint64) {
	fields := 6
	for _, with := range []bool{m.ClientPort != 0, m.TLSPort != 0, m.Hostname != ""} {
		if with {
			fields++
		}
	}
	role := "master"
	if replica {
		role = "replica"
	}
	c.W.Map(fields)
	c.W.BulkString("id")
	c.W.BulkString(string(m.ID))
	if m.ClientPort != 0 {
		c.W.BulkString("port")
		c.W.Int(int64(m.ClientPort))
	}
	if m.TLSPort != 0 {
		c.W.BulkString("tls-port")
		c.W.Int(int64(m.TLSPort))
	}
	c.W.BulkString("ip")
	c.W.BulkString(m.Host)
	c.W.BulkString("endpoint")
	c.endpoint(&m.Node)
	if m.Hostname != "" {
		c.W.BulkString("hostname")
		c.W.BulkString(m.Hostname)
	}
	c.W.BulkString("role")
	c.W.BulkString(role)
	c.W.BulkString("replication-offset")
	c.W.Uint(offset)
	c.W.BulkString("health")
	c.W.BulkString(health)
}

func clusterNodes(c *Ctx) {
	c.awaitMap()
	v := c.d.clusterView()
	var text []byte
	for i := range v.info.Members {
		m := &v.info.Members[i]
		text = append(v.appendNode(text, m, v.following(m), c.Client.TLS()), '\n')
	}
	c.W.Verbatim("txt", string(text))
}

// clusterReplicas lists the nodes that replicate any slot of a primary, in that
// role: clients take lines that say "slave" only, and a node of ours is mostly
// primary of other slots as well.
func clusterReplicas(c *Ctx) {
	v := c.d.clusterView()
	primary := c.member(&v.info, c.Args[2])
	if primary == nil {
		return
	}
	if primaryFollowed(v.info.Map, primary.ID) != "" {
		c.W.Error(errNotMaster)
		return
	}
	replicas := make(map[slotmap.NodeID]bool)
	for _, s := range v.info.Map.Spans() {
		if s.Primary == primary.ID {
			for _, id := range s.Replicas {
				replicas[id] = true
			}
		}
	}
	list := c.W.Defer()
	n := 0
	for i := range v.info.Members {
		if m := &v.info.Members[i]; replicas[m.ID] {
			c.W.Bulk(v.appendNode(nil, m, primary.ID, c.Client.TLS()))
			n++
		}
	}
	c.W.SetArray(list, n)
}

// following is whose replica a member is shown as: of whom it has all its slots, or
// was told to follow before there is a cluster.
func (v *clusterView) following(m *cluster.Member) slotmap.NodeID {
	primary := primaryFollowed(v.info.Map, m.ID)
	if m.Self && primary == "" {
		primary = v.info.Given.Follows
	}
	return primary
}

// appendNode appends a node's line of CLUSTER NODES, without line break, with
// its port for clients that use TLS or do not. following is the primary as whose
// replica it is shown; empty: as a primary.
func (v *clusterView) appendNode(dst []byte, m *cluster.Member, following slotmap.NodeID, tls bool) []byte {
	dst = append(dst, m.ID...)
	dst = append(dst, ' ')
	dst = append(dst, m.Host...)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, int64(cluster.PortOf(&m.Node, tls)), 10)
	dst = append(dst, '@')
	dst = strconv.AppendInt(dst, int64(m.ClusterPort), 10)
	if m.Hostname != "" {
		dst = append(dst, ',')
		dst = append(dst, m.Hostname...)
	}
	dst = append(dst, ' ')
	dst = v.appendFlags(dst, m, following)
	dst = append(dst, ' ')
	if following != "" {
		dst = append(dst, following...)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, m.PingSentMillis, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, m.PongMillis, 10)
	dst = append(dst, ' ')
	owner := m.ID
	if following != "" {
		owner = following
	}
	dst = strconv.AppendUint(dst, v.epochOf(owner), 10)
	if m.Self || m.Health == cluster.Alive {
		dst = append(dst, " connected"...)
	} else {
		dst = append(dst, " disconnected"...)
	}
	if following != "" {
		return dst
	}
	own := v.info.Map.PrimaryOf(m.ID)
	if m.Self && !v.info.Map.Formed() {
		own = v.info.Given.Slots
	}
	for _, r := range own {
		dst = append(dst, ' ')
		dst = append(dst, r.String()...)
	}
	return dst
}

func (v *clusterView) appendFlags(dst []byte, m *cluster.Member, following slotmap.NodeID) []byte {
	if m.Self {
		dst = append(dst, "myself,"...)
	}
	if v.info.Map.Formed() && v.info.Map.Node(m.ID) == nil && !m.Self {
		dst = append(dst, "handshake"...) // met, not yet a member
	} else if following != "" {
		dst = append(dst, "slave"...)
	} else {
		dst = append(dst, "master"...)
	}
	switch m.Health {
	case cluster.Suspect:
		dst = append(dst, ",fail?"...)
	case cluster.Failed:
		dst = append(dst, ",fail"...)
	}
	if m.Host == "" {
		dst = append(dst, ",noaddr"...)
	}
	return dst
}

// epochOf is the highest config epoch of the slots that a node is primary of.
func (v *clusterView) epochOf(id slotmap.NodeID) uint64 {
	epoch := uint64(0)
	for _, s := range v.info.Map.Spans() {
		if s.Primary == id {
			epoch = max(epoch, s.Epoch)
		}
	}
	return epoch
}
