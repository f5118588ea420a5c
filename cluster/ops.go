package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// Route decides who serves slot for a client. readonly: the connection sent
// READONLY; asking: it sent ASKING just before; write: the command may change
// the keyspace. No lock is needed, and none is taken.
//
// asking changes nothing: a slot has one place at any moment, its new owner
// serves it from the commit of a move on, and never before.
func (n *Node) Route(slot uint16, readonly, _, write bool) Decision {
	return n.router.route(slot, readonly, write)
}

// Mine reports whether Route answers Here as long as the lease is valid: the
// slot is this node's by the map, and open. Admit looks at the lease.
func (n *Node) Mine(slot uint16) bool { return n.router.mine(slot) }

// Admit looks again under the lock of the slot's shard, right before the
// command runs.
func (n *Node) Admit(slot uint16, write bool) Admission { return n.router.admit(slot, write) }

// Serving reports whether this node's lease is valid now. A reply to a write
// that is held back for long should be sent only if it is.
func (n *Node) Serving() bool { return n.router.serving() }

// Returning is not nil while this node, a member before its process started, has not heard
// of the map since; closed when to look again.
func (n *Node) Returning() <-chan struct{} { return n.router.returning() }

// Map is the map that this node routes by.
func (n *Node) Map() *slotmap.Map { return n.router.current.Load().m }

// HandleReplication installs the receiver of replication links. Before it is
// called they are refused.
func (n *Node) HandleReplication(h mux.Handler) { n.mux.Handle(mux.Replication, h) }

// DialReplication opens a replication link to a member at its current address.
// The caller owns the connection.
func (n *Node) DialReplication(ctx context.Context, id slotmap.NodeID) (net.Conn, error) {
	return n.dial(ctx, id, mux.Replication)
}

func (n *Node) dial(ctx context.Context, id slotmap.NodeID, p mux.Protocol) (net.Conn, error) {
	addr, ok := n.address(id)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknownNode, id)
	}
	return n.mux.Dial(ctx, addr, p)
}

// LinkBroken tells that a connection to that node ended unexpectedly: a reason
// to look at once whether it is still there.
func (n *Node) LinkBroken(id slotmap.NodeID) {
	n.post(func() {
		n.ctl.Broken(id)
		if to := n.agent.Controller(); to != "" && to != n.id && to != id {
			n.peers.send(to, &control.LinkBroken{Node: id})
		}
	})
}

// CopiesChanged tells that copies of this node became complete, or ceased to be:
// whoever waits for that is to hear of it. It does not wait.
func (n *Node) CopiesChanged() {
	if n.copiesTold.CompareAndSwap(false, true) {
		time.AfterFunc(n.timing.Soon, func() {
			n.copiesTold.Store(false)
			n.post(n.agent.Tick)
		})
	}
}

// EffectsLost tells that this node dropped acknowledged effects of a slot,
// because a failover had gone on without them. Losses are told as one event for
// all slots of about a second.
func (n *Node) EffectsLost(slot uint16, effects uint64) {
	n.lossMu.Lock()
	defer n.lossMu.Unlock()
	if len(n.lossSlots) == 0 {
		time.AfterFunc(time.Second, n.tellLoss)
	}
	n.lossSlots = append(n.lossSlots, slotmap.Range{First: slot, Last: slot})
	n.lossEffects += effects
}

func (n *Node) tellLoss() {
	n.lossMu.Lock()
	slots, effects := n.lossSlots.Normalize(), n.lossEffects
	n.lossSlots, n.lossEffects = nil, 0
	n.lossMu.Unlock()
	n.emit(Event{Kind: control.EventEffectsLost, Node: n.id, Slots: slots, Lost: effects,
		Reason: "acknowledged here, not on the history of the new primary"})
}

// request asks the controller, again while it does not answer.
func (n *Node) request(ctx context.Context, op control.Op, about slotmap.NodeID, slots ...slotmap.Range) error {
	return n.ask(ctx, &control.Request{Op: op, Node: about, Slots: slots})
}

// refusal is the error for an answer of the controller.
func refusal(text string) error { return fmt.Errorf("%w: %s", ErrRefused, text) }

// ask is request with all that a request may say.
func (n *Node) ask(ctx context.Context, r *control.Request) error {
	answer := make(chan string, 1)
	n.requestMu.Lock()
	n.requestID++
	r.ID = n.requestID
	id := r.ID
	n.requests[id] = answer
	n.requestMu.Unlock()
	defer func() {
		n.requestMu.Lock()
		delete(n.requests, id)
		n.requestMu.Unlock()
	}()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNoController, context.Cause(ctx))
		case <-n.ctx.Done():
			return ErrClosed
		case text := <-answer:
			if text != "" {
				return refusal(text)
			}
			return nil
		case <-again.C:
			n.post(func() {
				if to := n.agent.Controller(); to != "" {
					(&nodeEnv{n}).Send(to, r)
				}
			})
			again.Reset(n.timing.Renew)
		}
	}
}

