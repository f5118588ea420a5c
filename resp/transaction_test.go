package resp

import (
	"slices"
	"strings"
	"testing"

	"respkv/cluster/slotmap"
)

// run runs several commands of a client and returns the last reply.
func (n *testNode) run(client *Client, lines ...string) (reply string) {
	n.t.Helper()
	for _, line := range lines {
		reply = n.doAs(client, strings.Fields(line)...)
	}
	return reply
}

// TestExecIsOneGroup: the effects of a transaction are one unit, those of keys
// that expire within it included.
func TestExecIsOneGroup(t *testing.T) {
	log := &effectLog{}
	n := newTestNode(t, newRouting(t, everySlot), log)
	n.run(n.client, "set {a}old 1 pxat 1")
	log.take()
	n.run(n.client, "multi", "set {a}1 x", "get {a}old", "incr {a}2", "get {a}1", "exec")
	var got []string
	for _, e := range log.take() {
		got = append(got, e.String()+" "+string('0'+e.flags))
	}
	want := []string{"SET {a}1 x 1", "DEL {a}old 1", "incr {a}2 0"}
	if !slices.Equal(got, want) {
		t.Errorf("effects %q, want %q", got, want)
	}
	n.run(n.client, "multi", "get {a}1", "exec")
	n.run(n.client, "set {a}1 y")
	if effects := log.take(); len(effects) != 1 || effects[0].flags != 0 {
		t.Errorf("after it: %v", effects)
	}
}

// TestGroupOnReplica: what a transaction logs gives the same state.
func TestGroupOnReplica(t *testing.T) {
	log := &effectLog{}
	n, replica := newTestNode(t, newRouting(t, everySlot), log), newTestNode(t, newRouting(t, func(uint16) bool { return false }), nil)
	n.run(n.client, "multi", "set {a}1 x ex 1000", "append {a}1 y", "rename {a}1 {a}2", "incr {a}3", "flushall", "set {a}4 z", "exec")
	effects := log.take()
	after := 0
	if err := replica.d.ApplyGroup(effects[0].slot, len(effects),
		func(i int) (int, [][]byte) { return effects[i].db, effects[i].args },
		func(int) { after++ }); err != nil || after != len(effects) {
		t.Fatalf("%v after %d of %d", err, after, len(effects))
	}
	if want, got := n.dump(), replica.dump(); !slices.Equal(want, got) || len(got) != 1 {
		t.Errorf("primary %v, replica %v", want, got)
	}
}

func TestTransactionInCluster(t *testing.T) {
	routing := newRouting(t, func(slot uint16) bool { return slot < 8192 }) // b: 3300, a: 15495
	n := newTestNode(t, routing, nil)
	n.expect("multi", "+OK\r\n")
	n.expect("set a 1", "-MOVED 15495 127.0.0.1:7001\r\n")
	n.expect("exec", "-EXECABORT Transaction discarded because of previous errors.\r\n")
	n.expect("multi", "+OK\r\n")
	n.expect("mset b 1 {c}b 2", "-CROSSSLOT Keys in request don't hash to the same slot\r\n")
	n.expect("exec", "-EXECABORT Transaction discarded because of previous errors.\r\n")
	// Each alone is fine: EXEC finds out.
	n.expect("multi", "+OK\r\n")
	n.expect("set b 1", "+QUEUED\r\n")
	n.expect("set {c}b 1", "+QUEUED\r\n")
	n.expect("exec", "-CROSSSLOT Keys in request don't hash to the same slot\r\n")
	n.expect("exec", "-ERR EXEC without MULTI\r\n")
	n.expect("watch a", "-MOVED 15495 127.0.0.1:7001\r\n")
	n.expect("watch b {c}b", "-CROSSSLOT Keys in request don't hash to the same slot\r\n")
	n.expect("multi", "+OK\r\n")
	n.expect("cluster failover", "-ERR Command not allowed inside a transaction\r\n")
	n.expect("discard", "+OK\r\n")
	n.expect("multi", "+OK\r\n")
	n.expect("set b 1", "+QUEUED\r\n")
	n.expect("incr b", "+QUEUED\r\n")
	n.expect("dbsize", "+QUEUED\r\n")
	n.expect("cluster countkeysinslot 3300", "+QUEUED\r\n")
	n.expect("exec", "*4\r\n+OK\r\n:2\r\n:1\r\n:1\r\n")
	// The slot moves between queueing and EXEC.
	n.expect("multi", "+OK\r\n")
	n.expect("incr b", "+QUEUED\r\n")
	routing.setMap(newRouting(t, func(uint16) bool { return false }).Map())
	n.expect("exec", "-MOVED 3300 127.0.0.1:7001\r\n")
	n.expect("exec", "-ERR EXEC without MULTI\r\n")
	if n.client.Has(FlagMulti) {
		t.Error("still in MULTI")
	}
}

