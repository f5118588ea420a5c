package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Hosts is a file in the place of /etc/hosts, for the nodes that are started
// with its Prefix.
type Hosts struct {
	t    testing.TB
	path string
}

// NewHosts makes the file, with nothing but localhost. The test is skipped where
// the system does not permit it.
func NewHosts(t testing.TB) *Hosts {
	t.Helper()
	h := &Hosts{t, filepath.Join(t.TempDir(), "hosts")}
	h.Set(nil)
	words := append(h.Prefix(), "true")
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Skipf("mount namespaces are not permitted here: %v: %s", err, out)
	}
	return h
}

// Prefix is put before a command that is to see the file.
func (h *Hosts) Prefix() []string {
	return []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, h.path}
}

// Set replaces the names and their addresses, also for running nodes.
func (h *Hosts) Set(names map[string][]string) {
	h.t.Helper()
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for name, addrs := range names {
		for _, addr := range addrs {
			fmt.Fprintf(&b, "%s %s\n", addr, name)
		}
	}
	if err := os.WriteFile(h.path, []byte(b.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Move gives a node that does not run another address, as the next container
// with its data directory may have.
func (n *Node) Move(host string) {
	n.Host = host
	n.Bind(host)
}

// Bind has a node that does not run listen on those addresses.
func (n *Node) Bind(addrs string) {
	for i, arg := range n.args {
		if strings.HasPrefix(arg, "--server.bind=") {
			n.args[i] = "--server.bind=" + addrs
		}
	}
}
