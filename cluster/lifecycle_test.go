package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"respkv/cluster/hashslot"
)

func TestOneNodeFormsAndRestarts(t *testing.T) {
	c := &testNodes{t: t}
	alone := func(cfg *Config) { cfg.Expect = 1 }
	n := c.start(0, 0, alone)
	took := eventually(t, patience, "formation", func() bool { return settled(c.nodes, 0) && allOwned(c.nodes) })
	t.Logf("formed in %v", took)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.Leave(ctx); err == nil {
		t.Fatal("the last node may not leave: nobody could take its data")
	}
	id := n.ID()
	_ = n.Close()
	n = c.start(0, 0, alone)
	took = eventually(t, patience, "serving again", func() bool { return settled(c.nodes, 0) && allOwned(c.nodes) })
	t.Logf("back after %v", took)
	if n.ID() != id || n.Map().LostSlots() != hashslot.Count {
		t.Fatalf("id %s, %d slots lost", n.ID(), n.Map().LostSlots())
	}
}

// TestMeet: nodes that expect nobody form nothing; one that is met joins.
func TestMeet(t *testing.T) {
	c := &testNodes{t: t}
	first := c.start(0, 0, func(cfg *Config) { cfg.Expect = 1 })
	second := c.start(1, 0, func(cfg *Config) { cfg.Expect = 0 })
	eventually(t, patience, "formation", func() bool { return settled(c.nodes[:1], 0) })
	if second.Map().Formed() {
		t.Fatal("formed without being asked to")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := second.Meet(ctx, "127.0.0.1", first.port()); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "half of the slots moved", func() bool {
		return settled(c.nodes, 1) && second.Map().PrimaryOf(second.id).Len() == hashslot.Count/2 && allOwned(c.nodes)
	})
	// The one that formed the cluster leaves it: the other goes on alone.
	if err := first.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the second is alone", func() bool { return settled(c.nodes[1:], 0) && allOwned(c.nodes[1:]) })
	if second.Map().LostSlots() != 0 {
		t.Fatal("slots lost in leaving")
	}
}

// TestAllShutDownAtOnce is Ctrl-C on a whole cluster: nobody hangs.
func TestAllShutDownAtOnce(t *testing.T) {
	c := &testNodes{t: t}
	first := c.start(0, 0, nil)
	c.seeds = []string{fmt.Sprintf("127.0.0.1:%d", first.port())}
	c.start(1, 0, nil)
	c.start(2, 0, nil)
	eventually(t, patience, "formation", func() bool { return settled(c.nodes, 1) })
	began := time.Now()
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
			defer cancel()
			if err := n.Shutdown(ctx, nil); err != nil {
				t.Logf("%s: %v", n.id.Short(), err)
			}
		}()
	}
	wg.Wait()
	if took := time.Since(began); took > patience {
		t.Fatalf("took %v", took)
	} else {
		t.Logf("took %v", took)
	}
}

// TestFailoverByReplica is CLUSTER FAILOVER.
func TestFailoverByReplica(t *testing.T) {
	c := &testNodes{t: t}
	first := c.start(0, 0, nil)
	c.seeds = []string{fmt.Sprintf("127.0.0.1:%d", first.port())}
	c.start(1, 0, nil)
	c.start(2, 0, nil)
	for _, mode := range []FailoverMode{FailoverPlanned, FailoverForce} {
		n := c.nodes[mode]
		// Until copies are where they are to stay, a replica may cease to be one.
		eventually(t, patience, "a settled cluster", func() bool { return settled(c.nodes, 1) && allOwned(c.nodes) })
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		before := n.Map().ReplicaOf(n.id)
		if err := n.Failover(ctx, mode); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "the replica took over", func() bool {
			return n.Map().PrimaryOf(n.id).Intersect(before).Len() == before.Len() && allOwned(c.nodes)
		})
	}
}
