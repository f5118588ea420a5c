package store

import (
	"encoding/binary"
	"math"
	"slices"
)

// An intset is a small set of integers, laid out as Redis's, so that DUMP and
// RDB files need no translation:
//
//	0..3   bytes per member: 2, 4 or 8, little-endian
//	4..7   number of members, little-endian
//	8..    members, signed, little-endian, ascending
//
// All members are as wide as the widest has ever asked for.
type intset []byte

const intsetHeader = 8

func newIntset(buf []byte) intset { return append(intset(buf[:0]), 2, 0, 0, 0, 0, 0, 0, 0) }

func (s intset) width() int   { return int(s[0]) }
func (s intset) members() int { return int(binary.LittleEndian.Uint32(s[4:])) }

func (s intset) at(i int) int64 {
	switch b := s[intsetHeader+i*s.width():]; s.width() {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	default:
		return int64(binary.LittleEndian.Uint64(b))
	}
}

func (s intset) put(i int, n int64) {
	switch b := s[intsetHeader+i*s.width():]; s.width() {
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(n))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(n))
	default:
		binary.LittleEndian.PutUint64(b, uint64(n))
	}
}

// find returns where n is, or belongs.
func (s intset) find(n int64) (i int, found bool) {
	low, high := 0, s.members()
	for low < high {
		mid := (low + high) / 2
		switch v := s.at(mid); {
		case v == n:
			return mid, true
		case v < n:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

func intsetWidth(n int64) int {
	switch {
	case n >= math.MinInt16 && n <= math.MaxInt16:
		return 2
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return 4
	default:
		return 8
	}
}

// add adds n, in place if the capacity allows, and says whether it is new.
func (s intset) add(n int64) (_ intset, added bool) {
	if width := intsetWidth(n); width > s.width() {
		s = s.widen(width)
	}
	i, found := s.find(n)
	if found {
		return s, false
	}
	at := intsetHeader + i*s.width()
	var zero [8]byte
	s = slices.Insert(s, at, zero[:s.width()]...)
	binary.LittleEndian.PutUint32(s[4:], uint32(s.members()+1))
	s.put(i, n)
	return s, true
}

func (s intset) widen(width int) intset {
	count, old := s.members(), s.width()
	s = slices.Grow(s, count*(width-old))[:intsetHeader+count*width]
	for i := count - 1; i >= 0; i-- {
		s[0] = byte(old)
		n := s.at(i)
		s[0] = byte(width)
		s.put(i, n)
	}
	s[0] = byte(width)
	return s
}

// remove removes member i in place.
func (s intset) remove(i int) intset {
	at := intsetHeader + i*s.width()
	s = slices.Delete(s, at, at+s.width())
	binary.LittleEndian.PutUint32(s[4:], uint32(s.members()-1))
	return s
}

// validIntset says whether b is a well-formed intset with members.
func validIntset(b []byte) bool {
	if len(b) < intsetHeader {
		return false
	}
	s := intset(b)
	width := binary.LittleEndian.Uint32(b)
	if width != 2 && width != 4 && width != 8 || s.members() == 0 ||
		uint64(len(b)-intsetHeader) != uint64(s.members())*uint64(width) {
		return false
	}
	for i := 1; i < s.members(); i++ {
		if s.at(i-1) >= s.at(i) {
			return false
		}
	}
	return true
}
