package process

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// Under a durability above async, no failure of one node may lose a write that
// was answered. Each test here takes a primary away under load and reads
// everything back.

// durabilities are the levels, with the number of replicas that each is shown
// with.
var durabilities = []struct {
	level    string
	replicas int
}{
	{"replicas=1", 1},
	{"quorum", 1},
	{"quorum", 2}, // one of two replicas has a write, and must be the one that is promoted
}

// TestKillUnderDurability ends each node once with SIGKILL.
func TestKillUnderDurability(t *testing.T) {
	t.Parallel()
	for _, d := range durabilities {
		t.Run(fmt.Sprintf("%s of %d", d.level, d.replicas), func(t *testing.T) {
			c := harness.StartCluster(t, 3, d.replicas, "--replication.durability="+d.level)
			writers := harness.StartWriters(t, c.Client(nil), 8)
			for i, victim := range c.Nodes {
				writers.WaitFor(t, 1000, harness.Patience)
				slots := victim.PrimarySlots(c.Nodes[(i+1)%3])
				if len(slots) == 0 {
					t.Fatalf("node %s is primary of nothing: its end shows nothing", victim.Addr())
				}
				victim.Kill()
				// With three copies the killed node is not needed to write again.
				if d.replicas > 1 {
					writers.WaitFor(t, 500, harness.Patience)
				}
				victim.Start()
				c.WaitComplete(harness.FormLimit)
				evenPrimaries(t, c)
			}
			writers.WaitFor(t, 1000, harness.Patience)
			writers.RequireNothingLost(t)
		})
	}
}

// evenPrimaries waits until each node is primary of a share again.
func evenPrimaries(t *testing.T, c *harness.Cluster) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error {
		for _, n := range c.Nodes {
			if own := len(n.PrimarySlots(c.Nodes[0])); own < harness.Slots/len(c.Nodes)*3/4 {
				return fmt.Errorf("node %s is primary of %d slots", n.Addr(), own)
			}
		}
		return nil
	})
}

// TestFreezeUnderDurability stops a primary's process until its slots have
// another one, and lets it go on: clients that kept their connection to it get
// neither an OK nor an old value from it.
func TestFreezeUnderDurability(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1, "--replication.durability=quorum")
	client := c.Client(nil)
	writers := harness.StartWriters(t, client, 8)
	writers.WaitFor(t, 1000, harness.Patience)
	ctx := context.Background()
	frozen, others := c.Nodes[1], []*harness.Node{c.Nodes[0], c.Nodes[2]}
	slots := frozen.PrimarySlots(others[0])
	const clients = 10
	var stale []*redis.Client
	key := func(i int) string { return keyIn(slots[i*len(slots)/clients]) }
	for i := range clients {
		cl := redis.NewClient(&redis.Options{Addr: frozen.Addr(), MaxRetries: -1, PoolSize: 1, ReadTimeout: time.Minute})
		defer cl.Close()
		if err := cl.Set(ctx, key(i), "old", 0).Err(); err != nil {
			t.Fatal(err)
		}
		stale = append(stale, cl)
	}
	frozen.Freeze()
	thaw := true
	defer func() {
		if thaw {
			frozen.Thaw()
		}
	}()
	for i := range clients {
		harness.Eventually(t, harness.Patience, func() error {
			var err error
			for _, n := range others {
				err = n.Client().Set(ctx, key(i), "new", 0).Err()
				if err == nil || strings.HasPrefix(err.Error(), "NOREPLICAS") {
					return nil // applied: the only replica is the one that is frozen
				}
			}
			return err
		})
	}
	// Both kinds of commands wait in the sockets of the frozen process.
	reads, writes := make(chan string, clients), make(chan error, clients)
	for i, cl := range stale {
		go func() {
			if i%2 == 0 {
				reads <- cl.Get(ctx, key(i)).Val()
				return
			}
			writes <- cl.Set(ctx, key(i), "stale", 0).Err()
		}()
	}
	frozen.Thaw()
	thaw = false
	for range clients / 2 {
		if got := <-reads; got == "old" {
			t.Error("the old primary answered a read with what others had overwritten")
		}
		if err := <-writes; err == nil {
			t.Error("the old primary acknowledged a write after the failover")
		}
	}
	c.WaitComplete(harness.FormLimit)
	for i := range clients {
		harness.Eventually(t, harness.Patience, func() error {
			got, err := client.Get(ctx, key(i)).Result()
			if err == nil && got != "new" {
				err = harness.Final(fmt.Errorf("%s is %q", key(i), got))
			}
			return err
		})
	}
	writers.WaitFor(t, 1000, harness.Patience)
	writers.RequireNothingLost(t)
}

