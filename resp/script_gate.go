package resp

import (
	"sync"
	"sync/atomic"

	"respkv/store"
)

// How scripts lock.
//
// What keys a script touches is known only when it touches them. In a cluster
// they are of one slot: the script takes the lock of its shard, like any command
// with keys, and scripts of different shards run at the same time. On a
// standalone node a script may touch any key, declared or not; it takes the lock
// of a shard when it first touches one of its keys, and keeps it until it ends.
// Waiting for a lock while it holds others is safe since it is the only one that
// does so in any order: it holds several exclusively, which whoever takes the locks
// of more than one shard, in ascending order, holds shared. Commands with one key
// know nothing of it, and run beside the script. So do scripts in a cluster that
// say that they cross slots, or that call what looks at the whole keyspace.
//
// A client that wants what a script holds waits for its end, and gets BUSY once the
// script has run longer than server.busy_reply_threshold.

// scriptGate is what scripts and those who wait for them know of each other.
type scriptGate struct {
	several   sync.RWMutex // before shard locks; see above
	exclusive atomic.Pointer[scriptRun]
	holders   [store.Shards]atomic.Pointer[scriptRun]

	mu   sync.Mutex // guards runs; a leaf
	runs []*scriptRun
}

// lockShard takes the lock of a shard. Not ok: a script that holds it is busy.
func (d *Dispatcher) lockShard(shard int) (busy *scriptRun) {
	if d.store.TryLockShard(shard) {
		return nil
	}
	if run := d.scripts.holders[shard].Load(); run != nil && !run.await() {
		return run
	}
	d.store.LockShard(shard)
	return nil
}

// lockSeveral says that the caller takes the locks of several shards, in ascending
// order.
func (d *Dispatcher) lockSeveral() (busy *scriptRun) {
	if d.scripts.several.TryRLock() {
		return nil
	}
	if run := d.scripts.exclusive.Load(); run != nil && !run.await() {
		return run
	}
	d.scripts.several.RLock()
	return nil
}

// lockExclusive says that run takes locks in any order.
func (d *Dispatcher) lockExclusive(run *scriptRun) (busy *scriptRun) {
	if !d.scripts.several.TryLock() {
		if other := d.scripts.exclusive.Load(); other != nil && !other.await() {
			return other
		}
		d.scripts.several.Lock()
	}
	d.scripts.exclusive.Store(run)
	return nil
}

func (d *Dispatcher) unlockExclusive() {
	d.scripts.exclusive.Store(nil)
	d.scripts.several.Unlock()
}

// lockShards takes the locks of a set of shards.
func (d *Dispatcher) lockShards(s *shardSet) (busy *scriptRun) {
	many := s.many()
	if many {
		if busy := d.lockSeveral(); busy != nil {
			return busy
		}
	}
	var held shardSet
	s.each(func(shard int) {
		if busy == nil {
			if busy = d.lockShard(shard); busy == nil {
				held.add(shard)
			}
		}
	})
	if busy != nil {
		held.unlock(d.store)
		if many {
			d.scripts.several.RUnlock()
		}
	}
	return busy
}

func (d *Dispatcher) unlockShards(s *shardSet) {
	s.unlock(d.store)
	if s.many() {
		d.scripts.several.RUnlock()
	}
}

// lockAll takes all locks. False: it replied that a script holds one of them.
func (c *Ctx) lockAll() bool {
	all := allShards()
	if busy := c.d.lockShards(&all); busy != nil {
		c.W.Error(busy.busyText())
		return false
	}
	return true
}

func (c *Ctx) unlockAll() {
	all := allShards()
	c.d.unlockShards(&all)
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

// scriptSignal is the end of a script, and its being busy, for those who wait.
type scriptSignal struct {
	mu    sync.Mutex // guards all; a leaf
	ended bool
	busy  bool
	wake  chan struct{} // closed when one of them changes; nil: nobody waits
}

// await waits until the script has ended; false: until it is busy.
func (s *scriptSignal) await() (ended bool) {
	for {
		s.mu.Lock()
		if s.ended || s.busy {
			ended = s.ended
			s.mu.Unlock()
			return ended
		}
		if s.wake == nil {
			s.wake = make(chan struct{})
		}
		wake := s.wake
		s.mu.Unlock()
		<-wake
	}
}

func (s *scriptSignal) set(ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended {
		s.ended = true
	} else {
		s.busy = true
	}
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

func (s *scriptSignal) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy && !s.ended
}
