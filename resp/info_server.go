package resp

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

func (d *Dispatcher) infoServer(w *infoWriter) {
	now, cfg := time.Now(), d.config.Config()
	build := thisBuild()
	w.str("redis_version", RedisVersion)
	w.str("redis_git_sha1", build.revision)
	w.str("redis_git_dirty", build.dirty)
	w.str("redis_build_id", build.id)
	w.str("redis_mode", d.mode())
	w.str("os", systemName())
	w.int("arch_bits", bits.UintSize)
	w.str("monotonic_clock", "POSIX clock_gettime")
	w.str("multiplexing_api", multiplexingAPI)
	w.str("atomicvar_api", "sync/atomic")
	w.str("gcc_version", "0.0.0")
	w.int("process_id", int64(os.Getpid()))
	w.str("process_supervised", "no")
	w.str("run_id", d.runID)
	w.int("tcp_port", int64(cfg.ClientPort()))
	w.int("server_time_usec", now.UnixMicro())
	uptime := int64(now.Sub(d.started).Seconds())
	w.int("uptime_in_seconds", uptime)
	w.int("uptime_in_days", uptime/(24*3600))
	w.int("hz", int64(cfg.Server.Hz))
	w.int("configured_hz", int64(cfg.Server.Hz))
	w.int("lru_clock", now.Unix()&(1<<24-1))
	executable, _ := os.Executable() // empty where the system does not tell
	w.str("executable", executable)
	w.str("config_file", absolutePath(d.config.File()))
	w.str("io_threads_active", "0")
	w.str("respkv_version", d.version)
	w.str("go_version", runtime.Version())
}

func absolutePath(file string) string {
	if file == "" {
		return ""
	}
	if abs, err := filepath.Abs(file); err == nil {
		return abs
	}
	return file
}

// buildInfo is what the Go tool recorded about the build.
type buildInfo struct{ revision, dirty, id string }

func thisBuild() buildInfo {
	b := buildInfo{revision: "00000000", dirty: "0"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		b.id = "0"
		return b
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 8:
			b.revision = s.Value[:8]
		case s.Key == "vcs.modified" && s.Value == "true":
			b.dirty = "1"
		}
	}
	h := fnv.New64a()
	h.Write([]byte(info.String()))
	b.id = strconv.FormatUint(h.Sum64(), 16)
	return b
}

func (d *Dispatcher) infoClients(w *infoWriter) {
	s, limits := d.server.Stats(), d.server.Limits()
	w.int("connected_clients", int64(s.ConnectedClients))
	connections := 0
	if d.routing != nil {
		connections = len(d.routing.Info().Links)
	}
	w.int("cluster_connections", int64(connections))
	w.int("maxclients", int64(limits.MaxClients))
	var input, output int64
	for _, client := range d.server.Clients().All() {
		input = max(input, client.info.queryBuffer.Load()+client.info.queryFree.Load())
		output = max(output, client.info.replyPeak.Load())
	}
	w.int("client_recent_max_input_buffer", input)
	w.int("client_recent_max_output_buffer", output)
	w.int("blocked_clients", int64(s.BlockedClients))
	w.int("tracking_clients", d.tracking.clients.Load())
	w.int("clients_in_timeout_table", d.blocked.timed())
}

func (d *Dispatcher) infoMemory(w *infoWriter) {
	d.cron.memory.sample(d, w.allLocked)
	m, cfg := d.cron.memory.last.Load(), d.config.Config()
	startup, peak := d.cron.memory.startup.Load(), d.cron.memory.peak.Load()
	used, overhead, active := m.used(startup), m.overhead(startup), m.active(startup)
	w.size("used_memory", used)
	w.size("used_memory_rss", m.rss)
	w.size("used_memory_peak", peak)
	w.percent("used_memory_peak_perc", used, peak)
	w.int("used_memory_overhead", overhead)
	w.int("used_memory_startup", ownSize)
	w.int("used_memory_dataset", used-overhead)
	w.percent("used_memory_dataset_perc", used-overhead, max(used-ownSize, used-overhead))
	w.int("allocator_allocated", used)
	w.int("allocator_active", active)
	w.int("allocator_resident", m.resident())
	w.size("total_system_memory", systemMemory())
	w.scripts(d.engine)
	w.size("maxmemory", cfg.Store.MaxMemory)
	w.str("maxmemory_policy", cfg.Store.MaxMemoryPolicy)
	w.float("allocator_frag_ratio", ratio(active, used), 2)
	w.int("allocator_frag_bytes", active-used)
	w.float("allocator_rss_ratio", ratio(m.resident(), active), 2)
	w.int("allocator_rss_bytes", m.resident()-active)
	w.float("rss_overhead_ratio", ratio(m.rss, m.resident()), 2)
	w.int("rss_overhead_bytes", m.rss-m.resident())
	w.float("mem_fragmentation_ratio", ratio(m.rss, used), 2)
	w.int("mem_fragmentation_bytes", m.rss-used)
	w.int("mem_not_counted_for_evict", m.replicas)
	backlog := d.backlogMemory()
	w.int("mem_replication_backlog", backlog)
	w.int("mem_total_replication_buffers", backlog)
	replicas, normal := d.clientMemory()
	w.int("mem_clients_slaves", replicas)
	w.int("mem_clients_normal", normal)
	links := int64(0)
	if d.routing != nil {
		for _, l := range d.routing.Info().Links {
			links += l.SendBufferBytes
		}
	}
	w.int("mem_cluster_links", links)
	w.zeros("mem_aof_buffer")
	w.str("mem_allocator", "mmap+go")
	running := int64(0)
	if c := &d.cron; c.defragRunning.Load() {
		running = int64(100 * upkeepShare) // percent of a core at most
	}
	w.int("active_defrag_running", running)
	pending, freed := d.store.LazyValues()
	w.int("lazyfree_pending_objects", pending)
	w.int("lazyfreed_objects", freed)
	w.int("respkv_memory_data", m.store.Data)
	w.int("respkv_memory_index", m.store.Index)
	w.int("respkv_memory_go", m.goUsed)
}

