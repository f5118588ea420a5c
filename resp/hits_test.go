package resp

import (
	"strings"
	"testing"
)

// TestHits compares keyspace_hits and keyspace_misses with what redis-server
// 7.0.15 counts for the same commands. k and n exist.
func TestHits(t *testing.T) {
	tests := []struct {
		line         string
		hits, misses int64
	}{
		{"GET k", 1, 0}, {"GET no", 0, 1},
		{"MGET k no n", 2, 1},
		{"STRLEN k", 1, 0}, {"STRLEN no", 0, 1},
		{"GETRANGE k 0 1", 1, 0}, {"GETRANGE no 0 1", 0, 1}, {"GETRANGE k x 1", 0, 0},
		{"SUBSTR k 0 1", 1, 0},
		{"GETEX k", 1, 0}, {"GETEX no", 0, 1}, {"GETEX k EX 0", 1, 0}, {"GETEX k FOO", 0, 0},
		{"GETDEL k", 1, 0}, {"GETDEL no", 0, 1},
		{"GETSET k x", 1, 0}, {"GETSET no x", 0, 1},
		{"SET k v", 0, 0}, {"SET k v GET", 1, 0}, {"SET no v GET", 0, 1}, {"SET no v NX GET", 0, 1},
		{"SETNX k v", 0, 0}, {"APPEND k v", 0, 0}, {"SETRANGE k 0 v", 0, 0},
		{"INCR n", 0, 0}, {"DECRBY k 3", 0, 0}, {"INCRBYFLOAT n 1", 0, 0},
		{"MSET k 1", 0, 0}, {"MSETNX no 1", 0, 0},
		{"LCS k no", 1, 1}, {"LCS k k", 2, 0}, {"LCS k no FOO", 1, 1},
		{"EXISTS k no", 1, 1}, {"TOUCH k no", 1, 1},
		{"TYPE k", 1, 0}, {"TYPE no", 0, 1},
		{"TTL k", 1, 0}, {"PTTL no", 0, 1}, {"EXPIRETIME k", 1, 0}, {"PEXPIRETIME no", 0, 1},
		{"EXPIRE k 100", 0, 0}, {"EXPIRE no 100", 0, 0}, {"PERSIST k", 0, 0}, {"PERSIST no", 0, 0},
		{"OBJECT ENCODING k", 1, 0}, {"OBJECT ENCODING no", 0, 1}, {"OBJECT IDLETIME k", 1, 0},
		{"OBJECT REFCOUNT no", 0, 1}, {"OBJECT FREQ k", 1, 0},
		{"DEL k no", 0, 0}, {"UNLINK k no", 0, 0},
		{"RENAME k no", 0, 0}, {"RENAMENX k no", 0, 0}, {"RENAME no x", 0, 0},
		{"COPY k no", 1, 0}, {"COPY no x", 0, 1}, {"MOVE k 1", 0, 0}, {"MOVE no 1", 0, 0},
		{"KEYS *", 0, 0}, {"RANDOMKEY", 0, 0}, {"DBSIZE", 0, 0},
		{"SCAN 0", 0, 0}, {"SCAN 0 TYPE string", 2, 0}, {"SCAN 0 TYPE list MATCH k", 1, 0},
	}
	n := newTestNode(t, nil, nil)
	for _, test := range tests {
		n.expect("FLUSHALL", "+OK\r\n")
		n.expect("MSET k v n 1", "+OK\r\n")
		hits, misses := n.d.stats.hits.Load(), n.d.stats.misses.Load()
		n.do(strings.Fields(test.line)...)
		hits, misses = n.d.stats.hits.Load()-hits, n.d.stats.misses.Load()-misses
		if hits != test.hits || misses != test.misses {
			t.Errorf("%s: %d hits, %d misses; want %d, %d", test.line, hits, misses, test.hits, test.misses)
		}
	}
}
