package store

import (
	"encoding/binary"
	"unsafe"
)

// A record is one key with its value:
//
//	0       kind: bit 7 has a deadline, bits 4-6 type, bits 0-3 encoding
//	1..3    access information, little-endian, as Redis's robj.lru
//	4..     key length, varint; value length, varint
//	        deadline, 8 bytes little-endian, if any
//	        key, value
//
// The value of an encodingRawExternal record is 12 bytes: region number and
// length of bytes kept in a mapping of their own. Large objects of other types
// are to be kept likewise, under a handle.
const (
	kindDeadline = 0x80

	fixedHeader  = 4
	externalSize = 12

	// maxInline bounds values inside records. Larger ones get a mapping of
	// their own. Not less, since the system bounds the number of mappings
	// (vm.max_map_count, 65530).
	maxInline = 1 << 20

	// maxKeyLength leaves room for header and inline value in one piece.
	maxKeyLength = pieceSize - 2*maxInline
)

// record is a parsed record.
type record struct {
	p    unsafe.Pointer
	ref  ref
	kind uint8
	body int // offset of the key
	klen int
	vlen int
}

func makeKind(t Type, e Encoding, deadline bool) uint8 {
	k := uint8(t)<<4 | uint8(e)
	if deadline {
		k |= kindDeadline
	}
	return k
}

func (r *record) typ() Type          { return Type(r.kind >> 4 & 7) }
func (r *record) encoding() Encoding { return Encoding(r.kind & 15) }
func (r *record) hasDeadline() bool  { return r.kind&kindDeadline != 0 }
func (r *record) size() int          { return r.body + r.klen + r.vlen }

func (r *record) key() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.p, r.body)), r.klen)
}

// inline returns the value field of the record.
func (r *record) inline() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.p, r.body+r.klen)), r.vlen)
}

// deadlineBytes are the 8 bytes before the key; only with hasDeadline.
func (r *record) deadlineBytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.p, r.body-8)), 8)
}

func (r *record) deadline() int64 {
	if !r.hasDeadline() {
		return noDeadline
	}
	return int64(binary.LittleEndian.Uint64(r.deadlineBytes()))
}

func (r *record) access() uint32 { return *(*uint32)(r.p) >> 8 }

func (r *record) setAccess(a uint32) { *(*uint32)(r.p) = uint32(r.kind) | a<<8 }

// noDeadline stands for none wherever a deadline is a plain number.
const noDeadline = -1

func varintSize(n int) int {
	if n < 1<<7 {
		return 1
	}
	if n < 1<<14 {
		return 2
	}
	if n < 1<<21 {
		return 3
	}
	if n < 1<<28 {
		return 4
	}
	return 5
}

// recordSize returns the bytes that a record takes.
func recordSize(klen, vlen int, deadline bool) int {
	n := fixedHeader + varintSize(klen) + varintSize(vlen) + klen + vlen
	if deadline {
		n += 8
	}
	return n
}

// parse reads the header of the record at r.
func (a *arena) parse(at ref) record {
	p := a.ptr(at)
	rec := record{p: p, ref: at, kind: *(*uint8)(p)}
	off := fixedHeader
	k := *(*uint8)(unsafe.Add(p, off))
	v := *(*uint8)(unsafe.Add(p, off+1))
	if k|v < 0x80 {
		rec.klen, rec.vlen = int(k), int(v)
		off += 2
	} else {
		rec.klen, off = varint(p, off)
		rec.vlen, off = varint(p, off)
	}
	if rec.kind&kindDeadline != 0 {
		off += 8
	}
	rec.body = off
	return rec
}

func varint(p unsafe.Pointer, off int) (n, next int) {
	for shift := 0; ; shift += 7 {
		b := *(*uint8)(unsafe.Add(p, off))
		off++
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, off
		}
	}
}

// format writes the header, deadline and key of a record at r and returns it;
// its value field is left to the caller.
func (a *arena) format(at ref, kind uint8, access uint32, key []byte, vlen int, deadline int64) record {
	p := a.ptr(at)
	*(*uint32)(p) = uint32(kind) | access<<8
	rec := record{p: p, ref: at, kind: kind, klen: len(key), vlen: vlen}
	off := putVarint(p, fixedHeader, len(key))
	off = putVarint(p, off, vlen)
	if kind&kindDeadline != 0 {
		off += 8
	}
	rec.body = off
	if kind&kindDeadline != 0 {
		binary.LittleEndian.PutUint64(rec.deadlineBytes(), uint64(deadline))
	}
	copy(rec.key(), key)
	return rec
}

func putVarint(p unsafe.Pointer, off, n int) (next int) {
	for n >= 0x80 {
		*(*uint8)(unsafe.Add(p, off)) = uint8(n) | 0x80
		n >>= 7
		off++
	}
	*(*uint8)(unsafe.Add(p, off)) = uint8(n)
	return off + 1
}
