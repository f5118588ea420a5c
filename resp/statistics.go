package resp

import (
	"time"

	"respkv/resp/command"
	"respkv/store"
)

// Statistics is what INFO tells, as numbers: for metrics and the status page.
type Statistics struct {
	Version string
	Started time.Time
	Mode    string // "standalone" or "cluster"

	Server     ServerStats
	MaxClients int
	Memory     MemoryStatistics
	Databases  []DatabaseStatistics
	Store      store.Stats
	Commands   []CommandStatistics // those that were called
	Errors     []ErrorStatistics   // replies by their first word

	Processed, Hits, Misses, Changes           int64
	PubSubChannels, PubSubPatterns, PubSubSlot int

	// Means of the last 1.6 seconds.
	OpsPerSecond, InputPerSecond, OutputPerSecond float64
}

// MemoryStatistics are sizes in bytes.
type MemoryStatistics struct {
	Used, Peak, Data, Index, Go, Resident, System int64
	Max                                           int64 // maxmemory; 0: no limit
}

// DatabaseStatistics are the numbers of one database that holds keys.
type DatabaseStatistics struct {
	DB            int
	Keys, Expires int64
}

// CommandStatistics are the calls of one command.
type CommandStatistics struct {
	Name             string // of a sub-command: "config|get"
	Calls            int64
	Took             time.Duration // all calls together
	Rejected, Failed int64
	Latency          Distribution // of those that ran while latency-tracking was on
}

// ErrorStatistics is how often one kind of error was replied.
type ErrorStatistics struct {
	Prefix string
	Count  int64
}

// Statistics reads all counters. It takes each shard's lock in turn, so the
// caller holds none.
func (d *Dispatcher) Statistics() Statistics {
	d.cron.memory.sample(d, false)
	m, cfg := d.cron.memory.last.Load(), d.config.Config()
	s := Statistics{
		Version: d.version, Started: d.started, Mode: d.mode(),
		Server: d.server.Stats(), MaxClients: d.server.Limits().MaxClients,
		Memory: MemoryStatistics{
			Used: m.used(d.cron.memory.startup.Load()), Peak: d.cron.memory.peak.Load(), Data: m.store.Data, Index: m.store.Index,
			Go: m.goUsed, Resident: m.rss, System: systemMemory(), Max: cfg.Store.MaxMemory,
		},
		Store:     d.store.Stats(),
		Processed: d.stats.commands.Load(), Hits: d.stats.hits.Load(), Misses: d.stats.misses.Load(), Changes: d.stats.dirty.Load(),
		OpsPerSecond: d.rates.mean(rateCommands), InputPerSecond: d.rates.mean(rateInput), OutputPerSecond: d.rates.mean(rateOutput),
	}
	s.PubSubChannels, s.PubSubPatterns, s.PubSubSlot = d.pubsub.counts()
	for db := range d.store.Databases() {
		if keys := d.store.DBSize(db); keys > 0 {
			s.Databases = append(s.Databases, DatabaseStatistics{db, keys, d.store.Expires(db)})
		}
	}
	for _, cmd := range d.table.Commands() {
		s.addCommand(d, cmd)
		for _, sub := range cmd.Subcommands {
			s.addCommand(d, sub)
		}
	}
	names, counts := d.stats.errorCounts()
	for i, name := range names {
		s.Errors = append(s.Errors, ErrorStatistics{name, counts[i]})
	}
	return s
}

func (s *Statistics) addCommand(d *Dispatcher, cmd *command.Command) {
	e := d.entries[cmd.ID]
	if e == nil {
		return
	}
	c := CommandStatistics{Name: cmd.Name, Calls: e.stats.calls.Load(), Took: time.Duration(e.stats.nanos.Load()),
		Rejected: e.stats.rejected.Load(), Failed: e.stats.failed.Load()}
	if h := e.stats.took.Load(); h != nil {
		c.Latency = h.distribution()
	}
	if c.Calls+c.Rejected+c.Failed > 0 {
		s.Commands = append(s.Commands, c)
	}
}
