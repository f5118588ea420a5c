package rdb

import (
	"encoding/binary"
	"math"
	"strconv"
)

// entry is one of a packed form: text, or, when text is nil, the integer n.
type entry struct {
	text []byte // aliases what was read
	n    int64
}

// bytes is the value as text; of an integer, made in buf.
func (e entry) bytes(buf *[20]byte) []byte {
	if e.text == nil {
		return strconv.AppendInt(buf[:0], e.n, 10)
	}
	return e.text
}

// packedReader walks the entries of a listpack or ziplist. Every entry is checked
// before it is returned.
type packedReader interface {
	// next returns the next entry; ok is false at the end and where the form is
	// broken.
	next() (e entry, ok bool)
	// whole says, after next returned false, whether the end was reached and
	// everything agrees with the header.
	whole() bool
}

const (
	listpackHeader    = 6
	listpackEnd       = 0xFF
	listpackUncounted = 0xFFFF // in place of a number of entries that is larger

	ziplistHeader    = 10
	ziplistEnd       = 0xFF
	ziplistLongPrev  = 254
	ziplistUncounted = 0xFFFF
)

// listpack: length in bytes (4), entries (2), entries, end.
type listpack struct {
	b      []byte
	pos    int
	count  int
	broken bool
}

func newListpack(b []byte) *listpack {
	l := &listpack{b: b, pos: listpackHeader}
	l.broken = len(b) < listpackHeader+1 || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != listpackEnd
	return l
}

func (l *listpack) whole() bool {
	if l.broken || l.pos != len(l.b)-1 {
		return false
	}
	n := int(binary.LittleEndian.Uint16(l.b[4:]))
	return n == listpackUncounted || n == l.count
}

func (l *listpack) next() (e entry, ok bool) {
	if l.broken || l.pos >= len(l.b)-1 {
		return entry{}, false
	}
	e, size := listpackEntry(l.b[l.pos : len(l.b)-1])
	if size == 0 {
		l.broken = true
		return entry{}, false
	}
	l.pos += size
	l.count++
	return e, true
}

// listpackEntry decodes the entry at the beginning of b, and returns its size with
// the back length; 0 if it is none.
func listpackEntry(b []byte) (e entry, size int) {
	at := func(i int) uint64 {
		if i < len(b) {
			return uint64(b[i])
		}
		return 0
	}
	c := at(0)
	var head, n uint64 // bytes before the text, bytes of text
	isText := true
	switch {
	case c < 0x80:
		e.n, head, isText = int64(c), 1, false
	case c < 0xC0:
		head, n = 1, c&63
	case c < 0xE0:
		v := int64(c&31<<8 | at(1))
		e.n, head, isText = v<<51>>51, 2, false
	case c < 0xF0:
		head, n = 2, c&15<<8|at(1)
	case c == 0xF0:
		head, n = 5, at(1)|at(2)<<8|at(3)<<16|at(4)<<24
	case c <= 0xF4:
		width := [...]uint64{2, 3, 4, 8}[c-0xF1]
		e.n, head, isText = littleEndian(b[1:], int(width)), 1+width, false
	default:
		return entry{}, 0
	}
	total := head + n
	back := backLength(total)
	if total+uint64(back) > uint64(len(b)) {
		return entry{}, 0
	}
	if isText {
		e.text = b[head:total:total]
	}
	// The back length is what it must be, byte by byte.
	for i, rest := 0, total; i < back; i, rest = i+1, rest>>7 {
		want := byte(rest & 127)
		if i < back-1 {
			want |= 128
		}
		if b[int(total)+back-1-i] != want {
			return entry{}, 0
		}
	}
	return e, int(total) + back
}

// littleEndian reads a signed integer of width bytes; 0 if b is shorter.
func littleEndian(b []byte, width int) int64 {
	if len(b) < width {
		return 0
	}
	var v uint64
	for i := range width {
		v |= uint64(b[i]) << (8 * i)
	}
	shift := 64 - 8*width
	return int64(v<<shift) >> shift
}

// backLength is the number of bytes of the back length of an entry of n bytes.
func backLength(n uint64) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	case n < 1<<28:
		return 4
	}
	return 5
}

// ziplist: length in bytes (4), offset of the last entry (4), entries (2), entries,
// end. An entry: length of the one before (1 byte, or 254 and 4), encoding, value.
type ziplist struct {
	b      []byte
	pos    int
	last   int // where the entry before pos begins
	count  int
	broken bool
}

func newZiplist(b []byte) *ziplist {
	z := &ziplist{b: b, pos: ziplistHeader, last: ziplistHeader}
	z.broken = len(b) < ziplistHeader+1 || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != ziplistEnd
	return z
}

