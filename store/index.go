package store

import (
	"sync/atomic"
	"unsafe"
)

// The index of one shard and database is an extendible hash of 8-byte entries:
//
//	63..37  tag: slot within the shard (6 bits), hash of the key (21 bits)
//	36      the record has a deadline
//	35..0   reference of the record
//
// Tag order is (slot, hash) order. A segment is an array sorted by tag, with
// gaps: an entry lies at its home, which is monotone in the tag, or as soon
// behind it as there is room (linear probing, kept in order). So the keys of a
// slot are contiguous, splitting a segment cuts it in two without looking at a
// record, and a position in tag order means the same whatever the table does
// meanwhile: SCAN cursors are such positions.
//
// The deadline bit lets active expiry find its keys without touching others.
const (
	slotBits = 6
	hashBits = 21
	tagBits  = slotBits + hashBits
	tagEnd   = 1 << tagBits

	tagShift    = refBits + 1
	deadlineBit = 1 << refBits

	// maxDepth leaves the largest segment of ordinary size with a tag bit
	// per home; deeper, segments grow instead of splitting.
	maxDepth = tagBits - 11
)

// segSizes are the sizes of segments in entries, the header included: all that a
// cell has room for, or whole blocks. Beyond the last one of ordinary size they split, or
// double at maxDepth.
var segSizes = [...]int{
	63, 97, 127, 194, 255, 327, 389, 454, 511, 655, 779, 909, 1023, 1310, 1560, 1820, 2048,
	1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22, 1 << 23, 1 << 24,
}

const (
	ordinarySeg = 16 // index of 2048 in segSizes
	largestSeg  = len(segSizes) - 1
)

type entry = uint64

func makeEntry(tag uint32, r ref, deadline bool) entry {
	e := entry(tag)<<tagShift | entry(r)
	if deadline {
		e |= deadlineBit
	}
	return e
}

func tagOf(e entry) uint32 { return uint32(e >> tagShift) }
func refOf(e entry) ref    { return ref(e & refMask) }

func (k Key) tag() uint32 {
	return uint32(k.Slot%SlotsPerShard)<<hashBits | k.Hash&(1<<hashBits-1)
}

// segWord is an entry of the directory: reference (36 bits), size (6 bits),
// depth (6 bits) of a segment.
type segWord uint64

func makeSegWord(r ref, size, depth int) segWord {
	return segWord(r) | segWord(size)<<36 | segWord(depth)<<42
}
func (w segWord) ref() ref   { return ref(w & refMask) }
func (w segWord) size() int  { return int(w >> 36 & 63) }
func (w segWord) depth() int { return int(w >> 42 & 63) }
func (w segWord) cells() int { return segSizes[w.size()] }

// home returns the place of tag in a segment: places before cells-slack, so
// that the last entries have room behind their homes. Place 0 is the header:
// number of entries (low half), of those with a deadline (high half).
func (w segWord) home(tag uint32) int {
	cells := w.cells()
	frac := tag << (32 - tagBits + w.depth())
	return 1 + int(uint64(frac)*uint64(cells-1-slack(cells))>>32)
}

func slack(cells int) int { return 4 + cells/32 }

// maxLoad is the number of entries at which a segment of that many cells grows.
func maxLoad(cells int) int { return cells * 53 / 64 }

// directory maps the first bits of a tag to its segment. Published by an atomic
// pointer, its words are stored atomically: prefetches read them without lock.
type directory struct {
	depth int
	segs  []uint64
}

func (d *directory) pos(tag uint32) int { return int(tag >> (tagBits - d.depth)) }
func (d *directory) word(tag uint32) segWord {
	return segWord(d.segs[tag>>(tagBits-d.depth)])
}

// index is guarded by the lock of its shard, but for what is atomic. The elements
// of large hashes and sets have one each, whose tags are 27 bits of hash and
// whose records are those of element.go.
type index struct {
	dir     atomic.Pointer[directory]
	count   atomic.Int64           // keys; stored under the lock
	expires atomic.Int64           // keys with a deadline
	slots   *[SlotsPerShard]uint32 // keys by slot; nil: an index of elements
	deepest int                    // segments as deep as the directory
	bytes   int64                  // of segments
}

// cellsOf returns the segment w, header included.
func (o *owner) cellsOf(w segWord) []uint64 {
	return unsafe.Slice((*uint64)(o.store.arena.ptr(w.ref())), w.cells())
}

// place is where an entry lies.
type place struct {
	word  segWord
	cells []uint64
	at    int
}

