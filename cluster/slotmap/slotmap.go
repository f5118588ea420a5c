// Package slotmap is the cluster's replicated state as pure data: who the
// members are, and for each slot its primary, its replicas and its config
// epoch. It changes only by Apply of a raft log entry, which is deterministic;
// it knows no clock, no network and no randomness.
package slotmap

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// NodeIDLen is the length of a node ID: 40 hexadecimal characters, as in Redis.
const NodeIDLen = 40

// ErrNodeID says that a string is not 40 lower-case hexadecimal characters.
var ErrNodeID = errors.New("invalid node ID")

// NodeID identifies a node for its whole life. It is kept in the data
// directory; addresses change, it does not. The empty ID means "no node".
type NodeID string

// Validate returns ErrNodeID unless id is 40 lower-case hexadecimal characters.
func (id NodeID) Validate() error {
	if len(id) != NodeIDLen {
		return fmt.Errorf("%w: length %d", ErrNodeID, len(id))
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%w: %q", ErrNodeID, string(id))
		}
	}
	return nil
}

// Short is the first eight characters, for logs.
func (id NodeID) Short() string {
	if len(id) > 8 {
		return string(id[:8])
	}
	return string(id)
}

// NodeState says what the map expects of a node. Append only: the numbers are
// in raft logs and snapshots.
type NodeState uint8

// Node states of the map. A node that has left is not in the map at all: its
// ID is in Map.Forgotten.
const (
	NodeActive  NodeState = 0 // holds slots, or may be given some
	NodeFailed  NodeState = 1 // failed over; expected back, is given nothing
	NodeLeaving NodeState = 2 // leaves for good: everything is moved away from it
	NodeStopped NodeState = 3 // said goodbye (SIGTERM); expected back, is given nothing
)

// String is the name used in logs and INFO.
func (s NodeState) String() string {
	switch s {
	case NodeActive:
		return "active"
	case NodeFailed:
		return "failed"
	case NodeLeaving:
		return "leaving"
	case NodeStopped:
		return "stopped"
	}
	return fmt.Sprintf("NodeState(%d)", uint8(s))
}

// Node is one member. All addresses are those the node announces.
type Node struct {
	ID          NodeID `json:"id"`
	Host        string `json:"host"`               // IP or name peers and clients reach it by
	ClientPort  int    `json:"port"`               // plain RESP port; 0 when only TLS is served
	TLSPort     int    `json:"tls,omitempty"`      // RESP over TLS; 0: none
	ClusterPort int    `json:"cport"`              // cluster/mux port
	Hostname    string `json:"hostname,omitempty"` // cluster-announce-hostname
	Zone        string `json:"zone,omitempty"`     // failure domain; empty: its own
	Weight      int    `json:"weight"`             // share of slots, relative; 0: holds no primaries
	Boot        uint64 `json:"boot"`               // identifies the process; data, leases and positions die with it
	// PrevBoot is the process before, 0 for the first: what it said may still be
	// on its way.
	PrevBoot uint64    `json:"prevboot,omitempty"`
	State    NodeState `json:"state"`
	// Fence is the map version at which the node last lost a primary or was
	// registered. A lease counts only for a holder that has applied it.
	Fence uint64 `json:"fence"`
	// Acks is how many replicas hold a write before this node, as primary,
	// answers it; AcksQuorum: as many as make a majority of the copies wanted.
	Acks int `json:"acks,omitempty"`
	// Follows is the node whose replica this one is to be, and nothing else: an
	// operator said so. Empty: placement decides.
	Follows NodeID `json:"follows,omitempty"`
}

// AcksQuorum is the value of Node.Acks for a majority.
const AcksQuorum = -1

// Move is a handoff of a slot in progress. While it is in the map no other
// change of the slot's primary but a failover is accepted.
type Move struct {
	Target NodeID `json:"target"`
	// Token identifies the attempt. Whichever of commit and abort with this
	// token comes first in the log decides it; the other is stale.
	Token uint64 `json:"token"`
}

// Assignment is what the map says about one slot, or about each slot of a Span.
// It is immutable: share it, never change it.
type Assignment struct {
	Primary  NodeID   `json:"p,omitempty"` // empty: nobody serves the slot
	Epoch    uint64   `json:"e,omitempty"` // config epoch: raised with each new primary
	Replicas []NodeID `json:"r,omitempty"` // in order of preference for promotion
	InSync   []NodeID `json:"s,omitempty"` // subset of Replicas that have a complete copy
	Move     *Move    `json:"m,omitempty"` // handoff in progress
	Going    []NodeID `json:"g,omitempty"` // subset of Replicas that are to be removed: what they hold counts for nobody
}

