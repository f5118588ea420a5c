// Package control is the cluster's decision making without goroutines, clock
// or sockets: Agent is what every node does (ask for its lease, pause slots,
// confirm positions), Controller is what the raft leader does besides (grant
// leases, fail over, place, move). Both are driven by events and act through
// an environment; cluster.Node drives them with real time and connections, the
// simulation with virtual ones.
//
// Neither type may be used by two goroutines at a time. Environment calls do
// not block and do not call back.
package control

import (
	"time"

	"respkv/cluster/slotmap"
)

// Timing derives every duration from the node timeout.
type Timing struct {
	// Lease is the length of a lease.
	Lease time.Duration
	// Renew is how often a lease is asked for.
	Renew time.Duration
	// Margin is added to a lease by the controller before it promotes over its
	// holder: clocks may run at slightly different rates.
	Margin time.Duration
	// Grace is waited beyond the lease for a node that gossip says is alive:
	// it is probably only slow, and a failover loses writes.
	Grace time.Duration
	// Probe is how often the port of a silent node is tried.
	Probe time.Duration
	// Collect is how long positions are waited for before promoting.
	Collect time.Duration
	// Handoff bounds the pause of a handoff.
	Handoff time.Duration
	// Tick is how often Tick is to be called.
	Tick time.Duration
	// Soon is how long news wait for others to go with them.
	Soon time.Duration
}

// TimingFor returns the timings of a node timeout.
func TimingFor(nodeTimeout time.Duration) Timing {
	t := nodeTimeout
	return Timing{
		Lease: t, Renew: t / 3, Margin: t / 20, Grace: t / 2, Probe: t / 10,
		Collect: t / 4, Handoff: 2 * t, Tick: t / 20, Soon: t / 200,
	}
}

// Event is something an operator may want to know. Fields that do not apply
// are zero.
type Event struct {
	Kind   EventKind
	Node   slotmap.NodeID // the node it is about
	Peer   slotmap.NodeID // the other node: who took over, who receives
	Slots  slotmap.Ranges
	Reason string
	Took   time.Duration
	// Lost is how many acknowledged effects the successors are known to have
	// lacked when they told their positions. More may be lost: the failed node's
	// last word on its own position is up to a lease renewal old. Less can be
	// only where it was cut off, not dead, and went on sending to a successor.
	Lost uint64
}

// EventKind names an event; its value is the name used in logs and channels.
type EventKind string

// Events.
const (
	EventFormed        EventKind = "cluster-formed"
	EventNodeJoined    EventKind = "node-joined"
	EventNodeUp        EventKind = "node-up"
	EventNodeSuspect   EventKind = "node-suspect"
	EventNodeDown      EventKind = "node-down"
	EventNodeReplaced  EventKind = "node-replaced"
	EventNodeLeft      EventKind = "node-left"
	EventFailover      EventKind = "failover"
	EventFailoverWaits EventKind = "failover-waits"
	EventEffectsLost   EventKind = "effects-lost"
	EventMoveBegin     EventKind = "move-begin"
	EventMoveEnd       EventKind = "move-end"
	EventMoveAbort     EventKind = "move-abort"
	EventSlotsLost     EventKind = "slots-lost"
	EventLeaseLost     EventKind = "lease-lost"
	EventLeaseBack     EventKind = "lease-back"
	EventController    EventKind = "controller"
)
