package resp

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// infoReplication prints what Redis prints, for a node whose role is that of
// nodeRole, and more about the links under names of our own: a node may be
// primary of some slots and replica of others.
func (d *Dispatcher) infoReplication(w *infoWriter) {
	role, info := d.role(), d.replicationInfo()
	if role.replica {
		w.str("role", "slave")
		cfg := &d.config.Config().Replication
		w.str("master_host", role.host)
		w.int("master_port", int64(role.port))
		w.primaryLink(role.link)
		w.int("slave_priority", int64(cfg.ReplicaPriority))
		w.bool("slave_read_only", cfg.ReplicaReadOnly)
		w.bool("replica_announced", cfg.ReplicaAnnounced)
	} else {
		w.str("role", "master")
	}
	w.int("connected_slaves", int64(len(info.Replicas)))
	if d.feed.wanted.Load() > 0 {
		w.int("min_slaves_good_slaves", int64(d.feed.good(time.Now().UnixMilli(), d.config.Config().Replication.MinReplicasMaxLagSeconds)))
	}
	for i, r := range info.Replicas {
		w.str("slave"+strconv.Itoa(i), fmt.Sprintf("ip=%s,port=%d,state=%s,offset=%d,lag=%d",
			r.Host, r.Port, r.State, r.Offset, r.LagSeconds))
	}
	w.str("master_failover_state", cmp.Or(d.failover.under(), "no-failover"))
	w.str("master_replid", info.ReplID)
	w.str("master_replid2", cmp.Or(info.FormerID, "0000000000000000000000000000000000000000"))
	w.str("master_repl_offset", strconv.FormatUint(info.Offset, 10))
	if info.FormerID == "" {
		w.str("second_repl_offset", "-1")
	} else {
		w.str("second_repl_offset", strconv.FormatUint(info.FormerEnd+1, 10))
	}
	w.bool("repl_backlog_active", d.repl != nil || info.BacklogFirst > 0)
	w.int("repl_backlog_size", info.BacklogSize)
	w.str("repl_backlog_first_byte_offset", strconv.FormatUint(info.BacklogFirst, 10))
	w.int("repl_backlog_histlen", info.BacklogHistory)
	if d.repl == nil {
		return
	}
	w.str("respkv_lost_effects", strconv.FormatUint(info.LostEffects, 10))
	w.int("respkv_replica_links", int64(len(info.Primaries)))
	for i, p := range info.Primaries {
		state := "down"
		switch {
		case p.Up && p.Syncing:
			state = "sync"
		case p.Up:
			state = "online"
		}
		w.str("respkv_primary"+strconv.Itoa(i), fmt.Sprintf("id=%s,ip=%s,port=%d,state=%s,slots=%d,offset=%d,last_io=%d,copied_bytes=%d,copy_keys_left=%d",
			p.NodeID, p.Host, p.Port, state, p.Slots, p.Offset, p.LastIOSeconds, p.CopiedBytes, p.CopyKeysLeft))
	}
	for i, r := range info.Replicas {
		w.str("respkv_replica"+strconv.Itoa(i), fmt.Sprintf("id=%s,state=%s,slots=%d", r.NodeID, r.State, r.Slots))
	}
}

// primaryLink prints the fields that only a replica has.
func (w *infoWriter) primaryLink(l PrimaryLink) {
	status := "down"
	if l.Up {
		status = "up"
	}
	lastIO := int64(-1)
	if l.Up {
		lastIO = l.LastIOSeconds
	}
	offset := strconv.FormatUint(l.Offset, 10)
	w.str("master_link_status", status)
	w.int("master_last_io_seconds_ago", lastIO)
	w.bool("master_sync_in_progress", l.Syncing)
	w.str("slave_read_repl_offset", offset)
	w.str("slave_repl_offset", offset)
	if l.Syncing {
		left, percent := uint64(0), 0.0
		if l.TotalBytes > 0 {
			left = l.TotalBytes - min(l.CopiedBytes, l.TotalBytes)
			percent = float64(l.CopiedBytes) / float64(l.TotalBytes) * 100
		}
		w.str("master_sync_total_bytes", strconv.FormatUint(l.TotalBytes, 10))
		w.str("master_sync_read_bytes", strconv.FormatUint(l.CopiedBytes, 10))
		w.str("master_sync_left_bytes", strconv.FormatUint(left, 10))
		w.float("master_sync_perc", percent, 2)
		w.int("master_sync_last_io_seconds_ago", l.LastIOSeconds)
	}
	if !l.Up {
		w.int("master_link_down_since_seconds", l.DownSeconds)
	}
}
