package node

import (
	"context"
	"sync"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/replication"
	"respkv/resp"
)

// replicator shows replication to the dispatcher. It implements
// resp.Replicator.
type replicator struct {
	n      *Node
	budget lossBudget
}

// Append implements resp.Replicator.
func (r *replicator) Append(slot uint16, db int, flags uint8, args [][]byte) {
	r.n.repl.Append(slot, db, flags, args)
}

// Mark implements resp.Replicator.
func (r *replicator) Mark(slot uint16) resp.Mark {
	pos := r.n.repl.Position(slot)
	return resp.Mark{Slot: slot, Epoch: pos.Epoch, Seq: pos.Seq}
}

// Leads implements resp.Replicator.
func (r *replicator) Leads(slot uint16) bool { return r.n.repl.IsPrimary(slot) }

// WaitAcked implements resp.Replicator.
func (r *replicator) WaitAcked(ctx context.Context, marks []resp.Mark, n int) int {
	positions := make([]replication.SlotPosition, len(marks))
	for i, m := range marks {
		positions[i] = replication.SlotPosition{Slot: m.Slot, Position: replication.Position{Epoch: m.Epoch, Seq: m.Seq}}
	}
	return r.n.source.Load().WaitAcked(ctx, positions, n)
}

// Durable implements resp.Replicator.
func (r *replicator) Durable() int {
	n := acks(r.n.live.Config().Replication.Durability)
	if n == slotmap.AcksQuorum {
		n = r.n.Cluster().Map().Quorum(r.n.Cluster().ID())
	}
	return n
}

// Info implements resp.Replicator.
func (r *replicator) Info() resp.ReplicationInfo {
	log, source := r.n.repl.Stats(), r.n.source.Load().Stats()
	m := r.n.Cluster().Map()
	info := resp.ReplicationInfo{
		ReplID:         string(r.n.Cluster().ID()),
		Offset:         log.Offset,
		BacklogSize:    log.SizeBytes,
		BacklogHistory: int64(log.HistoryBytes),
		BacklogFirst:   log.FirstOffset,
		FullSyncs:      source.FullSyncs,
		PartialOK:      source.PartialOK,
		PartialErr:     source.PartialErr,
		BytesIn:        source.BytesIn,
		BytesOut:       source.BytesOut,
		LostEffects:    r.n.plane.lost.total(),
	}
	for _, l := range r.n.source.Load().Replicas() {
		link := resp.ReplicaLink{
			NodeID: l.NodeID, State: "online", Offset: l.Offset,
			LagSeconds: int64(l.LastAck.Seconds()), Slots: l.Waiting + l.Copying + l.Streaming,
		}
		if l.Waiting+l.Copying > 0 {
			link.State = "send_bulk"
		}
		if member := m.Node(slotmap.NodeID(l.NodeID)); member != nil {
			link.Host, link.Port = member.Host, cluster.PortOf(member, false)
		}
		info.Replicas = append(info.Replicas, link)
	}
	for _, l := range r.n.plane.linkInfos() {
		link := resp.PrimaryLink{
			NodeID: l.PrimaryID, Up: l.State == replication.LinkStreaming, Syncing: l.Wanted+l.Copying > 0,
			LastIOSeconds: int64(l.LastIO.Seconds()),
			Offset:        l.Offset, Slots: l.Wanted + l.Resuming + l.Copying + l.Streaming,
			CopyKeysLeft: l.CopyTotal - min(l.CopyKeys, l.CopyTotal), CopiedBytes: l.CopiedBytes,
		}
		if !link.Up {
			link.DownSeconds = int64(l.Since.Seconds())
		}
		if member := m.Node(slotmap.NodeID(l.PrimaryID)); member != nil {
			link.Host, link.Port = member.Host, cluster.PortOf(member, false)
		}
		info.Primaries = append(info.Primaries, link)
	}
	return info
}

// linkInfos describes the links of this node as a replica.
func (p *plane) linkInfos() []replication.LinkInfo {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []replication.LinkInfo
	for _, l := range p.links {
		out = append(out, l.Info())
	}
	return out
}

// lossCounter sums up effects that were acknowledged here and dropped because a
// failover had gone on without them.
type lossCounter struct {
	mu      sync.Mutex
	effects uint64
}

func (c *lossCounter) add(l replication.Loss) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.effects += l.Effects
}

func (c *lossCounter) total() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.effects
}
