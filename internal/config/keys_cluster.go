package config

import (
	"math"
	"time"
)

var clusterKeys = []*Key{
	{
		Name: "cluster.enabled", Redis: []string{"cluster-enabled"}, Default: "false",
		value: boolValue(func(c *Config) *bool { return &c.Cluster.Enabled }),
		What:  "true: the node is a member of a cluster. false: it is complete by itself.",
	},
	{
		Name: "cluster.port", Redis: []string{"cluster-port"}, Default: "0",
		value: intValue(func(c *Config) *int { return &c.Cluster.ClusterPort }, 0, 65535),
		What:  "Port (TCP and UDP) for the other nodes. 0: the client port + 10000; without server.port, tls.port + 10000.",
	},
	{
		Name: "cluster.seeds", Default: "",
		value: listValue(func(c *Config) *[]string { return &c.Cluster.Seeds }, 256),
		What:  "Some nodes of the cluster, as host:cluster-port. One that answers is enough; the list may hold nodes that are not up yet and the node itself. A node that was a member before also remembers the others.",
	},
	{
		Name: "cluster.expect", Default: "0",
		value: intValue(func(c *Config) *int { return &c.Cluster.Expect }, 0, 1000),
		What:  "Number of nodes that form a new cluster: when that many have found each other and none belongs to a cluster yet, they form one and share out the slots. Give all of them the same number. 0: never form one by itself; join the seeds' cluster, or wait for CLUSTER MEET.",
	},
	{
		Name: "cluster.replicas", Default: "auto", Mutable: true, Shared: true,
		value: intOrAutoValue(func(c *Config) *int { return &c.Cluster.Replicas }, 0, 5),
		What:  "Replicas of every slot. Where nodes are too few, as many as there can be. auto: 1 in a cluster that forms by itself (cluster.expect); none in one made by hand (redis-cli --cluster create, CLUSTER ADDSLOTS) but those that CLUSTER REPLICATE names.",
		Raise: "More failures are survived without loss; more memory and network.",
		Lower: "Less memory and network; with 0 a lost node loses its keys.",
	},
	{
		Name: "cluster.node_timeout", Redis: []string{"cluster-node-timeout"}, Default: "1s",
		value: durationValue(func(c *Config) *time.Duration { return &c.Cluster.NodeTimeout }, time.Millisecond, 200, 60_000),
		What:  "How long a node may be silent before its slots are given to replicas, and how long a primary may answer without hearing from the controller (its lease). A node whose process is gone is noticed much sooner. Give all nodes the same value.",
		Raise: "Slow networks and overloaded machines cause no failover; real failures are noticed later.",
		Lower: "Faster failover; a stalled machine loses its slots sooner.",
	},
	{
		Name: "cluster.return_timeout", Default: "5m", Mutable: true, Shared: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Cluster.ReturnTimeout }, time.Second, 0, 24*3600),
		What:  "How long a member that is away is expected back before its replicas are placed on other nodes. One whose process is known to be gone lost its data with it and is waited for five times cluster.node_timeout at most.",
		Raise: "Restarts and repairs move no data; slots have fewer replicas meanwhile.",
		Lower: "Full redundancy is back sooner; a slow restart copies data twice.",
	},
	{
		Name: "cluster.move_concurrency", Default: "2", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Cluster.MoveConcurrency }, 1, 64),
		What:  "Moves of slots between nodes that run at a time in the whole cluster.",
		Raise: "Joining and leaving nodes are done sooner; clients feel it more.",
		Lower: "The opposite.",
	},
	{
		Name: "cluster.move_slots", Default: "1024", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Cluster.MoveSlots }, 1, 16384),
		What:  "Most slots that one move carries.",
		Raise: "Joining and leaving nodes are done sooner; the pause of writes at the end of a move is longer.",
		Lower: "Shorter pauses, and more of them.",
	},
	{
		Name: "cluster.move_timeout", Default: "10m", Mutable: true, Shared: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Cluster.MoveTimeout }, time.Second, 1, 24*3600),
		What:  "How long a move may take to copy its slots before it is given up and planned anew.",
		Raise: "Very large slots move over slow networks.",
		Lower: "A move to a node in trouble is given up sooner.",
	},
	{
		Name: "cluster.trust_refused", Default: "true", Mutable: true, Shared: true,
		value: boolValue(func(c *Config) *bool { return &c.Cluster.TrustRefused }),
		What:  "true: a refused connection to a node's address proves that its process is gone, and its slots fail over at once. Turn it off where firewalls refuse connections on behalf of living hosts; then failover waits for the lease, cluster.node_timeout.",
	},
	{
		Name: "cluster.secret", Default: "", Secret: true, Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.Cluster.Secret }, 512),
		What:  "Password among the nodes: a node that does not know it learns and changes nothing. Give all nodes the same. Empty: the cluster port must not be reachable for strangers.",
	},
	{
		Name: "cluster.secret_accept", Default: "", Secret: true, Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.Cluster.SecretAccept }, 512),
		What:  "A second cluster.secret that other nodes may use, while it is being changed: set it to the new one on all nodes, then exchange the two on all nodes, then empty it on all nodes.",
	},
	{
		Name: "cluster.announce_ip", Redis: []string{"cluster-announce-ip"}, Default: "",
		value: stringValue(func(c *Config) *string { return &c.Cluster.AnnounceIP }, 45),
		What:  "IP address under which clients and the other nodes reach this node, where that is not the address it listens on (containers, NAT). Empty: found out by itself.",
	},
	{
		Name: "cluster.announce_port", Redis: []string{"cluster-announce-port"}, Default: "0", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Cluster.AnnouncePort }, 0, 65535),
		What:  "Client port to announce. 0: server.port.",
	},
	{
		Name: "cluster.announce_tls_port", Redis: []string{"cluster-announce-tls-port"}, Default: "0", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Cluster.AnnounceTLSPort }, 0, 65535),
		What:  "Client port for TLS to announce. 0: tls.port.",
	},
	{
		Name: "cluster.announce_cluster_port", Redis: []string{"cluster-announce-bus-port"}, Default: "0",
		value: intValue(func(c *Config) *int { return &c.Cluster.AnnounceClusterPort }, 0, 65535),
		What:  "Cluster port to announce. 0: the cluster port.",
	},
	{
		Name: "cluster.announce_hostname", Redis: []string{"cluster-announce-hostname"}, Default: "", Mutable: true,
		value: func(c *Config) value { return hostname{&c.Cluster.AnnounceHostname} },
		What:  "Host name of this node in CLUSTER SLOTS, SHARDS and NODES.",
	},
	{
		Name: "cluster.preferred_endpoint_type", Redis: []string{"cluster-preferred-endpoint-type"}, Default: "ip", Mutable: true,
		value: enumValue(func(c *Config) *string { return &c.Cluster.PreferredEndpointType }, "ip", "hostname", "unknown-endpoint"),
		What:  "Address of other nodes that this node tells clients, in redirections and CLUSTER SLOTS: `ip`, `hostname` (`?` while there is none), or `unknown-endpoint` (the client keeps the host it is connected to and changes the port).",
	},
	{
		Name: "cluster.zone", Default: "",
		value: stringValue(func(c *Config) *string { return &c.Cluster.Zone }, 64),
		What:  "Name of the rack, zone or room. Where possible no two copies of a slot are in one zone.",
	},
	{
		Name: "cluster.weight", Default: "100",
		value: intValue(func(c *Config) *int { return &c.Cluster.Weight }, 0, 1000),
		What:  "This node's share of the slots, relative to the other nodes' weights.",
		Raise: "More slots, so more memory and load on this node.",
		Lower: "Fewer; 0 holds replicas only.",
	},
	{
		Name: "cluster.require_full_coverage", Redis: []string{"cluster-require-full-coverage"}, Default: "true", Mutable: true, Shared: true,
		value: boolValue(func(c *Config) *bool { return &c.Cluster.RequireFullCoverage }),
		What:  "true: while any slot has no primary, every slot answers CLUSTERDOWN. false: the other slots go on.",
	},
	{
		Name: "cluster.allow_reads_when_down", Redis: []string{"cluster-allow-reads-when-down"}, Default: "false", Mutable: true, Shared: true,
		value: boolValue(func(c *Config) *bool { return &c.Cluster.AllowReadsWhenDown }),
		What:  "true: a node that lost the cluster still answers reads of the slots it held; the values may be old.",
	},
	{
		Name: "cluster.replica_max_lag_ms", Default: "10000", Mutable: true, Shared: true,
		value: millisValue(func(c *Config) *time.Duration { return &c.Cluster.ReplicaMaxLag }, 0, math.MaxInt32),
		What:  "A replica that is further behind its primary redirects READONLY clients instead of answering. 0: it always answers.",
		Raise: "Replicas answer more often, with older values.",
		Lower: "Values are younger; primaries take more reads when the network is slow.",
	},
	{
		Name: "cluster.replica_reads_without_readonly", Default: "false", Mutable: true, Shared: true,
		value: boolValue(func(c *Config) *bool { return &c.Cluster.ReadsWithoutReadonly }),
		What: "true: replicas answer the reads of all clients, within cluster.replica_max_lag_ms, not only of those that sent READONLY. For clients that read from replicas, " +
			"and send READONLY only to nodes that are nothing else (ioredis with scaleReads). A client whose slot map is old then gets an old value rather than MOVED.",
	},
}

