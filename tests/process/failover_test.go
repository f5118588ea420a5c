package process

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

const loadedKeys = 100_000

// load sets many keys through pipelines.
//
// A node whose lease was not renewed in time, as on a busy machine, says CLUSTERDOWN:
// what it refused is written again, as the client does by itself where it may.
func load(t *testing.T, client *redis.ClusterClient) {
	t.Helper()
	ctx := context.Background()
	for from := 0; from < loadedKeys; from += 1000 {
		harness.Eventually(t, harness.Patience, func() error {
			pipe := client.Pipeline()
			for i := from; i < from+1000; i++ {
				pipe.Set(ctx, "loaded:"+strconv.Itoa(i), i, 0)
			}
			_, err := pipe.Exec(ctx)
			if err != nil && !strings.HasPrefix(err.Error(), "CLUSTERDOWN") {
				t.Fatalf("loading keys from %d: %v", from, err)
			}
			return err
		})
	}
}

// requireLoaded reads back what load wrote.
func requireLoaded(t *testing.T, client *redis.ClusterClient) {
	t.Helper()
	if err := loadedErr(client); err != nil {
		t.Error(err)
	}
}

// eventuallyLoaded is requireLoaded once the client has found the new primaries
// after a node died: go-redis renews a slot map that no MOVED contradicted only
// every 10 s.
func eventuallyLoaded(t *testing.T, client *redis.ClusterClient) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error { return loadedErr(client) })
}

// loadedErr tells how many of the loaded keys are missing or wrong.
func loadedErr(client *redis.ClusterClient) error {
	ctx := context.Background()
	missing, example := 0, ""
	for from := 0; from < loadedKeys; from += 1000 {
		pipe := client.Pipeline()
		var gets []*redis.StringCmd
		for i := from; i < from+1000; i++ {
			gets = append(gets, pipe.Get(ctx, "loaded:"+strconv.Itoa(i)))
		}
		_, _ = pipe.Exec(ctx) // each reply is looked at
		for i, get := range gets {
			if n, err := get.Int(); err != nil || n != from+i {
				missing++
				if example == "" {
					example = fmt.Sprintf("loaded:%d is %d, %v", from+i, n, err)
				}
			}
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d loaded keys are missing or wrong: %s", missing, example)
	}
	return nil
}

// waitReplicated waits until all replicas of all slots, as the primaries see them,
// have all that was written so far: who kills a node next can expect it of the
// others, also if one of these replicas is removed meanwhile.
func waitReplicated(t *testing.T, c *harness.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		harness.Eventually(t, harness.Patience, func() error { return replicated(n) })
	}
}

// replicated says what the replicas of n lack.
func replicated(n *harness.Node) error {
	ctx, client, id := context.Background(), n.Client(), n.ID()
	conn := client.Conn()
	defer conn.Close()
	runs, err := conn.ClusterSlots(ctx).Result()
	if err != nil {
		return err
	}
	own := false
	for _, run := range runs {
		if len(run.Nodes) == 0 || run.Nodes[0].ID != id {
			continue
		}
		own = true
		replicas := 0
		for _, r := range run.Nodes {
			if r.ID != id {
				replicas++
			}
		}
		// Each run has replicas of its own, and they follow it: WAIT looks at
		// the connection's last write.
		if err := conn.Set(ctx, keyIn(run.Start), 1, 0).Err(); err != nil {
			return err
		}
		if got, err := conn.Wait(ctx, max(replicas, 1), time.Second).Result(); err != nil || got < int64(max(replicas, 1)) {
			return fmt.Errorf("WAIT %d on %s for slot %d: %d, %v", replicas, n.Addr(), run.Start, got, err)
		}
	}
	if !own {
		return nil
	}
	// That is one slot of each run. So all links have to be as far as the log is now.
	wanted, _, err := logOffsets(conn)
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		_, replicas, err := logOffsets(conn)
		if err != nil {
			return err
		}
		if len(replicas) > 0 && slices.Min(replicas) >= wanted {
			return nil
		}
		if time.Since(began) > time.Second { // a link may have ended: look again from the start
			return fmt.Errorf("the log of %s was at %d, its replicas are at %v", n.Addr(), wanted, replicas)
		}
	}
}

// logOffsets are those of the log of a node and of its replicas, -1 of one that is
// not online.
func logOffsets(conn *redis.Conn) (own int, replicas []int, err error) {
	info, err := conn.Info(context.Background(), "replication").Result()
	if err != nil {
		return 0, nil, err
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		number := &own
		switch {
		case strings.HasPrefix(name, "slave"):
			replicas = append(replicas, -1)
			if !strings.Contains(value, ",state=online,") {
				continue
			}
			number = &replicas[len(replicas)-1]
			_, value, _ = strings.Cut(value, ",offset=")
			value, _, _ = strings.Cut(value, ",")
		case name != "master_repl_offset":
			continue
		}
		if *number, err = strconv.Atoi(value); err != nil {
			return 0, nil, fmt.Errorf("INFO replication: %q: %w", line, err)
		}
	}
	return own, replicas, nil
}

