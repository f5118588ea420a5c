// Package cluster makes a node part of a cluster: memberlist finds the members,
// raft holds the slot map, package control decides. This package drives it with
// real time, connections and disks, and answers who serves which slot.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/control"
	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
	"respkv/internal/beat"
)

// Node is this process's part in the cluster. Its methods may be called by any
// goroutine after Start.
type Node struct {
	cfg    Config
	timing control.Timing
	plane  DataPlane
	log    *slog.Logger
	opts   Options
	lock   *os.File // on the data directory

	id   slotmap.NodeID
	boot uint64
	self slotmap.Node

	mux    *mux.Mux
	peers  *peers
	pub    *publisher
	router *router
	raft   *raftGroup
	fsm    *fsm
	feed   *valueFeed
	gossip *memberlist.Memberlist

	transport *gossipTransport

	formation *control.Formation // only the goroutine of runMembership
	formed    formed             // noted on disk; as formation

	loop      chan func() // everything that touches agent and controller
	agent     *control.Agent
	ctl       *control.Controller
	mapNotify chan struct{}
	// valueAnswers are awaited by those that propose shared values; loop only.
	valueAnswers map[uint64]chan valueAnswer
	proposing    chan struct{} // one for each that is under way
	events       chan RecentEvent
	recent       recentEvents

	// gossipMu guards what gossip says; it may be taken inside memberlist's
	// callbacks, and nothing else is locked while it is held.
	gossipMu sync.Mutex
	seen     map[string]gossipMember // by gossip name
	myMeta   meta
	mayForm  bool // the formation allows this node, if it leads, to name the cluster

	contacts contacts
	hand     byHand

	// requestMu guards answers awaited from the controller.
	requestMu sync.Mutex
	requests  map[uint64]chan string
	requestID uint64

	lossMu      sync.Mutex // guards losses not told yet; held for no I/O
	lossSlots   slotmap.Ranges
	lossEffects uint64

	replicaMaxLag atomic.Int64 // Runtime.ReplicaMaxLag, milliseconds; 0: no limit

	leaseLost  atomic.Uint64
	slotsLost  atomic.Uint64
	counters   atomic.Pointer[Counters]
	controller atomic.Pointer[slotmap.NodeID]
	hasLease   bool        // loop only: as last told
	copiesTold atomic.Bool // the agent is about to look at its copies
	aloof      atomic.Bool // see Options.Aloof
	fatal      atomic.Pointer[error]

	ctx    context.Context
	cancel context.CancelFunc
	runMu  sync.Mutex // goroutines are started under it, so that none is after the end
	wg     sync.WaitGroup
	closed sync.Once
}

