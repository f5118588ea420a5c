package harness

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Slots is the number of hash slots.
const Slots = 16384

// Patience is how long the tests wait for what is to happen: much longer than it
// takes, since the machine may be busy. What is to happen in a given time is
// measured.
const Patience = time.Minute

// FormLimit is how long a cluster may take to form, or to be complete again.
const FormLimit = Patience

// Cluster is a set of nodes with the same seeds.
type Cluster struct {
	Nodes    []*Node
	Replicas int
	t        testing.TB
	seeds    []string // empty: the addresses of the nodes
	args     []string
}

// StartStandalone runs one node without cluster mode and waits for it.
func StartStandalone(t testing.TB, args ...string) *Node {
	t.Helper()
	n := NewNode(t, args...)
	n.Start()
	n.WaitReady()
	return n
}

// StartCluster runs size nodes and waits until each sees the whole cluster,
// every slot with its replicas.
func StartCluster(t testing.TB, size, replicas int, args ...string) *Cluster {
	t.Helper()
	var nodes []*Node
	for range size {
		nodes = append(nodes, NewNode(t))
	}
	c := JoinCluster(t, nodes, replicas, args...)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(FormLimit)
	return c
}

// JoinCluster gives nodes that were not started yet the settings of one
// cluster.
func JoinCluster(t testing.TB, nodes []*Node, replicas int, args ...string) *Cluster {
	return JoinSeeds(t, nodes, nil, replicas, args...)
}

// Gather is a cluster of nodes that are put together by the test.
func Gather(t testing.TB) *Cluster { return &Cluster{t: t} }

// JoinSeeds is JoinCluster with other seeds than the nodes' addresses.
func JoinSeeds(t testing.TB, nodes []*Node, seeds []string, replicas int, args ...string) *Cluster {
	c := &Cluster{Nodes: nodes, Replicas: replicas, t: t, seeds: seeds, args: args}
	for _, n := range nodes {
		c.configure(n, len(nodes))
	}
	return c
}

func (c *Cluster) configure(n *Node, expect int) {
	seeds := slices.Clone(c.seeds)
	for _, other := range c.Nodes {
		if len(c.seeds) == 0 {
			seeds = append(seeds, other.ClusterAddr())
		}
	}
	n.args = append(n.args, "--cluster.enabled=true", "--cluster.seeds="+strings.Join(seeds, ","),
		"--cluster.expect="+strconv.Itoa(expect), "--cluster.replicas="+strconv.Itoa(c.Replicas))
	n.args = append(n.args, c.args...)
}

// Prepare makes one more node with the cluster's seeds, which is not started and
// not counted in.
func (c *Cluster) Prepare() *Node {
	c.t.Helper()
	n := NewNode(c.t)
	c.configure(n, 0)
	return n
}

// Add starts one more node with the cluster's seeds; it does not wait.
func (c *Cluster) Add() *Node {
	c.t.Helper()
	n := c.Prepare()
	c.Nodes = append(c.Nodes, n)
	n.Start()
	return n
}

// Addrs are the client addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// Client is a cluster client; set changes its options.
func (c *Cluster) Client(set func(*redis.ClusterOptions)) *redis.ClusterClient {
	options := &redis.ClusterOptions{
		Addrs: c.Addrs(), DialTimeout: time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		// Refused connections do not make it look at the map again, and the
		// default is a minute.
		ClusterStateReloadInterval: time.Second,
	}
	if set != nil {
		set(options)
	}
	client := redis.NewClusterClient(options)
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// WaitComplete waits until every running node sees all slots served, each with
// as many replicas as the running nodes allow.
func (c *Cluster) WaitComplete(within time.Duration) {
	c.t.Helper()
	Eventually(c.t, within, func() error {
		running := 0
		for _, n := range c.Nodes {
			if n.crashed() {
				return Final(fmt.Errorf("node %s has ended by itself", n.Addr()))
			}
			if n.Running() {
				running++
			}
		}
		if running == 0 {
			return Final(fmt.Errorf("no node is running"))
		}
		for _, n := range c.Nodes {
			if !n.Running() {
				continue
			}
			if err := n.complete(min(c.Replicas, running-1), running); err != nil {
				return fmt.Errorf("node %s: %w", n.Addr(), err)
			}
		}
		return nil
	})
}

// WaitServing waits until every running node sees all slots served.
func (c *Cluster) WaitServing(within time.Duration) {
	c.t.Helper()
	Eventually(c.t, within, func() error {
		for _, n := range c.Nodes {
			if !n.Running() {
				continue
			}
			if info, err := n.Client().ClusterInfo(context.Background()).Result(); err != nil || !strings.Contains(info, "cluster_state:ok") {
				return fmt.Errorf("node %s: %v\n%s", n.Addr(), err, info)
			}
		}
		return nil
	})
}

// complete says what this node still misses.
func (n *Node) complete(replicas, members int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: n.Addr(), MaxRetries: -1, DialTimeout: time.Second})
	defer client.Close()
	info, err := client.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, "cluster_state:ok") {
		return fmt.Errorf("the cluster's state is not ok")
	}
	slots, err := client.ClusterSlots(ctx).Result()
	if err != nil {
		return err
	}
	covered, holders := 0, make(map[string]bool)
	for _, s := range slots {
		covered += s.End - s.Start + 1
		for _, h := range s.Nodes {
			holders[h.ID] = true
		}
		if len(s.Nodes)-1 < replicas {
			return fmt.Errorf("slots %d-%d have %d replicas, want %d", s.Start, s.End, len(s.Nodes)-1, replicas)
		}
	}
	if covered != Slots {
		return fmt.Errorf("%d slots are served, want all", covered)
	}
	if len(holders) != members {
		return fmt.Errorf("%d nodes hold slots, want %d", len(holders), members)
	}
	return nil
}

// ID is the node's 40 character ID.
func (n *Node) ID() string {
	n.t.Helper()
	id, err := n.Client().Do(context.Background(), "CLUSTER", "MYID").Text()
	if err != nil {
		n.t.Fatalf("CLUSTER MYID of %s: %v", n.Addr(), err)
	}
	return id
}

// PrimarySlots are the slots that this node is primary of, as node asked sees
// it.
func (n *Node) PrimarySlots(asked *Node) []int {
	n.t.Helper()
	id := n.ID()
	slots, err := asked.Client().ClusterSlots(context.Background()).Result()
	if err != nil {
		n.t.Fatalf("CLUSTER SLOTS of %s: %v", asked.Addr(), err)
	}
	var own []int
	for _, s := range slots {
		if len(s.Nodes) > 0 && s.Nodes[0].ID == id {
			for slot := s.Start; slot <= s.End; slot++ {
				own = append(own, slot)
			}
		}
	}
	return own
}

// Run runs a program with a time limit and returns what it printed; the test
// fails if it fails.
func Run(t testing.TB, limit time.Duration, input, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// CLI runs redis-cli against the node.
func (n *Node) CLI(input string, args ...string) string {
	n.t.Helper()
	cli := Tool(n.t, "redis-cli")
	return Run(n.t, 60*time.Second, input, cli, append([]string{"-h", n.Host, "-p", strconv.Itoa(n.Port)}, args...)...)
}
