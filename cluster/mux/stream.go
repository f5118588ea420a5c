package mux

import (
	"net"
	"sync"
)

// Stream turns a protocol's accepted connections into a net.Listener, for
// libraries that want one. Register its Deliver as the handler.
type Stream struct {
	mux   *Mux
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewStream returns a listener for connections of m. It ends with m.
func NewStream(m *Mux) *Stream {
	return &Stream{mux: m, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Deliver is a Handler.
func (s *Stream) Deliver(conn net.Conn) {
	select {
	case s.conns <- conn:
	case <-s.done:
		_ = conn.Close()
	case <-s.mux.done:
		_ = conn.Close()
	}
}

// Conns delivers the connections, for receivers that prefer a channel.
func (s *Stream) Conns() chan net.Conn { return s.conns }

// Accept waits for a connection; after Close it returns ErrClosed.
func (s *Stream) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.done:
		return nil, ErrClosed
	case <-s.mux.done:
		return nil, ErrClosed
	}
}

// Close ends Accept; connections that come later are closed.
func (s *Stream) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr is the address of the cluster port.
func (s *Stream) Addr() net.Addr { return s.mux.Addr() }
