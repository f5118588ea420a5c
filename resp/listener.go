package resp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// replyMaxClients and replyProtected are all that a refused client hears.
const (
	replyMaxClients = "-ERR max number of clients reached\r\n"
	replyProtected  = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. " +
		"In this mode connections are only accepted from the loopback interface. " +
		"If you want to connect from external computers to Redis you may adopt one of the following solutions: " +
		"1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface " +
		"by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly " +
		"accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. " +
		"2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting " +
		"the protected mode option to 'no', and then restarting the server. " +
		"3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. " +
		"4) Setup a an authentication password for the default user. " +
		"NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n"
)

// mergedListener is the one listener redcon knows. The real ones feed it, so
// that they can come and go while connections stay.
type mergedListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *mergedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *mergedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *mergedListener) Addr() net.Addr { return mergedAddr{} }

type mergedAddr struct{}

func (mergedAddr) Network() string { return "tcp" }
func (mergedAddr) String() string  { return "respkv" }

// listenTCP opens the addresses of bind, in Redis's notation: "*" is every
// IPv4 address, "::*" every IPv6 address, a "-" in front makes an address
// optional.
//
// backlog is the length of the queue of connections not accepted yet
// (tcp-backlog), 0 for the system's.
func listenTCP(bind []string, port, backlog int) (_ []net.Listener, err error) {
	var opened []net.Listener
	defer func() {
		if err != nil {
			closeAll(opened)
		}
	}()
	for _, addr := range bind {
		host, optional := strings.CutPrefix(addr, "-")
		network := "tcp4"
		switch {
		case host == "*":
			host = "0.0.0.0"
		case host == "::*":
			network, host = "tcp6", "::"
		case strings.Contains(host, ":"):
			network = "tcp6"
		}
		// Keep-alive is set per connection, by the limits of the moment.
		lc := net.ListenConfig{KeepAlive: -1}
		ln, err := lc.Listen(context.Background(), network, net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			if optional && unavailable(err) {
				continue
			}
			return nil, fmt.Errorf("resp: listen on %s port %d: %w", addr, port, err)
		}
		opened = append(opened, ln)
		if err := setBacklog(ln, backlog); err != nil {
			return nil, fmt.Errorf("resp: tcp-backlog %d: %w", backlog, err)
		}
		if port == 0 {
			port = ln.Addr().(*net.TCPAddr).Port // the same for all addresses
		}
	}
	if len(opened) == 0 && len(bind) > 0 {
		return nil, fmt.Errorf("resp: none of the addresses %q is available", bind)
	}
	return opened, nil
}

// unavailable reports errors that an optional address may have.
func unavailable(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.EPFNOSUPPORT)
}

// listenUnix opens a unix socket, replacing what a former process left there.
func listenUnix(path string, perm os.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("resp: listen on unix socket %s: %w", path, err)
	}
	if perm != 0 {
		if err := os.Chmod(path, perm); err != nil {
			ln.Close()
			return nil, fmt.Errorf("resp: unix socket %s: %w", path, err)
		}
	}
	return ln, nil
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

// acceptLoop feeds connections of one listener to redcon.
func (s *Server) acceptLoop(ln net.Listener) {
	defer s.accepting.Done()
	pause := time.Duration(0)
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			s.accept(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of descriptors, mostly: trying again at once would spin.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Warn("accept failed", "addr", ln.Addr().String(), "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-s.done:
			return
		}
	}
}

// accept admits one connection or refuses it.
func (s *Server) accept(nc net.Conn) {
	s.stats.received.Add(1)
	limits := s.limits.Load()
	c := s.newClient(nc)
	if tcp, ok := socket(nc).(*net.TCPConn); ok {
		// Redis's choice: three probes, a third of the time apart.
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: limits.KeepAlive > 0, Idle: limits.KeepAlive,
			Interval: max(time.Second, limits.KeepAlive/3), Count: 3})
	}
	if !s.clients.add(c, limits.MaxClients) {
		s.refuse(nc, replyMaxClients)
		return
	}
	if limits.ProtectedMode && !isLocal(nc) && (s.cfg.NoPassword == nil || s.cfg.NoPassword()) {
		s.clients.remove(c)
		s.refuse(nc, replyProtected)
		return
	}
	select {
	case s.merged.conns <- &conn{Conn: nc, client: c}:
	case <-s.done:
		s.clients.remove(c)
		nc.Close()
	}
}

// adopt serves a connection that this node has opened as if a client had; prepare is called
// before anybody else knows the client. maxclients is not for it. False: the server ends,
// and the connection is closed.
func (s *Server) adopt(nc net.Conn, prepare func(*Client)) bool {
	c := s.newClient(nc)
	prepare(c)
	if tcp, ok := socket(nc).(*net.TCPConn); ok {
		limits := s.limits.Load()
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: limits.KeepAlive > 0, Idle: limits.KeepAlive,
			Interval: max(time.Second, limits.KeepAlive/3), Count: 3})
	}
	s.clients.add(c, math.MaxInt)
	select {
	case s.merged.conns <- &conn{Conn: nc, client: c}:
		return true
	case <-s.done:
		s.clients.remove(c)
		nc.Close()
		return false
	}
}

// refuse tells a client why and closes the connection. The send buffer of a
// new socket is empty: this does not block. A client that expects TLS could
// not read the reason.
func (s *Server) refuse(nc net.Conn, reason string) {
	s.stats.rejected.Add(1)
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		nc.Write([]byte(reason))
	}
	nc.Close()
}

// isLocal reports whether the peer is on this host.
func isLocal(nc net.Conn) bool {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nc.RemoteAddr().Network() == "unix"
	}
	ip, _ := netip.AddrFromSlice(tcp.IP)
	return ip.Unmap().IsLoopback()
}

// socket is the connection below TLS, or nc itself.
func socket(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}

// newClient builds the client of a connection; it is not registered yet.
func (s *Server) newClient(nc net.Conn) *Client {
	c := &Client{Created: time.Now(), server: s, conn: nc, addr: nc.RemoteAddr().String(), laddr: nc.LocalAddr().String()}
	c.proto.Store(2)
	c.lastActive.Store(c.Created.UnixMilli())
	c.out.init()
	if _, ok := nc.(*net.UnixConn); ok {
		// As Redis prints them: the path of the socket, and port 0.
		c.addr = c.laddr + ":0"
		c.laddr = c.addr
		c.SetFlag(FlagUnixSocket, true)
	}
	if sc, ok := socket(nc).(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { c.fd = int(fd) })
			if rawSupported && !s.cfg.genericIO && socket(nc) == nc {
				c.raw = raw
			}
		}
	}
	return c
}
