package resp

import (
	"errors"
	"respkv/internal/config"
	"respkv/internal/glob"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"config|get":       configGet,
		"config|set":       configSet,
		"config|resetstat": configResetStat,
		"config|rewrite":   configRewrite,
		"config|help":      containerHelp,
	})
}

func configGet(c *Ctx) {
	patterns := make([]string, len(c.Args)-2)
	for i, arg := range c.Args[2:] {
		patterns[i] = string(arg)
	}
	pairs := c.d.config.Get(patterns, func(pattern, name string) bool {
		return glob.MatchFold([]byte(pattern), []byte(name))
	})
	c.W.Map(len(pairs))
	for _, p := range pairs {
		c.W.BulkString(p.Name)
		c.W.BulkString(p.Value)
	}
}

func configSet(c *Ctx) {
	if len(c.Args)%2 != 0 {
		c.W.Error(errSyntax)
		return
	}
	pairs := make([]config.Pair, 0, len(c.Args)/2-1)
	for i := 2; i < len(c.Args); i += 2 {
		pairs = append(pairs, config.Pair{Name: string(c.Args[i]), Value: string(c.Args[i+1])})
	}
	if c.d.shared != nil {
		c.configSetShared(pairs)
		return
	}
	c.configSetOwn(pairs)
}

// configSetOwn changes settings of this node.
func (c *Ctx) configSetOwn(pairs []config.Pair) {
	before := c.d.config.Config().Store.MaxMemory
	if err := c.d.config.Set(pairs); err != nil {
		c.W.Error(errOf(err))
		return
	}
	if limit := c.d.config.Config().Store.MaxMemory; limit != before && !c.inExec {
		c.d.limitChanged(limit)
	}
	c.W.OK()
}

func configRewrite(c *Ctx) {
	c.d.noteUsers()
	if err := c.d.config.Rewrite(); err != nil {
		c.d.log.Warn("CONFIG REWRITE failed", "error", err)
		c.W.Error(errOf(err))
		return
	}
	c.d.log.Info("configuration file rewritten", "file", c.d.config.File())
	c.W.OK()
}

func configResetStat(c *Ctx) {
	d := c.d
	d.passCounts(c)
	d.stats.reset()
	for _, e := range d.entries {
		if e != nil {
			e.stats.reset()
		}
	}
	d.store.ResetStats()
	d.server.ResetStats()
	d.cron.resetStats()
	d.feed.resetStats()
	c.W.OK()
}

// LimitsOf is what the configuration says about the network layer.
func LimitsOf(c *config.Config) Limits {
	s := &c.Server
	l := Limits{
		MaxClients:    s.MaxClients,
		Timeout:       s.Timeout,
		KeepAlive:     s.TCPKeepAlive,
		MaxBulk:       int(s.ProtoMaxBulkLen),
		QueryBuffer:   int(s.ClientQueryBufferLimit),
		ProtectedMode: s.ProtectedMode,
		ClientMemory:  c.MaxMemoryClients(),
	}
	l.Output[ClassNormal] = outputLimit(s.ClientOutputBufferLimit.Normal)
	l.Output[ClassReplica] = outputLimit(s.ClientOutputBufferLimit.Replica)
	l.Output[ClassPubSub] = outputLimit(s.ClientOutputBufferLimit.PubSub)
	return l
}

func outputLimit(o config.OutputLimit) OutputLimit {
	return OutputLimit{HardBytes: o.Hard, SoftBytes: o.Soft, SoftSeconds: o.SoftSeconds}
}

