package resp

import "testing"

// TestMigrateAfterMove: whoever moves a slot by hand sends MIGRATE to the node
// that had it, when the keys have gone with the slot.
func TestMigrateAfterMove(t *testing.T) {
	n := newTestNode(t, newRouting(t, firstHalf), nil)
	n.expect("migrate 127.0.0.1 7001 a 0 10", "+NOKEY\r\n")
	if got := n.do("migrate", "127.0.0.1", "7001", "", "0", "10", "keys", "a", "{a}2"); got != "+NOKEY\r\n" {
		t.Errorf("several keys: %q", got)
	}
	n.expect("migrate 127.0.0.1 7002 a 0 10", "-MOVED 15495 127.0.0.1:7001\r\n")
	n.expect("migrate 127.0.0.2 7001 a 0 10", "-MOVED 15495 127.0.0.1:7001\r\n")
	n.expect("get a", "-MOVED 15495 127.0.0.1:7001\r\n")
}
