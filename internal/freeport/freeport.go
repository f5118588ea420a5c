// Package freeport finds ports for the servers that tests start, and start again
// on the same port.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// lowest is the first port handed out.
const lowest = 10000

// handedOut counts what this process was given, so that no port is given twice
// before its server listens.
var handedOut atomic.Int64

// start differs between the processes that run at the same time.
var start = rand.IntN(1 << 20)

// Find returns the first of count ports in a row that are free on 127.0.0.1 for
// TCP and UDP, and with each of them those that are higher by the offsets.
//
// They are not of the range from which the kernel takes the ports of outgoing
// connections. One of those could take the port of a server that is down for a
// moment; a client that keeps dialing such a port even connects to itself.
func Find(t testing.TB, count int, offsets ...int) int {
	t.Helper()
	room := outgoing() - lowest - count
	for _, offset := range offsets {
		room = min(room, outgoing()-lowest-count-offset)
	}
	for range room {
		first := lowest + (start+int(handedOut.Add(int64(count))))%room
		if free(first, count, append([]int{0}, offsets...)) {
			return first
		}
	}
	t.Fatalf("no %d free ports in a row", count)
	return 0
}

// outgoing is where the range of outgoing connections begins: by default, where
// the system says nothing or leaves no room below it.
func outgoing() (first int) {
	const byDefault = 32768
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return byDefault
	}
	if _, err := fmt.Sscan(string(data), &first); err != nil || first < byDefault {
		return byDefault
	}
	return first
}

func free(first, count int, offsets []int) bool {
	for port := first; port < first+count; port++ {
		for _, offset := range offsets {
			addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+offset))
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return false
			}
			_ = l.Close()
			p, err := net.ListenPacket("udp", addr)
			if err != nil {
				return false
			}
			_ = p.Close()
		}
	}
	return true
}