// HasReplica reports whether id is a replica of the slot.
func (a *Assignment) HasReplica(id NodeID) bool { return slices.Contains(a.Replicas, id) }

// IsInSync reports whether id is a replica known to have a complete copy.
func (a *Assignment) IsInSync(id NodeID) bool { return slices.Contains(a.InSync, id) }

// IsGoing reports whether id is a replica that is to be removed.
func (a *Assignment) IsGoing(id NodeID) bool { return slices.Contains(a.Going, id) }

// Counts reports whether a write that id holds as a replica counts as held by it. Not
// with one that is to be removed: nobody would ask it.
func (a *Assignment) Counts(id NodeID) bool { return a.HasReplica(id) && !a.IsGoing(id) }

// Holds reports whether id has a copy of the slot.
func (a *Assignment) Holds(id NodeID) bool {
	return id != "" && (a.Primary == id || a.HasReplica(id))
}

func (a *Assignment) equal(b *Assignment) bool {
	if a == b {
		return true
	}
	if a.Primary != b.Primary || a.Epoch != b.Epoch ||
		!slices.Equal(a.Replicas, b.Replicas) || !slices.Equal(a.InSync, b.InSync) || !slices.Equal(a.Going, b.Going) {
		return false
	}
	if (a.Move == nil) != (b.Move == nil) {
		return false
	}
	return a.Move == nil || *a.Move == *b.Move
}

// Span is a range of slots with the same assignment.
type Span struct {
	Range
	*Assignment
}

// SlotPosition is the position of one slot's copy: comparable across nodes,
// ordered by Epoch, then Seq.
type SlotPosition struct {
	Slot     uint16 `json:"n"`
	Epoch    uint64 `json:"e"`
	Seq      uint64 `json:"q"`
	Complete bool   `json:"c"` // false while a full copy is still being received
}

// Less orders positions of the same slot: an incomplete copy is behind every
// complete one.
func (p SlotPosition) Less(q SlotPosition) bool {
	if p.Complete != q.Complete {
		return q.Complete
	}
	if p.Epoch != q.Epoch {
		return p.Epoch < q.Epoch
	}
	return p.Seq < q.Seq
}

// Map is one version of the cluster's state. It is immutable: Apply returns a
// new one, which shares what did not change. Any number of goroutines may read
// it without a lock.
type Map struct {
	version      uint64
	clusterID    string
	founder      NodeID
	pinned       bool // an operator placed primaries
	byHand       bool // operators place all primaries
	currentEpoch uint64
	nextToken    uint64
	replicas     int      // replication factor wanted: copies beside the primary
	nodes        []Node   // sorted by ID
	spans        []Span   // cover all slots, in order, neighbours differ
	forgotten    []NodeID // left for good, most recent last; never admitted again
	lostSlots    uint64   // slots that came back empty, counted over the cluster's life
}

// New is the state before the first entry: version 0, no members, no slot
// assigned.
func New() *Map {
	return &Map{spans: []Span{{All(), &Assignment{}}}}
}

// Version counts applied changes; 0 is the empty map.
func (m *Map) Version() uint64 { return m.version }

// ClusterID names the cluster (40 hexadecimal characters); empty before
// formation. Nodes of different clusters never mix.
func (m *Map) ClusterID() string { return m.clusterID }

// Formed reports whether the slots have been shared out for the first time.
func (m *Map) Formed() bool { return m.clusterID != "" }

// Founder is the node that began the cluster, member or not by now; empty when
// no vote was needed.
func (m *Map) Founder() NodeID { return m.founder }

// Pinned reports whether an operator has placed primaries since the members
// changed last: they are to stay where they are.
func (m *Map) Pinned() bool { return m.pinned }

// Acks is the number of replicas that hold each write which id, as primary, has
// answered, the quorum worked out.
func (m *Map) Acks(id NodeID) int {
	n := m.Node(id)
	switch {
	case n == nil:
		return 0
	case n.Acks == AcksQuorum:
		return m.Quorum(id)
	}
	return n.Acks
}

// WantedReplicas is how many replicas the slots of a primary are to have: the number
// wanted of all slots, or all the nodes that operators made replicas of that one.
func (m *Map) WantedReplicas(primary NodeID) int {
	followers := 0
	for i := range m.nodes {
		if m.nodes[i].Follows == primary {
			followers++
		}
	}
	return max(m.replicas, followers)
}

