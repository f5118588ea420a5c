package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"respkv/internal/lzf"
)

// Error says what is wrong with bytes, and where.
type Error struct {
	Offset int64 // of the first byte that was not understood, about
	Reason string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("rdb: at offset %d: %s", e.Offset, e.Reason) }

// ErrEmpty says that a value has no elements: Redis refuses it in RESTORE and
// leaves it out when it loads a file. The value was read to its end.
var ErrEmpty = errors.New("rdb: a value without elements")

// reader takes bytes from memory or from a stream. The first error stays.
type reader struct {
	mem    []byte // what is still to be read, when stream is nil
	stream io.Reader
	off    int64
	sum    uint64 // checksum of what was read from a stream
	buf    [16]byte
	start  int // of what is in buffer and was not read yet
	end    int
	buffer []byte
	err    error
	limit  uint64 // bytes of a string
}

const streamBuffer = 64 << 10

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: r.off, Reason: fmt.Sprintf(format, args...)}
	}
}

// fill reads more of the stream; false at its end or when it fails.
func (r *reader) fill() bool {
	if r.buffer == nil {
		r.buffer = make([]byte, streamBuffer)
	}
	n, err := io.ReadAtLeast(r.stream, r.buffer, 1)
	r.start, r.end = 0, n
	if n == 0 {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			r.fail("the data ends early")
		} else if r.err == nil {
			r.err = fmt.Errorf("rdb: at offset %d: %w", r.off, err)
		}
	}
	return n > 0
}

// read fills b. After an error its contents are undefined.
func (r *reader) read(b []byte) {
	if r.err != nil {
		return
	}
	if r.stream == nil {
		if len(b) > len(r.mem) {
			r.fail("the data ends early")
			return
		}
		copy(b, r.mem)
		r.mem = r.mem[len(b):]
		r.off += int64(len(b))
		return
	}
	for len(b) > 0 {
		if r.start == r.end && !r.fill() {
			return
		}
		part := r.buffer[r.start:min(r.end, r.start+len(b))]
		r.sum = CRC(r.sum, part)
		n := copy(b, part)
		r.start, r.off, b = r.start+n, r.off+int64(n), b[n:]
	}
}

// bytes returns the next n bytes, read into buf's memory where they come from a
// stream. It allocates no more than twice what is there.
func (r *reader) bytes(n uint64, buf []byte) []byte {
	switch {
	case r.err != nil:
		return nil
	case n > r.limit:
		r.fail("a string of %d bytes is longer than %d", n, r.limit)
		return nil
	case r.stream == nil:
		if n > uint64(len(r.mem)) {
			r.fail("the data ends early")
			return nil
		}
		b := r.mem[:n:n]
		r.mem = r.mem[n:]
		r.off += int64(n)
		return b
	}
	buf = buf[:0]
	for uint64(len(buf)) < n && r.err == nil {
		piece := int(min(n-uint64(len(buf)), max(streamBuffer, uint64(len(buf)))))
		if free := cap(buf) - len(buf); free < piece {
			grown := make([]byte, len(buf), len(buf)+piece)
			copy(grown, buf)
			buf = grown
		}
		r.read(buf[len(buf) : len(buf)+piece])
		buf = buf[:len(buf)+piece]
	}
	return buf
}

func (r *reader) byte() byte {
	r.read(r.buf[:1])
	return r.buf[0]
}

// length reads a length; enc says that it is the number of a special encoding.
func (r *reader) length() (n uint64, enc bool) {
	c := r.byte()
	switch c >> 6 {
	case len6:
		return uint64(c & 63), false
	case len14:
		return uint64(c&63)<<8 | uint64(r.byte()), false
	case lenEnc:
		return uint64(c & 63), true
	}
	switch c {
	case len32:
		r.read(r.buf[:4])
		return uint64(binary.BigEndian.Uint32(r.buf[:])), false
	case len64:
		r.read(r.buf[:8])
		return binary.BigEndian.Uint64(r.buf[:]), false
	}
	r.fail("unknown length %#x", c)
	return 0, false
}

// count is length for what is no string.
func (r *reader) count() uint64 {
	n, enc := r.length()
	if enc {
		r.fail("a length is missing")
	}
	return n
}

// string reads a string, into buf's memory where it can. It is valid until buf is
// used again.
func (r *reader) string(buf []byte) []byte {
	n, enc := r.length()
	if !enc {
		return r.bytes(n, buf)
	}
	switch n {
	case encInt8, encInt16, encInt32:
		width := 1 << n
		r.read(r.buf[:width])
		return strconv.AppendInt(buf[:0], littleEndian(r.buf[:], width), 10)
	case encLZF:
		packed, size := r.count(), r.count()
		if size > r.limit {
			r.fail("a string of %d bytes is longer than %d", size, r.limit)
		}
		data := r.bytes(packed, nil)
		if r.err != nil {
			return nil
		}
		out, ok := lzf.Expand(nil, data, size)
		if !ok {
			r.fail("a compressed string is broken")
		}
		return out
	}
	r.fail("unknown string encoding %d", n)
	return nil
}

// millis reads a time in Unix milliseconds.
func (r *reader) millis() int64 {
	r.read(r.buf[:8])
	return int64(binary.LittleEndian.Uint64(r.buf[:]))
}

func (r *reader) binaryScore() float64 {
	r.read(r.buf[:8])
	return math.Float64frombits(binary.LittleEndian.Uint64(r.buf[:]))
}

// textScore reads a score in the form of TypeZSet.
func (r *reader) textScore() float64 {
	switch n := r.byte(); n {
	case 253:
		return math.NaN()
	case 254:
		return math.Inf(1)
	case 255:
		return math.Inf(-1)
	default:
		var text [253]byte
		r.read(text[:n])
		f, err := strconv.ParseFloat(string(text[:n]), 64)
		if err != nil {
			r.fail("%q is no score", text[:n])
		}
		return f
	}
}
