package cluster

import (
	"context"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// SlotPosition is the position of one slot's copy on this node.
type SlotPosition = slotmap.SlotPosition

// RangeStatus tells how this node's copy of some slots is doing. It rides on
// lease requests.
type RangeStatus = slotmap.RangeStatus

// DataPlane is how the cluster drives the data of its node: the store and
// replication behind it. The cluster calls Apply from one goroutine, in order;
// the other methods may be called at the same time as any.
type DataPlane interface {
	// Apply follows a new map version: open links to the primaries of the
	// slots this node replicates, drop slots it no longer holds, begin the
	// config epoch of slots it became primary of (with self's Boot in the map
	// equal to the node's own; otherwise the map speaks of an earlier process
	// and this node is primary of nothing). When it returns, copies of slots
	// gained as primary are ready to serve: the routing table that lets clients
	// in is published after. Versions may be skipped, never reordered.
	Apply(m *slotmap.Map)

	// Positions returns this node's position of each slot in ranges that it
	// holds a copy of, complete or not, in slot order.
	Positions(ranges slotmap.Ranges) []SlotPosition

	// Pause is called after Admit has begun to answer Paused for ranges. It
	// waits until no write of these slots is running (taking each shard's lock
	// once suffices), stops expiry and eviction there, and returns the final
	// positions. When ctx ends first it returns its error; the slots stay
	// paused until Resume.
	Pause(ctx context.Context, ranges slotmap.Ranges) ([]SlotPosition, error)

	// Resume ends a pause whose slots stay with this node; called before Admit
	// lets writes in again.
	Resume(ranges slotmap.Ranges)

	// WaitFor returns once this node, as a replica, has applied at least these
	// positions with complete copies; ctx's error when it ends first.
	WaitFor(ctx context.Context, positions []SlotPosition) error

	// Status describes every slot this node holds, in few ranges. It must be
	// cheap: it is called several times a second.
	Status() []RangeStatus
}

// Verdict is what Route decided. Wire texts belong to resp.
type Verdict uint8

// Verdicts.
const (
	Here        Verdict = iota // run the command on this node
	Moved                      // -MOVED slot addr
	Ask                        // -ASK slot addr: only while redis-cli style SETSLOT migrations run
	ClusterDown                // -CLUSTERDOWN: no lease, or the cluster has no quorum
	Unassigned                 // -CLUSTERDOWN Hash slot not served
	TryAgain                   // -TRYAGAIN
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Here:
		return "here"
	case Moved:
		return "moved"
	case Ask:
		return "ask"
	case ClusterDown:
		return "clusterdown"
	case Unassigned:
		return "unassigned"
	case TryAgain:
		return "tryagain"
	}
	return "unknown"
}

// Decision is the answer to "who serves this slot for this client".
type Decision struct {
	Verdict Verdict
	// Node is the node to go to for Moved and Ask, nil otherwise. It belongs
	// to the map: do not change it.
	Node *slotmap.Node
}

// PortOf is the client port of a node for clients with or without TLS.
func PortOf(n *slotmap.Node, tls bool) int {
	if tls && n.TLSPort != 0 || n.ClientPort == 0 {
		return n.TLSPort
	}
	return n.ClientPort
}

// Gate says what Admit found.
type Gate uint8

// Gates.
const (
	Run     Gate = iota // go ahead
	Paused              // a handoff is finishing: wait for Wait, then Route again
	Reroute             // ownership or lease changed since Route: Route again
)

// Admission is the answer of Admit.
type Admission struct {
	Gate Gate
	// Owner: this node is the slot's primary and serves it, so it may remove
	// keys past their deadline. Set with Run only.
	Owner bool
	// Wait is closed when the pause ends; nil unless Paused.
	Wait <-chan struct{}
}

// Event is something an operator or a client may want to know.
type Event = control.Event

// EventKind names an event; the kinds are in package control.
type EventKind = control.EventKind

// FailoverMode is the argument of CLUSTER FAILOVER.
type FailoverMode uint8

// Failover modes.
const (
	FailoverPlanned  FailoverMode = iota // handoff from the living primary, nothing lost
	FailoverForce                        // FORCE: do not wait for the primary's agreement; its lease is still respected
	FailoverTakeover                     // TAKEOVER: same as FORCE here; a majority is always needed
)
