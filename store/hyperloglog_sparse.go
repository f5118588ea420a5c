package store

import (
	"fmt"
	"slices"
)

// The registers of a sparse HyperLogLog are runs, each in one code:
//
//	00xxxxxx           xxxxxx+1 registers are 0 (up to 64)
//	01xxxxxx yyyyyyyy  xxxxxxyyyyyyyy+1 registers are 0 (up to 16384)
//	1vvvvvxx           xx+1 registers (up to 4) are vvvvv+1 (up to 32)
//
// Strings come from clients: nothing below trusts the runs to cover the 16384
// registers, or a code to be there as a whole.
const (
	sparseMaxValue   = 32
	sparseMaxRun     = 4
	sparseMaxZeros   = 64
	sparseLongZeros  = 0x40
	sparseValue      = 0x80
	sparseMergeSteps = 5
)

// sparseCode reads the code at value[at]: its length in bytes, which may be one
// more than there are, and the value and number of its registers.
func sparseCode(value []byte, at int) (size, run int, v uint8) {
	code := value[at]
	switch {
	case code&sparseValue != 0:
		return 1, int(code&3) + 1, code>>2&31 + 1
	case code&sparseLongZeros == 0:
		return 1, int(code&63) + 1, 0
	}
	run = int(code&63) << 8
	if at+1 < len(value) {
		run |= int(value[at+1])
	}
	return 2, run + 1, 0
}

func appendValues(dst []byte, v uint8, run int) []byte {
	return append(dst, sparseValue|(v-1)<<2|uint8(run-1))
}

func appendZeros(dst []byte, run int) []byte {
	if run > sparseMaxZeros {
		return append(dst, sparseLongZeros|uint8((run-1)>>8), uint8(run-1))
	}
	return append(dst, uint8(run-1))
}

// eachRun calls fn for the runs of registers that are not 0. False: the runs
// don't cover the registers exactly; fn is never called with one out of range.
func eachRun(value []byte, fn func(first, n int, v uint8)) bool {
	first := 0
	for at := hllHeader; at < len(value); {
		size, run, v := sparseCode(value, at)
		if first+run > hllRegisters || at+size > len(value) {
			return false
		}
		if v != 0 {
			fn(first, run, v)
		}
		first += run
		at += size
	}
	return first == hllRegisters
}

// sparseToDense returns the dense form. Not ok: it is broken.
func sparseToDense(value []byte) (dense []byte, ok bool) {
	dense = make([]byte, hllDenseLength)
	copy(dense, value[:hllHeader])
	dense[hllForm] = hllDense
	ok = eachRun(value, func(first, n int, v uint8) {
		for i := first; i < first+n; i++ {
			setDense(dense, i, v)
		}
	})
	return dense, ok
}

// sparsePlace is where a code was found, and where those before it begin. The
// zero value is the beginning. A place stays good for registers not below the
// one that was looked for, also after raiseSparse: that changes nothing before
// prev.
type sparsePlace struct {
	beforePrev, prev, code sparseStart
}

// sparseStart is a code's offset and its first register; offset 0: there is
// none.
type sparseStart struct{ at, first int }

// find goes to the code that covers register i, from the code before the one
// before on. False: none does, so the value is broken.
func (p *sparsePlace) find(value []byte, i int) bool {
	from := p.beforePrev
	if from.at == 0 {
		from.at = hllHeader
	}
	*p = sparsePlace{code: from}
	for p.code.at < len(value) {
		size, run, _ := sparseCode(value, p.code.at)
		if p.code.at+size > len(value) {
			return false
		}
		if i < p.code.first+run {
			return true
		}
		p.beforePrev, p.prev = p.prev, p.code
		p.code = sparseStart{p.code.at + size, p.code.first + run}
	}
	return false
}

// raiseSparse raises register i to v, if it is below, in the sparse HyperLogLog
// value, which it changes, and returns the outcome. That is dense if v does not
// fit, or if the sparse form would be longer than most. The code is looked for
// from place on. Error: ErrBrokenHLL; value is undefined then.
func raiseSparse(value []byte, i int, v uint8, most int64, place *sparsePlace) (_ []byte, raised bool, err error) {
	if v > sparseMaxValue {
		return raisePromoted(value, i, v)
	}
	if !place.find(value, i) {
		return nil, false, ErrBrokenHLL
	}
	at, first := place.code.at, place.code.first
	size, run, old := sparseCode(value, at)
	if old >= v {
		return value, false, nil
	}
	// The code becomes up to three: for the registers before, for i and for
	// those after it.
	var codes [5]byte
	parts := appendPart(codes[:0], old, i-first)
	parts = appendValues(parts, v, 1)
	parts = appendPart(parts, old, first+run-1-i)
	longer := len(parts) - size
	if longer > 0 && int64(len(value)+longer) > most {
		return raisePromoted(value, i, v)
	}
	value = slices.Replace(value, at, at+size, parts...)
	from := place.prev.at
	if from == 0 {
		from = hllHeader
	}
	value = mergeSparse(value, from)
	outdate(value)
	return value, true, nil
}

// appendPart appends a code for n registers of a run that is split.
func appendPart(dst []byte, v uint8, n int) []byte {
	switch {
	case n == 0:
		return dst
	case v == 0:
		return appendZeros(dst, n)
	default:
		return appendValues(dst, v, n)
	}
}

// raisePromoted is raiseSparse by way of the dense form.
func raisePromoted(value []byte, i int, v uint8) (_ []byte, raised bool, err error) {
	dense, ok := sparseToDense(value)
	if !ok {
		return nil, false, ErrBrokenHLL
	}
	setDense(dense, i, v)
	return dense, true, nil
}

// mergeSparse joins codes of equal registers that fit one, in a few steps from
// offset at on: as many as redis-server takes, so that the bytes are the same.
func mergeSparse(value []byte, at int) []byte {
	for step := 0; step < sparseMergeSteps && at < len(value); step++ {
		size, run, v := sparseCode(value, at)
		if v != 0 && at+1 < len(value) {
			if _, nextRun, nextV := sparseCode(value, at+1); nextV == v && run+nextRun <= sparseMaxRun {
				appendValues(value[:at], v, run+nextRun)
				value = slices.Delete(value, at+1, at+2)
				continue // it may be joined with the next one too
			}
		}
		at += size
	}
	return value
}

// DecodeHLL describes the codes of a sparse HyperLogLog as PFDEBUG DECODE does:
// "z" and "Z" with the length of a short and a long run of zeros, "v" with value
// and length of others. sparse is false for a dense one. Errors: ErrNotHLL,
// ErrBrokenHLL for one longer than any valid one.
func DecodeHLL(value []byte) (text []byte, sparse bool, err error) {
	if err := CheckHLL(value); err != nil || isDense(value) {
		return nil, false, err
	}
	if len(value) > hllSparseMost {
		return nil, true, ErrBrokenHLL
	}
	for at := hllHeader; at < len(value); {
		if at > hllHeader {
			text = append(text, ' ')
		}
		size, run, v := sparseCode(value, at)
		switch {
		case v != 0:
			text = fmt.Appendf(text, "v:%d,%d", v, run)
		case size == 2:
			text = fmt.Appendf(text, "Z:%d", run)
		default:
			text = fmt.Appendf(text, "z:%d", run)
		}
		at += size
	}
	return text, true, nil
}
