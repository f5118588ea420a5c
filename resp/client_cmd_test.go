package resp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"respkv/cluster/hashslot"
)

// clientIDOf asks for the number of a connection.
func clientIDOf(c *testConn) string { return strings.Trim(c.call("client", "id"), ":\r\n") }

func TestClientNameAndInfo(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	c.check("client setname me", "+OK\r\n")
	c.check("client setinfo lib-name redis-py", "+OK\r\n")
	c.check("client setinfo LIB-VER 1.0", "+OK\r\n")
	c.check("client setinfo other x", "-ERR Unrecognized option 'other'\r\n")
	if got := c.call("client", "setinfo", "lib-ver", "a b"); got != "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n" {
		t.Errorf("got %q", got)
	}
	c.check("select 2", "+OK\r\n")
	c.check("client no-touch on", "+OK\r\n")
	info := c.call("client", "info")
	for _, want := range []string{" name=me ", " db=2 ", " flags=T ", " cmd=client|info ", " user=default ", " lib-name=redis-py ", " lib-ver=1.0\n"} {
		if !strings.Contains(info, want) {
			t.Errorf("CLIENT INFO %q lacks %q", info, want)
		}
	}
	c.check("reset", "+RESET\r\n")
	info = c.call("client", "info")
	for _, want := range []string{" name= ", " db=0 ", " flags=N ", " resp=2 "} {
		if !strings.Contains(info, want) {
			t.Errorf("after RESET, CLIENT INFO %q lacks %q", info, want)
		}
	}
}

func TestClientList(t *testing.T) {
	n := serveNode(t, servedOptions{})
	a, b := n.dial(t), n.dial(t)
	idA, idB := clientIDOf(a), clientIDOf(b)
	lines := func(args ...string) (ids []string) {
		for line := range strings.Lines(a.call(append([]string{"client", "list"}, args...)...)) {
			if id, _, ok := strings.Cut(line, " "); ok && strings.HasPrefix(id, "id=") {
				ids = append(ids, id[3:])
			}
		}
		return ids
	}
	for args, want := range map[string][]string{
		"": {idA, idB}, "type normal": {idA, idB}, "type pubsub": nil, "type replica": nil, "type master": nil,
		"id " + idB: {idB}, "id " + idB + " " + idA + " 999": {idB, idA},
	} {
		if got := lines(strings.Fields(args)...); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("CLIENT LIST %s: %v, want %v", args, got, want)
		}
	}
}

func TestClientKill(t *testing.T) {
	n := serveNode(t, servedOptions{})
	self := n.dial(t)
	victim := func() *testConn {
		c := n.dial(t)
		c.check("ping", "+PONG\r\n")
		return c
	}
	a := victim()
	self.check("client kill "+a.LocalAddr().String(), "+OK\r\n")
	a.expectEOF()
	a = victim()
	self.check("client kill id "+clientIDOf(a), ":1\r\n")
	a.expectEOF()
	a = victim()
	self.check("client kill addr "+a.LocalAddr().String()+" user default type normal", ":1\r\n")
	a.expectEOF()
	a = victim()
	self.check("client kill maxage 1000", ":0\r\n")
	self.check("client kill maxage 0", "-ERR maxage should be greater than 0\r\n")
	self.check("client kill maxage x", "-ERR maxage is not an integer or out of range\r\n")
	self.check("client kill type pubsub", ":0\r\n")
	self.check("client kill laddr "+n.addr, ":1\r\n") // not the caller
	a.expectEOF()
	a = victim()
	self.check("client kill laddr "+n.addr+" skipme no", ":2\r\n") // the caller gets its reply
	a.expectEOF()
	self.expectEOF()
}

func TestClientReply(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	c.send("client reply skip\r\nping\r\nping a\r\n")
	c.expect("$1\r\na\r\n")
	c.send("client reply off\r\nping\r\nclient reply skip\r\nping\r\nclient reply on\r\n")
	c.expect("+OK\r\n")
	c.send("client reply skip\r\nreset\r\nping\r\n")
	c.expect("+PONG\r\n")
	c.send("client reply off\r\nreset\r\nping\r\n")
	c.expect("+RESET\r\n+PONG\r\n")
}

func TestClientPause(t *testing.T) {
	n := serveNode(t, servedOptions{})
	admin, writer, reader := n.dial(t), n.dial(t), n.dial(t)
	admin.check("client pause 100000 write", "+OK\r\n")
	reader.check("get a", "$-1\r\n")
	writer.send(wireCommand("set", "a", "b"))
	eventually(t, "the write waits", func() bool { return n.d.server.Stats().BlockedClients == 1 })
	reader.check("get a", "$-1\r\n")
	// CLIENT UNBLOCK is for blocking commands.
	admin.check("client unblock "+itoa(int(writerID(n, writer))), ":0\r\n")
	admin.check("client unpause", "+OK\r\n")
	writer.expect("+OK\r\n")
	reader.check("get a", "$1\r\nb\r\n")
	admin.check("client pause 30", "+OK\r\n") // ends by itself
	reader.check("get a", "$1\r\nb\r\n")
}

