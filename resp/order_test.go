package resp

import (
	"fmt"
	"runtime"
	"testing"
)

// TestPublishAfterSubscribe: a client subscribes and does not wait for the reply
// before another publishes. Redis promises nothing either, but hardly ever does
// the message get lost there.
func TestPublishAfterSubscribe(t *testing.T) {
	// One thread, as a node has until more serve more commands. Several run
	// connections side by side, and then nobody can say which was first.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	n := serveNode(t, servedOptions{})
	subscriber, publisher := n.dial(t), n.dial(t)
	const rounds = 500
	lost := 0
	for i := range rounds {
		name := fmt.Sprintf("c%03d", i)
		subscriber.send("subscribe " + name + "\r\n")
		reply := publisher.call("publish", name, "x")
		subscriber.expect(fmt.Sprintf("*3\r\n$9\r\nsubscribe\r\n$4\r\n%s\r\n:%d\r\n", name, i+1))
		if reply != ":1\r\n" {
			lost++
			continue
		}
		subscriber.expect("*3\r\n$7\r\nmessage\r\n$4\r\n" + name + "\r\n$1\r\nx\r\n")
	}
	if lost > rounds/10 {
		t.Errorf("%d of %d messages were published before the subscription that had been sent before them", lost, rounds)
	}
}
