package resp

import (
	"io"
	"net"
	"runtime/debug"
	"sync/atomic"
)

// Executor runs commands. All calls for one client come from the goroutine of
// its connection, one at a time; those of different clients overlap.
type Executor interface {
	// Connected is called before the first batch. It decides whether the
	// client starts authenticated, and as whom (Client.SetUser).
	Connected(c *Client)
	// Batch executes commands in order, appending replies to c.W, and returns
	// how many it consumed. It returns early, right after a command, when
	// c.Interrupted says so. Commands that are not consumed are handed in
	// again: at once, or after Resume when c is parked. So a blocking command
	// parks the client and is consumed; a command that has to wait for its
	// turn (CLIENT PAUSE) parks the client and is not.
	//
	// cmds and the bytes it refers to are valid until Batch returns. A panic
	// ends this client's connection only, but locks must have been released
	// by deferred calls.
	Batch(c *Client, cmds [][][]byte) int
	// Disconnected is called once, after the last batch: the client is out of
	// the registry, Claim fails and Push does nothing.
	Disconnected(c *Client)
}

// conn is what redcon takes for a connection. Its first Read is the whole life
// of the client: redcon accepts and closes, its parser sees no byte.
type conn struct {
	net.Conn
	client *Client
	served atomic.Bool
}

// Read serves the client and returns io.EOF when it is gone.
func (c *conn) Read([]byte) (int, error) {
	if c.served.CompareAndSwap(false, true) {
		c.client.serve()
	}
	return 0, io.EOF
}

// Close ends the client and, once its goroutine is out of the socket, closes
// that. redcon calls it after Read, and for all connections when it stops.
func (c *conn) Close() error {
	c.client.Close()
	if c.served.CompareAndSwap(false, true) {
		c.client.server.forget(c.client) // was never served
	}
	return c.Conn.Close()
}

// serve is the life of a connection.
func (c *Client) serve() {
	if !c.handshake() {
		c.raise(stateKilled)
		c.closeParking()
		c.closeOutput()
		c.server.forget(c)
		return
	}
	defer c.leave()
	c.guard(func() {
		c.server.exec.Connected(c)
		if c.raw != nil {
			c.serveRaw()
		} else {
			c.serveNet()
		}
	})
}

// leave takes the client out of everything that could reach it.
func (c *Client) leave() {
	c.raise(stateKilled)
	c.closeParking()
	c.closeOutput()
	c.server.forget(c)
	c.guard(func() { c.server.exec.Disconnected(c) })
	c.in = input{}
}

// execute hands a batch to the executor. A panic becomes an error reply and
// the end of the connection.
func (c *Client) execute(cmds [][][]byte) (n int) {
	c.stop, c.mark = false, c.W.Len()
	ok := c.guard(func() { n = c.server.exec.Batch(c, cmds) })
	if ok && n >= 0 && n <= len(cmds) && (n > 0 || c.stop) {
		return n
	}
	if ok {
		c.server.log.Error("executor consumed an impossible number of commands", "consumed", n, "commands", len(cmds))
	}
	// What the command wrote is half a reply.
	c.W.Truncate(min(c.mark, c.W.Len()))
	c.W.Error("ERR internal error")
	c.CloseAfterReply()
	return len(cmds)
}

// guard runs f and turns a panic into a log entry and false.
func (c *Client) guard(f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			c.server.log.Error("panic while serving a client", "id", c.ID, "addr", c.addr,
				"command", c.LastCommand(), "panic", r, "stack", string(debug.Stack()))
			ok = false
		}
	}()
	f()
	return true
}
