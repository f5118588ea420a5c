package freeport

import (
	"net"
	"strconv"
	"testing"
)

func TestFind(t *testing.T) {
	given := map[int]bool{}
	for range 50 {
		first := Find(t, 2, 10000)
		for port := first; port < first+2; port++ {
			if given[port] || port < lowest || port+10000 >= outgoing() {
				t.Errorf("port %d, given before: %v", port, given[port])
			}
			given[port] = true
		}
	}
}

// A port is not given whose partner is taken, for TCP or UDP.
func TestFindLooksAtPartners(t *testing.T) {
	first := Find(t, 1)
	if !free(first, 1, []int{0, 1}) {
		t.Skip("another process has taken a port")
	}
	l, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+1)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if free(first, 1, []int{0, 1}) || free(first, 2, []int{0}) {
		t.Error("a port that is taken is called free")
	}
}
