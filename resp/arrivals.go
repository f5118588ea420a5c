package resp

import (
	"runtime"
	"sync/atomic"
)

// arrivals lets what two clients sent one right after the other begin in that
// order, as long as the server has time for it.
//
// Of the sockets that become readable while a thread wakes up, the runtime's
// poller runs the last one first. Applications send on one connection and, without
// waiting for the reply, look on another at what came of it: CLIENT SETNAME and
// CLIENT LIST, XREAD BLOCK and XADD. With Redis that works nearly always; here it
// would hardly ever on a server that was idle.
//
// Nothing is promised: threads run side by side, and of three clients the first
// two change places.
type arrivals struct {
	busy     atomic.Bool
	yielding atomic.Bool
}

// busyRate is the number of reads from sockets a second above which that is not done:
// clients that send at the same time are many then, and a yield, 0.2 µs as a rule, may
// wake a thread each time, which takes some 10 µs.
const busyRate = 20_000

// await returns when those have run that were ready to when it was called. Those
// themselves do not wait, which would undo it. The caller holds no lock.
func (a *arrivals) await() {
	if a.busy.Load() || !a.yielding.CompareAndSwap(false, true) {
		return
	}
	runtime.Gosched()
	a.yielding.Store(false)
}
