package resp

import (
	"slices"
	"sync"
	"time"
)

// latencyEvents records what held up clients, by kind of event, for the LATENCY
// command. Safe for concurrent use.
type latencyEvents struct {
	mu     sync.Mutex // guards below; a leaf
	series map[string]*latencySeries
}

// latencySamples is how many samples an event keeps, one a second at most.
const latencySamples = 160

// latencySeries are the samples of one event, oldest first.
type latencySeries struct {
	samples []latencySample
	max     int64 // of all time
}

// latencySample is the longest delay within one second.
type latencySample struct {
	second int64 // Unix time
	millis int64
}

// latencyEvent records an event unless it was too short.
func (d *Dispatcher) latencyEvent(event string, took time.Duration) {
	if int64(took) >= d.tracing.latencyFloor.Load() {
		d.latency.add(event, time.Now(), took)
	}
}

func (l *latencyEvents) add(event string, at time.Time, took time.Duration) {
	s := latencySample{at.Unix(), took.Milliseconds()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.series == nil {
		l.series = make(map[string]*latencySeries)
	}
	series := l.series[event]
	if series == nil {
		series = new(latencySeries)
		l.series[event] = series
	}
	series.max = max(series.max, s.millis)
	if n := len(series.samples); n > 0 && series.samples[n-1].second >= s.second {
		last := &series.samples[n-1]
		last.millis = max(last.millis, s.millis)
		return
	}
	if len(series.samples) == latencySamples {
		series.samples = slices.Delete(series.samples, 0, 1)
	}
	series.samples = append(series.samples, s)
}

// history returns the samples of an event, oldest first, and its maximum.
func (l *latencyEvents) history(event string) (samples []latencySample, highest int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.series[event]; s != nil {
		return slices.Clone(s.samples), s.max
	}
	return nil, 0
}

// events returns the names of all events that happened, sorted.
func (l *latencyEvents) events() (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.series {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// reset forgets the named events, all if none is named, and returns their number.
func (l *latencyEvents) reset(names ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(names) == 0 {
		n = len(l.series)
		clear(l.series)
		return n
	}
	for _, name := range names {
		if l.series[name] != nil {
			n++
			delete(l.series, name)
		}
	}
	return n
}
