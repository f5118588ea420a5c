package resp

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// CommandStats counts the calls of one command. Safe for concurrent use.
type CommandStats struct {
	calls    atomic.Int64
	nanos    atomic.Int64
	rejected atomic.Int64              // refused before it ran
	failed   atomic.Int64              // ran and replied with an error
	took     atomic.Pointer[histogram] // nil: nothing was observed
}

func (s *CommandStats) add(calls int, took time.Duration) {
	s.calls.Add(int64(calls))
	s.nanos.Add(int64(took))
}

// observe adds calls to the distribution of durations.
func (s *CommandStats) observe(calls int, took time.Duration) {
	h := s.took.Load()
	if h == nil {
		s.took.CompareAndSwap(nil, new(histogram))
		if h = s.took.Load(); h == nil {
			return // reset meanwhile
		}
	}
	h.add(calls, took)
}

func (s *CommandStats) reset() {
	s.took.Store(nil)
	s.calls.Store(0)
	s.nanos.Store(0)
	s.rejected.Store(0)
	s.failed.Store(0)
}

// commandCounters are the counters of INFO stats that belong to commands. Safe
// for concurrent use.
type commandCounters struct {
	commands atomic.Int64
	hits     atomic.Int64
	misses   atomic.Int64
	errors   atomic.Int64
	dirty    atomic.Int64 // changes since the process started

	sanitized atomic.Int64 // payloads that RESTORE looked into

	mu      sync.Mutex
	byError map[string]int64 // guarded by mu: replies by error prefix
}

// errorKinds bounds the number of distinct prefixes that are counted: a script
// may make up any number of them.
const errorKinds = 128

// countError counts an error reply by its first word.
func (s *commandCounters) countError(reply []byte) {
	end := 0
	for end < len(reply) && reply[end] != ' ' && reply[end] != '\r' {
		end++
	}
	s.errors.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byError == nil {
		s.byError = make(map[string]int64)
	}
	if _, known := s.byError[string(reply[:end])]; known || len(s.byError) < errorKinds {
		s.byError[string(reply[:end])]++
	}
}

// errorCounts returns the counters of errors, ordered by prefix.
func (s *commandCounters) errorCounts() (names []string, counts []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.byError {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		counts = append(counts, s.byError[name])
	}
	return names, counts
}

func (s *commandCounters) reset() {
	s.commands.Store(0)
	s.hits.Store(0)
	s.misses.Store(0)
	s.errors.Store(0)
	s.sanitized.Store(0)
	s.mu.Lock()
	clear(s.byError)
	s.mu.Unlock()
}

// rates are the instantaneous_* fields of INFO: means over the last samples,
// taken by the server's cron.
type rates struct {
	mu      sync.Mutex
	samples [rateMetrics][rateSamples]float64 // guarded by mu, as all below
	last    [rateMetrics]int64
	at      time.Time
	next    int
}

const (
	rateCommands = iota
	rateReads
	rateInput
	rateOutput
	rateReplInput
	rateReplOutput
	rateMetrics

	rateSamples = 16 // as Redis: 1.6 s at ten samples a second
)

// sample takes the current totals.
func (r *rates) sample(now time.Time, totals [rateMetrics]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() {
		if seconds := now.Sub(r.at).Seconds(); seconds > 0 {
			for i := range totals {
				r.samples[i][r.next] = float64(max(0, totals[i]-r.last[i])) / seconds // below 0 after CONFIG RESETSTAT
			}
			r.next = (r.next + 1) % rateSamples
		}
	}
	r.at, r.last = now, totals
}

// latest is the last sample.
func (r *rates) latest(metric int) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.samples[metric][(r.next+rateSamples-1)%rateSamples]
}

func (r *rates) mean(metric int) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := 0.0
	for _, v := range r.samples[metric] {
		sum += v
	}
	return sum / rateSamples
}
