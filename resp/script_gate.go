package resp

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"respkv/resp/command"
	"respkv/store"
)

// How scripts lock.
//
// What keys a script touches is known only when it touches them. In a cluster
// they are of one slot: the script takes the lock of its shard, like any command
// with keys, and scripts of different shards run at the same time.
//
// On a standalone node a script may touch any key, declared or not. There are two ways
// to run it:
//
//	beside others   It takes the locks of the keys that it declares, in ascending
//	                order, and no more. It can be begun again until it writes, and
//	                writes only if its text, or that of its library, shows that it
//	                touches no other key (script_declared.go).
//	alone           It holds several exclusively. It takes the lock of a shard when it
//	                first touches one of its keys, and keeps it until it ends.
//
// A script that has written can neither be begun again nor, beside others, wait for one
// more lock: two could wait for each other. So what a script may touch must be known
// before it writes beside others; what was seen of it in other runs does not do.
//
// Waiting for a lock while it holds others is safe for a script alone: whoever else
// takes the locks of more than one shard holds several shared, and who holds one waits
// for nothing. A script runs beside others, too, if it says that it does not write, or if so
// far it neither wrote nor touched what it had not declared (conduct). When it does so
// after all, it becomes alone: at its first write, if several is free, where it stands;
// otherwise it gives its locks up and begins again. It never waits for several while it
// holds a shard.
//
// Scripts in a cluster that say that they cross slots, or that call what looks at the
// whole keyspace, run alone, too. So do those that do not say so, by a first line, and did
// it the last time. When one does it for the first time, it begins again, or, if it has written,
// becomes alone where it stands: nearly always nobody holds several in a cluster.
//
// A client that wants what a script holds waits for its end, and gets BUSY once the
// script has run longer than server.busy_reply_threshold. On a standalone node every
// client gets it then, as in Redis; in a cluster the others are served.

// How a script has run so far (lua.Script.Conduct). What is not known runs alone, so
// that a script that is run once is not begun twice.
const (
	conductUnknown int32 = iota
	conductModest        // it read what it had declared
	conductWild          // it wrote, or touched more
)

// scriptGate is what scripts and those who wait for them know of each other. Waiters
// know a script by its signal: the run itself is used again.
type scriptGate struct {
	several   sync.RWMutex // before shard locks; see above
	exclusive atomic.Pointer[scriptSignal]
	holders   [store.Shards]atomic.Pointer[scriptSignal]
	// Scripts that are about to take the lock of a shard, or several exclusively: they
	// show as holders a moment after they have it.
	coming      [store.Shards]atomic.Int32
	comingAlone atomic.Int32

	debug atomic.Bool                  // scripts may call DEBUG
	slow  atomic.Pointer[scriptSignal] // the first in busy, on a standalone node

	mu   sync.Mutex      // guards the rest; before scriptSignal.mu
	busy []*scriptRun    // that run longer than the limit
	free []*scriptSignal // that began without a lock
}

// lockShard takes the lock of a shard. Not nil: a script that holds it is busy.
func (d *Dispatcher) lockShard(shard int) (busy *scriptSignal) {
	if d.store.TryLockShard(shard) {
		return nil
	}
	if busy, free := awaitScripts(&d.scripts.holders[shard], &d.scripts.coming[shard], 0, func() bool {
		return d.store.TryLockShard(shard)
	}); busy != nil || !free {
		return busy
	}
	d.store.LockShard(shard)
	return nil
}

// lockShardFor is lockShard for a script, which shows as the holder.
func (d *Dispatcher) lockShardFor(shard int, script *scriptSignal) (busy *scriptSignal) {
	holder, coming := &d.scripts.holders[shard], &d.scripts.coming[shard]
	coming.Add(1)
	defer coming.Add(-1)
	if !d.store.TryLockShard(shard) {
		busy, free := awaitScripts(holder, coming, 1, func() bool { return d.store.TryLockShard(shard) })
		if busy != nil {
			return busy
		}
		if free {
			d.store.LockShard(shard)
		}
	}
	holder.Store(script)
	return nil
}

// awaitScripts waits for the end of the script that has a lock, or is about to have it:
// who waited for the lock itself would not learn that the script that has it is busy.
// busy: the script that is; else free says whether the lock is to be waited for, or was
// taken with try meanwhile. mine is how many of those that are coming the caller is.
//
// coming is read before holder, as scripts change them the other way round.
func awaitScripts(holder *atomic.Pointer[scriptSignal], coming *atomic.Int32, mine int32, try func() bool) (busy *scriptSignal, free bool) {
	// A script that has the lock shows as its holder some nanoseconds later; others that
	// are coming may have to wait for longer, and then so does the caller.
	const looks = 16
	for range looks {
		expected := coming.Load() > mine
		if script := holder.Load(); script != nil {
			if !script.await() {
				return script, false
			}
			return nil, true
		}
		if !expected {
			return nil, true
		}
		if try() {
			return nil, false
		}
		runtime.Gosched()
	}
	return nil, true
}

// lockSeveral says that the caller takes the locks of several shards, in ascending
// order.
func (d *Dispatcher) lockSeveral() (busy *scriptSignal) {
	g := &d.scripts
	if g.several.TryRLock() {
		return nil
	}
	if busy, free := awaitScripts(&g.exclusive, &g.comingAlone, 0, g.several.TryRLock); busy != nil || !free {
		return busy
	}
	g.several.RLock()
	return nil
}

// lockExclusive says that a script takes locks in any order.
func (d *Dispatcher) lockExclusive(script *scriptSignal) (busy *scriptSignal) {
	g := &d.scripts
	g.comingAlone.Add(1)
	defer g.comingAlone.Add(-1)
	if !g.several.TryLock() {
		busy, free := awaitScripts(&g.exclusive, &g.comingAlone, 1, g.several.TryLock)
		if busy != nil {
			return busy
		}
		if free {
			g.several.Lock()
		}
	}
	g.exclusive.Store(script)
	return nil
}

func (d *Dispatcher) unlockExclusive() {
	d.scripts.exclusive.Store(nil)
	d.scripts.several.Unlock()
}

// lockShards takes the locks of a set of shards.
func (d *Dispatcher) lockShards(s *shardSet) (busy *scriptSignal) {
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

// refusal is the busy script because of which a command is refused, whatever it needs;
// nil: none.
func (g *scriptGate) refusal(e *entry) *scriptSignal {
	slow := g.slow.Load()
	if slow == nil || e.cmd.Has(command.AllowBusy) {
		return nil
	}
	return slow
}

// noteBusy follows a change of busy.
func (d *Dispatcher) noteBusy() {
	g := &d.scripts
	switch {
	case d.routing != nil:
	case len(g.busy) > 0:
		g.slow.Store(g.busy[0].signal)
	default:
		g.slow.Store(nil)
	}
}

// scriptSignal is the end of a script, and its being busy, for those who wait.
type scriptSignal struct {
	function bool

	mu    sync.Mutex // guards the rest; a leaf
	ended bool
	busy  bool
	wake  chan struct{} // closed when one of them changes; nil: nobody waits
}

// busyText is what clients get that need what the script holds.
func (s *scriptSignal) busyText() string {
	if s.function {
		return errBusyFunction
	}
	return errBusyScript
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

// wait waits until the script has ended, be it busy.
func (s *scriptSignal) wait() {
	for !s.await() {
		time.Sleep(pausePoll)
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