// TestClusterClient uses go-redis in each of its ways to choose a node.
func TestClusterClient(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1)
	load(t, c.Client(nil))
	waitReplicated(t, c)
	for name, set := range map[string]func(*redis.ClusterOptions){
		"primaries":       nil,
		"by latency":      func(o *redis.ClusterOptions) { o.RouteByLatency = true },
		"at random":       func(o *redis.ClusterOptions) { o.RouteRandomly = true },
		"replicas":        func(o *redis.ClusterOptions) { o.ReadOnly = true },
		"RESP2":           func(o *redis.ClusterOptions) { o.Protocol = 2 },
		"one node to ask": func(o *redis.ClusterOptions) { o.Addrs = o.Addrs[:1] },
	} {
		t.Run(name, func(t *testing.T) { requireLoaded(t, c.Client(set)) })
	}
}

// TestKill ends a node with SIGKILL under load: the others take over, nobody
// restarts anything, and the node comes back as a replica with all the data.
func TestKill(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	client := c.Client(nil)
	load(t, client)
	waitReplicated(t, c)

	writers := harness.StartWriters(t, client, 8)
	writers.WaitFor(t, 2000, harness.Patience)
	victim, other := c.Nodes[1], c.Nodes[0]
	lost := victim.PrimarySlots(other)
	if len(lost) == 0 {
		t.Fatal("the victim is primary of nothing: the test would show nothing")
	}
	killed := time.Now()
	victim.Kill()
	back := timeToServe(t, other, c.Nodes[2], lost, killed)
	t.Logf("%d slots served again %v after kill -9", len(lost), back)
	writers.WaitFor(t, 2000, harness.Patience)
	eventuallyLoaded(t, client)

	victim.Start()
	c.WaitComplete(harness.FormLimit)
	failed, longest := writers.Stop()
	t.Logf("%d writes acknowledged, %d failed, longest pause of a writer %v", writers.Acknowledged(), failed, longest)
	if gone := writers.Lost(t); len(gone) > 0 {
		// Asynchronous replication may lose what had not left the node; it
		// must be the last moments, not the history.
		t.Logf("%d of %d acknowledged writes were lost with the node", len(gone), writers.Acknowledged())
		if len(gone) > int(writers.Acknowledged()/20) {
			t.Errorf("more than a twentieth of the writes was lost: %s ...", gone[0])
		}
	}

	// Now the returned node must be able to take over itself.
	waitReplicated(t, c)
	other.Kill()
	harness.Eventually(t, harness.Patience, func() error {
		return client.Set(context.Background(), keyIn(0), 1, 0).Err()
	})
	c.WaitComplete(harness.FormLimit)
	eventuallyLoaded(t, client)
}

// timeToServe waits until the surviving nodes accept a write in every one of a
// sample of the slots, and says when that was, counted from since.
func timeToServe(t *testing.T, asked, second *harness.Node, slots []int, since time.Time) time.Duration {
	t.Helper()
	a, b := asked.Client(), second.Client()
	ctx := context.Background()
	step := max(1, len(slots)/50)
	for i := 0; i < len(slots); i += step {
		key := keyIn(slots[i])
		harness.Eventually(t, harness.Patience, func() error {
			errA := a.Set(ctx, key, "x", 0).Err()
			if errA == nil {
				return nil
			}
			if errB := b.Set(ctx, key, "x", 0).Err(); errB != nil {
				return fmt.Errorf("slot %d: %v; %v", slots[i], errA, errB)
			}
			return nil
		})
	}
	return time.Since(since)
}

// TestFrozenPrimary stops a node's process, which is to the others as if its
// cable were cut, and lets it go on after the failover: it must not acknowledge
// writes of slots that others own by then.
func TestFrozenPrimary(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	frozen, other := c.Nodes[2], c.Nodes[0]
	slots := frozen.PrimarySlots(other)
	if len(slots) < 100 {
		t.Fatalf("the node is primary of %d slots only", len(slots))
	}
	ctx := context.Background()
	// Connections from before, with a write under way in each.
	const stale = 20
	results := make(chan error, stale)
	var clients []*redis.Client
	for range stale {
		cl := redis.NewClient(&redis.Options{Addr: frozen.Addr(), MaxRetries: -1, ReadTimeout: time.Minute})
		defer cl.Close()
		if err := cl.Ping(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, cl)
	}
	began := time.Now()
	frozen.Freeze()
	thawed := false
	defer func() {
		if !thawed {
			frozen.Thaw()
		}
	}()
	back := timeToServe(t, other, c.Nodes[1], slots, began)
	t.Logf("%d slots served again %v after the node was cut off", len(slots), back)
	for i, cl := range clients {
		go func() { results <- cl.Set(ctx, keyIn(slots[i*len(slots)/stale]), "stale", 0).Err() }()
	}
	frozen.Thaw()
	thawed = true
	for range stale {
		if err := <-results; err == nil {
			t.Error("the old primary acknowledged a write after the failover")
		}
	}
	client := c.Client(nil)
	for i := range stale {
		key := keyIn(slots[i*len(slots)/stale])
		if got := client.Get(ctx, key).Val(); got == "stale" {
			t.Errorf("%s holds a write that the old primary took", key)
		}
	}
	c.WaitComplete(harness.FormLimit)
}
