package resp

import (
	"hash/maphash"
	"slices"
	"sync/atomic"

	"respkv/store"
)

// watchedSet is many keys that one command reads in steps, and that it finds only as it
// goes: a watch for each would cost more than reading them. It knows them by their
// hashes, so that it may tell too often. keys is changed with the locks of all shards
// that it is registered in held, and looked at with one of them.
type watchedSet struct {
	told *atomic.Bool
	db   int
	keys map[uint64]struct{}
}

var watchedSeed = maphash.MakeSeed()

func (s *watchedSet) add(k store.Key) { s.keys[maphash.Bytes(watchedSeed, k.Name)] = struct{}{} }

func (s *watchedSet) has(db int, k store.Key) bool {
	if s.db != db {
		return false
	}
	_, found := s.keys[maphash.Bytes(watchedSeed, k.Name)]
	return found
}

// addSet registers a set in shards, whose locks are held.
func (t *watchTable) addSet(s *watchedSet, shards *shardSet) {
	shards.each(func(i int) { t.sets[i] = append(t.sets[i], s) })
	t.count.Add(1)
}

// removeSet takes a set out of shards, whose locks are held.
func (t *watchTable) removeSet(s *watchedSet, shards *shardSet) {
	shards.each(func(i int) {
		at := slices.Index(t.sets[i], s)
		if t.sets[i] = slices.Delete(t.sets[i], at, at+1); len(t.sets[i]) == 0 {
			t.sets[i] = nil
		}
	})
	t.count.Add(-1)
}

// inSet says whether a key is in a set. The lock of its shard is held.
func (t *watchTable) inSet(db int, k store.Key) bool {
	return slices.ContainsFunc(t.sets[k.Shard()], func(s *watchedSet) bool { return s.has(db, k) })
}

// tellSets says that a key has changed. The lock of its shard is held.
func (t *watchTable) tellSets(db int, k store.Key) {
	for _, s := range t.sets[k.Shard()] {
		if s.has(db, k) {
			s.told.Store(true)
		}
	}
}

// tellShard says that any key of a shard may have changed. Its lock is held.
func (t *watchTable) tellShard(shard int) {
	for _, s := range t.sets[shard] {
		s.told.Store(true)
	}
}
