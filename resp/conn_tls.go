package resp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// handshakeTime is how long a client may take for the TLS handshake: it holds a
// place among server.maxclients meanwhile, and nothing is known of it.
const handshakeTime = 10 * time.Second

// TLS reports whether the client came over TLS: redirections name other ports
// then.
func (c *Client) TLS() bool {
	_, ok := c.conn.(*tls.Conn)
	return ok
}

// handshake does the TLS handshake of a client that came over TLS; false when
// it failed. It logs what an operator may have to mend; that somebody went away
// or said nothing is no news.
func (c *Client) handshake() bool {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	err := t.HandshakeContext(ctx)
	if err == nil {
		return true
	}
	var network net.Error
	var alert *net.OpError
	silent := errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &network) && !(errors.As(err, &alert) && alert.Op == "remote error")
	c.server.stats.rejected.Add(1)
	if silent {
		c.server.log.Debug("a TLS handshake was not finished", "addr", c.addr, "error", err)
	} else if quiet, ok := c.server.handshakes.Next(); ok {
		c.server.log.Warn("a TLS client was refused", "addr", c.addr, "error", err, "more_like_it", quiet)
	}
	return false
}
