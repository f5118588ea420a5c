package resp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"respkv/internal/acl"
)

// testExecutor knows enough commands to drive the network layer.
type testExecutor struct {
	password string

	mu     sync.Mutex
	parked map[string]parkedClient // by the key they wait for
	gone   []uint64
	hold   bool
	held   []parkedClient
}

type parkedClient struct {
	c  *Client
	id ParkID
}

func (e *testExecutor) Connected(c *Client) {
	c.SetUser(testAccount, e.password == "")
}

func (e *testExecutor) Disconnected(c *Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = append(e.gone, c.ID)
}

func (e *testExecutor) Batch(c *Client, cmds [][][]byte) int {
	for i, args := range cmds {
		name := strings.ToLower(string(args[0]))
		c.SetCommand(&name)
		if e.holds(c) {
			return i
		}
		e.run(c, name, args)
		if c.Interrupted() {
			return i + 1
		}
	}
	return len(cmds)
}

// holds parks the client before its command while the executor is on hold.
func (e *testExecutor) holds(c *Client) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.hold {
		return false
	}
	e.held = append(e.held, parkedClient{c, c.Park()})
	return true
}

func (e *testExecutor) setHold(on bool) {
	e.mu.Lock()
	e.hold = on
	held := e.held
	e.held = nil
	e.mu.Unlock()
	for _, p := range held {
		p.c.Unpark(p.id, nil)
	}
}

func (e *testExecutor) run(c *Client, name string, args [][]byte) {
	w := &c.W
	switch name {
	case "ping":
		w.RawString("+PONG\r\n")
	case "set":
		w.OK()
	case "echo":
		w.Bulk(args[1])
	case "len":
		w.Array(len(args) - 1)
		for _, a := range args[1:] {
			w.Int(int64(len(a)))
		}
	case "fill": // fill <n>: a bulk of n bytes
		n, _ := strconv.Atoi(string(args[1]))
		w.Bulk(bytes.Repeat([]byte{'x'}, n))
	case "auth":
		if string(args[1]) != e.password {
			w.Error("WRONGPASS invalid username-password pair or user is disabled.")
			return
		}
		c.SetUser(testAccount, true)
		w.OK()
	case "logout":
		c.SetUser(testAccount, false)
		w.OK()
	case "answered": // parks and is resumed before the batch ends
		id, done := c.Park(), make(chan struct{})
		go func() {
			c.Unpark(id, []byte("+ANSWER\r\n"))
			close(done)
		}()
		<-done
	case "wait-for": // parks until "give"
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.parked == nil {
			e.parked = map[string]parkedClient{}
		}
		e.parked[string(args[1])] = parkedClient{c, c.Park()}
	case "give": // give <key> <value>: :1 when somebody waited
		e.mu.Lock()
		p, ok := e.parked[string(args[1])]
		delete(e.parked, string(args[1]))
		e.mu.Unlock()
		if ok && p.c.Unpark(p.id, fmt.Appendf(nil, "$%d\r\n%s\r\n", len(args[2]), args[2])) {
			w.Int(1)
		} else {
			w.Int(0)
		}
	case "pushed": // a message of another goroutine arrives before the reply is written
		done := make(chan struct{})
		go func() {
			c.Push([]byte(">1\r\n+m\r\n"))
			close(done)
		}()
		<-done
		w.OK()
	case "subscribe":
		c.SetSubs(1, 0, 0)
		w.OK()
	case "info":
		w.Bulk(c.AppendInfo(nil, time.Now()))
	case "quit":
		w.OK()
		c.CloseAfterReply()
	case "lost": // the same, and there is no reply, and the socket is broken
		c.Push([]byte(">1\r\n+m\r\n"))
		c.flush(1 << 30) // no such descriptor
	case "boom":
		w.Array(5)
		panic("boom")
	default:
		w.Error("ERR unknown command")
	}
}

// testServer listens on a loopback port and a unix socket.
type testServer struct {
	*Server
	exec *testExecutor
	addr string
	unix string
	log  *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func startServer(t testing.TB, generic bool, change func(*ServerConfig, *testExecutor)) *testServer {
	t.Helper()
	exec := &testExecutor{}
	logged := &syncBuffer{}
	cfg := ServerConfig{Limits: DefaultLimits(), genericIO: generic, Log: slog.New(slog.NewTextHandler(logged, nil))}
	if change != nil {
		change(&cfg, exec)
	}
	s, err := NewServer(cfg, exec)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "resp")
	if err != nil {
		t.Fatal(err)
	}
	path := dir + "/s"
	unix, err := listenUnix(path, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(ln)
	s.Serve(unix)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := s.Clients().Len(); n != 0 {
			t.Errorf("%d clients after shutdown", n)
		}
		os.RemoveAll(dir)
	})
	return &testServer{Server: s, exec: exec, addr: ln.Addr().String(), unix: path, log: logged}
}

// drivers runs a test over each way a connection can be driven.
func drivers(t *testing.T, test func(t *testing.T, generic bool)) {
	t.Run("raw", func(t *testing.T) { test(t, false) })
	t.Run("net", func(t *testing.T) { test(t, true) })
}

// patience is how long the tests wait for what is to happen: much longer than it
// takes, since the machine may be busy with other tests.
const patience = time.Minute

// connectionTime ends a test that hangs. It is of a whole connection, and some
// tests use one from beginning to end.
const connectionTime = 5 * time.Minute

type testConn struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (s *testServer) dial(t testing.TB) *testConn { return dial(t, "tcp", s.addr) }

func dial(t testing.TB, network, addr string) *testConn {
	t.Helper()
	nc, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(connectionTime))
	t.Cleanup(func() { nc.Close() })
	return &testConn{Conn: nc, t: t, r: bufio.NewReaderSize(nc, 64<<10)}
}

func (c *testConn) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// expect reads exactly the given bytes.
func (c *testConn) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
		c.t.Fatalf("got %.200q (%v), want %.200q", got[:n], err, want)
	}
}

func (c *testConn) expectEOF() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if os.IsTimeout(err) || len(rest) > 0 {
		c.t.Fatalf("got %.200q, %v; want end of stream", rest, err)
	}
}

// do sends one command and returns the reply as it came, a bulk without its
// header.
func (c *testConn) do(args ...string) string {
	c.t.Helper()
	c.send(wireCommand(args...))
	return c.reply()
}

func (c *testConn) reply() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read: %v (after %q)", err, line)
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line[0] != '$' || line == "$-1" {
		return line
	}
	n, _ := strconv.Atoi(line[1:])
	body := make([]byte, n+2)
	if _, err := io.ReadFull(c.r, body); err != nil {
		c.t.Fatal(err)
	}
	return string(body[:n])
}

func wireCommand(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting: %s", what)
		}
		time.Sleep(time.Millisecond) // polling interval of the wait
	}
}

// testAccount is whom the clients of executors without users run as.
var testAccount = acl.NewAccount(acl.DefaultName, acl.NewDefaultUser(""))
