package cluster

import (
	"slices"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// Info is a consistent picture of the map, with how the members look from
// here.
func (n *Node) Info() Info {
	t := n.router.current.Load()
	m := t.m
	info := Info{
		Map: m, Self: n.id, Controller: *n.controller.Load(), Lease: n.router.serving(),
		Counters: *n.counters.Load(), Given: n.Given(),
	}
	info.Messages = n.peers.kinds.snapshot()
	info.Counters.MessagesSent, info.Counters.MessagesReceived = n.peers.sent.Load(), n.peers.received.Load()
	info.Counters.BytesSent, info.Counters.BytesReceived = n.peers.bytesSent.Load(), n.peers.bytesReceived.Load()
	alive := map[slotmap.NodeID]bool{n.id: true}
	met := n.members()
	info.Links = n.contacts.links(n.peers.links(), met)
	slices.SortFunc(info.Links, LinkStat.compare)
	for _, g := range met {
		alive[g.id] = true
	}
	pongs, lost := n.contacts.snapshot()
	for _, node := range m.Nodes() {
		if node.ID == n.id {
			node = n.described(node) // at once, before the map has it
		}
		member := Member{Node: node, Self: node.ID == n.id, Controller: node.ID == info.Controller, Health: Unknown}
		switch {
		case alive[node.ID]:
			member.Health = Alive
		case node.State == slotmap.NodeFailed || node.State == slotmap.NodeStopped:
			member.Health = Failed
		default:
			member.Health = Suspect
		}
		member.PongMillis = pongs[node.ID]
		if member.Health != Alive {
			member.Failures = len(alive)
			member.PingSentMillis = lost[node.ID]
		}
		info.Members = append(info.Members, member)
	}
	for _, g := range met {
		if m.Node(g.id) == nil && !m.IsForgotten(g.id) {
			given, _ := slotmap.ParseRanges(g.meta.Given) // it was looked at when it came
			info.Members = append(info.Members, Member{Health: Alive, PongMillis: pongs[g.id], Given: given, Node: slotmap.Node{
				ID: g.id, Host: g.meta.Host, ClusterPort: g.meta.Port, Boot: g.boot,
				ClientPort: g.meta.ClientPort, TLSPort: g.meta.TLSPort}})
		}
	}
	if m.Node(n.id) == nil {
		info.Members = append(info.Members, Member{Node: n.described(n.self), Self: true, Health: Alive, Given: info.Given.Slots})
	}
	slices.SortFunc(info.Members, func(a, b Member) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	for _, s := range m.Spans() {
		node := m.Node(s.Primary)
		if node == nil {
			continue
		}
		info.SlotsAssigned += s.Len()
		switch {
		case node.State == slotmap.NodeFailed:
			info.SlotsFail += s.Len()
		case !alive[node.ID]:
			info.SlotsPFail += s.Len()
		default:
			info.SlotsOK += s.Len()
		}
		if s.Primary == n.id {
			info.MyEpoch = max(info.MyEpoch, s.Epoch)
		}
	}
	info.OK = info.Lease && (t.covered || !n.router.fullCoverage.Load())
	return info
}

var _ control.AgentEnv = (*nodeEnv)(nil)
var _ control.ControllerEnv = (*nodeEnv)(nil)
