// Package beat has tickers that tick together. What wakes an idle process costs
// more than what it then does: whoever has something to do ten times a second
// does it when the others do.
package beat

import "time"

// origin is what intervals are counted from.
var origin = time.Now()

// Ticker is a time.Ticker whose ticks, after the first, fall on multiples of its
// interval since the process began.
type Ticker struct {
	C      <-chan time.Time
	ticker *time.Ticker
	align  *time.Timer
}

// NewTicker begins to tick; every must be positive. Stop it.
func NewTicker(every time.Duration) *Ticker {
	t := &Ticker{ticker: time.NewTicker(every)}
	t.C = t.ticker.C
	t.align = time.AfterFunc(untilNext(every), func() { t.ticker.Reset(every) })
	return t
}

// Stop ends the ticks. It is called once, by the one that reads C.
func (t *Ticker) Stop() {
	t.align.Stop()
	t.ticker.Stop()
}

// UntilNext is how long it is until the next multiple of an interval, for those
// that set a timer again each time.
func UntilNext(every time.Duration) time.Duration {
	next := untilNext(every)
	if next < every/4 {
		next += every // it has just been, or is too near to count
	}
	return next
}

func untilNext(every time.Duration) time.Duration { return every - time.Since(origin)%every }
