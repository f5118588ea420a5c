package resp

import (
	"fmt"
	"runtime"
	"testing"
)

// TestArrivalOrder: of two goroutines that became ready together, the poller runs
// the one that came last first. It waits for the other, which does not wait.
func TestArrivalOrder(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const rounds = 400
	inOrder := func(busy bool) (n int) {
		var a arrivals
		a.busy.Store(busy)
		for range rounds {
			came := make(chan string, 2)
			go func() {
				a.await(false)
				came <- "first"
			}()
			a.await(false)
			came <- "second"
			if <-came == "first" {
				n++
			}
			<-came
		}
		return n
	}
	// The scheduler makes an exception every 61st time, and takes the thread away
	// when it likes.
	if n := inOrder(false); n < rounds*3/4 {
		t.Errorf("%d of %d in order", n, rounds)
	}
	if n := inOrder(true); n > rounds/4 {
		t.Errorf("a busy server yields: %d of %d in order", n, rounds)
	}
}

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
