package process

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

// TestAnnounceAtRunTime changes how clients are told to reach a node: all nodes
// say so in redirections and in CLUSTER NODES and SHARDS, as after a start with
// these settings.
func TestAnnounceAtRunTime(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := harness.StartCluster(t, 3, 1)
	owner, asked := c.Nodes[1], c.Nodes[0]
	slots, key := owner.PrimarySlots(asked), "key"
	for i := 0; !slices.Contains(slots, int(hashslot.Slot([]byte(key)))); i++ {
		key = fmt.Sprint("key", i)
	}
	set := func(pairs ...any) {
		t.Helper()
		if err := owner.Client().Do(ctx, append([]any{"config", "set"}, pairs...)...).Err(); err != nil {
			t.Fatalf("CONFIG SET %v: %v", pairs, err)
		}
	}
	requireShown := func(redirection, nodes string) {
		t.Helper()
		harness.Eventually(t, harness.Patience, func() error {
			err := asked.Client().Get(ctx, key).Err()
			if err == nil || !strings.HasPrefix(err.Error(), "MOVED ") || !strings.HasSuffix(err.Error(), " "+redirection) {
				return fmt.Errorf("GET %s: %v, want a redirection to %s", key, err, redirection)
			}
			if shown := asked.Client().ClusterNodes(ctx).Val(); !strings.Contains(shown, nodes) {
				return fmt.Errorf("CLUSTER NODES is without %q:\n%s", nodes, shown)
			}
			return nil
		})
	}
	host, port, _ := strings.Cut(owner.Addr(), ":")
	set("cluster-preferred-endpoint-type", "hostname")
	requireShown("?:"+port, " "+owner.Addr()+"@")
	set("cluster-announce-hostname", "cache.example")
	requireShown("cache.example:"+port, ",cache.example ")
	set("cluster-preferred-endpoint-type", "unknown-endpoint", "cluster-announce-port", "4242")
	requireShown(":4242", " "+host+":4242@")
	set("cluster-preferred-endpoint-type", "ip", "cluster-announce-hostname", "", "cluster-announce-port", "0")
	requireShown(owner.Addr(), " "+owner.Addr()+"@")
	c.WaitComplete(harness.FormLimit)
}
