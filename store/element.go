package store

import (
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"unsafe"
)

// elements is an index of records like that of a shard's keys, whose records
// are elements: names (hash fields, members of sets and sorted sets) with a
// value each, which may be empty. So growing never takes longer than a split,
// a position in tag order is a cursor for HSCAN and SSCAN, elements are drawn
// at random without walking, and a deadline costs only those that have one.
//
// An element record is
//
//	0..   name length << 2 | external << 1 | has deadline, varint
//	..    value length, varint (12 when external: region number and length)
//	..    deadline, 8 bytes little-endian, if any
//	..    name, value
//
// Types embed elements in their object. Methods need the lock of the shard that
// the object belongs to.
type elements struct {
	owner
	index
	freed freeing // freeStep: where it goes on
}

// element is a parsed element record.
type element struct {
	p     unsafe.Pointer
	ref   ref
	flags uint8
	body  int // offset of the name
	nlen  int
	vlen  int
}

const (
	elementDeadline = 1
	elementExternal = 2

	// maxElementName leaves room for header and inline value in one piece.
	maxElementName = maxKeyLength
)

// init makes e empty, belonging to sh. Error: ErrOutOfMemory.
func (e *elements) init(sh *shard) error {
	group := sh.id / groupShards
	e.owner = owner{store: sh.store, small: &sh.store.objects[group], group: &sh.store.groups[group], parent: &sh.owner}
	return e.openIndex(&e.index)
}

func (e *elements) base() *owner { return &e.owner }

// length is the number of elements, those past their deadline included.
func (e *elements) length() int { return int(e.count.Load()) }

// dated is the number of elements with a deadline.
func (e *elements) dated() int { return int(e.expires.Load()) }

func elementTag(name []byte) uint32 {
	return uint32(maphash.Bytes(hashSeed, name) >> (64 - tagBits))
}

func (r *element) size() int         { return r.body + r.nlen + r.vlen }
func (r *element) hasDeadline() bool { return r.flags&elementDeadline != 0 }
func (r *element) external() bool    { return r.flags&elementExternal != 0 }

func (r *element) name() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.p, r.body)), r.nlen)
}

// inline is the value field of the record.
func (r *element) inline() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.p, r.body+r.nlen)), r.vlen)
}

func (r *element) deadlineBytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.p, r.body-8)), 8)
}

func (r *element) deadline() int64 {
	if !r.hasDeadline() {
		return noDeadline
	}
	return int64(binary.LittleEndian.Uint64(r.deadlineBytes()))
}

// value returns the value of an element, where it lies.
func (e *elements) value(r *element) []byte {
	v := r.inline()
	if r.external() {
		return e.external.regions[binary.LittleEndian.Uint32(v)][:binary.LittleEndian.Uint64(v[4:])]
	}
	return v
}

func (a *arena) parseElement(at ref) element {
	p := a.ptr(at)
	n, off := varint(p, 0)
	r := element{p: p, ref: at, flags: uint8(n & 3), nlen: n >> 2}
	r.vlen, off = varint(p, off)
	if r.flags&elementDeadline != 0 {
		off += 8
	}
	r.body = off
	return r
}

func elementSize(nlen, vlen int, deadline bool) int {
	n := varintSize(nlen<<2) + varintSize(vlen) + nlen + vlen
	if deadline {
		n += 8
	}
	return n
}

// lookup finds an element. Which ones are past their deadline is the caller's
// to judge.
func (e *elements) lookup(name []byte) (element, place, bool) {
	return e.lookupTag(elementTag(name), name)
}

func (e *elements) lookupTag(tag uint32, name []byte) (element, place, bool) {
	w := e.dir.Load().word(tag)
	cells := e.cellsOf(w)
	for i := w.home(tag); i < len(cells); i++ {
		c := cells[i]
		if t := tagOf(c); t < tag && c != 0 {
			continue
		} else if t != tag || c == 0 {
			break
		}
		r := e.store.arena.parseElement(refOf(c))
		if r.nlen == len(name) && string(r.name()) == string(name) {
			return r, place{w, cells, i}, true
		}
	}
	return element{}, place{}, false
}

// set gives the element name a value and a deadline (noDeadline: none), and
// says whether it is new. Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing
// has changed.
func (e *elements) set(name, value []byte, deadline int64) (added bool, err error) {
	tag := elementTag(name)
	old, at, found := e.lookupTag(tag, name)
	_, err = e.put(tag, name, value, deadline, old, at, found)
	return !found, err
}

// put is set after the look-up: old and at are what lookupTag found. It returns where
// the element is.
func (e *elements) put(tag uint32, name, value []byte, deadline int64, old element, at place, found bool) (ref, error) {
	if len(name) > maxElementName {
		return 0, ErrKeyTooLong
	}
	dated, external := deadline != noDeadline, len(value) > maxInline
	vlen := len(value)
	if external {
		vlen = externalSize
	}
	size := elementSize(len(name), vlen, dated)
	if found && !external && !old.external() && dated == old.hasDeadline() && cellSize(size) == cellSize(old.size()) {
		copy(e.format(old.ref, name, vlen, 0, deadline), value)
		return old.ref, nil
	}
	r, err := e.alloc(size)
	if err != nil {
		return 0, err
	}
	if external {
		region, err := e.store.arena.newRegion(len(value))
		if err != nil {
			e.free(r, size)
			return 0, err
		}
		copy(region, value)
		dst := e.format(r, name, vlen, elementExternal, deadline)
		if e.external == nil {
			e.external = &externals{parent: e.parent.external}
		}
		binary.LittleEndian.PutUint32(dst, e.external.adopt(region))
		binary.LittleEndian.PutUint64(dst[4:], uint64(len(value)))
	} else {
		copy(e.format(r, name, vlen, 0, deadline), value)
	}
	if found {
		e.replace(&e.index, at, r, dated)
		e.freeElement(&old)
		return r, nil
	}
	if err := e.insert(&e.index, tag, r, dated); err != nil {
		rec := e.store.arena.parseElement(r)
		e.freeElement(&rec)
		return 0, err
	}
	return r, nil
}

