package replication

import (
	"encoding/binary"
	"fmt"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// ring holds the newest records of the node. Offsets count bytes since the log
// was opened and never go back: byte o lies at o mod size. The memory is an
// anonymous mapping outside the Go heap: it becomes resident as it is written
// and is no work for the garbage collector. All methods need the ring's lock.
type ring struct {
	mem   []byte // nil until open
	size  int64
	first uint64 // offset of the oldest record
	end   uint64 // offset after the newest
	slots []ringSlot

	effects   uint64 // records that carried an effect
	oversized uint64 // effects that were too large

	times     []timeMark // ring buffer, newest at timesNext-1
	timesNext int
}

// ringSlot says which effects of a slot the ring holds: all of (floor, last].
// Records at offsets before valid belong to a copy of the slot that was dropped.
type ringSlot struct {
	floor, last uint64
	valid       uint64
}

// timeMark says that the records from offset on came at at or later.
type timeMark struct {
	offset uint64
	at     time.Time
}

const (
	// timeGrain and timeMarks make lag readable to 10 ms over the newest 40 s
	// of writing, for 128 KB.
	timeGrain = 10 * time.Millisecond
	timeMarks = 4096
	// largestShare is the part of the ring one record may take: a larger one
	// would evict most of what the other slots need.
	largestShare = 4
)

func newRing(size int64) *ring {
	return &ring{size: size, slots: make([]ringSlot, slotCount)}
}

func (r *ring) fits(n int) bool { return int64(n) <= r.size/largestShare && n <= maxRecordBytes }

// open maps the memory, which costs nothing until it is written.
func (r *ring) open() error {
	if r.mem != nil {
		return nil
	}
	mem, err := mapMemory(r.size)
	if err != nil {
		return err
	}
	r.mem = mem
	return nil
}

func mapMemory(size int64) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("replication: memory for a log of %d bytes: %w", size, err)
	}
	return mem, nil
}

// reserve makes room for n bytes at the end, dropping the oldest records.
func (r *ring) reserve(n int, now time.Time) {
	for r.end+uint64(n)-r.first > uint64(r.size) {
		r.evict()
	}
	r.mark(now)
}

// mark notes the time of the records that follow.
func (r *ring) mark(now time.Time) {
	if n := len(r.times); n > 0 {
		newest := r.times[(r.timesNext+n-1)%n]
		if now.Sub(newest.at) < timeGrain {
			return
		}
	}
	m := timeMark{r.end, now}
	if len(r.times) < timeMarks {
		r.times = append(r.times, m)
		return
	}
	r.times[r.timesNext] = m
	r.timesNext = (r.timesNext + 1) % timeMarks
}

// since returns when the record at offset came, at the earliest.
func (r *ring) since(offset uint64) time.Time {
	n := len(r.times)
	if n == 0 {
		return time.Time{}
	}
	i := sort.Search(n, func(i int) bool { return r.times[(r.timesNext+i)%n].offset > offset })
	return r.times[(r.timesNext+max(i-1, 0))%n].at
}

// evict drops the oldest record.
func (r *ring) evict() {
	head := r.mem[r.first%uint64(r.size):]
	if len(head) < recordHeaderBytes { // it turns to the start
		head = make([]byte, recordHeaderBytes)
		r.read(head, r.first)
	}
	slot := &r.slots[binary.LittleEndian.Uint16(head[4:])]
	if r.first >= slot.valid {
		slot.floor = max(slot.floor, binary.LittleEndian.Uint64(head[8:]))
	}
	r.first += uint64(binary.LittleEndian.Uint32(head))
}

// read copies the bytes at offset to b.
func (r *ring) read(b []byte, offset uint64) {
	at := offset % uint64(r.size)
	n := copy(b, r.mem[at:])
	copy(b[n:], r.mem)
}

// put appends bytes for which reserve made room.
func (r *ring) put(b []byte) {
	at := r.end % uint64(r.size)
	n := copy(r.mem[at:], b)
	copy(r.mem, b[n:])
	r.end += uint64(len(b))
}

// admit notes a record that is about to be put.
func (r *ring) admit(slot uint16, kind recordKind, seq uint64) {
	s := &r.slots[slot]
	switch kind {
	case recordEffect:
		if seq != s.last+1 {
			// Effects that were not logged lie between.
			s.floor = seq - 1
		}
		r.effects++
	case recordGap:
		s.floor = seq
		r.effects++
		r.oversized++
	case recordEpoch:
		if seq != s.last {
			s.floor = seq
		}
	}
	s.last = seq
}

// appendAll appends whole records. b is at most the size of a tap.
func (r *ring) appendAll(b []byte, now time.Time) {
	r.reserve(len(b), now)
	for rest := b; len(rest) > 0; {
		r.admit(binary.LittleEndian.Uint16(rest[4:]), recordKind(rest[6]), binary.LittleEndian.Uint64(rest[8:]))
		rest = rest[binary.LittleEndian.Uint32(rest):]
	}
	r.put(b)
}

// reset forgets the records of a slot, whose copy is now at seq.
func (r *ring) reset(slot uint16, seq uint64) {
	r.slots[slot] = ringSlot{floor: seq, last: seq, valid: r.end}
}

// holds reports whether the ring has every effect of slot in (after, upTo].
func (r *ring) holds(slot uint16, after, upTo uint64) bool {
	s := &r.slots[slot]
	return after >= s.floor && s.last >= upTo
}

// copyFrom appends to dst whole records from offset on, about limit bytes but
// at least one record if there is any, and returns the offset they start at,
// which is higher than offset when the ring has moved on.
func (r *ring) copyFrom(dst []byte, offset uint64, limit int) ([]byte, uint64) {
	offset = max(offset, r.first)
	have := r.end - offset
	if have == 0 {
		return dst, offset
	}
	if have > uint64(limit) {
		var size [4]byte
		r.read(size[:], offset)
		have = max(uint64(limit), uint64(binary.LittleEndian.Uint32(size[:])))
	}
	base := len(dst)
	dst = growBytes(dst, int(have))
	r.read(dst[base:], offset)
	// Cut off the part of a record at the end.
	end := base
	for len(dst)-end >= 4 {
		size := int(binary.LittleEndian.Uint32(dst[end:]))
		if size > len(dst)-end {
			break
		}
		end += size
	}
	return dst[:end], offset
}

// growBytes returns b with n more bytes of any content.
func growBytes(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		grown := make([]byte, len(b), max(len(b)+n, 2*cap(b)))
		copy(grown, b)
		b = grown
	}
	return b[:len(b)+n]
}

// resize changes the size, keeping the newest records.
func (r *ring) resize(size int64) error {
	if size == r.size {
		return nil
	}
	if r.mem == nil {
		r.size = size
		return nil
	}
	mem, err := mapMemory(size)
	if err != nil {
		return err
	}
	for r.end-r.first > uint64(size) {
		r.evict()
	}
	old := *r
	r.mem, r.size, r.end = mem, size, r.first
	for r.end < old.end {
		at := r.end % uint64(old.size)
		r.put(old.mem[at:min(at+old.end-r.end, uint64(old.size))])
	}
	return unix.Munmap(old.mem)
}

func (r *ring) close() error {
	if r.mem == nil {
		return nil
	}
	mem := r.mem
	r.mem = nil
	return unix.Munmap(mem)
}
