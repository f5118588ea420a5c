package store

import "errors"

// Long operations in steps. What reads all elements of large values (Copy,
// Combine, Inputs.Combine, ZSetResult.Add, StoreList, List.RemoveValue,
// ZSet.RemoveRange, RemoveMany, Stream.Front, Stream.DeleteMany, IntersectionLen, Sample) builds its result outside of the keyspace, and on the way calls Tx.Pause, in which the caller may give up its
// locks for a while. What that asks of the caller:
//
//   - the shards involved are pinned: compaction leaves them alone, so that an
//     operation finds what it was reading where it was;
//   - Pause returns false when a key that the operation reads has been changed
//     meanwhile in any way. The operation looks at nothing it had found before,
//     frees its result and ends with ErrChanged.
//
// Between its last Pause and its end an operation only puts the result in its
// place, which takes constant time.

// ErrChanged says that what an operation in steps was reading has changed.
var ErrChanged = errors.New("store: value changed while it was read")

// stepElements is how many elements are dealt with between two calls of
// Tx.Pause, some 10 to 50 µs.
const stepElements = 64

// stepBytes is how many bytes to copy count as one element.
const stepBytes = 1 << 10

// steps counts what an operation has done since the last Pause.
type steps struct {
	pause   func() bool
	n       int
	stopped bool // Pause said so
}

func (tx *Tx) steps() steps { return steps{pause: tx.Pause} }

// next is called for each element. False: end with ErrChanged.
func (s *steps) next() bool { return s.pause == nil || s.count(1) }

// count is next for n elements.
func (s *steps) count(n int) bool {
	if s.pause == nil {
		return true
	}
	if s.n += n; s.n < stepElements {
		return true
	}
	s.n = 0
	s.stopped = !s.pause()
	return !s.stopped
}

// end is the error of an operation that has ended with err otherwise.
func (s *steps) end(err error) error {
	if s.stopped {
		return ErrChanged
	}
	return err
}

// Elements is how much there is to read of a large value: its elements, or
// kilobytes if these are more; 0 for other values. The access time stays.
func (tx *Tx) Elements(k Key) int {
	it := tx.look(k)
	switch {
	case it.live && it.rec.large():
		return elementsOf(it.object())
	case it.live && it.rec.encoding() == encodingRawExternal:
		_, n := it.rec.external()
		return n / stepBytes
	}
	return 0
}

func elementsOf(o object) int { return max(o.length(), int(o.base().bytes()/stepBytes)) }

// Pin keeps all data of shard i where it lies until Unpin. Pins are counted. The
// caller holds the lock of the shard.
func (s *Store) Pin(i int) { s.shards[i].pins++ }

// Unpin takes back one Pin. The caller holds the lock of the shard.
func (s *Store) Unpin(i int) { s.shards[i].pins-- }

// Pinned says whether shard i is pinned. The caller holds the lock of the shard.
func (s *Store) Pinned(i int) bool { return s.shards[i].pins > 0 }