func (z *ziplist) whole() bool {
	if z.broken || z.pos != len(z.b)-1 || uint64(binary.LittleEndian.Uint32(z.b[4:])) != uint64(z.last) {
		return false
	}
	n := int(binary.LittleEndian.Uint16(z.b[8:]))
	return n == ziplistUncounted || n == z.count
}

func (z *ziplist) next() (e entry, ok bool) {
	if z.broken || z.pos >= len(z.b)-1 {
		return entry{}, false
	}
	previous := uint64(0)
	if z.count > 0 {
		previous = uint64(z.pos - z.last)
	}
	e, size := ziplistEntry(z.b[z.pos:len(z.b)-1], previous)
	if size == 0 {
		z.broken = true
		return entry{}, false
	}
	z.last, z.pos = z.pos, z.pos+size
	z.count++
	return e, true
}

// ziplistEntry decodes the entry at the beginning of b, which says that the one
// before has previous bytes, and returns its size; 0 if it is none.
func ziplistEntry(b []byte, previous uint64) (e entry, size int) {
	body := b[1:]
	said := uint64(b[0])
	if said >= ziplistLongPrev {
		if said != ziplistLongPrev || len(b) < 5 {
			return entry{}, 0
		}
		said, body = uint64(binary.LittleEndian.Uint32(b[1:])), b[5:]
	}
	if said != previous || len(body) == 0 {
		return entry{}, 0
	}
	var head, n uint64
	switch c := body[0]; {
	case c < 0x40:
		head, n = 1, uint64(c)
	case c < 0x80:
		if len(body) < 2 {
			return entry{}, 0
		}
		head, n = 2, uint64(c&63)<<8|uint64(body[1])
	case c < 0xC0:
		if c != 0x80 || len(body) < 5 {
			return entry{}, 0
		}
		head, n = 5, uint64(binary.BigEndian.Uint32(body[1:]))
	default:
		width := 0
		switch {
		case c == 0xC0:
			width = 2
		case c == 0xD0:
			width = 4
		case c == 0xE0:
			width = 8
		case c == 0xF0:
			width = 3
		case c == 0xFE:
			width = 1
		case c > 0xF0 && c < 0xFE:
			e.n = int64(c&15) - 1
		default:
			return entry{}, 0
		}
		if len(body) < 1+width {
			return entry{}, 0
		}
		if width > 0 {
			e.n = littleEndian(body[1:], width)
		}
		return e, len(b) - len(body) + 1 + width
	}
	if head+n > uint64(len(body)) {
		return entry{}, 0
	}
	e.text = body[head : head+n : head+n]
	return e, len(b) - len(body) + int(head+n)
}

// zipmap: number of pairs (1 byte, 254 and more: unknown); pairs of length (1 byte,
// or 254 and 4), field, length, free bytes (1 byte), value, free bytes; end.
func zipmapPairs(b []byte, fn func(field, value []byte) error) (whole bool, err error) {
	if len(b) < 2 || b[len(b)-1] != 0xFF {
		return false, nil
	}
	rest, count := b[1:len(b)-1], 0
	length := func() (n uint64, ok bool) {
		if len(rest) == 0 {
			return 0, false
		}
		switch c := rest[0]; {
		case c < 254:
			rest = rest[1:]
			return uint64(c), true
		case c == 254 && len(rest) >= 5:
			n := uint64(binary.LittleEndian.Uint32(rest[1:]))
			rest = rest[5:]
			return n, true
		}
		return 0, false
	}
	for ; len(rest) > 0; count++ {
		n, ok := length()
		if !ok || n > uint64(len(rest)) {
			return false, nil
		}
		field := rest[:n:n]
		rest = rest[n:]
		if n, ok = length(); !ok || len(rest) == 0 {
			return false, nil
		}
		free := uint64(rest[0])
		if rest = rest[1:]; n+free > uint64(len(rest)) {
			return false, nil
		}
		if err := fn(field, rest[:n:n]); err != nil {
			return false, err
		}
		rest = rest[n+free:]
	}
	return b[0] >= 254 || int(b[0]) == count, nil
}

// intsetMembers calls fn for the members of an intset: bytes per member (4), members
// (4), members in ascending order.
func intsetMembers(b []byte, fn func(member []byte) error) (whole bool, err error) {
	if len(b) < 8 {
		return false, nil
	}
	width, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if width != 2 && width != 4 && width != 8 || uint64(n)*uint64(width) != uint64(len(b)-8) {
		return false, nil
	}
	var text [20]byte
	last := int64(math.MinInt64)
	for i := range int(n) {
		v := littleEndian(b[8+i*int(width):], int(width))
		if i > 0 && v <= last {
			return false, nil
		}
		last = v
		if err := fn(strconv.AppendInt(text[:0], v, 10)); err != nil {
			return false, err
		}
	}
	return true, nil
}
