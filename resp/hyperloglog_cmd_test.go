package resp

import (
	"slices"
	"strings"
	"testing"
)

// TestCountWithoutCache: PFCOUNT keeps its result in the value only where the
// node may write, since the copies of a value are to be equal.
func TestCountWithoutCache(t *testing.T) {
	primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	primary.expect("PFADD k a b c", ":1\r\n")
	effects := primary.log.take()

	t.Run("replica", func(t *testing.T) {
		n := newTestNode(t, newRouting(t, func(uint16) bool { return false }), &effectLog{})
		n.apply(effects)
		before := n.dump()
		n.expect("READONLY", "+OK\r\n")
		n.expect("PFCOUNT k", ":3\r\n")
		if after := n.dump(); !slices.Equal(before, after) || len(n.log.take()) > 0 {
			t.Errorf("a read on a replica changed %v to %v", before, after)
		}
	})
	t.Run("paused", func(t *testing.T) {
		routing := newRouting(t, everySlot)
		n := newTestNode(t, routing, &effectLog{})
		n.expect("PFADD k a b c", ":1\r\n")
		slot := n.log.take()[0].slot
		routing.pause(slot)
		n.expect("PFCOUNT k", ":3\r\n")
		if logged := n.log.take(); len(logged) > 0 {
			t.Errorf("logged %q while the slot is handed over", logged)
		}
		routing.resume(slot)
		n.expect("PFCOUNT k", ":3\r\n")
		if logged := n.log.take(); len(logged) != 1 || logged[0].String() != "PFCOUNT k" {
			t.Errorf("logged %q", logged)
		}
	})
	t.Run("durable", func(t *testing.T) {
		log := &effectLog{durable: 1} // no replica ever acknowledges
		n := newTestNode(t, newRouting(t, everySlot), log)
		if reply := n.do("PFADD", "k", "a"); !strings.HasPrefix(reply, "-NOREPLICAS") {
			t.Errorf("PFADD: %q", reply)
		}
		n.expect("PFCOUNT k", ":1\r\n") // is a read
	})
}

// TestWatchedByMergeAlone: a PFMERGE without sources writes its key, too.
func TestWatchedByMergeAlone(t *testing.T) {
	n := newTestNode(t, nil, nil)
	other := n.newClient(2)
	n.expect("WATCH k", "+OK\r\n")
	n.doAs(other, "PFMERGE", "k")
	n.expect("MULTI", "+OK\r\n")
	n.expect("PING", "+QUEUED\r\n")
	n.expect("EXEC", "*-1\r\n")
}
