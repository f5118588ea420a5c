package process

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

// patient makes a node of a busy machine keep its lease.
const patient = "--cluster.node_timeout=3s"

// fresh are running nodes in cluster mode that know nobody and expect nobody.
func fresh(t *testing.T, count int) *harness.Cluster {
	t.Helper()
	c := harness.Gather(t)
	for range count {
		n := harness.NewNode(t, "--cluster.enabled=true", patient)
		n.Start()
		c.Nodes = append(c.Nodes, n)
	}
	for _, n := range c.Nodes {
		n.WaitReady()
	}
	return c
}

// roles is CLUSTER NODES as a node shows it: who has which slots, or follows whom,
// by ID.
func roles(t *testing.T, n *harness.Node) (slots, follows map[string]string) {
	t.Helper()
	slots, follows = make(map[string]string), make(map[string]string)
	for _, line := range strings.Split(strings.TrimSpace(n.CLI("", "cluster", "nodes")), "\n") {
		words := strings.Fields(line)
		if len(words) > 8 {
			slots[words[0]] = strings.Join(words[8:], " ")
		}
		if words[3] != "-" {
			follows[words[0]] = words[3]
		}
	}
	return slots, follows
}

// waitRoles waits until every node that runs shows those roles.
func waitRoles(t *testing.T, c *harness.Cluster, slots, follows map[string]string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error {
		for _, n := range c.Nodes {
			if !n.Running() {
				continue
			}
			if s, f := roles(t, n); !maps.Equal(s, slots) || !maps.Equal(f, follows) {
				return fmt.Errorf("node %s shows\n%v\n%v\nwant\n%v\n%v", n.Addr(), s, f, slots, follows)
			}
		}
		return nil
	})
}

// waitLinks waits until every node shows its links as Redis does: one to and one
// from each of the others, next to each other. Clients pair them.
func waitLinks(t *testing.T, c *harness.Cluster) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error {
		for _, n := range c.Nodes {
			words := strings.Fields(n.CLI("", "cluster", "links"))
			var links []string
			for i := 3; i < len(words); i += 12 {
				links = append(links, words[i-2]+" "+words[i])
			}
			if len(links) != 2*(len(c.Nodes)-1) {
				return fmt.Errorf("node %s has the links %q", n.Addr(), links)
			}
			for i := 0; i < len(links); i += 2 {
				if strings.Replace(links[i], "to ", "from ", 1) != links[i+1] {
					return fmt.Errorf("node %s has the links %q", n.Addr(), links)
				}
			}
		}
		return nil
	})
}

// TestCreate has redis-cli make a cluster of six nodes, three of them replicas. A
// replica takes the place of its primary when that is killed or stopped, and has
// the primary, when it is back, as its replica; nothing moves by itself. All of
// them restarted are the same cluster.
func TestCreate(t *testing.T) {
	t.Parallel()
	c := fresh(t, 6)
	requireCluster(t, "create", append(c.Addrs(), "--cluster-replicas", "1", "--cluster-yes")...)
	slots, follows := roles(t, c.Nodes[0])
	given := map[string]string{c.Nodes[0].ID(): "0-5460", c.Nodes[1].ID(): "5461-10922", c.Nodes[2].ID(): "10923-16383"}
	if !maps.Equal(slots, given) || len(follows) != 3 {
		t.Fatalf("after create: %v, %v", slots, follows)
	}
	c.Replicas = 1
	c.WaitComplete(harness.FormLimit)
	waitRoles(t, c, slots, follows)
	waitLinks(t, c)
	client := c.Client(nil)
	load(t, client)

	// A full resynchronization's worth of time is what the copies had.
	swap := func(primary *harness.Node) {
		t.Helper()
		id := primary.ID()
		for replica, of := range follows {
			if of == id {
				slots[replica] = slots[id]
				follows[id] = replica
				delete(slots, id)
				delete(follows, replica)
				return
			}
		}
		t.Fatalf("nobody follows %s", primary.Addr())
	}
	swap(c.Nodes[1])
	writers := harness.StartWriters(t, client, 4)
	writers.WaitFor(t, 500, harness.Patience)
	c.Nodes[1].Terminate(harness.Patience)
	waitRoles(t, c, slots, follows)
	c.Nodes[1].Start()
	c.WaitComplete(harness.FormLimit)
	waitRoles(t, c, slots, follows)
	writers.WaitFor(t, 500, harness.Patience)
	writers.RequireNothingLost(t)
	eventuallyLoaded(t, client)

	swap(c.Nodes[0])
	waitReplicated(t, c)
	c.Nodes[0].Kill()
	waitRoles(t, c, slots, follows)
	c.Nodes[0].Start()
	c.WaitComplete(harness.FormLimit)
	waitRoles(t, c, slots, follows)
	eventuallyLoaded(t, client)

	for replica, of := range follows { // back to where it was
		if replica == c.Nodes[0].ID() {
			follows[of] = replica
			slots[replica] = slots[of]
			delete(follows, replica)
			delete(slots, of)
			break
		}
	}
	if err := c.Nodes[0].Client().Do(context.Background(), "CLUSTER", "FAILOVER").Err(); err != nil {
		t.Fatal(err)
	}
	waitRoles(t, c, slots, follows)

	harness.Kill(c.Nodes)
	for _, n := range c.Nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	waitRoles(t, c, slots, follows)
}

