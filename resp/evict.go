package resp

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/config"
	"respkv/store"
)

// evictor brings memory under maxmemory: a bounded piece of the work before each
// command that may add data, and the rest in the background.
//
// Its lock is taken before the lock of a shard, never under one, and only one
// shard is locked at a time. So eviction must happen before a command takes its
// own locks, whatever shards it needs.
type evictor struct {
	mu         sync.Mutex // guards what follows; taken before one shard's lock
	policy     store.EvictPolicy
	pool       []store.Candidate // best last
	population population
	sampled    []store.Candidate // working memory
	compaction compaction

	exceeded exceededTime

	background struct {
		mu      sync.Mutex // guards running and stopped; a leaf
		running bool
		stopped bool
		quit    chan struct{}
		done    sync.WaitGroup
	}
}

const (
	// poolSize is how many candidates are remembered between samples. Redis
	// has 16; comparing numbers is cheap here.
	poolSize = 64
	// sampleMost bounds maxmemory-samples to what is quick under a shard's lock.
	sampleMost = 512

	// evictTime is a command's own share of the work, as with Redis's default
	// eviction tenacity. Where that is not enough, because small keys make room
	// for large values, commands have to take as long as it takes to get near the
	// limit again, within reason.
	evictTime     = 500 * time.Microsecond
	evictTimeFar  = 5 * time.Millisecond
	evictTimeMost = 100 * time.Millisecond

	// backgroundTime is one step in the background: commands wait for the
	// evictor no longer.
	backgroundTime = time.Millisecond

	// compactOnCommand is the number of records that a command looks at where
	// memory is in too many pieces.
	compactOnCommand = 64
	// freeOnCommand is how many bytes a command gives back to the system.
	freeOnCommand = 1 << 20
)

// evictPolicy is what a value of maxmemory-policy means. False: noeviction.
func evictPolicy(name string) (p store.EvictPolicy, evicts bool) {
	switch name {
	case "allkeys-lru", "volatile-lru":
		p.By = store.EvictIdle
	case "allkeys-lfu", "volatile-lfu":
		p.By = store.EvictRare
	case "allkeys-random", "volatile-random":
		p.By = store.EvictRandom
	case "volatile-ttl":
		p.By = store.EvictDeadline
	default:
		return p, false
	}
	p.Volatile = name[0] == 'v'
	return p, true
}

// makeRoom does this command's share of bringing memory under maxmemory. False:
// it is over, and there is nothing to evict. The caller holds no shard lock.
func (d *Dispatcher) makeRoom() bool {
	if d.follow.on.Load() && d.config.Config().Replication.ReplicaIgnoreMaxMemory {
		return true // the primary evicts
	}
	if d.memory.fits(d.store) {
		return true
	}
	cfg := &d.config.Config().Store
	if _, evicts := evictPolicy(cfg.MaxMemoryPolicy); !evicts {
		return !d.memory.exceeded(d.store)
	}
	e := &d.evictor
	limit := evictTime
	switch {
	case d.memory.overBy(d.store, farShare):
		e.mu.Lock() // whoever adds data waits while the limit is missed by much
		limit = evictTimeFar
		if d.memory.overBy(d.store, veryFarShare) {
			limit = evictTimeMost
		}
	case !e.mu.TryLock():
		return true // somebody else is at it
	}
	defer e.mu.Unlock()
	switch e.step(d, cfg, compactOnCommand, limit) {
	case evictFailed:
		return !d.memory.exceeded(d.store)
	case evictMore:
		d.evictInBackground()
	}
	return true
}

// evictResult says how a step ended.
type evictResult uint8

const (
	evictDone   evictResult = iota // memory is under the limit
	evictMore                      // out of time or keys: more is to be done
	evictFailed                    // nothing left that may be evicted
)

// step works for about as long as limit, looking at up to records at a time
// where it has to move some. The caller holds e.mu and no shard lock.
func (e *evictor) step(d *Dispatcher, cfg *config.Store, records int, limit time.Duration) evictResult {
	start := time.Now()
	defer func() { d.latencyEvent("eviction-cycle", time.Since(start)) }()
	now := start.UnixMilli()
	policy, evicts := evictPolicy(cfg.MaxMemoryPolicy)
	if policy != e.policy {
		e.policy, e.pool = policy, e.pool[:0]
		e.population.reset()
	}
	for n := 0; ; n++ {
		if n%8 == 7 && time.Since(start) > limit {
			return evictMore
		}
		// A little more than needed, so that not each command has to.
		switch over := d.memory.over(d.store, n > 0); {
		case over == overNot:
			return evictDone
		case d.freeFlushed(flushStep):
			continue
		case over == overHeld && (d.store.FreeLazily(freeOnCommand) || e.compact(d, records)):
			continue
		}
		if !evicts {
			return evictFailed
		}
		if !e.evictOne(d, cfg, now) {
			return evictFailed
		}
		e.compaction.evicted()
	}
}

