package store

import "sync/atomic"

// Store is the keyspace of a node. Methods say which locks the caller holds.
//
// Lock order: shards in ascending order, then the mutex of one shared heap,
// then that of the arena.
type Store struct {
	shards      [Shards]shard
	groups      [Shards / groupShards]heap // cells of 129 bytes to 2 KB
	objects     [Shards / groupShards]heap // cells to 128 bytes of large objects
	large       heap                       // cells to 64 KB
	arena       *arena
	databases   int
	hooks       Hooks
	policy      atomic.Pointer[AccessPolicy]
	clock       accessClock
	lazy        lazyFree
	lazyFreeing atomic.Pointer[LazyFreeing]
	maxString   atomic.Int64

	packedThreshold atomic.Int64               // see SetPackedThreshold
	avgTTL          []atomic.Int64             // by database
	garbage         [Shards / 64]atomic.Uint64 // shards that have some
	dropped         atomic.Int64               // values that are garbage
	limits          atomic.Pointer[Limits]
	stats           counters
	hllSparseMax    atomic.Int64
}

// Open returns an empty store. Errors name the option that is out of range;
// ErrOutOfMemory when not even the first memory can be had.
func Open(o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	a, err := newArena(o.HugePages)
	if err != nil {
		return nil, err
	}
	s := &Store{arena: a, databases: o.Databases, hooks: o.Hooks, avgTTL: make([]atomic.Int64, o.Databases)}
	s.clock.init()
	s.SetLazyFreeing(LazyFreeing{})
	s.SetAccessPolicy(AccessPolicy{LogFactor: 10, DecayTime: 1})
	s.SetMaxStringLength(o.MaxStringLength)
	s.SetLimits(DefaultLimits())
	s.SetHLLSparseMaxBytes(DefaultHLLSparseMaxBytes)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.id = i
		sh.owner = owner{store: s, small: &sh.heap, group: &s.groups[i/groupShards], external: new(externals)}
		sh.dbs = make([]atomic.Pointer[index], o.Databases)
		sh.hints = make([]*index, o.Databases)
		sh.heap.init(a, 0, shardClasses, true, false)
	}
	for i := range s.groups {
		s.groups[i].init(a, shardClasses, groupClasses, false, true)
		s.objects[i].init(a, 0, shardClasses, true, true)
	}
	s.large.init(a, groupClasses, len(sizeClasses), false, true)
	s.packedThreshold.Store(DefaultPackedThreshold)
	return s, nil
}

// Close gives all memory back to the system. No other call may overlap or
// follow it, the lock-free prefetches included.
func (s *Store) Close() error {
	for i := range s.shards {
		s.shards[i].closeRegions()
		s.shards[i].external = new(externals)
		for _, o := range s.shards[i].objects.list {
			if o != nil {
				o.base().closeRegions()
			}
		}
		for _, g := range s.shards[i].garbage {
			if g, ok := g.(*objectGarbage); ok {
				g.o.base().closeRegions()
			}
		}
		s.shards[i].objects, s.shards[i].garbage = objects{}, nil
	}
	for s.FreeLazily(1 << 40) {
	}
	return s.arena.close()
}

// Databases returns the number of databases.
func (s *Store) Databases() int { return s.databases }

// SetMaxStringLength changes Options.MaxStringLength. Safe at any time.
func (s *Store) SetMaxStringLength(n int64) { s.maxString.Store(n) }

// LockShard locks shard i. Several shards are locked in ascending order.
func (s *Store) LockShard(i int) { s.shards[i].mu.Lock() }

// TryLockShard is LockShard if nobody holds the lock; else it returns false.
func (s *Store) TryLockShard(i int) bool { return s.shards[i].mu.TryLock() }

// UnlockShard unlocks shard i.
func (s *Store) UnlockShard(i int) { s.shards[i].unlock() }

// LockAll locks every shard, in ascending order.
func (s *Store) LockAll() {
	for i := range s.shards {
		s.shards[i].mu.Lock()
	}
}

// UnlockAll unlocks every shard.
func (s *Store) UnlockAll() {
	for i := range s.shards {
		s.shards[i].unlock()
	}
}
