package proto

import "slices"

// Deferred is a place in the reply where the header of an aggregate belongs
// whose length is known only after its elements were written. Deferred
// headers may nest; they are set innermost first.
type Deferred int // negative: ^ of the place, at which there is room for the header

// maxDeferredBulk is the length of the longest ID of a stream entry.
const maxDeferredBulk = 41

// Defer marks this place.
func (w *Writer) Defer() Deferred { return Deferred(len(w.buf)) }

// headerRoom is the most that the header of an aggregate takes.
const headerRoom = bulkOverhead

// DeferRoom is Defer for a reply that is going to be long: room for the header is left,
// and it is what came before that is moved to it.
func (w *Writer) DeferRoom() Deferred {
	d := Deferred(^len(w.buf))
	var room [headerRoom]byte
	w.buf = append(w.buf, room[:]...)
	return d
}

// SetArray writes the header of an array of n elements at d. The elements are
// moved up by the width of the header, which costs one copy of them and
// spares every other reply a buffer with holes.
func (w *Writer) SetArray(d Deferred, n int) { w.insert(d, func() { w.Array(n) }) }

// SetMap is SetArray for a map of n pairs.
func (w *Writer) SetMap(d Deferred, n int) { w.insert(d, func() { w.Map(n) }) }

// SetSet is SetArray for a set of n elements.
func (w *Writer) SetSet(d Deferred, n int) { w.insert(d, func() { w.Set(n) }) }

// SetPush is SetArray for a push message of n elements.
func (w *Writer) SetPush(d Deferred, n int) { w.insert(d, func() { w.Push(n) }) }

// SetBulk writes a bulk string of at most maxDeferredBulk bytes at d.
func (w *Writer) SetBulk(d Deferred, s string) { w.insert(d, func() { w.BulkString(s) }) }

func (w *Writer) insert(d Deferred, header func()) {
	end := len(w.buf)
	header()
	var h [bulkOverhead + maxDeferredBulk]byte
	n := copy(h[:], w.buf[end:])
	if d >= 0 {
		w.buf = slices.Insert(w.buf[:end], int(d), h[:n]...)
		return
	}
	at, spare := int(^d), headerRoom-n
	copy(w.buf[spare:], w.buf[:at])
	copy(w.buf[spare+at:], h[:n])
	w.buf = w.buf[spare:end]
}
