package resp

import (
	"strings"
	"testing"

	"respkv/internal/config"
)

// MEMORY PURGE gives back what deleted keys leave behind, without waiting for the
// background.
func TestMemoryPurge(t *testing.T) {
	oneGoroutine(t)
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.check("debug pause-cron 1", "+OK\r\n")
	c.check("debug populate 50000 key 1000", "+OK\r\n")
	full := n.store.Memory(false)
	for i := range 50000 {
		if i%10 != 0 {
			c.send(wireCommand("del", "key:"+itoa(i)))
		}
		if i%1000 == 999 {
			for range 900 {
				c.wire()
			}
		}
	}
	before := n.store.Memory(false)
	c.check("memory purge", "+OK\r\n")
	after := n.store.Memory(false)
	t.Logf("resident: %d MB full, %d MB before, %d MB after, %d MB of data", full.Resident>>20, before.Resident>>20, after.Resident>>20, after.Data>>20)
	if after.Resident > before.Resident/3 || after.Free > before.Free/2 {
		t.Errorf("%d bytes resident, %d free; before %d, %d", after.Resident, after.Free, before.Resident, before.Free)
	}
	if got := c.call("memory", "stats"); !strings.Contains(got, "keys.count\r\n:5000\r\n") {
		t.Errorf("MEMORY STATS %q", got)
	}
}

// What DEBUG POPULATE adds is replicated, and so is nothing else.
func TestPopulateIsReplicated(t *testing.T) {
	repl := &fakeReplicator{}
	n := serveNode(t, servedOptions{repl: repl})
	c := n.dial(t)
	c.check("set p:1 mine", "+OK\r\n")
	c.check("debug populate 3 p", "+OK\r\n")
	c.check("get p:1", "$4\r\nmine\r\n")
	c.check("get p:2", "$7\r\nvalue:2\r\n")
	var sets []string
	repl.mu.Lock()
	for _, e := range repl.effects {
		sets = append(sets, strings.ToLower(e.String()))
	}
	repl.mu.Unlock()
	if got := strings.Join(sets, ", "); got != "set p:1 mine, set p:0 value:0, set p:2 value:2" {
		t.Errorf("effects: %s", got)
	}
}

// While clients are paused nothing expires, by itself or by being read.
func TestPauseKeepsExpired(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.Hz = 100 }})
	c := n.dial(t)
	c.check("debug set-active-expire 0", "+OK\r\n") // until it is paused
	c.check("psetex k 20 v", "+OK\r\n")
	c.check("client pause 100000 write", "+OK\r\n")
	c.check("debug set-active-expire 1", "+OK\r\n")
	eventually(t, "k is past its deadline", func() bool { return c.call("get", "k") == "$-1\r\n" })
	c.check("dbsize", ":1\r\n")
	if got := c.infoField("expired_keys", "info", "stats"); got != "0" {
		t.Errorf("%s keys expired", got)
	}
	c.check("client unpause", "+OK\r\n")
	eventually(t, "k is gone", func() bool { return c.call("dbsize") == ":0\r\n" })
}
