package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"respkv/cluster/control"
	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// errRaftStopped says that raft is held back (see control.Formation) or closed.
var errRaftStopped = errors.New("raft is not running")

// raftGroup is raft with its storage. It can be stopped and started again, and
// its state be thrown away: formation needs that. Safe for concurrent use.
type raftGroup struct {
	dir     string
	id      slotmap.NodeID
	timeout time.Duration
	mux     *mux.Mux
	addrs   addressProvider
	mem     *memory
	fsm     *fsm
	slog    *slog.Logger
	log     hclog.Logger
	leading chan bool // this node gained or lost the leadership

	running atomic.Pointer[raftRun] // nil: stopped
	mu      sync.Mutex              // serializes starting and stopping
	closed  bool
	checked bool // the files have been looked at by this process
}

type raftRun struct {
	*raft.Raft
	raftFiles
	transport *raftTransport
}

// IsServer is for the transport.
func (r *raftRun) IsServer(id slotmap.NodeID) bool {
	f := r.GetConfiguration()
	return f.Error() == nil && slices.ContainsFunc(f.Configuration().Servers, func(s raft.Server) bool { return s.ID == raft.ServerID(id) })
}

// EntryTerm is for the transport.
func (r *raftRun) EntryTerm(index uint64) (uint64, bool) {
	var l raft.Log
	if r.store.GetLog(index, &l) != nil {
		return 0, false
	}
	return l.Term, true
}

func newRaftGroup(dir string, id slotmap.NodeID, timeout time.Duration, m *mux.Mux, addrs addressProvider, mem *memory, f *fsm, logger *slog.Logger) *raftGroup {
	return &raftGroup{dir: dir, id: id, timeout: timeout, mux: m, addrs: addrs, mem: mem, fsm: f, slog: logger, leading: make(chan bool, 16),
		log: hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: logWriter{logger}, DisableTime: true})}
}

// begun reports whether there is raft state: a cluster that this node has begun
// or was counted in.
func (g *raftGroup) begun() (bool, error) {
	if r := g.running.Load(); r != nil {
		return r.LastIndex() > 0, nil
	}
	last := uint64(0)
	err := g.read(func(f raftFiles) (err error) {
		last, err = f.store.LastIndex()
		return err
	})
	return last > 0, err
}

// saved is the map of the newest snapshot on disk, nil when there is none; for
// while raft does not run. What is in a snapshot has been committed.
func (g *raftGroup) saved() (m *slotmap.Map, err error) {
	err = g.read(func(f raftFiles) error {
		data, err := f.snapshot()
		if err != nil || data == nil {
			return err
		}
		m, _, err = decodeSnapshot(data)
		return err
	})
	return m, err
}

// addresses are where raft's configuration says that its servers are: what is
// left on disk of the others while raft is held back, or has no leader yet that
// would say which map is committed.
func (g *raftGroup) addresses() (servers []raft.Server, err error) {
	if r := g.running.Load(); r != nil {
		f := r.GetConfiguration()
		return f.Configuration().Servers, f.Error()
	}
	err = g.read(func(f raftFiles) (err error) {
		servers, err = f.servers()
		return err
	})
	return servers, err
}

// read has fn look at the files while raft does not run; fn is not called where
// there are none.
func (g *raftGroup) read(fn func(raftFiles) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := os.Stat(g.path(logFile)); err != nil {
		return g.checkMissing()
	}
	if g.running.Load() != nil {
		return nil // started meanwhile
	}
	files, err := g.openFiles()
	if err != nil {
		return err
	}
	return errors.Join(fn(files), files.store.Close())
}

// start opens the storage and runs raft. Timings are fractions of the node
// timeout T: a follower that hears nothing for T/4 to T/2 calls an election.
// Followers learn of a commit with the next entry (see apply), at the latest
// within T/5 to 2T/5: telling them on a short timer would be half of what an
// idle cluster does.
func (g *raftGroup) start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errRaftStopped
	}
	if g.running.Load() != nil {
		return nil
	}
	files, err := g.openFiles()
	if err != nil {
		return err
	}
	transport := newRaftTransport(g.id, g.mux, g.addrs, g.timeout, g.mem, g.slog)
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(g.id)
	c.HeartbeatTimeout, c.ElectionTimeout = g.timeout/4, g.timeout/4
	c.LeaderLeaseTimeout = g.timeout / 4
	c.CommitTimeout = g.timeout / 5
	c.SnapshotInterval = 30 * time.Second
	c.SnapshotThreshold = 1024
	c.TrailingLogs = 1024
	c.Logger = g.log
	c.NotifyCh = g.leading
	c.ShutdownOnRemove = false
	r, err := raft.NewRaft(c, g.fsm, files.store, files.store, files.snapshots, transport)
	if err != nil {
		_ = transport.Close()
		_ = files.store.Close()
		return g.damaged(g.dir, err)
	}
	run := &raftRun{Raft: r, raftFiles: files, transport: transport}
	var state raftState = run
	transport.state.Store(&state)
	g.running.Store(run)
	return nil
}

// stop ends raft; it can be started again.
func (g *raftGroup) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.halt()
}

// halt is stop with mu held.
func (g *raftGroup) halt() {
	r := g.running.Swap(nil)
	if r == nil {
		return
	}
	close(r.store.closed)
	_ = r.Shutdown().Error()
	_ = r.transport.Close()
	_ = r.store.Close()
}

// discard throws the state away: a node that starts afterwards is fresh.
func (g *raftGroup) discard() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.halt()
	g.checked = false
	return removeState(g.dir)
}

// close ends raft for good.
func (g *raftGroup) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.halt()
}

// get is raft while it runs.
func (g *raftGroup) get() (*raft.Raft, error) {
	if r := g.running.Load(); r != nil {
		return r.Raft, nil
	}
	return nil, errRaftStopped
}

// leader is who leads, as far as this node knows; empty: nobody.
func (g *raftGroup) leader() slotmap.NodeID {
	r := g.running.Load()
	if r == nil {
		return ""
	}
	_, id := r.LeaderWithID()
	return slotmap.NodeID(id)
}

// term is this node's current term; 0 while raft is stopped.
func (g *raftGroup) term() uint64 {
	if r := g.running.Load(); r != nil {
		return r.CurrentTerm()
	}
	return 0
}

// apply puts an entry in the log and returns what the map made of it. The
// barrier behind it has no meaning but to carry the commit to the followers at
// once: they serve by what they have applied.
func (g *raftGroup) apply(data []byte) (any, error) {
	r, err := g.get()
	if err != nil {
		return nil, err
	}
	f := r.Apply(data, g.timeout)
	switch err := f.Error(); {
	case errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrEnqueueTimeout) || errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return nil, err // it never reached the log
	case err != nil:
		return nil, fmt.Errorf("%w: %w", control.ErrUndecided, err)
	}
	r.Barrier(g.timeout)
	return f.Response(), nil
}