// format writes header, deadline and name of an element and returns its value
// field.
func (e *elements) format(at ref, name []byte, vlen int, flags uint8, deadline int64) []byte {
	p := e.store.arena.ptr(at)
	if deadline != noDeadline {
		flags |= elementDeadline
	}
	off := putVarint(p, 0, len(name)<<2|int(flags))
	off = putVarint(p, off, vlen)
	if deadline != noDeadline {
		binary.LittleEndian.PutUint64(unsafe.Slice((*byte)(unsafe.Add(p, off)), 8), uint64(deadline))
		off += 8
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(p, off)), len(name)), name)
	return unsafe.Slice((*byte)(unsafe.Add(p, off+len(name))), vlen)
}

// setDeadline changes the deadline of an element found, noDeadline takes it
// away. Error: ErrOutOfMemory.
func (e *elements) setDeadline(r *element, at place, deadline int64) error {
	if r.hasDeadline() && deadline != noDeadline {
		binary.LittleEndian.PutUint64(r.deadlineBytes(), uint64(deadline))
		return nil
	}
	if r.hasDeadline() == (deadline != noDeadline) {
		return nil
	}
	to, err := e.alloc(elementSize(r.nlen, r.vlen, deadline != noDeadline))
	if err != nil {
		return err
	}
	copy(e.format(to, r.name(), r.vlen, r.flags&elementExternal, deadline), r.inline())
	e.replace(&e.index, at, to, deadline != noDeadline)
	e.free(r.ref, r.size())
	return nil
}

// delete removes an element found.
func (e *elements) delete(r *element, at place) {
	e.remove(&e.index, at)
	e.freeElement(r)
}

func (e *elements) freeElement(r *element) {
	if r.external() {
		e.freeRegion(binary.LittleEndian.Uint32(r.inline()))
	}
	e.free(r.ref, r.size())
}

// walk calls fn for about count elements from cursor on, in tag order, and
// returns the cursor to go on with; 0 starts and 0 ends. The guarantee is that
// of Tx.Scan. fn must not change the elements.
func (e *elements) walk(cursor uint64, count int, fn func(r *element)) (next uint64) {
	if cursor >= tagEnd {
		return 0
	}
	var batch [prefetchAhead * 4]entry
	pos := uint32(cursor)
	for count > 0 && pos < tagEnd {
		limits := walkLimits{entries: min(count, len(batch)), segments: 1 << tagBits}
		var found []entry
		found, pos = e.collect(&e.index, pos, tagEnd, limits, batch[:0])
		e.eachElement(found, fn)
		count -= len(found)
	}
	return uint64(pos) % tagEnd
}

// each calls fn for every element until it returns false. fn must not change
// the elements.
func (e *elements) each(fn func(r *element) bool) {
	var batch [prefetchAhead * 4]entry
	for pos := uint32(0); pos < tagEnd; {
		limits := walkLimits{entries: len(batch), segments: 1 << tagBits}
		var found []entry
		found, pos = e.collect(&e.index, pos, tagEnd, limits, batch[:0])
		if !e.whileElement(found, fn) {
			return
		}
	}
}

// eachElement calls fn for the record of each entry.
func (e *elements) eachElement(entries []entry, fn func(r *element)) {
	e.whileElement(entries, func(r *element) bool { fn(r); return true })
}

// whileElement calls fn for the record of each entry until it returns false,
// and looks at nothing from then on. It returns what fn did last.
func (e *elements) whileElement(entries []entry, fn func(r *element) bool) bool {
	a := e.store.arena
	for i := range min(prefetchAhead, len(entries)) {
		prefetch(a.mappedAddr(refOf(entries[i])))
	}
	for i, c := range entries {
		if i+prefetchAhead < len(entries) {
			prefetch(a.mappedAddr(refOf(entries[i+prefetchAhead])))
		}
		r := a.parseElement(refOf(c))
		if !fn(&r) {
			return false
		}
	}
	return true
}

// randomTries bounds the rejections of random: even where one draw in ten is
// accepted, ending here happens once in 10^11 draws.
const randomTries = 256

// random draws an element, each with the same probability; there is at least
// one. A cell of a segment is drawn, and again when it is empty; since
// segments differ in size and in their share of the tags, a draw is accepted
// with a probability that makes up for it.
func (e *elements) random() element {
	dir := e.dir.Load()
	for range randomTries {
		i := rand.IntN(len(dir.segs))
		w := segWord(dir.segs[i])
		cells := e.cellsOf(w)
		// The probability to come here is 2^(depth of directory - depth of
		// segment) words; that of a cell, 1/cells.
		if most := max(len(cells), segSizes[ordinarySeg]) << (dir.depth - w.depth()); dir.depth > 0 && rand.IntN(most) >= len(cells) {
			continue
		}
		if c := cells[1+rand.IntN(len(cells)-1)]; c != 0 {
			return e.store.arena.parseElement(refOf(c))
		}
	}
	// Nearly empty segments: any element near a random tag.
	one := walkLimits{entries: 1, segments: 1 << tagBits}
	found, _ := e.collect(&e.index, rand.Uint32N(tagEnd), tagEnd, one, nil)
	if len(found) == 0 {
		found, _ = e.collect(&e.index, 0, tagEnd, one, nil)
	}
	return e.store.arena.parseElement(refOf(found[rand.IntN(len(found))]))
}
