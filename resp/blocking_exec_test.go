package resp

import "testing"

// Within EXEC blocking commands do not wait, and who waits for what EXEC writes
// is served at its end.
func TestBlockedAndExec(t *testing.T) {
	n := serveNode(t, servedOptions{})
	giver, c := n.dial(t), n.dial(t)
	c.send(wireCommand("BLPOP", "k", "0"))
	n.awaitBlocked(t, 1)
	giver.check("multi", "+OK\r\n")
	for _, line := range []string{"blpop none 0", "blmove none x left right 0", "rpush k gone", "lpop k", "rpush k a b", "llen k"} {
		giver.check(line, "+QUEUED\r\n")
	}
	giver.check("exec", "*6\r\n*-1\r\n$-1\r\n:1\r\n$4\r\ngone\r\n:2\r\n:2\r\n")
	if got := c.wire(); got != "*2\r\n$1\r\nk\r\n$1\r\na\r\n" {
		t.Errorf("got %q", got)
	}
	giver.check("llen k", ":1\r\n")
	n.awaitUnused(t)
}
