package resp

import (
	"strings"
	"testing"

	"respkv/internal/config"
)

// TestReadsWithoutReadonly: with the setting, replicas answer the reads of all clients; what
// they hold is not listed as theirs for all that.
func TestReadsWithoutReadonly(t *testing.T) {
	n := newTestNode(t, newRouting(t, func(uint16) bool { return false }), &effectLog{})
	n.put("k")
	eval := []string{"eval", "return redis.call('get', KEYS[1])", "1", "k"}
	if got := n.do("get", "k"); !strings.HasPrefix(got, "-MOVED ") {
		t.Errorf("GET: %q", got)
	}
	if err := n.d.config.Set([]config.Pair{{Name: "cluster.replica_reads_without_readonly", Value: "yes"}}); err != nil {
		t.Fatal(err)
	}
	if got := n.do("get", "k"); !strings.HasPrefix(got, "$") {
		t.Errorf("GET: %q", got)
	}
	if got := n.doAs(n.client, append([]string{"eval_ro"}, eval[1:]...)...); !strings.HasPrefix(got, "$") {
		t.Errorf("EVAL_RO: %q", got)
	}
	for _, write := range [][]string{{"set", "k", "v"}, eval} {
		if got := n.doAs(n.client, write...); !strings.HasPrefix(got, "-MOVED ") {
			t.Errorf("%q: %q", write, got)
		}
	}
	n.expect("dbsize", ":0\r\n")
}
