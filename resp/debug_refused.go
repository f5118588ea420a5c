package resp

import "strings"

const notEnded = "this server is not to be ended by its clients; SHUTDOWN does that in order"

// refusedDebug are sub-commands of Redis that have no counterpart, with the
// reason.
var refusedDebug = map[string]string{
	"aof-flush-sleep":              "there is no append-only file",
	"loadaof":                      "there is no append-only file",
	"assert":                       notEnded,
	"crash-and-recover":            notEnded,
	"oom":                          notEnded,
	"panic":                        notEnded,
	"restart":                      notEnded,
	"segfault":                     notEnded,
	"replicate":                    "effects are written by commands only",
	"mallctl":                      "there is no jemalloc here; see MEMORY MALLOC-STATS",
	"mallctl-str":                  "there is no jemalloc here; see MEMORY MALLOC-STATS",
	"leak":                         "memory is not leaked on purpose",
	"sdslen":                       "there are no sds strings here; see MEMORY USAGE",
	"client-eviction":              "clients are not kept in buckets by size; see CLIENT LIST",
	"clusterlink":                  "see CLUSTER LINKS; links to other nodes are not cut by clients",
	"drop-cluster-packet-filter":   "nodes do not speak Redis's cluster bus",
	"config-rewrite-force-all":     "CONFIG REWRITE writes what differs from the defaults",
	"set-skip-checksum-validation": "checksums are always looked at",
}

func errDebugRefused(name, reason string) string {
	return "ERR DEBUG " + strings.ToUpper(name) + " is not supported: " + reason
}
