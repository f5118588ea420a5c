package resp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"respkv/cluster/hashslot"
	"respkv/internal/config"
	"respkv/store"
)

// trackingConn is a connection that speaks RESP3 and has CLIENT TRACKING on.
func (n *servedNode) tracking(t testing.TB, options ...string) *testConn {
	t.Helper()
	c := n.dial(t)
	c.call("hello", "3")
	if got := c.call(append([]string{"client", "tracking", "on"}, options...)...); got != "+OK\r\n" {
		t.Fatal(got)
	}
	return c
}

// invalidated is the message for some keys.
func invalidated(keys ...string) string {
	s := fmt.Sprintf(">2\r\n$10\r\ninvalidate\r\n*%d\r\n", len(keys))
	for _, key := range keys {
		s += fmt.Sprintf("$%d\r\n%s\r\n", len(key), key)
	}
	return s
}

const invalidatedAll = ">2\r\n$10\r\ninvalidate\r\n_\r\n"

// sizes returns the numbers of keys, clients of keys, prefixes and clients.
func (n *servedNode) trackingSizes() [4]int64 {
	t := &n.d.tracking
	return [4]int64{t.keys.Load(), t.items.Load(), t.prefixes.count.Load(), t.clients.Load()}
}

// TestTrackingEndsWithItsClient: who is gone, by whatever way, leaves nothing
// behind, or what goes with the next change.
func TestTrackingEndsWithItsClient(t *testing.T) {
	n := serveNode(t, servedOptions{})
	writer := n.dial(t)
	ends := map[string]func(c *testConn){
		"off":   func(c *testConn) { c.check("client tracking off", "+OK\r\n") },
		"reset": func(c *testConn) { c.check("reset", "+RESET\r\n") },
		"quit":  func(c *testConn) { c.check("quit", "+OK\r\n") },
		"gone":  func(c *testConn) { c.Close() },
		"kill": func(c *testConn) {
			id := strings.Trim(c.call("client", "id"), ":\r\n")
			writer.check("client kill id "+id, ":1\r\n")
		},
	}
	for name, end := range ends {
		reader, broadcast := n.tracking(t), n.tracking(t, "bcast", "prefix", "a", "prefix", "b")
		reader.check("mget k1 k2", "*2\r\n_\r\n_\r\n")
		if got, want := n.trackingSizes(), [4]int64{2, 2, 2, 2}; got != want {
			t.Errorf("before %s: %v, want %v", name, got, want)
		}
		end(reader)
		end(broadcast)
		eventually(t, name, func() bool { return n.d.tracking.clients.Load() == 0 })
		// The cron forgets what nobody is to be told of.
		eventually(t, name, func() bool { return n.trackingSizes() == [4]int64{} })
	}
}

// TestTrackingTableIsBounded: the table holds no more keys than it may, and whoever
// read those that are dropped is told.
func TestTrackingTableIsBounded(t *testing.T) {
	const limit, readers, keys = 50, 8, 400
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.TrackingTableMaxKeys = limit }})
	for i := range readers {
		c := n.tracking(t)
		told := 0
		for k := range keys {
			c.send(wireCommand("get", fmt.Sprintf("key:%d", k)))
			reply := c.wire()
			told += strings.Count(reply, "invalidate")
			if got := n.d.tracking.keys.Load(); got > limit+1 {
				t.Fatalf("%d keys, no more than %d are allowed", got, limit)
			}
		}
		if told == 0 {
			t.Errorf("reader %d was told of no key that was dropped", i)
		}
	}
	// A lower limit is kept without anybody's command.
	n.dial(t).check("config set tracking-table-max-keys 5", "+OK\r\n")
	eventually(t, "lower limit", func() bool { return n.d.tracking.keys.Load() <= 5 })
}

// TestTrackingListForgetsTheGone: a key that clients read which come and go does not
// gather their IDs for ever.
func TestTrackingListForgetsTheGone(t *testing.T) {
	n := serveNode(t, servedOptions{})
	stays := n.tracking(t)
	stays.check("get k", "_\r\n")
	for range 200 {
		c := n.tracking(t)
		c.check("get k", "_\r\n")
		c.Close()
		eventually(t, "end", func() bool { return n.d.tracking.clients.Load() == 1 })
	}
	if got := n.d.tracking.items.Load(); got > 32 {
		t.Errorf("%d clients are remembered for a key that one reads", got)
	}
	n.dial(t).check("set k 1", "+OK\r\n")
	stays.expect(invalidated("k"))
}

// TestSlotReplacedIsTold: keys of a slot that is dropped or replaced by a copy of
// another node's are told, all those of a client in one message; clients in
// broadcasting mode are to drop all.
func TestSlotReplacedIsTold(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, all := n.tracking(t), n.tracking(t, "bcast")
	c.check("mget {a}1 {a}2 b", "*3\r\n_\r\n_\r\n_\r\n")
	slot := hashslot.Slot([]byte("a"))
	n.d.withSlot(slot, func() { n.d.SlotReplaced(slot) })
	got := []byte(c.push())
	if s := string(got); s != invalidated("{a}1", "{a}2") && s != invalidated("{a}2", "{a}1") {
		t.Errorf("got %q", s)
	}
	all.expect(invalidatedAll)
	if got := n.d.tracking.keys.Load(); got != 1 {
		t.Errorf("%d keys are left, want that of another slot", got)
	}
}

