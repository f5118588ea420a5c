package mux

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// tlsRecord is the first byte of a TLS connection; no protocol has it.
const tlsRecord = 0x16

var errTLSHere = errors.New("the other node speaks TLS, this one does not (tls.cluster)")

// SetSecrets changes the secret that this node proves, and the other one that
// it accepts ("": none), for connections from now on.
func (m *Mux) SetSecrets(secret, accept string) {
	keys := [][]byte{Key(secret, "mux")}
	if accept != "" {
		keys = append(keys, Key(accept, "mux"))
	}
	m.keys.Store(&keys)
}

// secured is conn with TLS around it, if it is to be; nothing is sent yet.
func (m *Mux) secured(conn net.Conn) net.Conn {
	if m.cfg.TLS == nil {
		return conn
	}
	return tls.Server(conn, m.cfg.TLS.Accept())
}

// greet does both handshakes on an accepted connection.
func (m *Mux) greet(c *trackedConn) (Protocol, error) {
	if t, ok := c.Conn.(*tls.Conn); ok {
		if err := t.Handshake(); err != nil {
			return 0, err
		}
	}
	return acceptHandshake(c, *m.keys.Load(), func(p Protocol) bool { return m.handler(p) != nil })
}

// introduce does both handshakes on a dialed connection, which has a deadline.
// On an error conn is closed.
func (m *Mux) introduce(conn net.Conn, p Protocol) (net.Conn, error) {
	out := conn
	if m.cfg.TLS != nil {
		t := tls.Client(conn, m.cfg.TLS.Dial())
		if err := t.Handshake(); err != nil {
			_ = conn.Close()
			return nil, err
		}
		out = dialedConn{t}
	}
	if err := dialHandshake(out, (*m.keys.Load())[0], p); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return out, nil
}

// dialedConn closes at once, as a plain connection does: TLS would say goodbye
// first, and wait for room to do so.
type dialedConn struct{ *tls.Conn }

func (c dialedConn) Close() error { return c.NetConn().Close() }

// refused logs why a connection did not come about. What an operator has to
// mend, certificates and secrets, is a warning; strangers and broken
// connections are no news.
func (m *Mux) refused(what, peer string, err error) {
	if !mendable(err) {
		m.log.Debug(what, "peer", peer, "error", err)
		return
	}
	if quiet, ok := m.complaints.Next(); ok {
		m.log.Warn(what, "peer", peer, "error", err, "more_like_it", quiet)
	}
}

func mendable(err error) bool {
	if errors.Is(err, ErrAuth) || errors.Is(err, errTLSHere) {
		return true
	}
	if errors.Is(err, ErrHandshake) {
		// With TLS 1.3 the dialer learns only now what was wrong with its
		// certificate: an alert.
		var alert *net.OpError
		return errors.As(err, &alert) && alert.Op == "remote error"
	}
	var network net.Error
	if errors.As(err, &network) {
		var alert *net.OpError
		return errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error")
	}
	return !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed)
}
