package resp

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Idle connections hold no buffers. Counted is the Go heap and stacks of both
// ends in this process; the clients' ends are plain sockets.
func TestIdleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a thousand connections")
	}
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		const n = 1000
		used := func() uint64 {
			runtime.GC()
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc + m.StackInuse
		}
		before := used()
		conns := make([]net.Conn, 0, n)
		defer func() {
			for _, nc := range conns {
				nc.Close()
			}
		}()
		reply := make([]byte, 7)
		for range n {
			nc, err := net.Dial("unix", s.unix)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, nc)
			for range 3 {
				fmt.Fprint(nc, "PING\r\n")
				if _, err := nc.Read(reply); err != nil {
					t.Fatal(err)
				}
			}
		}
		eventually(t, "second looks over", func() bool {
			s.recent.mu.Lock()
			defer s.recent.mu.Unlock()
			return len(s.recent.clients) == 0
		})
		per := (used() - before) / n
		t.Logf("%d bytes per idle connection, both ends", per)
		if per > 32<<10 {
			t.Errorf("%d bytes per idle connection", per)
		}
	})
}

// Parked clients use no CPU: measured over a second, with a thousand of them.
func TestParkedClientsCostNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a thousand connections")
	}
	s := startServer(t, false, nil)
	const n = 1000
	for i := range n {
		nc, err := net.Dial("unix", s.unix)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, wireCommand("WAIT-FOR", fmt.Sprint(i)))
	}
	eventually(t, "all parked", func() bool { return s.Stats().BlockedClients == n })
	eventually(t, "second looks over", func() bool {
		s.recent.mu.Lock()
		defer s.recent.mu.Unlock()
		return len(s.recent.clients) == 0
	})
	before := switches(t)
	time.Sleep(time.Second) // the measured interval
	if d := switches(t) - before; d > 500 {
		t.Errorf("%d context switches in a second with everybody parked", d)
	}
}

// switches counts voluntary context switches of all threads.
func switches(t *testing.T) (n int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skip(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			var v int
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &v); err == nil {
				n += v
			}
		}
	}
	return n
}

func TestBacklog(t *testing.T) {
	opened, err := listenTCP([]string{"127.0.0.1"}, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(opened)
	raw, err := opened[0].(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Sacked != 7 { // of a listening socket: the limit of its queue
			t.Errorf("%v, %v", info, err)
		}
	})
}