// freeFlushed frees keys that a FLUSHALL ASYNC left behind: they count until
// then, and are better given up than keys that live.
func (d *Dispatcher) freeFlushed(keys int) (freed bool) {
	i := d.store.Flushed()
	if i < 0 {
		return false
	}
	d.store.LockShard(i)
	defer d.store.UnlockShard(i)
	d.store.FreeStep(i, keys)
	return true
}

// evictOne removes one key. False: there is none that this node may evict.
func (e *evictor) evictOne(d *Dispatcher, cfg *config.Store, now int64) bool {
	// Candidates may be gone or used since; then others are looked for. Where
	// nearly all keys belong to others, it may take a while to find one.
	const tries = 64
	for range tries {
		if !e.sample(d, min(cfg.MaxMemorySamples, sampleMost), now) {
			return false
		}
		for len(e.pool) > 0 {
			last := len(e.pool) - 1
			best := e.pool[last]
			e.pool = e.pool[:last]
			if d.evict(&best, e.policy, now, cfg.LazyFreeLazyEviction) {
				e.population.evicted()
				return true
			}
		}
	}
	return len(e.population.parts) > 0 && d.routing == nil
}

// evict removes a candidate under the lock of its shard and logs that.
func (d *Dispatcher) evict(c *store.Candidate, p store.EvictPolicy, now int64, lazily bool) bool {
	d.store.LockShard(c.Shard())
	defer d.store.UnlockShard(c.Shard())
	var keep func(slot uint16) bool
	if d.routing != nil {
		keep = func(slot uint16) bool { return !d.mayRemove(slot) }
	}
	return d.store.Evict(c, p, now, lazily, keep, d.evicted)
}

// sample looks at n keys and keeps the best in the pool. False: the policy finds
// no key at all.
func (e *evictor) sample(d *Dispatcher, n int, now int64) bool {
	if e.policy.By == store.EvictRandom {
		n = 1
	}
	for n > 0 {
		part, ok := e.population.draw(d, e.policy)
		if !ok {
			return false
		}
		// Few of a small shard, so that they are not the same ones each time.
		some := max(1, min(n, int(part.keys/4)))
		n -= some
		d.store.LockShard(part.shard)
		e.sampled = d.store.Sample(part.shard, part.db, part.slots, e.policy, now, some, e.sampled[:0])
		d.store.UnlockShard(part.shard)
		if len(e.sampled) == 0 {
			e.population.reset()
		}
		for i := range e.sampled {
			e.remember(&e.sampled[i])
		}
	}
	return true
}

// remember puts a candidate in its place in the pool, if it is good enough.
func (e *evictor) remember(c *store.Candidate) {
	if len(e.pool) == poolSize && c.Score <= e.pool[0].Score {
		return
	}
	for i := range e.pool {
		if e.pool[i].Same(c) {
			e.pool = slices.Delete(e.pool, i, i+1)
			break
		}
	}
	at, _ := slices.BinarySearchFunc(e.pool, c, func(a store.Candidate, b *store.Candidate) int {
		return cmp.Compare(a.Score, b.Score)
	})
	if len(e.pool) == poolSize {
		copy(e.pool[:at-1], e.pool[1:at])
		e.pool[at-1] = *c
		return
	}
	e.pool = slices.Insert(e.pool, at, *c)
}

// population is how many keys there are to choose from, by shard and database,
// so that every key has the same chance to be sampled. It is counted anew now
// and then only.
type population struct {
	parts []populationPart
	left  int // evictions until it is counted anew
}

type populationPart struct {
	shard, db int
	slots     uint64 // that this node may evict from
	keys      int64
	end       int64 // number of keys of all parts to this one
}

const populationLife = 256

func (p *population) reset()   { p.parts, p.left = p.parts[:0], 0 }
func (p *population) evicted() { p.left-- }

func (p *population) count(d *Dispatcher, policy store.EvictPolicy) {
	p.parts, p.left = p.parts[:0], populationLife
	slots := d.ownMasks()
	total := int64(0)
	for db := range d.store.Databases() {
		for i := range store.Shards {
			if slots[i] == 0 {
				continue
			}
			if n := d.store.Population(i, db, policy); n > 0 {
				total += n
				p.parts = append(p.parts, populationPart{i, db, slots[i], n, total})
			}
		}
	}
}

