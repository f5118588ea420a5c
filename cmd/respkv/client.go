package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is a connection to a node, for the few commands that the operations
// need. Not safe for concurrent use.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// replyError is an error reply of the node.
type replyError string

func (e replyError) Error() string { return string(e) }

// Bounds of a reply; a cluster's slot map is far below.
const (
	maxReplyBytes    = 64 << 20
	maxReplyElements = 1 << 20
	maxReplyDepth    = 8
)

// endpoint is a node's client port and how to come in.
type endpoint struct {
	addr, password string
	tls            *tls.Config // nil: without
}

// dial connects and authenticates if there is a password.
func (e endpoint) dial(timeout time.Duration) (*client, error) {
	dialer := &net.Dialer{Timeout: timeout}
	var conn net.Conn
	var err error
	if e.tls == nil {
		conn, err = dialer.Dial("tcp", e.addr)
	} else {
		conn, err = tls.DialWithDialer(dialer, "tcp", e.addr, e.tls)
	}
	if err != nil {
		return nil, err
	}
	c := newClient(conn)
	if e.password != "" {
		if _, err := c.do(timeout, "AUTH", e.password); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func newClient(conn net.Conn) *client { return &client{conn: conn, in: bufio.NewReader(conn)} }

func (c *client) close() { _ = c.conn.Close() }

// do sends one command and waits for its reply at most timeout; 0 waits for
// ever. The reply is a string, an int64, nil or a []any of such. An error reply
// is returned as replyError.
func (c *client) do(timeout time.Duration, args ...string) (any, error) {
	deadline := time.Time{}
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	b := []byte("*" + strconv.Itoa(len(args)) + "\r\n")
	for _, a := range args {
		b = append(b, "$"+strconv.Itoa(len(a))+"\r\n"+a+"\r\n"...)
	}
	if _, err := c.conn.Write(b); err != nil {
		return nil, err
	}
	return c.read(0)
}

func (c *client) read(depth int) (any, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, fmt.Errorf("not a reply: %q", line)
	}
	kind, text := line[0], string(line[1:len(line)-2])
	switch kind {
	case '+':
		return text, nil
	case '-':
		return nil, replyError(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("not a reply: %q", line)
	}
	switch {
	case kind == ':':
		return n, nil
	case n == -1 && (kind == '$' || kind == '*'):
		return nil, nil
	case kind == '$' && n >= 0 && n <= maxReplyBytes:
		b := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	case kind == '*' && n >= 0 && n <= maxReplyElements && depth < maxReplyDepth:
		var list []any
		for range n {
			element, err := c.read(depth + 1)
			var inner replyError
			if err != nil && !errors.As(err, &inner) {
				return nil, err
			}
			list = append(list, element)
		}
		return list, nil
	}
	return nil, fmt.Errorf("not a reply: %q", line)
}
