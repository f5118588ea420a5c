package resp

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"respkv/internal/freeport"
	"respkv/resp/proto"
)

// hostile packets: those that end the process, spin or hang with redcon's own
// parser, and every protocol error. Each must end, or leave waiting, its own
// connection only.
var hostile = []struct {
	name, packet string
	reply        string // what comes back; then the connection is closed
	waits        bool   // no reply: the packet is incomplete
}{
	{"bulk length overflow", "*1\r\n$9223372036854775807\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"bulk length beyond int64", "*1\r\n$99999999999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"bulk length minus one", "*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"bulk length minus two", "*1\r\n$-2\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"bulk length minus hundred", "*1\r\n$-100\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"bulk length no number", "*1\r\n$abc\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"bulk above limit", "*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n", false},
	{"three billion arguments", "*3000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n", false},
	{"count no number", "*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n", false},
	{"count overflow", "*9223372036854775808\r\n", "-ERR Protocol error: invalid multibulk length\r\n", false},
	{"no dollar", "*1\r\n:4\r\n", "-ERR Protocol error: expected '$', got ':'\r\n", false},
	{"no dollar, line break", "*1\r\n\r\n", "-ERR Protocol error: expected '$', got ' '\r\n", false},
	{"unbalanced quotes", "set \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n", false},
	{"inline without end", strings.Repeat("a", proto.MaxInline+1), "-ERR Protocol error: too big inline request\r\n", false},
	{"count without end", "*" + strings.Repeat("1", proto.MaxInline), "-ERR Protocol error: too big mbulk count string\r\n", false},
	{"bulk length without end", "*1\r\n$" + strings.Repeat("1", proto.MaxInline), "-ERR Protocol error: too big bulk count string\r\n", false},
	{"most arguments announced", "*1048576\r\n$3\r\nabc\r\n", "", true},
	{"largest bulk announced", "*1\r\n$536870912\r\nabc", "", true},
}

func TestHostilePackets(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		other := s.dial(t)
		for _, h := range hostile {
			c := s.dial(t)
			c.send("PING\r\n")
			c.expect("+PONG\r\n")
			c.send(h.packet)
			if h.waits {
				c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
				if b, err := c.r.ReadByte(); err == nil {
					t.Errorf("%s: got %q, want silence", h.name, b)
				}
				c.Close()
			} else {
				c.expect(h.reply)
				c.expectEOF()
			}
			if got := other.do("PING"); got != "+PONG" {
				t.Fatalf("%s: another connection got %q", h.name, got)
			}
		}
		eventually(t, "hostile clients gone", func() bool { return s.Clients().Len() == 1 })
	})
}

// The same packets, and some harmless ones, against redis-server.
func TestProtocolErrorsAsRedis(t *testing.T) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	redis := startRedis(t, binary)
	s := startServer(t, false, nil)
	packets := map[string]string{
		"ignored requests": "*0\r\n*-1\r\n*-5\r\n\r\n \r\nPING\r\n*x\r\n",
		"escapes":          "ECHO \"\\x41\\n\\\"\"\r\nECHO 'a\\'b\"'\r\n*x\r\n",
		"quote in word":    "ECHO a\"b c\"\r\n*x\r\n",
		"text after quote": "ECHO \"a\"b\r\n",
		"dollar inline":    "*1\r\n$4\r\nPING\r\n\"ECHO\" $5\r\n*x\r\n",
		"bulk end ignored": "*2\r\n$4\r\nECHOxx$1\r\nayy*x\r\n",
		"minus zero":       "*-0\r\n",
		"leading zero":     "*01\r\n",
		"plus":             "*+1\r\n",
		"empty count":      "*\r\n",
		"empty bulk count": "*1\r\n$\r\n",
		"spaces":           "* 1\r\n",
		"bulk zero":        "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*x\r\n",
		"bulk zeros":       "*2\r\n$4\r\nECHO\r\n$00\r\n\r\n",
	}
	for _, h := range hostile {
		if !h.waits && h.name != "three billion arguments" { // the same answer, but see MaxArgs
			packets[h.name] = h.packet
		}
	}
	for name, packet := range packets {
		want, got := exchange(t, redis, packet), exchange(t, s.addr, packet)
		if got != want {
			t.Errorf("%s: got %q, redis-server sends %q", name, got, want)
		}
	}
}

// exchange sends a packet that ends the connection and returns all that comes
// back.
func exchange(t *testing.T, addr, packet string) string {
	t.Helper()
	c := dial(t, "tcp", addr)
	c.send(packet)
	all, err := io.ReadAll(c.r)
	if err != nil {
		t.Fatalf("%.60q: %v after %q", packet, err, all)
	}
	return string(all)
}

func startRedis(t *testing.T, binary string, options ...string) (addr string) {
	t.Helper()
	port := freeport.Find(t, 1, 10000) // with the port of its cluster bus
	cmd := exec.Command(binary, "--port", fmt.Sprint(port), "--save", "", "--daemonize", "no", "--bind", "127.0.0.1", "--dir", t.TempDir())
	cmd.Args = append(cmd.Args, options...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go io.Copy(io.Discard, out)
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatalf("redis-server did not start:\n%s", &said)
	return ""
}

func TestUnauthenticatedLimits(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, func(_ *ServerConfig, e *testExecutor) { e.password = "secret" })
		c := s.dial(t)
		c.send(wireCommand("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"))
		c.expect("-ERR Protocol error: unauthenticated multibulk length\r\n")
		c.expectEOF()
		c = s.dial(t)
		c.send("*1\r\n$16385\r\n")
		c.expect("-ERR Protocol error: unauthenticated bulk length\r\n")
		c.expectEOF()
		// In one write: what follows AUTH is judged by its outcome.
		c = s.dial(t)
		c.send(wireCommand("AUTH", "secret") + wireCommand("LEN", "", "", "", "", "", "", "", "", "", "", strings.Repeat("x", 20000)))
		c.expect("+OK\r\n*11\r\n" + strings.Repeat(":0\r\n", 10) + ":20000\r\n")
		c.send(wireCommand("LOGOUT") + wireCommand("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"))
		c.expect("+OK\r\n-ERR Protocol error: unauthenticated multibulk length\r\n")
		c.expectEOF()
		c = s.dial(t)
		c.send(wireCommand("AUTH", "wrong") + wireCommand("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"))
		c.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n-ERR Protocol error: unauthenticated multibulk length\r\n")
		c.expectEOF()
	})
}

func TestQueryBufferLimit(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, func(cfg *ServerConfig, _ *testExecutor) { cfg.Limits.QueryBuffer = 1 << 20 })
		c := s.dial(t)
		go io.WriteString(c.Conn, "*1\r\n$4000000\r\n"+strings.Repeat("x", 4000000))
		io.Copy(io.Discard, c.r)
		eventually(t, "disconnection counted", func() bool { return s.Stats().QueryBufferDisconnects == 1 })
		eventually(t, "client gone", func() bool { return s.Clients().Len() == 0 })
	})
}
