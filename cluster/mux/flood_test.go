package mux

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

func pretend(host string) *trackedConn { return &trackedConn{host: netip.MustParseAddr(host)} }

// TestFloodHurtsItsOwnHost: the place of a new connection is taken from the host
// with the most unfinished handshakes.
func TestFloodHurtsItsOwnHost(t *testing.T) {
	a := newAdmission(Config{MaxPending: 4, MaxConns: 10, MaxPerHost: 3})
	member := pretend("10.0.0.2")
	first := pretend("10.0.0.1")
	for _, c := range []*trackedConn{member, first, pretend("10.0.0.1"), pretend("10.0.0.1")} {
		if victim, ok := a.arrive(c); victim != nil || !ok {
			t.Fatal("no room")
		}
	}
	if victim, ok := a.arrive(pretend("10.0.0.3")); victim != first || !ok {
		t.Fatalf("%v had to go", victim)
	}
	if a.greeted(first) {
		t.Fatal("a victim passed")
	}
	if !a.greeted(member) {
		t.Fatal("the member did not pass")
	}
	a.leave(member)
	a.leave(member)
	if h := a.hosts[member.host]; h != nil {
		t.Fatalf("%+v is left", h)
	}
	for range 3 {
		c := pretend("10.0.0.4")
		if _, ok := a.arrive(c); !ok || !a.greeted(c) {
			t.Fatal("no room")
		}
	}
	if _, ok := a.arrive(pretend("10.0.0.4")); ok {
		t.Fatal("one host has more than its share")
	}
	if _, ok := a.arrive(pretend("10.0.0.5")); !ok {
		t.Fatal("another host has none")
	}
}

// TestFlood opens connections as fast as it can, silent ones and some that talk
// nonsense; members get in meanwhile, and no memory stays behind.
func TestFlood(t *testing.T) {
	m := listen(t, Config{Secret: "s", MaxPending: 64})
	m.Handle(Control, echo)
	const attackers, each = 8, 1250
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var flood sync.WaitGroup
	over := make(chan struct{})
	for i := range attackers {
		flood.Go(func() {
			var open []net.Conn
			for n := range each {
				conn, err := net.Dial("tcp", m.Addr().String())
				if err != nil {
					continue
				}
				if n%2 == i%2 {
					_, _ = conn.Write([]byte("C\x01GET / HTTP/1.1\r\n"))
				}
				if open = append(open, conn); len(open) > 20 {
					_ = open[0].Close()
					open = open[1:]
				}
			}
			<-over
			for _, conn := range open {
				_ = conn.Close()
			}
		})
	}
	in := 0
	deadline := time.Now().Add(patience)
	for in < 5 && time.Now().Before(deadline) {
		if conn, err := m.Dial(context.Background(), m.Addr().String(), Control); err == nil {
			in++
			_ = conn.Close()
		}
	}
	close(over)
	flood.Wait()
	if in < 5 {
		t.Fatalf("a member got in %d times", in)
	}
	deadline = time.Now().Add(patience)
	for {
		m.mu.Lock()
		left := len(m.admitted.pending) + len(m.admitted.conns) + len(m.admitted.hosts)
		m.mu.Unlock()
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", left)
		}
		runtime.Gosched()
	}
	// A connection is not counted any more before its goroutine has ended.
	for {
		runtime.GC()
		runtime.ReadMemStats(&after)
		if after.HeapAlloc <= before.HeapAlloc+(4<<20) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d KB stayed behind", (after.HeapAlloc-before.HeapAlloc)>>10)
		}
	}
}
