package resp

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"respkv/internal/config"
)

// TestUnauthenticatedOutput: who has not logged in and reads nothing is cut off
// soon, where others may be as slow as the limits allow.
func TestUnauthenticatedOutput(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.RequirePass = "x" }})
	flood := func(c *testConn, patience time.Duration) (closed bool) {
		c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		commands := strings.Repeat("GET k\r\n", 4<<10)
		for range 200 { // 800,000 refusals or replies
			c.SetWriteDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(c.Conn, commands); err != nil {
				return !os.IsTimeout(err) // the server may be slow
			}
		}
		return false
	}
	if !flood(n.dial(t), patience) {
		t.Error("an unauthenticated client was not cut off")
	}
	if got := n.d.server.stats.outputLimit.Load(); got != 1 {
		t.Errorf("%d clients past the output limit", got)
	}
	c := n.dial(t)
	c.check("AUTH x", "+OK\r\n")
	if flood(c, 2*time.Second) {
		t.Error("a client that logged in was cut off")
	}
}