func (n *Node) answered(r *control.Response) {
	n.requestMu.Lock()
	defer n.requestMu.Unlock()
	if c := n.requests[r.ID]; c != nil {
		select {
		case c <- r.Err:
		default:
		}
	}
}

// waitMap waits until the map is as wanted.
func (n *Node) waitMap(ctx context.Context, wanted func(*slotmap.Map) bool) error {
	for {
		t := n.router.current.Load()
		if wanted(t.m) {
			return nil
		}
		select {
		case <-t.wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-n.ctx.Done():
			return ErrClosed
		}
	}
}

// Shutdown is the planned stop: every primary is handed over, then the node
// closes. It stays a member that is expected back. When ctx ends first, or
// nobody can take over, it closes anyway and says why; else it calls handed, which
// may be nil, while it still knows who serves what.
func (n *Node) Shutdown(ctx context.Context, handed func()) error {
	err := n.handOver(ctx)
	if err != nil {
		err = fmt.Errorf("handing over: %w", err)
	} else {
		n.stepDown(ctx)
		if handed != nil {
			handed()
		}
	}
	return errors.Join(err, n.Close())
}

// handOver returns once this node is primary of nothing. It gives up when that
// cannot come true: nobody else is active (everybody stops at once), or no
// controller has been there for a whole node timeout.
func (n *Node) handOver(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n.goRun(func() {
		tick := time.NewTicker(n.timing.Renew)
		defer tick.Stop()
		served := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-n.ctx.Done():
				return
			case <-tick.C:
			}
			if n.Serving() {
				served = time.Now()
			}
			if time.Since(served) > n.cfg.NodeTimeout {
				cancel(ErrNoController)
				return
			}
		}
	})
	if err := n.request(ctx, control.OpStop, n.id); err != nil {
		return err
	}
	var left error
	err := n.waitMap(ctx, func(m *slotmap.Map) bool {
		self, others := m.Node(n.id), 0
		for _, node := range m.Nodes() {
			if node.ID != n.id && node.State == slotmap.NodeActive {
				others++
			}
		}
		if self == nil || self.State != slotmap.NodeStopped {
			return false
		}
		if len(m.PrimaryOf(n.id)) > 0 && others == 0 {
			left = ErrNobodyLeft
			return true
		}
		return len(m.PrimaryOf(n.id)) == 0
	})
	return errors.Join(err, left)
}

