package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// devOptions says what cluster `respkv dev` runs.
type devOptions struct {
	nodes, replicas int
	port            int    // client port of the first node; the others follow
	dir             string // "" a temporary directory, removed at the end
	extra           []string
	formed          time.Duration // longest time to form
	stopped         time.Duration // longest time to stop
}

func newDev() *cobra.Command {
	o := devOptions{formed: 30 * time.Second, stopped: 15 * time.Second}
	cmd := &cobra.Command{
		Use:   "dev [--nodes N] [--replicas R] [-- settings of serve]",
		Short: "Run a cluster of several nodes on this machine",
		Long: `Run a cluster of several nodes on this machine, each a process of its own with
its own ports, data directory and log file. Ctrl-C stops them; pressed again, it
ends them at once.

What follows "--" goes to each node: respkv dev -- --store.maxmemory 100mb`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); len(args) > 0 && at != 0 {
				return usageError{fmt.Errorf("unknown argument %q; settings of the nodes follow \"--\"", args[0])}
			}
			o.extra = args
			if err := o.check(); err != nil {
				return usageError{err}
			}
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
			defer signal.Stop(signals)
			return dev(o, cmd.OutOrStdout(), signals)
		},
	}
	cmd.Flags().IntVar(&o.nodes, "nodes", 3, "number of nodes")
	cmd.Flags().IntVar(&o.replicas, "replicas", 1, "replicas of each slot")
	cmd.Flags().IntVar(&o.port, "port", 7000, "client port of the first node; the next nodes have the next ports")
	cmd.Flags().StringVar(&o.dir, "dir", "", "`directory` for data and logs, kept at the end; default a temporary one")
	return cmd
}

func (o devOptions) check() error {
	switch {
	case o.nodes < 1 || o.nodes > 100:
		return fmt.Errorf("--nodes %d: want 1 to 100", o.nodes)
	case o.replicas < 0 || o.replicas > 5 || o.replicas >= o.nodes && o.nodes > 1:
		return fmt.Errorf("--replicas %d: want 0 to %d, fewer than nodes", o.replicas, min(5, o.nodes-1))
	case o.port < 1 || o.port+o.nodes-1 > 55535:
		return fmt.Errorf("--port %d: want 1 to %d, since the cluster ports are 10000 higher", o.port, 55535-o.nodes+1)
	}
	return nil
}

// devNode is one child process.
type devNode struct {
	port    int
	page    string // host:port of the status page; empty: its port is taken
	dir     string
	args    []string // of serve
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	state   *os.ProcessState
	id      string
}

func (n *devNode) addr() string    { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }
func (n *devNode) logFile() string { return filepath.Join(n.dir, "respkv.log") }

func dev(o devOptions, out io.Writer, signals <-chan os.Signal) (err error) {
	// A child asks the kernel for SIGTERM when its parent thread is gone: this
	// goroutine keeps its thread, so that is when this process has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "respkv-dev-")
		if err != nil {
			return err
		}
		defer func() {
			if err == nil || errors.Is(err, errInterrupted) {
				err = errors.Join(err, os.RemoveAll(dir))
			} // else the logs in it tell why
		}()
		o.dir = dir
	}
	if err := portsFree(o); err != nil {
		return err
	}
	nodes, err := startAll(o)
	defer func() { err = errors.Join(err, stopAll(nodes, o.stopped, signals)) }()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Starting %d nodes in %s\n", o.nodes, o.dir)
	ended := make(chan *devNode, len(nodes))
	for _, n := range nodes {
		go func() { <-n.ended; ended <- n }()
	}
	v, err := waitFormed(o, nodes, ended, signals)
	if err != nil || v == nil {
		return err
	}
	printTable(out, nodes, v)
	fmt.Fprintf(out, "\nredis-cli -c -p %d\n", o.port)
	if i := slices.IndexFunc(nodes, func(n *devNode) bool { return n.page != "" }); i >= 0 {
		fmt.Fprintf(out, "http://%s/ shows the cluster live, as every other node does on its port + 5000.\n", nodes[i].page)
	}
	fmt.Fprintf(out, "\nCtrl-C stops the cluster.\n")
	for running := len(nodes); running > 0; {
		select {
		case <-signals:
			fmt.Fprintln(out, "\nStopping; Ctrl-C again ends the nodes at once.")
			return nil
		case n := <-ended:
			running--
			fmt.Fprintf(out, "Node %s ended (%s). Start it again with:\n  %s serve %s\n", n.addr(), n.state, executable(), strings.Join(n.args, " "))
		}
	}
	return errors.New("all nodes have ended")
}

func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// portsFree names the first port that is taken, before anything is started.
func portsFree(o devOptions) error {
	for i := range o.nodes {
		for _, port := range []int{o.port + i, o.port + i + 10000} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				return fmt.Errorf("port %d is taken; choose others with --port: %w", port, err)
			}
			_ = l.Close()
		}
	}
	return nil
}

// pageAddr is where the node with that client port shows its status page, 5000
// higher; empty where that port is taken: the cluster works without.
func pageAddr(port int) string {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+5000))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return ""
	}
	_ = l.Close()
	return addr
}

