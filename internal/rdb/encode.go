package rdb

import (
	"encoding/binary"
	"math"
	"strconv"

	"respkv/internal/lzf"
)

// AppendLen appends a length.
func AppendLen(dst []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(dst, byte(n))
	case n < 1<<14:
		return append(dst, len14<<6|byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, len32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, len64), n)
}

// Lengths of strings that are worth compressing, and that are compressed at all: who
// writes them holds a lock, some 3 ms for the longest.
const (
	minCompressed = 21
	MaxCompressed = 512 << 10 // longer ones are not compressed
)

// AppendString appends a string: as an integer of up to four bytes where its text
// is that of one, compressed if that is wanted and saves anything, or as it is.
func AppendString(dst, s []byte, compress bool) []byte {
	if n, ok := shortInt(s); ok {
		return appendShortInt(dst, n)
	}
	if compress && len(s) >= minCompressed && len(s) <= MaxCompressed {
		if packed, ok := lzf.Compress(nil, s, len(s)-4); ok {
			dst = append(dst, lenEnc<<6|encLZF)
			dst = AppendLen(dst, uint64(len(packed)))
			dst = AppendLen(dst, uint64(len(s)))
			return append(dst, packed...)
		}
	}
	return append(AppendLen(dst, uint64(len(s))), s...)
}

// appendRaw appends a string as it is.
func appendRaw(dst []byte, s string) []byte {
	return append(AppendLen(dst, uint64(len(s))), s...)
}

// shortInt reads the canonical text of an integer of 32 bits.
func shortInt(s []byte) (int32, bool) {
	const longest = len("-2147483648")
	if len(s) == 0 || len(s) > longest || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseInt(string(s), 10, 32)
	if err != nil {
		return 0, false
	}
	var text [longest]byte
	return int32(n), string(strconv.AppendInt(text[:0], n, 10)) == string(s)
}

func appendShortInt(dst []byte, n int32) []byte {
	switch {
	case n == int32(int8(n)):
		return append(dst, lenEnc<<6|encInt8, byte(n))
	case n == int32(int16(n)):
		return append(dst, lenEnc<<6|encInt16, byte(n), byte(n>>8))
	}
	return binary.LittleEndian.AppendUint32(append(dst, lenEnc<<6|encInt32), uint32(n))
}

// AppendStringHead appends what comes before the n bytes of a string.
func AppendStringHead(dst []byte, n int) []byte { return AppendLen(dst, uint64(n)) }

// AppendScore appends the score of a member, as TypeZSet2 has it.
func AppendScore(dst []byte, score float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(score))
}

// AppendMillis appends a time in Unix milliseconds.
func AppendMillis(dst []byte, at int64) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(at))
}

// AppendListpack appends the string that is a listpack of n entries, given
// without header and end.
func AppendListpack(dst, entries []byte, n int, compress bool) []byte {
	lp := make([]byte, 0, listpackHeader+len(entries)+1)
	lp = binary.LittleEndian.AppendUint32(lp, uint32(listpackHeader+len(entries)+1))
	lp = binary.LittleEndian.AppendUint16(lp, uint16(min(n, listpackUncounted)))
	lp = append(append(lp, entries...), listpackEnd)
	return AppendString(dst, lp, compress)
}

// AppendListNode appends a node of TypeListQuicklist2 that is a listpack.
func AppendListNode(dst, entries []byte, n int, compress bool) []byte {
	return AppendListpack(append(dst, quicklistNodePacked), entries, n, compress)
}

// AppendListElement appends a node of TypeListQuicklist2 that is one element.
func AppendListElement(dst, element []byte, compress bool) []byte {
	return AppendString(append(dst, quicklistNodePlain), element, compress)
}

// AppendFooter makes dst[from:], a type and its value, the payload that DUMP
// returns: version and checksum follow.
func AppendFooter(dst []byte, from int, version uint16) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, version)
	return binary.LittleEndian.AppendUint64(dst, CRC(0, dst[from:]))
}
