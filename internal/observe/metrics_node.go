package observe

import (
	"runtime"
	"strconv"

	"respkv/resp"
)

var nodeMetrics = []*Metric{
	{Name: "respkv_build_info", Labels: []string{"version", "go_version", "mode"},
		Help: "1; the labels say what runs: `standalone` or `cluster`.",
		collect: func(s *sample, e *exposition) {
			e.value(1, s.resp.Version, runtime.Version(), s.resp.Mode)
		}},
	single("respkv_uptime_seconds", "Time since the start.",
		func(s *sample) float64 { return s.now.Sub(s.resp.Started).Seconds() }),
	single("respkv_ready", "1 while the node serves, as `/readyz` says.", func(s *sample) float64 { return truth(s.ready) }),
	{Name: "respkv_tls_certificate_not_after_seconds", Help: "End of the certificate in use, as Unix time; without TLS there is none.",
		collect: func(s *sample, e *exposition) {
			if !s.expiry.IsZero() {
				e.value(float64(s.expiry.Unix()))
			}
		}},
	single("respkv_connected_clients", "Client connections.",
		func(s *sample) float64 { return float64(s.resp.Server.ConnectedClients) }),
	single("respkv_blocked_clients", "Clients that wait in a blocking command.",
		func(s *sample) float64 { return float64(s.resp.Server.BlockedClients) }),
	single("respkv_max_clients", "Most client connections: `server.maxclients`.",
		func(s *sample) float64 { return float64(s.resp.MaxClients) }),
	single("respkv_connections_total", "Client connections accepted.",
		func(s *sample) float64 { return float64(s.resp.Server.ConnectionsReceived) }),
	single("respkv_rejected_connections_total", "Client connections refused: `server.maxclients`, protected mode.",
		func(s *sample) float64 { return float64(s.resp.Server.ConnectionsRejected) }),
	{Name: "respkv_client_disconnections_total", Labels: []string{"limit"},
		Help: "Clients cut off for the `query_buffer` or `output_buffer` limit.",
		collect: func(s *sample, e *exposition) {
			e.value(float64(s.resp.Server.QueryBufferDisconnects), "query_buffer")
			e.value(float64(s.resp.Server.OutputBufferDisconnects), "output_buffer")
		}},
	{Name: "respkv_client_bytes_total", Labels: []string{"direction"},
		Help: "Bytes from (`in`) and to (`out`) clients.",
		collect: func(s *sample, e *exposition) {
			e.value(float64(s.resp.Server.InputBytes), "in")
			e.value(float64(s.resp.Server.OutputBytes), "out")
		}},
	{Name: "respkv_pubsub_subscriptions", Labels: []string{"kind"},
		Help: "`channel`s, `pattern`s and `shard_channel`s with subscribers on this node.",
		collect: func(s *sample, e *exposition) {
			e.value(float64(s.resp.PubSubChannels), "channel")
			e.value(float64(s.resp.PubSubPatterns), "pattern")
			e.value(float64(s.resp.PubSubSlot), "shard_channel")
		}},
}

var commandMetrics = []*Metric{
	single("respkv_commands_total", "Commands processed, CONFIG RESETSTAT starts anew.",
		func(s *sample) float64 { return float64(s.resp.Processed) }),
	perCommand("respkv_command_calls_total", "Calls of each command; sub-commands as `config|get`.",
		func(c *resp.CommandStatistics) float64 { return float64(c.Calls) }),
	perCommand("respkv_command_seconds_total", "Time spent in the calls of each command; divided by the calls, the mean latency.",
		func(c *resp.CommandStatistics) float64 { return c.Took.Seconds() }),
	{Name: "respkv_command_duration_seconds", Labels: []string{"command"}, histogram: true,
		Help: "Distribution of the calls of each command by the time they took, with `server.latency_tracking`: what LATENCY HISTOGRAM tells. " +
			"Times are told apart within 1/128; a call of more than a second is a second in the sum.",
		collect: func(s *sample, e *exposition) {
			for i := range s.resp.Commands {
				if c := &s.resp.Commands[i]; c.Latency.Calls > 0 {
					e.distribution(&c.Latency, c.Name)
				}
			}
		}},
	perCommand("respkv_command_rejected_total", "Calls refused before they ran: arity, rights, redirections.",
		func(c *resp.CommandStatistics) float64 { return float64(c.Rejected) }),
	perCommand("respkv_command_failed_total", "Calls that ran and replied with an error.",
		func(c *resp.CommandStatistics) float64 { return float64(c.Failed) }),
	{Name: "respkv_error_replies_total", Labels: []string{"error"},
		Help: "Error replies by their first word: `ERR`, `MOVED`, `WRONGTYPE`.",
		collect: func(s *sample, e *exposition) {
			for _, kind := range s.resp.Errors {
				e.value(float64(kind.Count), kind.Prefix)
			}
		}},
}

