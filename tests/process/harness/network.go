package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Network is a bridge with one network namespace per node: a cable for each
// that can be pulled. The test itself reaches all nodes over the bridge.
type Network struct {
	t      testing.TB
	bridge string
	cables []string // the end of each node's cable at the bridge
}

// NewNetwork builds the network and its nodes, which are not started. The test
// is skipped where the system does not permit it.
func NewNetwork(t testing.TB, nodes int) (*Network, []*Node) {
	t.Helper()
	Tool(t, "ip")
	// The names are of this test process; names of interfaces are 15 bytes.
	name := fmt.Sprintf("rk%d", os.Getpid()%1_000_000)
	w := &Network{t: t, bridge: name}
	if out, err := ip("link add " + w.bridge + " type bridge"); err != nil {
		t.Skipf("network namespaces are not permitted here: %v: %s", err, out)
	}
	t.Cleanup(func() { _, _ = ip("link del " + w.bridge) })
	must := func(command string) {
		t.Helper()
		if out, err := ip(command); err != nil {
			t.Skipf("ip %s: %v: %s", command, err, out)
		}
	}
	subnet := fmt.Sprintf("10.213.%d.", os.Getpid()%250)
	must("addr add " + subnet + "254/24 dev " + w.bridge)
	must("link set " + w.bridge + " up")
	var list []*Node
	for i := range nodes {
		space, outer, inner := fmt.Sprintf("%sn%d", name, i), fmt.Sprintf("%so%d", name, i), fmt.Sprintf("%si%d", name, i)
		must("netns add " + space)
		t.Cleanup(func() { _, _ = ip("netns del " + space) })
		must("link add " + outer + " type veth peer name " + inner)
		must("link set " + inner + " netns " + space)
		must("link set " + outer + " master " + w.bridge)
		must("link set " + outer + " up")
		host := subnet + fmt.Sprint(i+1)
		must("-n " + space + " addr add " + host + "/24 dev " + inner)
		must("-n " + space + " link set " + inner + " up")
		must("-n " + space + " link set lo up")
		w.cables = append(w.cables, outer)
		list = append(list, NewNodeAt(t, host, 7000, []string{"ip", "netns", "exec", space}, "--server.protected_mode=false"))
	}
	return w, list
}

func ip(command string) (string, error) {
	out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Cut pulls the cable of the node with that number; Heal plugs it in again.
func (w *Network) Cut(i int) { w.t.Helper(); w.set(i, "down") }

// Heal ends Cut.
func (w *Network) Heal(i int) { w.t.Helper(); w.set(i, "up") }

func (w *Network) set(i int, state string) {
	w.t.Helper()
	if out, err := ip("link set " + w.cables[i] + " " + state); err != nil {
		w.t.Fatalf("cable %d %s: %v: %s", i, state, err, out)
	}
}

// Inside runs a program at the node, on its side of the cable, and returns what
// it printed.
func (n *Node) Inside(name string, args ...string) string {
	words := append(append([]string(nil), n.prefix...), name)
	words = append(words, args...)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}
