package store

import (
	"encoding/binary"
	"math/bits"
)

// A bitmap is a string: bit 0 is the most significant bit of its first byte.
// Past its end all bits are 0.

// Bit returns the bit of value at offset, which is not negative.
func Bit(value []byte, offset int64) bool {
	i := offset >> 3
	return i < int64(len(value)) && value[i]>>(7-offset&7)&1 != 0
}

// SetBit sets or clears the bit at offset, which is not negative, of the string
// at k, which may be missing, and returns what it was. Errors: ErrWrongType,
// ErrOutOfMemory, ErrKeyTooLong; then nothing has changed. What length is too
// much is for the caller to say.
func (tx *Tx) SetBit(k Key, offset int64, on bool) (was bool, change StringChange, err error) {
	it, err := tx.useString(k)
	if err != nil {
		return false, Unchanged, err
	}
	value, change, err := tx.openString(&it, k, int(offset>>3)+1)
	if err != nil {
		return false, Unchanged, err
	}
	was = Bit(value, offset)
	if was != on {
		value[offset>>3] ^= 1 << (7 - offset&7)
		change = Changed
	}
	return was, change, nil
}

// CountBits returns how many of the bits first..last of value are set. Both are
// within it, and first is not after last.
func CountBits(value []byte, first, last int64) int64 {
	head, tail := edgeMasks(first, last)
	i, j := first>>3, last>>3
	n := popCount(value[i : j+1])
	// What was counted outside of the range is taken off again.
	n -= bits.OnesCount8(value[i]&^head) + bits.OnesCount8(value[j]&^tail)
	return int64(n)
}

// edgeMasks returns which bits of the first and of the last byte of a range of
// bits belong to it.
func edgeMasks(first, last int64) (head, tail byte) {
	return 0xff >> (first & 7), 0xff << (7 - last&7)
}

func popCount(b []byte) (n int) {
	for ; len(b) >= 32; b = b[32:] {
		x := (*[32]byte)(b)
		n += bits.OnesCount64(binary.LittleEndian.Uint64(x[0:8])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(x[8:16])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(x[16:24])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(x[24:32]))
	}
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	for _, c := range b {
		n += bits.OnesCount8(c)
	}
	return n
}

// FindBit returns the offset of the first of the bits first..last of value that
// is set, or clear if !on, -1 when none is. Both are within the value, and first
// is not after last.
func FindBit(value []byte, on bool, first, last int64) int64 {
	// One byte, or both edges, with what is outside of the range made unlike
	// what is looked for.
	head, tail := edgeMasks(first, last)
	i, j := first>>3, last>>3
	var flip byte // makes what is looked for a 1
	if !on {
		flip = 0xff
	}
	edge := (value[i] ^ flip) & head
	if i == j {
		edge &= tail
	}
	if edge != 0 {
		return i<<3 + int64(bits.LeadingZeros8(edge))
	}
	if i == j {
		return -1
	}
	if at := findByte(value[i+1:j], flip); at >= 0 {
		return (i+1)<<3 + at
	}
	if edge = (value[j] ^ flip) & tail; edge != 0 {
		return j<<3 + int64(bits.LeadingZeros8(edge))
	}
	return -1
}

// findByte returns the offset of the first bit that is 1 once all bytes have
// been flipped with flip, -1 when there is none.
func findByte(b []byte, flip byte) int64 {
	skip := uint64(flip) * 0x0101010101010101
	at := 0
	for len(b)-at >= 32 {
		x := (*[32]byte)(b[at:])
		if (binary.BigEndian.Uint64(x[0:8])^skip)|(binary.BigEndian.Uint64(x[8:16])^skip)|
			(binary.BigEndian.Uint64(x[16:24])^skip)|(binary.BigEndian.Uint64(x[24:32])^skip) != 0 {
			break
		}
		at += 32
	}
	for ; len(b)-at >= 8; at += 8 {
		if word := binary.BigEndian.Uint64(b[at:]); word != skip {
			return int64(at)<<3 + int64(bits.LeadingZeros64(word^skip))
		}
	}
	for ; at < len(b); at++ {
		if c := b[at] ^ flip; c != 0 {
			return int64(at)<<3 + int64(bits.LeadingZeros8(c))
		}
	}
	return -1
}
