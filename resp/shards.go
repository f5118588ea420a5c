package resp

import (
	"math/bits"

	"respkv/store"
)

// shardSet is a set of shards, locked in ascending order.
type shardSet [store.Shards / 64]uint64

func (s *shardSet) add(shard int) { s[shard/64] |= 1 << (shard % 64) }

func (s *shardSet) has(shard int) bool { return s[shard/64]>>(shard%64)&1 != 0 }

func allShards() (s shardSet) {
	for i := range s {
		s[i] = ^uint64(0)
	}
	return s
}

func (s *shardSet) lock(st *store.Store) {
	s.each(st.LockShard)
}

func (s *shardSet) unlock(st *store.Store) {
	s.each(st.UnlockShard)
}

func (s *shardSet) each(fn func(shard int)) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			fn(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// many says whether there is more than one shard in the set.
func (s *shardSet) many() bool {
	seen := false
	for _, word := range s {
		if word == 0 {
			continue
		}
		if seen || word&(word-1) != 0 {
			return true
		}
		seen = true
	}
	return false
}
