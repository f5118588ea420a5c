package cluster

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	bolt "go.etcd.io/bbolt"

	"respkv/cluster/slotmap"
)

// fsm applies the raft log to the slot map. Apply, Snapshot and Restore are
// called by raft, one at a time; latest may be read by anyone.
type fsm struct {
	latest atomic.Pointer[slotmap.Map]
	notify func()      // a new map is there; must not block
	fatal  func(error) // the log holds what this binary does not understand
	broken bool        // only raft's goroutine
}

func newFSM(notify func(), fatal func(error)) *fsm {
	f := &fsm{notify: notify, fatal: fatal}
	f.latest.Store(slotmap.New())
	return f
}

// Apply never skips: after an entry it cannot read it applies nothing more.
func (f *fsm) Apply(l *raft.Log) any {
	if f.broken {
		return slotmap.ErrUnknownEntry
	}
	e, err := slotmap.Decode(l.Data)
	if err != nil {
		f.broken = true
		err = fmt.Errorf("raft log index %d: %w", l.Index, err)
		f.fatal(err)
		return err
	}
	m, res := f.latest.Load().Apply(e)
	if res.Stale == "" {
		f.latest.Store(m)
		f.notify()
	}
	return res
}

func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.broken {
		return nil, slotmap.ErrUnknownEntry
	}
	return mapSnapshot{f.latest.Load()}, nil
}

// Restore builds a fresh map, then swaps.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, slotmap.MaxSnapshot+1))
	if err != nil {
		return err
	}
	m, err := slotmap.DecodeSnapshot(data)
	if err != nil {
		f.broken = true
		f.fatal(err)
		return err
	}
	f.latest.Store(m)
	f.notify()
	return nil
}

type mapSnapshot struct{ m *slotmap.Map }

func (s mapSnapshot) Persist(sink raft.SnapshotSink) error {
	data, err := s.m.EncodeSnapshot()
	if err == nil {
		_, err = sink.Write(data)
	}
	if err != nil {
		_ = sink.Cancel()
		return err
	}
	return sink.Close()
}

func (mapSnapshot) Release() {}

// addressProvider finds the nodes that the map or gossip know by ID: the
// addresses in raft's own configuration are those of the day they joined.
type addressProvider func(slotmap.NodeID) (string, bool)

// raftGroup is raft with its storage.
type raftGroup struct {
	*raft.Raft
	store     *raftboltdb.BoltStore
	transport *raftTransport
	snapshots raft.SnapshotStore
	leading   chan bool
	existing  bool // the directory holds a state
	cfg       *raft.Config
	closeOnce sync.Once
}

// openRaft opens the storage under dir and starts raft. Timings are fractions
// of the node timeout T: a follower that hears nothing for T/4 to T/2 calls an
// election; followers learn of a commit within T/50 to T/25.
func openRaft(dir string, id slotmap.NodeID, timeout time.Duration, transport *raftTransport, f *fsm, logger *slog.Logger) (*raftGroup, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	hl := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: logWriter{logger}, DisableTime: true})
	store, err := raftboltdb.New(raftboltdb.Options{
		Path:        filepath.Join(dir, "raft.db"),
		BoltOptions: &bolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType},
		NoSync:      false,
	})
	if err != nil {
		return nil, fmt.Errorf("raft store: %w", err)
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, hl)
	if err != nil {
		_ = store.Close()
		return nil, fmt.Errorf("raft snapshots: %w", err)
	}
	g := &raftGroup{store: store, transport: transport, snapshots: snapshots, leading: make(chan bool, 16)}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(id)
	c.HeartbeatTimeout, c.ElectionTimeout = timeout/4, timeout/4
	c.LeaderLeaseTimeout = timeout / 4
	c.CommitTimeout = timeout / 50
	c.SnapshotInterval = 30 * time.Second
	c.SnapshotThreshold = 1024
	c.TrailingLogs = 1024
	c.Logger = hl
	c.NotifyCh = g.leading
	c.ShutdownOnRemove = false
	g.cfg = c
	if g.existing, err = raft.HasExistingState(store, store, snapshots); err == nil {
		g.Raft, err = raft.NewRaft(c, f, store, store, snapshots, transport)
	}
	if err != nil {
		_ = transport.Close()
		_ = store.Close()
		return nil, fmt.Errorf("raft: %w", err)
	}
	var state raftState = g
	transport.state.Store(&state)
	return g, nil
}

// EntryTerm is for the transport.
func (g *raftGroup) EntryTerm(index uint64) (uint64, bool) {
	var l raft.Log
	if g.store.GetLog(index, &l) != nil {
		return 0, false
	}
	return l.Term, true
}

func (g *raftGroup) close() {
	g.closeOnce.Do(func() {
		_ = g.Shutdown().Error()
		_ = g.transport.Close()
		_ = g.store.Close()
	})
}
