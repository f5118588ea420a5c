package observe

import (
	"maps"
	"slices"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/replication"
)

var clusterMetrics = []*Metric{
	clustered("respkv_cluster_ok", "1 while this node considers the cluster able to serve: `cluster_state`.",
		func(v *View) float64 { return truth(v.Info.OK) }),
	clustered("respkv_lease", "1 while this node may answer as a primary.",
		func(v *View) float64 { return truth(v.Info.Lease) }),
	clustered("respkv_controller", "1 on the node that leads Raft and decides.",
		func(v *View) float64 { return truth(v.Raft.Leader) }),
	labelled("respkv_members", "health", "Nodes by how they look from here: `alive`, `suspect`, `failed`, `unknown`.",
		func(v *View, e *exposition) {
			var count [len(healthNames)]int
			for i := range v.Info.Members {
				count[v.Info.Members[i].Health]++
			}
			for health, name := range healthNames {
				e.value(float64(count[health]), name)
			}
		}),
	labelled("respkv_slots", "role", "Slots of this node, as `primary` and as `replica`.",
		func(v *View, e *exposition) {
			m := v.Info.Map
			e.value(float64(m.PrimaryOf(v.Info.Self).Len()), "primary")
			e.value(float64(m.ReplicaOf(v.Info.Self).Len()), "replica")
		}),
	labelled("respkv_cluster_slots", "state", "Slots of the whole cluster: `assigned`; of them `ok`, and those whose primary is `suspect` or `failed`.",
		func(v *View, e *exposition) {
			e.value(float64(v.Info.SlotsAssigned), "assigned")
			e.value(float64(v.Info.SlotsOK), "ok")
			e.value(float64(v.Info.SlotsPFail), "suspect")
			e.value(float64(v.Info.SlotsFail), "failed")
		}),
	clustered("respkv_slots_moving", "Slots being handed over, in the whole cluster.",
		func(v *View) float64 {
			return float64(v.Info.Map.Where(func(a *slotmap.Assignment) bool { return a.Move != nil }).Len())
		}),
	clustered("respkv_map_version", "Version of the slot map that this node has applied; equal on all nodes within moments.",
		func(v *View) float64 { return float64(v.Raft.MapVersion) }),
	clustered("respkv_config_epoch", "Highest config epoch of a slot.",
		func(v *View) float64 { return float64(v.Raft.LastEpoch) }),
	clustered("respkv_raft_term", "Raft's term; it grows with each election.",
		func(v *View) float64 { return float64(v.Raft.Term) }),
	clustered("respkv_raft_commit_index", "Last entry of Raft's log known to be committed.",
		func(v *View) float64 { return float64(v.Raft.CommitIndex) }),
	clustered("respkv_raft_applied_index", "Last entry applied here.",
		func(v *View) float64 { return float64(v.Raft.AppliedIndex) }),
	clustered("respkv_raft_voters", "Voters of the Raft group.",
		func(v *View) float64 { return float64(v.Raft.Voters) }),
	clustered("respkv_leases_granted_total", "Leases granted by this node as the controller.",
		func(v *View) float64 { return float64(v.Info.Counters.LeasesGranted) }),
	clustered("respkv_leases_lost_total", "Times that this node's lease ran out.",
		func(v *View) float64 { return float64(v.Info.Counters.LeasesLost) }),
	clustered("respkv_failovers_total", "Slots' primaries replaced by failovers that this node decided.",
		func(v *View) float64 { return float64(v.Info.Counters.Failovers) }),
	labelled("respkv_moves_total", "result", "Handoffs of slots that this node decided: `done` or `aborted`.",
		func(v *View, e *exposition) {
			e.value(float64(v.Info.Counters.MovesDone), "done")
			e.value(float64(v.Info.Counters.MovesAborted), "aborted")
		}),
	clustered("respkv_slots_lost_total", "Slots that had to start empty, as told by this node.",
		func(v *View) float64 { return float64(v.Info.Counters.SlotsLost) }),
	labelled("respkv_events_total", "kind", "Events told by this node, as its log has them under `cluster event`.",
		func(v *View, e *exposition) {
			for _, kind := range slices.Sorted(maps.Keys(v.Events)) {
				e.value(float64(v.Events[kind]), string(kind))
			}
		}),
	labelled("respkv_cluster_messages_total", "kind direction", "Control messages to (`out`) and from (`in`) other nodes.",
		func(v *View, e *exposition) {
			for _, m := range v.Info.Messages {
				e.value(float64(m.Sent), m.Kind, "out")
				e.value(float64(m.Received), m.Kind, "in")
			}
		}),
	labelled("respkv_cluster_bytes_total", "direction", "Bytes of control messages.",
		func(v *View, e *exposition) {
			e.value(float64(v.Info.Counters.BytesReceived), "in")
			e.value(float64(v.Info.Counters.BytesSent), "out")
		}),
	clustered("respkv_publish_dropped_total", "Pub/sub messages that other nodes did not take in time.",
		func(v *View) float64 { return float64(v.PublishDropped) }),
}

