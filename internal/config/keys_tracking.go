package config

import "math"

// trackingKeys are about client-side caching (CLIENT TRACKING).
var trackingKeys = []*Key{
	{
		Name: "server.tracking_table_max_keys", Redis: []string{"tracking-table-max-keys"}, Default: "1000000", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.TrackingTableMaxKeys }, 0, math.MaxInt64),
		What:  "Keys remembered for clients that are told of changes of what they read (CLIENT TRACKING). Past it some are forgotten, and their readers told as if they had changed. 0: no limit.",
		Raise: "Fewer values are dropped from clients' caches for want of room; each key takes some 150 bytes, and 8 for each client that read it.",
		Lower: "Clients drop values that have not changed sooner.",
	},
}
