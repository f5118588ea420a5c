package resp

import (
	"strings"
	"testing"
)

// TestNoAllocations: commands on the busiest paths leave no garbage.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	n := newTestNode(t, nil, nil)
	n.expect("MSET {k}1 v {k}2 v n 1", "+OK\r\n")
	for _, line := range []string{
		"GET {k}1", "GET none", "SET {k}1 value", "SET {k}1 value EX 100", "SET {k}1 v KEEPTTL GET",
		"SETEX {k}1 100 value", "SETNX {k}1 value", "GETEX {k}1 EX 100", "GETRANGE {k}1 0 2", "STRLEN {k}1",
		"INCR n", "INCRBY n 10", "APPEND {k}2 x", "MGET {k}1 {k}2 none", "MSET {k}1 a {k}2 b",
		"DEL none", "EXISTS {k}1 {k}2", "TYPE {k}1", "TTL {k}1", "EXPIRE {k}1 100", "PERSIST {k}2", "DBSIZE",
	} {
		cmds := [][][]byte{bytesOf(strings.Fields(line))}
		buffer := make([]byte, 0, 1<<20)
		allocs := testing.AllocsPerRun(200, func() {
			n.client.W.Reset(buffer)
			n.d.Batch(n.client, cmds)
		})
		// A garbage collection may empty the pool of batches.
		if allocs >= 1 {
			t.Errorf("%s: %v allocations", line, allocs)
		}
	}
}