// observe makes changes by CONFIG SET take effect, and the present values. What
// is not named here is read from the configuration whenever it is used
// (hz, maxmemory, active-expire-effort).
func (d *Dispatcher) observe() {
	limits := func(_, next *config.Config) error {
		err := d.server.SetLimits(func(l *Limits) { *l = LimitsOf(next) })
		d.server.evictClients()
		return err
	}
	d.config.Observe(limits, "server.maxclients", "server.timeout", "server.tcp_keepalive",
		"server.protected_mode", "server.proto_max_bulk_len", "server.client_query_buffer_limit",
		"server.client_output_buffer_limit", "server.maxmemory_clients", "store.maxmemory")
	keyspace := func(_, next *config.Config) error {
		d.configureStore(next)
		return nil
	}
	d.config.Observe(keyspace, "server.proto_max_bulk_len", "store.hll_sparse_max_bytes", "store.maxmemory_policy",
		"store.lfu_log_factor", "store.lfu_decay_time",
		"store.lazyfree_lazy_expire", "store.lazyfree_lazy_server_del",
		"store.hash_max_listpack_entries", "store.hash_max_listpack_value", "store.set_max_intset_entries",
		"store.zset_max_listpack_entries", "store.zset_max_listpack_value", "store.list_max_listpack_size", "store.list_compress_depth",
		"store.stream_node_max_entries", "store.stream_node_max_bytes")
	d.config.Observe(func(_, next *config.Config) error {
		d.limitChanged(next.Store.MaxMemory)
		return nil
	}, "store.maxmemory")
	d.config.Observe(func(_, next *config.Config) error {
		d.users.SetDefaultPassword(next.Server.RequirePass)
		return nil
	}, "server.requirepass")
	d.config.Observe(func(_, next *config.Config) error {
		d.notify.set(next.Server.NotifyKeyspaceEvents)
		return nil
	}, "server.notify_keyspace_events")
	d.config.Observe(func(_, next *config.Config) error {
		d.tracing.configure(next)
		return nil
	}, "server.slowlog_log_slower_than", "server.slowlog_max_len", "server.latency_monitor_threshold", "server.latency_tracking")
	d.config.Observe(func(_, next *config.Config) error {
		d.feed.configure(next)
		return nil
	}, "replication.min_replicas_to_write", "replication.min_replicas_max_lag")
	d.feed.configure(d.config.Config())
	d.config.Observe(func(_, next *config.Config) error {
		if d.repl != nil {
			return errors.New("in a cluster the log has the size that it was started with")
		}
		d.feed.resize(next.Replication.LogSize)
		return nil
	}, "replication.log_size")
	d.notify.set(d.config.Config().Server.NotifyKeyspaceEvents)
	d.configureStore(d.config.Config())
	d.observeShared()
	d.observeUsers()
	d.observeFunctions()
}

func (d *Dispatcher) configureStore(c *config.Config) {
	d.store.SetMaxStringLength(c.Server.ProtoMaxBulkLen)
	d.store.SetHLLSparseMaxBytes(c.Store.HLLSparseMaxBytes)
	d.store.SetAccessPolicy(store.AccessPolicy{
		LFU:       usesFrequency(c.Store.MaxMemoryPolicy),
		LogFactor: c.Store.LFULogFactor,
		DecayTime: c.Store.LFUDecayTime,
	})
	d.store.SetLazyFreeing(store.LazyFreeing{
		Expired:  c.Store.LazyFreeLazyExpire,
		Replaced: c.Store.LazyFreeLazyServerDel,
	})
	d.store.SetLimits(store.Limits{
		HashMaxListpackEntries: c.Store.HashMaxListpackEntries,
		HashMaxListpackValue:   int(c.Store.HashMaxListpackValue),
		SetMaxIntsetEntries:    c.Store.SetMaxIntsetEntries,
		ZSetMaxListpackEntries: c.Store.ZSetMaxListpackEntries,
		ZSetMaxListpackValue:   int(c.Store.ZSetMaxListpackValue),
		ListMaxListpackSize:    c.Store.ListMaxListpackSize,
		ListCompressDepth:      c.Store.ListCompressDepth,
		StreamNodeMaxEntries:   c.Store.StreamNodeMaxEntries,
		StreamNodeMaxBytes:     int(c.Store.StreamNodeMaxBytes),
	})
}

func usesFrequency(policy string) bool {
	p, _ := evictPolicy(policy)
	return p.By == store.EvictRare
}