// healthNames are indexed by cluster.Health.
var healthNames = [...]string{cluster.Alive: "alive", cluster.Suspect: "suspect", cluster.Failed: "failed", cluster.Unknown: "unknown"}

var replicationMetrics = []*Metric{
	clustered("respkv_replication_offset_bytes_total", "Bytes of effects ever logged by this node.",
		func(v *View) float64 { return float64(v.Log.Offset) }),
	clustered("respkv_replication_log_bytes", "Bytes of recent effects that the log holds.",
		func(v *View) float64 { return float64(v.Log.HistoryBytes) }),
	clustered("respkv_replication_log_size_bytes", "Size of the log: `replication.log_size`.",
		func(v *View) float64 { return float64(v.Log.SizeBytes) }),
	labelled("respkv_resyncs_total", "kind", "Slots sent to replicas: `full`, `partial`, and `refused`: partial was asked for, and the log no longer held it.",
		func(v *View, e *exposition) {
			e.value(float64(v.Source.FullSyncs), "full")
			e.value(float64(v.Source.PartialOK), "partial")
			e.value(float64(v.Source.PartialErr), "refused")
		}),
	labelled("respkv_replication_bytes_total", "direction", "Bytes to (`out`) and from (`in`) replicas, copies included.",
		func(v *View, e *exposition) {
			e.value(float64(v.Source.BytesIn), "in")
			e.value(float64(v.Source.BytesOut), "out")
		}),
	clustered("respkv_effects_lost_total", "Acknowledged effects that this node dropped, because a failover had gone on without them.",
		func(v *View) float64 { return float64(v.LostEffects) }),
	perReplica("respkv_replica_lag_seconds", "How far a replica of this node is behind: age of the oldest effect that it has not applied.",
		func(r *replication.ReplicaInfo) float64 { return r.Lag.Seconds() }),
	perReplica("respkv_replica_slots", "Slots that a replica of this node follows.",
		func(r *replication.ReplicaInfo) float64 { return float64(r.Streaming) }),
	perReplica("respkv_replica_slots_copying", "Slots that it copies, or waits to copy.",
		func(r *replication.ReplicaInfo) float64 { return float64(r.Waiting + r.Copying) }),
	perLink("respkv_primary_link_up", "1 while the link to a primary of this node stands.",
		func(l *replication.LinkInfo) float64 { return truth(l.State == replication.LinkStreaming) }),
	perLink("respkv_primary_lag_seconds", "How far this node, as a replica, may be behind that primary.",
		func(l *replication.LinkInfo) float64 { return l.Staleness.Seconds() }),
	perLink("respkv_primary_slots", "Slots followed on that link.",
		func(l *replication.LinkInfo) float64 { return float64(l.Streaming) }),
	perLink("respkv_primary_slots_copying", "Slots that this node copies from there, or waits to.",
		func(l *replication.LinkInfo) float64 { return float64(l.Wanted + l.Resuming + l.Copying) }),
	perLink("respkv_primary_copied_bytes_total", "Bytes of full copies received on the link.",
		func(l *replication.LinkInfo) float64 { return float64(l.CopiedBytes) }),
}

func perReplica(name, help string, read func(r *replication.ReplicaInfo) float64) *Metric {
	return labelled(name, "peer", help, func(v *View, e *exposition) {
		for i := range v.Replicas {
			e.value(read(&v.Replicas[i]), slotmap.NodeID(v.Replicas[i].NodeID).Short())
		}
	})
}

func perLink(name, help string, read func(l *replication.LinkInfo) float64) *Metric {
	return labelled(name, "peer", help, func(v *View, e *exposition) {
		for i := range v.Links {
			e.value(read(&v.Links[i]), slotmap.NodeID(v.Links[i].PrimaryID).Short())
		}
	})
}
