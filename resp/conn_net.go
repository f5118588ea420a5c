package resp

import (
	"errors"
	"os"
)

// firstRead is how much a connection driven through net.Conn keeps at hand
// while it waits for input.
const firstRead = 512

// serveNet drives the connection in a plain loop over net.Conn: for TLS, and
// for systems where serveRaw does not work. It waits with a small buffer;
// only a connection that just filled what it had waits with a large one.
//
// Its writes block: a peer that sends commands without reading replies is
// held up as soon as the socket's buffers are full.
func (c *Client) serveNet() {
	small := make([]byte, firstRead)
	eager := false
	for {
		n, err := 0, error(nil)
		if eager || c.in.held() {
			eager, err = c.turn(nil)
		} else if n, err = c.conn.Read(small); n > 0 {
			eager, err = c.turn(small[:n])
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !c.rearm() {
			return
		}
		if c.in.held() && !c.Parked() && !c.resumeNet() {
			return
		}
	}
}

// errEnded ends the loop of serveNet.
var errEnded = errors.New("connection ended")

// turn takes in bytes that were read, or reads itself when there are none, and
// executes what is complete. more tells that the peer probably has more.
func (c *Client) turn(read []byte) (more bool, err error) {
	b := getBuffers()
	defer func() { putBuffers(b, c) }()
	c.borrow(b)
	room := c.room(b)
	if room == nil || c.state.Load() != stateOpen {
		return false, errEnded
	}
	n := copy(room, read)
	full := n == firstRead
	if read == nil {
		if n, err = c.conn.Read(room); n <= 0 {
			return false, err
		}
		full = n == len(room)
	}
	c.received(n)
	if !c.process(b, -1) {
		return false, errEnded
	}
	return full, nil
}

// resumeNet executes what waited while the client was parked.
func (c *Client) resumeNet() bool {
	b := getBuffers()
	defer func() { putBuffers(b, c) }()
	c.borrow(b)
	return c.process(b, -1)
}
