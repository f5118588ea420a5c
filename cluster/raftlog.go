package cluster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

// fsm applies the raft log: to the slot map, and to the values that the nodes
// share. Apply, Snapshot and Restore are called by raft, one at a time; latest
// may be read by anyone.
type fsm struct {
	latest atomic.Pointer[slotmap.Map]
	values *shared.State // only raft's goroutine
	feed   *valueFeed    // told of changes of values, before the map that follows them
	notify func()        // a new map or a new value is there; must not block
	fatal  func(error)   // the log holds what this binary does not understand
	broken bool          // only raft's goroutine
}

func newFSM(feed *valueFeed, notify func(), fatal func(error)) *fsm {
	f := &fsm{values: shared.New(), feed: feed, notify: notify, fatal: fatal}
	f.latest.Store(slotmap.New())
	return f
}

// decodeEntry reads the data of a log entry: a slotmap.Entry or *shared.Entry.
func decodeEntry(data []byte) (any, error) {
	if shared.IsEntry(data) {
		return shared.Decode(data)
	}
	return slotmap.Decode(data)
}

// Apply never skips: after an entry it cannot read it applies nothing more.
func (f *fsm) Apply(l *raft.Log) any {
	if f.broken {
		return slotmap.ErrUnknownEntry
	}
	entry, err := decodeEntry(l.Data)
	if err != nil {
		f.broken = true
		err = fmt.Errorf("raft log index %d: %w", l.Index, err)
		f.fatal(err)
		return err
	}
	switch e := entry.(type) {
	case *shared.Entry:
		return f.applyValues(e)
	case slotmap.Entry:
		m, res := f.latest.Load().Apply(e)
		if res.Stale == "" {
			if e.Type() == slotmap.TypeForm {
				f.feed.push(f.values, nil)
			}
			f.latest.Store(m)
			f.notify()
		}
		return res
	}
	return slotmap.ErrUnknownEntry
}

func (f *fsm) applyValues(e *shared.Entry) shared.Result {
	if !f.latest.Load().Formed() {
		return shared.Result{Refused: "the cluster is not formed"}
	}
	next, res := f.values.Apply(e)
	if next != f.values {
		f.values = next
		f.feed.push(next, res.Changes)
		f.notify()
	}
	return res
}

func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.broken {
		return nil, slotmap.ErrUnknownEntry
	}
	return stateSnapshot{f.latest.Load(), f.values}, nil
}

// Restore builds map and values afresh, then swaps.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxStateSnapshot+1))
	if err != nil {
		return err
	}
	m, values, err := decodeSnapshot(data)
	if err != nil {
		f.broken = true
		f.fatal(err)
		return err
	}
	changes := values.Since(f.values)
	f.values = values
	f.feed.push(values, changes)
	f.latest.Store(m)
	f.notify()
	return nil
}

// A snapshot is that of the map alone, as long as no value was ever shared, or
// stateMagic, the length of the map's snapshot as a uvarint, the map's, and that
// of the values.
type stateSnapshot struct {
	m      *slotmap.Map
	values *shared.State
}

// stateMagic ends in the format version.
var stateMagic = []byte("respkv-state\x00\x01")

// maxStateSnapshot bounds a snapshot.
const maxStateSnapshot = slotmap.MaxSnapshot + shared.MaxSnapshot + 32

func (s stateSnapshot) encode() ([]byte, error) {
	data, err := s.m.EncodeSnapshot()
	if err != nil || s.values.Version() == 0 {
		return data, err
	}
	out := binary.AppendUvarint(bytes.Clone(stateMagic), uint64(len(data)))
	return append(append(out, data...), s.values.EncodeSnapshot()...), nil
}

// splitSnapshot gives the snapshots of map and values; values is nil where
// there are none.
func splitSnapshot(data []byte) (m, values []byte, err error) {
	body, ok := bytes.CutPrefix(data, stateMagic)
	if !ok {
		return data, nil, nil
	}
	size, n := binary.Uvarint(body)
	if n <= 0 || size > uint64(len(body)-n) {
		return nil, nil, fmt.Errorf("%w: cut", slotmap.ErrSnapshot)
	}
	body = body[n:]
	return body[:size], body[size:], nil
}

// decodeSnapshot reads a snapshot of either form.
func decodeSnapshot(data []byte) (*slotmap.Map, *shared.State, error) {
	first, second, err := splitSnapshot(data)
	if err != nil {
		return nil, nil, err
	}
	m, err := slotmap.DecodeSnapshot(first)
	if err != nil || second == nil {
		return m, shared.New(), err
	}
	values, err := shared.DecodeSnapshot(second)
	return m, values, err
}

func (s stateSnapshot) Persist(sink raft.SnapshotSink) error {
	data, err := s.encode()
	if err == nil {
		_, err = sink.Write(data)
	}
	if err != nil {
		_ = sink.Cancel()
		return err
	}
	return sink.Close()
}

func (stateSnapshot) Release() {}

// addressProvider finds the nodes that the map or gossip know by ID: the
// addresses in raft's own configuration are those of the day they joined.
type addressProvider func(slotmap.NodeID) (string, bool)
