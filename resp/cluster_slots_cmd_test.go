package resp

import (
	"errors"
	"strings"
	"testing"

	"respkv/cluster/slotmap"
)

// slotReplies are those of a node that has all slots. SELF and OTHER stand for
// its ID and for one that nobody has.
var slotReplies = []struct{ line, want string }{
	{"cluster addslots 5", "-ERR Slot 5 is already busy\r\n"},
	{"cluster addslots 16384", "-ERR Invalid or out of range slot\r\n"},
	{"cluster addslots a", "-ERR Invalid or out of range slot\r\n"},
	{"cluster addslots -1", "-ERR Invalid or out of range slot\r\n"},
	{"cluster addslotsrange 5 9", "-ERR Slot 5 is already busy\r\n"},
	{"cluster addslotsrange 9 5", "-ERR start slot number 9 is greater than end slot number 5\r\n"},
	{"cluster addslotsrange 5 9 7", "-ERR wrong number of arguments for 'cluster|addslotsrange' command\r\n"},
	{"cluster delslots 5 5", "-ERR Slot 5 specified multiple times\r\n"},
	{"cluster delslotsrange 5 9 9 10", "-ERR Slot 9 specified multiple times\r\n"},
	{"cluster saveconfig", "+OK\r\n"},
	{"cluster setslot 5 stable", "+OK\r\n"},
	{"cluster setslot 5", "-ERR wrong number of arguments for 'cluster|setslot' command\r\n"},
	{"cluster setslot 5 stable x", "-ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP\r\n"},
	{"cluster setslot 5 node", "-ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP\r\n"},
	{"cluster setslot 5 nothing x", "-ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP\r\n"},
	{"cluster setslot 16384 stable", "-ERR Invalid or out of range slot\r\n"},
	{"cluster setslot 5 node OTHER", "-ERR Unknown node OTHER\r\n"},
	{"cluster setslot 5 migrating OTHER", "-ERR I don't know about node OTHER\r\n"},
	{"cluster setslot 5 importing OTHER", "-ERR I'm already the owner of hash slot 5\r\n"},
	{"cluster setslot 5 node SELF", "+OK\r\n"},
	{"cluster getkeysinslot 5 10", "*0\r\n"},
}

func checkSlotReplies(c *testConn, id string) {
	nobody := strings.Repeat("d", slotmap.NodeIDLen)
	for _, test := range slotReplies {
		replace := strings.NewReplacer("SELF", id, "OTHER", nobody)
		c.check(replace.Replace(test.line), replace.Replace(test.want))
	}
}

// TestSlotsByHand: refusals, as redis-server gives them.
func TestSlotsByHand(t *testing.T) {
	r := newAdminRouting(t, everySlot)
	checkSlotReplies(serveNode(t, servedOptions{routing: r}).dial(t), string(self))
}

func TestSlotsByHandSameAsRedis(t *testing.T) {
	redis := dial(t, "tcp", redisAddr(t, "--cluster-enabled", "yes"))
	redis.call("cluster", "addslotsrange", "0", "16383")
	id := redis.call("cluster", "myid")
	checkSlotReplies(redis, strings.Split(id, "\r\n")[1])
}

func TestSetSlotMoves(t *testing.T) {
	r := newAdminRouting(t, func(slot uint16) bool { return slot < 8192 })
	c := serveNode(t, servedOptions{routing: r}).dial(t)
	for _, test := range []struct{ line, did string }{
		{"cluster setslot 5 migrating " + string(other), "move 5 to " + string(other)},
		{"cluster setslot 5 node " + string(other), "move 5 to " + string(other)},
		{"cluster setslot 9000 importing " + string(other), "begin to move 9000 to " + string(self)},
		{"cluster setslot 9000 node " + string(self), "move 9000 to " + string(self)},
		{"cluster setslot 9000 stable", "keep 9000"},
		{"cluster migrateslots slotsrange 5 9 20 20 node " + string(other), "move 5-9 20 to " + string(other)},
	} {
		c.check(test.line, "+OK\r\n")
		if did := <-r.did; did != test.did {
			t.Errorf("%s: did %s, want %s", test.line, did, test.did)
		}
	}
	c.check("cluster migrateslots slotsrange 5 9 20 node "+string(other), "-ERR wrong number of arguments for 'cluster|migrateslots' command\r\n")
	c.check("cluster migrateslots slots 5 9 node "+string(other), "-ERR syntax error\r\n")
	c.check("cluster migrateslots slotsrange 5 9 node nobody", "-ERR Unknown node nobody\r\n")
	// It is there already, also for one who asks the node that had it.
	c.check("cluster setslot 9000 migrating "+string(other), "+OK\r\n")
	c.check("cluster setslot 9000 migrating "+string(self), "-ERR I'm not the owner of hash slot 9000\r\n")
	r.set(func() { r.err = errors.New("no") })
	c.check("cluster setslot 5 node "+string(other), "-ERR no\r\n")
	<-r.did
	c.check("cluster getkeysinslot 9000 10", "*0\r\n")
}
