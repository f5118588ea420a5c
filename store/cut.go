package store

import (
	"sync"
	"sync/atomic"
)

// Cut is a walk over the keyspace that finds every key as it was at one moment, the
// one at which the Cut was made, while the keyspace goes on changing.
//
// Who changes a key says so before (Before). If the walk has not come to it yet, it
// is emitted then and there, and remembered, so that the walk leaves it out; a key
// that did not exist at the moment is remembered likewise. A shard that remembers
// many keys has its walk moved on by those who write to it, so what is remembered
// stays few. Large values are not emitted by the walk but queued, to be walked in
// steps by whoever runs the Cut; who wants to change one waits for that.
//
// Keys that expire or are evicted before the walk comes to them are missing. Keys that
// are flushed, or databases that are swapped, end the Cut (Cancel).
type Cut struct {
	store  *Store
	owned  func(slot uint16) bool
	emit   func(db int, k Key, v *Value)
	full   func() <-chan struct{}
	whole  bool
	locked bool // all shards, by who runs it
	now    int64
	shards [Shards]cutShard // each guarded by the shard's lock

	walked    atomic.Int64 // keys that the walk has passed, or that were emitted before it
	cancelled atomic.Bool

	mu      sync.Mutex // guards below; a leaf, taken under a shard's lock
	queue   []CutKey
	pending map[CutKey]struct{} // queued, or being walked
	changed chan struct{}       // closed when one of pending is done
}

// CutKey is the name of a key in a database.
type CutKey struct {
	DB   int
	Name string
}

type cutShard struct {
	at   position // the walk has passed what is before
	done bool
	past map[CutKey]struct{} // not before at, and emitted, queued, or new
}

const (
	// cutPast is how many keys a shard remembers before its writers move the walk
	// on, cutHelp by how many keys each does.
	cutPast = 1024
	cutHelp = 64
	// cutStepBytes bounds what the walk emits under one hold of a shard's lock, some
	// 1 ms; a value of more than cutLarge bytes is walked by itself.
	cutStepBytes = 256 << 10
	cutLarge     = 128 << 10
)

// CutOptions say what a Cut is for.
type CutOptions struct {
	// Owned says which slots are wanted; nil: all.
	Owned func(slot uint16) bool
	// Emit is given each key with its value, under the lock of its shard. It must
	// not keep them, nor call into the store.
	Emit func(db int, k Key, v *Value)
	// Full returns nil while Emit may be called, or a channel that is closed when it
	// may again be. Only those who write and may wait ask.
	Full func() <-chan struct{}
	// Whole: large values are emitted as others are.
	Whole bool
	// AllLocked: who runs the Cut holds the locks of all shards.
	AllLocked bool
	Now       int64 // Unix milliseconds
}

// NewCut makes a Cut of this moment. The caller holds all shards' locks, and sees to
// it that Before is called from here on.
func (s *Store) NewCut(o CutOptions) *Cut {
	return &Cut{
		store: s, owned: o.Owned, emit: o.Emit, full: o.Full, whole: o.Whole, locked: o.AllLocked, now: o.Now,
		pending: make(map[CutKey]struct{}), changed: make(chan struct{}),
	}
}

// Walked is the number of keys that were passed, for progress.
func (c *Cut) Walked() int64 { return c.walked.Load() }

// Cancel ends the Cut: nobody waits for it any more. Any goroutine may call it.
func (c *Cut) Cancel() {
	if c.cancelled.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
}

// Cancelled says whether it was ended by Cancel.
func (c *Cut) Cancelled() bool { return c.cancelled.Load() }

// Before is called before k is changed, with the lock of its shard held. If it
// returns a channel, k must not be changed yet: the locks are to be given up until
// that is closed, then Before is called again. With force it returns nil in any case,
// after it has emitted even a large value; only one that is being walked is changed
// all the same, which ends the Cut.
func (c *Cut) Before(db int, k Key, force bool) <-chan struct{} {
	s := &c.shards[k.Shard()]
	if c.cancelled.Load() || c.owned != nil && !c.owned(k.Slot) {
		return nil
	}
	passed := s.done || db < s.at.db || db == s.at.db && k.tag() < s.at.tag
	key := CutKey{db, string(k.Name)}
	if !passed {
		_, passed = s.past[key]
	}
	if passed {
		return c.awaitPending(key, force)
	}
	if c.full != nil && !force {
		if wait := c.full(); wait != nil {
			return wait
		}
	}
	tx := Tx{Store: c.store, DB: db, Now: c.now, IgnoreDeadlines: true, NoTouch: true}
	v, found := tx.Value(k)
	if s.past == nil {
		s.past = make(map[CutKey]struct{})
	}
	s.past[key] = struct{}{}
	if found {
		c.walked.Add(1)
		if c.large(&v) && !force {
			c.enqueue(key, true)
			return c.awaitPending(key, false)
		}
		c.emit(db, k, &v)
	}
	if len(s.past) > cutPast {
		c.step(k.Shard(), cutHelp)
	}
	return nil
}

