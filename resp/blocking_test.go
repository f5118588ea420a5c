package resp

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"respkv/cluster/hashslot"
)

// blockedClients waits until so many clients wait.
func (n *servedNode) awaitBlocked(t testing.TB, want int64) {
	t.Helper()
	eventually(t, fmt.Sprint(want, " clients blocked"), func() bool { return int64(n.d.server.Stats().BlockedClients) == want })
}

// queued is the number of places in all queues: 0 when nothing is left behind.
func (n *servedNode) awaitUnused(t testing.TB) {
	t.Helper()
	eventually(t, "queues empty", func() bool {
		n.d.blocked.mu.Lock()
		defer n.d.blocked.mu.Unlock()
		return !n.d.waiting.used() && len(n.d.blocked.byID) == 0
	})
}

func TestBlockedServedInOrder(t *testing.T) {
	n := serveNode(t, servedOptions{})
	giver := n.dial(t)
	var clients []*testConn
	for i := range 5 {
		c := n.dial(t)
		clients = append(clients, c)
		c.send(wireCommand("BLPOP", "other", "k", "0"))
		n.awaitBlocked(t, int64(i+1))
	}
	giver.check("rpush k 0 1 2", ":3\r\n")
	for i := range 3 {
		if got, want := clients[i].wire(), fmt.Sprintf("*2\r\n$1\r\nk\r\n$1\r\n%d\r\n", i); got != want {
			t.Errorf("client %d got %q, want %q", i, got, want)
		}
	}
	giver.check("exists k", ":0\r\n")
	n.awaitBlocked(t, 2)
	giver.check("lpush other x", ":1\r\n")
	if got := clients[3].wire(); got != "*2\r\n$5\r\nother\r\n$1\r\nx\r\n" {
		t.Errorf("got %q", got)
	}
	// A client that leaves takes nothing.
	clients[4].Close()
	n.awaitBlocked(t, 0)
	n.awaitUnused(t)
	giver.check("rpush k a", ":1\r\n")
	giver.check("llen k", ":1\r\n")
}

// Whatever makes a list appear wakes who waits for it.
func TestBlockedWokenBy(t *testing.T) {
	for _, s := range []struct{ before, line string }{
		{"", "lpush {k} v"},
		{"", "rpush {k} v"},
		{"rpush {k}2 v", "rename {k}2 {k}"},
		{"rpush {k}2 v", "renamenx {k}2 {k}"},
		{"rpush {k}2 v", "copy {k}2 {k}"},
		{"rpush {k}2 v", "lmove {k}2 {k} left right"},
		{"rpush {k}2 v", "rpoplpush {k}2 {k}"},
		{"rpush {k}2 v", "lmove {k}2 {k}3 left right"},
	} {
		t.Run(s.line, func(t *testing.T) {
			n := serveNode(t, servedOptions{})
			giver, c := n.dial(t), n.dial(t)
			if s.before != "" {
				giver.call(strings.Fields(s.before)...)
			}
			c.send(wireCommand("BRPOP", "{k}", "{k}3", "0"))
			n.awaitBlocked(t, 1)
			giver.call(strings.Fields(s.line)...)
			if got := c.wire(); !strings.HasSuffix(got, "$1\r\nv\r\n") {
				t.Errorf("got %q", got)
			}
			n.awaitUnused(t)
		})
	}
	n := serveNode(t, servedOptions{})
	giver, c := n.dial(t), n.dial(t)
	wait := func() {
		c.send(wireCommand("BLPOP", "k", "0"))
		n.awaitBlocked(t, 1)
	}
	got := func(what string) {
		t.Helper()
		if got := c.wire(); got != "*2\r\n$1\r\nk\r\n$1\r\nv\r\n" {
			t.Errorf("%s: got %q", what, got)
		}
	}
	giver.check("select 1", "+OK\r\n")
	wait()
	giver.check("rpush k v", ":1\r\n")
	giver.check("move k 0", ":1\r\n")
	got("move")
	wait()
	giver.check("rpush k2 v", ":1\r\n")
	giver.check("copy k2 k db 0", ":1\r\n")
	got("copy to another database")
	wait()
	giver.check("rename k2 k", "+OK\r\n")
	giver.check("swapdb 0 1", "+OK\r\n")
	got("swapdb")
}

