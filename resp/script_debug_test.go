package resp

import (
	"strings"
	"testing"

	"respkv/internal/config"
)

// begin starts a debugging session, and reads where the script stopped first.
func (c *testConn) begin(mode, script string, keys ...string) {
	c.t.Helper()
	c.check("script debug "+mode, "+OK\r\n")
	args := []string{"eval", script, decimalOf(len(keys))}
	if got := c.call(append(args, keys...)...); !strings.Contains(got, "* Stopped at 1") {
		c.t.Fatalf("began with %q", got)
	}
}

func decimalOf(n int) string { return string(decimal(int64(n))) }

const debugEnd = "*1\r\n+<endsession>\r\n"

func TestDebugRefused(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	c.check("script debug maybe", "-"+errScriptDebug+"\r\n")
	c.send(wireCommand("ping") + wireCommand("script", "debug", "yes"))
	c.expect("+PONG\r\n-" + errDebugPipeline + "\r\n")
	c.check("script debug yes", "+OK\r\n")
	c.check("evalsha 1234 0", "-"+errDebugSHA+"\r\n")
	c.check("multi", "+OK\r\n")
	c.check("eval return 0", "+QUEUED\r\n")
	c.check("exec", "*1\r\n-"+errDebugInMulti+"\r\n")
	c.check("script debug no", "+OK\r\n")
	c.check("eval redis.breakpoint() 0", "$-1\r\n")
	c.check("script debug sync", "+OK\r\n")
	c.send(wireCommand("eval", "return 1", "x"))
	c.expect(debugEnd + "-" + errNotInteger + "\r\n")
	c.expectEOF()
}

// TestDebugOnCopy: others neither see what the script changes nor wait for it.
func TestDebugOnCopy(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, other := n.dial(t), n.dial(t)
	other.check("rpush l 1 2 3", ":3\r\n")
	other.check("set k v px 100000", "+OK\r\n")
	other.check("select 3", "+OK\r\n")
	other.check("set elsewhere x", "+OK\r\n")
	other.check("select 0", "+OK\r\n")
	c.begin("yes", "redis.call('del',KEYS[1])\nredis.call('set','new',1)\nreturn {redis.call('dbsize'),redis.call('pttl','k')>0}", "l")
	c.call("s")
	c.call("s")
	other.check("exists l new", ":1\r\n")
	other.check("rpush l 4", ":4\r\n")
	c.check("redis exists l", "*2\r\n+<redis> exists l\r\n+<reply> 0\r\n")
	c.check("redis move new 3", "*2\r\n+<redis> move new 3\r\n+<reply> 1\r\n")
	if got := c.call("redis", "config", "get", "port"); !strings.Contains(got, "not allowed from script") && !strings.Contains(got, "can't call it") {
		t.Errorf("CONFIG: %q", got)
	}
	if got := c.call("redis", "cluster", "info"); !strings.Contains(got, "<error>") {
		t.Errorf("CLUSTER: %q", got)
	}
	c.send(wireCommand("c"))
	c.expect(debugEnd + "*2\r\n:1\r\n:1\r\n")
	c.expectEOF()
	other.check("dbsize", ":2\r\n")
	if sessions := n.d.debugging.Load(); sessions != 0 {
		t.Errorf("%d sessions", sessions)
	}
}

func TestDebugCopyTooLarge(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.LuaMemoryLimit = 2 << 20 }})
	c := n.dial(t)
	for _, key := range []string{"a", "b"} {
		c.check("setrange "+key+" 1500000 x", ":1500001\r\n")
		c.check("config set rdbcompression no", "+OK\r\n")
	}
	c.begin("yes", "return redis.pcall('strlen','b')", "a")
	c.send(wireCommand("c"))
	c.expect(debugEnd + errForkSize + "\r\n")
	c.expectEOF()
}

// TestDebugSync: what the script changes stays, others wait for its keys, and then get BUSY;
// SCRIPT KILL ends it.
func TestDebugSync(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.BusyReplyMillis = 50 }})
	c, other := n.dial(t), n.dial(t)
	c.begin("sync", "redis.call('set',KEYS[1],1)\nreturn redis.call('get',KEYS[1])", "k")
	if got := other.call("get", "k"); got != "-"+errBusyScript+"\r\n" {
		t.Errorf("others get %q", got)
	}
	c.call("s")
	other.check("script kill", "-"+errUnkillable+"\r\n")
	c.send(wireCommand("c"))
	c.expect(debugEnd + "$1\r\n1\r\n")
	c.expectEOF()
	other.check("get k", "$1\r\n1\r\n")

	c = n.dial(t)
	c.begin("sync", "local a = 1\nreturn redis.call('set',KEYS[1],2)", "k")
	if got := other.call("get", "k"); got != "-"+errBusyScript+"\r\n" {
		t.Errorf("others get %q", got)
	}
	other.check("script kill", "+OK\r\n")
	c.expect(debugEnd)
	if got := c.wire(); !strings.HasPrefix(got, "-ERR Script killed by user") {
		t.Errorf("ended with %q", got)
	}
	c.expectEOF()
	other.check("get k", "$1\r\n1\r\n")
}

// TestDebuggerLeaves: with SYNC, a script goes on without its client; on a copy, it ends.
func TestDebuggerLeaves(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.BusyReplyMillis = 100 }})
	other := n.dial(t)
	c := n.dial(t)
	c.begin("sync", "local a = 1\nredis.call('set',KEYS[1],2)", "k")
	c.Close()
	eventually(t, "the script to end", func() bool { return other.call("get", "k") == "$1\r\n2\r\n" })

	c = n.dial(t)
	c.begin("yes", "local a = 1\nwhile true do a = a + 1 end")
	c.Close()
	eventually(t, "the session to end", func() bool { return n.d.debugging.Load() == 0 })

	c = n.dial(t)
	c.begin("sync", "local a = 1\nwhile true do pcall(function() a = a + 1 end) end")
	c.Close()
	eventually(t, "the script to be ended", func() bool { return n.d.debugging.Load() == 0 })
	other.check("get k", "$1\r\n2\r\n")
}

// TestDebugTimeout: a script that runs on for long stops.
func TestDebugTimeout(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.BusyReplyMillis = 50 }})
	for _, mode := range []string{"sync", "yes"} {
		c := n.dial(t)
		c.begin(mode, "local a = 1\nwhile true do\na = a + 1\nend")
		if got := c.call("c"); !strings.Contains(got, "stop reason = timeout reached, infinite loop?") {
			t.Errorf("%s: %q", mode, got)
		}
		if got := c.call("eval", "(function() while true do end end)()"); !strings.Contains(got, "timeout of a command") {
			t.Errorf("%s: %q", mode, got)
		}
		c.Close()
	}
}

func TestDebugProtocol(t *testing.T) {
	n := serveNode(t, servedOptions{})
	for _, bad := range []string{"hello\r\n", "*0\r\n", "*2000\r\n", "*1\r\nx", "*1\r\n$2000\r\n", "*1\r\n$1\r\nabc\r\n", "*-1\r\n"} {
		c := n.dial(t)
		c.begin("yes", "return 1")
		c.send(bad)
		c.expect(debugEnd)
		if got := c.wire(); !strings.HasPrefix(got, "-ERR protocol error") {
			t.Errorf("%q: %q", bad, got)
		}
		c.expectEOF()
	}
	c := n.dial(t)
	c.begin("yes", "return 1")
	for _, part := range []string{"*", "2\r", "\n$1", "\r\n", "p\r\n", "$4\r\nKE", "YS\r\n"} {
		c.send(part)
	}
	c.expect("*1\r\n+<value> {}\r\n")
}
