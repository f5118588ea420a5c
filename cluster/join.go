package cluster

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
	"respkv/internal/beat"
)

// seedsEvery is how often the names of seeds are looked up while no member is
// missing: nodes that nobody has told of this cluster may be there by now.
const seedsEvery = 15 * time.Second

// runJoining meets the seeds, and members that gossip has lost, again whenever
// one is missing. Looking up names may take long, so nothing else waits for it.
func (n *Node) runJoining() {
	every := max(time.Second, n.cfg.NodeTimeout)
	tick := beat.NewTicker(every)
	defer tick.Stop()
	seeded := time.Time{}
	for {
		members, complete := n.absent()
		if !complete || time.Since(seeded) >= max(seedsEvery, every) {
			seeded = time.Now()
			members = append(members, n.absentSeeds()...)
		}
		n.join(members)
		n.post(func() {
			for _, s := range n.members() {
				n.ctl.Gossip(s.id, s.state)
			}
		})
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) join(addrs []string) {
	slices.Sort(addrs)
	for _, addr := range slices.Compact(addrs) {
		if n.ctx.Err() != nil {
			return
		}
		if _, err := n.gossip.Join([]string{addr}); err != nil {
			n.log.Debug("not reached yet", "address", addr, "error", err)
		}
	}
}

// present are the addresses and IDs of the processes that gossip sees alive,
// this one among them.
func (n *Node) present() (addrs map[string]bool, ids map[slotmap.NodeID]bool) {
	n.gossipMu.Lock()
	defer n.gossipMu.Unlock()
	addrs = map[string]bool{net.JoinHostPort(n.self.Host, strconv.Itoa(n.self.ClusterPort)): true}
	ids = map[slotmap.NodeID]bool{n.id: true}
	for _, s := range n.seen {
		if s.state == control.Alive {
			addrs[net.JoinHostPort(s.meta.Host, strconv.Itoa(s.meta.Port))] = true
			ids[s.id] = true
		}
	}
	return addrs, ids
}

// absent are where members that gossip does not see were last: as the map
// remembers, or, while no leader has said what of the log is committed, raft's
// configuration. complete says that this node is a member and sees all others.
func (n *Node) absent() (addrs []string, complete bool) {
	_, ids := n.present()
	m := n.fsm.latest.Load()
	for _, node := range m.Nodes() {
		if !ids[node.ID] {
			addrs = append(addrs, net.JoinHostPort(node.Host, strconv.Itoa(node.ClusterPort)))
		}
	}
	if len(m.Nodes()) > 0 {
		return addrs, len(addrs) == 0 && m.Node(n.id) != nil
	}
	servers, err := n.raft.addresses()
	if err != nil {
		n.log.Debug("raft's configuration", "error", err)
	}
	for _, s := range servers {
		if !ids[slotmap.NodeID(s.ID)] {
			addrs = append(addrs, dialAddress(s.Address))
		}
	}
	return addrs, false
}

// absentSeeds are the addresses of the seeds that gossip does not see. A name
// may stand for many nodes, this one among them.
func (n *Node) absentSeeds() []string {
	known, _ := n.present()
	var out []string
	for _, seed := range n.cfg.Seeds {
		if known[seed] {
			continue
		}
		for _, addr := range n.resolved(seed) {
			if !known[addr] {
				out = append(out, addr)
			}
		}
	}
	return out
}

// resolved are the addresses of a seed.
func (n *Node) resolved(seed string) []string {
	host, port, err := net.SplitHostPort(seed)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(n.ctx, max(5*time.Second, n.cfg.NodeTimeout))
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		n.log.Debug("a seed's name is not known yet", "seed", seed, "error", err)
		return nil
	}
	var out []string
	for _, ip := range ips {
		out = append(out, net.JoinHostPort(ip.Unmap().String(), port))
	}
	return out
}
