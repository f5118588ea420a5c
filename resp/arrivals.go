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
// Commands whose outcome lies in what other connections have asked for, PUBLISH
// first of all, step behind what is ready however busy the server is.
//
// Nothing is promised: threads run side by side, and of three clients the first
// two change places.
type arrivals struct {
	busy     atomic.Bool
	yielding atomic.Bool
}

// busyRate is the number of reads from sockets a second above which that is not done
// for commands of all kinds: clients that send at the same time are many then, and a
// yield, 0.2 µs as a rule, may wake a thread each time, which takes some 10 µs.
const busyRate = 20_000

// await returns when those have run that were ready to when it was called; heeds: the
// commands go by what others have asked for. Those themselves do not wait, which would
// undo it. The caller holds no lock.
func (a *arrivals) await(heeds bool) {
	if a.busy.Load() && !heeds {
		return
	}
	first := a.yielding.CompareAndSwap(false, true)
	if first || heeds {
		runtime.Gosched()
	}
	if heeds {
		runtime.Gosched() // the scheduler takes every 61st goroutine from the end of its line
	}
	if first {
		a.yielding.Store(false)
	}
}