// Whatever makes a sorted set appear wakes who waits for it; a list does not.
func TestBlockedOnSortedSet(t *testing.T) {
	for _, s := range []struct{ before, line string }{
		{"", "zadd {k} 1 v"},
		{"", "zincrby {k} 1 v"},
		{"", "geoadd {k} 1 1 v"},
		{"zadd {k}2 1 v", "rename {k}2 {k}"},
		{"zadd {k}2 1 v", "copy {k}2 {k}"},
		{"zadd {k}2 1 v", "zunionstore {k} 1 {k}2"},
		{"zadd {k}2 1 v", "zinterstore {k} 1 {k}2"},
		{"zadd {k}2 1 v", "zdiffstore {k} 1 {k}2"},
		{"zadd {k}2 1 v", "zrangestore {k} {k}2 0 -1"},
		{"geoadd {k}2 1 1 v", "geosearchstore {k} {k}2 frommember v byradius 1 m"},
		{"geoadd {k}2 1 1 v", "georadius {k}2 1 1 1 km store {k}"},
		{"geoadd {k}2 1 1 v", "georadiusbymember {k}2 v 1 km storedist {k}"},
		{"zadd {k} 1 v", "move {k} 0"},
		{"zadd {k} 1 v", "swapdb 0 1"},
	} {
		t.Run(s.line, func(t *testing.T) {
			n := serveNode(t, servedOptions{})
			giver, c := n.dial(t), n.dial(t)
			if strings.HasPrefix(s.line, "move") || strings.HasPrefix(s.line, "swapdb") {
				giver.check("select 1", "+OK\r\n")
			}
			if s.before != "" {
				giver.call(strings.Fields(s.before)...)
			}
			c.send(wireCommand("BZMPOP", "0", "2", "{k}3", "{k}", "MAX"))
			n.awaitBlocked(t, 1)
			giver.call("rpush", "{k}3", "x")
			giver.call(strings.Fields(s.line)...)
			if got := c.wire(); !strings.Contains(got, "$3\r\n{k}\r\n*1\r\n*2\r\n$1\r\nv\r\n") {
				t.Errorf("got %q", got)
			}
			n.awaitUnused(t)
		})
	}
}

// A move to a key of another shard, and on from there.
func TestBlockedMoveAcrossShards(t *testing.T) {
	n := serveNode(t, servedOptions{})
	giver := n.dial(t)
	const chain = 12
	var clients []*testConn
	for i := range chain {
		c := n.dial(t)
		clients = append(clients, c)
		c.send(wireCommand("BLMOVE", fmt.Sprint("key", i), fmt.Sprint("key", i+1), "LEFT", "RIGHT", "0"))
		n.awaitBlocked(t, int64(i+1))
	}
	giver.check("rpush key0 v", ":1\r\n")
	for i, c := range clients {
		if got := c.wire(); got != "$1\r\nv\r\n" {
			t.Fatalf("client %d got %q", i, got)
		}
	}
	giver.check(fmt.Sprintf("lrange key%d 0 -1", chain), "*1\r\n$1\r\nv\r\n")
	n.awaitUnused(t)
}

func TestBlockedMoveToWrongType(t *testing.T) {
	n := serveNode(t, servedOptions{})
	giver, a, b := n.dial(t), n.dial(t), n.dial(t)
	giver.check("set {k}s v", "+OK\r\n")
	a.send(wireCommand("BRPOPLPUSH", "{k}", "{k}s", "0"))
	n.awaitBlocked(t, 1)
	b.send(wireCommand("BLMPOP", "0", "1", "{k}", "LEFT", "COUNT", "10"))
	n.awaitBlocked(t, 2)
	giver.check("rpush {k} 1 2", ":2\r\n")
	if got := a.wire(); got != "-"+errWrongType+"\r\n" {
		t.Errorf("got %q", got)
	}
	if got := b.wire(); got != "*2\r\n$3\r\n{k}\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestBlockedTimeoutAndUnblock(t *testing.T) {
	n := serveNode(t, servedOptions{})
	giver, c := n.dial(t), n.dial(t)
	c.check("blpop k 0.01", "*-1\r\n")
	c.check("blmove k {k} left right 0.01", "*-1\r\n")
	n.awaitUnused(t)
	id := strings.TrimSpace(c.call("client", "id")[1:])
	c.send(wireCommand("BLPOP", "k", "100"))
	n.awaitBlocked(t, 1)
	giver.check("client unblock "+id, ":1\r\n")
	if got := c.wire(); got != "*-1\r\n" {
		t.Errorf("got %q", got)
	}
	giver.check("client unblock "+id, ":0\r\n")
	c.send(wireCommand("BLPOP", "k", "0") + wireCommand("PING"))
	n.awaitBlocked(t, 1)
	giver.check("client unblock "+id+" error", ":1\r\n")
	if got := c.wire() + c.wire(); got != "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n" {
		t.Errorf("got %q", got)
	}
	c.send(wireCommand("BLPOP", "k", "0"))
	n.awaitBlocked(t, 1)
	giver.check("client kill id "+id, ":1\r\n")
	n.awaitBlocked(t, 0)
	n.awaitUnused(t)
}

