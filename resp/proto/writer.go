package proto

import (
	"math"
	"runtime"
	"strconv"

	"github.com/tidwall/redcon"
)

// Writer appends replies to a byte slice, as RESP3 or, downgraded the way
// Redis downgrades, as RESP2. Its zero value is an empty RESP2 writer.
//
// A reply must be complete: whoever writes a header for n elements writes the
// n elements. Writer never fails and never flushes; who owns it bounds its
// length between replies. It is not safe for concurrent use.
type Writer struct {
	buf   []byte
	resp3 bool
}

// NewWriter returns a writer for protocol version 2 or 3 that appends to buf,
// which it owns from then on.
func NewWriter(buf []byte, version int) *Writer {
	return &Writer{buf: buf, resp3: version >= 3}
}

// SetVersion selects RESP2 or RESP3 for the replies that follow.
func (w *Writer) SetVersion(version int) { w.resp3 = version >= 3 }

// Version is 2 or 3.
func (w *Writer) Version() int {
	if w.resp3 {
		return 3
	}
	return 2
}

// RESP3 reports whether replies are written as RESP3.
func (w *Writer) RESP3() bool { return w.resp3 }

// Len is the number of bytes written and not taken yet.
func (w *Writer) Len() int { return len(w.buf) }

// Cap is the capacity of the buffer behind the writer.
func (w *Writer) Cap() int { return cap(w.buf) }

// Bytes returns what was written. It aliases the writer's buffer and is valid
// until the next call.
func (w *Writer) Bytes() []byte { return w.buf }

// Take returns what was written and leaves the writer without a buffer; the
// caller owns the slice.
func (w *Writer) Take() []byte {
	b := w.buf
	w.buf = nil
	return b
}

// Reset drops what was written and appends to buf[:0] from then on, keeping
// the protocol version.
func (w *Writer) Reset(buf []byte) { w.buf = buf[:0] }

// Truncate drops everything after the first n bytes: a caller that noted Len
// before a reply can take the reply back.
func (w *Writer) Truncate(n int) { w.buf = w.buf[:n] }

// Grow makes room for n more bytes, so that a reply of known size is copied
// once.
func (w *Writer) Grow(n int) {
	if cap(w.buf)-len(w.buf) >= n {
		return
	}
	c := max(2*cap(w.buf), len(w.buf)+n)
	buf := make([]byte, len(w.buf), c)
	copy(buf, w.buf)
	w.buf = buf
}

// Reserve makes room for n more bytes of a reply that grows and grows, by half of what
// there is at least. It lets others run on the way: nothing preempts a long copy, and all
// would wait for it when the garbage collector begins.
func (w *Writer) Reserve(n int) {
	if cap(w.buf)-len(w.buf) >= n {
		return
	}
	const part = 256 << 10
	buf := make([]byte, 0, len(w.buf)+max(len(w.buf)/2, n))
	for rest := w.buf; len(rest) > 0; runtime.Gosched() {
		m := min(len(rest), part)
		buf, rest = append(buf, rest[:m]...), rest[m:]
	}
	w.buf = buf
}

// OK writes +OK.
func (w *Writer) OK() { w.buf = append(w.buf, ReplyOK...) }

// Raw appends bytes that are already in wire format, one of the Reply
// constants for example.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }

// RawString is Raw for a string.
func (w *Writer) RawString(s string) { w.buf = append(w.buf, s...) }

// Simple writes a simple string. Line breaks in s become spaces.
func (w *Writer) Simple(s string) { w.buf = redcon.AppendString(w.buf, s) }

// Error writes an error reply. s begins with the error code, as in
// "ERR syntax error"; line breaks in it become spaces.
func (w *Writer) Error(s string) { w.buf = redcon.AppendError(w.buf, s) }

// Int writes an integer.
func (w *Writer) Int(n int64) {
	if n == 0 {
		w.buf = append(w.buf, ReplyZero...)
		return
	}
	w.buf = redcon.AppendInt(w.buf, n)
}

// Uint writes an unsigned integer.
func (w *Writer) Uint(n uint64) { w.buf = redcon.AppendUint(w.buf, n) }

// Bulk writes a bulk string; nil is the empty string, not null. b is copied.
func (w *Writer) Bulk(b []byte) {
	w.growBulk(len(b))
	w.buf = redcon.AppendBulk(w.buf, b)
}

// BulkString is Bulk for a string.
func (w *Writer) BulkString(s string) {
	w.growBulk(len(s))
	w.buf = redcon.AppendBulkString(w.buf, s)
}