// find looks for the record of a key.
func (sh *shard) find(ix *index, tag uint32, name []byte) (place, record, bool) {
	w := ix.dir.Load().word(tag)
	cells := sh.cellsOf(w)
	for i := w.home(tag); i < len(cells); i++ {
		e := cells[i]
		if t := tagOf(e); t < tag && e != 0 {
			continue
		} else if t != tag || e == 0 {
			break
		}
		rec := sh.store.arena.parse(refOf(e))
		if rec.klen == len(name) && string(rec.key()) == string(name) {
			return place{w, cells, i}, rec, true
		}
	}
	return place{}, record{}, false
}

// findRef looks for the entry of a record by its reference.
func (o *owner) findRef(ix *index, tag uint32, r ref) (place, bool) {
	w := ix.dir.Load().word(tag)
	cells := o.cellsOf(w)
	for i := w.home(tag); i < len(cells) && cells[i] != 0 && tagOf(cells[i]) <= tag; i++ {
		if refOf(cells[i]) == r && tagOf(cells[i]) == tag {
			return place{w, cells, i}, true
		}
	}
	return place{}, false
}

// insert adds an entry. Error: ErrOutOfMemory, then nothing has changed.
func (o *owner) insert(ix *index, tag uint32, r ref, deadline bool) error {
	for {
		w := ix.dir.Load().word(tag)
		cells := o.cellsOf(w)
		if int(uint32(cells[0])) < maxLoad(len(cells)) && insertCell(w, cells, makeEntry(tag, r, deadline)) {
			break
		}
		if err := o.growSegment(ix, tag, w); err != nil {
			return err
		}
	}
	if ix.slots != nil {
		ix.slots[tag>>hashBits]++
	}
	ix.count.Store(ix.count.Load() + 1)
	if deadline {
		ix.expires.Store(ix.expires.Load() + 1)
	}
	return nil
}

// insertCell puts e in order. False when the end of the segment is full.
func insertCell(w segWord, cells []uint64, e entry) bool {
	tag := tagOf(e)
	i := w.home(tag)
	for i < len(cells) && cells[i] != 0 && tagOf(cells[i]) <= tag {
		i++
	}
	gap := i
	for gap < len(cells) && cells[gap] != 0 {
		gap++
	}
	if gap == len(cells) {
		return false
	}
	copy(cells[i+1:gap+1], cells[i:gap])
	cells[i] = e
	cells[0]++
	if e&deadlineBit != 0 {
		cells[0] += 1 << 32
	}
	return true
}

// remove takes the entry at p out. The segment may shrink or merge.
func (o *owner) remove(ix *index, p place) {
	e := p.cells[p.at]
	tag := tagOf(e)
	i := p.at
	for i+1 < len(p.cells) && p.cells[i+1] != 0 && p.word.home(tagOf(p.cells[i+1])) <= i {
		p.cells[i] = p.cells[i+1]
		i++
	}
	p.cells[i] = 0
	p.cells[0]--
	if ix.slots != nil {
		ix.slots[tag>>hashBits]--
	}
	ix.count.Store(ix.count.Load() - 1)
	if e&deadlineBit != 0 {
		p.cells[0] -= 1 << 32
		ix.expires.Store(ix.expires.Load() - 1)
	}
	// Not at each removal: the attempt may fail where the tags left lie
	// close together.
	n, size := int(uint32(p.cells[0])), len(p.cells)
	if n < size*3/10 && n%(size/16) == 0 {
		o.shrinkSegment(ix, tag, p.word)
	}
}

// replace points the entry at p to another record of the same key.
func (o *owner) replace(ix *index, p place, r ref, deadline bool) {
	e := p.cells[p.at]
	p.cells[p.at] = makeEntry(tagOf(e), r, deadline)
	if had := e&deadlineBit != 0; had != deadline {
		if deadline {
			p.cells[0] += 1 << 32
			ix.expires.Store(ix.expires.Load() + 1)
		} else {
			p.cells[0] -= 1 << 32
			ix.expires.Store(ix.expires.Load() - 1)
		}
	}
}

// sizeFor returns the size of a segment for n entries, with room to grow by a
// few.
func sizeFor(n int) int {
	for s := range segSizes {
		if n+4 <= segSizes[s]*3/4 {
			return s
		}
	}
	return len(segSizes) - 1
}

// spread writes sorted entries into a segment from place next on and returns the
// place to go on with. False when the end of the segment is full.
func spread(w segWord, cells, entries []uint64, next int) (int, bool) {
	for _, e := range entries {
		if e == 0 {
			continue
		}
		next = max(next, w.home(tagOf(e)))
		if next >= len(cells) {
			return next, false
		}
		cells[next] = e
		next++
		cells[0]++
		if e&deadlineBit != 0 {
			cells[0] += 1 << 32
		}
	}
	return next, true
}
