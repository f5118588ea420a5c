package cluster

import (
	"bytes"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"respkv/cluster/slotmap"
)

// slowTerm is a store that is slow to write down a term that it has already, until
// there is a vote: as slow as a disk may be.
type slowTerm struct {
	*raft.InmemStore
	begun chan struct{} // it writes such a term
	voted chan struct{}
}

func (s *slowTerm) SetUint64(key []byte, value uint64) error {
	was, _ := s.GetUint64(key)
	switch {
	case bytes.Equal(key, lastVoteTerm):
		defer notify(s.voted)
	case bytes.Equal(key, currentTerm) && value == was:
		select {
		case <-s.voted: // an earlier one
		default:
		}
		notify(s.begun)
		select {
		case <-s.voted:
		case <-time.After(30 * time.Millisecond):
		}
	}
	return s.InmemStore.SetUint64(key, value)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// TestTermKeepsRising: a node that stands for election hears of the leader of the
// term before at the moment in which it gets the promise of a vote. It either
// follows that leader, or is in the next term: never is it back in the one before when
// it has voted for itself in the next one, which would let it undo what is decided, and
// as files on disk looks like damage.
func TestTermKeepsRising(t *testing.T) {
	a, b := transports(t)
	store := &slowTerm{raft.NewInmemStore(), make(chan struct{}, 1), make(chan struct{}, 1)}
	snapshots := raft.NewInmemSnapshotStore()
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(idA)
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	c.Logger = hclog.NewNullLogger()
	configuration := raft.Configuration{}
	for _, id := range []slotmap.NodeID{idA, idB, "cccccccccccccccccccccccccccccccccccccccc"} {
		configuration.Servers = append(configuration.Servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	if err := raft.BootstrapCluster(c, store, store, snapshots, a, configuration); err != nil {
		t.Fatal(err)
	}
	fsm := newFSM(newValueFeed(nil), func() {}, func(err error) { panic(err) })
	r, err := raft.NewRaft(c, fsm, store, store, snapshots, a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = a.Close(), b.Close() // nobody answers what raft still asks
		_ = r.Shutdown().Error()
	}()
	var state raftState = memoryState{r, store.InmemStore}
	a.state.Store(&state)

	beats := make(chan error, 16)
	heard := 0
	for limit := time.After(patience); heard < 20; {
		select {
		case rpc := <-b.Consumer():
			m, ok := rpc.Command.(*raft.RequestPreVoteRequest)
			if !ok {
				rpc.Respond(&raft.RequestVoteResponse{RPCHeader: rpc.Command.(raft.WithRPCHeader).GetRPCHeader()}, nil)
				continue
			}
			go func() {
				header := raft.RPCHeader{ProtocolVersion: 3, ID: []byte(idB), Addr: []byte(idB)}
				beats <- b.AppendEntries(raft.ServerID(idA), "", &raft.AppendEntriesRequest{RPCHeader: header, Term: m.Term - 1}, &raft.AppendEntriesResponse{})
			}()
			select {
			case <-store.begun:
			case <-time.After(30 * time.Millisecond): // the heartbeat is queued
			}
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: testHeader(), Term: m.Term, Granted: true}, nil)
		case err := <-beats:
			if err != nil {
				t.Fatal(err)
			}
			heard++
			for range 20 { // the vote may come after it
				voted, _ := store.GetUint64(lastVoteTerm)
				written, err := store.GetUint64(currentTerm)
				if now := r.CurrentTerm(); err != nil || now < voted || written < voted {
					t.Fatalf("term %d, %d is written down, and a vote in term %d (%v)", now, written, voted, err)
				}
				time.Sleep(time.Millisecond)
			}
		case <-limit:
			t.Fatalf("%d heartbeats were answered", heard)
		}
	}
}

// TestBeatWhileStoring: a heartbeat is taken past raft's goroutine only while that
// writes entries, and then at once, also one that came before.
func TestBeatWhileStoring(t *testing.T) {
	var s storing
	yes, never := func() bool { return true }, func() { t.Error("taken") }
	taken, began := s.meanwhile(yes, never)
	if taken || began == nil {
		t.Fatalf("%v, %v while nothing is written", taken, began)
	}
	s.begin()
	<-began
	if taken, began := s.meanwhile(func() bool { return false }, never); taken || began != nil {
		t.Errorf("%v, %v of another term", taken, began)
	}
	inside, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go s.meanwhile(yes, func() { close(inside); <-goOn })
	<-inside
	go func() { s.end(); close(ended) }()
	select {
	case <-ended:
		t.Error("raft goes on while a heartbeat is taken beside it")
	case <-time.After(10 * time.Millisecond):
	}
	close(goOn)
	<-ended
	if taken, _ := s.meanwhile(yes, never); taken {
		t.Error("taken after the end")
	}
}
