package node

import (
	"sync"
	"time"

	"respkv/cluster/slotmap"
	"respkv/replication"
)

// lossBudget says whether a failover now would lose no more of a slot than is
// allowed. While a replica follows, that is what it lacks. While none does, all
// that is written from then on would be lost as well, so the budget is used up by
// time and bytes since the first write without one.
type lossBudget struct {
	mu    sync.Mutex // guards alone; a leaf
	alone map[uint16]aloneSince
}

// aloneSince is the first write to a slot that no replica follows.
type aloneSince struct {
	at     time.Time
	offset uint64 // of the log
}

// budgetLimits are replication.max_lag_ms and max_lag_bytes; 0: no limit.
type budgetLimits struct {
	age   time.Duration
	bytes int64
}

func (l budgetLimits) allow(age time.Duration, bytes uint64) bool {
	return (l.age == 0 || age <= l.age) && (l.bytes == 0 || bytes <= uint64(l.bytes))
}

// within decides for one slot. offset gives that of the log; it is asked only
// where no replica follows.
func (b *lossBudget) within(slot uint16, lag replication.SlotLag, limits budgetLimits, offset func() uint64, now time.Time) bool {
	if lag.Replicas > 0 {
		b.follows(slot)
		return lag.Effects == 0 || limits.allow(lag.Age, lag.Bytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	since, known := b.alone[slot]
	if !known {
		if b.alone == nil {
			b.alone = make(map[uint16]aloneSince)
		}
		b.alone[slot] = aloneSince{now, offset()}
		return true
	}
	return limits.allow(now.Sub(since.at), offset()-since.offset)
}

// follows notes that the slot has a replica, or needs none.
func (b *lossBudget) follows(slot uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.alone, slot)
}

// failoverPossible reports whether there is anybody who could take over. Without,
// there is no failover for which the budget could hold.
func failoverPossible(m *slotmap.Map, self slotmap.NodeID) bool {
	if m.WantedReplicas(self) == 0 {
		return false
	}
	for _, n := range m.Nodes() {
		if n.ID != self && n.State == slotmap.NodeActive {
			return true
		}
	}
	return false
}

// WithinLossBudget implements resp.Replicator.
func (r *replicator) WithinLossBudget(slot uint16) bool {
	c := &r.n.live.Config().Replication
	if c.MaxLag == 0 && c.MaxLagBytes == 0 {
		return true
	}
	if !failoverPossible(r.n.Cluster().Map(), r.n.Cluster().ID()) {
		r.budget.follows(slot)
		return true
	}
	return r.budget.within(slot, r.n.source.Load().Lag(slot), budgetLimits{c.MaxLag, c.MaxLagBytes}, func() uint64 { return r.n.repl.Stats().Offset }, time.Now())
}
