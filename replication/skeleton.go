package replication

// The shape of the package while it is being written: each declaration moves to
// its file as it is built.

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// SourceOptions are what a Source needs.
type SourceOptions struct {
	Config Config
	Log    *Log
	Slots  Slots
	Keys   func(args [][]byte) [][]byte // as Applier.Keys
	NodeID string                       // at most 64 bytes
	BootID uint64                       // random, one per process
	Logger *slog.Logger
}

// Source is the primary side: it serves the links that replicas open to this node.
type Source struct{}

// NewSource returns a source with no links.
func NewSource(o SourceOptions) (*Source, error) { panic("skeleton") }

// Serve speaks the link protocol on conn until the link breaks, ctx ends or Close is called. It closes conn.
func (s *Source) Serve(ctx context.Context, conn net.Conn) error { panic("skeleton") }

// Close ends all links and waits for them.
func (s *Source) Close() { panic("skeleton") }

// AckedBy returns how many replicas have acknowledged pos of slot.
func (s *Source) AckedBy(slot uint16, pos Position) int { panic("skeleton") }

// AckedNodes appends to dst the node IDs of the replicas that acknowledged pos of slot.
func (s *Source) AckedNodes(dst []string, slot uint16, pos Position) []string { panic("skeleton") }

// WaitAcked returns when n replicas have acknowledged all marks, or ctx ends; how many have.
func (s *Source) WaitAcked(ctx context.Context, marks []SlotPosition, n int) int { panic("skeleton") }

// NotifyAcked calls done once, from a goroutine of the source, when n replicas have acknowledged all
// marks (at once if they already have). done must not block.
func (s *Source) NotifyAcked(marks []SlotPosition, n int, done func(count int)) *Waiter {
	panic("skeleton")
}

// Waiter is one wait for acknowledgements.
type Waiter struct{}

// Cancel ends the wait and returns how many replicas have acknowledged; false when done was or is being called.
func (w *Waiter) Cancel() (count int, cancelled bool) { panic("skeleton") }

// SlotLag is the best replica's lag of a slot: what a failover now would lose.
type SlotLag struct {
	Replicas int           // that stream the slot
	Effects  uint64        // not acknowledged by the best of them
	Bytes    uint64        // upper bound
	Age      time.Duration // of the oldest effect not acknowledged, upper bound
}

// Lag returns the lag of a slot. Cheap: no lock of the log, no scan.
func (s *Source) Lag(slot uint16) SlotLag { panic("skeleton") }

// ReplicaInfo describes one link of a source, for INFO and ROLE.
type ReplicaInfo struct {
	NodeID, Addr               string
	Wanted, Copying, Streaming int    // slots
	AckedOffset                uint64 // ring offset the replica has applied
	Lag                        time.Duration
	LastAck                    time.Duration // ago
	BytesOut, BytesIn          uint64
}

// Replicas returns the links, ordered by node ID.
func (s *Source) Replicas() []ReplicaInfo { panic("skeleton") }

// SourceStats are counters for INFO.
type SourceStats struct{ FullSyncs, PartialOK, PartialErr, BytesOut, BytesIn uint64 }

// Stats returns the counters.
func (s *Source) Stats() SourceStats { panic("skeleton") }

// LinkOptions are what a Link needs.
type LinkOptions struct {
	Config     Config
	Log        *Log
	Applier    Applier
	Slots      Slots
	NodeID     string // of this node
	BootID     uint64
	PrimaryID  string // node ID the other side must have
	Dial       Dialer
	Logger     *slog.Logger
	OnBroken   func(err error)   // a link that was up broke, or could not be opened; must not block
	OnLoss     func(loss Loss)   // effects that this node had and the primary's history has not; must not block
	OnCaughtUp func(slot uint16) // a slot began to stream; must not block
}

// Loss is the receipt for effects dropped because they were not on the new primary's history.
type Loss struct {
	Slot    uint16
	Had     Position // this node's last position
	Fork    Position // the last common one
	Effects uint64   // Had.Seq - Fork.Seq
}

// Link is the replica side: it follows one primary node for a set of slots.
type Link struct{}

// NewLink returns a link that is not started.
func NewLink(o LinkOptions) (*Link, error) { panic("skeleton") }

// Start begins to connect. Close ends the link and waits until nothing is applied any more.
func (l *Link) Start() { panic("skeleton") }

// Close ends the link.
func (l *Link) Close() { panic("skeleton") }

// AddSlots follows more slots. Live links ask for them at once.
func (l *Link) AddSlots(slots []uint16) { panic("skeleton") }

// RemoveSlots ends following slots. When it returns, the link applies none of their effects any more.
// No shard lock may be held. A copy cut short leaves the slot's position zero.
func (l *Link) RemoveSlots(slots []uint16) { panic("skeleton") }

// SlotStatus is how a replica stands with one slot.
type SlotStatus struct {
	State     string // "detached", "wanted", "copying", "streaming"
	Position  Position
	Readable  bool          // streaming
	Staleness time.Duration // upper bound: the copy shows the slot as it was at most so long ago
}

// SlotStatus returns how the link stands with slot.
func (l *Link) SlotStatus(slot uint16) SlotStatus { panic("skeleton") }

// LinkInfo describes a link for INFO and ROLE.
type LinkInfo struct {
	PrimaryID                  string
	State                      string // "connecting", "handshake", "streaming", "broken", "closed"
	Wanted, Copying, Streaming int
	Offset                     uint64        // of the primary's ring, applied
	LastIO                     time.Duration // ago
	DownFor                    time.Duration
	Staleness                  time.Duration
	CopiedBytes                uint64
	CopyKeysDone, CopyKeysLeft uint64
	BytesIn, BytesOut          uint64
	ApplyErrors                uint64
}

// Info returns how the link stands.
func (l *Link) Info() LinkInfo { panic("skeleton") }
