package cluster

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/raft"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
	"respkv/internal/beat"
)

// Formation: control.Formation decides from what gossip shows; here its steps
// are taken.

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
	if err != nil || id == n.id && boot == n.boot {
		return
	}
	m, err := decodeMeta(node.Meta)
	if err != nil {
		n.log.Debug("gossip", "member", node.Name, "error", err)
		return
	}
	if id == n.id {
		if state == control.Alive && (m.Host != n.self.Host || m.Port != n.self.ClusterPort) {
			n.log.Warn("another process has this node's ID: it is this node's last one, or one of the two has a copy of the other's data_dir",
				"address", net.JoinHostPort(m.Host, strconv.Itoa(m.Port)))
		}
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
	if state != control.Alive {
		n.contacts.silent(id)
	}
	if mine != "" && m.Cluster != "" && m.Cluster != mine {
		n.log.Warn("a node of another cluster is in gossip: ignored", "about", id, "cluster", m.Cluster)
		return
	}
	select { // memberlist must not wait; the state is looked at again each second
	case n.loop <- func() { n.ctl.Gossip(id, state) }:
	default:
	}
}

// runMembership forms a cluster when that is this node's part.
func (n *Node) runMembership() {
	tick := beat.NewTicker(max(n.cfg.NodeTimeout/4, 50*time.Millisecond))
	defer tick.Stop()
	for {
		if err := n.form(); err != nil && n.ctx.Err() == nil {
			n.log.Error("forming the cluster", "error", err)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
	}
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

// openFormation continues a formation that an earlier process has begun, or
// starts raft when there is none. Called before gossip starts.
func (n *Node) openFormation() error {
	vote, err := loadVote(n.cfg.DataDir)
	if err != nil {
		return err
	}
	if n.hand.given, err = loadGiven(n.cfg.DataDir); err != nil {
		return err
	}
	n.myMeta.Slots, n.myMeta.Given = n.hand.given.Slots.Len(), shownGiven(n.hand.given.Slots)
	begun, err := n.raft.begun()
	if err != nil {
		return err
	}
	if begun && vote != "" {
		// The cluster may have formed just before the end, without that being noted.
		// Raft that is held back for nothing keeps passwords from taking effect.
		m, err := n.raft.saved()
		if err != nil {
			return err
		}
		if m != nil && m.Formed() && m.Founder() != "" {
			if err := saveFormed(n.cfg.DataDir, formed{m.ClusterID(), m.Founder()}); err != nil {
				return err
			}
			if err := saveVote(n.cfg.DataDir, ""); err != nil {
				return err
			}
			vote = ""
		}
	}
	n.formation = control.NewFormation(n.id, n.cfg.Expect, n.timing, vote)
	n.myMeta.Vote = vote
	if vote == "" {
		// The others may have ended before they had noted what this node has: they
		// hold raft back until somebody tells them that the cluster has formed,
		// and without them there is no leader to say so.
		if n.formed, err = loadFormed(n.cfg.DataDir); err != nil {
			return err
		}
		n.myMeta.Cluster, n.myMeta.Vote = n.formed.Cluster, n.formed.Founder
		if n.formed != (formed{}) {
			n.router.awaitCluster()
		}
	}
	if begun && vote != "" {
		return nil // raft runs when the votes are in sight
	}
	return n.raft.start()
}

// form takes the next step of formation, until the map names the cluster.
func (n *Node) form() error {
	before := n.formation.Vote()
	if m := n.fsm.latest.Load(); m.Formed() {
		if now := (formed{m.ClusterID(), m.Founder()}); now != n.formed && m.Founder() != "" {
			if err := saveFormed(n.cfg.DataDir, now); err != nil {
				return err
			}
			n.formed = now
		}
		if before == "" {
			return n.settleGiven(m)
		}
		n.formation = control.NewFormation(n.id, n.cfg.Expect, n.timing, "")
		return saveVote(n.cfg.DataDir, "")
	}
	servers, err := n.raft.addresses()
	if err != nil {
		return err
	}
	var group []slotmap.NodeID
	for _, s := range servers {
		group = append(group, slotmap.NodeID(s.ID))
	}
	var seen []control.Seen
	for _, m := range n.members() {
		seen = append(seen, control.Seen{ID: m.id, Vote: m.meta.Vote, Bound: m.meta.Bound, Formed: m.meta.Cluster != "", Slots: m.meta.Slots})
	}
	given := n.Given().Slots
	n.formation.SetSlots(given.Len())
	shown := n.described(n.self)
	n.setMeta(func(my *meta) {
		my.Slots, my.Given = given.Len(), shownGiven(given)
		my.ClientPort, my.TLSPort = shown.ClientPort, shown.TLSPort
	})
	step := n.formation.Step(n.router.now()+1, group, seen)
	if vote := n.formation.Vote(); vote != before {
		if err := saveVote(n.cfg.DataDir, vote); err != nil {
			n.formation = control.NewFormation(n.id, n.cfg.Expect, n.timing, before)
			return err
		}
		n.setMeta(func(my *meta) {
			if my.Cluster == "" {
				my.Vote, my.Bound = vote, false
			}
		})
	}
	n.gossipMu.Lock()
	n.mayForm = step.Form
	n.gossipMu.Unlock()
	if bound := n.formation.Bound(group); bound {
		n.setMeta(func(my *meta) { my.Bound = bound && my.Cluster == "" })
	}
	switch running, _ := n.raft.get(); {
	case step.Discard:
		n.log.Warn("the cluster that this node had begun never formed, another has: joining that")
		if err := n.raft.discard(); err != nil {
			return err
		}
		return n.raft.start()
	case step.Run && running == nil:
		return n.raft.start()
	case !step.Run && running != nil:
		n.log.Warn("the nodes that were to form a cluster with this one are out of sight: waiting for them")
		n.raft.stop()
		n.post(n.ctl.Stop)
	}
	if step.Begin != nil {
		return n.bootstrap(step.Begin)
	}
	return nil
}

// bootstrap begins the cluster with those nodes.
func (n *Node) bootstrap(with []slotmap.NodeID) error {
	voters := control.Voters(with)
	var servers []raft.Server
	for i, id := range with {
		addr, ok := n.address(id)
		if !ok {
			return nil // gone since: looked at again
		}
		s := raft.Server{ID: raft.ServerID(id), Address: raftAddress(id, addr)}
		if i >= len(voters) {
			s.Suffrage = raft.Nonvoter
		}
		servers = append(servers, s)
	}
	r, err := n.raft.get()
	if err != nil {
		return err
	}
	switch err := r.BootstrapCluster(raft.Configuration{Servers: servers}).Error(); {
	case errors.Is(err, raft.ErrCantBootstrap):
		// It once answered an election of a candidate that was given up, and
		// remembers the term. Without an entry in its log that binds nobody.
		return errors.Join(n.raft.discard(), n.raft.start())
	case err != nil:
		return err
	}
	n.log.Info("forming a cluster", "nodes", len(with))
	return nil
}

// Meet makes this node and the one at host:clusterPort know each other. A node
// that belongs to no cluster is taken into the other's.
func (n *Node) Meet(ctx context.Context, host string, clusterPort int) error {
	done := make(chan error, 1)
	n.aloof.Store(false)
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
