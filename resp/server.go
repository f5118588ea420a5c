package resp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/redcon"

	"respkv/internal/throttle"
)

// ServerConfig is what the network layer is told at start.
type ServerConfig struct {
	// Bind lists the addresses to listen on in Redis's notation ("*", "::*",
	// "-::1" for optional); Port is their TCP port, 0 for no TCP.
	Bind []string
	Port int
	// Backlog is how many connections may wait to be accepted (tcp-backlog),
	// 0 for what the system allows, which is also the most.
	Backlog int
	// TLSPort is the port for TLS on the same addresses, 0 for none; TLS must
	// be set with it.
	TLSPort int
	TLS     *tls.Config
	// UnixSocket is the path of a unix socket, "" for none, UnixSocketPerm its
	// permissions, 0 to leave them to the umask.
	UnixSocket     string
	UnixSocketPerm uint32
	// NoPassword reports whether the default user needs no password, which is
	// what protected mode looks at. nil: it needs none.
	NoPassword func() bool
	// Limits are those in effect at start.
	Limits Limits
	// Log gets the server's messages; nil is slog.Default.
	Log *slog.Logger

	// genericIO drives all connections through net.Conn.
	genericIO bool
}

// Server accepts connections, cuts their input into commands and runs these
// through an Executor. One goroutine per connection, in redcon's care.
type Server struct {
	cfg     ServerConfig
	exec    Executor
	log     *slog.Logger
	limits  atomic.Pointer[Limits]
	clients Clients
	stats   stats
	blocked atomic.Int64
	clock   atomic.Int64 // Unix milliseconds, a tick old at most
	recent  recentClients
	pause   pause

	clientGrowth clientGrowth
	peaks        replyPeaks
	handshakes   throttle.Lines // of TLS, that failed
	merged       *mergedListener

	mu            sync.Mutex // guards below, and what Relisten changes of cfg
	listeners     []net.Listener
	plain, secure []net.Listener // those of them for TCP, and for TLS
	closed        bool

	done       chan struct{}  // closed by Shutdown
	accepting  sync.WaitGroup // goroutines of acceptLoop
	background sync.WaitGroup // cron and redcon
}

// NewServer returns a server that does not listen yet. It takes care of
// listeners given to Serve at once.
func NewServer(cfg ServerConfig, exec Executor) (*Server, error) {
	if err := cfg.Limits.Validate(); err != nil {
		return nil, err
	}
	if cfg.TLSPort != 0 && cfg.TLS == nil {
		return nil, errors.New("resp: a TLS port without TLS configuration")
	}
	s := &Server{
		cfg:    cfg,
		exec:   exec,
		log:    cfg.Log,
		merged: &mergedListener{conns: make(chan net.Conn), done: make(chan struct{})},
		done:   make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.clientGrowth.much = make(chan struct{}, 1)
	limits := cfg.Limits
	s.limits.Store(&limits)
	s.clock.Store(time.Now().UnixMilli())
	s.background.Add(2)
	go func() {
		defer s.background.Done()
		// The handler is never called: Read gives redcon no byte.
		redcon.Serve(s.merged, func(redcon.Conn, redcon.Command) {}, nil, nil)
	}()
	go func() {
		defer s.background.Done()
		s.cron()
	}()
	return s, nil
}

// Start opens the configured listeners and accepts connections in the
// background. On an error none is open.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if err := s.openTCP(); err != nil {
		return err
	}
	if s.cfg.UnixSocket != "" {
		ln, err := listenUnix(s.cfg.UnixSocket, os.FileMode(s.cfg.UnixSocketPerm))
		if err != nil {
			s.closeTCP()
			return err
		}
		s.serve([]net.Listener{ln})
	}
	return nil
}

// Serve accepts connections from ln in the background, until Shutdown closes
// it.
func (s *Server) Serve(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		ln.Close()
		return
	}
	s.serve([]net.Listener{ln})
}

// Addrs returns the addresses the server listens on.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := make([]net.Addr, 0, len(s.listeners))
	for _, ln := range s.listeners {
		addrs = append(addrs, ln.Addr())
	}
	return addrs
}

// Shutdown stops accepting, lets batches that are being executed finish and
// send their replies, and closes all clients. When ctx ends first, it closes
// the rest without waiting and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	closeAll(s.listeners)
	close(s.done)
	s.mu.Unlock()
	s.accepting.Wait() // no new client from here on
	s.Unpause()
	for _, c := range s.clients.All() {
		c.raise(stateDraining)
	}
	s.HoldWrites(false) // who was held back does not write any more
	var err error
	select {
	case <-s.clients.gone():
	case <-ctx.Done():
		err = ctx.Err()
		for _, c := range s.clients.All() {
			c.Close()
		}
	}
	s.merged.Close()
	if err == nil {
		s.background.Wait()
	}
	return err
}

// Quiet returns when no client has sent anything for about that long, or when ctx ends. What
// is known of clients is a tick old.
func (s *Server) Quiet(ctx context.Context, long time.Duration) {
	look := time.NewTicker(tick / 4)
	defer look.Stop()
	for {
		newest := int64(0)
		for _, c := range s.clients.All() {
			newest = max(newest, c.lastActive.Load())
		}
		if s.clock.Load()-newest >= long.Milliseconds() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// Clients is the registry of connected clients.
func (s *Server) Clients() *Clients { return &s.clients }

// Limits returns the limits in effect.
func (s *Server) Limits() Limits { return *s.limits.Load() }

// SetLimits changes limits (CONFIG SET). On an error nothing changes.
func (s *Server) SetLimits(change func(*Limits)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.limits.Load()
	change(&next)
	if err := next.Validate(); err != nil {
		return err
	}
	s.limits.Store(&next)
	return nil
}

// forget takes a client that is gone out of the registry.
func (s *Server) forget(c *Client) { s.clients.remove(c) }
