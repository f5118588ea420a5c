package config

import "math"

// tracingKeys are about what the server records of the commands it runs.
var tracingKeys = []*Key{
	{
		Name: "server.slowlog_log_slower_than", Redis: []string{"slowlog-log-slower-than"}, Default: "10000", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.SlowlogLogSlowerThan }, -1, math.MaxInt64),
		What:  "Microseconds from which on a command is put into the slow log. 0: every command is; -1: none. Below 1000 the commands of a pipeline are timed one by one.",
		Raise: "Only the worst is recorded.",
		Lower: "More is recorded; below 1000 each command costs another look at the clock.",
	},
	{
		Name: "server.slowlog_max_len", Redis: []string{"slowlog-max-len"}, Default: "128", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.SlowlogMaxLen }, 0, math.MaxInt64),
		What:  "Entries of the slow log; the oldest go first.",
		Raise: "Longer memory; each entry may take some 5 KB.",
		Lower: "Older entries are lost sooner.",
	},
	{
		Name: "server.latency_monitor_threshold", Redis: []string{"latency-monitor-threshold"}, Default: "0", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.LatencyMonitorThreshold }, 0, math.MaxInt64),
		What:  "Milliseconds from which on whatever holds up clients is recorded for LATENCY. 0: nothing is.",
		Raise: "Only the worst is recorded.",
		Lower: "Shorter delays are recorded, too.",
	},
	{
		Name: "server.latency_tracking", Redis: []string{"latency-tracking"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Server.LatencyTracking }),
		What:  "true: how long commands take is counted by command, for LATENCY HISTOGRAM and INFO latencystats, in 24 KB for each command in use.",
	},
	{
		Name: "server.latency_tracking_info_percentiles", Redis: []string{"latency-tracking-info-percentiles"}, Default: "50 99 99.9", Mutable: true,
		value: percentilesValue(func(c *Config) *[]float64 { return &c.Server.LatencyTrackingInfoPercentiles }),
		What:  "Percentiles that INFO latencystats shows.",
	},
}
