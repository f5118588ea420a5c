package process

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// redisCluster runs redis-cli --cluster, which may fail.
func redisCluster(t *testing.T, command string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, harness.Tool(t, "redis-cli"), append([]string{"--cluster", command}, args...)...).CombinedOutput()
	return string(out), err
}

// requireCluster is redisCluster where it must not fail.
func requireCluster(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := redisCluster(t, command, args...)
	if err != nil {
		t.Fatalf("redis-cli --cluster %s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
	return out
}

// TestClusterByHand moves slots, adds and removes a node with redis-cli under
// load, as an operator of Redis Cluster does.
func TestClusterByHand(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1)
	writers := harness.StartWriters(t, c.Client(nil), 4)
	writers.WaitFor(t, 1000, harness.Patience)
	first, second := c.Nodes[0], c.Nodes[1]
	own := func(n *harness.Node) int { return len(n.PrimarySlots(first)) }
	ctx := context.Background()

	before := own(second)
	requireCluster(t, "reshard", first.Addr(), "--cluster-from", first.ID(), "--cluster-to", second.ID(), "--cluster-slots", "12", "--cluster-yes")
	harness.Eventually(t, harness.Patience, func() error { // the node asked need not have heard of it yet
		if now := own(second); now != before+12 {
			return fmt.Errorf("after reshard of 12 slots the node has %d, it had %d", now, before)
		}
		return nil
	})
	requireCluster(t, "rebalance", first.Addr(), "--cluster-threshold", "0.1")
	harness.Eventually(t, harness.Patience, func() error {
		shares := []int{own(first), own(second), own(c.Nodes[2])}
		if most, least := slices.Max(shares), slices.Min(shares); most-least > 1 {
			return fmt.Errorf("after rebalance, %d to %d slots", least, most)
		}
		return nil
	})
	if out := requireCluster(t, "fix", first.Addr()); !strings.Contains(out, "All 16384 slots covered") {
		t.Error(out)
	}

	// A node that knows nobody is added; its share comes by itself.
	added := harness.NewNode(t, "--cluster.enabled=true")
	added.Start()
	added.WaitReady()
	requireCluster(t, "add-node", added.Addr(), first.Addr())
	c.Nodes = append(c.Nodes, added)
	c.WaitComplete(harness.FormLimit)
	harness.Eventually(t, harness.Patience, func() error {
		if n := own(added); n != harness.Slots/4 {
			return fmt.Errorf("the new node has %d slots", n)
		}
		return nil
	})
	id := added.ID()
	if out, err := redisCluster(t, "del-node", first.Addr(), id); err == nil || !strings.Contains(out, "is not empty") {
		t.Errorf("del-node of a node with slots: %v\n%s", err, out)
	}
	args := []any{"CLUSTER", "MIGRATESLOTS", "SLOTSRANGE"}
	for _, slot := range added.PrimarySlots(first) {
		args = append(args, slot, slot)
	}
	if err := second.Client().Do(ctx, append(args, "NODE", first.ID())...).Err(); err != nil {
		t.Fatalf("CLUSTER MIGRATESLOTS: %v", err)
	}
	harness.Eventually(t, harness.Patience, func() error {
		if n := own(added); n > 0 {
			return fmt.Errorf("the node still has %d slots", n)
		}
		return nil
	})
	requireCluster(t, "del-node", first.Addr(), id)
	harness.Eventually(t, harness.Patience, func() error {
		if out := first.CLI("", "cluster", "nodes"); strings.Contains(out, id) {
			return fmt.Errorf("the node that was deleted is still known:\n%s", out)
		}
		return nil
	})
	added.Kill()
	c.Nodes = c.Nodes[:3]
	c.WaitComplete(harness.FormLimit)
	writers.WaitFor(t, 1000, harness.Patience)
	writers.RequireNothingLost(t)

	// What is not done by hand here says so.
	for command, want := range map[string]string{
		"CLUSTER ADDSLOTS 5":      "ERR Slot 5 is already busy",
		"CLUSTER DELSLOTS 5":      "ERR CLUSTER DELSLOTS is not supported: ",
		"CLUSTER FLUSHSLOTS":      "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.",
		"CLUSTER REPLICATE " + id: "ERR Unknown node " + id,
	} {
		var words []any
		for _, w := range strings.Fields(command) {
			words = append(words, w)
		}
		if err := first.Client().Do(ctx, words...).Err(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", command, err)
		}
	}
	if out, _ := redisCluster(t, "set-timeout", first.Addr(), strconv.Itoa(2000)); !strings.Contains(out, "can't set immutable config") {
		t.Error(out)
	}
}
