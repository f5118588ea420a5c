package differential

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"time"
)

// replyTimeout bounds the wait for any one reply: much longer than one takes, since
// the machine may be busy.
const replyTimeout = time.Minute

// Conn is a raw RESP connection: it sends what it is given and hands back the
// exact bytes of each reply. Not safe for concurrent use.
type Conn struct {
	nc  net.Conn
	r   *bufio.Reader
	out []byte
}

// Dial connects to a server.
func Dial(addr string) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, replyTimeout)
	if err != nil {
		return nil, err
	}
	return &Conn{nc: nc, r: bufio.NewReaderSize(nc, 64<<10)}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Queue adds a command to what the next Flush sends.
func (c *Conn) Queue(args ...string) {
	c.out = append(c.out, '*')
	c.out = strconv.AppendInt(c.out, int64(len(args)), 10)
	c.out = append(c.out, "\r\n"...)
	for _, a := range args {
		c.out = append(c.out, '$')
		c.out = strconv.AppendInt(c.out, int64(len(a)), 10)
		c.out = append(c.out, "\r\n"...)
		c.out = append(c.out, a...)
		c.out = append(c.out, "\r\n"...)
	}
}

// QueueRaw adds bytes as they are.
func (c *Conn) QueueRaw(b string) { c.out = append(c.out, b...) }

// Flush sends what is queued.
func (c *Conn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.nc.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Read appends the bytes of the next reply to buf.
func (c *Conn) Read(buf []byte) ([]byte, error) {
	if c.r.Buffered() == 0 {
		if err := c.nc.SetReadDeadline(time.Now().Add(replyTimeout)); err != nil {
			return buf, err
		}
	}
	return appendReply(buf, c.r)
}

// Do sends one command and returns the bytes of its reply.
func (c *Conn) Do(args ...string) ([]byte, error) {
	c.Queue(args...)
	if err := c.Flush(); err != nil {
		return nil, err
	}
	return c.Read(nil)
}

// Call is Do with the reply parsed; an error reply becomes an error.
func (c *Conn) Call(args ...string) (Reply, error) {
	raw, err := c.Do(args...)
	if err != nil {
		return Reply{}, fmt.Errorf("%s: %w", args[0], err)
	}
	v, err := ParseReply(raw)
	if err == nil && v.IsError() {
		err = fmt.Errorf("%s: %s", args[0], v.Text)
	}
	return v, err
}

// Protocol switches the connection to RESP2 or RESP3.
func (c *Conn) Protocol(version int) error {
	_, err := c.Call("HELLO", strconv.Itoa(version))
	return err
}
