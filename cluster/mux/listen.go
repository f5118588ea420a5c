package mux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Mux owns the TCP side of a cluster port: it accepts connections, does the
// handshake and hands each to the handler of its protocol, and it dials other
// nodes. Safe for concurrent use.
type Mux struct {
	cfg      Config
	listener net.Listener
	log      *slog.Logger
	pending  chan struct{} // one token per connection in handshake
	wg       sync.WaitGroup

	mu       sync.Mutex // guards all below; nothing else is locked under it
	handlers map[Protocol]Handler
	conns    map[net.Conn]struct{} // accepted, in handshake or handled
	closed   bool
}

const (
	defaultHandshakeTimeout = 3 * time.Second
	defaultMaxPending       = 128
	defaultMaxConns         = 4096
)

// Listen opens the TCP port addr (host:port, port 0 takes a free one) and
// begins to accept. Connections for protocols without a handler are refused.
func Listen(addr string, cfg Config, log *slog.Logger) (*Mux, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mux: %w", err)
	}
	return Serve(l, cfg, log), nil
}

// Serve is Listen on a listener of the caller's, which the Mux closes.
func Serve(l net.Listener, cfg Config, log *slog.Logger) *Mux {
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = defaultHandshakeTimeout
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = defaultMaxPending
	}
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = defaultMaxConns
	}
	if log == nil {
		log = slog.Default()
	}
	m := &Mux{
		cfg: cfg, listener: l, log: log,
		pending:  make(chan struct{}, cfg.MaxPending),
		handlers: make(map[Protocol]Handler),
		conns:    make(map[net.Conn]struct{}),
	}
	m.wg.Add(1)
	go m.accept()
	return m
}

// Addr is the address listened on.
func (m *Mux) Addr() net.Addr { return m.listener.Addr() }

// Handle installs the handler of a protocol; nil removes it.
func (m *Mux) Handle(p Protocol, h Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h == nil {
		delete(m.handlers, p)
		return
	}
	m.handlers[p] = h
}

func (m *Mux) handler(p Protocol) Handler {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.handlers[p]
}

func (m *Mux) accept() {
	defer m.wg.Done()
	delay := time.Duration(0)
	for {
		m.pending <- struct{}{}
		conn, err := m.listener.Accept()
		if err != nil {
			<-m.pending
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors and the like: others may give some back.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			m.log.Warn("cluster port cannot accept", "error", err, "retry_in", delay)
			time.Sleep(delay)
			continue
		}
		delay = 0
		if !m.track(conn) {
			<-m.pending
			_ = conn.Close()
			continue
		}
		m.wg.Add(1)
		go m.serve(conn)
	}
}

// track notes an accepted connection, so that Close ends it. False: too many,
// or closed.
func (m *Mux) track(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.conns) >= m.cfg.MaxConns {
		return false
	}
	m.conns[conn] = struct{}{}
	return true
}

func (m *Mux) untrack(conn net.Conn) {
	m.mu.Lock()
	delete(m.conns, conn)
	m.mu.Unlock()
}

func (m *Mux) serve(conn net.Conn) {
	defer m.wg.Done()
	_ = conn.SetDeadline(time.Now().Add(m.cfg.HandshakeTimeout))
	p, err := answer(conn, m.cfg.Secret, func(p Protocol) bool { return m.handler(p) != nil })
	<-m.pending
	h := m.handler(p)
	if err == nil && h != nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil || h == nil {
		m.log.Debug("connection to the cluster port refused", "from", conn.RemoteAddr(), "error", err)
		m.untrack(conn)
		_ = conn.Close()
		return
	}
	h(&tracked{Conn: conn, mux: m})
}

// tracked is a handled connection: it counts until it is closed, which a
// handler may do long after it returned.
type tracked struct {
	net.Conn
	mux  *Mux
	once sync.Once
}

// Close closes the connection.
func (t *tracked) Close() error {
	t.once.Do(func() { t.mux.untrack(t.Conn) })
	return t.Conn.Close()
}

// Dial implements Dialer.
func (m *Mux) Dial(ctx context.Context, addr string, p Protocol) (net.Conn, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(m.cfg.HandshakeTimeout)
	}
	dialer := net.Dialer{Deadline: deadline}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err // a *net.OpError: callers look for ECONNREFUSED
	}
	// ctx may end before its deadline.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	_ = conn.SetDeadline(deadline)
	err = offer(conn, p, m.cfg.Secret)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, fmt.Errorf("%s at %s: %w", p, addr, err)
	}
	return conn, nil
}

// Close ends the listener and every accepted connection, and waits until their
// handlers have returned. Dialed connections are their owners'.
func (m *Mux) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	conns := make([]net.Conn, 0, len(m.conns))
	for c := range m.conns {
		conns = append(conns, c)
	}
	m.mu.Unlock()
	err := m.listener.Close()
	for _, c := range conns {
		_ = c.Close()
	}
	// A full house of handshakes would keep the acceptor from noticing; they
	// were just closed and give their tokens back.
	m.wg.Wait()
	return err
}

var _ Dialer = (*Mux)(nil)
