package resp

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"respkv/cluster"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	family := map[string]Handler{
		"cluster|slots":                 clusterSlots,
		"cluster|shards":                clusterShards,
		"cluster|nodes":                 clusterNodes,
		"cluster|info":                  clusterInfo,
		"cluster|myid":                  func(c *Ctx) { c.W.BulkString(string(c.d.routing.ID())) },
		"cluster|myshardid":             func(c *Ctx) { c.W.BulkString(string(c.d.routing.ID())) }, // roles are per slot: a node is a shard
		"cluster|keyslot":               func(c *Ctx) { c.W.Int(int64(hashslot.Slot(c.Args[2]))) },
		"cluster|countkeysinslot":       clusterCountKeys,
		"cluster|getkeysinslot":         clusterGetKeys,
		"cluster|count-failure-reports": clusterFailureReports,
		"cluster|links":                 clusterLinks,
		"cluster|replicas":              clusterReplicas,
		"cluster|slaves":                clusterReplicas,
		"cluster|meet":                  clusterMeet,
		"cluster|forget":                clusterForget,
		"cluster|reset":                 clusterReset,
		"cluster|failover":              clusterFailover,
		"cluster|leave":                 clusterLeave,
		"cluster|setslot":               clusterSetSlot,
		"cluster|migrateslots":          clusterMigrateSlots,
		"cluster|addslots":              clusterAddSlots,
		"cluster|addslotsrange":         clusterAddSlots,
		"cluster|delslots":              clusterDelSlots,
		"cluster|delslotsrange":         clusterDelSlots,
		"cluster|flushslots":            clusterFlushSlots,
		"cluster|replicate":             clusterReplicate,
		"cluster|set-config-epoch":      clusterSetConfigEpoch,
		"cluster|bumpepoch":             clusterBumpEpoch,
		"cluster|saveconfig":            func(c *Ctx) { c.W.OK() }, // the slot map is on disk before it takes effect
		"cluster|help":                  containerHelp,
	}
	for name, h := range family {
		family[name] = func(c *Ctx) {
			if c.inCluster() {
				h(c)
			}
		}
	}
	handle(family)
}

func clusterCountKeys(c *Ctx) {
	slot, ok := parseLong(c.Args[2])
	switch {
	case !ok:
		c.W.Error(errNotInteger)
	case slot < 0 || slot >= hashslot.Count:
		c.W.Error(errInvalidSlot)
	case !c.ownsSlot(uint16(slot)):
		c.W.Int(0)
	default:
		c.W.Int(int64(c.countSlot(uint16(slot))))
	}
}

// ownsSlot reports whether this node is the primary of a slot. The keys of its
// copies of others are not its own: clients ask all nodes that are primaries, and
// add up. On the way to another node, a slot leaves nothing behind to be moved key
// by key: the copy that stays for a while is not this node's to give away.
func (c *Ctx) ownsSlot(slot uint16) bool {
	return c.d.routing.Map().Slot(slot).Primary == c.d.routing.ID()
}

func (c *Ctx) countSlot(slot uint16) int {
	st := c.d.store
	if !c.Tx.AllLocked {
		shard := store.ShardOf(slot)
		st.LockShard(shard)
		defer st.UnlockShard(shard)
	}
	return st.CountSlot(0, slot)
}

func clusterGetKeys(c *Ctx) {
	slot, ok := parseLong(c.Args[2])
	count, ok2 := parseLong(c.Args[3])
	switch {
	case !ok || !ok2:
		c.W.Error(errNotInteger)
		return
	case slot < 0 || slot >= hashslot.Count || count < 0:
		c.W.Error(errInvalidSlotCount)
		return
	}
	if !c.ownsSlot(uint16(slot)) {
		c.W.Array(0)
		return
	}
	names := c.slotKeys(uint16(slot), int(min(count, 1<<31-1)))
	c.W.Array(len(names))
	for _, name := range names {
		c.W.Bulk(name)
	}
}

func (c *Ctx) slotKeys(slot uint16, most int) [][]byte {
	st := c.d.store
	if !c.Tx.AllLocked {
		shard := store.ShardOf(slot)
		st.LockShard(shard)
		defer st.UnlockShard(shard)
	}
	return st.SlotKeys(0, slot, min(most, st.CountSlot(0, slot)))
}

// member finds the node named by an argument, or replies with the error.
func (c *Ctx) member(info *cluster.Info, arg []byte) *cluster.Member {
	for i := range info.Members {
		if string(info.Members[i].ID) == string(arg) {
			return &info.Members[i]
		}
	}
	c.W.Error(errUnknownNode(arg))
	return nil
}