// stepDown waits for another controller, and to be missed by no quorum: of an
// even number of voters this node is made a non-voter first.
func (n *Node) stepDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*n.cfg.NodeTimeout)
	defer cancel()
	tick := time.NewTicker(n.timing.Tick)
	defer tick.Stop()
	for {
		voters, votes := 0, false
		for _, s := range n.raftServers() {
			if s.Voter {
				voters++
				votes = votes || s.ID == n.id
			}
		}
		if n.raft.leader() != n.id && (!votes || voters%2 == 1) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Leave moves everything away from this node, makes the cluster forget it,
// closes it, and wipes its cluster state: started again, it is a new node.
func (n *Node) Leave(ctx context.Context) error {
	if err := n.leave(ctx); err != nil {
		return err
	}
	return errors.Join(n.Close(), wipe(n.cfg.DataDir, false))
}

// leave returns when the cluster has forgotten this node.
func (n *Node) leave(ctx context.Context) error {
	if err := n.request(ctx, control.OpLeave, n.id); err != nil {
		return err
	}
	if err := n.waitMap(ctx, func(m *slotmap.Map) bool { return m.IsForgotten(n.id) }); err != nil {
		return err
	}
	if err := n.gossip.Leave(n.cfg.NodeTimeout); err != nil {
		n.log.Debug("gossip leave", "error", err)
	}
	return nil
}

// MoveSlots makes a member primary of slots, and with wait returns when it is;
// else when the controller has accepted. Placement leaves the slots where they
// are until the members change.
func (n *Node) MoveSlots(ctx context.Context, slots slotmap.Ranges, to slotmap.NodeID, wait bool) error {
	if n.Map().Node(to) == nil {
		return fmt.Errorf("%w: %s", ErrUnknownNode, to)
	}
	for {
		if err := n.request(ctx, control.OpMove, to, slots...); err != nil || !wait {
			return err
		}
		// A controller that is new has not heard of it: asked again.
		some, cancel := context.WithTimeout(ctx, 2*n.cfg.NodeTimeout)
		err := n.waitMap(some, func(m *slotmap.Map) bool { return len(slots.Subtract(m.PrimaryOf(to))) == 0 })
		cancel()
		if err == nil || ctx.Err() != nil || n.ctx.Err() != nil {
			return err
		}
	}
}

// KeepSlots ends moves that MoveSlots asked for. Slots that are being handed
// over already still move.
func (n *Node) KeepSlots(ctx context.Context, slots slotmap.Ranges) error {
	return n.request(ctx, control.OpKeep, n.id, slots...)
}

// Forget removes a node that is gone for good; one that is there and primary of
// nothing leaves. One that was forgotten before is no error.
func (n *Node) Forget(ctx context.Context, id slotmap.NodeID) error {
	m := n.Map()
	switch {
	case id == n.id:
		return ErrForgetSelf
	case m.IsForgotten(id):
		return nil
	case m.Node(id) == nil:
		return fmt.Errorf("%w: %s", ErrUnknownNode, id)
	}
	if err := n.request(ctx, control.OpForget, id); err != nil {
		return err
	}
	return n.waitMap(ctx, func(m *slotmap.Map) bool { return m.IsForgotten(id) })
}

// Failover makes this node primary of what it replicates. It returns when the
// controller has accepted; the change shows in the map.
func (n *Node) Failover(ctx context.Context, mode FailoverMode) error {
	slots := n.Map().ReplicaOf(n.id)
	if len(slots) == 0 {
		return ErrNotReplica
	}
	op := control.OpTakeover
	if mode != FailoverPlanned {
		op = control.OpForce
	}
	err := n.request(ctx, op, n.id)
	if err == nil {
		n.goRun(func() { n.insist(op, slots) })
	}
	return err
}

// In node timeouts: how often, and how long, a take-over is asked for again.
const (
	insistEvery = 5
	insistFor   = 30
)

// insist asks again for a take-over that does not come about, and at once where
// there is another controller: it remembers nothing of the one before, and a
// forced take-over of what the controller itself has ends its term. Slots that this node was primary of once
// are not asked for again.
func (n *Node) insist(op control.Op, slots slotmap.Ranges) {
	ctx, cancel := context.WithTimeout(n.ctx, insistFor*n.cfg.NodeTimeout)
	defer cancel()
	tick := time.NewTicker(n.timing.Renew)
	defer tick.Stop()
	asked, by := time.Now(), *n.controller.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if slots = slots.Intersect(n.Map().ReplicaOf(n.id)); len(slots) == 0 {
			return
		}
		now := *n.controller.Load()
		if time.Since(asked) < insistEvery*n.cfg.NodeTimeout && now == by {
			continue
		}
		by = now
		if err := n.request(ctx, op, n.id, slots...); err != nil {
			n.log.Debug("take-over asked for again", "error", err)
		}
		asked = time.Now()
	}
}

// Runtime are the settings that may change while the node runs; see Config.
type Runtime struct {
	RequireFullCoverage bool
	AllowReadsWhenDown  bool
	ReplicaMaxLag       time.Duration

	MoveConcurrency, MoveSlots int
	MoveTimeout, ReturnTimeout time.Duration
	TrustRefused               bool
}

// SetSecrets changes the secret among the nodes, for connections and gossip from
// now on. The node has been started.
func (n *Node) SetSecrets(secret, accept string) error {
	c := Config{Secret: secret, SecretAccept: accept}
	if err := n.transport.setSecrets(c.secrets()); err != nil {
		return err
	}
	n.mux.SetSecrets(secret, accept)
	return nil
}

// SetRuntime makes new settings hold, from the next command on.
func (n *Node) SetRuntime(r Runtime) {
	n.router.fullCoverage.Store(r.RequireFullCoverage)
	n.router.readsDown.Store(r.AllowReadsWhenDown)
	n.replicaMaxLag.Store(r.ReplicaMaxLag.Milliseconds())
	n.post(func() {
		n.ctl.SetPolicy(func(p *control.Policy) {
			p.MoveConcurrency, p.MoveSlots, p.MoveTimeout = r.MoveConcurrency, r.MoveSlots, r.MoveTimeout
			p.ReturnTimeout, p.TrustRefused = r.ReturnTimeout, r.TrustRefused
		})
	})
}

// SetReplicas makes the whole cluster keep that many replicas of each slot. To
// be called on every node: whichever leads sees to it.
func (n *Node) SetReplicas(replicas int) {
	n.post(func() {
		n.ctl.SetPolicy(func(p *control.Policy) { p.Replicas, p.SetReplicas = replicas, true })
	})
}
