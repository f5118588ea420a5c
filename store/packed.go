package store

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// A packed value is a small list, hash, set or sorted set as one run of bytes:
//
//	0..3   number of entries, little-endian
//	4..    entries
//
// An entry is that of Redis's listpack, byte for byte, so that DUMP and RDB
// files need no translation: encoding with the value, then their length, to be
// read backwards ("back length").
//
//	0xxxxxxx                    integer 0..127
//	10xxxxxx + bytes            string to 63 bytes
//	110xxxxx + 1 byte           13-bit signed integer
//	1110xxxx + 1 byte + bytes   string to 4095 bytes, length big-endian
//	11110000 + 4 bytes + bytes  string, length little-endian
//	11110001 .. 11110100        signed integer of 2, 3, 4, 8 bytes, little-endian
//
// Text that is the canonical decimal of an int64 is stored as integer.
//
// A packed value is read where it lies in the store, and changed in a copy
// (item.edit; replace, add) that Tx.setPacked stores. Values in a store are well-formed: those that come from outside
// are checked by validPacked before.
type packed []byte

const (
	packedHeader = 4

	// maxPacked bounds the bytes of a packed value, whatever the limits in
	// number of entries say: every change copies it.
	maxPacked = 1 << 20
)

// packedEntry is a decoded entry: text, or, when text is nil, the integer n.
type packedEntry struct {
	text []byte // aliases the value
	n    int64
}

// newPacked begins a packed value in buf, whose capacity is used.
func newPacked(buf []byte) packed { return append(packed(buf[:0]), 0, 0, 0, 0) }

// entries is the number of entries.
func (p packed) entries() int { return int(binary.LittleEndian.Uint32(p)) }

func (p packed) setEntries(n int) { binary.LittleEndian.PutUint32(p, uint32(n)) }

// first is the position of the first entry; p.end() when there is none.
func (p packed) first() int { return packedHeader }

// end is the position behind the last entry.
func (p packed) end() int { return len(p) }

// get decodes the entry at pos and returns the position of the next one.
func (p packed) get(pos int) (e packedEntry, next int) {
	b := p[pos:]
	c := b[0]
	var n int // bytes without back length
	switch {
	case c < 0x80:
		return packedEntry{n: int64(c)}, pos + 2
	case c < 0xC0:
		n = 1 + int(c&63)
		return packedEntry{text: b[1:n:n]}, pos + n + 1
	case c < 0xE0:
		v := int64(c&31)<<8 | int64(b[1])
		return packedEntry{n: v << 51 >> 51}, pos + 3
	case c < 0xF0:
		n = 2 + (int(c&15)<<8 | int(b[1]))
		e.text = b[2:n:n]
	case c == 0xF0:
		n = 5 + int(binary.LittleEndian.Uint32(b[1:]))
		e.text = b[5:n:n]
	case c == 0xF1:
		e.n, n = int64(int16(binary.LittleEndian.Uint16(b[1:]))), 3
	case c == 0xF2:
		e.n, n = int64(int32(uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)>>8), 4
	case c == 0xF3:
		e.n, n = int64(int32(binary.LittleEndian.Uint32(b[1:]))), 5
	default:
		e.n, n = int64(binary.LittleEndian.Uint64(b[1:])), 9
	}
	return e, pos + n + backLenSize(n)
}

// next is the position of the entry after the one at pos.
func (p packed) next(pos int) int {
	_, next := p.get(pos)
	return next
}

// skip is next n times.
func (p packed) skip(pos, n int) int {
	for ; n > 0; n-- {
		pos = p.next(pos)
	}
	return pos
}

// prev is the position of the entry before pos, which is not p.first().
func (p packed) prev(pos int) int {
	n := 0
	for shift, i := 0, pos-1; ; shift, i = shift+7, i-1 {
		b := p[i]
		n |= int(b&127) << shift
		if b < 128 {
			return i - n
		}
	}
}

// seek is the position of entry i, counted from 0, walked to from the nearer
// end.
func (p packed) seek(i int) int {
	if n := p.entries(); i > n/2 {
		pos := p.end()
		for ; n > i; n-- {
			pos = p.prev(pos)
		}
		return pos
	}
	return p.skip(p.first(), i)
}

// find returns the position of the first entry, among every stride-th from pos
// on, that equals value; -1 when there is none.
func (p packed) find(pos int, value []byte, stride int) int {
	n, isInt := packedInt(value)
	for pos < len(p) {
		e, next := p.get(pos)
		if e.text == nil {
			if isInt && e.n == n {
				return pos
			}
		} else if !isInt && len(e.text) == len(value) && string(e.text) == string(value) {
			return pos
		}
		pos = p.skip(next, stride-1)
	}
	return -1
}

// bytes is the value as text; of an integer, appended to buf.
func (e packedEntry) bytes(buf []byte) []byte {
	if e.text == nil {
		return strconv.AppendInt(buf, e.n, 10)
	}
	return e.text
}

// appendTo appends the value as text to buf.
func (e packedEntry) appendTo(buf []byte) []byte {
	if e.text == nil {
		return strconv.AppendInt(buf, e.n, 10)
	}
	return append(buf, e.text...)
}

