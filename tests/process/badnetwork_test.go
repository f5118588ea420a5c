package process

import (
	"strings"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// TestBadNetwork lets the network between three nodes fail in ways that a pulled
// cable does not show: one direction only, between two of three, again and
// again, lost and late packets, small packets. A majority can always agree and
// writers go on; afterwards everything is as before, without help.
func TestBadNetwork(t *testing.T) {
	network, nodes := harness.NewSwitch(t, 3)
	c := harness.JoinCluster(t, nodes, 2, "--replication.durability=quorum")
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	writers := harness.StartWriters(t, c.Client(nil), 4)
	writers.WaitFor(t, 1000, 20*time.Second)
	before := nodes[0].ResidentBytes()
	cut := harness.Way{Cut: true}
	for _, fault := range []struct {
		name    string
		writes  int64 // to be acknowledged meanwhile
		disturb func()
	}{
		{"one direction", 500, func() { network.Set(1, 0, cut) }},
		{"the other", 500, func() { network.Set(0, 1, cut) }},
		{"all that one sends", 500, func() { network.Set(2, 0, cut); network.Set(2, 1, cut) }},
		{"all that one receives", 500, func() { network.Set(0, 2, cut); network.Set(1, 2, cut) }},
		{"between two", 500, func() { network.Both(1, 2, cut) }},
		{"lost packets", 200, func() { network.All(harness.Way{Loss: 0.1}) }},
		{"late packets", 200, func() { network.All(harness.Way{Delay: 20 * time.Millisecond}) }},
		{"packets out of order and twice", 200, func() { network.All(harness.Way{Late: 0.2, Twice: 0.2}) }},
		{"narrow", 200, func() { network.All(harness.Way{Rate: 100_000}) }},
		{"small packets", 1000, func() {
			for _, n := range nodes {
				network.MTU(n, 256)
			}
		}},
	} {
		began := time.Now()
		fault.disturb()
		writers.WaitFor(t, fault.writes, time.Minute)
		network.Heal()
		c.WaitComplete(time.Minute)
		t.Logf("%s: %v", fault.name, time.Since(began))
	}
	for i := range 3 { // before the cluster has dealt with the last one
		network.Isolate(i, false)
		writers.WaitFor(t, 50, time.Minute)
		network.Heal()
		writers.WaitFor(t, 10, time.Minute)
	}
	c.WaitComplete(time.Minute)
	writers.WaitFor(t, 1000, time.Minute)
	writers.RequireNothingLost(t)
	requireEqualCopies(t, c, writers)
	if now := nodes[0].ResidentBytes(); now > before+mayGrow {
		t.Errorf("memory grew from %d to %d MB", before>>20, now>>20)
	}
	for _, n := range nodes {
		if log := n.LogTail(100_000); strings.Contains(log, "level=ERROR") {
			t.Errorf("node %s logged an error", n.Addr())
		}
	}
}
