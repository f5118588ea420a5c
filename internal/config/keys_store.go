package config

import (
	"log/slog"
	"math"
)

func logLevelField(c *Config) *slog.Level { return &c.Log.Level }

var storeKeys = []*Key{
	{
		Name: "store.databases", Redis: []string{"databases"}, Default: "16",
		value: intValue(func(c *Config) *int { return &c.Store.Databases }, 1, 4096),
		What:  "Number of databases that SELECT offers. A cluster uses database 0 only.",
		Raise: "More databases; an unused one costs next to nothing.",
		Lower: "SELECT refuses earlier.",
	},
	{
		Name: "store.maxmemory", Redis: []string{"maxmemory"}, Default: "0", Mutable: true,
		value: memoryOrPercentValue(func(c *Config) *int64 { return &c.Store.MaxMemory }),
		What:  "Memory limit: above it store.maxmemory_policy acts. The process as a whole is kept near it, too; only a limit under some 70 MB holds for the data alone. 0: no limit. A percentage is of the machine's or container's memory.",
		Raise: "More keys stay.",
		Lower: "Keys are evicted, or writes refused, sooner; lowering it at run time evicts at once.",
	},
	{
		Name: "store.huge_pages", Default: "true",
		value: boolValue(func(c *Config) *bool { return &c.Store.HugePages }),
		What:  "Data lies on memory pages of 2 MB where it fills them: up to a sixth less CPU under load. Small data stays on small ones, and all where the system has huge pages turned off (`/sys/kernel/mm/transparent_hugepage/enabled` is `never`) or few free.",
		Raise: "On.",
		Lower: "Off: pages of 4 KB.",
	},
	{
		Name: "store.maxmemory_policy", Redis: []string{"maxmemory-policy"}, Default: "noeviction", Mutable: true, Shared: true,
		value: enumValue(func(c *Config) *string { return &c.Store.MaxMemoryPolicy },
			"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
			"allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"),
		What: "What happens at the memory limit: `noeviction` refuses writes; `allkeys-*` evicts any key, `volatile-*` only keys with an expiry: the least recently used (`lru`; of two idle for as long, the one used less), the least often used (`lfu`), any (`random`), the next to expire (`ttl`).",
	},
	{
		Name: "store.maxmemory_samples", Redis: []string{"maxmemory-samples"}, Default: "5", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Store.MaxMemorySamples }, 1, math.MaxInt32),
		What:  "Keys looked at to choose one to evict; no more than 512 are.",
		Raise: "Better choices, more CPU for each eviction.",
		Lower: "Cheaper and worse choices.",
	},
	{
		Name: "store.lfu_log_factor", Redis: []string{"lfu-log-factor"}, Default: "10", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Store.LFULogFactor }, 0, math.MaxInt32),
		What:  "How slowly a key's access counter (8 bits) grows.",
		Raise: "Tells very hot keys apart; moderately used keys look alike.",
		Lower: "Tells rarely used keys apart; the counter is soon full.",
	},
	{
		Name: "store.lfu_decay_time", Redis: []string{"lfu-decay-time"}, Default: "1", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Store.LFUDecayTime }, 0, math.MaxInt32),
		What:  "Minutes without access after which a key's access counter falls by one. 0: it never falls.",
		Raise: "Past popularity counts longer.",
		Lower: "The choice follows changes of use faster.",
	},
	{
		Name: "store.active_expire_effort", Redis: []string{"active-expire-effort"}, Default: "1", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Store.ActiveExpireEffort }, 1, 10),
		What:  "How hard the background rounds look for expired keys.",
		Raise: "Fewer expired keys stay in memory; more CPU and longer rounds.",
		Lower: "Less CPU.",
	},
	{
		Name: "store.lazyfree_lazy_eviction", Redis: []string{"lazyfree-lazy-eviction"}, Default: "false", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Store.LazyFreeLazyEviction }),
		What:  "true: the memory of evicted big values is released in the background.",
	},
	{
		Name: "store.lazyfree_lazy_expire", Redis: []string{"lazyfree-lazy-expire"}, Default: "false", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Store.LazyFreeLazyExpire }),
		What:  "true: the memory of expired big values is released in the background.",
	},
	{
		Name: "store.lazyfree_lazy_server_del", Redis: []string{"lazyfree-lazy-server-del"}, Default: "false", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Store.LazyFreeLazyServerDel }),
		What:  "true: the memory of big values that a command replaces (RENAME, SET over a list) is released in the background.",
	},
	{
		Name: "store.lazyfree_lazy_user_del", Redis: []string{"lazyfree-lazy-user-del"}, Default: "false", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Store.LazyFreeLazyUserDel }),
		What:  "true: DEL behaves as UNLINK.",
	},
	{
		Name: "store.lazyfree_lazy_user_flush", Redis: []string{"lazyfree-lazy-user-flush"}, Default: "false", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Store.LazyFreeLazyUserFlush }),
		What:  "true: FLUSHALL, FLUSHDB and the like without SYNC or ASYNC mean ASYNC.",
	},
	{
		Name: "store.hash_max_listpack_entries", Redis: []string{"hash-max-listpack-entries", "hash-max-ziplist-entries"}, Default: "512", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Store.HashMaxListpackEntries }, 0, math.MaxInt64),
		What:  "Fields up to which a hash is kept packed.",
		Raise: "Less memory for hashes of that size; each access to them looks at more fields.",
		Lower: "Faster access, more memory.",
	},
	{
		Name: "store.hash_max_listpack_value", Redis: []string{"hash-max-listpack-value", "hash-max-ziplist-value"}, Default: "64", Mutable: true, Shared: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Store.HashMaxListpackValue }, 0, math.MaxInt64),
		What:  "Longest field or value of a hash that is kept packed.",
		Raise: "Less memory for hashes with long values; changing them copies more.",
		Lower: "Faster changes, more memory.",
	},
	{
		Name: "store.list_max_listpack_size", Redis: []string{"list-max-listpack-size", "list-max-ziplist-size"}, Default: "-2", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Store.ListMaxListpackSize }, math.MinInt32, math.MaxInt32),
		What:  "How much a node of a list holds: that many elements (in 8 KB at most) or, if negative, -1 to -5: 4, 8, 16, 32, 64 KB.",
		Raise: "Longer nodes: less memory for lists; changes inside of them copy more.",
		Lower: "Shorter nodes: faster changes inside of lists, more memory.",
	},
	{
		Name: "store.stream_node_max_entries", Redis: []string{"stream-node-max-entries"}, Default: "100", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Store.StreamNodeMaxEntries }, 0, math.MaxInt64),
		What:  "Entries, deleted ones included, after which a stream begins another block; 0: no limit. Trimming with ~ removes whole blocks.",
		Raise: "Longer blocks: a little less memory, and less exact trimming with ~; finding an entry inside of one takes longer.",
		Lower: "Shorter blocks: more exact trimming with ~, more memory.",
	},
	{
		Name: "store.stream_node_max_bytes", Redis: []string{"stream-node-max-bytes"}, Default: "4kb", Mutable: true, Shared: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Store.StreamNodeMaxBytes }, 0, math.MaxInt64),
		What:  "Size of a block of a stream, beyond which it begins another one; 0: no limit. An entry larger than that has a block of its own.",
		Raise: "Longer blocks, as stream_node_max_entries.",
		Lower: "Shorter blocks, as stream_node_max_entries.",
	},
	{
		Name: "store.set_max_intset_entries", Redis: []string{"set-max-intset-entries"}, Default: "512", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Store.SetMaxIntsetEntries }, 0, math.MaxInt64),
		What:  "Members up to which a set of integers is kept as a sorted array.",
		Raise: "Less memory for sets of that size; adding to them moves more.",
		Lower: "Faster changes, more memory.",
	},
	{
		Name: "store.hll_sparse_max_bytes", Redis: []string{"hll-sparse-max-bytes"}, Default: "3000", Mutable: true, Shared: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Store.HLLSparseMaxBytes }, 0, math.MaxInt64),
		What:  "Length of a HyperLogLog, its header of 16 bytes included, above which it becomes dense: 12304 bytes, whatever it has seen. The same on all nodes, or copies differ in their form.",
		Raise: "HyperLogLogs with few elements take less memory; PFADD on them is slower. Above 16000 there is nothing to gain.",
		Lower: "PFADD is faster, and more of them take 12304 bytes.",
	},
	{
		Name: "store.zset_max_listpack_entries", Redis: []string{"zset-max-listpack-entries", "zset-max-ziplist-entries"}, Default: "128", Mutable: true, Shared: true,
		value: intValue(func(c *Config) *int { return &c.Store.ZSetMaxListpackEntries }, 0, math.MaxInt64),
		What:  "Members up to which a sorted set is kept packed.",
		Raise: "Less memory for sorted sets of that size; each access to them looks at more members.",
		Lower: "Faster access, more memory.",
	},
	{
		Name: "store.zset_max_listpack_value", Redis: []string{"zset-max-listpack-value", "zset-max-ziplist-value"}, Default: "64", Mutable: true, Shared: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Store.ZSetMaxListpackValue }, 0, math.MaxInt64),
		What:  "Longest member of a sorted set that is kept packed.",
		Raise: "Less memory for sorted sets with long members; changing them copies more.",
		Lower: "Faster changes, more memory.",
	},
}