// TestWatchedSlotMoves: a slot that had another primary meanwhile, or is no
// longer held, aborts; so does a copy that replaces it.
func TestWatchedSlotMoves(t *testing.T) {
	routing := newRouting(t, everySlot)
	n := newTestNode(t, routing, nil)
	there, null := routing.Map(), "*-1\r\n"
	for name, change := range map[string]func(){
		"lost":  func() { routing.setMap(newRoutingEpoch(t, 2, other, slotmap.NodeID("")).Map()) },
		"back":  func() { routing.setMap(newRoutingEpoch(t, 3, self, other).Map()) },
		"copy":  func() { n.d.SlotReplaced(3300) },
		"other": func() { n.d.SlotReplaced(3301) },
	} {
		routing.setMap(there)
		n.run(n.client, "watch b")
		change()
		want := null
		if name == "other" {
			want = "*1\r\n+PONG\r\n"
		}
		if got := n.run(n.client, "multi", "ping", "exec"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if n.d.watches.used() {
		t.Error("watches are left")
	}
}

// TestWatchIsTouchedByEffects: on a replica, and by what is removed in the
// background.
func TestWatchOnReplica(t *testing.T) {
	routing := newRouting(t, func(uint16) bool { return false })
	n := newTestNode(t, routing, nil)
	reader := n.newClient(2)
	n.run(reader, "readonly")
	apply := func(line string) {
		if err := n.d.Apply(3300, 0, bytesOf(strings.Fields(line)), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	for _, effect := range []string{"set b 1", "incr b", "del b", "set b 2 pxat 1", "flushdb"} {
		n.run(reader, "watch b")
		apply(effect)
		if got, want := n.run(reader, "multi", "ping", "exec"), "*-1\r\n"; got != want && effect != "flushdb" {
			t.Errorf("%s: %q", effect, got)
		}
	}
	n.run(reader, "watch b")
	apply("del b")
	apply("set {b}c 1")
	if got, want := n.run(reader, "multi", "ping", "exec"), "*1\r\n+PONG\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDisconnectUnwatches(t *testing.T) {
	n := newTestNode(t, nil, nil)
	c := n.newClient(2)
	n.run(c, "watch a b", "subscribe x", "psubscribe y*", "ssubscribe z")
	if channels, patterns, shards := n.d.pubsub.counts(); channels+patterns+shards != 3 || !n.d.watches.used() {
		t.Fatal("nothing was registered")
	}
	n.d.Disconnected(c)
	if channels, patterns, shards := n.d.pubsub.counts(); channels+patterns+shards != 0 || n.d.watches.used() {
		t.Errorf("left: %d %d %d, watches %d", channels, patterns, shards, n.d.watches.count.Load())
	}
}

func TestPauseHoldsExecThatWrites(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, admin := n.dial(t), n.dial(t)
	c.check("multi", "+OK\r\n")
	c.check("set a 1", "+QUEUED\r\n")
	admin.check("client pause 60000 write", "+OK\r\n")
	c.send("exec\r\n")
	admin.check("get a", "$-1\r\n")
	admin.check("client unpause", "+OK\r\n")
	c.expect("*1\r\n+OK\r\n")
}

func TestQueueIsBounded(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, admin := n.dial(t), n.dial(t)
	admin.check("config set client-query-buffer-limit 1mb", "+OK\r\n")
	c.check("multi", "+OK\r\n")
	c.send(strings.Repeat("set a "+strings.Repeat("x", 1000)+"\r\n", 2000))
	for range 2000 {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		if line != "+QUEUED\r\n" {
			t.Fatalf("%q", line)
		}
	}
	t.Error("2 MB were queued with a limit of 1 MB")
}
