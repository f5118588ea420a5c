package store

import (
	"encoding/binary"
	"math"
)

// BitFieldKind is what one operation of BITFIELD does.
type BitFieldKind uint8

// The kinds.
const (
	BitFieldGet BitFieldKind = iota
	BitFieldSet
	BitFieldIncrBy
)

// BitFieldOverflow is what becomes of a number that its field can't hold.
type BitFieldOverflow uint8

// The ways.
const (
	OverflowWrap BitFieldOverflow = iota // its lowest bits are kept
	OverflowSat                          // the nearest number that fits
	OverflowFail                         // the operation is not done
)

// BitFieldOp is one operation on an integer of Bits bits, most significant bit
// first, at the bit Offset of a string. Signed ones have 1..64 bits, unsigned
// ones 1..63; Offset is not negative.
type BitFieldOp struct {
	Kind     BitFieldKind
	Overflow BitFieldOverflow
	Signed   bool
	Bits     uint
	Offset   int64
	Value    int64 // to set, or the increment

	// The result: the number read, the one before SET, or the one after
	// INCRBY. None if Failed, which OverflowFail makes of an overflow.
	Result int64
	Failed bool
}

// end is the number of bytes that the field needs its string to have.
func (op *BitFieldOp) end() int64 { return (op.Offset+int64(op.Bits)-1)>>3 + 1 }

// BitField does the operations, of which one at least is no BitFieldGet, in
// order on the string at k, which may be missing, and fills in their results. It
// grows to hold all that are no BitFieldGet. written is how many wrote what was
// not there before; if none did, but the string is longer than before, it is
// Rewritten. Errors: ErrWrongType, ErrOutOfMemory, ErrKeyTooLong; then nothing
// has changed. What length is too much is for the caller to say.
func (tx *Tx) BitField(k Key, ops []BitFieldOp) (written int, change StringChange, err error) {
	it, err := tx.useString(k)
	if err != nil {
		return 0, Unchanged, err
	}
	length := int64(0)
	for i := range ops {
		if ops[i].Kind != BitFieldGet {
			length = max(length, ops[i].end())
		}
	}
	value, change, err := tx.openString(&it, k, int(length))
	if err != nil {
		return 0, Unchanged, err
	}
	grown := change == Changed
	for i := range ops {
		op := &ops[i]
		if op.Kind == BitFieldGet {
			op.Read(value)
		} else if op.write(value) || grown && !op.Failed {
			written++
		}
	}
	switch {
	case written > 0:
		change = Changed
	case grown:
		change = Rewritten
	}
	return written, change, nil
}

// Read fills in the result of a BitFieldGet.
func (op *BitFieldOp) Read(value []byte) {
	op.Result = op.load(value)
}

// load returns the number in the field, continued with zeros where value ends.
func (op *BitFieldOp) load(value []byte) int64 {
	word, last := window(value, op.Offset)
	shift := uint(op.Offset & 7)
	word = word<<shift | uint64(last)>>(8-shift)
	if op.Signed {
		return int64(word) >> (64 - op.Bits)
	}
	return int64(word >> (64 - op.Bits))
}

// window returns the nine bytes from the one on that holds the bit at offset:
// more than one field can touch there are not.
func window(value []byte, offset int64) (word uint64, last byte) {
	at := offset >> 3
	if at >= int64(len(value)) {
		return 0, 0
	}
	value = value[at:]
	if len(value) >= 9 {
		return binary.BigEndian.Uint64(value), value[8]
	}
	var padded [9]byte
	copy(padded[:], value)
	return binary.BigEndian.Uint64(padded[:]), padded[8]
}

// write does an operation that is no BitFieldGet on a value that is long enough,
// and says whether that changed the number.
func (op *BitFieldOp) write(value []byte) (changed bool) {
	before := op.load(value)
	after, fits := op.Value, true
	switch {
	case op.Kind == BitFieldSet:
		after, fits = op.fit(op.Value, 0)
	default:
		after, fits = op.fit(before, op.Value)
	}
	if !fits && op.Overflow == OverflowFail {
		op.Failed = true
		return false
	}
	op.Result = before
	if op.Kind == BitFieldIncrBy {
		op.Result = after
	}
	op.store(value, uint64(after))
	return before != after
}

func (op *BitFieldOp) store(value []byte, number uint64) {
	at := value[op.Offset>>3:]
	word, last := window(value, op.Offset)
	shift := uint(op.Offset & 7)
	mask := uint64(math.MaxUint64) << (64 - op.Bits)
	number <<= 64 - op.Bits
	word = word&^(mask>>shift) | number>>shift
	// The bits shifted out of the word are the first of the ninth byte.
	last = last&^byte(mask<<(8-shift)) | byte(number<<(8-shift))
	var bytes [9]byte
	binary.BigEndian.PutUint64(bytes[:], word)
	bytes[8] = last
	copy(at, bytes[:])
}

// fit adds increment to a number. Not ok: the field can't hold the sum, which is
// then what Overflow makes of it.
//
// Source: the BITFIELD command page; where numbers that SET gives are far out of
// range, redis-server 7.0.15, which takes some too small for too large.
func (op *BitFieldOp) fit(number, increment int64) (sum int64, ok bool) {
	high, low := op.limits()
	sum = number + increment
	tooHigh, tooLow := false, false
	if op.Signed {
		room, depth := high-number, low-number // they may wrap: hence the numbers taken wrongly
		tooHigh = number > high || op.Bits != 64 && increment > room ||
			number >= 0 && increment > 0 && increment > room
		tooLow = !tooHigh && (number < low || op.Bits != 64 && increment < depth ||
			number < 0 && increment < 0 && increment < depth)
	} else {
		// A negative number is one above the limit.
		tooHigh = uint64(number) > uint64(high) || increment > 0 && increment > high-number
		tooLow = !tooHigh && increment < 0 && increment < -number
	}
	switch {
	case !tooHigh && !tooLow:
		return sum, true
	case op.Overflow == OverflowWrap && op.Signed:
		return sum << (64 - op.Bits) >> (64 - op.Bits), false
	case op.Overflow == OverflowWrap:
		return int64(uint64(sum) & (1<<op.Bits - 1)), false
	case tooHigh:
		return high, false
	default:
		return low, false
	}
}

// limits returns the largest and the smallest number of the field.
func (op *BitFieldOp) limits() (high, low int64) {
	if !op.Signed {
		return 1<<op.Bits - 1, 0
	}
	high = int64(uint64(1)<<(op.Bits-1) - 1)
	return high, -high - 1
}
