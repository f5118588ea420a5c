package resp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A client that writes a whole pipeline before it reads anything.
func TestReaderComesLate(t *testing.T) {
	s := startServer(t, false, nil)
	c := s.dial(t)
	const n, size = 1000, 20000 // 20 MB of replies: past any socket buffer, below replyBacklog
	c.send(strings.Repeat(wireCommand("FILL", fmt.Sprint(size)), n))
	want := fmt.Sprintf("$%d\r\n%s\r\n", size, strings.Repeat("x", size))
	for range n {
		c.expect(want)
	}
}

// A client that sends for ever and never reads is held up, not buffered for.
func TestReaderNeverComes(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		go func() {
			request := strings.Repeat(wireCommand("FILL", "100000"), 100)
			for {
				if _, err := io.WriteString(c.Conn, request); err != nil {
					return
				}
			}
		}()
		eventually(t, "server stops executing", func() bool {
			before := s.Stats().InputBytes
			if before == 0 {
				return false
			}
			time.Sleep(200 * time.Millisecond) // the condition is that nothing happens for a while
			return s.Stats().InputBytes == before
		})
		queued, _, _, _ := s.Clients().All()[0].out.usage()
		if queued > replyBacklog+flushBytes+100<<10 {
			t.Errorf("%d bytes queued", queued)
		}
		if got := s.dial(t).do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
		// It can be killed while it is held up.
		s.Clients().Kill(func(c *Client) bool { return c.ID == 1 }, nil)
		eventually(t, "slow client gone", func() bool { return s.Clients().Find(1) == nil })
	})
}

func TestHardOutputLimit(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, func(cfg *ServerConfig, _ *testExecutor) {
			cfg.Limits.Output[ClassPubSub] = OutputLimit{HardBytes: 1 << 20}
		})
		c := s.dial(t)
		c.do("SUBSCRIBE")
		client := s.Clients().All()[0]
		message := make([]byte, 64<<10)
		deadline := time.Now().Add(patience)
		for s.Stats().OutputBufferDisconnects == 0 {
			start := time.Now()
			client.Push(message)
			if d := time.Since(start); d > patience {
				t.Fatalf("Push blocked for %v", d)
			}
			if time.Now().After(deadline) {
				t.Fatal("limit not enforced")
			}
		}
		eventually(t, "client gone", func() bool { return s.Clients().Len() == 0 })
		client.Push(message) // harmless
	})
}

func TestSoftOutputLimit(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, func(cfg *ServerConfig, _ *testExecutor) {
			cfg.Limits.Output[ClassPubSub] = OutputLimit{SoftBytes: 1 << 20, SoftSeconds: time.Second}
		})
		c := s.dial(t)
		c.do("SUBSCRIBE")
		client := s.Clients().All()[0]
		start := time.Now()
		// Far past what the sockets hold, then nothing: the clock must notice.
		message := make([]byte, 1<<20)
		for range 16 {
			client.Push(message)
		}
		eventually(t, "client gone", func() bool { return s.Clients().Len() == 0 })
		if d := time.Since(start); d < time.Second {
			t.Errorf("closed after %v", d)
		}
	})
}

// Messages are complete and in order for a subscriber that reads slowly.
func TestPushQueueKeepsOrder(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		c.do("PING")
		client := s.Clients().All()[0]
		const n = 1500
		body := strings.Repeat("m", 10000)
		for i := range n {
			client.Push(fmt.Appendf(nil, ":%d\r\n+%s\r\n", i, body))
		}
		c.send("PING\r\n")
		for i := range n {
			c.expect(fmt.Sprintf(":%d\r\n+%s\r\n", i, body))
		}
		c.expect("+PONG\r\n")
		eventually(t, "queue empty", func() bool {
			bytes, blocks, memory, writing := client.out.usage()
			return bytes == 0 && blocks == 0 && memory == 0 && !writing
		})
	})
}

func TestLargeReply(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		const n = 50 << 20
		c.send(wireCommand("FILL", fmt.Sprint(n)) + "PING\r\nQUIT\r\n")
		c.expect(fmt.Sprintf("$%d\r\n", n))
		if got, err := io.CopyN(io.Discard, c.r, n); err != nil {
			t.Fatal(got, err)
		}
		c.expect("\r\n+PONG\r\n+OK\r\n")
		c.expectEOF()
	})
}
