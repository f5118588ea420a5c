package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// MaxMessage bounds an encoded message; positions of all slots are under 1 MB, a
// change of shared values is under 3.5 MB.
const MaxMessage = 4 << 20

// messageVersion is the second byte of an encoded message. A node that meets
// another version drops the connection.
const messageVersion = 1

// ErrBadMessage says that bytes are no message of this version.
var ErrBadMessage = errors.New("control: bad message")

// Message is what agents and controllers send each other. Messages may be
// lost, late, doubled and reordered.
type Message interface{ kind() byte }

// Hello makes an agent ask the sender for its lease.
type Hello struct {
	ClusterID string `json:"cluster"`
	Term      uint64 `json:"term"`
}

// LeaseRequest asks the controller for a lease and carries the node's status.
type LeaseRequest struct {
	SentAt     time.Duration         `json:"sent"` // sender's monotonic clock; echoed
	Node       slotmap.Node          `json:"node"`
	MapVersion uint64                `json:"map"`
	Status     []slotmap.RangeStatus `json:"status"`
	Given      Given                 `json:"given,omitzero"`
}

// Given is what operators have given to a node and the map does not know of yet:
// slots, those of the lowest config epoch to get the first one of the cluster, or
// whom it is to follow.
type Given struct {
	Slots   slotmap.Ranges `json:"slots,omitempty"`
	Epoch   uint64         `json:"epoch,omitempty"`
	Follows slotmap.NodeID `json:"follows,omitempty"`
}

// LeaseGrant answers a LeaseRequest: the lease runs from SentAt. It counts
// once the holder has applied map version Fence.
type LeaseGrant struct {
	SentAt time.Duration `json:"sent"`
	Boot   uint64        `json:"boot"`
	Length time.Duration `json:"length"`
	Fence  uint64        `json:"fence"`
}

// Pause asks the primary to stop writes for the move with that token.
type Pause struct {
	Token   uint64 `json:"token"`
	Version uint64 `json:"version"` // map version in which the move began
}

// PauseDone tells the final positions of the paused slots.
type PauseDone struct {
	Token     uint64                 `json:"token"`
	Boot      uint64                 `json:"boot"`
	Positions []slotmap.SlotPosition `json:"positions"`
	Err       string                 `json:"err,omitempty"`
}

// Confirm asks the target whether it has applied these positions; it answers
// when it has.
type Confirm struct {
	Token     uint64                 `json:"token"`
	Positions []slotmap.SlotPosition `json:"positions"`
}

// ConfirmDone answers Confirm.
type ConfirmDone struct {
	Token uint64 `json:"token"`
	Boot  uint64 `json:"boot"`
	Err   string `json:"err,omitempty"`
}

// AskPositions asks a replica for its positions before a failover.
type AskPositions struct {
	ID    uint64         `json:"id"`
	Slots slotmap.Ranges `json:"slots"`
}

// Positions answers AskPositions.
type Positions struct {
	ID   uint64                 `json:"id"`
	Boot uint64                 `json:"boot"`
	List []slotmap.SlotPosition `json:"list"`
}

// AskTerm asks a voter for its current raft term: while a majority is in the
// controller's own term, no other controller has been elected.
type AskTerm struct {
	ID uint64 `json:"id"`
}

// TermIs answers AskTerm.
type TermIs struct {
	ID   uint64 `json:"id"`
	Term uint64 `json:"term"`
}

// LinkBroken tells that a connection to Node ended unexpectedly.
type LinkBroken struct {
	Node slotmap.NodeID `json:"node"`
}

// Op is what an operator asks for. Append only.
type Op uint8

// Operations.
const (
	OpLeave    Op = 1 // Node leaves for good
	OpStop     Op = 2 // Node stops, is expected back
	OpForget   Op = 3 // Node is gone for good
	OpTakeover Op = 4 // Node wants to be primary of what it replicates, by handoff
	OpForce    Op = 5 // the same over a primary that may not answer
	OpMove     Op = 6 // Node is to be primary of Slots
	OpKeep     Op = 7 // no more of OpMove for Slots
	OpFollow   Op = 8 // Node is to be a replica of Primary
	OpFree     Op = 9 // Node, which asks, gives up Slots, that have no keys
)

// Request is an operation asked of the controller.
type Request struct {
	ID    uint64         `json:"id"`
	Op    Op             `json:"op"`
	Node  slotmap.NodeID `json:"node"`
	Slots slotmap.Ranges `json:"slots,omitempty"`
	// Primary is whom OpFollow names.
	Primary slotmap.NodeID `json:"primary,omitempty"`
}

// Response answers Request: empty Err means accepted; what follows shows in
// the map.
type Response struct {
	ID  uint64 `json:"id"`
	Err string `json:"err,omitempty"`
}