// New prepares a node: it validates the configuration and reads or makes the
// node ID. Nothing listens before Start.
func New(opts Options) (*Node, error) {
	cfg := opts.Config
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	boot, err := newBoot()
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	id, err := loadID(cfg.DataDir)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	log := opts.Logger
	if log == nil {
		log = slog.Default()
	}
	n := &Node{
		cfg: cfg, timing: control.TimingFor(cfg.NodeTimeout), plane: opts.Plane, opts: opts,
		log: log.With("node", id.Short()), lock: lock, id: id, boot: boot,
		loop: make(chan func(), 1024), mapNotify: make(chan struct{}, 1), events: make(chan RecentEvent, 1024),
		seen: map[string]gossipMember{}, requests: map[uint64]chan string{},
		feed: newValueFeed(opts.Former), valueAnswers: map[uint64]chan valueAnswer{}, proposing: make(chan struct{}, maxProposing),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.router = newRouter(id, boot, &cfg)
	n.replicaMaxLag.Store(cfg.ReplicaMaxLag.Milliseconds())
	n.pub = newPublisher(publishSource{node: id, boot: boot}, cfg.NodeTimeout, func(ctx context.Context, to slotmap.NodeID) (net.Conn, error) {
		return n.dial(ctx, to, mux.Publish)
	})
	n.counters.Store(&Counters{})
	n.aloof.Store(opts.Aloof)
	none := slotmap.NodeID("")
	n.controller.Store(&none)
	return n, nil
}

// ID is the node's identity, kept in the data directory.
func (n *Node) ID() slotmap.NodeID { return n.id }

// Boot identifies this process among those of the node: the map is about this
// one when its Boot is equal.
func (n *Node) Boot() uint64 { return n.boot }

// Start binds the cluster port and begins to form or join a cluster in the
// background. On error everything is closed again.
func (n *Node) Start() (err error) {
	if n.mux, err = mux.Listen(n.cfg.Bind, n.cfg.BindPort, mux.Config{Secret: n.cfg.Secret, SecretAccept: n.cfg.SecretAccept, TLS: n.cfg.TLS}, n.log); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = n.Close()
		}
	}()
	host, port := n.cfg.AnnounceHost, n.cfg.AnnouncePort
	if host == "" {
		if host, err = announceable(n.mux.Addrs(), n.cfg.Seeds); err != nil {
			return err
		}
	}
	if port == 0 {
		port = n.mux.Addr().Port
	}
	n.self = n.described(slotmap.Node{
		ID: n.id, Host: host, ClusterPort: port, Zone: n.cfg.Zone, Weight: n.cfg.Weight, Boot: n.boot,
	})
	if err = n.self.Validate(); err != nil {
		return err
	}
	n.myMeta.Host, n.myMeta.Port = host, port
	n.myMeta.ClientPort, n.myMeta.TLSPort = n.self.ClientPort, n.self.TLSPort
	n.fsm = newFSM(n.feed, func() { signal(n.mapNotify) }, n.fail)
	mem := newMemory(receiveBytes)
	n.peers = newPeers(n.id, n.mux, n.address, n.cfg.NodeTimeout, mem, n.log)
	n.peers.receive, n.peers.broken = n.receive, n.LinkBroken
	n.raft = newRaftGroup(filepath.Join(n.cfg.DataDir, "raft"), n.id, n.cfg.NodeTimeout, n.mux, n.address, mem, n.fsm, n.log)
	if err = n.openFormation(); err != nil {
		return err
	}
	n.feed.deliver()
	env := &nodeEnv{n}
	n.agent = control.NewAgent(env, n.timing, n.self, slotmap.New())
	n.agent.SetGiven(n.Given())
	n.ctl = control.NewController(env, n.timing, control.Policy{
		Expect: n.cfg.Expect, Replicas: n.cfg.Replicas, MoveConcurrency: n.cfg.MoveConcurrency,
		MoveSlots: n.cfg.MoveSlots, MoveTimeout: n.cfg.MoveTimeout, ReturnTimeout: n.cfg.ReturnTimeout,
		TrustRefused: n.cfg.TrustRefused,
	}, n.id, slotmap.New())
	n.mux.Handle(mux.Control, n.peers.accept)
	transport, err := newGossipTransport(n.mux, n.cfg.secrets(), host, port, mem, n.log)
	if err != nil {
		return err
	}
	n.transport = transport
	delegate := &gossipDelegate{meta: n.gossipMeta, change: n.gossipChanged, heard: n.contacts.heard, aloof: &n.aloof}
	n.goRun(n.runLoop)
	n.goRun(n.runLeadership)
	n.goRun(n.runEvents)
	n.goRun(n.runSaveValues)
	n.mux.Serve()
	n.gossip, err = memberlist.Create(gossipConfig(&n.cfg, gossipName(n.id, n.boot), transport, delegate, n.log))
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	n.goRun(n.runMaps) // the map tells gossip about the cluster: gossip is there now
	n.goRun(n.runMembership)
	n.goRun(n.runJoining)
	n.log.Info("cluster port open", "address", n.mux.Addr().String(), "announced", net.JoinHostPort(host, strconv.Itoa(port)), "id", string(n.id))
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// goRun runs fn on a goroutine that Close waits for; not at all once the node
// is closing.
func (n *Node) goRun(fn func()) {
	n.runMu.Lock()
	defer n.runMu.Unlock()
	if n.ctx.Err() != nil {
		return
	}
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		fn()
	}()
}

// post hands fn to the loop. It waits while the loop is behind: callers are
// readers of connections and workers, never the loop itself.
func (n *Node) post(fn func()) {
	select {
	case n.loop <- fn:
	case <-n.ctx.Done():
	}
}

// described is self with what may change while the node runs. self is a copy:
// n.self, what the node began with, is read by all goroutines.
func (n *Node) described(self slotmap.Node) slotmap.Node {
	shown := n.cfg.Announced
	if n.opts.Announced != nil {
		shown = n.opts.Announced()
	}
	self.ClientPort, self.TLSPort = shown.ClientPort, shown.ClientTLSPort
	self.Hostname = shown.Hostname
	if n.opts.Acks != nil {
		self.Acks = n.opts.Acks()
	}
	return self
}

// runLoop is the only goroutine that touches agent and controller.
func (n *Node) runLoop() {
	tick := beat.NewTicker(n.timing.Tick)
	defer tick.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case fn := <-n.loop:
			fn()
		case <-tick.C:
			n.agent.SetController(n.raft.leader())
			n.agent.Describe(n.described(n.self))
			n.agent.Tick()
			n.ctl.Tick()
			n.watchLease()
		}
		n.publishCounters()
	}
}

// returnPatience is how many leases after its start a member lets commands wait for
// the cluster: it takes a fraction of one, and two with an election.
const returnPatience = 2

// watchLease tells about the lease coming and going; the gates read the
// deadline themselves.
func (n *Node) watchLease() {
	n.router.expire(n.timing.Collect, returnPatience*n.timing.Lease)
	if n.replicaMaxLag.Load() > 0 || len(n.fsm.latest.Load().ReplicaOf(n.id)) > 0 {
		n.router.setLagging(n.lagging())
	}
	now := n.router.serving()
	if now == n.hasLease {
		return
	}
	n.hasLease = now
	if now {
		n.emit(Event{Kind: control.EventLeaseBack, Node: n.id})
		return
	}
	n.leaseLost.Add(1)
	n.router.wake()
	n.emit(Event{Kind: control.EventLeaseLost, Node: n.id, Reason: "the controller did not renew it in time"})
}

