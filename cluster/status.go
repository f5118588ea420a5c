package cluster

import (
	"context"
	"fmt"
	"net"
	"time"

	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// A status connection carries one report: the acceptor sends one frame, what its
// node tells about itself, and closes. What a report says is not the cluster's
// business: it decides nothing.

// maxReport bounds a report, and with it what showing one node costs.
const maxReport = 256 << 10

// HandleStatus has report called for each node that asks for this one's report,
// on a goroutine of its own.
func (n *Node) HandleStatus(report func() []byte) {
	n.mux.Handle(mux.Status, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		data := report()
		if len(data) > maxReport {
			n.log.Warn("the report of this node is too large to be sent", "bytes", len(data))
			return
		}
		_ = conn.SetDeadline(time.Now().Add(n.cfg.NodeTimeout))
		if err := writeFrame(conn, data); err != nil {
			n.log.Debug("a report was not taken", "peer", conn.RemoteAddr(), "error", err)
		}
	})
}

// FetchStatus asks a member for its report. The bytes are what that node chose
// to say.
func (n *Node) FetchStatus(ctx context.Context, id slotmap.NodeID) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.NodeTimeout)
	defer cancel()
	conn, err := n.dial(ctx, id, mux.Status)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	f, err := readFrame(conn, maxReport, n.peers.mem, jsonFactor, func() {})
	if err != nil {
		return nil, fmt.Errorf("report of %s: %w", id.Short(), err)
	}
	defer f.free()
	if err := jsonBounded(f.data); err != nil {
		return nil, fmt.Errorf("report of %s: %w", id.Short(), err)
	}
	return f.data, nil
}

// RaftStatus is this node's view of the Raft group.
type RaftStatus struct {
	Running               bool
	Leader                bool // this node is the controller
	Term                  uint64
	LastIndex             uint64
	CommitIndex           uint64
	AppliedIndex          uint64
	Voters, Members       int
	MapVersion, LastEpoch uint64
}

// Raft tells how the Raft group stands, seen from here.
func (n *Node) Raft() RaftStatus {
	m := n.fsm.latest.Load()
	s := RaftStatus{MapVersion: m.Version(), LastEpoch: m.CurrentEpoch()}
	r, err := n.raft.get()
	if err != nil {
		return s
	}
	s.Running, s.Leader = true, n.raft.leader() == n.id
	s.Term, s.LastIndex, s.CommitIndex, s.AppliedIndex = r.CurrentTerm(), r.LastIndex(), r.CommitIndex(), r.AppliedIndex()
	for _, server := range n.raftServers() {
		s.Members++
		if server.Voter {
			s.Voters++
		}
	}
	return s
}
