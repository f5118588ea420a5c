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

// BitResult is the outcome of an operation on strings, outside of the keyspace.
type BitResult struct {
	tx     *Tx
	value  []byte
	region []byte // that value is in, if it has one
}

// BitOp computes an operation on the sources, in steps if they are large. The result is as
// long as the longest one, shorter ones being continued with zero bytes. The sources may
// alias store memory. There is at least one. Errors: ErrOutOfMemory, ErrChanged.
func (tx *Tx) BitOp(op BitOperation, sources [][]byte) (r BitResult, err error) {
	length := 0
	for _, src := range sources {
		length = max(length, len(src))
	}
	r.tx = tx
	if length <= maxInline {
		r.value = make([]byte, length)
		combine(op, r.value, sources)
		return r, nil
	}
	if r.region, err = tx.Store.arena.newRegion(length); err != nil {
		return BitResult{}, err
	}
	r.value = r.region[:length]
	st, parts := tx.steps(), make([][]byte, len(sources))
	for from, end := 0, 0; from < length; from = end {
		if end = length; st.pause != nil {
			end = min(from+stepElements*stepBytes, length)
		}
		for i, src := range sources {
			parts[i] = src[min(from, len(src)):min(end, len(src))]
		}
		combine(op, r.value[from:end], parts)
		if !st.count(stepElements) {
			tx.Store.unmapLazily(r.region)
			return BitResult{}, ErrChanged
		}
	}
	return r, nil
}

// Len is the length of the result.
func (r *BitResult) Len() int { return len(r.value) }

// Store makes the result the value of k, whatever it was; when it is empty k is deleted,
// which deleted says. The result is gone. Errors: ErrOutOfMemory, ErrKeyTooLong; then
// nothing has changed.
func (r *BitResult) Store(k Key) (deleted bool, err error) {
	tx := r.tx
	if len(r.value) == 0 {
		return tx.Delete(k), nil
	}
	v := newValue{typ: TypeString, encoding: EncodingRaw, length: len(r.value), deadline: noDeadline, region: r.region}
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
		copy(dst, r.value)
	}
	return false, err
}

// combine writes the result of the operation on parts of the sources to dst, which is as
// long as the part of the longest one, and zero.
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
