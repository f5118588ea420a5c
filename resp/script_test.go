package resp

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"respkv/internal/config"
)

// eval runs EVAL with keys.
func (n *testNode) eval(client *Client, script string, keys ...string) string {
	n.t.Helper()
	return n.doAs(client, append([]string{"eval", script, fmt.Sprint(len(keys))}, keys...)...)
}

// TestScriptIsOneGroup: what a script writes is one unit, and never the script.
func TestScriptIsOneGroup(t *testing.T) {
	log := &effectLog{}
	n := newTestNode(t, newRouting(t, everySlot), log)
	script := "redis.call('set','{a}1','x') redis.call('incr','{a}2') redis.call('get','{a}1') " +
		"redis.set_repl(redis.REPL_NONE) redis.call('set','{a}3','y') redis.set_repl(redis.REPL_ALL) return redis.call('incr','{a}2')"
	if reply := n.eval(n.client, script, "{a}1"); reply != ":2\r\n" {
		t.Fatalf("reply %q", reply)
	}
	shown := func() (got []string) {
		for _, e := range log.take() {
			got = append(got, e.String()+" "+string('0'+e.flags))
		}
		return got
	}
	want := []string{"SET {a}1 x 1", "incr {a}2 1", "incr {a}2 0"}
	if got := shown(); !slices.Equal(got, want) {
		t.Errorf("effects %q, want %q", got, want)
	}
	n.run(n.client, "multi", "set {a}4 z")
	n.eval(n.client, "return redis.call('incr','{a}2')", "{a}2")
	n.run(n.client, "exec")
	if got := shown(); !slices.Equal(got, []string{"SET {a}4 z 1", "incr {a}2 0"}) {
		t.Errorf("in EXEC: %q", got)
	}
	// An error in the middle leaves what was done.
	n.eval(n.client, "redis.call('incr','{a}2') error('x')", "{a}2")
	if got := shown(); !slices.Equal(got, []string{"incr {a}2 0"}) {
		t.Errorf("with an error: %q", got)
	}
}