func (*Hello) kind() byte        { return 1 }
func (*LeaseRequest) kind() byte { return 2 }
func (*LeaseGrant) kind() byte   { return 3 }
func (*Pause) kind() byte        { return 4 }
func (*PauseDone) kind() byte    { return 5 }
func (*Confirm) kind() byte      { return 6 }
func (*ConfirmDone) kind() byte  { return 7 }
func (*AskPositions) kind() byte { return 8 }
func (*Positions) kind() byte    { return 9 }
func (*AskTerm) kind() byte      { return 10 }
func (*TermIs) kind() byte       { return 11 }
func (*LinkBroken) kind() byte   { return 12 }
func (*Request) kind() byte      { return 13 }
func (*Response) kind() byte     { return 14 }
func (*Change) kind() byte       { return 15 }
func (*Changed) kind() byte      { return 16 }

var newMessage = [...]func() Message{
	1:  func() Message { return new(Hello) },
	2:  func() Message { return new(LeaseRequest) },
	3:  func() Message { return new(LeaseGrant) },
	4:  func() Message { return new(Pause) },
	5:  func() Message { return new(PauseDone) },
	6:  func() Message { return new(Confirm) },
	7:  func() Message { return new(ConfirmDone) },
	8:  func() Message { return new(AskPositions) },
	9:  func() Message { return new(Positions) },
	10: func() Message { return new(AskTerm) },
	11: func() Message { return new(TermIs) },
	12: func() Message { return new(LinkBroken) },
	13: func() Message { return new(Request) },
	14: func() Message { return new(Response) },
	15: func() Message { return new(Change) },
	16: func() Message { return new(Changed) },
}

// Kinds bounds the values of Kind.
const Kinds = len(newMessage)

// Kind numbers the types of messages, from 1.
func Kind(m Message) int { return int(m.kind()) }

var kindNames = [Kinds]string{1: "hello", 2: "lease-request", 3: "lease-grant", 4: "pause", 5: "pause-done",
	6: "confirm", 7: "confirm-done", 8: "ask-positions", 9: "positions", 10: "ask-term", 11: "term-is",
	12: "link-broken", 13: "request", 14: "response", 15: "change", 16: "changed"}

// KindName names a kind for statistics.
func KindName(kind int) string { return kindNames[kind] }

// EncodeMessage gives kind byte, version byte, JSON body.
func EncodeMessage(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBadMessage, err)
	}
	if len(body)+2 > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadMessage, len(body))
	}
	return append([]byte{m.kind(), messageVersion}, body...), nil
}

// DecodeMessage reads and checks an encoded message. Every error wraps
// ErrBadMessage.
func DecodeMessage(data []byte) (Message, error) {
	if len(data) < 2 || len(data) > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadMessage, len(data))
	}
	if int(data[0]) >= len(newMessage) || newMessage[data[0]] == nil || data[1] != messageVersion {
		return nil, fmt.Errorf("%w: kind %d version %d", ErrBadMessage, data[0], data[1])
	}
	m := newMessage[data[0]]()
	d := json.NewDecoder(bytes.NewReader(data[2:]))
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: kind %d: %v", ErrBadMessage, data[0], err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: kind %d: trailing data", ErrBadMessage, data[0])
	}
	if err := validate(m); err != nil {
		return nil, fmt.Errorf("%w: kind %d: %v", ErrBadMessage, data[0], err)
	}
	return m, nil
}

func validate(m Message) error {
	switch m := m.(type) {
	case *Hello:
		return slotmap.NodeID(m.ClusterID).Validate()
	case *LeaseRequest:
		if err := m.Node.Validate(); err != nil {
			return err
		}
		for _, s := range m.Status {
			if err := s.Range.Validate(); err != nil {
				return err
			}
		}
		return m.Given.Validate()
	case *LeaseGrant:
		if m.Length < 0 || m.Length > time.Hour {
			return fmt.Errorf("lease of %v", m.Length)
		}
	case *PauseDone:
		return validatePositions(m.Positions)
	case *Confirm:
		return validatePositions(m.Positions)
	case *Positions:
		return validatePositions(m.List)
	case *AskPositions:
		return m.Slots.Validate()
	case *LinkBroken:
		return m.Node.Validate()
	case *Request:
		if err := m.Node.Validate(); err != nil {
			return err
		}
		if m.Primary != "" {
			if err := m.Primary.Validate(); err != nil {
				return err
			}
		}
		return m.Slots.Validate()
	case *Change:
		return validateChange(m)
	}
	return nil
}

// validatePositions wants slots in ascending order: each at most once.
func validatePositions(list []slotmap.SlotPosition) error {
	for i, p := range list {
		if p.Slot >= hashslot.Count || i > 0 && list[i-1].Slot >= p.Slot {
			return fmt.Errorf("position of slot %d out of order", p.Slot)
		}
	}
	return nil
}
