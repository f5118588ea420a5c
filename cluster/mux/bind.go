package mux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// socket is one address of the cluster port, for TCP and UDP.
type socket struct {
	tcp net.Listener
	udp *net.UDPConn
}

func (s *socket) addr() netip.Addr {
	return s.tcp.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

func (s *socket) close() error {
	return errors.Join(s.tcp.Close(), s.udp.Close())
}

// bind opens the port on each address, in the notation of server.bind: "*" is
// every IPv4 address, "::*" every IPv6 address, a "-" in front makes an address
// optional. With port 0 the first address takes one that is free for both
// protocols, and the others have the same.
func bind(addrs []string, port int) (opened []*socket, err error) {
	defer func() {
		if err != nil {
			for _, s := range opened {
				_ = s.close()
			}
		}
	}()
	for _, addr := range addrs {
		host, optional := strings.CutPrefix(addr, "-")
		s, err := open(host, port, len(addrs) == 1)
		if err != nil {
			if optional && missing(err) {
				continue
			}
			return opened, fmt.Errorf("mux: %w", err)
		}
		opened = append(opened, s)
		port = s.tcp.Addr().(*net.TCPAddr).Port
	}
	if len(opened) == 0 {
		return nil, fmt.Errorf("mux: none of the addresses %q is available", addrs)
	}
	return opened, nil
}

// open opens one address. Every IPv6 address, alone, takes IPv4 as well: nodes
// may reach each other by either.
func open(host string, port int, alone bool) (*socket, error) {
	family := ""
	switch {
	case host == "*":
		host, family = "0.0.0.0", "4"
	case host == "::*":
		host, family = "::", "6"
	case strings.Contains(host, ":"):
		family = "6"
	}
	if alone && host == "::" {
		family = ""
	}
	for attempt := 0; ; attempt++ {
		tcp, err := net.Listen("tcp"+family, net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return nil, err
		}
		at := tcp.Addr().(*net.TCPAddr)
		udp, err := net.ListenUDP("udp"+family, &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
		if err == nil {
			return &socket{tcp, udp}, nil
		}
		_ = tcp.Close()
		if port != 0 || attempt == 10 { // with port 0, the free TCP port may be taken for UDP
			return nil, err
		}
	}
}

// missing says that this machine does not have the address, or its family.
func missing(err error) bool {
	for _, e := range []error{syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.EPFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// WriteTo sends a packet, from the address that fits the receiver's: what is
// bound to loopback reaches nobody else.
func (m *Mux) WriteTo(packet []byte, to *net.UDPAddr) error {
	_, err := m.from(to.AddrPort().Addr().Unmap()).udp.WriteTo(packet, to)
	return err
}

func (m *Mux) from(to netip.Addr) *socket {
	best, bestRank := m.sockets[0], -1
	for _, s := range m.sockets {
		a, rank := s.addr(), 0
		if a.Is4() == to.Is4() {
			rank += 2
		}
		if a.IsLoopback() == to.IsLoopback() || a.IsUnspecified() {
			rank++
		}
		if rank > bestRank {
			best, bestRank = s, rank
		}
	}
	return best
}