// Quorum is how many replicas make, with the primary, a majority of the copies
// wanted of its slots.
func (m *Map) Quorum(primary NodeID) int { return (m.WantedReplicas(primary) + 1) / 2 }

// CurrentEpoch is the highest config epoch given to a slot so far.
func (m *Map) CurrentEpoch() uint64 { return m.currentEpoch }

// NextToken is the token that the next accepted BeginMove will carry.
func (m *Map) NextToken() uint64 { return m.nextToken }

// ReplicationFactor is the number of replicas wanted for each slot. Placement
// clips it by the number of nodes.
func (m *Map) ReplicationFactor() int { return m.replicas }

// LostSlots counts slots that had to start empty because no copy was left.
func (m *Map) LostSlots() uint64 { return m.lostSlots }

// Nodes are the members sorted by ID. The slice is the map's: do not change it.
func (m *Map) Nodes() []Node { return m.nodes }

// Forgotten are the IDs that left for good. The slice is the map's.
func (m *Map) Forgotten() []NodeID { return m.forgotten }

// IsForgotten reports whether id has left for good.
func (m *Map) IsForgotten(id NodeID) bool { return slices.Contains(m.forgotten, id) }

// Node returns the member with that ID, nil when there is none. The node is
// the map's: do not change it.
func (m *Map) Node(id NodeID) *Node {
	i := m.nodeIndex(id)
	if i < 0 {
		return nil
	}
	return &m.nodes[i]
}

func (m *Map) nodeIndex(id NodeID) int {
	i := sort.Search(len(m.nodes), func(i int) bool { return m.nodes[i].ID >= id })
	if i < len(m.nodes) && m.nodes[i].ID == id {
		return i
	}
	return -1
}

// Spans are the slots in order, grouped by equal assignment; together they
// cover every slot. The slice is the map's: do not change it.
func (m *Map) Spans() []Span { return m.spans }

// Slot returns the assignment of one slot. slot must be below hashslot.Count.
func (m *Map) Slot(slot uint16) *Assignment {
	return m.spans[m.spanIndex(slot)].Assignment
}

func (m *Map) spanIndex(slot uint16) int {
	return sort.Search(len(m.spans), func(i int) bool { return m.spans[i].Last >= slot })
}

// Where returns the slots for whose assignment keep holds.
func (m *Map) Where(keep func(*Assignment) bool) Ranges {
	var out Ranges
	for _, s := range m.spans {
		if !keep(s.Assignment) {
			continue
		}
		if n := len(out); n > 0 && int(out[n-1].Last)+1 == int(s.First) {
			out[n-1].Last = s.Last
			continue
		}
		out = append(out, s.Range)
	}
	return out
}

// PrimaryOf returns the slots that id is primary of.
func (m *Map) PrimaryOf(id NodeID) Ranges {
	return m.Where(func(a *Assignment) bool { return a.Primary == id })
}

// ReplicaOf returns the slots that id is a replica of.
func (m *Map) ReplicaOf(id NodeID) Ranges {
	return m.Where(func(a *Assignment) bool { return a.HasReplica(id) })
}

// HeldBy returns the slots that id has a copy of, as primary or replica.
func (m *Map) HeldBy(id NodeID) Ranges {
	return m.Where(func(a *Assignment) bool { return a.Holds(id) })
}

// Moving returns the slots with a handoff in progress under that token.
func (m *Map) Moving(token uint64) Ranges {
	return m.Where(func(a *Assignment) bool { return a.Move != nil && a.Move.Token == token })
}

// Within returns the spans of m cut to the slots of rs, which is normalized.
func (m *Map) Within(rs Ranges) []Span {
	var out []Span
	for _, r := range rs {
		for i := m.spanIndex(r.First); i < len(m.spans) && m.spans[i].First <= r.Last; i++ {
			s := m.spans[i]
			out = append(out, Span{Range{max(s.First, r.First), min(s.Last, r.Last)}, s.Assignment})
		}
	}
	return out
}

// RangeStatus tells how a node's copy of some slots is doing. It rides on lease
// requests.
type RangeStatus struct {
	Range
	Primary  bool   `json:"p,omitempty"` // role the copy is held in
	CaughtUp bool   `json:"c,omitempty"` // replica: complete, and the stream is live with a small backlog
	LagMs    int64  `json:"g,omitempty"` // replica: age of the oldest effect known and not yet applied
	Seqs     uint64 `json:"q,omitempty"` // sum of the sequences of these slots: tells loss in a failover
}
