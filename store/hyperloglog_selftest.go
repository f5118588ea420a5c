package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// SelfTestHLL tests the registers of HyperLogLogs and the accuracy of their
// counts, as PFSELFTEST does. The elements follow from the seed; sparseMost is
// the length in bytes above which one becomes dense. It takes some seconds and
// no lock. The error says what failed.
func SelfTestHLL(seed uint64, sparseMost int64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	dense := make([]byte, hllDenseLength)
	copy(dense, hllEmpty[:hllHeader])
	dense[hllForm] = hllDense
	if err := testRegisters(rng, dense); err != nil {
		return err
	}
	clear(dense[hllHeader:])
	return testAccuracy(rng.Uint64(), sparseMost, dense)
}

// testRegisters sets all registers at random, again and again, and reads them.
func testRegisters(rng *rand.Rand, dense []byte) error {
	const rounds = 1000
	var want [hllRegisters]uint8
	for range rounds {
		for i := range want {
			want[i] = uint8(rng.Uint32() & 63)
			setDense(dense, i, want[i])
		}
		for i, v := range want {
			if got := getDense(dense, i); got != v {
				return fmt.Errorf("Register %d should be %d but is %d", i, v, got)
			}
		}
	}
	return nil
}

// testAccuracy adds distinct elements to a dense and a sparse one and compares
// the counts at each power of ten: they are equal, and within six times the
// standard error.
func testAccuracy(mask uint64, sparseMost int64, dense []byte) error {
	const elements = 10_000_000
	relative := 1.04 / math.Sqrt(hllRegisters)
	grown := append([]byte(nil), hllEmpty...)
	checkpoint := uint64(1)
	var element [8]byte
	for n := uint64(1); n <= elements; n++ {
		binary.LittleEndian.PutUint64(element[:], n^mask)
		raiseDense(dense, element[:])
		if isDense(grown) {
			raiseDense(grown, element[:])
		} else {
			i, v := hllHash(element[:])
			var err error
			if grown, _, err = raiseSparse(grown, i, v, sparseMost, &sparsePlace{}); err != nil {
				return err
			}
		}
		if n != checkpoint {
			continue
		}
		checkpoint *= 10
		if n < uint64(sparseMost/2) && isDense(grown) {
			return fmt.Errorf("sparse encoding not used")
		}
		var a, b hllHistogram
		a.dense(dense)
		if isDense(grown) {
			b.dense(grown)
		} else if !b.sparse(grown) {
			return ErrBrokenHLL
		}
		if a.estimate() != b.estimate() {
			return fmt.Errorf("dense/sparse disagree")
		}
		most := math.Ceil(relative * 6 * float64(n))
		if n == 10 { // two elements of ten share a register now and then
			most = 1
		}
		if off := math.Abs(float64(a.estimate()) - float64(n)); off > most {
			return fmt.Errorf("Too big error. card:%d abserr:%.0f", n, off)
		}
	}
	return nil
}
