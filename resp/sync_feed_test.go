package resp

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// follow makes the connection a replica that is online, as it began by itself.
func (c *testConn) follow(with ...string) {
	c.t.Helper()
	c.send(strings.Join(with, " ") + "\r\n")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if size, ok := strings.CutPrefix(line, "$"); ok {
			n, _ := parseLong([]byte(strings.TrimSpace(size)))
			if _, err := io.CopyN(io.Discard, c.r, n); err != nil {
				c.t.Fatal(err)
			}
			return
		}
	}
}

// TestSilentReplica: with repl-timeout a replica that acknowledges nothing is
// disconnected; not one that does, nor one that came with SYNC, which never does.
func TestSilentReplica(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	silent, speaks, old := n.dial(t), n.dial(t), n.dial(t)
	silent.follow("PSYNC", "?", "-1")
	old.follow("SYNC")
	speaks.follow("PSYNC", "?", "-1")
	c.check("CONFIG GET repl-timeout", "*2\r\n$12\r\nrepl-timeout\r\n$2\r\n60\r\n")
	c.check("CONFIG SET repl-timeout 0", "-ERR CONFIG SET failed (possibly related to argument 'repl-timeout') - argument must be between 1 and 2147483647 inclusive\r\n")
	c.check("CONFIG SET repl-timeout 3000", "+OK\r\n")
	later := func(d time.Duration) time.Time { return time.Now().Add(d) }
	eventually(t, "all are online", func() bool { // they have the snapshot a moment before
		n.d.feed.mu.Lock()
		defer n.d.feed.mu.Unlock()
		return !slices.ContainsFunc(n.d.feed.replicas, func(r *feedReplica) bool { return r.state != "online" })
	})
	n.d.feed.mu.Lock()
	speaker := n.d.feed.replicas[2].client
	n.d.feed.mu.Unlock()
	n.d.feed.acknowledge(speaker, 1, later(time.Hour).UnixMilli())
	n.d.feedUpkeep(later(2000 * time.Second))
	if replicas := n.d.feed.used.Load(); replicas != 4 { // and the backlog
		t.Fatalf("%d use the stream before the time is over", replicas)
	}
	n.d.feedUpkeep(later(3001 * time.Second))
	if _, err := io.Copy(io.Discard, silent.r); err != nil {
		t.Fatalf("the silent one: %v", err)
	}
	c.check("PUBLISH still there", ":0\r\n")
	for _, replica := range []*testConn{old, speaks} {
		var got []byte
		for b := make([]byte, 1); !strings.HasSuffix(string(got), "still\r\n$5\r\nthere\r\n"); got = append(got, b...) {
			if _, err := io.ReadFull(replica.r, b); err != nil {
				t.Fatalf("a replica that is not silent: %v after %q", err, got)
			}
		}
	}
}