var replicationKeys = []*Key{
	{
		Name: "replication.log_size", Redis: []string{"repl-backlog-size"}, Default: "64mb", Mutable: true,
		value: backlogValue(func(c *Config) *int64 { return &c.Replication.LogSize }),
		What:  "Memory for recent writes. A replica that was away resumes from it; one that missed more copies its slots again, or, a redis-server, the keyspace. In a cluster 1mb to 64gb, and not changed while the node runs.",
		Raise: "Longer interruptions end without a copy.",
		Lower: "Less memory; more full copies.",
	},
	{
		Name: "replication.backlog_ttl_seconds", Redis: []string{"repl-backlog-ttl"}, Default: "3600", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.BacklogTTLSeconds }, 0, math.MaxInt64),
		What:  "How long a standalone node without replicas of Redis's own protocol (REPLICAOF on a redis-server) keeps recent writes for those that were there. Until the first one comes it keeps none. 0: for ever.",
		Raise: "Replicas that were away for longer resume.",
		Lower: "Memory of replication.log_size is given back sooner.",
	},
	{
		Name: "replication.ping_replica_period", Redis: []string{"repl-ping-replica-period", "repl-ping-slave-period"}, Default: "10", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.PingReplicaSeconds }, 1, math.MaxInt32),
		What:  "Seconds between two PING to replicas of Redis's own protocol, which tell them that this node is alive.",
		Raise: "Fewer bytes. Must stay below repl-timeout of the replicas.",
		Lower: "Replicas learn sooner that the node is gone.",
	},
	{
		Name: "replication.replica_timeout", Redis: []string{"repl-timeout"}, Default: "1m", Mutable: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Replication.ReplicaTimeout }, time.Second, 1, math.MaxInt32),
		What:  "A replica of Redis's own protocol that acknowledges nothing, or takes nothing of its snapshot, for this long is disconnected; a replica gives a primary up that has sent nothing for this long. Must be longer than replication.ping_replica_period. Links between nodes of a cluster: replication.link_timeout.",
		Raise: "Replicas survive longer pauses; what they lack is kept for longer.",
		Lower: "Dead replicas are noticed sooner.",
	},
	{
		Name: "replication.diskless_sync", Redis: []string{"repl-diskless-sync"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Replication.DisklessSync }),
		What:  "true: replicas of Redis's own protocol that can take it (capa eof) get a snapshot while it is made. false: it goes to a file without name in data_dir first, and is sent with its length.",
	},
	{
		Name: "replication.diskless_sync_delay", Redis: []string{"repl-diskless-sync-delay"}, Default: "0", Mutable: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Replication.DisklessSyncDelay }, time.Second, 0, math.MaxInt32),
		What:  "How long to wait before a snapshot is made for a replica of Redis's own protocol that gets it while it is made. Redis waits 5 seconds, for others that may come; here each replica has a snapshot of its own.",
		Raise: "Replicas that come and go at once cost no snapshot.",
		Lower: "Replicas are complete sooner.",
	},
	{
		Name: "replication.diskless_sync_max_replicas", Redis: []string{"repl-diskless-sync-max-replicas"}, Default: "0", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.DisklessSyncMaxReplicas }, 0, math.MaxInt32),
		What:  "As soon as this many replicas wait for replication.diskless_sync_delay to pass, it is over for all of them. 0: it always passes.",
		Raise: "More replicas wait for each other.",
		Lower: "Replicas are complete sooner.",
	},
	{
		Name: "replication.min_replicas_to_write", Redis: []string{"min-replicas-to-write", "min-slaves-to-write"}, Default: "0", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.MinReplicasToWrite }, 0, math.MaxInt32),
		What:  "A standalone node refuses writes with NOREPLICAS while fewer replicas than this follow it (replication.min_replicas_max_lag). 0: it does not. Not in a cluster: see replication.durability and replication.max_lag_ms.",
		Raise: "Fewer writes can be lost with the node; more of them are refused.",
		Lower: "Writes go on with fewer replicas.",
	},
	{
		Name: "replication.min_replicas_max_lag", Redis: []string{"min-replicas-max-lag", "min-slaves-max-lag"}, Default: "10", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.MinReplicasMaxLagSeconds }, 0, math.MaxInt32),
		What:  "Seconds since its last acknowledgement after which a replica does not count for replication.min_replicas_to_write. 0: that is not looked at.",
		Raise: "Slow replicas count for longer.",
		Lower: "Writes are refused sooner after a replica fell silent.",
	},
	{
		Name: "replication.primary", Redis: []string{"replicaof", "slaveof"}, Default: "", Commanded: true,
		value: stringValue(func(c *Config) *string { return &c.Replication.Primary }, 300),
		What:  "Host and port, a space between, of the redis-server or standalone node that this standalone node is a replica of. Empty: it is a primary. REPLICAOF changes it. Not in a cluster: see cluster.replicas.",
	},
	{
		Name: "replication.primary_user", Redis: []string{"masteruser"}, Default: "", Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.Replication.PrimaryUser }, 256),
		What:  "User that a replica logs in as at replication.primary. Empty: the default user.",
	},
	{
		Name: "replication.primary_password", Redis: []string{"masterauth"}, Default: "", Mutable: true, Secret: true,
		value: bytesValue(func(c *Config) *string { return &c.Replication.PrimaryPassword }, 512),
		What:  "Password that a replica gives at replication.primary. Empty: it gives none.",
	},
	{
		Name: "replication.replica_read_only", Redis: []string{"replica-read-only", "slave-read-only"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Replication.ReplicaReadOnly }),
		What:  "true: a replica of replication.primary takes no writes of clients. false: it does; they are not replicated, and gone with the next full copy. Replicas in a cluster take none.",
	},
	{
		Name: "replication.replica_serve_stale_data", Redis: []string{"replica-serve-stale-data", "slave-serve-stale-data"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Replication.ReplicaServeStaleData }),
		What:  "true: a replica that is not connected to replication.primary answers with what it has. false: with MASTERDOWN. In a cluster see cluster.replica_max_lag_ms.",
	},
	{
		Name: "replication.replica_ignore_maxmemory", Redis: []string{"replica-ignore-maxmemory", "slave-ignore-maxmemory"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Replication.ReplicaIgnoreMaxMemory }),
		What:  "true: a replica of replication.primary evicts nothing by itself, only what the primary evicts. false: it keeps to its own store.maxmemory, and differs from the primary then. Replicas in a cluster never evict by themselves.",
	},
	{
		Name: "replication.replica_priority", Redis: []string{"replica-priority", "slave-priority"}, Default: "100", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.ReplicaPriority }, 0, math.MaxInt32),
		What:  "What INFO tells Redis Sentinel, which promotes the replica with the lowest number, and never one with 0. In a cluster the controller chooses, by position.",
		Raise: "Others are promoted first.",
		Lower: "This replica is promoted first.",
	},
	{
		Name: "replication.replica_announced", Redis: []string{"replica-announced"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Replication.ReplicaAnnounced }),
		What:  "What INFO tells Redis Sentinel: whether it tells its clients of this replica of replication.primary.",
	},
	{
		Name: "replication.replica_announce_ip", Redis: []string{"replica-announce-ip", "slave-announce-ip"}, Default: "", Mutable: true,
		value: stringValue(func(c *Config) *string { return &c.Replication.ReplicaAnnounceIP }, 255),
		What:  "Address that a replica tells replication.primary to be reached at. Empty: the one that its connection comes from.",
	},
	{
		Name: "replication.replica_announce_port", Redis: []string{"replica-announce-port", "slave-announce-port"}, Default: "0", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Replication.ReplicaAnnouncePort }, 0, 65535),
		What:  "Port that a replica tells replication.primary to be reached at. 0: server.port, or tls.port with tls.cluster.",
	},
	{
		Name: "replication.link_timeout", Default: "5s",
		value: durationValue(func(c *Config) *time.Duration { return &c.Replication.LinkTimeout }, time.Millisecond, 100, 600_000),
		What:  "A replication link on which nothing was heard or could be written for this long is opened anew.",
		Raise: "Slow networks break fewer links.",
		Lower: "Links that died silently are replaced sooner.",
	},
	{
		Name: "replication.copy_rate", Default: "0",
		value: memoryValue(func(c *Config) *int64 { return &c.Replication.CopyRate }, 0, math.MaxInt64),
		What:  "Bytes a second that all full copies of slots, sent by this node, may use together. 0: no limit.",
		Raise: "New and returning replicas are complete sooner.",
		Lower: "Clients feel copies less; slots lack a replica for longer.",
	},
	{
		Name: "replication.max_lag_ms", Default: "0", Mutable: true, Shared: true,
		value: millisValue(func(c *Config) *time.Duration { return &c.Replication.MaxLag }, 0, math.MaxInt32),
		What:  "Loss budget in time: writes to a slot whose replicas are all further behind, or have been missing for longer, are slowed, then refused with NOREPLICAS. 0: off.",
		Raise: "A failover may lose more; slow replicas disturb less.",
		Lower: "A failover loses less; writes are refused sooner.",
	},
	{
		Name: "replication.max_lag_bytes", Default: "0", Mutable: true, Shared: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Replication.MaxLagBytes }, 0, math.MaxInt64),
		What:  "Loss budget in bytes of writes, beside replication.max_lag_ms. 0: off.",
		Raise: "A failover may lose more; slow replicas disturb less.",
		Lower: "A failover loses less; writes are refused sooner.",
	},
	{
		Name: "replication.durability", Default: "async", Mutable: true, Shared: true,
		value: durabilityValue(func(c *Config) *Durability { return &c.Replication.Durability }),
		What:  "When a write is answered: `async` when the primary has it; `replicas=N` when N replicas have it too; `quorum` when most copies of the slot have it, and only such copies may be promoted.",
	},
	{
		Name: "replication.ack_timeout", Default: "2s", Mutable: true, Shared: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Replication.AckTimeout }, time.Millisecond, 1, 3_600_000),
		What:  "How long a write waits for its replicas where replication.durability asks for them; then it is answered with NOREPLICAS, although it is applied and still on its way.",
		Raise: "Writes survive slow replicas without an error, and take longer.",
		Lower: "Clients learn sooner that replicas do not keep up.",
	},
}