// TestMadeByHand gives slots after the nodes have met, from one node to the
// others, and names a replica before there is a cluster; then adds a primary and a
// replica with redis-cli, and takes a backup. There are no replicas but those named,
// until cluster.replicas is set.
func TestMadeByHand(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := fresh(t, 4)
	do := func(n *harness.Node, want string, args ...any) {
		t.Helper()
		got, err := n.Client().Do(ctx, append([]any{"CLUSTER"}, args...)...).Text()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Fatalf("CLUSTER %v of %s: %s, want %s", args, n.Addr(), got, want)
		}
	}
	a, b, r := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	do(r, "ERR Unknown node "+a.ID(), "REPLICATE", a.ID())
	do(b, "OK", "ADDSLOTSRANGE", 9000, 16383)
	do(b, "ERR Slot 9000 is already busy", "ADDSLOTS", 9000)
	do(b, "OK", "DELSLOTS", 16383, 9000)
	do(b, "ERR Slot 9000 is already unassigned", "DELSLOTS", 9000)
	do(b, "OK", "FLUSHSLOTS")
	do(b, "OK", "SET-CONFIG-EPOCH", 1)
	do(b, "ERR Node config epoch is already non-zero", "SET-CONFIG-EPOCH", 2)
	do(a, "OK", "SET-CONFIG-EPOCH", 2)
	for _, n := range c.Nodes[1:] {
		do(a, "OK", "MEET", n.Host, n.Port)
	}
	harness.Eventually(t, harness.Patience, func() error {
		if known := strings.Count(r.CLI("", "cluster", "nodes"), "connected"); known != 4 {
			return fmt.Errorf("%d nodes know each other", known)
		}
		return nil
	})
	do(r, "ERR The user can assign a config epoch only when the node does not know any other node.", "SET-CONFIG-EPOCH", 3)
	do(r, "OK", "REPLICATE", a.ID())
	do(r, "ERR Can't replicate myself", "REPLICATE", r.ID())
	do(a, "OK", "ADDSLOTSRANGE", 0, 7999)
	harness.Eventually(t, harness.Patience, func() error { // programs wait for that before they name a replica
		for _, command := range []string{"slots", "shards"} {
			out := strings.Join(strings.Fields(r.CLI("", "cluster", command)), " ")
			if !strings.Contains(out, "0 7999 ") || !strings.Contains(out, a.ID()) {
				return fmt.Errorf("CLUSTER %s of a node that knows one with slots: %q", command, out)
			}
		}
		return nil
	})
	do(b, "OK", "ADDSLOTSRANGE", 8000, 16382)
	for _, n := range c.Nodes { // what was given outlives the process
		n.Kill()
		n.Start()
		n.WaitReady()
		if n != a {
			do(n, "OK", "MEET", a.Host, a.Port)
		}
	}
	do(b, "OK", "ADDSLOTS", 16383)
	slots := map[string]string{a.ID(): "0-7999", b.ID(): "8000-16383"}
	follows := map[string]string{r.ID(): a.ID()}
	waitRoles(t, c, slots, follows)
	c.WaitServing(harness.FormLimit)
	if epoch := b.CLI("", "cluster", "info"); !strings.Contains(epoch, "cluster_my_epoch:1\r") {
		t.Errorf("the first config epoch was for this node:\n%s", epoch)
	}
	copies := func(want int) error { // of the slots of b, which no replica was named for
		for _, s := range a.Client().ClusterSlots(ctx).Val() {
			if s.Nodes[0].ID == b.ID() && len(s.Nodes) != 1+want {
				return fmt.Errorf("slots %d to %d are on %d nodes, want %d", s.Start, s.End, len(s.Nodes), 1+want)
			}
		}
		return nil
	}
	if err := copies(0); err != nil {
		t.Error(err)
	}
	do(a, "ERR To set a master the node must be empty and without assigned slots.", "REPLICATE", b.ID())
	do(c.Nodes[3], "ERR I can only replicate a master, not a replica.", "REPLICATE", r.ID())
	do(a, "ERR Slot 5 is already busy", "ADDSLOTS", 5)
	// A slot is given up and taken back.
	do(a, "OK", "DELSLOTS", 5)
	do(a, "ERR Slot 5 is already unassigned", "DELSLOTS", 5)
	do(a, "OK", "DELSLOTS", 8000) // of another node: only its owner gives it up
	slots[a.ID()] = "0-4 6-7999"
	waitRoles(t, c, slots, follows)
	if err := b.Client().Get(ctx, "any").Err(); err == nil || !strings.HasPrefix(err.Error(), "CLUSTERDOWN") {
		t.Fatalf("with a slot that nobody has: %v", err)
	}
	do(a, "OK", "ADDSLOTS", 5)
	// Slots that nobody has go where SETSLOT says, whoever is told; and a node that was
	// told to forget slots of another one waits for it to give them up.
	do(a, "OK", "DELSLOTS", 6)
	do(b, "OK", "SETSLOT", 6, "IMPORTING", a.ID())
	do(r, "OK", "SETSLOT", 6, "NODE", b.ID())
	do(a, "OK", "SETSLOT", 6, "NODE", b.ID())
	slots[a.ID()], slots[b.ID()] = "0-5 7-7999", "6 8000-16383"
	waitRoles(t, c, slots, follows)
	do(a, "OK", "DELSLOTS", 6)
	given := make(chan error)
	go func() { given <- b.Client().Do(ctx, "CLUSTER", "DELSLOTS", 6).Err() }()
	do(a, "OK", "ADDSLOTS", 6)
	if err := <-given; err != nil {
		t.Fatal(err)
	}
	slots[a.ID()], slots[b.ID()] = "0-7999", "8000-16383"
	waitRoles(t, c, slots, follows)
	c.WaitServing(harness.FormLimit)
	load(t, c.Client(nil))
	holder, slot := a, hashslot.Slot([]byte("loaded:0"))
	if slot >= 8000 {
		holder = b
	}
	do(holder, "OK", "DELSLOTS", slot) // with its keys, which are there again when it is
	do(holder, "OK", "ADDSLOTS", slot)
	eventuallyLoaded(t, c.Client(nil))

	// The fourth node has been given nothing, and gets nothing by itself.
	added := harness.NewNode(t, "--cluster.enabled=true", patient)
	added.Start()
	added.WaitReady()
	requireCluster(t, "add-node", added.Addr(), a.Addr(), "--cluster-slave", "--cluster-master-id", b.ID())
	c.Nodes = append(c.Nodes, added)
	follows[added.ID()] = b.ID()
	waitRoles(t, c, slots, follows)

	// A node may be made a replica as soon as it knows the other one.
	second := harness.NewNode(t, "--cluster.enabled=true", patient)
	second.Start()
	second.WaitReady()
	do(second, "OK", "MEET", a.Host, a.Port)
	harness.Eventually(t, harness.Patience, func() error {
		out, err := second.Client().Do(ctx, "cluster", "replicate", a.ID()).Text()
		if err != nil && !strings.HasPrefix(err.Error(), "ERR Unknown node ") {
			return harness.Final(err)
		}
		if out != "OK" {
			return fmt.Errorf("CLUSTER REPLICATE: %w", err)
		}
		return nil
	})
	c.Nodes = append(c.Nodes, second)
	follows[second.ID()] = a.ID()
	waitRoles(t, c, slots, follows)
	gone := second.ID() // before it is reset
	requireCluster(t, "del-node", a.Addr(), gone)
	delete(follows, gone)
	second.Kill()
	c.Nodes = c.Nodes[:len(c.Nodes)-1]
	waitRoles(t, c, slots, follows)
	requireCluster(t, "reshard", a.Addr(), "--cluster-from", b.ID(), "--cluster-to", c.Nodes[3].ID(), "--cluster-slots", "3", "--cluster-yes")
	slots[b.ID()], slots[c.Nodes[3].ID()] = "8003-16383", "8000-8002"
	waitRoles(t, c, slots, follows)
	dir := t.TempDir()
	requireCluster(t, "backup", a.Addr(), dir)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	rdb := 0
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".rdb") {
			rdb++
		}
	}
	if rdb != 3 {
		t.Errorf("backup wrote %v", files)
	}
	id := added.ID() // before it is reset
	requireCluster(t, "del-node", a.Addr(), id)
	delete(follows, id)
	added.Kill()
	c.Nodes = slices.Delete(c.Nodes, 4, 5)
	waitRoles(t, c, slots, follows)
	eventuallyLoaded(t, c.Client(nil))

	// Copies come once somebody asks for them.
	if err := copies(0); err != nil {
		t.Error(err)
	}
	if err := a.Client().ConfigSet(ctx, "cluster.replicas", "1").Err(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.Patience, func() error { return copies(1) })
}

