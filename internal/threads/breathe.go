package threads

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// breaths is how many steps of long work are done for each real rest: about
	// half of the time of one processor goes to the work, at most.
	breaths = 4
	rest    = time.Millisecond
	// shortRest is for when hardly any commands come: it lets those in that do.
	shortRest = 100 * time.Microsecond
	// few is up to how many commands in a Period are hardly any.
	few = 10
)

// quiet says that there were few commands in the last Period.
var quiet atomic.Bool

// Breathe lets others go on between two steps of work that takes long, each a few
// 100 µs; step counts them. The caller holds no lock. Who waits for one that was
// given up gets it now: without this, the lock would be taken again before they
// run. And as long as there is one thread only, nobody looks for new requests
// while a goroutine just yields, so every few steps it rests: shortly, where Govern has
// seen that there are hardly any.
func Breathe(step int) {
	if step%breaths == breaths-1 {
		if quiet.Load() {
			time.Sleep(shortRest)
		} else {
			time.Sleep(rest)
		}
		return
	}
	runtime.Gosched()
}
