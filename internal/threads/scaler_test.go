package threads

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// machine is a load and what it gets from a number of threads.
type machine struct {
	rate func(threads int) float64 // commands a second
	use  func(threads int) float64 // cores

	now   time.Time
	u     Usage
	s     *Scaler
	spent map[int]time.Duration
}

func newMachine(most int) *machine {
	return &machine{s: NewScaler(most), now: time.Unix(1000, 0), spent: map[int]time.Duration{}}
}

// run lets d pass and returns the threads at the end.
func (m *machine) run(d time.Duration) int {
	clear(m.spent)
	for end := m.now.Add(d); m.now.Before(end); {
		n := m.s.Threads()
		m.now = m.now.Add(Period)
		m.u.Commands += int64(m.rate(n) * Period.Seconds())
		m.u.CPU += time.Duration(m.use(n) * float64(Period))
		m.spent[n] += Period
		m.s.Observe(m.now, m.u)
	}
	return m.s.Threads()
}

func table(values ...float64) func(int) float64 {
	return func(threads int) float64 { return values[min(threads, len(values))-1] }
}

// Unpipelined clients on the same two cores: a second thread costs more than it
// brings, though the first is busy.
func TestScalerKeepsOneThread(t *testing.T) {
	m := newMachine(2)
	m.rate, m.use = table(80e3, 55e3), table(0.95, 0.8)
	if n := m.run(time.Minute); n != 1 {
		t.Fatalf("%d threads, want 1", n)
	}
	if m.spent[2] > 3*time.Second {
		t.Errorf("two threads for %v of a minute: trials must become rare", m.spent[2])
	}
}

// Deep pipelines, many cores: each doubling serves more.
func TestScalerTakesAllThreads(t *testing.T) {
	m := newMachine(8)
	m.rate, m.use = table(1e6, 1.6e6, 1.6e6, 2.4e6, 2.4e6, 2.4e6, 2.4e6, 3e6), table(1, 1.9, 1.9, 3.7, 3.7, 3.7, 3.7, 7.2)
	if n := m.run(10 * time.Second); n != 8 {
		t.Fatalf("%d threads, want 8", n)
	}
}

func TestScalerFollowsTheLoad(t *testing.T) {
	m := newMachine(2)
	pipelined := func() { m.rate, m.use = table(1e6, 1.6e6), table(1, 1.8) }
	single := func() { m.rate, m.use = table(80e3, 55e3), table(0.95, 0.8) }
	idle := func() { m.rate, m.use = table(10, 10), table(0.01, 0.01) }
	single()
	m.run(time.Minute)
	pipelined()
	if n := m.run(3 * time.Second); n != 2 {
		t.Fatalf("pipelined: %d threads, want 2", n)
	}
	single()
	if m.run(10 * time.Second); m.spent[1] < 7*time.Second {
		t.Fatalf("single commands: two threads for %v of 10 s", m.spent[2])
	}
	pipelined()
	m.run(3 * time.Second)
	idle()
	if n := m.run(time.Second); n != 1 {
		t.Fatalf("idle: %d threads, want 1", n)
	}
}

// A script that runs for seconds: no rate to compare, the other clients need a
// thread.
func TestScalerGivesHeavyCommandsThreads(t *testing.T) {
	m := newMachine(2)
	m.rate, m.use = table(0, 0), table(1, 1)
	if n := m.run(300 * time.Millisecond); n != 2 {
		t.Fatalf("%d threads, want 2", n)
	}
}

func TestScalerHoldsAfterStall(t *testing.T) {
	m := newMachine(2)
	m.rate, m.use = table(1000, 1000), table(0.1, 0.1)
	m.run(time.Second)
	m.u.Stalls++
	if n := m.run(2 * Period); n != 2 {
		t.Fatalf("after a stall: %d threads, want 2", n)
	}
	if n := m.run(hold - time.Second); n != 2 {
		t.Fatalf("shortly after a stall: %d threads, want 2", n)
	}
	if n := m.run(2 * time.Second); n != 1 {
		t.Fatalf("long after a stall: %d threads, want 1", n)
	}
	m.u.Working = true
	if n := m.run(2 * hold); n != 2 {
		t.Fatalf("with work in the background: %d threads, want 2", n)
	}
}

func TestScalerOneCore(t *testing.T) {
	m := newMachine(1)
	m.rate, m.use = table(1000), table(1)
	m.u.Working = true
	if n := m.run(time.Minute); n != 1 {
		t.Fatalf("%d threads, want 1", n)
	}
}

func TestGovernRestores(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	if before == 1 {
		runtime.GOMAXPROCS(2)
		defer runtime.GOMAXPROCS(1)
		before = 2
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Govern(ctx, func() int64 { asked <- struct{}{}; return 0 }, slog.New(slog.DiscardHandler))
	}()
	<-asked
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("governed: %d threads, want 1", n)
	}
	cancel()
	<-ended
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("afterwards: %d threads, want %d", n, before)
	}
}

// TestGovernTellsQuiet: rests are short only where hardly any commands come.
func TestGovernTellsQuiet(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
		defer runtime.GOMAXPROCS(1)
	}
	var busy atomic.Bool
	var n atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Govern(ctx, func() int64 {
			if busy.Load() {
				return n.Add(few + 1)
			}
			return n.Load()
		}, slog.New(slog.DiscardHandler))
	}()
	for _, want := range []bool{true, false, true} {
		busy.Store(!want)
		for stop := time.Now().Add(time.Minute); quiet.Load() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(stop) {
				t.Fatalf("not quiet: %v", want)
			}
		}
	}
	cancel()
	<-ended
	if quiet.Load() {
		t.Error("quiet without Govern")
	}
}
