package resp

import (
	"context"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/internal/config"
	"respkv/store"
)

// servedNode is a node with a real server, for what needs connections.
type servedNode struct {
	d        *Dispatcher
	store    *store.Store
	live     *config.Live
	addr     string
	shutdown chan ShutdownOptions
}

type servedOptions struct {
	routing Routing
	repl    Replicator
	shared  Shared
	change  func(*config.Config)
}

func serveNode(t testing.TB, o servedOptions) *servedNode {
	t.Helper()
	cfg := config.Default()
	cfg.Server.EnableDebugCommand = config.AccessYes
	if o.change != nil {
		o.change(cfg)
	}
	n := &servedNode{live: config.NewLive(cfg), shutdown: make(chan ShutdownOptions, 1)}
	hooks := &forwardedHooks{}
	var err error
	if n.store, err = store.Open(store.Options{Hooks: hooks}); err != nil {
		t.Fatal(err)
	}
	n.d, err = NewDispatcher(DispatcherOptions{
		Store: n.store, Routing: o.routing, Replicator: o.repl, Shared: o.shared, Config: n.live, Version: "1.2.3",
		Shutdown: func(o ShutdownOptions) error { n.shutdown <- o; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	hooks.d = n.d
	s, err := NewServer(ServerConfig{Limits: LimitsOf(cfg)}, n.d)
	if err != nil {
		t.Fatal(err)
	}
	n.d.Attach(s)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(ln)
	n.addr = ln.Addr().String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		n.d.Close()
		n.store.Close()
	})
	return n
}

func (n *servedNode) dial(t testing.TB) *testConn { return dial(t, "tcp", n.addr) }

// check runs one command, given as words, and compares the reply.
func (c *testConn) check(line, want string) {
	c.t.Helper()
	if got := c.call(strings.Fields(line)...); got != want {
		c.t.Errorf("%s:\n got %q\nwant %q", line, got, want)
	}
}

// call runs one command and returns the whole reply in wire format.
func (c *testConn) call(args ...string) string {
	c.t.Helper()
	c.send(wireCommand(args...))
	return c.wire()
}

// wire reads one reply in wire format.
func (c *testConn) wire() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read: %v (after %q)", err, line)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	elements := 0
	switch line[0] {
	case '$', '=':
		if n >= 0 {
			body := make([]byte, n+2)
			if _, err := io.ReadFull(c.r, body); err != nil {
				c.t.Fatalf("read: %v (after %q)", err, line)
			}
			line += string(body)
		}
	case '*', '~', '>':
		elements = n
	case '%', '|':
		elements = 2 * n
	}
	for range elements {
		line += c.wire()
	}
	if line[0] == '|' || line[0] == '>' {
		line += c.wire() // the reply that the attribute belongs to, or that follows
	}
	return line
}

// infoField is the value of a field of INFO or CLUSTER INFO.
func (c *testConn) infoField(name string, command ...string) string {
	c.t.Helper()
	for line := range strings.Lines(c.call(command...)) {
		if value, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), name+":"); ok {
			return value
		}
	}
	c.t.Fatalf("%v has no field %s", command, name)
	return ""
}

// fakeReplicator counts acknowledgements as it is told.
type fakeReplicator struct {
	effectLog
	info ReplicationInfo

	wait  sync.Mutex
	acked int           // guarded by wait, as below
	more  chan struct{} // closed when acked grows
	asked []Mark        // of the last WaitAcked
	ended int           // calls of WaitAcked that ended with their ctx

	gone sync.Map // slots that have another primary
}

func (r *fakeReplicator) Leads(slot uint16) bool {
	_, gone := r.gone.Load(slot)
	return !gone
}

func (r *fakeReplicator) Mark(slot uint16) Mark { return Mark{Slot: slot, Epoch: 1, Seq: 7} }

func (r *fakeReplicator) Info() ReplicationInfo { return r.info }

