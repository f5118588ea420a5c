package resp

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestParkAndResume(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c, giver := s.dial(t), s.dial(t)
		// More commands than a batch holds, before and after.
		before := strings.Repeat(wireCommand("ECHO", "a"), 40)
		after := strings.Repeat(wireCommand("ECHO", "b"), 5000) + wireCommand("PING")
		c.send(before + wireCommand("WAIT-FOR", "k") + after[:len(after)-3])
		c.expect(strings.Repeat("$1\r\na\r\n", 40))
		eventually(t, "client parked", func() bool { return s.Stats().BlockedClients == 1 })
		if info := string(s.Clients().All()[0].AppendInfo(nil, time.Now())); !strings.Contains(info, " flags=b ") {
			t.Fatal(info)
		}
		c.send(after[len(after)-3:])
		if got := giver.do("GIVE", "k", "value"); got != ":1" {
			t.Fatal(got)
		}
		c.expect("$5\r\nvalue\r\n" + strings.Repeat("$1\r\nb\r\n", 5000) + "+PONG\r\n")
		if n := s.Stats().BlockedClients; n != 0 {
			t.Fatalf("%d blocked", n)
		}
		// Again, many times and fast: the answer may come before the batch ends.
		for range 200 {
			c.send(wireCommand("WAIT-FOR", "k") + wireCommand("PING"))
			for giver.do("GIVE", "k", "v") != ":1" {
			}
			c.expect("$1\r\nv\r\n+PONG\r\n")
		}
	})
}

func TestParkedClientThatLeaves(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		giver := s.dial(t)
		for _, leave := range []func(c *testConn){
			func(c *testConn) { c.Close() },
			func(c *testConn) { c.Conn.(*net.TCPConn).CloseWrite() },
		} {
			c := s.dial(t)
			eventually(t, "client there", func() bool { return s.Clients().Len() == 2 })
			c.send(wireCommand("WAIT-FOR", "k") + wireCommand("PING"))
			leave(c)
			eventually(t, "client gone", func() bool { return s.Clients().Len() == 1 && s.Stats().BlockedClients == 0 })
			if got := giver.do("GIVE", "k", "v"); got != ":0" {
				t.Fatalf("a client that left was served: %s", got)
			}
		}
	})
}

// The end of input that comes in the same moment as a command is no event of
// its own for an edge-triggered poller.
func TestHalfClose(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		for range 20 {
			c := s.dial(t)
			c.send("PING\r\n")
			c.Conn.(*net.TCPConn).CloseWrite()
			c.expect("+PONG\r\n")
			c.expectEOF()
		}
		eventually(t, "all gone", func() bool { return s.Clients().Len() == 0 })
	})
}

func TestClaimIsWonOnce(t *testing.T) {
	s := startServer(t, false, nil)
	c := s.dial(t)
	c.send(wireCommand("WAIT-FOR", "k"))
	var p parkedClient
	eventually(t, "parked", func() bool {
		s.exec.mu.Lock()
		defer s.exec.mu.Unlock()
		p = s.exec.parked["k"]
		return p.c != nil && p.c.Parked()
	})
	won := make(chan bool)
	for range 8 {
		go func() { won <- p.c.Unpark(p.id, []byte("+ONCE\r\n")) }()
	}
	n := 0
	for range 8 {
		if <-won {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d winners", n)
	}
	c.expect("+ONCE\r\n")
	if got := c.do("PING"); got != "+PONG" {
		t.Fatal(got)
	}
	if p.c.Claim(p.id) {
		t.Fatal("claimed a client that is not parked")
	}
}

// The answer may come while the batch is still being executed: it must stand
// between the replies of what came before and after.
func TestResumedWithinBatch(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		for range 50 {
			c.send("PING\r\nANSWERED\r\nECHO 1\r\nANSWERED\r\nECHO 2\r\n")
			c.expect("+PONG\r\n+ANSWER\r\n$1\r\n1\r\n+ANSWER\r\n$1\r\n2\r\n")
		}
	})
}

// A command that must wait parks its client and is executed later, with those
// that follow, in order.
func TestParkedBeforeItsCommand(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		c.do("PING")
		s.exec.setHold(true)
		c.send(wireCommand("ECHO", "1") + wireCommand("ECHO", "2") + wireCommand("PING") + wireCommand("ECHO", "3")[:9])
		eventually(t, "client held back", func() bool { return s.Stats().BlockedClients == 1 })
		c.send(wireCommand("ECHO", "3")[9:])
		s.exec.setHold(false)
		c.expect("$1\r\n1\r\n$1\r\n2\r\n+PONG\r\n$1\r\n3\r\n")
	})
}

// What is pushed while a batch is executed comes after its replies: a
// subscriber sees its confirmation first.
func TestPushDuringBatch(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		for range 50 {
			c.send("PING\r\nPUSHED\r\n")
			c.expect("+PONG\r\n+OK\r\n>1\r\n+m\r\n")
		}
	})
}

// TestPushOnBrokenConnection: a batch without replies of its own, as one that ends
// with a command that waits, may be followed by the answer to that command when the
// client has gone.
func TestPushOnBrokenConnection(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		c.send("LOST\r\nPING\r\n")
		c.expectEOF()
		if l := s.log.String(); strings.Contains(l, "panic") {
			t.Error(l)
		}
	})
}

func TestPushBetweenReplies(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		c.do("PING")
		client := s.Clients().All()[0]
		const n = 2000
		go func() {
			for range n {
				client.Push([]byte(">1\r\n+m\r\n"))
			}
		}()
		go io.WriteString(c.Conn, strings.Repeat("PING\r\n", n))
		// Messages and replies may interleave, but never within each other.
		var got []byte
		for len(got) < n*(7+8) {
			line, err := c.r.ReadBytes('\n')
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line...)
		}
		pushes := bytes.Count(got, []byte(">1\r\n+m\r\n"))
		replies := bytes.Count(got, []byte("+PONG\r\n"))
		if pushes != n || replies != n {
			t.Fatalf("%d messages, %d replies", pushes, replies)
		}
	})
}
