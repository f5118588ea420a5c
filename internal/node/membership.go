package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/internal/config"
)

// membership is the cluster side of this node: a cluster.Node, and after CLUSTER
// RESET another one. It implements resp.Routing and resp.Shared.
type membership struct {
	n       *Node
	current atomic.Pointer[cluster.Node]

	// resetting is held for a reset, and when the node ends. Before all locks of
	// plane and cluster.
	resetting sync.Mutex
	closed    bool // no reset any more

	mu        sync.Mutex // guards observers; before the feed's locks
	observers []valueObserver
}

type valueObserver struct {
	kind string
	fn   func(name string, value []byte)
}

func (m *membership) Route(slot uint16, readonly, asking, write bool) cluster.Decision {
	return m.current.Load().Route(slot, readonly, asking, write)
}

func (m *membership) Mine(slot uint16) bool { return m.current.Load().Mine(slot) }

func (m *membership) Admit(slot uint16, write bool) cluster.Admission {
	return m.current.Load().Admit(slot, write)
}

func (m *membership) Serving() bool { return m.current.Load().Serving() }

func (m *membership) Returning() <-chan struct{} { return m.current.Load().Returning() }

func (m *membership) Publish(channel, text []byte) { m.current.Load().Publish(channel, text) }

func (m *membership) PublishSlot(slot uint16, channel, text []byte) {
	m.current.Load().PublishSlot(slot, channel, text)
}

func (m *membership) Map() *slotmap.Map { return m.current.Load().Map() }

func (m *membership) ID() slotmap.NodeID { return m.current.Load().ID() }

func (m *membership) Info() cluster.Info { return m.current.Load().Info() }

func (m *membership) Meet(ctx context.Context, host string, clusterPort int) error {
	return m.current.Load().Meet(ctx, host, clusterPort)
}

func (m *membership) Forget(ctx context.Context, id slotmap.NodeID) error {
	return m.current.Load().Forget(ctx, id)
}

func (m *membership) MoveSlots(ctx context.Context, slots slotmap.Ranges, to slotmap.NodeID, wait bool) error {
	return m.current.Load().MoveSlots(ctx, slots, to, wait)
}

func (m *membership) KeepSlots(ctx context.Context, slots slotmap.Ranges) error {
	return m.current.Load().KeepSlots(ctx, slots)
}

func (m *membership) AddSlots(ctx context.Context, slots slotmap.Ranges) error {
	return m.current.Load().AddSlots(ctx, slots)
}

func (m *membership) Forgotten() slotmap.Ranges { return m.current.Load().Forgotten() }

func (m *membership) DropSlots(slots slotmap.Ranges) error {
	return m.current.Load().DropSlots(slots)
}

func (m *membership) SetConfigEpoch(epoch uint64) error {
	return m.current.Load().SetConfigEpoch(epoch)
}

func (m *membership) Replicate(ctx context.Context, primary slotmap.NodeID) error {
	return m.current.Load().Replicate(ctx, primary)
}

func (m *membership) Failover(ctx context.Context, mode cluster.FailoverMode) error {
	return m.current.Load().Failover(ctx, mode)
}

func (m *membership) Leave(ctx context.Context) error { return m.current.Load().Leave(ctx) }

func (m *membership) Propose(ctx context.Context, kind, name string, value []byte) error {
	return m.current.Load().Propose(ctx, kind, name, value)
}

func (m *membership) ProposeAll(ctx context.Context, changes []cluster.ValueChange) error {
	return m.current.Load().ProposeAll(ctx, changes)
}

// Observe implements resp.Shared, for whichever cluster this node belongs to.
func (m *membership) Observe(kind string, fn func(name string, value []byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observers = append(m.observers, valueObserver{kind, fn})
	m.current.Load().Observe(kind, fn)
}

// Reset implements resp.Routing: CLUSTER RESET. This node leaves its cluster and is
// a new one in the same process, without data, that belongs to none and looks for
// none. Clients stay connected.
//
// Where the cluster cannot be asked, it is left without a word, provided that
// nothing is lost by that: no primary of keys is given up.
func (m *membership) Reset(ctx context.Context, hard bool) error {
	m.resetting.Lock()
	defer m.resetting.Unlock()
	if m.closed {
		return cluster.ErrClosed
	}
	old := m.current.Load()
	left := old.Depart(ctx)
	if old.Err() == nil {
		release, err := old.Hold(ctx)
		if err != nil {
			return err
		}
		if old.Primary() && m.n.store.DBSize(0) > 0 {
			release()
			return errors.Join(cluster.ErrPrimaryOfKeys, left)
		}
	}
	if left != nil {
		m.n.log.Warn("this node is reset without its cluster having let it go: CLUSTER FORGET it there", "id", old.ID(), "error", left)
	}
	if err := old.Dissolve(!hard && left == nil); err != nil {
		return err
	}
	m.n.source.Load().Close()
	m.n.plane.empty()
	return m.begin(old)
}

// begin makes this node one that belongs to no cluster, after old.
func (m *membership) begin(old *cluster.Node) error {
	cfg := m.n.live.Config()
	options := m.n.clusterOptions(cfg)
	options.Config.Seeds, options.Config.Expect = nil, 0
	options.Former, options.Aloof = old.Known(), true
	next, err := cluster.New(options)
	if err != nil {
		return err
	}
	m.mu.Lock()
	for _, o := range m.observers {
		next.Observe(o.kind, o.fn)
	}
	m.current.Store(next)
	m.mu.Unlock()
	if err := m.n.buildSource(); err != nil {
		return err
	}
	return m.n.openCluster()
}

// Close ends the cluster side for good.
func (m *membership) Close() error {
	m.resetting.Lock()
	defer m.resetting.Unlock()
	m.closed = true
	return m.current.Load().Close()
}

// clusterOptions are those of a node that this process runs now.
func (n *Node) clusterOptions(cfg *config.Config) cluster.Options {
	return cluster.Options{
		Config: n.clusterConfig(cfg),
		Plane:  n.plane,
		Logger: n.log,
		Acks:   func() int { return acks(n.live.Config().Replication.Durability) },

		Announced: func() cluster.Announced { return announced(n.live.Config()) },
	}
}

// openCluster starts the cluster side and what others reach through it.
func (n *Node) openCluster() error {
	c := n.Cluster()
	if err := c.Start(); err != nil {
		return err
	}
	c.HandlePublished(n.dispatcher.Published)
	c.HandleReplication(n.serveLink)
	if n.observer != nil {
		c.HandleStatus(n.observer.Report)
	}
	return nil
}