func (r *fakeReplicator) ack(n int) {
	r.wait.Lock()
	defer r.wait.Unlock()
	r.acked = n
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

func (r *fakeReplicator) WaitAcked(ctx context.Context, marks []Mark, n int) int {
	for {
		r.wait.Lock()
		r.asked = slices.Clone(marks)
		acked := r.acked
		if r.more == nil {
			r.more = make(chan struct{})
		}
		more := r.more
		r.wait.Unlock()
		if acked >= n {
			return acked
		}
		select {
		case <-more:
		case <-ctx.Done():
			r.wait.Lock()
			r.ended++
			r.wait.Unlock()
			return acked
		}
	}
}

// adminRouting is a cluster whose picture and answers a test sets.
type adminRouting struct {
	*testRouting
	info cluster.Info
	err  error       // of every change
	did  chan string // receives the changes asked for
}

func newAdminRouting(t testing.TB, primary func(slot uint16) bool) *adminRouting {
	r := &adminRouting{testRouting: newRouting(t, primary), did: make(chan string, 8)}
	r.info = cluster.Info{Map: r.Map(), Self: self, OK: true, Lease: true, Controller: other,
		SlotsAssigned: 16384, SlotsOK: 16384, MyEpoch: 1}
	for _, n := range r.Map().Nodes() {
		r.info.Members = append(r.info.Members, cluster.Member{Node: n, Self: n.ID == self, PongMillis: 1234})
	}
	return r
}

func (r *adminRouting) Info() cluster.Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	info := r.info
	info.Members = slices.Clone(info.Members)
	return info
}

// inSync makes all copies complete. Call it before the node serves.
func (r *adminRouting) inSync() {
	spans := r.Map().Spans()
	for i := range spans {
		a := *spans[i].Assignment
		a.InSync = a.Replicas
		spans[i].Assignment = &a // the map is the test's own
	}
}

// set changes info or err.
func (r *adminRouting) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *adminRouting) act(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.did <- what
	return r.err
}

func (r *adminRouting) Meet(_ context.Context, host string, port int) error {
	return r.act("meet " + net.JoinHostPort(host, itoa(port)))
}
func (r *adminRouting) Forget(_ context.Context, id slotmap.NodeID) error {
	return r.act("forget " + string(id))
}
func (r *adminRouting) MoveSlots(_ context.Context, slots slotmap.Ranges, to slotmap.NodeID, wait bool) error {
	if wait {
		return r.act("move " + slots.String() + " to " + string(to))
	}
	return r.act("begin to move " + slots.String() + " to " + string(to))
}
func (r *adminRouting) KeepSlots(_ context.Context, slots slotmap.Ranges) error {
	return r.act("keep " + slots.String())
}
func (r *adminRouting) AddSlots(_ context.Context, slots slotmap.Ranges) error {
	return r.act("add " + slots.String())
}
func (r *adminRouting) Forgotten() slotmap.Ranges { return nil }
func (r *adminRouting) DropSlots(slots slotmap.Ranges) error {
	return r.act("drop " + slots.String())
}
func (r *adminRouting) SetConfigEpoch(epoch uint64) error {
	return r.act("epoch " + itoa(int(epoch)))
}
func (r *adminRouting) Replicate(_ context.Context, primary slotmap.NodeID) error {
	return r.act("replicate " + string(primary))
}
func (r *adminRouting) Reset(_ context.Context, hard bool) error {
	if hard {
		return r.act("reset hard")
	}
	return r.act("reset soft")
}
func (r *adminRouting) Failover(_ context.Context, mode cluster.FailoverMode) error {
	return r.act("failover " + itoa(int(mode)))
}
func (r *adminRouting) Leave(ctx context.Context) error {
	r.did <- "leave"
	<-ctx.Done()
	r.did <- "left waiting"
	return ctx.Err()
}

func itoa(n int) string { return string(decimal(int64(n))) }

// redisAddr starts a redis-server, or skips the test when there is none.
func redisAddr(t *testing.T, options ...string) string {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server in PATH to compare with")
	}
	return startRedis(t, binary, append(options, "--enable-debug-command", "yes")...)
}
