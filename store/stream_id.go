package store

import (
	"math"
	"strconv"
)

// StreamID is the ID of a stream entry: milliseconds and a sequence number, in
// this order of significance.
type StreamID struct{ Ms, Seq uint64 }

// MaxStreamID is the highest ID that there is.
var MaxStreamID = StreamID{math.MaxUint64, math.MaxUint64}

// maxStreamIDText is the length of the longest ID as text.
const maxStreamIDText = 41

// Compare is negative, zero or positive as id comes before other, is the same
// or comes after it.
func (id StreamID) Compare(other StreamID) int {
	switch {
	case id == other:
		return 0
	case id.Before(other):
		return -1
	}
	return 1
}

// Before says whether id is lower than other.
func (id StreamID) Before(other StreamID) bool {
	return id.Ms < other.Ms || id.Ms == other.Ms && id.Seq < other.Seq
}

// IsZero says whether the ID is 0-0, which no entry has.
func (id StreamID) IsZero() bool { return id == StreamID{} }

// Next is the ID after id. Not ok: there is none; then it is 0-0.
func (id StreamID) Next() (next StreamID, ok bool) {
	if id.Seq++; id.Seq == 0 {
		id.Ms++
	}
	return id, !id.IsZero()
}

// Prev is the ID before id. Not ok: there is none; then it is the highest.
func (id StreamID) Prev() (prev StreamID, ok bool) {
	ok = !id.IsZero()
	if id.Seq--; id.Seq == math.MaxUint64 {
		id.Ms--
	}
	return id, ok
}

// AppendText appends the ID as clients see it.
func (id StreamID) AppendText(buf []byte) []byte {
	buf = strconv.AppendUint(buf, id.Ms, 10)
	return strconv.AppendUint(append(buf, '-'), id.Seq, 10)
}

// String is the ID as clients see it.
func (id StreamID) String() string {
	return string(id.AppendText(make([]byte, 0, maxStreamIDText)))
}
