package resp

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestRedisEffects: what replicas of Redis's own protocol get has no words that Redis
// does not know.
func TestRedisEffects(t *testing.T) {
	for _, test := range []struct {
		effect string
		want   []string
	}{
		{"SET k v", []string{"SET k v"}},
		{"XREADGROUP GROUP g c COUNT 2 AT 1700000000000 STREAMS s >", []string{"XREADGROUP GROUP g c COUNT 2 STREAMS s >"}},
		{"XREADGROUP GROUP streams at COUNT 2 AT 17 NOACK STREAMS at 0-5", []string{"XREADGROUP GROUP streams at COUNT 2 NOACK STREAMS at 0-5"}},
		{"XCLAIM s g c 0 1-1 2-1 TIME 17 RETRYCOUNT 3 FORCE AT 18 SEEN", []string{"XCLAIM s g c 0 1-1 2-1 TIME 17 RETRYCOUNT 3 FORCE"}},
		{"XCLAIM s g seen 0 1-1 LASTID 2-2 AT 18", []string{"XCLAIM s g seen 0 1-1 LASTID 2-2"}},
		{"XCLAIM s g c 0 AT 18 SEEN", []string{"XGROUP CREATECONSUMER s g c"}},
		{"XCLAIM s g c 0 LASTID 5-5 AT 18 SEEN", []string{"XGROUP CREATECONSUMER s g c", "XCLAIM s g c 0 0-0 LASTID 5-5"}},
		{"XCLAIM s g c 0 LASTID 5-5 AT 18", []string{"XCLAIM s g c 0 0-0 LASTID 5-5"}},
	} {
		args := bytes.Fields([]byte(test.effect))
		var got []string
		for _, effect := range redisEffects(args) {
			got = append(got, string(bytes.Join(effect, []byte(" "))))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.effect, got, test.want)
		}
		if left := string(bytes.Join(args, []byte(" "))); left != test.effect {
			t.Errorf("%s became %s", test.effect, left)
		}
	}
}

// TestListSettingsTakeEffect: CONFIG SET list-compress-depth and DEBUG
// QUICKLIST-PACKED-THRESHOLD change how lists are kept.
func TestListSettingsTakeEffect(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	kept := func() (description, memory string) {
		c.call("del", "k")
		for range 100 {
			c.call("rpush", "k", strings.Repeat("element ", 20))
		}
		return c.call("debug", "object", "k"), c.call("memory", "usage", "k")
	}
	c.check("config set list-max-listpack-size 10", "+OK\r\n")
	described, before := kept()
	if !strings.Contains(described, "ql_nodes:10 ") || !strings.Contains(described, "ql_compressed:0") {
		t.Error(described)
	}
	c.check("config set list-compress-depth 1", "+OK\r\n")
	described, after := kept()
	if !strings.Contains(described, "ql_nodes:10 ") || !strings.Contains(described, "ql_compressed:1") {
		t.Error(described)
	}
	if len(after) >= len(before) {
		t.Errorf("MEMORY USAGE is %q, was %q", after, before)
	}
	c.check("debug quicklist-packed-threshold 100b", "+OK\r\n")
	if described, _ = kept(); !strings.Contains(described, "ql_nodes:100 ") {
		t.Error(described)
	}
}
