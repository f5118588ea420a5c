package threads

import (
	"runtime"
	"time"
)

const (
	// breaths is how many steps of long work are done for each real rest: about
	// half of the time of one processor goes to the work, at most.
	breaths = 4
	rest    = time.Millisecond
)

// Breathe lets others go on between two steps of work that takes long, each a few
// 100 µs; step counts them. The caller holds no lock. Who waits for one that was
// given up gets it now: without this, the lock would be taken again before they
// run. And as long as there is one thread only, nobody looks for new requests
// while a goroutine just yields, so every few steps it rests.
func Breathe(step int) {
	if step%breaths == breaths-1 {
		time.Sleep(rest)
		return
	}
	runtime.Gosched()
}