// TestCutUnderDurability pulls the cable of a primary under load.
func TestCutUnderDurability(t *testing.T) {
	network, nodes := harness.NewNetwork(t, 3)
	c := harness.JoinCluster(t, nodes, 1, "--replication.durability=quorum")
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	writers := harness.StartWriters(t, c.Client(nil), 8)
	for cut := range nodes {
		writers.WaitFor(t, 1000, harness.Patience)
		other, third := nodes[(cut+1)%3], nodes[(cut+2)%3]
		slots := nodes[cut].PrimarySlots(other)
		if len(slots) == 0 {
			t.Fatalf("node %d is primary of nothing", cut)
		}
		network.Cut(cut)
		// The slots get their new primaries; writes to them wait for replicas.
		harness.Eventually(t, harness.Patience, func() error {
			for _, asked := range []*harness.Node{other, third} {
				for _, slot := range []int{slots[0], slots[len(slots)-1]} {
					if err := asked.Client().Get(context.Background(), keyIn(slot)).Err(); err != nil && strings.HasPrefix(err.Error(), "CLUSTERDOWN") {
						return err
					}
				}
			}
			return nil
		})
		network.Heal(cut)
		c.WaitComplete(harness.FormLimit)
		evenPrimaries(t, c)
	}
	writers.WaitFor(t, 1000, harness.Patience)
	writers.RequireNothingLost(t)
}

// TestFailoverByHand has every node take over what it replicates, under load and
// with asynchronous replication, in each of the ways that CLUSTER FAILOVER
// knows: the primary lives, and what it answered is handed over.
func TestFailoverByHand(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1)
	writers := harness.StartWriters(t, c.Client(nil), 8)
	ctx := context.Background()
	for i, mode := range []string{"", "FORCE", "TAKEOVER"} {
		writers.WaitFor(t, 1000, harness.Patience)
		n, asked := c.Nodes[i], c.Nodes[(i+1)%3]
		taken := replicaSlots(t, n, asked)
		if len(taken) == 0 {
			t.Fatalf("node %s replicates nothing", n.Addr())
		}
		args := []any{"CLUSTER", "FAILOVER"}
		if mode != "" {
			args = append(args, mode)
		}
		if err := n.Client().Do(ctx, args...).Err(); err != nil {
			t.Fatalf("CLUSTER FAILOVER %s: %v", mode, err)
		}
		harness.Eventually(t, harness.Patience, func() error {
			own := make(map[int]bool)
			for _, slot := range n.PrimarySlots(asked) {
				own[slot] = true
			}
			for _, slot := range taken {
				if !own[slot] {
					return fmt.Errorf("after FAILOVER %s, slot %d has not moved to node %s", mode, slot, n.Addr())
				}
			}
			return nil
		})
		c.WaitComplete(harness.FormLimit)
	}
	writers.WaitFor(t, 1000, harness.Patience)
	writers.RequireNothingLost(t)
}

// replicaSlots are the slots that n replicates, as node asked sees it.
func replicaSlots(t *testing.T, n, asked *harness.Node) []int {
	t.Helper()
	id := n.ID()
	spans, err := asked.Client().ClusterSlots(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	var slots []int
	for _, s := range spans {
		for _, node := range s.Nodes[1:] {
			if node.ID != id {
				continue
			}
			for slot := s.Start; slot <= s.End; slot++ {
				slots = append(slots, slot)
			}
		}
	}
	return slots
}

// TestLossBudgetWithoutReplica: a slot whose replica is away takes no more writes
// than the budget allows, also once the link to it is given up.
func TestLossBudgetWithoutReplica(t *testing.T) {
	c := harness.StartCluster(t, 3, 1, "--replication.link_timeout=500ms")
	ctx := context.Background()
	frozen := c.Nodes[2]
	primary := c.Nodes[0]
	shared := replicaSlots(t, frozen, primary)
	own := make(map[int]bool)
	for _, slot := range primary.PrimarySlots(primary) {
		own[slot] = true
	}
	slot := -1
	for _, s := range shared {
		if own[s] {
			slot = s
		}
	}
	if slot < 0 {
		primary = c.Nodes[1]
		for _, s := range primary.PrimarySlots(primary) {
			if !own[s] {
				slot = s // its replica is not node 0 then: three nodes, one replica
			}
		}
	}
	client := primary.Client()
	if err := client.ConfigSet(ctx, "replication.max_lag_ms", "300").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(ctx, keyIn(slot), 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	frozen.Freeze()
	defer frozen.Thaw()
	// Not one write is enough: the link has to be given up meanwhile.
	refused := func() error {
		err := client.Set(ctx, keyIn(slot), 1, 0).Err()
		if err == nil || !strings.HasPrefix(err.Error(), "NOREPLICAS") {
			return fmt.Errorf("a write without a replica: %v", err)
		}
		return nil
	}
	harness.Eventually(t, harness.Patience, func() error {
		if info := client.Info(ctx, "replication").Val(); strings.Contains(info, fmt.Sprintf("port=%d,", frozen.Port)) {
			return fmt.Errorf("the link is still there")
		}
		return refused()
	})
}
