package cluster

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/raft"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// Formation. A fresh node (no raft state) that sees no formed cluster in gossip
// votes for the fresh node with the lowest ID among those it sees, once they
// are as many as expected, itself included. The vote is in its gossip
// metadata. A node that votes for itself and sees that expect-1 others vote
// for it bootstraps raft with exactly these.
//
// A vote is kept until its candidate has visibly voted for somebody else: by
// then the candidate has given up, and since it bootstraps only while its own
// vote is for itself, it never will. So two candidates cannot both gather the
// votes of one node, and exactly one cluster forms. A candidate that dies is
// given up after a long while; if it had bootstrapped, it comes back with raft
// state and finds the others fresh: it needs a majority of them to go on, and
// they answer it, or have formed without it under another cluster ID, which it
// is told about and refuses to mix with.

// candidateGone is how many node timeouts a dead candidate is remembered.
const candidateGone = 30

// gossipMeta is called by memberlist.
func (n *Node) gossipMeta() []byte {
	n.gossipMu.Lock()
	defer n.gossipMu.Unlock()
	return n.myMeta.encode()
}

// setMeta changes what this node says about itself and spreads it.
func (n *Node) setMeta(change func(*meta)) {
	n.gossipMu.Lock()
	before := n.myMeta
	change(&n.myMeta)
	changed := n.myMeta != before
	n.gossipMu.Unlock()
	if changed && n.gossip != nil {
		if err := n.gossip.UpdateNode(n.cfg.NodeTimeout); err != nil {
			n.log.Debug("gossip update", "error", err)
		}
	}
}

// gossipChanged is called by memberlist, under its lock.
func (n *Node) gossipChanged(node *memberlist.Node, state control.Life) {
	id, boot, err := parseGossipName(node.Name)
	if err != nil || id == n.id {
		return
	}
	m, err := decodeMeta(node.Meta)
	if err != nil {
		n.log.Debug("gossip", "member", node.Name, "error", err)
		return
	}
	n.gossipMu.Lock()
	n.seen[node.Name] = gossipMember{id: id, boot: boot, meta: m, state: state}
	if state == control.Failed {
		// An older process of a node says nothing about the newer one.
		for _, other := range n.seen {
			if other.id == id && other.state == control.Alive {
				state = control.Alive
			}
		}
		if m.Vote == "" {
			delete(n.seen, node.Name)
		}
	}
	mine := n.myMeta.Cluster
	n.gossipMu.Unlock()
	if mine != "" && m.Cluster != "" && m.Cluster != mine {
		n.log.Warn("a node of another cluster is in gossip: ignored", "about", id, "cluster", m.Cluster)
		return
	}
	select { // memberlist must not wait; the state is looked at again each second
	case n.loop <- func() { n.ctl.Gossip(id, state) }:
	default:
	}
}