// push reads one push message.
func (c *testConn) push() string {
	c.t.Helper()
	header, err := c.r.ReadString('\n')
	if err != nil || header[0] != '>' {
		c.t.Fatalf("got %q, %v, want a push", header, err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(header[1:]))
	for range n {
		header += c.wire()
	}
	return header
}

// TestReplicaTellsItsReaders: what is applied from a primary is told like what
// clients write.
func TestReplicaTellsItsReaders(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, all := n.tracking(t), n.tracking(t, "bcast", "prefix", "k")
	c.check("get k", "_\r\n")
	apply := func(args ...string) {
		t.Helper()
		if err := n.d.Apply(hashslot.Slot([]byte("k")), 0, bytesOf(args), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	apply("set", "k", "1")
	c.expect(invalidated("k"))
	all.expect(invalidated("k"))
	c.check("get k", "$1\r\n1\r\n")
	apply("del", "k")
	c.expect(invalidated("k"))
	all.expect(invalidated("k"))
	c.check("get k", "_\r\n")
	apply("flushdb")
	c.expect(invalidated("k"))
	all.expect(invalidatedAll)
}

// TestSwapDBIsTold: unlike Redis, which leaves its clients with the values of the
// other database.
func TestSwapDBIsTold(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, other := n.tracking(t), n.dial(t)
	c.check("get k", "_\r\n")
	other.check("swapdb 0 1", "+OK\r\n")
	c.expect(invalidatedAll)
}

// TestEvictedIsTold: evicted keys are told, also to a client in NOLOOP mode whose own
// command needed the room.
func TestEvictedIsTold(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.tracking(t, "noloop")
	c.check("set k 1", "+OK\r\n")
	c.check("get k", "$1\r\n1\r\n")
	k := store.MakeKey([]byte("k"))
	n.d.withSlot(k.Slot, func() { n.d.evicted(0, k) })
	c.expect(invalidated("k"))
}

// TestWaiterIsToldAfterItsReply: what a blocking command changes once it is served.
func TestWaiterIsToldAfterItsReply(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, pusher := n.tracking(t), n.dial(t)
	c.check("lrange to 0 -1", "*0\r\n")
	c.send("blmove from to left left 0\r\n")
	eventually(t, "parked", func() bool { return n.d.waiting.used() })
	pusher.check("rpush from x", ":1\r\n")
	c.expect("$1\r\nx\r\n" + invalidated("to"))
}

// TestMessagesBeforeTheTurn: what was pushed before a client ends tracking, or
// changes the protocol, comes before that reply and in the old form; later there is
// nothing.
func TestMessagesBeforeTheTurn(t *testing.T) {
	for _, turn := range []string{"client tracking off", "hello 2", "reset"} {
		t.Run(turn, func(t *testing.T) {
			t.Parallel()
			n := serveNode(t, servedOptions{})
			c := n.tracking(t)
			c.check("debug set-active-expire 0", "+OK\r\n")
			c.check("set k v px 1000", "+OK\r\n")
			c.check("get k", "$1\r\nv\r\n")
			// Expired keys are told by nobody's command, so after the replies of a
			// pipeline otherwise.
			c.send("debug sleep 1.1\r\nget k\r\n" + turn + "\r\n")
			c.expect("+OK\r\n_\r\n" + invalidated("k"))
			if reply := c.wire(); reply[0] == '>' || strings.Contains(reply, "invalidate") {
				t.Errorf("got %q after it", reply)
			}
			c.check("ping", "+PONG\r\n")
		})
	}
}

// TestReadWithoutTrackingAllocatesNothing: neither does one of a key that its client
// is known to have read.
func TestReadWithoutTrackingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	n := newTestNode(t, nil, nil)
	n.do("set", "k", "v")
	get, set := [][][]byte{bytesOf([]string{"get", "k"})}, [][][]byte{bytesOf([]string{"set", "k", "v"})}
	run := func(cmd [][][]byte) func() {
		return func() {
			n.d.Batch(n.client, cmd)
			n.client.W.Truncate(0)
		}
	}
	for range 10 {
		run(get)()
	}
	if got := testing.AllocsPerRun(1000, run(get)); got != 0 {
		t.Errorf("GET without tracking: %v allocations", got)
	}
	if got := testing.AllocsPerRun(1000, run(set)); got != 0 {
		t.Errorf("SET without tracking: %v allocations", got)
	}
	n.client.ID = 1
	n.do("client", "tracking", "on")
	run(get)()
	if got := testing.AllocsPerRun(1000, run(get)); got != 0 {
		t.Errorf("GET of a key known to be read: %v allocations", got)
	}
	if keys := n.d.tracking.keys.Load(); keys != 1 {
		t.Errorf("%d keys are tracked", keys)
	}
	slots := slices.IndexFunc(n.d.tracking.table[:], func(m map[string]*trackedKey) bool { return m != nil })
	if slots != int(hashslot.Slot([]byte("k"))) {
		t.Errorf("it is in slot %d", slots)
	}
}

// TestFlushInClusterIsTold: FLUSHALL empties the slots one after the other, and who
// tracks is told once.
func TestFlushInClusterIsTold(t *testing.T) {
	n := serveNode(t, servedOptions{routing: newRouting(t, everySlot)})
	c, all, other := n.tracking(t), n.tracking(t, "bcast"), n.dial(t)
	other.check("set {a}k 1", "+OK\r\n")
	all.expect(invalidated("{a}k"))
	c.check("get {a}k", "$1\r\n1\r\n")
	c.check("get b", "_\r\n")
	other.check("flushall", "+OK\r\n")
	c.expect(invalidatedAll)
	all.expect(invalidatedAll)
	if got := n.trackingSizes(); got[0] != 0 {
		t.Errorf("%d keys are left", got[0])
	}
	c.send("get b\r\nflushdb\r\n")
	c.expect("_\r\n+OK\r\n" + invalidatedAll)
}