// TestPauseOfScripts holds scripts back by what they say of themselves, in
// transactions too.
func TestPauseOfScripts(t *testing.T) {
	n := serveNode(t, servedOptions{})
	admin, c := n.dial(t), n.dial(t)
	const library = "#!lua name=l\nredis.register_function{function_name='r', callback=function() return 1 end, flags={'no-writes'}}\n" +
		"redis.register_function('w', function() return 1 end)"
	admin.send(wireCommand("function", "load", library))
	admin.expect("$1\r\nl\r\n")
	admin.check("client pause 100000 write", "+OK\r\n")
	reads := [][]string{
		{"eval", "#!lua flags=no-writes\nreturn 1", "0"}, {"fcall", "r", "0"}, {"fcall_ro", "r", "0"}, {"eval_ro", "return 1", "0"},
	}
	for _, args := range reads {
		c.send(wireCommand(args...))
		c.expect(":1\r\n")
	}
	transaction := func(args []string) string {
		return wireCommand("multi") + wireCommand(args...) + wireCommand("exec")
	}
	for _, args := range reads {
		c.send(transaction(args))
		c.expect("+OK\r\n+QUEUED\r\n*1\r\n:1\r\n")
	}
	for i, args := range [][]string{{"eval", "return 1", "0"}, {"eval", "#!lua\nreturn 1", "0"}, {"fcall", "w", "0"}} {
		for _, text := range []string{wireCommand(args...), transaction(args)} {
			w := n.dial(t)
			w.send(text)
			eventually(t, fmt.Sprintf("script %d waits", i), func() bool { return n.d.server.Stats().BlockedClients == 1 })
			w.Close()
			eventually(t, "it is gone", func() bool { return n.d.server.Stats().BlockedClients == 0 })
		}
	}
	admin.check("client unpause", "+OK\r\n")
}

// writerID finds the number of a connection that can't be asked.
func writerID(n *servedNode, c *testConn) uint64 {
	for _, client := range n.d.server.Clients().All() {
		if client.Addr() == c.LocalAddr().String() {
			return client.ID
		}
	}
	return 0
}

func TestPingOfSubscriber(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	id := clientIDOf(c)
	n.d.server.Clients().Find(uint64(id[0]-'0')).SetFlag(FlagPubSub, true)
	c.check("ping", "*2\r\n$4\r\npong\r\n$0\r\n\r\n")
	c.check("ping a", "*2\r\n$4\r\npong\r\n$1\r\na\r\n")
	c.check("hello 3", "-ERR Can't execute 'hello': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n")
	c.check("reset", "+RESET\r\n")
	c.call("hello", "3")
	n.d.server.Clients().Find(uint64(id[0]-'0')).SetFlag(FlagPubSub, true)
	c.check("ping", "+PONG\r\n")
}

func TestWaitWithoutReplication(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, admin := n.dial(t), n.dial(t)
	c.check("set a b", "+OK\r\n")
	c.check("wait 0 0", ":0\r\n")
	c.check("wait 1 20", ":0\r\n")
	id := clientIDOf(c)
	c.send(wireCommand("wait", "1", "0")) // a replica may come
	eventually(t, "the client waits", func() bool { return n.d.server.Stats().BlockedClients == 1 })
	admin.check("client unblock "+id, ":1\r\n")
	c.expect(":0\r\n")
}

// TestWaitForLostSlot: what was written to a slot that has another primary now is
// answered for once, by what is known, and holds up no wait, also of no time limit.
func TestWaitForLostSlot(t *testing.T) {
	repl := &fakeReplicator{}
	n := serveNode(t, servedOptions{repl: repl})
	c := n.dial(t)
	slot := hashslot.Slot([]byte("a"))
	lose := func(lost bool) {
		if lost {
			repl.gone.Store(slot, true)
		} else {
			repl.gone.Delete(slot)
		}
	}
	asked := func() int {
		repl.wait.Lock()
		defer repl.wait.Unlock()
		return len(repl.asked)
	}
	// The slot goes while the client waits; another one first, which is nothing to it.
	c.check("set a b", "+OK\r\n")
	c.send(wireCommand("wait", "1", "0"))
	eventually(t, "the client waits", func() bool { return n.d.server.Stats().BlockedClients == 1 })
	n.d.PrimarySlotsLost(func(s uint16) bool { return s == slot+1 })
	repl.wait.Lock()
	ended := repl.ended
	repl.wait.Unlock()
	if ended > 1 { // the look at the start
		t.Errorf("%d waits ended for a slot of others", ended)
	}
	lose(true)
	n.d.PrimarySlotsLost(func(s uint16) bool { return s == slot })
	c.expect(":0\r\n")
	// It is in the next answer, then forgotten.
	c.check("set {b} b", "+OK\r\n")
	c.check("wait 1 0", ":0\r\n")
	if n := asked(); n != 2 {
		t.Errorf("waited for %d slots, want 2", n)
	}
	repl.ack(1)
	c.check("wait 1 0", ":1\r\n")
	if n := asked(); n != 1 {
		t.Errorf("waited for %d slots, want 1", n)
	}
	repl.ack(0)
	lose(false)
	c.check("set a c", "+OK\r\n")
	c.check("wait 0 0", ":0\r\n")
	if n := asked(); n != 2 {
		t.Errorf("waited for %d slots, want 2", n)
	}
}

