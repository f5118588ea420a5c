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
//
// So nobody may wait in the lock itself while a script has it: it would not learn that the
// script is busy. A script shows as the holder before it has the lock, which only one can do;
// whoever comes then waits for the script's signal. Who began to wait in the lock before that
// is counted, and is let through before the script begins.

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
	waiting   [store.Shards]atomic.Int32 // who are no scripts, and wait in the lock

	debug atomic.Bool                  // scripts may call DEBUG
	slow  atomic.Pointer[scriptSignal] // the first in busy, on a standalone node

	mu   sync.Mutex      // guards the rest; before scriptSignal.mu
	busy []*scriptRun    // that run longer than the limit
	free []*scriptSignal // that began without a lock
}

// lockShard takes the lock of a shard. Not nil: a script that holds it is busy.
func (d *Dispatcher) lockShard(shard int) (busy *scriptSignal) {
	holder, waiting := &d.scripts.holders[shard], &d.scripts.waiting[shard]
	for !d.store.TryLockShard(shard) {
		if busy, waited := awaitHolder(holder); busy != nil {
			return busy
		} else if waited {
			continue
		}
		waiting.Add(1) // before the look at holder: a script changes the two the other way round
		if holder.Load() == nil {
			d.store.LockShard(shard)
			waiting.Add(-1)
			return nil
		}
		waiting.Add(-1)
	}
	return nil
}

// lockShardFor is lockShard for a script, which shows as the holder.
func (d *Dispatcher) lockShardFor(shard int, script *scriptSignal) (busy *scriptSignal) {
	holder, waiting := &d.scripts.holders[shard], &d.scripts.waiting[shard]
	for !holder.CompareAndSwap(nil, script) {
		if busy, _ := awaitHolder(holder); busy != nil {
			return busy
		}
	}
	d.store.LockShard(shard)
	for looks := 0; waiting.Load() > 0; looks++ {
		d.store.UnlockShard(shard)
		pauseLooking(looks)
		d.store.LockShard(shard)
	}
	return nil
}

// unlockShardFor gives back what lockShardFor took.
func (d *Dispatcher) unlockShardFor(shard int) {
	d.scripts.holders[shard].Store(nil)
	d.store.UnlockShard(shard)
}

// awaitHolder waits for the end of the script that has a lock, or is about to have it.
// busy: it is; waited: there was one.
func awaitHolder(holder *atomic.Pointer[scriptSignal]) (busy *scriptSignal, waited bool) {
	script := holder.Load()
	switch {
	case script == nil:
		return nil, false
	case !script.await():
		return script, true
	}
	return nil, true
}

// pauseLooking is between two looks at what is nearly always a matter of nanoseconds.
func pauseLooking(looks int) {
	if looks < 100 {
		runtime.Gosched()
		return
	}
	time.Sleep(50 * time.Microsecond)
}

// lockSeveral says that the caller takes the locks of several shards, in ascending
// order.
func (d *Dispatcher) lockSeveral() (busy *scriptSignal) {
	g := &d.scripts
	for looks := 0; ; looks++ {
		// First, so that a script gets its turn.
		if busy, waited := awaitHolder(&g.exclusive); busy != nil {
			return busy
		} else if !waited && g.several.TryRLock() {
			return nil
		}
		pauseLooking(looks)
	}
}

// lockExclusive says that a script takes locks in any order.
func (d *Dispatcher) lockExclusive(script *scriptSignal) (busy *scriptSignal) {
	g := &d.scripts
	for !g.exclusive.CompareAndSwap(nil, script) {
		if busy, _ := awaitHolder(&g.exclusive); busy != nil {
			return busy
		}
	}
	for looks := 0; !g.several.TryLock(); looks++ {
		// Who holds it shared may be a script, too.
		if slow := g.slow.Load(); slow != nil {
			g.exclusive.Store(nil)
			script.set(true)
			return slow
		}
		pauseLooking(looks)
	}
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

// scriptSignal is the end of a script, or of a transaction with scripts, and its being busy,
// for those who wait.
type scriptSignal struct {
	mu       sync.Mutex // guards the rest; a leaf
	function bool       // what runs is one
	ended    bool
	busy     bool
	wake     chan struct{} // closed when one of the two changes; nil: nobody waits
}

// busyText is what clients get that need what the script holds.
func (s *scriptSignal) busyText() string {
	s.mu.Lock()
	defer s.mu.Unlock()
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

// begin and end are those of a script in a transaction, whose signal it is.
func (s *scriptSignal) begin(function bool) {
	s.mu.Lock()
	s.function = function
	s.mu.Unlock()
}

func (s *scriptSignal) end() {
	s.mu.Lock()
	s.busy = false
	s.mu.Unlock()
}
