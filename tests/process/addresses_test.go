package process

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"respkv/tests/process/harness"
)

// names are those of the seeds.
var names = []string{"node-a", "node-b", "node-c"}

// moving are three nodes whose seeds are names.
type moving struct {
	*harness.Cluster
	hosts *harness.Hosts
}

func newMoving(t *testing.T, subnet int) *moving {
	m := &moving{hosts: harness.NewHosts(t)}
	port := harness.FreePorts(t, 1)
	var nodes []*harness.Node
	var seeds []string
	for i, name := range names {
		seeds = append(seeds, seedAt(name, port))
		nodes = append(nodes, harness.NewNodeAt(t, address(subnet, i), port, m.hosts.Prefix()))
	}
	m.Cluster = harness.JoinSeeds(t, nodes, seeds, 1)
	return m
}

func seedAt(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port+10000)) }

func address(subnet, node int) string { return fmt.Sprintf("127.13.%d.%d", subnet, node+1) }

// move puts nodes that do not run into another subnet, in that order; the names
// follow.
func (m *moving) move(subnet int, order ...int) {
	for i, to := range order {
		m.Nodes[i].Move(address(subnet, to))
	}
	m.publish()
}

func (m *moving) publish() {
	table := make(map[string][]string)
	for i, n := range m.Nodes {
		table[names[i]] = []string{n.Host}
	}
	m.hosts.Set(table)
}

func (m *moving) ids() []string {
	var ids []string
	for _, n := range m.Nodes {
		n.WaitReady()
		ids = append(ids, n.ID())
	}
	return ids
}

// TestNodesThatMove restarts nodes with their data directories at other addresses,
// as containers are: one, each in turn, and all at once; all also at addresses
// that other nodes of theirs had. The names of the seeds follow. The cluster is
// the same, and as long as one copy lives, so is its data.
func TestNodesThatMove(t *testing.T) {
	t.Parallel()
	m := newMoving(t, 1)
	for _, n := range m.Nodes {
		n.Start()
	}
	m.Nodes[0].WaitReady()
	m.publish() // the names are known only now
	m.WaitComplete(harness.FormLimit)
	ids := m.ids()
	ctx := context.Background()
	load(t, m.Client(nil))
	waitReplicated(t, m.Cluster)

	for i, n := range m.Nodes {
		if i == 0 {
			n.Kill()
		} else {
			n.Terminate(harness.Patience)
		}
		n.Move(address(2, i))
		m.publish()
		n.Start()
		m.WaitComplete(harness.FormLimit)
		eventuallyLoaded(t, m.Client(nil))
	}
	for step, order := range [][]int{{0, 1, 2}, {1, 2, 0}, {0, 2, 1}} {
		if step == 1 {
			for _, n := range m.Nodes {
				n.Signal(syscall.SIGTERM)
			}
			for _, n := range m.Nodes {
				n.WaitEnd(harness.Patience)
			}
		}
		harness.Kill(m.Nodes)
		m.move(3, order...) // all new, then each other's
		for _, n := range m.Nodes {
			n.Start()
		}
		m.WaitComplete(harness.FormLimit)
		if now := m.ids(); !slices.Equal(now, ids) {
			t.Fatalf("the nodes were %v, they are %v", ids, now)
		}
		if err := m.Client(nil).Set(ctx, "k", step, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneNameForAll has one seed, a name with the addresses of all nodes, the
// own one first, as a name of a headless service may have.
func TestOneNameForAll(t *testing.T) {
	t.Parallel()
	port := harness.FreePorts(t, 1)
	var nodes []*harness.Node
	for i := range names {
		hosts := harness.NewHosts(t)
		var all []string
		for k := range names {
			all = append(all, address(11, (i+k)%len(names)))
		}
		hosts.Set(map[string][]string{"all": all})
		nodes = append(nodes, harness.NewNodeAt(t, address(11, i), port, hosts.Prefix()))
	}
	c := harness.JoinSeeds(t, nodes, []string{seedAt("all", port)}, 1)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
}

// TestSeveralAddresses has nodes listen on loopback, first, and on the addresses
// by which others reach them: as many redis.conf have it.
func TestSeveralAddresses(t *testing.T) {
	_, nodes := harness.NewNetwork(t, 3)
	for _, n := range nodes {
		n.Bind("127.0.0.1,-::1," + n.Host)
	}
	c := harness.JoinCluster(t, nodes, 1)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
}

// TestIPv6 has a cluster that knows nothing but ::1.
func TestIPv6(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skipf("no IPv6 here: %v", err)
	} else {
		_ = l.Close()
	}
	var nodes []*harness.Node
	for range 3 {
		nodes = append(nodes, harness.NewNodeAt(t, "::1", harness.FreePorts(t, 1), nil))
	}
	c := harness.JoinCluster(t, nodes, 1)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	load(t, c.Client(nil)) // by way of CLUSTER SLOTS
	first, other := nodes[0], nodes[1]
	slot := other.PrimarySlots(first)[0]
	want := fmt.Sprintf("MOVED %d ::1:%d", slot, other.Port)
	if err := first.Client().Get(context.Background(), keyIn(slot)).Err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if out := first.CLI("", "-c", "set", keyIn(slot), "1"); !strings.HasPrefix(out, "OK") {
		t.Errorf("redis-cli -c: %q", out)
	}
	requireCluster(t, "check", fmt.Sprintf("::1:%d", first.Port))
}