// runMembership joins the seeds, again whenever one is missing, and forms a
// cluster when that is this node's part.
func (n *Node) runMembership() {
	every := max(n.cfg.NodeTimeout/4, 50*time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var nextJoin time.Time
	candidateLost := map[slotmap.NodeID]time.Time{}
	for {
		if now := time.Now(); now.After(nextJoin) {
			nextJoin = now.Add(max(time.Second, n.cfg.NodeTimeout))
			n.joinSeeds()
		}
		if n.cfg.Expect > 0 && !n.raft.existing && n.raft.LastIndex() == 0 {
			n.vote(candidateLost)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// joinSeeds meets the seeds and the members of the map that gossip does not
// know: after a restart of everybody, the map remembers where they were.
func (n *Node) joinSeeds() {
	n.gossipMu.Lock()
	known := map[string]bool{net.JoinHostPort(n.self.Host, strconv.Itoa(n.self.ClusterPort)): true}
	ids := map[slotmap.NodeID]bool{n.id: true}
	for _, s := range n.seen {
		if s.state == control.Alive {
			known[net.JoinHostPort(s.meta.Host, strconv.Itoa(s.meta.Port))] = true
			ids[s.id] = true
		}
	}
	n.gossipMu.Unlock()
	var missing []string
	for _, seed := range n.cfg.Seeds {
		if !known[seed] && !known[resolved(seed)] {
			missing = append(missing, seed)
		}
	}
	for _, node := range n.fsm.latest.Load().Nodes() {
		if !ids[node.ID] {
			missing = append(missing, net.JoinHostPort(node.Host, strconv.Itoa(node.ClusterPort)))
		}
	}
	for _, addr := range missing {
		if n.ctx.Err() != nil {
			return
		}
		if _, err := n.gossip.Join([]string{addr}); err != nil {
			n.log.Debug("not reached yet", "address", addr, "error", err)
		}
	}
	n.post(func() {
		for _, s := range n.members() {
			n.ctl.Gossip(s.id, s.state)
		}
	})
}

// resolved is the seed with its name looked up, to recognise nodes that
// announce an address.
func resolved(seed string) string {
	addr, err := net.ResolveTCPAddr("tcp", seed)
	if err != nil {
		return seed
	}
	return addr.String()
}

// members are the processes seen alive, of this cluster or of none.
func (n *Node) members() []gossipMember {
	n.gossipMu.Lock()
	defer n.gossipMu.Unlock()
	var out []gossipMember
	for _, s := range n.seen {
		if s.state == control.Alive && (s.meta.Cluster == "" || n.myMeta.Cluster == "" || s.meta.Cluster == n.myMeta.Cluster) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b gossipMember) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return out
}

// vote takes the next step of formation.
func (n *Node) vote(lost map[slotmap.NodeID]time.Time) {
	members := n.members()
	votes := map[slotmap.NodeID]slotmap.NodeID{}
	lowest := n.id
	for _, m := range members {
		if m.meta.Cluster != "" {
			return // there is a cluster: it takes this node in
		}
		votes[m.id] = m.meta.Vote
		if m.id < lowest {
			lowest = m.id
		}
	}
	if len(votes)+1 < n.cfg.Expect {
		return
	}
	n.gossipMu.Lock()
	mine := n.myMeta.Vote
	n.gossipMu.Unlock()
	switch theirs, there := votes[mine]; {
	case mine == "" || mine == n.id && lowest < n.id:
		n.setMeta(func(my *meta) { my.Vote = lowest })
	case mine == n.id:
		n.bootstrap(votes)
	case there && theirs != "" && theirs != mine:
		n.setMeta(func(my *meta) { my.Vote = lowest })
	case !there:
		if lost[mine].IsZero() {
			lost[mine] = time.Now()
		}
		if time.Since(lost[mine]) > candidateGone*n.cfg.NodeTimeout {
			n.setMeta(func(my *meta) { my.Vote = lowest })
		}
	default:
		delete(lost, mine)
	}
}

// bootstrap forms the cluster with the nodes that vote for this one, when they
// are enough. Of them, an odd number up to five are raft voters.
func (n *Node) bootstrap(votes map[slotmap.NodeID]slotmap.NodeID) {
	with := []slotmap.NodeID{n.id}
	for id, vote := range votes {
		if vote == n.id {
			with = append(with, id)
		}
	}
	if len(with) < n.cfg.Expect {
		return
	}
	slices.Sort(with)
	with = with[:n.cfg.Expect] // this node is the lowest, so it is among them
	voters := min(5, len(with))
	if voters%2 == 0 {
		voters--
	}
	var servers []raft.Server
	for i, id := range with {
		addr, ok := n.address(id)
		if !ok {
			return
		}
		s := raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(addr)}
		if i >= voters {
			s.Suffrage = raft.Nonvoter
		}
		servers = append(servers, s)
	}
	if err := n.raft.BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
		n.log.Error("forming the cluster", "error", err)
		return
	}
	n.log.Info("forming a cluster", "nodes", len(with))
}

// Meet makes this node and the one at host:clusterPort know each other. A node
// that belongs to no cluster is taken into the other's.
func (n *Node) Meet(ctx context.Context, host string, clusterPort int) error {
	done := make(chan error, 1)
	n.goRun(func() {
		_, err := n.gossip.Join([]string{net.JoinHostPort(host, strconv.Itoa(clusterPort))})
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ctx.Done():
		return ErrClosed
	}
}
