package resp

import (
	"crypto/tls"
	"net"
	"slices"
)

// Relisten makes the server listen on other addresses, or another port, while it
// runs; clients that are connected stay. On an error it listens where it did
// before, but for what another process took meanwhile.
func (s *Server) Relisten(bind []string, port int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if slices.Equal(bind, s.cfg.Bind) {
		return s.movePort(port)
	}
	// The same port may be among what is asked for: it is free only now.
	before := s.cfg
	s.closeTCP()
	s.cfg.Bind, s.cfg.Port = bind, port
	err := s.openTCP()
	if err != nil {
		s.cfg = before
		if again := s.openTCP(); again != nil {
			s.log.Error("the former addresses cannot be listened on again", "error", again)
		}
	}
	return err
}

// movePort opens the new port before the old one is closed. s.mu is held.
func (s *Server) movePort(port int) error {
	var opened []net.Listener
	if port != 0 {
		var err error
		if opened, err = listenTCP(s.cfg.Bind, port, s.cfg.Backlog); err != nil {
			return err
		}
	}
	s.drop(s.plain)
	s.cfg.Port, s.plain = port, opened
	s.serve(opened)
	return nil
}

// openTCP opens the ports for clients, all or none. s.mu is held.
func (s *Server) openTCP() (err error) {
	var plain, secure []net.Listener
	if s.cfg.Port != 0 {
		if plain, err = listenTCP(s.cfg.Bind, s.cfg.Port, s.cfg.Backlog); err != nil {
			return err
		}
	}
	if s.cfg.TLSPort != 0 {
		raw, err := listenTCP(s.cfg.Bind, s.cfg.TLSPort, s.cfg.Backlog)
		if err != nil {
			closeAll(plain)
			return err
		}
		for _, ln := range raw {
			secure = append(secure, tls.NewListener(ln, s.cfg.TLS))
		}
	}
	s.plain, s.secure = plain, secure
	s.serve(plain)
	s.serve(secure)
	return nil
}

func (s *Server) closeTCP() {
	s.drop(s.plain)
	s.drop(s.secure)
	s.plain, s.secure = nil, nil
}

// drop closes listeners for good. Their goroutines end by themselves.
func (s *Server) drop(listeners []net.Listener) {
	closeAll(listeners)
	s.listeners = slices.DeleteFunc(s.listeners, func(ln net.Listener) bool { return slices.Contains(listeners, ln) })
}

// serve accepts connections from listeners in the background. s.mu is held.
func (s *Server) serve(listeners []net.Listener) {
	for _, ln := range listeners {
		s.listeners = append(s.listeners, ln)
		s.accepting.Add(1)
		go s.acceptLoop(ln)
	}
}
