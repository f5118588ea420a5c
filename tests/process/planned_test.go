package process

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// A planned change loses nothing that was acknowledged. Each test here changes
// the cluster under load and reads everything back.

// TestJoinAndLeave lets a fourth node join and leave again under load.
func TestJoinAndLeave(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	client := c.Client(nil)
	load(t, client)
	writers := harness.StartWriters(t, client, 8)
	writers.WaitFor(t, 1000, harness.Patience)

	fourth := c.Add()
	c.WaitComplete(harness.FormLimit)
	// Placement goes on after the node holds its first slots: it is done when
	// the shares are even.
	harness.Eventually(t, harness.Patience, func() error {
		for _, n := range c.Nodes {
			if own := len(n.PrimarySlots(c.Nodes[0])); own < 3500 || own > 4700 {
				return fmt.Errorf("node %s is primary of %d slots, want about %d", n.Addr(), own, harness.Slots/4)
			}
		}
		return nil
	})
	writers.WaitFor(t, 1000, harness.Patience)

	started := time.Now()
	leave := exec.Command(harness.Binary(t), "leave", "--addr", fourth.Addr())
	if out, err := leave.CombinedOutput(); err != nil {
		t.Fatalf("respkv leave: %v\n%s", err, out)
	}
	t.Logf("leaving took %v", time.Since(started))
	for _, n := range c.Nodes[:3] { // each hears of it when it does
		harness.Eventually(t, harness.Patience, func() error {
			if own := fourth.PrimarySlots(n); len(own) > 0 {
				return fmt.Errorf("%s still sees %d slots on the node that left", n.Addr(), len(own))
			}
			return nil
		})
	}
	fourth.Kill()
	c.Nodes = c.Nodes[:3]
	c.WaitComplete(harness.FormLimit)
	writers.WaitFor(t, 1000, harness.Patience)
	writers.RequireNothingLost(t)
	requireLoaded(t, client)
}

// TestRollingRestart ends every node in turn with SIGTERM, under load, and
// starts it again.
func TestRollingRestart(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	client := c.Client(nil)
	load(t, client)
	writers := harness.StartWriters(t, client, 8)
	for _, n := range c.Nodes {
		writers.WaitFor(t, 1000, harness.Patience)
		id := n.ID()
		n.Terminate(harness.Patience)
		writers.WaitFor(t, 1000, harness.Patience)
		n.Start()
		n.WaitReady()
		c.WaitComplete(harness.FormLimit)
		if now := n.ID(); now != id {
			t.Errorf("node %s was %s and is %s after a restart", n.Addr(), id, now)
		}
	}
	writers.WaitFor(t, 1000, harness.Patience)
	writers.RequireNothingLost(t)
	eventuallyLoaded(t, client)
}

// TestRestartOfAll ends all nodes, gently and by SIGKILL, and starts them
// again: the same cluster is back. The keys are gone, since nothing is saved to
// disk; the slot map and the identities are not.
func TestRestartOfAll(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	ids := make(map[string]bool)
	for _, n := range c.Nodes {
		ids[n.ID()] = true
	}
	for _, how := range []string{"SIGTERM", "SIGKILL"} {
		if how == "SIGTERM" {
			for _, n := range c.Nodes {
				n.Signal(syscall.SIGTERM)
			}
			for _, n := range c.Nodes {
				n.WaitEnd(harness.Patience)
			}
		} else {
			harness.Kill(c.Nodes)
		}
		for _, n := range c.Nodes {
			n.Start()
		}
		c.WaitComplete(harness.FormLimit)
		for _, n := range c.Nodes {
			if !ids[n.ID()] {
				t.Errorf("after %s of all nodes, %s is a new node", how, n.Addr())
			}
		}
		client := c.Client(nil)
		if err := client.Set(context.Background(), "k", how, 0).Err(); err != nil {
			t.Errorf("after %s of all nodes: %v", how, err)
		}
	}
}

// TestDev runs the command of the README.
func TestDev(t *testing.T) {
	n := harness.NewNodeAt(t, "127.0.0.1", harness.FreePorts(t, 3), nil) // dev starts it
	dev := harness.StartDev(t, n.Port)
	dev.WaitFor(t, fmt.Sprintf("redis-cli -c -p %d", n.Port), harness.Patience)
	if out := n.CLI("set a 1\nget a\n", "-c"); !strings.HasSuffix(out, "OK\n1\n") { // it may be redirected first
		t.Errorf("got %q", out)
	}
	dev.Interrupt(t, harness.Patience)
	if _, err := exec.Command(harness.Tool(t, "redis-cli"), "-p", fmt.Sprint(n.Port), "ping").Output(); err == nil {
		t.Error("a node still answers after Ctrl-C")
	}
}