// lagging are the copies that must not answer READONLY clients.
func (n *Node) lagging() slotmap.Ranges {
	var out slotmap.Ranges
	maxLag := n.replicaMaxLag.Load()
	for _, s := range n.plane.Status() {
		if !s.Primary && (!s.CaughtUp || maxLag > 0 && s.LagMs > maxLag) {
			out = append(out, s.Range)
		}
	}
	return out.Normalize()
}

func (n *Node) publishCounters() {
	old := n.counters.Load()
	c := Counters{
		LeasesGranted: n.ctl.Granted, LeasesLost: n.leaseLost.Load(), Failovers: n.ctl.Promoted,
		MovesDone: n.ctl.MovesDone, MovesAborted: n.ctl.MovesAborted, SlotsLost: n.slotsLost.Load(), EffectsLost: n.ctl.EffectsLost,
	}
	if *old != c {
		n.counters.Store(&c)
	}
	if id := n.agent.Controller(); id != *n.controller.Load() {
		n.controller.Store(&id)
	}
}

// runMaps makes the observers of shared values, the data plane and the gates
// follow the log. A map comes after the values that were in the log before it:
// a node knows them before it serves a slot.
func (n *Node) runMaps() {
	var version uint64
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.mapNotify:
		}
		m := n.fsm.latest.Load()
		n.feed.deliver()
		if m.Version() == version {
			continue
		}
		version = m.Version()
		if self := m.Node(n.id); self != nil && self.PrevBoot == n.boot {
			n.fail(fmt.Errorf("another process with this node's ID has taken its place, at %s: is its data_dir a copy of %s?",
				net.JoinHostPort(self.Host, strconv.Itoa(self.ClusterPort)), n.cfg.DataDir))
			return
		}
		n.post(func() { n.ctl.MapApplied(m) })
		n.router.closing(m)
		n.plane.Apply(m)
		n.router.opened()
		n.post(func() { n.agent.MapApplied(m) })
		if m.Formed() {
			n.setMeta(func(my *meta) { my.Cluster, my.Vote = m.ClusterID(), m.Founder() })
		}
	}
}

// runLeadership starts and stops the controller with raft's leadership.
func (n *Node) runLeadership() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case leading := <-n.raft.leading:
			if !leading {
				n.post(n.ctl.Stop)
				continue
			}
			// Entries of earlier terms are decided once one of this term is.
			r, err := n.raft.get()
			if err == nil {
				err = r.Barrier(0).Error()
			}
			if err != nil {
				n.log.Debug("lost the leadership at once", "error", err)
				continue
			}
			term := r.CurrentTerm()
			n.post(func() {
				if n.raft.leader() == n.id {
					n.ctl.Start(term, n.fsm.latest.Load(), n.raftServers())
				}
			})
		}
	}
}

func (n *Node) emit(e Event) {
	select {
	case n.events <- RecentEvent{time.Now(), e}:
	default: // a subscriber that hangs must not hold the cluster
	}
}

func (n *Node) runEvents() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case e := <-n.events:
			n.recent.add(e)
			if e.Kind == control.EventSlotsLost {
				n.slotsLost.Add(uint64(e.Slots.Len()))
			}
			attrs := []any{"event", string(e.Kind), "about", e.Node.Short()}
			if e.Peer != "" {
				attrs = append(attrs, "peer", e.Peer.Short())
			}
			if len(e.Slots) > 0 {
				attrs = append(attrs, "slots", e.Slots.String())
			}
			if e.Reason != "" {
				attrs = append(attrs, "reason", e.Reason)
			}
			if e.Kind == control.EventFailover || e.Lost > 0 {
				attrs = append(attrs, "lost_at_least", e.Lost)
			}
			if e.Took > 0 {
				attrs = append(attrs, "took", e.Took)
			}
			n.log.Info("cluster event", attrs...)
			if n.opts.Events != nil {
				n.opts.Events(e.Event)
			}
		}
	}
}

// fail takes the node out of service: its log holds what it cannot apply, or
// that it has been replaced.
func (n *Node) fail(err error) {
	n.fatal.CompareAndSwap(nil, &err)
	n.router.close()
	n.log.Error("this node cannot go on in the cluster: it stops", "error", err)
	n.cancel()
}

// Err is why the node stopped by itself; nil while it runs.
func (n *Node) Err() error {
	if err := n.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

// Done is closed when the node has stopped, by Close or by itself (see Err).
func (n *Node) Done() <-chan struct{} { return n.ctx.Done() }

// Close stops at once, without goodbye: the others fail this node over. The
// lease ends before the port closes, since a closed port tells the others that
// nothing answers here any more.
func (n *Node) Close() error {
	n.closed.Do(func() {
		n.runMu.Lock()
		n.cancel()
		n.runMu.Unlock()
		n.router.close()
		if n.mux != nil {
			_ = n.mux.Close()
		}
		if n.gossip != nil {
			_ = n.gossip.Shutdown()
		}
		n.pub.close()
		if n.peers != nil {
			n.peers.close()
		}
		if n.raft != nil {
			n.raft.close()
		}
		n.wg.Wait()
		_ = n.lock.Close()
	})
	return nil
}
