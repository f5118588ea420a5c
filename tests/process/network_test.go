package process

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// TestCutNetwork pulls the cable of a node. Its slots are served by the others
// within three seconds; the node itself, which still runs and has clients on
// its side, acknowledges nothing; after healing all is as before.
func TestCutNetwork(t *testing.T) {
	network, nodes := harness.NewNetwork(t, 3)
	cli := harness.Tool(t, "redis-cli")
	c := harness.JoinCluster(t, nodes, 1)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)

	const cut = 1
	alone, other := nodes[cut], nodes[0]
	slots := alone.PrimarySlots(other)
	if len(slots) < 100 {
		t.Fatalf("the node is primary of %d slots only", len(slots))
	}
	began := time.Now()
	network.Cut(cut)
	back := timeToServe(t, other, nodes[2], slots, began)
	t.Logf("%d slots served again %v after the cut", len(slots), back)
	var accepted []string
	for _, slot := range []int{slots[0], slots[len(slots)/2], slots[len(slots)-1]} {
		reply := alone.Inside(cli, "-h", alone.Host, "-p", fmt.Sprint(alone.Port), "set", keyIn(slot), "alone")
		if !strings.Contains(reply, "CLUSTERDOWN") {
			t.Errorf("a write to the node that is cut off answered %q", strings.TrimSpace(reply))
			accepted = append(accepted, keyIn(slot))
		}
	}
	network.Heal(cut)
	c.WaitComplete(harness.FormLimit)
	client := c.Client(nil)
	for _, key := range accepted {
		t.Errorf("%s, written on the wrong side, is %q after healing", key, client.Get(context.Background(), key).Val())
	}
	if err := client.Set(context.Background(), keyIn(slots[0]), 1, 0).Err(); err != nil {
		t.Error(err)
	}
}