func clusterFailureReports(c *Ctx) {
	info := c.d.routing.Info()
	if m := c.member(&info, c.Args[2]); m != nil {
		c.W.Int(int64(m.Failures))
	}
}

// Changes of the cluster go through its controller, which may have to be found
// first. The client is parked meanwhile.
const (
	meetTimeout  = 10 * time.Second
	adminTimeout = 30 * time.Second
)

// changeCluster runs a change of the cluster in the background and replies OK or
// with its error. A timeout of 0 is none.
func (c *Ctx) changeCluster(timeout time.Duration, what string, change func(ctx context.Context) error) {
	log := c.d.log
	c.background(timeout, nil, func(ctx context.Context, w *proto.Writer) {
		err := change(ctx)
		if err == nil {
			w.OK()
			return
		}
		log.Warn("a cluster command failed", "command", what, "error", err)
		w.Error(clusterErrorText(err))
	})
}

func clusterErrorText(err error) string {
	var slot *cluster.SlotError
	var refused notBuiltError
	switch {
	case errors.As(err, &refused):
		return refused.text
	case errors.As(err, &slot) && slot.Assigned:
		return errSlotBusy(slot.Slot)
	case errors.As(err, &slot):
		return errSlotUnassigned(slot.Slot)
	case errors.Is(err, cluster.ErrNotAlone):
		return errEpochNotAlone
	case errors.Is(err, cluster.ErrEpochSet):
		return errEpochSet
	case errors.Is(err, cluster.ErrFollowSelf):
		return errReplicateSelf
	case errors.Is(err, cluster.ErrFollowReplica):
		return errReplicateReplica
	case errors.Is(err, cluster.ErrNotEmpty):
		return errReplicateNotEmpty
	case errors.Is(err, cluster.ErrPrimaryOfKeys):
		return errResetKeys
	case errors.Is(err, cluster.ErrForgetSelf):
		return errForgetSelf
	case errors.Is(err, cluster.ErrNotReplica):
		return errNotReplica
	case errors.Is(err, context.DeadlineExceeded):
		return errClusterTimeout(err)
	}
	return errOf(err)
}

// clusterMeet: CLUSTER MEET ip port [cluster-port].
func clusterMeet(c *Ctx) {
	if len(c.Args) > 5 {
		c.W.Error(errSubcommandArgs("CLUSTER", c.Args[1]))
		return
	}
	host := string(c.Args[2])
	port, ok := parseLong(c.Args[3])
	if !ok {
		c.W.Error(errBasePort(c.Args[3]))
		return
	}
	clusterPort := port + 10000 // Redis's rule, and the default of cluster.port
	if len(c.Args) == 5 {
		if clusterPort, ok = parseLong(c.Args[4]); !ok {
			c.W.Error(errBusPort(c.Args[4]))
			return
		}
	}
	if net.ParseIP(host) == nil || port < 1 || port > 65535 || clusterPort < 1 || clusterPort > 65535 {
		c.W.Error(errNodeAddress(c.Args[2], c.Args[3]))
		return
	}
	routing := c.d.routing
	c.changeCluster(meetTimeout, "MEET", func(ctx context.Context) error {
		return routing.Meet(ctx, host, int(clusterPort))
	})
}

func clusterForget(c *Ctx) {
	info := c.d.routing.Info()
	id, routing := slotmap.NodeID(c.Args[2]), c.d.routing
	if !info.Map.IsForgotten(id) && c.member(&info, c.Args[2]) == nil {
		return
	}
	c.changeCluster(adminTimeout, "FORGET", func(ctx context.Context) error { return routing.Forget(ctx, id) })
}

// clusterReset: CLUSTER RESET [HARD|SOFT].
func clusterReset(c *Ctx) {
	hard := false
	switch {
	case len(c.Args) > 3:
		c.W.Error(errSubcommandArgs("CLUSTER", c.Args[1]))
		return
	case len(c.Args) == 2, isWord(c.Args[2], "soft"):
	case isWord(c.Args[2], "hard"):
		hard = true
	default:
		c.W.Error(errSyntax)
		return
	}
	routing := c.d.routing
	// Copies of other nodes' slots, and what a node that was forgotten has left, are
	// not its own keys.
	if len(routing.Map().PrimaryOf(routing.ID())) > 0 && c.d.store.DBSize(0) > 0 {
		c.W.Error(errResetKeys)
		return
	}
	c.changeCluster(adminTimeout, "RESET", func(ctx context.Context) error { return routing.Reset(ctx, hard) })
}

