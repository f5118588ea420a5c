// Package raftnet carries hashicorp/raft over the cluster port.
package raftnet

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft"

	"respkv/cluster/mux"
)

// StreamLayer implements raft.StreamLayer on the raft connections of a mux.
// Server addresses are "host:port" of cluster ports.
type StreamLayer struct {
	mux     *mux.Mux
	addr    net.Addr
	conns   chan net.Conn
	done    chan struct{}
	end     sync.Once
	refused func(addr string)
}

// New takes the raft connections of m. advertise is the address other nodes
// reach this one by. refused, if not nil, is called when a node's port refuses a
// connection, which proves that its process is gone; it must not block.
func New(m *mux.Mux, advertise net.Addr, refused func(addr string)) *StreamLayer {
	s := &StreamLayer{mux: m, addr: advertise, conns: make(chan net.Conn), done: make(chan struct{}), refused: refused}
	m.Handle(mux.Raft, func(conn net.Conn) {
		select {
		case s.conns <- conn:
		case <-s.done:
			_ = conn.Close()
		}
	})
	return s
}

// Accept implements net.Listener.
func (s *StreamLayer) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer.
func (s *StreamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.mux.Dial(ctx, string(address), mux.Raft)
	if err != nil && s.refused != nil && errors.Is(err, syscall.ECONNREFUSED) {
		s.refused(string(address))
	}
	return conn, err
}

// Addr implements net.Listener.
func (s *StreamLayer) Addr() net.Addr { return s.addr }

// Close implements net.Listener; the mux stays open.
func (s *StreamLayer) Close() error {
	s.end.Do(func() {
		s.mux.Handle(mux.Raft, nil)
		close(s.done)
	})
	return nil
}

var _ raft.StreamLayer = (*StreamLayer)(nil)