func perCommand(name, help string, read func(c *resp.CommandStatistics) float64) *Metric {
	return &Metric{Name: name, Labels: []string{"command"}, Help: help, collect: func(s *sample, e *exposition) {
		for i := range s.resp.Commands {
			e.value(read(&s.resp.Commands[i]), s.resp.Commands[i].Name)
		}
	}}
}

var keyspaceMetrics = []*Metric{
	perDatabase("respkv_keys", "Keys, on this node, replicated ones included.",
		func(d *resp.DatabaseStatistics) float64 { return float64(d.Keys) }),
	perDatabase("respkv_keys_with_deadline", "Of them, those that will expire.",
		func(d *resp.DatabaseStatistics) float64 { return float64(d.Expires) }),
	single("respkv_keyspace_hits_total", "Lookups by reading commands that found their key.",
		func(s *sample) float64 { return float64(s.resp.Hits) }),
	single("respkv_keyspace_misses_total", "Lookups by reading commands that found none.",
		func(s *sample) float64 { return float64(s.resp.Misses) }),
	single("respkv_changes_total", "Changes of keys since the start.",
		func(s *sample) float64 { return float64(s.resp.Changes) }),
	single("respkv_expired_keys_total", "Keys removed because their deadline passed.",
		func(s *sample) float64 { return float64(s.resp.Store.Expired) }),
	single("respkv_expired_fields_total", "Hash fields removed because their deadline passed.",
		func(s *sample) float64 { return float64(s.resp.Store.ExpiredFields) }),
	single("respkv_evicted_keys_total", "Keys removed to stay below `store.maxmemory`.",
		func(s *sample) float64 { return float64(s.resp.Store.Evicted) }),
	single("respkv_memory_used_bytes", "Memory that counts against `store.maxmemory`.",
		func(s *sample) float64 { return float64(s.resp.Memory.Used) }),
	single("respkv_memory_peak_bytes", "The most that was.",
		func(s *sample) float64 { return float64(s.resp.Memory.Peak) }),
	single("respkv_memory_max_bytes", "`store.maxmemory`; 0: no limit.",
		func(s *sample) float64 { return float64(s.resp.Memory.Max) }),
	single("respkv_memory_data_bytes", "Keys and values.",
		func(s *sample) float64 { return float64(s.resp.Memory.Data) }),
	single("respkv_memory_index_bytes", "The index of the keys.",
		func(s *sample) float64 { return float64(s.resp.Memory.Index) }),
	single("respkv_memory_go_bytes", "The Go runtime: connections, buffers, replication log.",
		func(s *sample) float64 { return float64(s.resp.Memory.Go) }),
	single("respkv_memory_resident_bytes", "Resident set of the process.",
		func(s *sample) float64 { return float64(s.resp.Memory.Resident) }),
	single("respkv_memory_system_bytes", "Memory of the machine.",
		func(s *sample) float64 { return float64(s.resp.Memory.System) }),
}

func perDatabase(name, help string, read func(d *resp.DatabaseStatistics) float64) *Metric {
	return &Metric{Name: name, Labels: []string{"db"}, Help: help, collect: func(s *sample, e *exposition) {
		for i := range s.resp.Databases {
			e.value(read(&s.resp.Databases[i]), strconv.Itoa(s.resp.Databases[i].DB))
		}
	}}
}
