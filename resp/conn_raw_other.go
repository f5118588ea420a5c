//go:build !linux

package resp

// rawSupported: elsewhere all connections are driven through net.Conn.
const rawSupported = false

func (c *Client) serveRaw() { c.serveNet() }

func writeFD(int, []byte) (int, bool) { return 0, false }
