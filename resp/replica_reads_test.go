package resp

import (
	"strings"
	"testing"

	"respkv/internal/config"
)

// TestReadsWithoutReadonly: with the setting, replicas answer the reads of all clients; what
// they hold is not listed as theirs for all that.
func TestReadsWithoutReadonly(t *testing.T) {
	n := newTestNode(t, newRouting(t, func(slot uint16) bool { return slot == 0 }), &effectLog{})
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

// TestReplicaShowsItsKeys: a node that is a replica and nothing else lists its keys to
// all, one that has slots of its own to those who said that they read from replicas.
func TestReplicaShowsItsKeys(t *testing.T) {
	shown := []struct{ line, want string }{
		{"dbsize", ":1\r\n"},
		{"keys *", "*1\r\n$1\r\nk\r\n"},
		{"scan 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"},
		{"randomkey", "$1\r\nk\r\n"},
	}
	replica := newTestNode(t, newRouting(t, func(uint16) bool { return false }), &effectLog{})
	replica.put("k")
	for _, s := range shown {
		replica.expect(s.line, s.want)
	}
	if got := replica.do("get", "k"); !strings.HasPrefix(got, "-MOVED ") {
		t.Errorf("GET: %q", got)
	}
	both := newTestNode(t, newRouting(t, func(slot uint16) bool { return slot == 0 }), &effectLog{})
	both.put("k")
	both.expect("dbsize", ":0\r\n")
	both.expect("keys *", "*0\r\n")
	both.expect("readonly", "+OK\r\n")
	for _, s := range shown {
		both.expect(s.line, s.want)
	}
}
