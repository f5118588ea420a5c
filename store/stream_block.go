package store

import (
	"unsafe"
)

// The entries of a stream lie in blocks, packed values of the layout of Redis's
// stream listpacks, so that RDB files need no translation. A block begins with its
// master entry, whose fields most entries share:
//
//	live entries | deleted entries | number of fields | fields | 0
//
// and goes on with entries, whose IDs are told as differences to the ID of the
// block, which is that of its first entry:
//
//	flags | ms | seq | values | length                             same fields
//	flags | ms | seq | number of fields | fields, values | length  other fields
//
// The length is the number of parts before it, to be read backwards. Deleted
// entries stay, with a flag, until the block goes as a whole.
const (
	streamDeleted = 1
	streamSame    = 2 // fields of the master entry

	// streamSpare is the room that a block keeps, so that its counters can
	// grow when entries are deleted: that needs no memory.
	streamSpare = 8

	// maxStreamEntry bounds the fields and values of an entry together, as in
	// Redis.
	maxStreamEntry = 1 << 30

	// listpackExtra is what a listpack takes more than a packed value: the
	// limit in bytes of a block counts as Redis does.
	listpackExtra = 3
)

// streamBlock is the header of a block: the packed value follows in the same
// cell or, past maxInline, lies in a mapping of its own.
type streamBlock struct {
	cap    uint32 // bytes behind the header, or of the region used
	size   uint32 // of the packed value
	region uint32 // number of the region, counted from 1; 0: none
}

const streamBlockHeader = int(unsafe.Sizeof(streamBlock{}))

func (o *streamObject) block(r ref) *streamBlock { return (*streamBlock)(o.store.arena.ptr(r)) }

// data is all room of a block.
func (o *streamObject) data(b *streamBlock) []byte {
	if b.region != 0 {
		return o.external.regions[b.region-1][:b.cap:b.cap]
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b), streamBlockHeader)), b.cap)
}

// packedAt is the packed value of a block, where it lies, with the room behind
// it as capacity.
func (o *streamObject) packedAt(r ref) packed {
	b := o.block(r)
	return packed(o.data(b)[:b.size])
}

// newBlock returns an empty block with room for size bytes. Error:
// ErrOutOfMemory.
func (o *streamObject) newBlock(size int) (ref, error) {
	inline := size
	if size > maxInline {
		inline = 0
	}
	r, err := o.alloc(streamBlockHeader + inline)
	if err != nil {
		return 0, err
	}
	b := o.block(r)
	*b = streamBlock{cap: uint32(cellSize(streamBlockHeader+inline) - streamBlockHeader)}
	if size > maxInline {
		region, err := o.store.arena.newRegion(size)
		if err != nil {
			o.free(r, streamBlockHeader)
			return 0, err
		}
		if o.external == nil {
			o.external = &externals{parent: o.parent.external}
		}
		b.cap, b.region = uint32(size), o.external.adopt(region)+1
	}
	return r, nil
}

func (o *streamObject) freeBlock(r ref) {
	b := o.block(r)
	if b.region != 0 {
		o.freeRegion(b.region - 1)
		o.free(r, streamBlockHeader)
		return
	}
	o.free(r, streamBlockHeader+int(b.cap))
}

// resize moves a block to one with room for size bytes. Error: ErrOutOfMemory;
// then nothing has changed.
func (o *streamObject) resize(r ref, size int) (ref, error) {
	to, err := o.newBlock(size)
	if err != nil {
		return r, err
	}
	p := o.packedAt(r)
	b := o.block(to)
	b.size = uint32(len(p))
	copy(o.data(b), p)
	o.freeBlock(r)
	return to, nil
}

// fit gives back the room that a block will not grow into any more. It is an
// optimization: without memory it does nothing.
func (o *streamObject) fit(r ref) ref {
	b := o.block(r)
	size := int(b.size) + streamSpare
	if b.region == 0 && cellSize(streamBlockHeader+size) < streamBlockHeader+int(b.cap) ||
		b.region != 0 && size < int(b.cap)/2 {
		r, _ = o.resize(r, size)
	}
	return r
}

// keep makes p, the value of a block changed in place within its capacity, its
// value.
func (o *streamObject) keep(r ref, p packed) { o.block(r).size = uint32(len(p)) }

// streamHead is the master entry of a block.
type streamHead struct {
	live, deleted int
	fields        int // number
	first         int // position of the first field
	entries       int // position of the first entry
}

func (p packed) streamHead() (h streamHead) {
	pos := p.first()
	var e packedEntry
	e, pos = p.get(pos)
	h.live = int(e.n)
	e, pos = p.get(pos)
	h.deleted = int(e.n)
	e, pos = p.get(pos)
	h.fields, h.first = int(e.n), pos
	h.entries = p.next(p.skip(pos, h.fields))
	return h
}

// count changes the counters of a block. p changes in place: a block has room for
// that.
func (p packed) count(live, deleted int) packed {
	var buf [2 * (maxIntText)]byte
	counters := appendPackedInt(appendPackedInt(buf[:0], int64(live)), int64(deleted))
	return p.replace(p.first(), p.skip(p.first(), 2), counters, 0)
}

