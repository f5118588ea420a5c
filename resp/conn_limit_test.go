package resp

import (
	"strings"
	"testing"
	"time"
)

// Redis counts replies before it writes them: past the hard limit a client is
// closed although it reads, and sees nothing of them.
func TestReplyOverOutputLimit(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.check("config set client-output-buffer-limit", "-ERR wrong number of arguments for 'config|set' command\r\n")
	c.call("set", "k", strings.Repeat("x", 200_000))
	c.call("set", "short", strings.Repeat("x", 90_000))
	c.call("hset", "h", "f", strings.Repeat("x", 1000))
	c.call("config", "set", "client-output-buffer-limit", "normal 100000 0 0")
	for _, line := range []string{"get k", "mget short short", "hrandfield h -1000000000 withvalues"} {
		victim := n.dial(t)
		victim.check("ping", "+PONG\r\n")
		victim.send(wireCommand(strings.Fields(line)...))
		victim.expectEOF()
	}
	c.check("strlen k", ":200000\r\n")
	if got := c.call("get", "short"); len(got) < 90_000 {
		t.Errorf("a reply below the limit: %d bytes", len(got))
	}
	if got := c.infoField("client_output_buffer_limit_disconnections", "info", "stats"); got != "3" {
		t.Errorf("%s clients cut off", got)
	}
}

// CLIENT PAUSE keeps keys past their deadline, which are gone all the same.
func TestPauseFreezesData(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.do("SET", "a", "1", "PX", "1")
	n.do("HSET", "h", "f", "1", "g", "2")
	n.do("HPEXPIRE", "h", "1", "FIELDS", "1", "f")
	n.d.server.Pause(PauseWrite, time.Now().Add(time.Hour))
	eventually(t, "a is gone", func() bool { return n.do("EXISTS", "a") == ":0\r\n" })
	eventually(t, "f is gone", func() bool { return n.do("HEXISTS", "h", "f") == ":0\r\n" })
	n.d.cron.expire(n.d, time.Second)
	n.expect("SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nh\r\n")
	n.expect("DBSIZE", ":2\r\n")
	n.d.server.Unpause()
	n.expect("EXISTS a", ":0\r\n")
	n.expect("DBSIZE", ":1\r\n")
}
