package resp

import "testing"

// TestDebugListpack shows every kind of packed value, one with deadlines of
// fields too, and refuses others.
func TestDebugListpack(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	c.check("hset h f v", ":1\r\n")
	c.check("debug listpack h", "+Listpack structure written to the log\r\n")
	c.check("hexpire h 1000 fields 1 f", "*1\r\n:1\r\n")
	c.check("object encoding h", bulk("listpackex"))
	c.check("debug listpack h", "+Listpack structure written to the log\r\n")
	c.check("set s v", "+OK\r\n")
	c.check("debug listpack s", "-ERR Not a listpack encoded object.\r\n")
}
