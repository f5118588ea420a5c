// Package threads chooses how many threads may run Go code at the same time.
//
// The Go scheduler wakes an idle thread for nearly every request that arrives
// while another is served. Where cores are few and clients, kernel and server
// share them, these wake-ups cost more than the second thread does: measured
// beside redis-benchmark on two cores, unpipelined, one thread serves 40 % more
// requests a second with a fifth less CPU each, while pipelined at 128 two
// threads serve 50 % more (docs/benchmarks.md). No fixed number is right for
// both, so a Scaler tries and keeps what serves more.
//
// GOMAXPROCS belongs to the whole process, and so do the counters here.
package threads

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"respkv/internal/beat"
)

// Period is how often a Scaler is asked.
const Period = 100 * time.Millisecond

// Long is how long a goroutine may run without a pause before it should say
// Stalled: with one thread everybody else waits for it, and the scheduler takes
// the thread away only after 10 ms. Shorter times by the clock say little on a
// busy machine, where the system takes the thread away for some milliseconds.
const Long = 8 * time.Millisecond

var (
	stalls     atomic.Int64
	background atomic.Int64
)

// Stalled notes that a goroutine ran for Long without a pause. Safe for
// concurrent use; cheap, but not meant for every request.
func Stalled() { stalls.Add(1) }

// Begin notes that work starts that will keep a thread busy for long, beside
// the clients; End that it is over. Meanwhile there are at least two threads.
func Begin() { background.Add(1) }

// End ends what Begin began.
func End() { background.Add(-1) }

// Usage is what a Scaler judges by: totals since any start.
type Usage struct {
	Commands int64         // executed
	CPU      time.Duration // of the process, in user and kernel mode
	Stalls   int64         // calls of Stalled
	Working  bool          // between Begin and End
}

// Govern sets GOMAXPROCS, between 1 and what it is now, until ctx ends; then it
// is what it was. commands returns the commands executed so far. One call at a
// time in a process.
func Govern(ctx context.Context, commands func() int64, log *slog.Logger) {
	most := runtime.GOMAXPROCS(0)
	s := NewScaler(most)
	if s.Threads() == most {
		return
	}
	runtime.GOMAXPROCS(s.Threads())
	defer runtime.GOMAXPROCS(most)
	defer quiet.Store(false)
	last := commands()
	ticker := beat.NewTicker(Period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			was, count := s.Threads(), commands()
			quiet.Store(count >= last && count-last <= few) // CONFIG RESETSTAT begins anew
			last = count
			n := s.Observe(now, Usage{
				Commands: count,
				CPU:      processCPU(),
				Stalls:   stalls.Load(),
				Working:  background.Load() > 0,
			})
			if n != was {
				runtime.GOMAXPROCS(n)
				log.Debug("threads changed", "from", was, "to", n)
			}
		}
	}
}

// processCPU returns the CPU time that the process has used.
func processCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0 // fails for bad arguments only
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
