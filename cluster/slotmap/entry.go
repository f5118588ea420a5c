package slotmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Errors that stop a node: its binary does not understand the cluster's log.
var (
	ErrUnknownEntry = errors.New("slotmap: unknown log entry type or version")
	ErrBadEntry     = errors.New("slotmap: malformed log entry")
)

// maxEntry bounds an encoded entry. The largest real one names every slot once.
const maxEntry = 4 << 20

// EntryType is the first byte of a raft log entry. Append only: a number is
// never given a new meaning, since old logs are replayed.
type EntryType byte

// Entry types.
const (
	TypeForm       EntryType = 1
	TypeRegister   EntryType = 2
	TypePromote    EntryType = 3
	TypeSetState   EntryType = 4
	TypePlace      EntryType = 5
	TypeAssign     EntryType = 6
	TypeInSync     EntryType = 7
	TypeBeginMove  EntryType = 8
	TypeCommitMove EntryType = 9
	TypeAbortMove  EntryType = 10
	TypeForget     EntryType = 11
	TypeReplicas   EntryType = 12
	TypePin        EntryType = 13
	TypeShared     EntryType = 14 // package shared's: no change of the map
	TypeFollow     EntryType = 15
	TypeFree       EntryType = 16
)

// entryVersion is the second byte of an encoded entry.
const entryVersion = 1

// Entry is one change of the map: a request with its preconditions. Apply
// checks them; an entry decided on a state that has passed changes nothing.
type Entry interface {
	Type() EntryType
	validate() error
	apply(e *edit) (reason string)
}

// Form names the cluster. It is the first entry of every log. Founder is the
// node that began the cluster: it tells those that come back late whether this
// is the cluster they took part in beginning.
type Form struct {
	ClusterID string `json:"id"`
	Replicas  int    `json:"replicas"`
	Founder   NodeID `json:"founder,omitempty"`
	// ByHand: slots go to the nodes that operators gave them to, and stay there.
	ByHand bool `json:"hand,omitempty"`
}

// Register adds a node, or updates its addresses and its process. A new Boot
// says that the process which held the node's data and lease is gone: its
// copies no longer count as in sync, its slots go to Promote, and those left
// to it start empty under a new epoch and are counted as lost.
type Register struct {
	Node     Node        `json:"node"`
	PrevBoot uint64      `json:"prev"` // Boot in the map now; 0: not a member
	Promote  []Promotion `json:"promote,omitempty"`
}

// Promotion makes To, a replica, the primary of Slots.
type Promotion struct {
	Slots Ranges `json:"slots"`
	To    NodeID `json:"to"`
}

// Promote fails From over: one entry for all its slots. From stays as a
// replica that is not in sync. The proposer has made sure that From's lease
// has run out or that its process is gone.
type Promote struct {
	From NodeID      `json:"from"`
	Boot uint64      `json:"boot"` // of From; another one makes the entry stale
	List []Promotion `json:"list"`
	// Fail marks From as failed as well.
	Fail bool `json:"fail,omitempty"`
}

// SetState changes what is expected of a node.
type SetState struct {
	Node  NodeID    `json:"node"`
	Boot  uint64    `json:"boot"`
	State NodeState `json:"state"`
}

// Place changes replica sets. Primaries and handoffs in progress are not
// touched: removing the target of a handoff is left out.
type Place struct {
	List []Placement `json:"list"`
}

// Placement adds and removes replicas of Slots. Adding the primary, and removing
// what is not there, changes nothing; adding a replica that is to be removed keeps it.
// Release says which replicas are to be removed: from when the primary knows, what
// they hold counts for no answer.
type Placement struct {
	Slots   Ranges   `json:"slots"`
	Add     []NodeID `json:"add,omitempty"`
	Release []NodeID `json:"release,omitempty"`
	Remove  []NodeID `json:"remove,omitempty"`
}

// Assign gives slots to a primary that starts empty. From is the primary they
// have now: empty for unassigned slots; otherwise their data is given up, and
// counted as lost.
type Assign struct {
	From NodeID     `json:"from,omitempty"`
	List []Assigned `json:"list"`
}

// Assigned is a primary and its replicas for Slots.
type Assigned struct {
	Slots    Ranges   `json:"slots"`
	To       NodeID   `json:"to"`
	Replicas []NodeID `json:"replicas,omitempty"`
}

