package cluster

import (
	"cmp"
	"errors"
	"log/slog"

	"respkv/cluster/control"
	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

// Errors of the operations of Node.
var (
	ErrUnknownNode  = errors.New("unknown node")
	ErrNoController = errors.New("no controller is reachable")
	ErrNotReplica   = errors.New("this node is a replica of no slot")
	ErrForgetSelf   = errors.New("a node cannot forget itself")
	ErrClosed       = errors.New("cluster: node is closed")
	ErrNobodyLeft   = errors.New("no other node is there to take over")
	ErrRefused      = errors.New("refused by the controller")
	// ErrPrimaryOfKeys: what the node would give up is lost.
	ErrPrimaryOfKeys = errors.New("the node is primary of keys")
)

// Options are the collaborators of a Node.
type Options struct {
	Config Config
	Plane  DataPlane
	Logger *slog.Logger // default slog.Default()
	Events func(Event)  // called from one goroutine, must not block; may be nil
	// Acks is how many replicas hold a write before this node answers it, by
	// default; slotmap.AcksQuorum: a majority. Looked at many times a second,
	// so that it may change. A failover of this node's slots then promotes only
	// copies that must have every such write. nil: 0.
	Acks func() int
	// Announced is how clients are told to reach this node, looked at like
	// Acks. nil: as in Config, always.
	Announced func() Announced
	// Former are the shared values that the observers know from a cluster which
	// this process has left (Node.Known); nil: none.
	Former *shared.State
	// Aloof: the node takes no notice of gossip until it meets somebody, or is met:
	// at its address there was another one, which some have not forgotten yet.
	Aloof bool
}

// LinkStat is one link with another node for CLUSTER LINKS: one that control
// messages or gossip take, in one direction. As in Redis, those of replicas are not
// among them.
type LinkStat struct {
	To               bool // true: this node opened it
	Node             slotmap.NodeID
	CreateTimeMillis int64
	SendBufferBytes  int64
}

// compare orders links by node, those that this node opened first.
func (l LinkStat) compare(o LinkStat) int {
	if order := cmp.Compare(l.Node, o.Node); order != 0 || l.To == o.To {
		return cmp.Or(order, cmp.Compare(l.CreateTimeMillis, o.CreateTimeMillis))
	}
	if l.To {
		return -1
	}
	return 1
}

// Health is how a member looks from here.
type Health uint8

// Health values; CLUSTER NODES shows Suspect as fail? and Failed as fail.
const (
	Alive Health = iota
	Suspect
	Failed
	Unknown // in the map, never met by this process
)

// Member is a node of the map with how it looks from here.
type Member struct {
	slotmap.Node
	Health         Health
	Self           bool
	Controller     bool
	PingSentMillis int64 // Unix milliseconds since when probes are known to be unanswered; 0: they are answered
	PongMillis     int64 // Unix milliseconds of the last answer or message; 0: none, and for this node itself
	Failures       int   // members that report it as failed
	// Given are the slots that it was given by hand and are not in the map yet, as
	// far as gossip tells of them.
	Given slotmap.Ranges
}

// Info is a consistent picture for CLUSTER INFO, NODES, SLOTS, SHARDS and for
// INFO.
type Info struct {
	Map                                           *slotmap.Map
	Self                                          slotmap.NodeID
	Members                                       []Member       // sorted by ID; members met and not yet in the map included
	Controller                                    slotmap.NodeID // empty: none known
	OK                                            bool           // cluster_state: ok
	Lease                                         bool
	SlotsAssigned, SlotsOK, SlotsPFail, SlotsFail int
	MyEpoch                                       uint64
	Links                                         []LinkStat
	Messages                                      []MessageCount // control messages by kind; those that occurred
	Given                                         control.Given  // by hand, not in the map yet
	Counters                                      Counters
}

// Counters are totals since the process started.
type Counters struct {
	MessagesSent, MessagesReceived     uint64
	BytesSent, BytesReceived           uint64
	LeasesGranted, LeasesLost          uint64
	Failovers, MovesDone, MovesAborted uint64
	SlotsLost                          uint64
	// EffectsLost is at least how many acknowledged effects the failovers that
	// this node decided have lost.
	EffectsLost uint64
}
