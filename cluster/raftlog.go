package cluster

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"

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