// awaitPending returns what to wait for if a large value was not walked yet.
func (c *Cut) awaitPending(key CutKey, force bool) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.pending[key]; !ok {
		return nil
	}
	if !force {
		c.hurry(key)
		return c.changed
	}
	if !c.cancelled.Swap(true) {
		close(c.changed)
	}
	return nil
}

// hurry makes a key the next one of the queue.
func (c *Cut) hurry(key CutKey) {
	for i, k := range c.queue {
		if k == key {
			copy(c.queue[1:i+1], c.queue[:i])
			c.queue[0] = key
			return
		}
	}
}

func (c *Cut) large(v *Value) bool { return !c.whole && v.Memory() > cutLarge }

func (c *Cut) enqueue(key CutKey, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[key] = struct{}{}
	c.queue = append(c.queue, key)
	if first {
		c.hurry(key)
	}
}

// Step moves the walk of shard i on by some keys and says whether it is at the end.
// It takes the shard's lock.
func (c *Cut) Step(i, keys int) (done bool) {
	if !c.locked {
		c.store.LockShard(i)
		defer c.store.UnlockShard(i)
	}
	return c.step(i, keys)
}

func (c *Cut) step(i, keys int) (done bool) {
	s, sh := &c.shards[i], &c.store.shards[i]
	size := int64(0)
	for ; s.at.db < c.store.databases && !s.done; s.at = (position{db: s.at.db + 1}) {
		ix := sh.dbs[s.at.db].Load()
		for ix != nil && s.at.tag < tagEnd {
			if keys <= 0 || size > cutStepBytes {
				return false
			}
			var next uint32
			sh.scratch, next = sh.collect(ix, s.at.tag, tagEnd, walkLimits{entries: min(keys, 16), segments: 1 << tagBits}, sh.scratch[:0])
			keys -= len(sh.scratch) + 1
			sh.each(sh.scratch, func(e entry, rec *record) {
				k := sh.keyOf(e, rec)
				if c.owned != nil && !c.owned(k.Slot) {
					return
				}
				if len(s.past) > 0 {
					key := CutKey{s.at.db, string(k.Name)}
					if _, known := s.past[key]; known {
						return
					}
				}
				v := Value{sh, *rec, c.now}
				c.walked.Add(1)
				if c.large(&v) {
					c.enqueue(CutKey{s.at.db, string(k.Name)}, false)
					return
				}
				c.emit(s.at.db, k, &v)
				size += v.Memory()
			})
			s.at.tag = next
			c.forget(s)
		}
	}
	s.done, s.past = true, nil
	return true
}

// forget drops what the walk has passed from the memory of a shard, once that has
// become large.
func (c *Cut) forget(s *cutShard) {
	if len(s.past) <= cutPast {
		return
	}
	for key := range s.past {
		if key.DB < s.at.db || key.DB == s.at.db && MakeKey([]byte(key.Name)).tag() < s.at.tag {
			delete(s.past, key)
		}
	}
}

// NextLarge takes a large value from the queue, to be walked; Finished is called
// when that is done.
func (c *Cut) NextLarge() (key CutKey, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return CutKey{}, false
	}
	key = c.queue[0]
	c.queue = c.queue[1:]
	return key, true
}

// Finished says that a large value was walked, and resumes who waits to change it.
func (c *Cut) Finished(key CutKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, key)
	if !c.cancelled.Load() {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// Large calls fn with a large value under the lock of its shard; not if the key is
// gone.
func (c *Cut) Large(key CutKey, fn func(k Key, v *Value)) (found bool) {
	k := MakeKey([]byte(key.Name))
	if !c.locked {
		c.store.LockShard(k.Shard())
		defer c.store.UnlockShard(k.Shard())
	}
	tx := Tx{Store: c.store, DB: key.DB, Now: c.now, IgnoreDeadlines: true, NoTouch: true}
	v, found := tx.Value(k)
	if found {
		fn(k, &v)
	}
	return found
}
