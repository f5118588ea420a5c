package mux

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
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

// Mux owns the cluster port: a TCP listener and a UDP socket on the same
// number. Its methods may be called by any goroutine.
type Mux struct {
	cfg  Config
	keys atomic.Pointer[[][]byte] // the first is proved to others
	tcp  net.Listener
	udp  *net.UDPConn
	log  *slog.Logger

	complaints throttle.Lines // about refused connections: strangers can cause any number

	done chan struct{} // closed by Close
	wg   sync.WaitGroup

	mu       sync.Mutex // guards the fields below; held for no I/O
	handlers map[Protocol]Handler
	admitted admission
	closed   bool
}

// Listen opens host:port for TCP and UDP; port 0 takes one that is free for
// both. Accepting begins with Serve.
func Listen(host string, port int, cfg Config, log *slog.Logger) (*Mux, error) {
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
	for range 10 { // with port 0, the free TCP port may be taken for UDP
		if m.tcp, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err != nil {
			return nil, fmt.Errorf("mux: %w", err)
		}
		addr := m.tcp.Addr().(*net.TCPAddr)
		if m.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: addr.IP, Port: addr.Port, Zone: addr.Zone}); err == nil {
			return m, nil
		}
		_ = m.tcp.Close()
		if port != 0 {
			break
		}
	}
	return nil, fmt.Errorf("mux: %w", err)
}

// Addr is the TCP address bound.
func (m *Mux) Addr() *net.TCPAddr { return m.tcp.Addr().(*net.TCPAddr) }

// UDP is the socket of the same port. The mux closes it.
func (m *Mux) UDP() *net.UDPConn { return m.udp }

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
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		delay := time.Duration(0)
		for {
			conn, err := m.tcp.Accept()
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
	}()
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
	err := m.tcp.Close()
	_ = m.udp.Close()
	m.wg.Wait()
	return err
}
