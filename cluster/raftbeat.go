package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// Raft offers to take heartbeats past its queue, on the goroutine of the
// connection, so that a leader is heard while the disk is slow. But if this node
// stands for election at that moment, raft sets its term there to the leader's,
// while its own goroutine sets the next one and votes for itself: the term may go
// back to what it was before the vote. So heartbeats are queued, too. Only while raft's
// goroutine stands still, since it writes entries, are they taken past it, and only
// those that change neither state nor term.

// storing tells when raft's goroutine writes entries.
type storing struct {
	mu    sync.Mutex
	on    bool          // guarded by mu
	began chan struct{} // guarded by mu; closed when it writes; nil before anybody asked
}

func (s *storing) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = true
	if s.began != nil {
		close(s.began)
		s.began = nil
	}
}

// end waits for a heartbeat that is being taken.
func (s *storing) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = false
}

// meanwhile calls take if entries are being written and may says so; they are until it
// has returned. Otherwise it returns a channel that is closed when writing begins,
// or nil where that would change nothing.
func (s *storing) meanwhile(may func() bool, take func()) (taken bool, began <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on {
		if !may() {
			return false, nil
		}
		take()
		return true, nil
	}
	if s.began == nil {
		s.began = make(chan struct{})
	}
	return false, s.began
}

// TakeBeat is for the transport.
func (r *raftRun) TakeBeat(term uint64, take func()) (taken bool, began <-chan struct{}) {
	follows := func() bool { return r.State() == raft.Follower && r.CurrentTerm() == term }
	return r.store.storing.meanwhile(follows, take)
}

// deliver hands a request to raft.
func (t *raftTransport) deliver(rpc raft.RPC) error {
	beat, state := t.heartbeat.Load(), t.state.Load()
	for {
		var storing <-chan struct{}
		if beat != nil && state != nil && isHeartbeat(rpc.Command) {
			var taken bool
			if taken, storing = (*state).TakeBeat(rpc.Command.(*raft.AppendEntriesRequest).Term, func() { (*beat)(rpc) }); taken {
				return nil
			}
		}
		select {
		case t.incoming <- rpc:
			return nil
		case <-storing:
		case <-t.done:
			return errTransportClosed
		case <-t.mux.Done():
			return errTransportClosed
		}
	}
}
