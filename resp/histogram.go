package resp

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations of up to a second in buckets whose width is at most
// 1/128 of their value: two significant digits, as in Redis. It has a fixed
// size of 24 KB. Safe for concurrent use.
//
// Values below 256 ns have a bucket each; above, every power of two is divided
// into 128.
type histogram struct {
	buckets [histogramBuckets]atomic.Int64
}

const (
	histogramMax     = int64(time.Second) - 1 // longer counts as this
	histogramHalf    = 128                    // buckets for each power of two
	histogramShift   = 8                      // bits of a value that tell its bucket
	histogramBuckets = (30-histogramShift)*histogramHalf + 2*histogramHalf
)

// bucketOf is the bucket of a duration in nanoseconds.
func bucketOf(nanos int64) int {
	n := uint64(min(max(nanos, 0), histogramMax))
	shift := max(bits.Len64(n)-histogramShift, 0)
	return shift*histogramHalf + int(n>>shift)
}

// highestIn is the largest duration that falls into a bucket.
func highestIn(bucket int) int64 {
	if bucket < 2*histogramHalf {
		return int64(bucket)
	}
	shift := bucket/histogramHalf - 1
	return int64(bucket-shift*histogramHalf+1)<<shift - 1
}

func (h *histogram) add(n int, took time.Duration) { h.buckets[bucketOf(int64(took))].Add(int64(n)) }

// snapshot reads all buckets at about the same time.
func (h *histogram) snapshot() (s histogramSnapshot) {
	s.buckets = make([]int64, histogramBuckets)
	for i := range h.buckets {
		s.buckets[i] = h.buckets[i].Load()
		s.total += s.buckets[i]
	}
	return s
}

type histogramSnapshot struct {
	buckets []int64
	total   int64
}

// percentile is the duration, in nanoseconds, that so many percent did not
// exceed.
func (s *histogramSnapshot) percentile(p float64) int64 {
	wanted := max(int64(p/100*float64(s.total)+0.5), 1)
	for i, n := range s.buckets {
		if wanted -= n; wanted <= 0 {
			return highestIn(i)
		}
	}
	return 0
}

// step is a point of a cumulative distribution.
type histogramStep struct{ micros, count int64 }

// steps are the points at powers of two, from 1024 ns on, at which the number of
// durations that are not longer grows.
func (s *histogramSnapshot) steps() (steps []histogramStep) {
	count, bucket := int64(0), 0
	for limit := int64(1024); count < s.total; limit *= 2 {
		before := count
		for ; bucket < histogramBuckets && bucket <= bucketOf(limit); bucket++ {
			count += s.buckets[bucket]
		}
		if count > before {
			steps = append(steps, histogramStep{highestIn(bucketOf(limit)) / 1000, count})
		}
	}
	return steps
}