// draw returns a part, each as likely as it has keys.
func (p *population) draw(d *Dispatcher, policy store.EvictPolicy) (populationPart, bool) {
	if p.left <= 0 || len(p.parts) == 0 {
		p.count(d, policy)
	}
	if len(p.parts) == 0 {
		return populationPart{}, false
	}
	n := rand.Int64N(p.parts[len(p.parts)-1].end)
	i, _ := slices.BinarySearchFunc(p.parts, n, func(part populationPart, n int64) int {
		return cmp.Compare(part.end, n+1)
	})
	return p.parts[i], true
}

// ownMasks returns for each shard the slots that this node is primary of. Only
// those are its to evict from; replicas follow their primaries.
func (d *Dispatcher) ownMasks() (masks [store.Shards]uint64) {
	if d.routing == nil {
		for i := range masks {
			masks[i] = store.AllSlots
		}
		return masks
	}
	for _, r := range d.routing.Map().PrimaryOf(d.routing.ID()) {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			masks[slot/store.SlotsPerShard] |= 1 << (slot % store.SlotsPerShard)
		}
	}
	return masks
}

// compaction is the work on memory that is held but too scattered to be used or
// given back.
type compaction struct {
	next   int   // shard where it goes on
	moved  int64 // in this round through all shards
	paused int64 // evictions until the next round
}

// Between two rounds a part of the keys is evicted, and not fewer than
// compactLeast, so that each evicted key pays for looking at few others: what a
// round could not collect it will not find a moment later.
const (
	compactEvery  = 32 // after a round that moved as large a part
	compactSeldom = 8  // after any other
	compactLeast  = 256
)

func (c *compaction) evicted() { c.paused = max(c.paused-1, 0) }

// compact gives memory back that is free, or makes it free by moving records
// together. False: evicting is the way now.
func (e *evictor) compact(d *Dispatcher, records int) bool {
	if d.store.ReleaseStep(freeOnCommand) > 0 {
		return true
	}
	c := &e.compaction
	if c.paused > 0 {
		return false
	}
	moved, more := d.compactStep(c.next, records)
	c.moved += int64(moved)
	if more {
		return true
	}
	if c.next++; c.next < store.Shards {
		return true
	}
	keys := int64(0)
	for db := range d.store.Databases() {
		keys += d.store.DBSize(db)
	}
	every := int64(compactSeldom)
	if c.moved > keys/compactEvery {
		every = compactEvery
	}
	*c = compaction{paused: max(keys/every, compactLeast)}
	return true
}

// evictInBackground makes sure that somebody goes on with the work, without
// commands.
func (d *Dispatcher) evictInBackground() {
	b := &d.evictor.background
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running || b.stopped {
		return
	}
	if b.quit == nil {
		b.quit = make(chan struct{})
	}
	b.running = true
	quit := b.quit
	b.done.Go(func() {
		defer func() {
			b.mu.Lock()
			b.running = false
			b.mu.Unlock()
		}()
		for !d.frozen() && !d.follow.on.Load() && d.evictStep() == evictMore {
			select {
			case <-quit:
				return
			default:
			}
		}
	})
}

// evictStep is one step in the background.
func (d *Dispatcher) evictStep() evictResult {
	e := &d.evictor
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.step(d, &d.config.Config().Store, compactStep, backgroundTime)
}

// close ends the work in the background and waits for that.
func (e *evictor) close() {
	b := &e.background
	b.mu.Lock()
	if !b.stopped {
		b.stopped = true
		if b.quit != nil {
			close(b.quit)
		}
	}
	b.mu.Unlock()
	b.done.Wait()
}

// exceededTime is how long memory has been over the limit, for INFO.
type exceededTime struct {
	total atomic.Int64 // nanoseconds, ended times
	since atomic.Int64 // Unix nanoseconds; 0: not over
}

// note says how it is now.
func (x *exceededTime) note(over bool, now time.Time) {
	since := x.since.Load()
	switch {
	case over && since == 0:
		x.since.Store(now.UnixNano())
	case !over && since != 0:
		x.since.Store(0)
		x.total.Add(now.UnixNano() - since)
	}
}

// read returns total and present time over the limit.
func (x *exceededTime) read(now time.Time) (total, current time.Duration) {
	if since := x.since.Load(); since != 0 {
		current = time.Duration(now.UnixNano() - since)
	}
	return time.Duration(x.total.Load()) + current, current
}
