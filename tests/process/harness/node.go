package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/internal/freeport"
)

// Node is one respkv process. Its methods are for the test's goroutine, unless
// they say otherwise.
type Node struct {
	Host string
	Port int
	Dir  string // data directory and log

	t      testing.TB
	prefix []string // runs the process elsewhere, as ip netns exec
	args   []string // of serve
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the present process has ended
	mayEnd bool          // the test asked it to
}

// Addr is the client address.
func (n *Node) Addr() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

// ClusterAddr is the address that seeds name.
func (n *Node) ClusterAddr() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port+10000)) }

// NewNode prepares a node on free ports, with further flags of serve, and does
// not start it.
func NewNode(t testing.TB, args ...string) *Node {
	t.Helper()
	return NewNodeAt(t, "127.0.0.1", FreePorts(t, 1), nil, args...)
}

// NewNodeAt is NewNode at a given address; prefix is put before the command.
func NewNodeAt(t testing.TB, host string, port int, prefix []string, args ...string) *Node {
	t.Helper()
	n := &Node{Host: host, Port: port, Dir: t.TempDir(), t: t, prefix: prefix}
	n.args = append([]string{"serve", "--server.bind=" + host, "--server.port=" + strconv.Itoa(port),
		"--data_dir=" + filepath.Join(n.Dir, "data")}, args...)
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() && n.cmd != nil {
			t.Logf("log of node %s:\n%s", n.Addr(), n.LogTail(40))
		}
	})
	return n
}

// Start runs the process. A stopped node starts again with its data directory
// and address.
func (n *Node) Start() {
	n.t.Helper()
	if n.Running() {
		n.t.Fatalf("node %s runs already", n.Addr())
	}
	logFile, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer logFile.Close()
	words := append(append(append([]string(nil), n.prefix...), Binary(n.t)), n.args...)
	n.cmd = exec.Command(words[0], words[1:]...)
	n.cmd.Stdout, n.cmd.Stderr = logFile, logFile
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatalf("starting node %s: %v", n.Addr(), err)
	}
	ended, cmd := make(chan struct{}), n.cmd
	n.ended, n.mayEnd = ended, false
	go func() {
		_ = cmd.Wait() // the state is in cmd
		close(ended)
	}()
}

// Running tells whether the process is there.
func (n *Node) Running() bool {
	if n.ended == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// crashed tells whether the process ended without being asked to.
func (n *Node) crashed() bool { return n.cmd != nil && !n.Running() && !n.mayEnd }

// MayEnd says that the process may end by itself: the test looks for it.
func (n *Node) MayEnd() { n.mayEnd = true }

// Signal sends sig to the process.
func (n *Node) Signal(sig syscall.Signal) {
	n.t.Helper()
	n.mayEnd = n.mayEnd || sig == syscall.SIGTERM || sig == syscall.SIGINT
	if err := n.cmd.Process.Signal(sig); err != nil {
		n.t.Fatalf("signal %v to node %s: %v", sig, n.Addr(), err)
	}
}

// Kill ends the process with SIGKILL, if it runs, and waits for its end.
func (n *Node) Kill() { Kill([]*Node{n}) }

// Kill kills nodes at once: none is there to take the place of another.
func Kill(nodes []*Node) {
	for _, n := range nodes {
		n.mayEnd = true
		if n.Running() {
			_ = n.cmd.Process.Signal(syscall.SIGCONT) // a stopped one is not waited for either
			_ = n.cmd.Process.Kill()
		}
	}
	for _, n := range nodes {
		if n.cmd != nil {
			<-n.ended
		}
	}
}

// Terminate ends the process with SIGTERM and fails the test if it does not end
// within the time.
func (n *Node) Terminate(within time.Duration) {
	n.t.Helper()
	n.Signal(syscall.SIGTERM)
	n.WaitEnd(within)
}

// WaitEnd waits for the end of a process that was asked to stop.
func (n *Node) WaitEnd(within time.Duration) {
	n.t.Helper()
	select {
	case <-n.ended:
		if code := n.ExitCode(); code != 0 {
			n.t.Errorf("node %s was asked to stop and ended with code %d", n.Addr(), code)
		}
	case <-time.After(within):
		n.t.Fatalf("node %s did not end within %v", n.Addr(), within)
	}
}

// Freeze stops the process from running at all (SIGSTOP): to the others it is
// cut off, but its connections stay. Thaw lets it go on.
func (n *Node) Freeze() { n.t.Helper(); n.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (n *Node) Thaw() { n.t.Helper(); n.Signal(syscall.SIGCONT) }

func (n *Node) logPath() string { return filepath.Join(n.Dir, "respkv.log") }

// LogTail is the end of what all processes of the node logged.
func (n *Node) LogTail(lines int) string {
	data, err := os.ReadFile(n.logPath())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Client is a connection to this node only; it does not follow redirections
// and does not retry.
func (n *Node) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: n.Addr(), MaxRetries: -1, DialTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second})
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// WaitReady waits until the node answers PING.
func (n *Node) WaitReady() {
	n.t.Helper()
	c := n.Client()
	Eventually(n.t, Patience, func() error {
		if n.crashed() {
			return Final(fmt.Errorf("node %s has ended by itself", n.Addr()))
		}
		return c.Ping(context.Background()).Err()
	})
}

// final is an error that waiting cannot cure.
type final struct{ error }

// Final marks an error that ends Eventually at once.
func Final(err error) error { return final{err} }

// Eventually calls condition until it returns nil, and fails the test when that
// has not happened within the time.
func Eventually(t testing.TB, within time.Duration, condition func() error) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		var end final
		if errors.As(err, &end) {
			t.Fatal(err)
		}
		select {
		case <-deadline.C:
			t.Fatalf("after %v: %v", within, err)
		case <-poll.C:
		}
	}
}

// FreePorts finds count client ports in a row whose cluster ports (10000
// higher) are free too, and returns the first.
func FreePorts(t testing.TB, count int) int {
	t.Helper()
	return freeport.Find(t, count, 10000)
}

// ExitCode is the code with which the process ended; -1 after a signal.
func (n *Node) ExitCode() int {
	n.t.Helper()
	if n.Running() {
		n.t.Fatalf("node %s still runs", n.Addr())
	}
	return n.cmd.ProcessState.ExitCode()
}

// ResidentBytes is how much memory the process holds.
func (n *Node) ResidentBytes() int64 {
	n.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatalf("memory of node %s: %v", n.Addr(), err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		n.t.Fatalf("memory of node %s: %v", n.Addr(), err)
	}
	return resident * int64(os.Getpagesize())
}
