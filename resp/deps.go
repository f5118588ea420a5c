package resp

import (
	"context"

	"respkv/cluster"
	"respkv/cluster/slotmap"
)

// Routing says who serves a slot. Satisfied by cluster.Node. All methods may be
// called from any goroutine.
type Routing interface {
	// Route decides before any lock is taken.
	Route(slot uint16, readonly, asking, write bool) cluster.Decision
	// Mine says whether Route would answer Here if the lease is valid, which
	// Admit looks at: the slot is this node's and open.
	Mine(slot uint16) bool
	// Admit looks again with the lock of the slot's shard held: a handoff or a
	// lost lease since Route shows here.
	Admit(slot uint16, write bool) cluster.Admission
	// Returning is not nil on a node that was a member before its process started and
	// has not heard of the map since, which takes some moments: closed when to look again.
	Returning() <-chan struct{}
	// Serving says whether this node may answer as primary now.
	Serving() bool
	// Publish sends a message to the subscribers on all other nodes,
	// PublishSlot to those on the nodes that hold slot. Neither waits: what a
	// node does not take in time is dropped. The bytes are copied.
	Publish(channel, text []byte)
	PublishSlot(slot uint16, channel, text []byte)
	// Map is the current slot map; never changed.
	Map() *slotmap.Map
	ID() slotmap.NodeID
	Info() cluster.Info

	Meet(ctx context.Context, host string, clusterPort int) error
	Forget(ctx context.Context, id slotmap.NodeID) error
	// MoveSlots makes a node primary of slots; with wait it returns when it is.
	// KeepSlots ends moves that have not come to their end.
	MoveSlots(ctx context.Context, slots slotmap.Ranges, to slotmap.NodeID, wait bool) error
	KeepSlots(ctx context.Context, slots slotmap.Ranges) error
	// AddSlots, DropSlots, SetConfigEpoch and Replicate put a cluster together by
	// hand; what comes before there is one is remembered. Forgotten are the slots of
	// others that DropSlots was told of a moment ago: AddSlots waits for them.
	AddSlots(ctx context.Context, slots slotmap.Ranges) error
	Forgotten() slotmap.Ranges
	DropSlots(slots slotmap.Ranges) error
	SetConfigEpoch(epoch uint64) error
	Replicate(ctx context.Context, primary slotmap.NodeID) error
	Reset(ctx context.Context, hard bool) error
	Failover(ctx context.Context, mode cluster.FailoverMode) error
	Leave(ctx context.Context) error
}

// Replicator is the replication of this node. Satisfied by internal/node over
// package replication.
type Replicator interface {
	// Append logs one effect of slot. The caller holds the lock of the slot's
	// shard. args are copied.
	Append(slot uint16, db int, flags uint8, args [][]byte)
	// Mark is the position of slot after the last effect appended. Under the
	// shard lock it is exact.
	Mark(slot uint16) Mark
	// Leads says whether this node is primary of slot, as far as its log knows.
	Leads(slot uint16) bool
	// WaitAcked returns how many replicas have acknowledged each of the marks
	// (the fewest of any), once n have or ctx ends.
	WaitAcked(ctx context.Context, marks []Mark, n int) int
	// Durable says how many replicas must hold a write before it is answered: 0
	// with asynchronous replication.
	Durable() int
	// WithinLossBudget says whether the replicas of slot are close enough behind
	// for another write.
	WithinLossBudget(slot uint16) bool
	// Info describes roles and links for INFO replication and ROLE.
	Info() ReplicationInfo
}

// Mark is a position of one slot that a client may wait for.
type Mark struct {
	Slot       uint16
	Epoch, Seq uint64
}

// ReplicationInfo is what INFO replication and ROLE tell.
type ReplicationInfo struct {
	ReplID string // 40 hex characters, of this process or of the stream that it is in
	Offset uint64 // bytes logged since the process started, or of that stream

	// FormerID is what the stream was called up to FormerEnd; "": it had no other name.
	FormerID  string
	FormerEnd uint64

	BacklogSize, BacklogHistory int64
	BacklogFirst                uint64

	Replicas  []ReplicaLink // nodes that replicate from this one
	Primaries []PrimaryLink // nodes that this one replicates from

	FullSyncs, PartialOK, PartialErr uint64
	BytesIn, BytesOut                uint64
	LostEffects                      uint64 // acknowledged here, dropped in failovers
}

// ReplicaLink is a replica node as its primary sees it.
type ReplicaLink struct {
	NodeID, Host string
	Port         int
	State        string // "online" or "send_bulk"
	Offset       uint64
	LagSeconds   int64
	Slots        int
}

// PrimaryLink is a primary node as its replica sees it.
type PrimaryLink struct {
	NodeID, Host  string
	Port          int
	Up            bool
	Syncing       bool
	LastIOSeconds int64
	DownSeconds   int64
	Offset        uint64
	Slots         int
	CopyKeysLeft  uint64
	CopiedBytes   uint64
	TotalBytes    uint64 // that are to be copied; 0: not known
}
