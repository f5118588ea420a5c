package cluster

import (
	"net"
	"net/netip"
	"slices"
)

// announceable chooses, of the addresses bound, the one that others can use: one
// that is not this machine's alone, if there is. A wildcard stands for the
// address by which this machine goes to a seed, or the first of an interface.
func announceable(bound []netip.Addr, seeds []string) (string, error) {
	wild4 := slices.Contains(bound, netip.IPv4Unspecified())
	wild6 := slices.Contains(bound, netip.IPv6Unspecified())
	if !wild4 && !wild6 {
		if i := slices.IndexFunc(bound, func(a netip.Addr) bool { return !a.IsLoopback() }); i >= 0 {
			return bound[i].String(), nil
		}
		return bound[0].String(), nil
	}
	var found []netip.Addr
	for _, seed := range seeds {
		if a, ok := towards(seed); ok {
			found = append(found, a)
		}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, i := range interfaces {
		if ipnet, ok := i.(*net.IPNet); ok {
			a, _ := netip.AddrFromSlice(ipnet.IP)
			found = append(found, a.Unmap())
		}
	}
	// The family that was bound for itself comes first.
	for _, v4 := range []bool{wild4, !wild4} {
		for _, a := range found {
			if a.IsGlobalUnicast() && a.Is4() == v4 && (!v4 || wild4 || len(bound) == 1) && (v4 || wild6) {
				return a.String(), nil
			}
		}
	}
	if wild4 {
		return "127.0.0.1", nil
	}
	return "::1", nil
}

// towards is the address by which this machine goes to a seed. Nothing is sent.
func towards(seed string) (netip.Addr, bool) {
	conn, err := net.Dial("udp", seed)
	if err != nil {
		return netip.Addr{}, false
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true
}