// TestAloneByHand gives one node all slots.
func TestAloneByHand(t *testing.T) {
	t.Parallel()
	c := fresh(t, 1)
	n := c.Nodes[0]
	if out := n.CLI("", "cluster", "addslotsrange", "0", "16383"); out != "OK\n\n" && out != "OK\n" {
		t.Fatal(out)
	}
	c.WaitComplete(harness.FormLimit)
	n.Kill()
	n.Start()
	c.WaitComplete(harness.FormLimit)
	waitRoles(t, c, map[string]string{n.ID(): "0-16383"}, nil)
}

// TestReset takes nodes out of a cluster with CLUSTER RESET and puts them into it
// again, then makes another cluster of all of them, in the same processes and on the
// same connections.
func TestReset(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := fresh(t, 4)
	a, r := c.Nodes[0], c.Nodes[3]
	clients := map[*harness.Node]*redis.Conn{}
	for _, n := range c.Nodes {
		clients[n] = n.Client().Conn()
	}
	do := func(n *harness.Node, args ...any) any {
		t.Helper()
		got, err := clients[n].Do(ctx, args...).Result()
		if err != nil {
			return err.Error()
		}
		return got
	}
	create := func() {
		t.Helper()
		requireCluster(t, "create", append(c.Addrs()[:3], "--cluster-yes")...)
		requireCluster(t, "add-node", r.Addr(), a.Addr(), "--cluster-slave", "--cluster-master-id", a.ID())
		waitRoles(t, c, map[string]string{a.ID(): "0-5460", c.Nodes[1].ID(): "5461-10922", c.Nodes[2].ID(): "10923-16383"},
			map[string]string{r.ID(): a.ID()})
		c.WaitComplete(harness.FormLimit)
	}
	alone := func(n *harness.Node) {
		t.Helper()
		if out := n.CLI("", "cluster", "nodes"); strings.Count(out, "connected") != 1 || !strings.Contains(out, "myself,master") {
			t.Fatalf("a node that was reset knows\n%s", out)
		}
		if keys := do(n, "DBSIZE"); keys != int64(0) {
			t.Fatalf("a node that was reset has %v keys", keys)
		}
	}
	id := r.ID()
	if got := do(r, "CLUSTER", "RESET", "SOFT"); got != "OK" || r.ID() != id {
		t.Fatalf("CLUSTER RESET of a node alone: %v, and it is %s, not %s", got, r.ID(), id)
	}
	create()
	client := c.Client(nil)
	load(t, client)
	if got := do(a, "CLUSTER", "RESET"); got != "ERR CLUSTER RESET can't be called with master nodes containing keys" {
		t.Fatalf("CLUSTER RESET of a primary with keys: %v", got)
	}
	id = r.ID()
	if got := do(r, "CLUSTER", "RESET"); got != "OK" {
		t.Fatalf("CLUSTER RESET of a replica: %v", got)
	}
	alone(r)
	harness.Eventually(t, harness.Patience, func() error {
		if out := a.CLI("", "cluster", "nodes"); strings.Contains(out, id) || strings.Count(out, "connected") != 3 {
			return fmt.Errorf("the cluster knows\n%s", out)
		}
		return nil
	})
	eventuallyLoaded(t, client)
	requireCluster(t, "add-node", r.Addr(), a.Addr(), "--cluster-slave", "--cluster-master-id", a.ID())
	waitRoles(t, c, map[string]string{a.ID(): "0-5460", c.Nodes[1].ID(): "5461-10922", c.Nodes[2].ID(): "10923-16383"},
		map[string]string{r.ID(): a.ID()})

	for _, n := range c.Nodes[:3] {
		if got := do(n, "FLUSHALL"); got != "OK" {
			t.Fatalf("FLUSHALL: %v", got)
		}
	}
	for _, n := range c.Nodes {
		id := n.ID()
		if got := do(n, "CLUSTER", "RESET", "HARD"); got != "OK" || n.ID() == id {
			t.Fatalf("CLUSTER RESET HARD of %s: %v", id, got)
		}
		alone(n)
	}
	create()
	load(t, client)
	c.Nodes[1].Kill() // what it is now is on disk
	c.Nodes[1].Start()
	c.WaitComplete(harness.FormLimit)
}