// TestScriptInCluster: keys are those of one slot of this node.
func TestScriptInCluster(t *testing.T) {
	n := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	for _, c := range []struct{ script, want string }{
		{"return redis.call('set','{k}2',1)", "+OK"},
		{"return redis.call('set','other',1)", "+OK"},
		{"#!lua\nreturn redis.call('set','other',1)", "-ERR Script attempted to access keys that do not hash to the same slot script:"},
		{"return redis.call('mget','{k}','other')", "-ERR Script attempted to access a non local key in a cluster node script:"},
		{"#!lua flags=allow-cross-slot-keys\nreturn redis.call('set','other',1)", "+OK"},
		{"#!lua flags=no-cluster\nreturn 1", "-ERR Can not run script on cluster, 'no-cluster' flag is set."},
		{"return redis.call('dbsize')", ":"},
		{"redis.call('set','{k}',1) return #redis.call('keys','*')", ":"},
		{"local f = 'dbs'..'ize' return redis.call(f)", ":"},
		{"redis.call('set','{k}',1) return #redis.call('KEYS','*')", ":"},
		{"local f = 'dbs'..'ize' redis.call('set','{k}',1) return redis.call(f)", "-ERR This command looks at all keys"},
	} {
		if got := n.eval(n.client, c.script, "{k}"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
	elsewhere := newTestNode(t, newRouting(t, func(uint16) bool { return false }), nil)
	if got := elsewhere.eval(elsewhere.client, "return 1", "k"); !strings.HasPrefix(got, "-MOVED ") {
		t.Errorf("declared key elsewhere: %q", got)
	}
	if got := elsewhere.eval(elsewhere.client, "return redis.call('get','k')"); !strings.Contains(got, "non local key") {
		t.Errorf("undeclared key elsewhere: %q", got)
	}
	// Where the keys are comes before what is wrong with the script: it may be there.
	sha := strings.Repeat("0", 40)
	for _, c := range []struct {
		node *testNode
		line string
		want string
	}{
		{elsewhere, "evalsha " + sha + " 1 k", "-MOVED "},
		{elsewhere, "evalsha_ro " + sha + " 1 k", "-MOVED "},
		{elsewhere, "eval )( 1 k", "-MOVED "},
		{elsewhere, "fcall none 1 k", "-MOVED "},
		{elsewhere, "fcall_ro none 2 k {k}2", "-MOVED "},
		{elsewhere, "evalsha " + sha + " 0 k", "-" + errNoScript},
		{elsewhere, "fcall none 0", "-" + errNoFunction},
		{elsewhere, "fcall none 2 k", "-" + errNoFunction},
		{n, "evalsha " + sha + " 1 k", "-" + errNoScript},
		{n, "evalsha " + sha + " 2 k other", "-" + errCrossSlot},
		{n, "fcall none 2 k other", "-" + errCrossSlot},
		{n, "eval )( 2 k other", "-" + errCrossSlot},
	} {
		if got := c.node.do(strings.Fields(c.line)...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}

// TestScriptBusy: of a standalone node all clients get BUSY, in a cluster those that
// need what the script holds, and SCRIPT KILL ends it unless it has written.
func TestScriptBusy(t *testing.T) {
	for _, routing := range []Routing{nil, newRouting(t, everySlot)} {
		n := newTestNode(t, routing, nil)
		if err := n.d.config.Set([]config.Pair{{Name: "busy-reply-threshold", Value: "20"}}); err != nil {
			t.Fatal(err)
		}
		n.expect("script kill", "-NOTBUSY No scripts in execution right now.\r\n")
		ended := make(chan string)
		start := func(script string) {
			client := n.newClient(2)
			go func() { ended <- n.eval(client, script, "k") }()
			// Once the script has begun, this waits until it is busy.
			for n.do("get", "k") != "-"+errBusyScript+"\r\n" {
				select {
				case got := <-ended:
					t.Fatalf("ended: %q", got)
				default:
					runtime.Gosched()
				}
			}
		}
		start("while true do pcall(function() while true do end end) end")
		n.expect("get k", "-"+errBusyScript+"\r\n")
		if routing == nil {
			for _, line := range []string{"ping", "get other", "no-such-command", "mget a b", "client list"} {
				want := "-" + errBusyScript + "\r\n"
				if line == "no-such-command" {
					want = "-ERR unknown command 'no-such-command', with args beginning with: \r\n"
				}
				n.expect(line, want)
			}
			// MULTI and EXEC: what is refused spoils the transaction, and so does EXEC itself.
			other := n.newClient(2)
			for _, line := range [][2]string{
				{"multi", "+OK\r\n"}, {"get other", "-" + errBusyScript + "\r\n"},
				{"exec", "-EXECABORT Transaction discarded because of: " + errBusyScript + "\r\n"},
				{"multi", "+OK\r\n"}, {"discard", "+OK\r\n"}, {"unwatch", "+OK\r\n"},
			} {
				if got := n.doAs(other, strings.Fields(line[0])...); !strings.HasPrefix(got, strings.TrimSuffix(line[1], "\r\n")) {
					t.Errorf("%s: %q, want %q", line[0], got, line[1])
				}
			}
		} else {
			n.expect("ping", "+PONG\r\n")
			n.expect("get other", "$-1\r\n")
		}
		n.expect("function kill", "-"+errBusyScript+"\r\n")
		n.expect("script kill", "+OK\r\n")
		if got := <-ended; !strings.HasPrefix(got, "-ERR Script killed by user with SCRIPT KILL...") {
			t.Errorf("killed: %q", got)
		}
		n.expect("get k", "$-1\r\n")
		n.expect("ping", "+PONG\r\n")

		subscriber := n.newClient(2)
		n.doAs(subscriber, "subscribe", "go")
		start("redis.call('set',KEYS[1],1) repeat until redis.call('pubsub','numsub','go')[2] == 0 return 1")
		n.expect("script kill", "-"+errUnkillable+"\r\n")
		n.d.Disconnected(subscriber)
		if got := <-ended; got != ":1\r\n" {
			t.Errorf("after a write: %q", got)
		}
		n.expect("get k", "$1\r\n1\r\n")
	}
}

// TestScriptBusyForWaiters: who began to wait before a script had the lock is let through, and
// who came while the script waited for it itself learns that the script is busy.
func TestScriptBusyForWaiters(t *testing.T) {
	const endless = "while true do pcall(function() while true do end end) end"
	for _, routing := range []Routing{nil, newRouting(t, everySlot)} {
		n := newTestNode(t, routing, nil)
		if err := n.d.config.Set([]config.Pair{{Name: "busy-reply-threshold", Value: "20"}}); err != nil {
			t.Fatal(err)
		}
		g, shard := &n.d.scripts, n.keyOf("{k}").Shard()
		replies := func(args ...string) chan string {
			client, ended := n.newClient(2), make(chan string, 1)
			go func() { ended <- n.doAs(client, args...) }()
			return ended
		}
		until := func(condition func() bool) {
			for !condition() {
				runtime.Gosched()
			}
		}
		waited := func(holder *atomic.Pointer[scriptSignal]) bool {
			script := holder.Load()
			if script == nil {
				return false
			}
			script.mu.Lock()
			defer script.mu.Unlock()
			return script.wake != nil
		}
		busy := "-" + errBusyScript + "\r\n"

		n.store.LockShard(shard)
		before := replies("get", "{k}")
		until(func() bool { return g.waiting[shard].Load() > 0 })
		script := replies("eval", endless, "1", "{k}")
		until(func() bool { return g.holders[shard].Load() != nil })
		after := replies("get", "{k}")
		until(func() bool { return waited(&g.holders[shard]) })
		n.store.UnlockShard(shard)
		if got := <-before; got != "$-1\r\n" {
			t.Errorf("who came before the script: %q", got)
		}
		if got := <-after; got != busy {
			t.Errorf("who came after it: %q", got)
		}
		if got := n.eval(n.client, "return redis.call('get', KEYS[1])", "{k}"); got != busy {
			t.Errorf("another script: %q", got)
		}
		n.expect("script kill", "+OK\r\n")
		<-script

		if routing != nil {
			continue // no command of a cluster has keys of several shards
		}
		g.several.RLock() // as a command with several keys
		script = replies("eval", "#!lua flags=allow-cross-slot-keys\n"+endless, "1", "{k}")
		until(func() bool { return g.exclusive.Load() != nil })
		after = replies("mget", "{k}", "other")
		until(func() bool { return waited(&g.exclusive) })
		g.several.RUnlock()
		if got := <-after; got != busy {
			t.Errorf("who came after a script that is alone: %q", got)
		}
		n.expect("script kill", "+OK\r\n")
		<-script
		for i := range g.holders {
			if g.holders[i].Load() != nil || g.waiting[i].Load() != 0 || g.exclusive.Load() != nil {
				t.Fatal("the gate is not as before")
			}
		}
	}
}

// TestScriptsAreAtomic: scripts that touch keys in any order, undeclared ones too,
// beside transactions and commands with several keys: no deadlock, and nobody sees
// half of a script.
func TestScriptsAreAtomic(t *testing.T) {
	n := newTestNode(t, nil, nil)
	keys := []string{"a", "b", "c", "d", "e"}
	script := "local v = ARGV[1] for _, k in ipairs(cjson.decode(ARGV[2])) do redis.call('set', k, v) end return 1"
	var wg sync.WaitGroup
	for i := range 4 {
		client := n.newClient(2)
		wg.Go(func() {
			for round := range 200 {
				order := slices.Clone(keys)
				rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				value := fmt.Sprintf("%d-%d", i, round)
				switch round % 5 {
				case 0:
					n.doAs(client, "mset", "a", value, "b", value, "c", value, "d", value, "e", value)
				case 2:
					// Seen to read only, it runs beside others; then it writes.
					text := fmt.Sprintf("-- %d-%d\nif ARGV[1] == '' then return redis.call('get', KEYS[1]) end ", i, round) + script
					n.doAs(client, "eval", text, "1", order[0], "", "")
					n.doAs(client, "eval", text, "1", order[0], value, `["`+strings.Join(order, `","`)+`"]`)
				case 3: // declared keys only, as its text shows
					args := append([]string{"eval", "for _, k in ipairs(KEYS) do redis.call('set', k, ARGV[1]) end return 1", "5"}, order...)
					n.doAs(client, append(args, value)...)
				case 1:
					n.doAs(client, "multi")
					n.doAs(client, "eval", script, "0", value, `["`+strings.Join(order, `","`)+`"]`)
					n.doAs(client, "exec")
				default:
					n.doAs(client, "eval", script, "1", order[0], value, `["`+strings.Join(order, `","`)+`"]`)
				}
				got := strings.Split(n.doAs(client, append([]string{"mget"}, order...)...), "\r\n")
				for k := 4; k+1 < len(got); k += 2 {
					if got[k] != got[2] {
						t.Errorf("half of a script: %q", got)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestScriptBesideOthers: on a standalone node, a script that has only read what it
// declared keeps nobody from other keys.
func TestScriptBesideOthers(t *testing.T) {
	n := newTestNode(t, nil, nil)
	if err := n.d.config.Set([]config.Pair{{Name: "busy-reply-threshold", Value: "0"}}); err != nil {
		t.Fatal(err)
	}
	script := "local v = redis.call('get', KEYS[1]) repeat until ARGV[1] == '' or redis.call('pubsub', 'numsub', ARGV[1])[2] > 0 return v"
	n.doAs(n.client, "eval", script, "1", "k", "")
	client, ended := n.newClient(2), make(chan string)
	go func() { ended <- n.doAs(client, "eval", script, "1", "k", "end") }()
	for signals, _ := n.d.scripts.running(); len(signals) == 0; signals, _ = n.d.scripts.running() {
		runtime.Gosched()
	}
	n.expect("mget other another", "*2\r\n$-1\r\n$-1\r\n")
	if got := n.eval(n.client, "return redis.call('incr', KEYS[1])", "other"); got != ":1\r\n" {
		t.Errorf("another script: %q", got)
	}
	if got := n.doAs(n.client, "eval", script, "1", "other", ""); got != "$1\r\n1\r\n" {
		t.Errorf("the same script with another key: %q", got)
	}
	n.doAs(n.newClient(2), "subscribe", "end")
	if got := <-ended; got != "$-1\r\n" {
		t.Errorf("ended: %q", got)
	}
}

// TestScriptBeginsAgain: a script that runs beside others, and is about to write or
// touches what it did not declare, while it can't have the gate, begins again and has
// its effects once.
func TestScriptBeginsAgain(t *testing.T) {
	for _, touch := range []string{"redis.call('incr', ({KEYS[1]})[1])", "redis.call('get', 'undeclared') redis.call('incr', KEYS[1])",
		"redis.call('dbsize') redis.call('incr', KEYS[1])"} {
		n := newTestNode(t, nil, nil)
		script := "if ARGV[1] == 'w' then " + touch + " end return redis.call('get', KEYS[1])"
		n.doAs(n.client, "eval", script, "1", "k", "r")
		n.d.scripts.several.RLock() // as a command with several keys
		client, ended := n.newClient(2), make(chan string)
		go func() { ended <- n.doAs(client, "eval", script, "1", "k", "w") }()
		for n.d.scripts.exclusive.Load() == nil { // until somebody waits for the gate
			runtime.Gosched()
		}
		n.expect("get k", "$-1\r\n") // its lock was given up
		n.d.scripts.several.RUnlock()
		if got := <-ended; got != "$1\r\n1\r\n" {
			t.Errorf("%s: %q", touch, got)
		}
	}
}

// FuzzEval: no script ends the process.
func FuzzEval(f *testing.F) {
	for _, seed := range []string{
		"return redis.call('set',KEYS[1],ARGV[1])", "return cjson.decode(ARGV[1])", "return {cmsgpack.unpack(ARGV[1])}",
		"return {struct.unpack(ARGV[1],ARGV[1])}", "return string.find(ARGV[1],ARGV[1])", "return string.format(ARGV[1],1,2)",
		"#!lua flags=no-writes\nreturn 1", "local function f() return f() + 1 end return f()", "for i=1,3 do local x <const> = 1 end",
		"return {map={a=1},double=1}", "goto x ::x::", "return coroutine.wrap(function() return redis.call('get','k') end)()",
	} {
		f.Add(seed, "abc")
	}
	n := newTestNode(f, nil, nil)
	if err := n.d.config.Set([]config.Pair{{Name: "server.lua_memory_limit", Value: "4mb"}}); err != nil {
		f.Fatal(err)
	}
	if err := n.d.config.Set([]config.Pair{{Name: "busy-reply-threshold", Value: "20"}}); err != nil {
		f.Fatal(err)
	}
	// What runs for ever is killed, even if it has written.
	tick := time.NewTicker(10 * time.Millisecond)
	f.Cleanup(tick.Stop)
	go func() {
		for range tick.C {
			g := &n.d.scripts
			g.mu.Lock()
			for _, run := range g.busy {
				run.engine.Kill()
			}
			g.mu.Unlock()
		}
	}()
	f.Fuzz(func(t *testing.T, script, arg string) {
		n.t = t
		n.doAs(n.client, "eval", script, "1", "k", arg)
	})
}

// FuzzFunctionRestore: no payload ends the process.
func FuzzFunctionRestore(f *testing.F) {
	n := newTestNode(f, nil, nil)
	n.doAs(n.client, "function", "load", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
	f.Add([]byte(n.d.engine.Libraries().Dump()))
	f.Add([]byte("\xf5\x05abcde\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\xf5\xc3\x05\x20\x01ab\x20\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		n.t = t
		n.doAs(n.client, "function", "restore", string(payload), "replace")
	})
}
