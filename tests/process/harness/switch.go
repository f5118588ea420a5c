package harness

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Switch is a network of the test's own: the frames of all nodes, each in a
// network namespace, and of the test itself pass through it, and each way from
// one to another can be bad in a way of its own. (Bridge and cables of Network
// can only be cut as a whole, and not every kernel can delay or lose packets.)
type Switch struct {
	t     testing.TB
	ports []*port // of the nodes; the last is the test's own
	ways  [][]*way
	done  sync.WaitGroup
}

// Way is the state of the network from one node to another; the zero Way is a
// good one.
type Way struct {
	Cut   bool          // nothing arrives
	Loss  float64       // of each frame
	Delay time.Duration // of each frame; their order stays
	Rate  int           // bytes a second; 0: no limit
	Late  float64       // of each frame to be overtaken by those behind it
	Twice float64       // of each frame to arrive two times
}

type port struct {
	file *os.File
}

// way carries frames in one direction.
type way struct {
	state atomic.Pointer[Way]
	free  time.Time // loop of the sending port only: when the last frame has been sent
	queue chan frame
	to    *port
}

type frame struct {
	due  time.Time
	data []byte
}

// waiting is how many frames a slow way holds before it drops some.
const waiting = 1024

// overtaken is how long a frame is held back that is to be overtaken.
const overtaken = 3 * time.Millisecond

// NewSwitch builds the network and its nodes, which are not started. The test
// is skipped where the system does not permit it.
func NewSwitch(t testing.TB, nodes int) (*Switch, []*Node) {
	t.Helper()
	Tool(t, "ip")
	w := &Switch{t: t}
	t.Cleanup(func() {
		for _, p := range w.ports {
			_ = p.file.Close()
		}
		w.done.Wait()
	})
	must := func(command string) {
		t.Helper()
		if out, err := ip(command); err != nil {
			t.Skipf("ip %s: %v: %s", command, err, out)
		}
	}
	name := fmt.Sprintf("rs%d", os.Getpid()%1_000_000)
	subnet := fmt.Sprintf("10.214.%d.", os.Getpid()%250)
	var list []*Node
	for i := range nodes + 1 {
		tap := fmt.Sprintf("%st%d", name, i)
		file, err := openTap(tap)
		if err != nil {
			t.Skipf("tap devices are not permitted here: %v", err)
		}
		w.ports = append(w.ports, &port{file})
		must(fmt.Sprintf("link set %s address 02:00:00:00:00:%02x", tap, i))
		if i == nodes {
			must("addr add " + subnet + "254/24 dev " + tap)
			must("link set " + tap + " up")
			continue
		}
		space, host := fmt.Sprintf("%sn%d", name, i), subnet+fmt.Sprint(i+1)
		must("netns add " + space)
		t.Cleanup(func() { _, _ = ip("netns del " + space) })
		must("link set " + tap + " netns " + space)
		must("-n " + space + " addr add " + host + "/24 dev " + tap)
		must("-n " + space + " link set " + tap + " up")
		must("-n " + space + " link set lo up")
		list = append(list, NewNodeAt(t, host, 7000, []string{"ip", "netns", "exec", space}, "--server.protected_mode=false"))
	}
	for range w.ports {
		ways := make([]*way, len(w.ports))
		for k := range ways {
			ways[k] = &way{queue: make(chan frame, waiting), to: w.ports[k]}
			ways[k].state.Store(&Way{})
			w.done.Go(ways[k].carry)
		}
		w.ways = append(w.ways, ways)
	}
	for i := range w.ports {
		w.done.Go(func() { w.read(i) })
	}
	return w, list
}

func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// read takes in the frames of one port.
func (w *Switch) read(from int) {
	buf := make([]byte, 1<<16)
	defer func() {
		for _, way := range w.ways[from] {
			close(way.queue)
		}
	}()
	for {
		n, err := w.ports[from].file.Read(buf)
		if err != nil {
			return
		}
		if n < 14 {
			continue
		}
		own, last := buf[0] == 2 && buf[4] == 0, int(buf[5])
		for to := range w.ports {
			if to != from && (!own || to == last) {
				w.ways[from][to].send(buf[:n])
			}
		}
	}
}

func (y *way) send(data []byte) {
	state := y.state.Load()
	if state.Cut || state.Loss > 0 && rand.Float64() < state.Loss {
		return
	}
	now := time.Now()
	due := now
	if state.Rate > 0 {
		if y.free.Before(now) {
			y.free = now
		}
		y.free = y.free.Add(time.Duration(float64(len(data)) / float64(state.Rate) * float64(time.Second)))
		due = y.free
	}
	f := frame{due.Add(state.Delay), append([]byte(nil), data...)}
	if rand.Float64() < state.Late {
		time.AfterFunc(time.Until(f.due)+overtaken, func() { _, _ = y.to.file.Write(f.data) })
		return
	}
	copies := 1
	if rand.Float64() < state.Twice {
		copies = 2
	}
	for range copies {
		select {
		case y.queue <- f:
		default:
		}
	}
}

// carry brings what was sent on one way to its port.
func (y *way) carry() {
	for f := range y.queue {
		if wait := time.Until(f.due); wait > 0 {
			time.Sleep(wait)
		}
		_, _ = y.to.file.Write(f.data) // a port that is down drops it
	}
}

// Outside is the number of the test itself, as an end of ways.
func (w *Switch) Outside() int { return len(w.ports) - 1 }

// Set changes the ways from one node to another.
func (w *Switch) Set(from, to int, state Way) { w.ways[from][to].state.Store(&state) }

// Both changes both ways between two nodes.
func (w *Switch) Both(a, b int, state Way) {
	w.Set(a, b, state)
	w.Set(b, a, state)
}

// All changes the ways between all nodes; those to the test are left alone.
func (w *Switch) All(state Way) {
	for a := range w.Outside() {
		for b := range a {
			w.Both(a, b, state)
		}
	}
}

// Heal makes all ways good again.
func (w *Switch) Heal() {
	for _, ways := range w.ways {
		for _, y := range ways {
			y.state.Store(&Way{})
		}
	}
}

// Isolate cuts a node off from all other nodes, and from the test as well if
// outside is set.
func (w *Switch) Isolate(node int, outside bool) {
	for other := range w.ports {
		if other != node && (outside || other != w.Outside()) {
			w.Both(node, other, Way{Cut: true})
		}
	}
}

// MTU changes the largest packet that a node sends.
func (w *Switch) MTU(n *Node, bytes int) {
	w.t.Helper()
	space := n.prefix[3]
	device := strings.Replace(space, "n", "t", 1)
	if out, err := ip(fmt.Sprintf("-n %s link set %s mtu %d", space, device, bytes)); err != nil {
		w.t.Fatalf("mtu: %v: %s", err, out)
	}
}
