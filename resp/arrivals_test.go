package resp

import (
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
				a.await()
				came <- "first"
			}()
			a.await()
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
