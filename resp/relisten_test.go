package resp

import (
	"net"
	"strconv"
	"testing"

	"respkv/internal/freeport"
)

// TestRelisten moves a server to another port and to other addresses while a client
// is connected, and fails to: then it listens where it did.
func TestRelisten(t *testing.T) {
	first := freeport.Find(t, 2)
	second := first + 1
	local := []string{"127.0.0.1"}
	s := startServer(t, false, func(cfg *ServerConfig, _ *testExecutor) { cfg.Bind, cfg.Port = local, first })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	stays := dial(t, "tcp", at(first))
	answers := func(c *testConn) {
		t.Helper()
		c.send("PING\r\n")
		c.expect("+PONG\r\n")
	}
	requireClosed := func(port int) {
		t.Helper()
		if c, err := net.Dial("tcp", at(port)); err == nil {
			c.Close()
			t.Fatalf("port %d is still open", port)
		}
	}
	change := func(bind []string, port int) {
		t.Helper()
		if err := s.Relisten(bind, port); err != nil {
			t.Fatal(err)
		}
	}
	answers(stays)
	change(local, second)
	requireClosed(first)
	answers(dial(t, "tcp", at(second)))
	change([]string{"*"}, second) // the same port among the new addresses
	answers(dial(t, "tcp", at(second)))

	other, err := net.Listen("tcp4", at(first))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, fails := range []struct {
		bind []string
		port int
	}{{[]string{"*"}, first}, {[]string{"127.0.0.1", "999.9.9.9"}, second}, {local, first}} {
		if err := s.Relisten(fails.bind, fails.port); err == nil {
			t.Fatalf("%v is listened on", fails)
		}
		answers(dial(t, "tcp", at(second)))
	}
	change(local, 0)
	requireClosed(second)
	answers(stays)
	if n := len(s.Addrs()); n != 2 { // those that startServer opened
		t.Errorf("%d listeners", n)
	}
}
