package process

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"respkv/tests/process/harness"
)

// TestRedisCLI uses redis-cli as an operator does, on a cluster of three.
func TestRedisCLI(t *testing.T) {
	t.Parallel()
	harness.Tool(t, "redis-cli")
	c := harness.StartCluster(t, 3, 1)
	first := c.Nodes[0]
	const keys = 300

	t.Run("set and get across nodes", func(t *testing.T) {
		var sets, gets strings.Builder
		for i := range keys {
			fmt.Fprintf(&sets, "set key:%d value:%d\n", i, i)
			fmt.Fprintf(&gets, "get key:%d\n", i)
		}
		first.CLI(sets.String(), "-c")
		out := c.Nodes[1].CLI(gets.String(), "-c")
		for i := range keys {
			if !strings.Contains(out, fmt.Sprintf("value:%d\n", i)) {
				t.Fatalf("no value:%d in:\n%s", i, out)
			}
		}
	})
	t.Run("without -c a redirection is shown", func(t *testing.T) {
		moved := 0
		for i := range 20 {
			if strings.HasPrefix(first.CLI("", "get", "key:"+strconv.Itoa(i)), "MOVED ") {
				moved++
			}
		}
		if moved == 0 || moved == 20 {
			t.Errorf("%d of 20 keys are on other nodes", moved)
		}
	})
	t.Run("--scan", func(t *testing.T) {
		seen := make(map[string]bool)
		for _, n := range c.Nodes {
			for _, key := range strings.Fields(n.CLI("", "--scan", "--pattern", "key:*")) {
				seen[key] = true
			}
		}
		if len(seen) != keys {
			t.Errorf("%d keys, want %d", len(seen), keys)
		}
	})
	t.Run("--bigkeys", func(t *testing.T) {
		if out := first.CLI("", "--bigkeys", "-i", "0"); !strings.Contains(out, "Biggest string found") {
			t.Error(out)
		}
	})
	t.Run("--cluster check", func(t *testing.T) {
		out := first.CLI("", "--cluster", "check", first.Addr())
		for _, text := range []string{"[OK] All nodes agree about slots configuration", "[OK] All 16384 slots covered"} {
			if !strings.Contains(out, text) {
				t.Errorf("no %q in:\n%s", text, out)
			}
		}
	})
	t.Run("--cluster info", func(t *testing.T) {
		out := first.CLI("", "--cluster", "info", first.Addr())
		if !strings.Contains(out, "[OK]") || !strings.Contains(out, strconv.Itoa(keys)+" keys in 3 masters") {
			t.Error(out)
		}
	})
	t.Run("INFO and CLUSTER INFO agree with the slot map", func(t *testing.T) {
		out := first.CLI("", "cluster", "info")
		for _, line := range []string{"cluster_state:ok", "cluster_slots_assigned:16384", "cluster_slots_ok:16384", "cluster_known_nodes:3"} {
			if !strings.Contains(out, line) {
				t.Errorf("no %q in:\n%s", line, out)
			}
		}
	})
}

func TestRedisCLIStandalone(t *testing.T) {
	harness.Tool(t, "redis-cli")
	n := harness.StartStandalone(t)
	ctx, client := context.Background(), n.Client()

	t.Run("--pipe", func(t *testing.T) {
		var input strings.Builder
		const count = 10000
		for i := range count {
			key, value := "p:"+strconv.Itoa(i), strconv.Itoa(i)
			fmt.Fprintf(&input, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(value), value)
		}
		out := n.CLI(input.String(), "--pipe")
		if !strings.Contains(out, fmt.Sprintf("errors: 0, replies: %d", count)) {
			t.Error(out)
		}
		if size := client.DBSize(ctx).Val(); size != count {
			t.Errorf("%d keys, want %d", size, count)
		}
	})
	t.Run("command hints", func(t *testing.T) {
		// Newer versions of redis-cli draw their hints from COMMAND DOCS; that
		// of 7.0 has its own help, and asks COMMAND for what is not in it.
		out := n.CLI("", "command", "docs", "set")
		for _, word := range []string{"summary", "arguments", "condition", "expiration"} {
			if !strings.Contains(out, word) {
				t.Errorf("no %q in COMMAND DOCS set:\n%s", word, out)
			}
		}
		if out := n.CLI("help set\n"); !strings.Contains(out, "key value [NX|XX]") {
			t.Errorf("help set:\n%s", out)
		}
	})
	t.Run("16 databases", func(t *testing.T) {
		if out := n.CLI("select 15\nset k v\nselect 16\n"); !strings.Contains(out, "out of range") || strings.Count(out, "OK") < 2 {
			t.Error(out)
		}
	})
	t.Run("RESP3", func(t *testing.T) {
		if out := n.CLI("", "-3", "config", "get", "maxclients"); !strings.Contains(out, "10000") {
			t.Error(out)
		}
	})
	t.Run("SHUTDOWN ends the process with code 0", func(t *testing.T) {
		_ = exec.Command(harness.Tool(t, "redis-cli"), "-p", strconv.Itoa(n.Port), "shutdown").Run()
		harness.Eventually(t, harness.Patience, func() error {
			if n.Running() {
				return fmt.Errorf("the node still runs")
			}
			return nil
		})
		if code := n.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}
