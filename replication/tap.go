package replication

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"respkv/cluster/hashslot"
)

const (
	slotCount = hashslot.Count
	tapCount  = 256
	tapShift  = 6 // slot >> tapShift is the tap, as it is the shard
)

// tap is the buffer between the writers of one shard and the ring: a queue of
// records with one producer at a time (the holder of the shard lock) and one
// consumer at a time (the holder of the ring lock). Neither waits for the other
// while there is room. A record never wraps: where it does not fit before the
// end of the buffer, a size of zero there (or less than four bytes of room)
// sends the consumer on to the start.
type tap struct {
	// Producer.
	buf      []byte
	pos      uint64 // as tail, without the price of an atomic load
	headSeen uint64 // a head seen earlier: the real one is there or further
	_        [64 - 40]byte

	// tail is written by the producer, head by the consumer; each on its own
	// cache line, for the consumer looks at all taps again and again.
	tail atomic.Uint64
	_    [56]byte
	head atomic.Uint64
	_    [56]byte
}

// reserve returns n bytes to encode a record in, or nil if there is no room
// now. n is at most half the buffer.
func (t *tap) reserve(n int) []byte {
	size := uint64(len(t.buf))
	at := t.pos & (size - 1)
	room := size - at
	need := uint64(n)
	if need > room {
		need += room
	}
	if t.pos+need-t.headSeen > size {
		t.headSeen = t.head.Load()
		if t.pos+need-t.headSeen > size {
			return nil
		}
	}
	if need > uint64(n) {
		if room >= 4 {
			binary.LittleEndian.PutUint32(t.buf[at:], 0)
		}
		t.pos += room
		at = 0
	}
	return t.buf[at : at+uint64(n) : at+uint64(n)]
}

// publish makes the n bytes last reserved visible to the consumer.
func (t *tap) publish(n int) {
	t.pos += uint64(n)
	t.tail.Store(t.pos)
}

// drain moves everything published to the ring, and returns how many bytes that
// were. Ring lock held.
func (t *tap) drain(r *ring, now time.Time) (moved int) {
	head, tail := t.head.Load(), t.tail.Load()
	if head == tail {
		return 0
	}
	buf := t.buf // set before the first publish
	size := uint64(len(buf))
	for head < tail {
		at := head & (size - 1)
		// The run of records up to tail, or to where they turn to the start.
		end := at
		for head+(end-at) < tail && size-end >= 4 {
			n := uint64(binary.LittleEndian.Uint32(buf[end:]))
			if n == 0 {
				break
			}
			end += n
		}
		if end > at {
			r.appendAll(buf[at:end], now)
			moved += int(end - at)
			head += end - at
		}
		if head < tail {
			head += size - end
		}
	}
	t.head.Store(head)
	return moved
}
