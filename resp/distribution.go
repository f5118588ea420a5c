package resp

import "time"

// LatencyBounds are the durations at which a Distribution is told: from a microsecond
// on, three for each power of ten, up to half of what a histogram tells apart.
var LatencyBounds = [...]time.Duration{
	1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
	1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
}

// Distribution is how long the calls of a command took: few enough numbers for a
// metric of every command.
type Distribution struct {
	// Within counts the calls that took no longer than each of LatencyBounds; such as took
	// up to 1/128 longer may be among them.
	Within [len(LatencyBounds)]int64
	Calls  int64         // all
	Took   time.Duration // all calls together, within 1/256
}

// distribution reads the histogram. Its counts agree with each other, whatever is added
// meanwhile.
func (h *histogram) distribution() (d Distribution) {
	bound := 0
	for bucket := range h.buckets {
		for bound < len(LatencyBounds) && bucket > bucketOf(int64(LatencyBounds[bound])) {
			d.Within[bound] = d.Calls
			bound++
		}
		if n := h.buckets[bucket].Load(); n > 0 {
			d.Calls += n
			d.Took += time.Duration(n * middleOf(bucket))
		}
	}
	return d
}

// middleOf is the duration that stands for those of a bucket.
func middleOf(bucket int) int64 {
	low := int64(0)
	if bucket > 0 {
		low = highestIn(bucket-1) + 1
	}
	return (low + highestIn(bucket)) / 2
}
