package resp

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestDistribution compares what is told of random durations with a count of them.
func TestDistribution(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var h histogram
	var took []time.Duration
	var sum time.Duration
	add := func(d time.Duration, n int) {
		h.add(n, d)
		for range n {
			took = append(took, d)
			sum += d
		}
	}
	for _, bound := range LatencyBounds {
		add(bound, 1) // is within itself
		add(bound+bound/64, 2)
	}
	for range 5000 {
		add(time.Duration(rnd.Int64N(int64(1)<<(1+rnd.IntN(29)))), 1+rnd.IntN(3))
	}
	got := h.distribution()
	if got.Calls != int64(len(took)) {
		t.Errorf("%d calls, want %d", got.Calls, len(took))
	}
	if diff := (got.Took - sum).Abs(); diff > sum/256 {
		t.Errorf("took %v, want %v", got.Took, sum)
	}
	for i, bound := range LatencyBounds {
		least, most := int64(0), int64(0)
		for _, d := range took {
			if d <= bound {
				least++
			}
			if d <= bound+bound/128 {
				most++
			}
		}
		if n := got.Within[i]; n < least || n > most {
			t.Errorf("%d calls within %v, want %d to %d", n, bound, least, most)
		}
	}
}

// TestDistributionOfLongCalls: what is longer than a histogram can tell is counted in
// all, and within no bound.
func TestDistributionOfLongCalls(t *testing.T) {
	var h histogram
	h.add(3, time.Minute)
	if got := h.distribution(); got.Calls != 3 || got.Within != [len(LatencyBounds)]int64{} {
		t.Errorf("%+v", got)
	}
}
