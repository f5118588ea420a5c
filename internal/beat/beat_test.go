package beat

import (
	"testing"
	"time"
)

// TestTogether: tickers that begin at different moments tick at the same ones.
func TestTogether(t *testing.T) {
	const every = 40 * time.Millisecond
	off := func(at time.Time) time.Duration { return at.Sub(origin) % every }
	best := every
	for deadline := time.Now().Add(time.Minute); best > every/10 && time.Now().Before(deadline); {
		ticker := NewTicker(every)
		<-ticker.C // this one may come at any time
		<-ticker.C
		best = min(best, off(<-ticker.C))
		ticker.Stop()
	}
	if best > every/10 { // a machine that is never in time for a minute
		t.Errorf("ticks come %v after the multiples of %v", best, every)
	}
}

func TestUntilNext(t *testing.T) {
	for range 1000 {
		const every = time.Millisecond
		if d := UntilNext(every); d < every/4 || d > every+every/4 {
			t.Fatal(d)
		}
	}
}
