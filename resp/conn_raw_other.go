//go:build !linux

package resp

import (
	"io"
	"net"
	"time"
)

// rawSupported: elsewhere all connections are driven through net.Conn.
const rawSupported = false

func (c *Client) serveRaw() { c.serveNet() }

func awaitInput(int, []byte, time.Duration) (int, error) { return 0, io.EOF }

func writeFD(int, []byte) (int, bool) { return 0, false }

// setBacklog leaves the accept queue to the system.
func setBacklog(net.Listener, int) error { return nil }
