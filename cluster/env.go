package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/raft"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// nodeEnv is the real world of agent and controller. Its methods are called by
// the loop; what takes time runs elsewhere and posts its answer.
type nodeEnv struct{ *Node }

func (e *nodeEnv) Now() time.Duration { return e.router.now() }
func (e *nodeEnv) Random() uint64     { return rand.Uint64() }
func (e *nodeEnv) Emit(ev Event)      { e.emit(ev) }
func (e *nodeEnv) Term() uint64       { return e.raft.term() }

// Founder is what this node's gossip shows, whether its cluster has formed yet
// or not.
func (e *nodeEnv) Founder() (slotmap.NodeID, bool) {
	e.gossipMu.Lock()
	defer e.gossipMu.Unlock()
	return e.myMeta.Vote, e.mayForm
}

func (e *nodeEnv) Lease(until time.Duration) { e.router.lease(until) }

func (e *nodeEnv) Status() []slotmap.RangeStatus { return e.plane.Status() }

func (e *nodeEnv) Positions(slots slotmap.Ranges) []slotmap.SlotPosition {
	e.router.await(slots)
	return e.plane.Positions(slots)
}

func (e *nodeEnv) Send(to slotmap.NodeID, m control.Message) {
	if to != e.id {
		e.peers.send(to, m)
		return
	}
	// The loop must not wait for itself.
	select {
	case e.loop <- func() { e.deliver(e.id, m) }:
	default:
	}
}

// receive is called by the readers of control connections; done once the
// message has been dealt with.
func (n *Node) receive(from slotmap.NodeID, m control.Message, done func()) {
	n.contacts.heard(from)
	n.post(func() {
		defer done()
		n.deliver(from, m)
	})
}

func (n *Node) deliver(from slotmap.NodeID, m control.Message) {
	if r, ok := m.(*control.Response); ok {
		n.answered(r)
		return
	}
	n.agent.Receive(from, m)
	n.ctl.Receive(from, m)
}

func (e *nodeEnv) Pause(token uint64, slots slotmap.Ranges) {
	e.router.pause(token, slots)
	e.goRun(func() {
		ctx, cancel := context.WithTimeout(e.ctx, e.timing.Handoff)
		defer cancel()
		positions, err := e.plane.Pause(ctx, slots)
		e.post(func() { e.agent.Paused(token, positions, err) })
	})
}

func (e *nodeEnv) Resume(token uint64, slots slotmap.Ranges) {
	if len(slots) > 0 {
		e.plane.Resume(slots)
	}
	e.router.resume(token)
}

func (e *nodeEnv) Confirm(token uint64, positions []slotmap.SlotPosition) {
	e.goRun(func() {
		ctx, cancel := context.WithTimeout(e.ctx, e.timing.Handoff)
		defer cancel()
		err := e.plane.WaitFor(ctx, positions)
		e.post(func() { e.agent.Confirmed(token, err) })
	})
}

func (e *nodeEnv) Propose(entry slotmap.Entry) {
	e.goRun(func() {
		var res slotmap.Result
		data, err := slotmap.Encode(entry)
		if err == nil {
			var answer any
			answer, err = e.raft.apply(data)
			switch answer := answer.(type) {
			case slotmap.Result:
				res = answer
			case error:
				err = answer
			}
		}
		if err != nil {
			e.log.Debug("proposal not accepted", "type", entry.Type(), "error", err)
		}
		e.post(func() {
			e.ctl.MapApplied(e.fsm.latest.Load())
			e.ctl.Proposed(entry, res, err)
		})
	})
}

func (e *nodeEnv) Probe(node slotmap.Node) {
	e.goRun(func() {
		ctx, cancel := context.WithTimeout(e.ctx, e.timing.Lease)
		defer cancel()
		refused := refuses(ctx, net.JoinHostPort(node.Host, strconv.Itoa(node.ClusterPort)))
		e.post(func() { e.ctl.Probed(node.ID, node.Boot, refused) })
	})
}

// refuses reports whether a host answers at addr that nobody listens there.
// Everything else, a time-out above all, says nothing.
func refuses(ctx context.Context, addr string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func (e *nodeEnv) Raft(change control.RaftChange) {
	e.goRun(func() {
		err := e.changeRaft(change)
		if err != nil {
			e.log.Debug("raft membership", "op", change.Op, "about", change.ID.Short(), "error", err)
			select { // not at once again
			case <-time.After(e.timing.Probe):
			case <-e.ctx.Done():
			}
		}
		servers := e.raftServers()
		e.post(func() { e.ctl.RaftDone(servers, err) })
	})
}

func (n *Node) changeRaft(change control.RaftChange) error {
	r, err := n.raft.get()
	if err != nil {
		return err
	}
	id := raft.ServerID(change.ID)
	timeout := 10 * n.cfg.NodeTimeout
	switch change.Op {
	case control.RaftTransfer:
		return r.LeadershipTransfer().Error()
	case control.RaftRemove:
		return r.RemoveServer(id, 0, timeout).Error()
	case control.RaftDemote:
		return r.DemoteVoter(id, 0, timeout).Error()
	}
	addr, ok := n.address(change.ID)
	switch {
	case !ok:
		return ErrUnknownNode
	case change.Op == control.RaftAddVoter:
		return r.AddVoter(id, raftAddress(change.ID, addr), 0, timeout).Error()
	}
	return r.AddNonvoter(id, raftAddress(change.ID, addr), 0, timeout).Error()
}

// raftServers is raft's latest configuration.
func (n *Node) raftServers() []control.RaftServer {
	r, err := n.raft.get()
	if err != nil {
		return nil
	}
	f := r.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	var out []control.RaftServer
	for _, s := range f.Configuration().Servers {
		out = append(out, control.RaftServer{ID: slotmap.NodeID(s.ID), Voter: s.Suffrage == raft.Voter})
	}
	return out
}

// address finds a node's cluster port: what its living process gossips, else
// what the map says.
func (n *Node) address(id slotmap.NodeID) (string, bool) {
	if id == n.id {
		return net.JoinHostPort(n.self.Host, strconv.Itoa(n.self.ClusterPort)), true
	}
	node := n.fsm.latest.Load().Node(id)
	n.gossipMu.Lock()
	defer n.gossipMu.Unlock()
	best := ""
	for _, s := range n.seen {
		if s.id != id || s.state != control.Alive {
			continue
		}
		best = net.JoinHostPort(s.meta.Host, strconv.Itoa(s.meta.Port))
		if node != nil && s.boot != node.Boot {
			return best, true // a newer process than the map knows
		}
	}
	if best == "" && node != nil {
		best = net.JoinHostPort(node.Host, strconv.Itoa(node.ClusterPort))
	}
	return best, best != ""
}