// What those who waited took is replicated after what gave it to them.
func TestBlockedEffects(t *testing.T) {
	log := &effectLog{}
	n := serveNode(t, servedOptions{routing: newRouting(t, everySlot), repl: log})
	giver := n.dial(t)
	for i, line := range []string{"BLPOP {k} 0", "BRPOP {k} 0", "BLMOVE {k} {k}2 LEFT RIGHT 0", "BRPOPLPUSH {k} {k}2 0", "BLMPOP 0 1 {k} RIGHT COUNT 5"} {
		n.dial(t).send(wireCommand(strings.Fields(line)...))
		n.awaitBlocked(t, int64(i+1))
	}
	giver.check("rpush {k} 1 2 3 4 5 6", ":6\r\n")
	n.awaitBlocked(t, 0)
	var got []string
	for _, e := range log.take() {
		got = append(got, e.String())
	}
	want := []string{"rpush {k} 1 2 3 4 5 6", "LPOP {k}", "RPOP {k}", "LMOVE {k} {k}2 LEFT RIGHT", "RPOPLPUSH {k} {k}2", "RPOP {k} 2"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("effects\n got %q\nwant %q", got, want)
	}
}

// movableRouting is a cluster whose map can be replaced.
func TestBlockedRedirectedWhenSlotMoves(t *testing.T) {
	routing := &movableRouting{testRouting: newRouting(t, everySlot)}
	n := serveNode(t, servedOptions{routing: routing})
	c, stays := n.dial(t), n.dial(t)
	c.send(wireCommand("BLPOP", "k", "0"))
	stays.send(wireCommand("BLPOP", "stays", "0"))
	n.awaitBlocked(t, 2)
	slot := hashslot.Slot([]byte("k"))
	routing.replace(newRouting(t, func(s uint16) bool { return s != slot }))
	if got, want := c.wire(), fmt.Sprintf("-MOVED %d 127.0.0.1:7001\r\n", slot); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	n.awaitBlocked(t, 1)
	c.send(wireCommand("BLPOP", "k", "stays", "0"))
	if got := c.wire(); got != "-"+errCrossSlot+"\r\n" {
		t.Errorf("got %q", got)
	}
}

// Many clients and givers at the same time: every value arrives once.
func TestBlockedStress(t *testing.T) {
	n := serveNode(t, servedOptions{})
	const takers, values = 16, 50
	got := make(chan string, takers*values)
	for i := range takers {
		c := n.dial(t)
		go func() {
			for range values {
				c.send(wireCommand("BLPOP", fmt.Sprint("k", i%3), fmt.Sprint("k", i%5), "k1", "0"))
				reply := c.wire()
				got <- reply[strings.LastIndex(reply[:len(reply)-2], "\n")+1:]
			}
		}()
	}
	givers := make([]*testConn, 4)
	for i := range givers {
		givers[i] = n.dial(t)
	}
	var giving sync.WaitGroup
	for g, c := range givers {
		giving.Go(func() {
			for i := range takers * values / len(givers) {
				c.call("RPUSH", "k1", fmt.Sprint(g, "-", i))
			}
		})
	}
	seen := make(map[string]bool)
	for range takers * values {
		v := <-got
		if seen[v] {
			t.Fatalf("%q came twice", v)
		}
		seen[v] = true
	}
	giving.Wait() // their last replies may come after the values
	n.awaitUnused(t)
}
