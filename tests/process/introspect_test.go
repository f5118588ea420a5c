package process

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"respkv/tests/process/harness"
)

// TestRedisCLIIntrospection: what redis-cli shows of a server.
func TestRedisCLIIntrospection(t *testing.T) {
	t.Parallel()
	harness.Tool(t, "redis-cli")
	n := harness.StartStandalone(t, "--server.enable_debug_command", "yes", "--store.maxmemory", "100mb", "--store.maxmemory_policy", "allkeys-lfu")
	n.CLI("", "debug", "populate", "1000", "key", "10")
	n.CLI("", "debug", "populate", "1", "large", "100000")
	var sets strings.Builder
	for i := range 200 {
		fmt.Fprintf(&sets, "get key:7\nhset hash f%d v\nrpush list %d\nsadd set %d\nzadd zset %d m%d\n", i, i, i, i, i)
	}
	n.CLI(sets.String())

	t.Run("--hotkeys", func(t *testing.T) {
		out := n.CLI("", "--hotkeys")
		if !strings.Contains(out, "Sampled 1005 keys") || !regexp.MustCompile(`hot key found with counter: \d+\s+keyname: "?key:7`).MatchString(out) {
			t.Error(out)
		}
	})
	t.Run("--bigkeys", func(t *testing.T) {
		out := n.CLI("", "--bigkeys")
		for _, want := range []string{`Biggest string found '"large:0"' has 100000 bytes`, `Biggest   hash found '"hash"' has 200 fields`, `Biggest   list found '"list"' has 200 items`,
			`Biggest    set found '"set"' has 200 members`, `Biggest   zset found '"zset"' has 200 members`} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
	})
	t.Run("--memkeys", func(t *testing.T) {
		out := n.CLI("", "--memkeys")
		if !strings.Contains(out, "Sampled 1005 keys") || !regexp.MustCompile(`Biggest string found '"large:0"' has 1\d{5} bytes`).MatchString(out) {
			t.Error(out)
		}
	})
	t.Run("--latency", func(t *testing.T) {
		// Without a terminal: minimum, maximum, mean and number, after a second.
		out := n.CLI("", "--latency", "-i", "1", "--raw")
		if fields := strings.Fields(out); len(fields) != 4 || fields[3] == "0" {
			t.Errorf("%q", out)
		}
	})
	t.Run("--latency-history", func(t *testing.T) {
		watchCLI(t, n, `\d+,\d+,\d+\.\d+,\d+\n -- 1\.\d+ seconds range`, "--latency-history", "-i", "1", "--csv")
	})
	t.Run("--latency-dist", func(t *testing.T) { watchCLI(t, n, `\.`, "--latency-dist", "-i", "0.1") })
	t.Run("--stat", func(t *testing.T) {
		watchCLI(t, n, `1005 +\d+\.\d+[KM] +\d+ +0 +\d+ \(\+1\) +\d+ `, "--stat", "-i", "0.1")
	})
	t.Run("--intrinsic-latency", func(t *testing.T) {
		if out := n.CLI("", "--intrinsic-latency", "1"); !strings.Contains(out, "total runs") {
			t.Error(out)
		}
	})
	t.Run("monitor", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, harness.Tool(t, "redis-cli"), "-p", strconv.Itoa(n.Port), "monitor")
		out, err := cmd.StdoutPipe()
		if err != nil || cmd.Start() != nil {
			t.Fatal("redis-cli does not start")
		}
		defer cmd.Wait()
		defer cancel()
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "OK" {
			t.Fatalf("%q", lines.Text())
		}
		n.CLI("", "set", "a", "b c")
		want := regexp.MustCompile(`^\d{10}\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "a" "b c"$`)
		for lines.Scan() {
			if want.MatchString(lines.Text()) {
				return
			}
		}
		t.Error("the command was not shown")
	})
}

// watchCLI runs redis-cli, which would run for ever, until a line of its output matches.
func watchCLI(t *testing.T, n *harness.Node, want string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Tool(t, "redis-cli"), append([]string{"-p", strconv.Itoa(n.Port)}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	pattern := regexp.MustCompile(want)
	var seen []byte
	chunk := make([]byte, 4096)
	for {
		k, err := out.Read(chunk)
		seen = append(seen, chunk[:k]...)
		if pattern.Match(seen) {
			return
		}
		if err != nil {
			t.Fatalf("redis-cli %v: no %s in %q", args, want, seen)
		}
	}
}