func TestWait(t *testing.T) {
	repl := &fakeReplicator{info: ReplicationInfo{Replicas: []ReplicaLink{
		{Host: "10.0.0.1", Port: 7001, State: "online", Offset: 5}, {Host: "10.0.0.2", Port: 7002, State: "send_bulk"}}}}
	n := serveNode(t, servedOptions{repl: repl})
	c, admin := n.dial(t), n.dial(t)
	c.check("wait 5 0", ":1\r\n") // nothing written: every online replica has it all
	c.check("role", "*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$8\r\n10.0.0.1\r\n$4\r\n7001\r\n$1\r\n5\r\n")
	c.check("set {a} b", "+OK\r\n")
	c.check("wait 0 0", ":0\r\n")
	c.check("wait 1 20", ":0\r\n") // times out

	c.send(wireCommand("wait", "1", "0"))
	eventually(t, "the client waits", func() bool { return n.d.server.Stats().BlockedClients == 1 })
	repl.ack(2)
	c.expect(":2\r\n")
	// What was waited for once counts again; another slot is added.
	c.check("set {b} b", "+OK\r\n")
	c.check("wait 1 0", ":2\r\n")
	repl.wait.Lock()
	marks := len(repl.asked)
	repl.wait.Unlock()
	if marks != 2 {
		t.Errorf("waited for %d slots, want 2", marks)
	}

	// CLIENT UNBLOCK, both ways.
	id := clientIDOf(c)
	for how, want := range map[string]string{"timeout": ":2\r\n", "error": "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"} {
		c.send(wireCommand("wait", "3", "0"))
		eventually(t, "the client waits", func() bool { return n.d.blocked.find(uint64(id[0]-'0')) != nil })
		admin.check("client unblock "+id+" "+how, ":1\r\n")
		c.expect(want)
		c.check("ping", "+PONG\r\n")
		eventually(t, "the work ended", func() bool { return n.d.blocked.find(uint64(id[0]-'0')) == nil })
	}
	admin.check("client unblock "+id, ":0\r\n")

	// A client that leaves does not leave the work behind.
	repl.wait.Lock()
	ended := repl.ended
	repl.wait.Unlock()
	c.send(wireCommand("wait", "3", "0"))
	eventually(t, "the client waits", func() bool { return n.d.blocked.find(uint64(id[0]-'0')) != nil })
	c.Close()
	eventually(t, "the work ended", func() bool {
		repl.wait.Lock()
		defer repl.wait.Unlock()
		return repl.ended == ended+1
	})
}

func TestConfigTakesEffect(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.check("config set maxclients 77 timeout 5 tcp-keepalive 9 proto-max-bulk-len 2000000", "+OK\r\n")
	if l := n.d.server.Limits(); l.MaxClients != 77 || l.Timeout != 5*time.Second || l.KeepAlive != 9*time.Second || l.MaxBulk != 2000000 {
		t.Errorf("limits %+v", l)
	}
	if got := c.call("config", "set", "client-output-buffer-limit", "pubsub 10000000 0 0"); got != "+OK\r\n" {
		t.Errorf("client-output-buffer-limit: %q", got)
	}
	if o := n.d.server.Limits().Output[ClassPubSub]; o.HardBytes != 10000000 || o.SoftBytes != 0 {
		t.Errorf("output limit %+v", o)
	}
	c.check("setrange a 1999999 x", ":2000000\r\n")
	c.check("setrange a 2000000 x", "-"+errStringTooLong+"\r\n")
	c.check("config set maxmemory 1", "+OK\r\n")
	c.check("set b c", "-"+errOOM+"\r\n")
	c.check("config set maxmemory 0", "+OK\r\n")
	c.check("set b c", "+OK\r\n")
	c.check("config set maxmemory-policy allkeys-lfu", "+OK\r\n")
	c.check("object freq b", ":0\r\n")
}
