package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

const (
	replicationPipeline = 16
	rowThroughput       = "SET, pipeline 16, throughput"
	rowPrimaryCPU       = "CPU of the primary"
	rowReplicaCPU       = "CPU of the replica"
)

// measureReplication: what a replica costs the primary. Both sides are nodes of
// a cluster, and all load goes to slots of one node: of a cluster of one, which
// replicates to nobody, and of a cluster of two.
func measureReplication(o *options) (string, error) {
	without := &contender{name: "without replica"}
	with := &contender{name: "with one replica"}
	err := alternate(o.rounds, without, with, func(c *contender) error {
		nodes := 1
		if c == with {
			nodes = 2
		}
		return within(func(t *scope) error { return c.replicated(t, o, nodes) })
	})
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d clients, %d-byte values, pipeline %d, medians of %d rounds of %v s. The replica and the clients run on the same cores as the primary, so throughput also pays for the replica's own work; CPU of the primary is what replication costs a primary that has its machine to itself. The goal, at most 10 %% of throughput, is held against that: a ratio of CPU of at most %.2f.\n\n",
		o.clients, o.valueSize, replicationPipeline, o.rounds, o.seconds, 1/0.9)
	return text + compared(without, with, map[string]goal{
		rowPrimaryCPU: {"≤ 1.11", func(ratio, _ float64) bool { return ratio <= 1/0.9 }},
	}), nil
}

func (c *contender) replicated(t *scope, o *options, size int) error {
	cluster := harness.StartCluster(t, size, size-1)
	primary := cluster.Nodes[0]
	waitInSync(t, cluster)
	pids := make([]int, size)
	for i, n := range cluster.Nodes {
		pids[i] = pidOf(t, n)
	}
	// The same half of the slots on both sides, that of the primary where there
	// are two.
	mine := make([]bool, hashslot.Count)
	for _, slot := range primary.PrimarySlots(primary)[:hashslot.Count/size/2*size/2] {
		mine[slot] = true
	}
	l := loader{addr: primary.Addr(), clients: o.clients, pipeline: replicationPipeline, set: true, keys: o.keys, valueSize: o.valueSize}
	key := make([]byte, keyBytes)
	for i := range o.keys {
		writeKey(key, i)
		if mine[hashslot.Slot(key)] {
			l.pick = append(l.pick, uint32(i))
		}
	}
	batch := o.clients * replicationPipeline
	// The first run sets most keys, and tells how many requests fill the time.
	perSecond, err := l.run(max(batch, 2*len(l.pick)))
	if err != nil {
		return err
	}
	before, err := cpuOf(pids)
	if err != nil {
		return err
	}
	requests := max(batch, int(perSecond*o.seconds)/batch*batch)
	if perSecond, err = l.run(requests); err != nil {
		return err
	}
	after, err := cpuOf(pids)
	if err != nil {
		return err
	}
	c.add(rowThroughput, "requests/s", perSecond)
	c.add(rowPrimaryCPU, "µs/request", (after[0]-before[0])*1e6/float64(requests))
	replica := 0.0
	if size > 1 {
		replica = (after[1] - before[1]) * 1e6 / float64(requests)
	}
	c.add(rowReplicaCPU, "µs/request", replica)
	return nil
}

func cpuOf(pids []int) ([]float64, error) {
	seconds := make([]float64, len(pids))
	for i, pid := range pids {
		var err error
		if seconds[i], err = cpuSeconds(pid); err != nil {
			return nil, err
		}
	}
	return seconds, nil
}

// infoOf is one section of INFO of a node.
func infoOf(n *harness.Node, section string) (map[string]string, error) {
	c, err := dialClient(n.Addr())
	if err != nil {
		return nil, err
	}
	defer c.close()
	text, err := c.ask("INFO", section)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}

func pidOf(t *scope, n *harness.Node) int {
	fields, err := infoOf(n, "server")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(fields["process_id"])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// waitInSync waits until every slot is served, each node is primary of its
// share, and every copy is complete.
func waitInSync(t *scope, c *harness.Cluster) {
	c.WaitComplete(harness.FormLimit)
	harness.Eventually(t, 2*harness.FormLimit, func() error {
		t.check()
		for _, n := range c.Nodes {
			fields, err := infoOf(n, "replication")
			if err != nil {
				return err
			}
			for name, value := range fields {
				if strings.HasPrefix(name, "respkv_primary") && !strings.Contains(value, "state=online") {
					return fmt.Errorf("node %s: link %s", n.Addr(), value)
				}
			}
		}
		slots, err := clusterSlots(c.Nodes[0])
		if err != nil {
			return err
		}
		for _, n := range c.Nodes {
			share := harness.Slots / len(c.Nodes)
			if own := len(slots[n.Addr()]); own < share*9/10 {
				return fmt.Errorf("node %s is primary of %d slots, its share are %d", n.Addr(), own, share)
			}
		}
		return nil
	})
}

// clusterSlots are the slots of each primary, by address, as one node sees it.
func clusterSlots(n *harness.Node) (map[string][]int, error) {
	client := n.Client()
	defer client.Close()
	list, err := client.ClusterSlots(context.Background()).Result()
	if err != nil {
		return nil, err
	}
	slots := make(map[string][]int)
	for _, s := range list {
		if len(s.Nodes) == 0 {
			continue
		}
		for slot := s.Start; slot <= s.End; slot++ {
			slots[s.Nodes[0].Addr] = append(slots[s.Nodes[0].Addr], slot)
		}
	}
	return slots, nil
}
