package mux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/throttle"
)

const (
	defaultHandshake = 3 * time.Second
	defaultPending   = 512
	defaultConns     = 4096
)

// Mux owns the cluster port: on each address a TCP listener and a UDP socket,
// all of the same number. Its methods may be called by any goroutine.
type Mux struct {
	cfg     Config
	keys    atomic.Pointer[[][]byte] // the first is proved to others
	sockets []*socket                // one at least
	log     *slog.Logger

	complaints throttle.Lines // about refused connections: strangers can cause any number

	done chan struct{} // closed by Close
	wg   sync.WaitGroup

	mu       sync.Mutex // guards the fields below; held for no I/O
	handlers map[Protocol]Handler
	admitted admission
	closed   bool
}

// Listen opens the port on addresses in the notation of server.bind; 0 takes one
// that is free. Accepting begins with Serve.
func Listen(addrs []string, port int, cfg Config, log *slog.Logger) (*Mux, error) {
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = defaultHandshake
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = defaultPending
	}
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = defaultConns
	}
	if cfg.MaxPerHost <= 0 {
		cfg.MaxPerHost = max(1, cfg.MaxConns/4)
	}
	m := &Mux{
		cfg: cfg, log: log, done: make(chan struct{}),
		handlers: map[Protocol]Handler{}, admitted: newAdmission(cfg),
	}
	m.SetSecrets(cfg.Secret, cfg.SecretAccept)
	var err error
	m.sockets, err = bind(addrs, port)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Addr is the first address bound.
func (m *Mux) Addr() *net.TCPAddr { return m.sockets[0].tcp.Addr().(*net.TCPAddr) }

// Addrs are the IP addresses bound, in the order given.
func (m *Mux) Addrs() []netip.Addr {
	var out []netip.Addr
	for _, s := range m.sockets {
		out = append(out, s.addr())
	}
	return out
}

// UDP are the sockets of the same port. The mux closes them.
func (m *Mux) UDP() []*net.UDPConn {
	var out []*net.UDPConn
	for _, s := range m.sockets {
		out = append(out, s.udp)
	}
	return out
}

// Done is closed when Close begins.
func (m *Mux) Done() <-chan struct{} { return m.done }

// Handle installs the handler of a protocol; nil removes it. Connections for a
// protocol without handler are closed.
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

// Serve accepts connections until Close. It returns at once.
func (m *Mux) Serve() {
	for _, s := range m.sockets {
		m.wg.Add(1)
		go func() {
			defer m.wg.Done()
			m.acceptFrom(s.tcp)
		}()
	}
}

func (m *Mux) acceptFrom(tcp net.Listener) {
	delay := time.Duration(0)
	for {
		conn, err := tcp.Accept()
		if err != nil {
			if m.isClosed() {
				return
			}
			// Out of file descriptors, most likely: give others time to
			// close some.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			m.log.Warn("cluster port: accept failed", "error", err, "again_in", delay)
			time.Sleep(delay)
			continue
		}
		delay = 0
		c := &trackedConn{Conn: m.secured(conn), raw: conn, mux: m, host: hostOf(conn)}
		if !m.arrive(c) {
			_ = conn.Close()
			continue
		}
		m.wg.Add(1)
		go func() {
			defer m.wg.Done()
			m.serve(c)
		}()
	}
}

func (m *Mux) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// serve does the handshake and hands the connection over.
func (m *Mux) serve(c *trackedConn) {
	_ = c.SetDeadline(time.Now().Add(m.cfg.HandshakeTimeout))
	p, err := m.greet(c)
	if err != nil {
		m.refused("cluster port: a connection was refused", c.RemoteAddr().String(), err)
		_ = c.Close()
		return
	}
	m.mu.Lock()
	h, ok := m.handlers[p], m.admitted.greeted(c)
	m.mu.Unlock()
	if !ok || h == nil || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	h(c)
}

// arrive takes a connection in, or not; another one may have to go for it.
func (m *Mux) arrive(c *trackedConn) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	victim, ok := m.admitted.arrive(c)
	m.mu.Unlock()
	if victim != nil {
		_ = victim.raw.Close()
	}
	return ok
}

// trackedConn is an accepted connection that counts until it is closed, and
// that Close of the mux ends too.
type trackedConn struct {
	net.Conn // TLS, where it is spoken
	raw      net.Conn
	mux      *Mux
	host     netip.Addr
}

func (c *trackedConn) Close() error {
	c.mux.mu.Lock()
	c.mux.admitted.leave(c)
	c.mux.mu.Unlock()
	return c.raw.Close() // TLS would say goodbye first, and wait for room to do so
}

// Dial connects to addr and does the handshake for p.
func (m *Mux) Dial(ctx context.Context, addr string, p Protocol) (net.Conn, error) {
	if m.isClosed() {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.HandshakeTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if conn, err = m.introduce(conn, p); err != nil {
		m.refused("cluster port: no connection to another node", addr, err)
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Close closes the port and every accepted connection, and waits for their
// handlers.
func (m *Mux) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	close(m.done)
	for _, c := range m.admitted.all() {
		_ = c.raw.Close()
	}
	m.mu.Unlock()
	var errs []error
	for _, s := range m.sockets {
		errs = append(errs, s.close())
	}
	m.wg.Wait()
	return errors.Join(errs...)
}