func startAll(o devOptions) ([]*devNode, error) {
	var seeds []string
	for i := range o.nodes {
		seeds = append(seeds, net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port+i+10000)))
	}
	var nodes []*devNode
	for i := range o.nodes {
		n := &devNode{port: o.port + i, ended: make(chan struct{})}
		n.dir = filepath.Join(o.dir, "node-"+strconv.Itoa(n.port))
		n.args = append([]string{
			"--server.bind=127.0.0.1",
			"--server.port=" + strconv.Itoa(n.port),
			"--data_dir=" + filepath.Join(n.dir, "data"),
			"--cluster.enabled=true",
			"--cluster.seeds=" + strings.Join(seeds, ","),
			"--cluster.expect=" + strconv.Itoa(o.nodes),
			"--cluster.replicas=" + strconv.Itoa(o.replicas),
		}, o.extra...)
		if n.page = pageAddr(n.port); n.page != "" {
			n.args = append([]string{"--metrics.listen=" + n.page}, n.args...)
		}
		if err := n.start(); err != nil {
			return nodes, fmt.Errorf("starting node %s: %w", n.addr(), err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// start runs the node as a child in a process group of its own, so that the
// terminal's Ctrl-C reaches this process only and the nodes are stopped in
// order.
func (n *devNode) start() error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return err
	}
	logFile, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	n.process, err = os.StartProcess(executable(), append([]string{"respkv", "serve"}, n.args...), &os.ProcAttr{
		Files: []*os.File{null, logFile, logFile},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM},
	})
	if err != nil {
		return err
	}
	go func() {
		n.state, _ = n.process.Wait() // it is our child: there is a state
		close(n.ended)
	}()
	return nil
}

// waitFormed waits until every node sees a complete cluster. It returns nil
// and no error when a signal came first.
func waitFormed(o devOptions, nodes []*devNode, ended <-chan *devNode, signals <-chan os.Signal) (*clusterView, error) {
	deadline := time.NewTimer(o.formed)
	defer deadline.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	var last error
	for {
		select {
		case <-signals:
			return nil, nil
		case n := <-ended:
			return nil, fmt.Errorf("node %s ended (%s) before the cluster was formed; the end of its log:\n%s", n.addr(), n.state, tail(n.logFile()))
		case <-deadline.C:
			return nil, fmt.Errorf("no cluster after %v: %w; logs are in %s", o.formed, last, o.dir)
		case <-poll.C:
		}
		var v clusterView
		if v, last = formed(o, nodes); last == nil {
			return &v, nil
		}
	}
}

// formed asks every node; an error says what is missing.
func formed(o devOptions, nodes []*devNode) (clusterView, error) {
	var v clusterView
	for _, n := range nodes {
		c, err := endpoint{addr: n.addr()}.dial(time.Second)
		if err != nil {
			return v, err
		}
		reply, err := c.do(time.Second, "CLUSTER", "MYID")
		if err == nil {
			n.id, _ = reply.(string)
			v, err = view(c, time.Second)
		}
		c.close()
		switch {
		case err != nil:
			return v, fmt.Errorf("node %s: %w", n.addr(), err)
		case v.state != "ok" || v.assigned != allSlots:
			return v, fmt.Errorf("node %s: cluster state %q with %d of %d slots", n.addr(), v.state, v.assigned, allSlots)
		case v.replicas < min(o.replicas, o.nodes-1):
			return v, fmt.Errorf("node %s: slots with %d replicas", n.addr(), v.replicas)
		}
	}
	return v, nil
}

// tail is the part of a log that says why a process ended: the beginning of a
// panic, or the last lines.
func tail(file string) string {
	const shown = 10
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return strings.Join(lines[i:min(i+shown, len(lines))], "\n")
		}
	}
	return strings.Join(lines[max(0, len(lines)-shown):], "\n")
}

func printTable(out io.Writer, nodes []*devNode, v *clusterView) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nNODE\tADDRESS\tCLUSTER PORT\tPID\tPRIMARY SLOTS\tREPLICA SLOTS\tLOG")
	for _, n := range nodes {
		h := v.held(n.id)
		fmt.Fprintf(w, "%.8s\t%s\t%d\t%d\t%d\t%d\t%s\n", n.id, n.addr(), n.port+10000, n.process.Pid, h.primary, h.replica, n.logFile())
	}
	_ = w.Flush() // to the terminal: nothing to do about an error
}

// stopAll sends SIGTERM to all nodes and waits for them; a signal, or the end
// of the time, kills those still running. Nodes that ended before are skipped.
func stopAll(nodes []*devNode, within time.Duration, signals <-chan os.Signal) error {
	for _, n := range nodes {
		if !n.hasEnded() {
			_ = n.process.Signal(syscall.SIGTERM) // it may end this moment
		}
	}
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	var result error
	for _, n := range nodes {
		select {
		case <-n.ended:
			continue
		case <-signals:
			result = errInterrupted
		case <-deadline.C:
			result = fmt.Errorf("node %s did not stop within %v", n.addr(), within)
		}
		for _, m := range nodes {
			if !m.hasEnded() {
				_ = m.process.Kill()
				<-m.ended
			}
		}
		return result
	}
	return nil
}

func (n *devNode) hasEnded() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}