// clientMemory sums up what connections occupy.
func (d *Dispatcher) clientMemory() (replicas, normal int64) {
	for _, client := range d.server.Clients().All() {
		if replicaClient.is(client) {
			replicas += client.Memory()
		} else {
			normal += client.Memory()
		}
	}
	return replicas, normal
}

func (d *Dispatcher) infoStats(w *infoWriter) {
	s, kv, r, c := d.server.Stats(), d.store.Stats(), d.replicationInfo(), &d.cron
	w.int("total_connections_received", s.ConnectionsReceived)
	w.int("total_commands_processed", d.stats.commands.Load())
	w.int("instantaneous_ops_per_sec", int64(d.rates.mean(rateCommands)))
	w.int("total_net_input_bytes", s.InputBytes+int64(r.BytesIn))
	w.int("total_net_output_bytes", s.OutputBytes+int64(r.BytesOut))
	w.int("total_net_repl_input_bytes", int64(r.BytesIn))
	w.int("total_net_repl_output_bytes", int64(r.BytesOut))
	w.float("instantaneous_input_kbps", d.rates.mean(rateInput)/1024, 2)
	w.float("instantaneous_output_kbps", d.rates.mean(rateOutput)/1024, 2)
	w.float("instantaneous_input_repl_kbps", d.rates.mean(rateReplInput)/1024, 2)
	w.float("instantaneous_output_repl_kbps", d.rates.mean(rateReplOutput)/1024, 2)
	w.int("rejected_connections", s.ConnectionsRejected)
	w.int("sync_full", int64(r.FullSyncs))
	w.int("sync_partial_ok", int64(r.PartialOK))
	w.int("sync_partial_err", int64(r.PartialErr))
	w.int("expired_keys", kv.Expired)
	w.float("expired_stale_perc", 100*math.Float64frombits(c.stale.Load()), 2)
	w.int("expired_time_cap_reached_count", c.capReached.Load())
	w.int("expire_cycle_cpu_milliseconds", time.Duration(c.expireNanos.Load()).Milliseconds())
	w.int("evicted_keys", kv.Evicted)
	w.int("evicted_clients", s.EvictedClients)
	total, current := d.evictor.exceeded.read(time.Now())
	w.int("total_eviction_exceeded_time", total.Milliseconds())
	w.int("current_eviction_exceeded_time", current.Milliseconds())
	w.int("keyspace_hits", d.stats.hits.Load())
	w.int("keyspace_misses", d.stats.misses.Load())
	channels, patterns, shardChannels := d.pubsub.counts()
	w.int("pubsub_channels", int64(channels))
	w.int("pubsub_patterns", int64(patterns))
	w.int("pubsubshard_channels", int64(shardChannels))
	w.zeros("latest_fork_usec", "total_forks")
	w.int("migrate_cached_sockets", int64(d.migration.idle()))
	w.zeros("slave_expires_tracked_keys")
	w.int("active_defrag_hits", c.moved.Load())
	w.zeros("active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses",
		"total_active_defrag_time", "current_active_defrag_time")
	w.int("tracking_total_keys", d.tracking.keys.Load())
	w.int("tracking_total_items", d.tracking.items.Load())
	w.int("tracking_total_prefixes", d.tracking.prefixes.count.Load())
	w.zeros("unexpected_error_replies")
	w.int("total_error_replies", d.stats.errors.Load())
	w.int("dump_payload_sanitizations", d.stats.sanitized.Load())
	w.int("total_reads_processed", s.Reads)
	w.int("total_writes_processed", s.Writes)
	w.zeros("io_threaded_reads_processed", "io_threaded_writes_processed", "reply_buffer_shrinks", "reply_buffer_expands")
	w.int("client_query_buffer_limit_disconnections", s.QueryBufferDisconnects)
	w.int("client_output_buffer_limit_disconnections", s.OutputBufferDisconnects)
	w.int("expired_subkeys", kv.ExpiredFields) // as Redis 7.4
}

// infoCPU: commands run on all threads, so that none is the main thread, and
// the process has no children.
func (d *Dispatcher) infoCPU(w *infoWriter) {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails for bad arguments only
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	w.float("used_cpu_sys", seconds(r.Stime), 6)
	w.float("used_cpu_user", seconds(r.Utime), 6)
	for _, name := range []string{"used_cpu_sys_children", "used_cpu_user_children",
		"used_cpu_sys_main_thread", "used_cpu_user_main_thread"} {
		w.float(name, 0, 6)
	}
}

func (d *Dispatcher) infoCluster(w *infoWriter) { w.bool("cluster_enabled", d.routing != nil) }

func (d *Dispatcher) infoKeyspace(w *infoWriter) {
	for db := range d.store.Databases() {
		if keys := d.store.DBSize(db); keys > 0 {
			w.str("db"+strconv.Itoa(db), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d", keys, d.store.Expires(db), d.store.AvgTTL(db)))
		}
	}
}
