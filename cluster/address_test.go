package cluster

import (
	"net/netip"
	"testing"
)

func TestAnnounceable(t *testing.T) {
	for _, c := range []struct {
		want  string
		bound []string
	}{
		{"127.0.0.1", []string{"127.0.0.1"}},
		{"127.0.0.1", []string{"127.0.0.1", "::1"}},
		{"192.0.2.7", []string{"127.0.0.1", "192.0.2.7", "192.0.2.8"}},
		{"2001:db8::7", []string{"::1", "2001:db8::7"}},
	} {
		var bound []netip.Addr
		for _, a := range c.bound {
			bound = append(bound, netip.MustParseAddr(a))
		}
		if got, err := announceable(bound, nil); err != nil || got != c.want {
			t.Errorf("%v: %s, %v", c.bound, got, err)
		}
	}
	// A wildcard: what this machine has, of the family that was bound.
	for _, bound := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		got, err := announceable([]netip.Addr{bound}, []string{"name.invalid:1", "nonsense"})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := netip.ParseAddr(got); err != nil || a.IsUnspecified() || bound.Is4() && !a.Is4() {
			t.Errorf("%v: %q", bound, got)
		}
	}
}