// streamItem is an entry of a block, where it lies.
type streamItem struct {
	id     StreamID
	flags  int64
	pos    int // of the flags
	fields int // number
	at     int // first value or, with other fields than the master's, first field
}

func (it *streamItem) deleted() bool { return it.flags&streamDeleted != 0 }

// item reads the entry at pos of a block with that ID and master entry.
func (p packed) item(pos int, base StreamID, h *streamHead) (it streamItem) {
	it.pos = pos
	var e packedEntry
	e, pos = p.get(pos)
	it.flags = e.n
	e, pos = p.get(pos)
	it.id.Ms = base.Ms + uint64(e.n)
	e, pos = p.get(pos)
	it.id.Seq = base.Seq + uint64(e.n)
	it.fields = h.fields
	if it.flags&streamSame == 0 {
		e, pos = p.get(pos)
		it.fields = int(e.n)
	}
	it.at = pos
	return it
}

// after is the position of the entry after it.
func (p packed) after(it *streamItem) int {
	n := it.fields
	if it.flags&streamSame == 0 {
		n *= 2
	}
	return p.next(p.skip(it.at, n))
}

// before is the position of the entry that ends at pos, which is not the first
// one's.
func (p packed) before(pos int) int {
	pos = p.prev(pos)
	e, _ := p.get(pos)
	for n := e.n; n > 0; n-- {
		pos = p.prev(pos)
	}
	return pos
}

// appendStreamEntry appends an entry, without counting it; fields holds fields and
// values in turn.
func appendStreamEntry(buf []byte, same bool, id, base StreamID, fields [][]byte) []byte {
	n := int64(len(fields) / 2)
	flags, parts := int64(0), 2*n+4
	if same {
		flags, parts = streamSame, n+3
	}
	buf = appendPackedInt(buf, flags)
	buf = appendPackedInt(buf, int64(id.Ms-base.Ms))
	buf = appendPackedInt(buf, int64(id.Seq-base.Seq))
	if !same {
		buf = appendPackedInt(buf, n)
	}
	for i := 0; i < len(fields); i += 2 {
		if !same {
			buf = appendPacked(buf, fields[i])
		}
		buf = appendPacked(buf, fields[i+1])
	}
	return appendPackedInt(buf, parts)
}

// appendStreamHead appends the master entry of a block that begins with an entry
// of these fields.
func appendStreamHead(buf []byte, fields [][]byte) []byte {
	buf = appendPackedInt(buf, 1)
	buf = appendPackedInt(buf, 0)
	buf = appendPackedInt(buf, int64(len(fields)/2))
	for i := 0; i < len(fields); i += 2 {
		buf = appendPacked(buf, fields[i])
	}
	return appendPackedInt(buf, 0)
}

// sameFields says whether an entry has the fields of the master entry.
func (p packed) sameFields(h *streamHead, fields [][]byte) bool {
	if h.fields != len(fields)/2 {
		return false
	}
	pos := h.first
	for i := 0; i < len(fields); i += 2 {
		var e packedEntry
		e, pos = p.get(pos)
		if !e.equal(fields[i]) {
			return false
		}
	}
	return true
}

// validStreamBlock says whether b, from outside, is a well-formed block, and how
// many live entries it has. Their IDs may be any: XSETID can make a stream give IDs
// again that are lower than those of deleted entries.
func validStreamBlock(b []byte) (live int, ok bool) {
	if !validPacked(b) {
		return 0, false
	}
	r := blockReader{p: packed(b), pos: packedHeader}
	alive, dead, fields := r.int(), r.int(), r.int()
	r.skip(fields)
	if r.int() != 0 || r.bad || alive+dead < 1 {
		return 0, false
	}
	live = alive
	for r.pos < len(b) && !r.bad {
		flags := r.int()
		_, _ = r.int64(), r.int64()
		n, parts := fields, fields+3
		if flags&streamSame == 0 {
			n = 2 * r.int()
			parts = n + 4
		}
		r.skip(n)
		if r.int() != parts || flags > streamDeleted|streamSame {
			return 0, false
		}
		if flags&streamDeleted == 0 {
			alive--
		} else {
			dead--
		}
	}
	return live, !r.bad && alive == 0 && dead == 0
}

// blockReader reads the parts of a packed value one by one. Once a part is not
// there, or not of the kind asked for, bad is set.
type blockReader struct {
	p   packed
	pos int
	bad bool
}

func (r *blockReader) next() (e packedEntry) {
	if r.pos >= len(r.p) {
		r.bad = true
		return packedEntry{}
	}
	e, r.pos = r.p.get(r.pos)
	return e
}

func (r *blockReader) int64() int64 {
	e := r.next()
	r.bad = r.bad || e.text != nil
	return e.n
}

// int reads a number of things: not negative, and no more than there are bytes.
func (r *blockReader) int() int {
	n := r.int64()
	if n < 0 || n > int64(len(r.p)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *blockReader) skip(n int) {
	for ; n > 0 && !r.bad; n-- {
		r.next()
	}
}
