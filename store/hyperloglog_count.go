package store

import "math"

// hllHistogram counts registers by their value.
type hllHistogram [64]int

func (h *hllHistogram) dense(value []byte) {
	eachDense(value, func(_ int, v uint8) { h[v&63]++ })
}

// sparse counts the registers of a sparse HyperLogLog. False: it is broken.
func (h *hllHistogram) sparse(value []byte) bool {
	h[0] = hllRegisters
	return eachRun(value, func(_, n int, v uint8) {
		h[v&63] += n
		h[0] -= n
	})
}

// estimate returns the estimated cardinality, as a C compiler's llroundl gives
// it on x86 where it is out of range.
//
// Source: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
// sketches", arXiv:1702.01284, algorithm 6. Replicas compute it again and must
// come to the same number: products are rounded before anything is added, which
// float64() enforces on processors that would do both in one step.
func (h *hllHistogram) estimate() int64 {
	const (
		m        = float64(hllRegisters)
		alphaInf = 0.721347520444481703680 // 1 / (2 ln 2)
	)
	z := m * hllTau((m-float64(h[hllHashBits+1]))/m)
	for i := hllHashBits; i >= 1; i-- {
		z += float64(h[i])
		z *= 0.5
	}
	z += float64(m * hllSigma(float64(h[0])/m))
	estimate := math.Round(alphaInf * m * m / z)
	if !(estimate < 1<<63) { // registers that no hash gives
		return math.MinInt64
	}
	return int64(estimate)
}

// hllSigma corrects for registers that are still 0; x is their share.
func hllSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for before := math.NaN(); z != before; y += y {
		x *= x
		before = z
		z += float64(x * y)
	}
	return z
}

// hllTau corrects for registers at their maximum; x is the share of others.
func hllTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for before := math.NaN(); z != before; {
		x = math.Sqrt(x)
		before = z
		y *= 0.5
		square := float64((1 - x) * (1 - x))
		z -= float64(square * y)
	}
	return z / 3
}
