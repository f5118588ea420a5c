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

// TestAnnounceAtRunTime changes what a node announces: it says so itself from
// then on, the others soon, in redirections and in CLUSTER NODES; and how a node
// names others to clients, which it alone decides.
func TestAnnounceAtRunTime(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := harness.StartCluster(t, 3, 1)
	owner, asked := c.Nodes[1], c.Nodes[0]
	slots, key := owner.PrimarySlots(asked), "key"
	for i := 0; !slices.Contains(slots, int(hashslot.Slot([]byte(key)))); i++ {
		key = fmt.Sprint("key", i)
	}
	set := func(node *harness.Node, pairs ...any) {
		t.Helper()
		if err := node.Client().Do(ctx, append([]any{"config", "set"}, pairs...)...).Err(); err != nil {
			t.Fatalf("CONFIG SET %v: %v", pairs, err)
		}
	}
	requireShown := func(redirection, nodes string) {
		t.Helper()
		if shown := owner.Client().ClusterNodes(ctx).Val(); !strings.Contains(shown, nodes) {
			t.Fatalf("CLUSTER NODES of the node itself is without %q:\n%s", nodes, shown)
		}
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
	set(asked, "cluster-preferred-endpoint-type", "hostname")
	requireShown("?:"+port, " "+owner.Addr()+"@")
	set(owner, "cluster-announce-hostname", "cache.example")
	requireShown("cache.example:"+port, ",cache.example ")
	set(asked, "cluster-preferred-endpoint-type", "unknown-endpoint")
	set(owner, "cluster-announce-port", "4242")
	requireShown(":4242", " "+host+":4242@")
	set(asked, "cluster-preferred-endpoint-type", "ip")
	set(owner, "cluster-announce-hostname", "", "cluster-announce-port", "0")
	requireShown(owner.Addr(), " "+owner.Addr()+"@")
	c.WaitComplete(harness.FormLimit)
}
