package mux

import (
	"net"
	"net/netip"
	"slices"
)

// admission decides which accepted connections may stay. Strangers can open
// connections faster than they time out, so one that waits must not keep a
// member out: when there are too many in handshake, the host with the most of
// them loses its oldest. A member needs milliseconds for its handshake, and is
// ended only when the flood comes from its own host and fills the room in less.
// The mux's lock guards it.
type admission struct {
	maxPending, maxConns, maxPerHost int

	pending []*trackedConn // in handshake, oldest first
	conns   map[*trackedConn]struct{}
	hosts   map[netip.Addr]*hostCount
}

type hostCount struct{ pending, conns int }

func newAdmission(cfg Config) admission {
	return admission{
		maxPending: cfg.MaxPending, maxConns: cfg.MaxConns, maxPerHost: cfg.MaxPerHost,
		conns: map[*trackedConn]struct{}{}, hosts: map[netip.Addr]*hostCount{},
	}
}

func hostOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// arrive takes c in for its handshake. It returns a connection to close in its
// place, if any; ok is false when c itself has to go.
func (a *admission) arrive(c *trackedConn) (victim *trackedConn, ok bool) {
	h := a.hosts[c.host]
	if len(a.conns) >= a.maxConns || h != nil && h.conns >= a.maxPerHost {
		return nil, false
	}
	if len(a.pending) >= a.maxPending {
		most := a.pending[0].host
		for host, n := range a.hosts {
			if n.pending > a.hosts[most].pending {
				most = host
			}
		}
		i := slices.IndexFunc(a.pending, func(p *trackedConn) bool { return p.host == most })
		victim = a.pending[i]
		a.leave(victim)
	}
	if h = a.hosts[c.host]; h == nil {
		h = &hostCount{}
		a.hosts[c.host] = h
	}
	h.pending++
	a.pending = append(a.pending, c)
	return victim, true
}

// greeted moves c past the handshake; false when there is no room for it there,
// or it has lost its place.
func (a *admission) greeted(c *trackedConn) bool {
	i := slices.Index(a.pending, c)
	h := a.hosts[c.host]
	if i < 0 || len(a.conns) >= a.maxConns || h.conns >= a.maxPerHost {
		return false
	}
	a.pending = slices.Delete(a.pending, i, i+1)
	h.pending--
	h.conns++
	a.conns[c] = struct{}{}
	return true
}

// leave forgets c. It may be called again.
func (a *admission) leave(c *trackedConn) {
	h := a.hosts[c.host]
	if _, there := a.conns[c]; there {
		delete(a.conns, c)
		h.conns--
	} else if i := slices.Index(a.pending, c); i >= 0 {
		a.pending = slices.Delete(a.pending, i, i+1)
		h.pending--
	} else {
		return
	}
	if h.conns == 0 && h.pending == 0 {
		delete(a.hosts, c.host)
	}
}

// all are the connections taken in.
func (a *admission) all() []*trackedConn {
	out := slices.Clone(a.pending)
	for c := range a.conns {
		out = append(out, c)
	}
	return out
}
