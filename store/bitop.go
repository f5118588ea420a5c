package store

import (
	"crypto/subtle"
	"encoding/binary"
)

// BitOperation is what BITOP does to the bits of strings.
type BitOperation uint8

// The operations.
const (
	BitAnd BitOperation = iota
	BitOr
	BitXor
	BitNot // of one string
)

// BitOp makes k the result of the operation on the sources, whatever it was, and
// returns the length: that of the longest source, shorter ones being continued
// with zero bytes. When that is 0 k is deleted; deleted says that it existed.
// The sources may alias store memory, that of k included. There is at least one.
// Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) BitOp(op BitOperation, k Key, sources [][]byte) (length int, deleted bool, err error) {
	for _, src := range sources {
		length = max(length, len(src))
	}
	if length == 0 {
		return 0, tx.Delete(k), nil
	}
	// The result comes about beside the sources: k may be one of them.
	v := newValue{typ: TypeString, encoding: EncodingRaw, length: length, deadline: noDeadline}
	var result []byte
	if length > maxInline {
		if v.region, err = tx.Store.arena.newRegion(length); err != nil {
			return 0, false, err
		}
		result = v.region[:length]
	} else {
		result = make([]byte, length)
	}
	combine(op, result, sources)

	it := tx.look(k)
	v.access = tx.newAccess()
	if it.live && tx.Store.policy.Load().LFU {
		v.access = it.rec.access() // the key stays as popular as it was
	}
	dst, _, err := tx.write(&it, k, v)
	switch {
	case err != nil && v.region != nil:
		tx.Store.arena.freeRegion(v.region)
	case err == nil && v.region == nil:
		copy(dst, result)
	}
	if err != nil {
		return 0, false, err
	}
	return length, false, nil
}

// combine writes the result of the operation, as long as the longest source, to
// dst, which is zero.
func combine(op BitOperation, dst []byte, sources [][]byte) {
	n := copy(dst, sources[0])
	if op == BitNot {
		invert(dst)
		return
	}
	for _, src := range sources[1:] {
		switch op {
		case BitAnd:
			both := min(n, len(src))
			and(dst[:both], src[:both])
			clear(dst[both:n]) // what was there meets zeros
			n = both
		case BitOr:
			or(dst[:len(src)], src)
		case BitXor:
			subtle.XORBytes(dst, dst[:len(src)], src)
		}
	}
}

// The loops below take words, since byte by byte they are several times slower;
// a and b are of the same length. Which order the bytes of a word have does not
// matter to them.

var order = binary.LittleEndian

func and(a, b []byte) {
	for ; len(a) >= 32 && len(b) >= 32; a, b = a[32:], b[32:] {
		x, y := (*[32]byte)(a), (*[32]byte)(b)
		order.PutUint64(x[0:8], order.Uint64(x[0:8])&order.Uint64(y[0:8]))
		order.PutUint64(x[8:16], order.Uint64(x[8:16])&order.Uint64(y[8:16]))
		order.PutUint64(x[16:24], order.Uint64(x[16:24])&order.Uint64(y[16:24]))
		order.PutUint64(x[24:32], order.Uint64(x[24:32])&order.Uint64(y[24:32]))
	}
	for i := range b {
		a[i] &= b[i]
	}
}

func or(a, b []byte) {
	for ; len(a) >= 32 && len(b) >= 32; a, b = a[32:], b[32:] {
		x, y := (*[32]byte)(a), (*[32]byte)(b)
		order.PutUint64(x[0:8], order.Uint64(x[0:8])|order.Uint64(y[0:8]))
		order.PutUint64(x[8:16], order.Uint64(x[8:16])|order.Uint64(y[8:16]))
		order.PutUint64(x[16:24], order.Uint64(x[16:24])|order.Uint64(y[16:24]))
		order.PutUint64(x[24:32], order.Uint64(x[24:32])|order.Uint64(y[24:32]))
	}
	for i := range b {
		a[i] |= b[i]
	}
}

func invert(a []byte) {
	for ; len(a) >= 32; a = a[32:] {
		x := (*[32]byte)(a)
		order.PutUint64(x[0:8], ^order.Uint64(x[0:8]))
		order.PutUint64(x[8:16], ^order.Uint64(x[8:16]))
		order.PutUint64(x[16:24], ^order.Uint64(x[16:24]))
		order.PutUint64(x[24:32], ^order.Uint64(x[24:32]))
	}
	for i := range a {
		a[i] = ^a[i]
	}
}