// clusterFailover: CLUSTER FAILOVER [FORCE|TAKEOVER].
func clusterFailover(c *Ctx) {
	mode := cluster.FailoverPlanned
	switch {
	case len(c.Args) > 3:
		c.W.Error(errSubcommandArgs("CLUSTER", c.Args[1]))
		return
	case len(c.Args) == 2:
	case isWord(c.Args[2], "force"):
		mode = cluster.FailoverForce
	case isWord(c.Args[2], "takeover"):
		mode = cluster.FailoverTakeover
	default:
		c.W.Error(errSyntax)
		return
	}
	routing := c.d.routing
	c.changeCluster(adminTimeout, "FAILOVER", func(ctx context.Context) error { return routing.Failover(ctx, mode) })
}

// clusterLeave: CLUSTER LEAVE. The reply comes when everything has moved away.
func clusterLeave(c *Ctx) {
	routing := c.d.routing
	c.changeCluster(0, "LEAVE", routing.Leave)
}

// clusterLinks shows the links as Redis shows those of its bus.
func clusterLinks(c *Ctx) {
	links := c.d.routing.Info().Links
	c.W.Array(len(links))
	for _, l := range links {
		direction, events := "from", "r"
		if l.To {
			direction = "to"
		}
		if l.SendBufferBytes > 0 {
			events = "rw"
		}
		c.W.Map(6)
		c.W.BulkString("direction")
		c.W.BulkString(direction)
		c.W.BulkString("node")
		c.W.BulkString(string(l.Node))
		c.W.BulkString("create-time")
		c.W.Int(l.CreateTimeMillis)
		c.W.BulkString("events")
		c.W.BulkString(events)
		c.W.BulkString("send-buffer-allocated")
		c.W.Int(l.SendBufferBytes)
		c.W.BulkString("send-buffer-used")
		c.W.Int(l.SendBufferBytes)
	}
}

func clusterInfo(c *Ctx) {
	info := c.d.routing.Info()
	primaries := make(map[slotmap.NodeID]bool)
	for _, s := range info.Map.Spans() {
		if s.Primary != "" {
			primaries[s.Primary] = true
		}
	}
	state := "fail"
	if info.OK {
		state = "ok"
	}
	var w infoWriter
	w.str("cluster_state", state)
	if !info.Map.Formed() {
		info.SlotsAssigned = info.Given.Slots.Len()
	}
	w.int("cluster_slots_assigned", int64(info.SlotsAssigned))
	w.int("cluster_slots_ok", int64(info.SlotsOK))
	w.int("cluster_slots_pfail", int64(info.SlotsPFail))
	w.int("cluster_slots_fail", int64(info.SlotsFail))
	w.int("cluster_known_nodes", int64(len(info.Members)))
	w.int("cluster_size", int64(len(primaries)))
	w.str("cluster_current_epoch", strconv.FormatUint(info.Map.CurrentEpoch(), 10))
	w.str("cluster_my_epoch", strconv.FormatUint(info.MyEpoch, 10))
	n := info.Counters
	for _, m := range info.Messages {
		if m.Sent > 0 {
			w.str("cluster_stats_messages_"+m.Kind+"_sent", strconv.FormatUint(m.Sent, 10))
		}
	}
	w.str("cluster_stats_messages_sent", strconv.FormatUint(n.MessagesSent, 10))
	for _, m := range info.Messages {
		if m.Received > 0 {
			w.str("cluster_stats_messages_"+m.Kind+"_received", strconv.FormatUint(m.Received, 10))
		}
	}
	w.str("cluster_stats_messages_received", strconv.FormatUint(n.MessagesReceived, 10))
	w.zeros("total_cluster_links_buffer_limit_exceeded")
	w.str("respkv_controller", string(info.Controller))
	w.str("respkv_map_version", strconv.FormatUint(info.Map.Version(), 10))
	w.bool("respkv_lease", info.Lease)
	w.str("respkv_leases_granted", strconv.FormatUint(n.LeasesGranted, 10))
	w.str("respkv_leases_lost", strconv.FormatUint(n.LeasesLost, 10))
	w.str("respkv_failovers", strconv.FormatUint(n.Failovers, 10))
	w.str("respkv_moves_done", strconv.FormatUint(n.MovesDone, 10))
	w.str("respkv_moves_aborted", strconv.FormatUint(n.MovesAborted, 10))
	w.str("respkv_slots_lost", strconv.FormatUint(n.SlotsLost, 10))
	c.W.Verbatim("txt", w.b.String())
}
