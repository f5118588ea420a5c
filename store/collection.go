package store

import "sync"

// Collections: how lists, hashes, sets, sorted sets and streams are held.
//
// Small ones are packed: the value field of the key's record is a packed value
// (packed.go) or an intset (intset.go); nothing is allocated per element. A
// change is made in a copy (item.edit) that Tx.setPacked stores.
//
// Past the Limits, or when a packed value would exceed maxPacked bytes, a value
// becomes an object (object.go): the value field holds a handle, the number in
// the shard's table of the Go-side header. All that grows with the number of
// elements lies off the heap, in cells of the object's owner (owner.go:
// alloc, free). Elements by name (hash fields, members) are kept by elements
// (element.go): incremental growth, cursors, random choice, deadlines.
//
// A type file holds pure logic: it looks its key up with Tx.collection, decides
// by item.rec.encoding(), reads item.packed() or item.object().(*theType), and
// writes with setPacked or setObject. When the last element goes, it calls
// shard.removeItem: empty collections do not exist. To add a type:
//
//   - its object implements object (digest, dump, clone, freeStep, ...);
//   - its line in typeForms below (digest and check of the packed form, loader
//     of the dump of the large one), from which Digest, DumpValue, LoadValue and
//     Copy follow. Rename, Move, deletion, FLUSH*, expiry, MEMORY USAGE and
//     compaction know objects and packed values as they are.
//
// Commands that choose at random or by the clock return what they chose, so
// that the caller replicates that.

// Limits say up to which size collections are packed, as Redis's settings of
// the same names.
type Limits struct {
	HashMaxListpackEntries int // fields
	HashMaxListpackValue   int // bytes of a field or value
	SetMaxIntsetEntries    int // members
	ZSetMaxListpackEntries int // members
	ZSetMaxListpackValue   int // bytes of a member
	ListMaxListpackSize    int // elements of a node, or, if negative, -1..-5: 4, 8, 16, 32, 64 KB
	ListCompressDepth      int // nodes at each end that are not compressed; 0: none is
	StreamNodeMaxEntries   int // entries of a block, deleted ones included; 0: no limit
	StreamNodeMaxBytes     int // bytes of a block; 0: no limit
}

// streamBytes is the size that a block must stay below.
func (l *Limits) streamBytes() int {
	if n := l.StreamNodeMaxBytes; n > 0 && n <= maxStreamEntry {
		return n
	}
	return maxStreamEntry
}

// DefaultLimits are those of Redis 7.0.
func DefaultLimits() Limits {
	return Limits{
		HashMaxListpackEntries: 512, HashMaxListpackValue: 64, SetMaxIntsetEntries: 512,
		ZSetMaxListpackEntries: 128, ZSetMaxListpackValue: 64,
		ListMaxListpackSize: -2, StreamNodeMaxEntries: 100, StreamNodeMaxBytes: 4096,
	}
}

// SetLimits changes the limits for what is written from now on; values keep
// their form until then. Safe at any time.
func (s *Store) SetLimits(l Limits) { s.limits.Store(&l) }

// typeForm is how the values of a type are read whole.
type typeForm struct {
	// digestPacked mixes a packed value in; e tells packed forms apart.
	digestPacked func(d *digest, e Encoding, value []byte)
	// validPacked says whether value, from outside, is a well-formed and not
	// empty one of encoding e.
	validPacked func(e Encoding, value []byte) bool
	// load makes an object of what object.dump wrote, belonging to sh. Between
	// parts the lock may be given up. Errors: ErrBadPayload, ErrOutOfMemory;
	// then nothing is left of it.
	load func(sh *shard, e Encoding, r *partReader) (object, error)
}

var typeForms [8]typeForm // by Type; TypeString has none

// collection looks k up as use does. Error: ErrWrongType, when it exists with
// another type than t.
func (tx *Tx) collection(k Key, t Type) (item, error) {
	it := tx.use(k)
	if it.live && it.rec.typ() != t {
		return it, ErrWrongType
	}
	return it, nil
}

// packed is the value of a record in a packed form.
func (it *item) packed() packed { return packed(it.rec.inline()) }

// object is the value of a large record.
func (it *item) object() object { return it.sh.object(&it.rec) }

// age returns deadline and access information for a new value of the key: those
// that it has, or those of a new key.
func (tx *Tx) age(it *item) (deadline int64, access uint32) {
	if it.live {
		return it.rec.deadline(), it.rec.access()
	}
	return noDeadline, tx.newAccess()
}

// setPacked makes value, built in scratch, that of k. An object there before is
// discarded. Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) setPacked(it *item, k Key, t Type, e Encoding, value []byte) error {
	deadline, access := tx.age(it)
	dst, _, err := tx.write(it, k, newValue{typ: t, encoding: e, length: len(value), deadline: deadline, access: access})
	if err != nil {
		return err
	}
	copy(dst, value)
	it.settle(k)
	return nil
}

// settle finds the place of the entry that write has made, so that the item can
// be written again.
func (it *item) settle(k Key) {
	it.place, _ = it.sh.findRef(it.ix, k.tag(), it.rec.ref)
}

// convert makes o, built from the elements of the value of k, its value.
// On error (ErrOutOfMemory, ErrKeyTooLong) nothing has changed and o is free.
func (tx *Tx) convert(it *item, k Key, t Type, e Encoding, o object) error {
	deadline, access := tx.age(it)
	err := tx.setObject(it, k, t, e, o, deadline, access)
	if err != nil {
		it.sh.discard(o)
	}
	return err
}

// Buffers for building values. A shard keeps a small one; larger ones, of one size,
// go round: 256 shards with one each would hold more than many a cache.
const (
	keptScratch = 512
	maxScratch  = 16 << 10
)

var scratchPool = sync.Pool{New: func() any { return new([maxScratch]byte) }}

// edit returns a copy of the packed value with room for more bytes, to be
// changed; empty when the key does not exist. It is valid until the next edit
// in the same shard.
func (it *item) edit(more int) packed {
	if !it.live {
		return newPacked(it.sh.buffer(packedHeader + more))
	}
	value := it.rec.inline()
	return append(packed(it.sh.buffer(len(value)+more)), value...)
}

// buffer returns an empty buffer with room for n bytes, valid until the next
// call for the same shard, or until its lock is given up.
func (sh *shard) buffer(n int) []byte {
	switch {
	case n > maxScratch:
		return make([]byte, 0, n)
	case cap(sh.build) >= n:
	case n <= keptScratch:
		sh.build = make([]byte, keptScratch)
	default:
		sh.build = scratchPool.Get().(*[maxScratch]byte)[:]
	}
	return sh.build[:0]
}

// unlock gives up the lock of the shard, and a large buffer.
func (sh *shard) unlock() {
	if cap(sh.build) > keptScratch {
		scratchPool.Put((*[maxScratch]byte)(sh.build))
		sh.build = nil
	}
	sh.mu.Unlock()
}
