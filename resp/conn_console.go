package resp

import (
	"errors"
	"io"
	"os"
	"time"
)

// consolePoll is how often a client that is waited for outside of its read loop is
// looked at: whether it is to be closed, or the wait ends for another reason.
const consolePoll = 100 * time.Millisecond

// readMore waits for bytes of the client, from within Batch: for commands that have a
// dialog of their own. other is asked from time to time; an error of it ends the wait.
// Own goroutine. Replies must have been sent with sendNow.
func (c *Client) readMore(buf []byte, other func() error) (n int, err error) {
	if c.conn == nil {
		return 0, io.EOF
	}
	for {
		if c.state.Load() != stateOpen {
			return 0, io.EOF
		}
		if err := other(); err != nil {
			return 0, err
		}
		if c.raw != nil {
			n, err = awaitInput(c.fd, buf, consolePoll)
		} else {
			c.wakeMu.Lock()
			if c.state.Load() == stateOpen {
				c.conn.SetReadDeadline(time.Now().Add(consolePoll))
			}
			c.wakeMu.Unlock()
			n, err = c.conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil
			}
		}
		if n > 0 || err != nil {
			c.server.stats.input.add(c.ID, n)
			c.lastActive.Store(c.server.clock.Load())
			return n, err
		}
	}
}

// sendNow sends what has been collected in W, from within Batch, and goes on collecting.
// Own goroutine.
func (c *Client) sendNow() {
	fd := -1
	if c.raw != nil {
		fd = c.fd
	}
	c.flush(fd)
	c.beginBatch()
}