// equal compares with text.
func (e packedEntry) equal(value []byte) bool {
	if e.text == nil {
		n, ok := packedInt(value)
		return ok && n == e.n
	}
	return string(e.text) == string(value)
}

// length is the length of the value as text.
func (e packedEntry) length() int {
	if e.text == nil {
		var buf [maxIntText]byte
		return len(strconv.AppendInt(buf[:0], e.n, 10))
	}
	return len(e.text)
}

// packedInt reads text that is to be stored as an integer.
func packedInt(value []byte) (int64, bool) {
	if len(value) > maxIntText {
		return 0, false
	}
	return parseInt(value)
}

// add appends an entry with that text and counts it.
func (p packed) add(value []byte) packed {
	p = packed(appendPacked(p, value))
	p.setEntries(p.entries() + 1)
	return p
}

// addInt is add for an integer.
func (p packed) addInt(n int64) packed {
	p = packed(appendPackedInt(p, n))
	p.setEntries(p.entries() + 1)
	return p
}

// replace puts the entries in insert (made by appendPacked; nil: none) where
// those between the positions from and to are, and changes the number of
// entries by delta. p is changed in place if its capacity allows.
func (p packed) replace(from, to int, insert []byte, delta int) packed {
	n := p.entries()
	p = slices.Replace(p, from, to, insert...)
	p.setEntries(n + delta)
	return p
}

// appendPacked appends an entry, without counting it.
func appendPacked(buf, value []byte) []byte {
	if n, ok := packedInt(value); ok {
		return appendPackedInt(buf, n)
	}
	begin := len(buf)
	switch n := len(value); {
	case n < 1<<6:
		buf = append(buf, 0x80|byte(n))
	case n < 1<<12:
		buf = append(buf, 0xE0|byte(n>>8), byte(n))
	default:
		buf = append(buf, 0xF0, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	buf = append(buf, value...)
	return appendBackLen(buf, len(buf)-begin)
}

// appendPackedInt is appendPacked for an integer.
func appendPackedInt(buf []byte, n int64) []byte {
	switch {
	case n >= 0 && n < 1<<7:
		return append(buf, byte(n), 1)
	case n >= -1<<12 && n < 1<<12:
		return append(buf, 0xC0|byte(n>>8)&31, byte(n), 2)
	case n >= math.MinInt16 && n <= math.MaxInt16:
		return append(buf, 0xF1, byte(n), byte(n>>8), 3)
	case n >= -1<<23 && n < 1<<23:
		return append(buf, 0xF2, byte(n), byte(n>>8), byte(n>>16), 4)
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return append(binary.LittleEndian.AppendUint32(append(buf, 0xF3), uint32(n)), 5)
	default:
		return append(binary.LittleEndian.AppendUint64(append(buf, 0xF4), uint64(n)), 9)
	}
}

// packedSize is the size of the entry that appendPacked makes at most.
func packedSize(value []byte) int {
	n := len(value) + 5
	return n + backLenSize(n)
}

// backLenSize is the number of bytes of a back length.
func backLenSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	case n < 1<<28:
		return 4
	default:
		return 5
	}
}

// appendBackLen appends n in groups of 7 bits, the highest first; read from the
// end, bit 7 says that another one follows.
func appendBackLen(buf []byte, n int) []byte {
	size := backLenSize(n)
	for i := size - 1; i >= 0; i-- {
		b := byte(n >> (7 * i) & 127)
		if i < size-1 {
			b |= 128
		}
		buf = append(buf, b)
	}
	return buf
}

// validPacked says whether b is a well-formed packed value: every entry whole,
// in the one form that appendPacked gives it, and as many as its header says.
func validPacked(b []byte) bool {
	if len(b) < packedHeader || len(b) > math.MaxInt32 {
		return false
	}
	p, n := packed(b), 0
	var form []byte
	for pos := p.first(); pos < len(p); n++ {
		size := packedEntrySize(p[pos:])
		if size < 0 || pos+size > len(p) {
			return false
		}
		e, next := p.get(pos)
		if e.text == nil {
			form = appendPackedInt(form[:0], e.n)
		} else {
			form = appendPacked(form[:0], e.text)
		}
		if next != pos+size || string(form) != string(p[pos:next]) {
			return false
		}
		pos = next
	}
	return n == p.entries()
}

// packedEntrySize is the size that the first byte of an entry (with those of
// its length) promises, -1 when they are cut off or unknown.
func packedEntrySize(b []byte) int {
	n := 0
	switch c := b[0]; {
	case c < 0x80:
		n = 1
	case c < 0xC0:
		n = 1 + int(c&63)
	case c < 0xE0:
		n = 2
	case c < 0xF0 && len(b) >= 2:
		n = 2 + (int(c&15)<<8 | int(b[1]))
	case c == 0xF0 && len(b) >= 5:
		n = 5 + int(binary.LittleEndian.Uint32(b[1:]))
	case c == 0xF1:
		n = 3
	case c == 0xF2:
		n = 4
	case c == 0xF3:
		n = 5
	case c == 0xF4:
		n = 9
	default:
		return -1
	}
	return n + backLenSize(n)
}