// BulkHeader begins a bulk string of n bytes, which Raw and EndBulk complete.
func (w *Writer) BulkHeader(n int) { w.prefix('$', n) }

// EndBulk ends what BulkHeader began.
func (w *Writer) EndBulk() { w.buf = append(w.buf, '\r', '\n') }

// growBulk makes room for header and body at once, so that a large value is
// not copied a second time when the buffer grows for its trailing line break.
func (w *Writer) growBulk(n int) {
	if n > 1<<10 {
		w.Grow(n + bulkOverhead)
	}
}

// bulkOverhead is the most that frames a bulk: '$', 19 digits, two CRLF.
const bulkOverhead = 1 + 19 + 4

// BulkInt writes a decimal integer as a bulk string.
func (w *Writer) BulkInt(n int64) {
	var digits [20]byte
	w.Bulk(strconv.AppendInt(digits[:0], n, 10))
}

// Null writes a null: $-1 in RESP2.
func (w *Writer) Null() {
	if w.resp3 {
		w.buf = append(w.buf, ReplyNull3...)
		return
	}
	w.buf = redcon.AppendNull(w.buf)
}

// NullArray writes a null where an array was expected: *-1 in RESP2.
func (w *Writer) NullArray() {
	if w.resp3 {
		w.buf = append(w.buf, ReplyNull3...)
		return
	}
	w.buf = append(w.buf, ReplyNullArray2...)
}

// Array opens an array of n elements.
func (w *Writer) Array(n int) { w.buf = redcon.AppendArray(w.buf, n) }

// Map opens a map of n pairs: in RESP2 an array of 2n elements.
func (w *Writer) Map(n int) {
	if w.resp3 {
		w.prefix('%', n)
		return
	}
	w.Array(2 * n)
}

// Set opens a set of n elements: in RESP2 an array.
func (w *Writer) Set(n int) {
	if w.resp3 {
		w.prefix('~', n)
		return
	}
	w.Array(n)
}

// Push opens an out-of-band message of n elements: in RESP2 an array.
func (w *Writer) Push(n int) {
	if w.resp3 {
		w.prefix('>', n)
		return
	}
	w.Array(n)
}

// Attribute opens an attribute of n pairs that precedes a reply. RESP2 has
// none: there it writes nothing and returns false, and the caller must not
// write the pairs.
func (w *Writer) Attribute(n int) bool {
	if !w.resp3 {
		return false
	}
	w.prefix('|', n)
	return true
}

// Double writes a double: in RESP2 a bulk string of the same digits.
func (w *Writer) Double(f float64) {
	var digits [32]byte
	d := AppendDouble(digits[:0], f)
	if !w.resp3 {
		w.Bulk(d)
		return
	}
	w.buf = append(w.buf, ',')
	w.buf = append(w.buf, d...)
	w.buf = append(w.buf, '\r', '\n')
}

// AppendDouble appends f as redis-server 7.0 prints doubles in replies: 17
// significant digits ("%.17g"), inf, -inf, nan.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}

// Bool writes a boolean: in RESP2 :1 or :0.
func (w *Writer) Bool(b bool) {
	switch {
	case w.resp3 && b:
		w.buf = append(w.buf, "#t\r\n"...)
	case w.resp3:
		w.buf = append(w.buf, "#f\r\n"...)
	case b:
		w.buf = append(w.buf, ReplyOne...)
	default:
		w.buf = append(w.buf, ReplyZero...)
	}
}

// BigNumber writes an integer of any size, given as decimal digits: in RESP2
// a bulk string.
func (w *Writer) BigNumber(digits string) {
	if !w.resp3 {
		w.BulkString(digits)
		return
	}
	w.buf = append(w.buf, '(')
	w.buf = append(w.buf, digits...)
	w.buf = append(w.buf, '\r', '\n')
}

// Verbatim writes text of a format named by exactly three characters ("txt",
// "mkd"): in RESP2 a bulk string without the format.
func (w *Writer) Verbatim(format, text string) {
	if !w.resp3 {
		w.BulkString(text)
		return
	}
	w.Grow(len(text) + len(format) + 1 + bulkOverhead)
	w.prefix('=', len(format)+1+len(text))
	w.buf = append(w.buf, format...)
	w.buf = append(w.buf, ':')
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, '\r', '\n')
}

func (w *Writer) prefix(kind byte, n int) {
	w.buf = append(w.buf, kind)
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	w.buf = append(w.buf, '\r', '\n')
}