// InSync records that copies of Node became complete, or ceased to be.
type InSync struct {
	Node   NodeID `json:"node"`
	Boot   uint64 `json:"boot"`
	Add    Ranges `json:"add,omitempty"`
	Remove Ranges `json:"remove,omitempty"`
}

// BeginMove starts a handoff of those of Slots that have From as primary, To
// as a replica in sync, and no move yet.
type BeginMove struct {
	Slots Ranges `json:"slots"`
	From  NodeID `json:"from"`
	To    NodeID `json:"to"`
	// Boot, if not 0, says that this process of To has complete copies of Slots: the
	// entry is InSync for them as well.
	Boot uint64 `json:"boot,omitempty"`
}

// CommitMove makes the target of the move with that token the primary; the old
// one stays as a replica in sync, for placement to remove later.
type CommitMove struct {
	Token uint64 `json:"token"`
}

// AbortMove ends the move with that token; the slots stay with their primary.
type AbortMove struct {
	Token uint64 `json:"token"`
}

// Forget removes a node that is primary of nothing for good.
type Forget struct {
	Node NodeID `json:"node"`
	Boot uint64 `json:"boot"`
}

// Replicas sets the replication factor.
type Replicas struct {
	Factor int `json:"factor"`
}

// Pin says that an operator placed primaries: placement does not rebalance
// until the members change.
type Pin struct{}

// Type identifies the entry in the log.
func (*Form) Type() EntryType       { return TypeForm }
func (*Register) Type() EntryType   { return TypeRegister }
func (*Promote) Type() EntryType    { return TypePromote }
func (*SetState) Type() EntryType   { return TypeSetState }
func (*Place) Type() EntryType      { return TypePlace }
func (*Assign) Type() EntryType     { return TypeAssign }
func (*InSync) Type() EntryType     { return TypeInSync }
func (*BeginMove) Type() EntryType  { return TypeBeginMove }
func (*CommitMove) Type() EntryType { return TypeCommitMove }
func (*AbortMove) Type() EntryType  { return TypeAbortMove }
func (*Forget) Type() EntryType     { return TypeForget }
func (*Replicas) Type() EntryType   { return TypeReplicas }
func (*Pin) Type() EntryType        { return TypePin }

// newEntry is the only list of entry types: decoding and tests read it.
var newEntry = map[EntryType]func() Entry{
	TypeForm:       func() Entry { return new(Form) },
	TypeRegister:   func() Entry { return new(Register) },
	TypePromote:    func() Entry { return new(Promote) },
	TypeSetState:   func() Entry { return new(SetState) },
	TypePlace:      func() Entry { return new(Place) },
	TypeAssign:     func() Entry { return new(Assign) },
	TypeInSync:     func() Entry { return new(InSync) },
	TypeBeginMove:  func() Entry { return new(BeginMove) },
	TypeCommitMove: func() Entry { return new(CommitMove) },
	TypeAbortMove:  func() Entry { return new(AbortMove) },
	TypeForget:     func() Entry { return new(Forget) },
	TypeReplicas:   func() Entry { return new(Replicas) },
	TypePin:        func() Entry { return new(Pin) },
	TypeFollow:     func() Entry { return new(Follow) },
	TypeFree:       func() Entry { return new(Free) },
}

// Encode gives the log form of an entry: type byte, version byte, JSON body.
// The body is JSON so that a log can be read by people when things go wrong;
// entries are rare.
func Encode(e Entry) ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBadEntry, err)
	}
	if len(body)+2 > maxEntry {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadEntry, len(body))
	}
	return append([]byte{byte(e.Type()), entryVersion}, body...), nil
}

// Decode reads the log form. It returns ErrUnknownEntry for a type or version
// of a newer binary and ErrBadEntry for anything else that is not an entry;
// both mean that this node must stop applying.
func Decode(data []byte) (Entry, error) {
	if len(data) < 2 || len(data) > maxEntry {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadEntry, len(data))
	}
	make, ok := newEntry[EntryType(data[0])]
	if !ok || data[1] != entryVersion {
		return nil, fmt.Errorf("%w: type %d version %d", ErrUnknownEntry, data[0], data[1])
	}
	e := make()
	if err := strictJSON(data[2:], e); err != nil {
		return nil, fmt.Errorf("%w: type %d: %v", ErrBadEntry, data[0], err)
	}
	if err := e.validate(); err != nil {
		return nil, err
	}
	return e, nil
}

// strictJSON refuses unknown fields and trailing data: a field this binary
// does not know would be a change it does not make.
func strictJSON(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("trailing data")
	}
	return nil
}
