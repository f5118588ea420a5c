package resp

import (
	"context"
	"sync"
	"time"

	"respkv/cluster"
	"respkv/internal/threads"
	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"flushdb":  flushDB,
		"flushall": flushAll,
	})
}

// flushStep is the number of keys that are removed or freed under a shard's
// lock at a time, some 100 µs.
const flushStep = 512

// reclaimStep is the number of keys and elements that are freed between two looks at the
// clock.
const reclaimStep = 64

func flushDB(c *Ctx) {
	if flush(c, c.Tx.DB, c.Tx.DB+1) {
		c.W.OK()
	}
}

// flushAll is FLUSHALL. Where there are save points the file is written anew at
// once: a node that is started with it again is not to have the keys back.
func flushAll(c *Ctx) {
	if !flush(c, 0, c.d.store.Databases()) {
		return
	}
	switch d := c.d; {
	case len(d.config.Config().Persistence.Save) == 0:
		c.W.OK()
	case c.DenyBlocking():
		d.saver.schedule()
		c.W.OK()
	default:
		c.background(0, nil, func(_ context.Context, w *proto.Writer) {
			_ = d.saveInForeground() // noted and logged there
			w.OK()
		})
	}
}

// flush removes all keys of the databases from first up to before end. The keys
// are gone then; their memory is free, too (SYNC), or soon after (ASYNC). Not ok: it
// replied with the error.
func flush(c *Ctx, first, end int) (ok bool) {
	async := c.d.config.Config().Store.LazyFreeLazyUserFlush
	switch {
	case len(c.Args) == 1:
	case len(c.Args) == 2 && isWord(c.Args[1], "async"):
		async = true
	case len(c.Args) == 2 && isWord(c.Args[1], "sync"):
		async = false
	default:
		c.W.Error(errSyntax)
		return false
	}
	if c.clustered() {
		f := slotFlush{c: c, first: first, end: end}
		refused := f.run()
		c.d.invalidateAll(c, c.Tx.AllLocked) // of what was flushed, if refused
		if refused != "" {
			c.W.Error(refused)
			return false
		}
	} else if !c.flushEverything(first, end) {
		return false
	}
	if async {
		c.d.reclaimer.start(c.d.store)
	} else {
		reclaim(c.d.store, c.Tx.AllLocked, nil)
	}
	return true
}

// flushEverything takes all locks, for constant time, so that no other client
// sees half of it. False: it replied that a script holds them.
func (c *Ctx) flushEverything(first, end int) bool {
	st := c.d.store
	if !c.Tx.AllLocked {
		if !c.lockAll() {
			return false
		}
		defer c.unlockAll()
	}
	c.d.keysLost()
	if end-first > 1 {
		c.feed(c.Tx.DB, wordFlushAll)
	} else {
		c.feed(first, wordFlushDB)
	}
	for db := first; db < end; db++ {
		c.d.touchDatabase(db, noDatabase)
		c.d.stats.dirty.Add(st.DBSize(db))
		st.FlushDB(db)
	}
	for shard := range store.Shards {
		c.d.abandonKeys(shard, first, end, func(store.Key) bool { return true })
	}
	c.d.invalidateAll(c, true)
	return true
}

// slotFlush empties the slots that this node is primary of, one shard after the
// other. Each slot is emptied when it is this node's to write: what is paused by
// a handoff waits for its end, what went to another node is left to that one.
type slotFlush struct {
	c          *Ctx
	first, end int // databases

	shard     int
	todo      []uint16 // slots of shard
	leaseLost bool     // a slot of this node could not be written

	marks    []Mark // of slots whose replicas must hold the flush before the reply
	replicas int    // how many of them
}

// run returns the error to reply with, or "".
func (f *slotFlush) run() (refused string) {
	routing := f.c.d.routing
	mine := len(routing.Map().PrimaryOf(routing.ID())) > 0
	switch {
	case !mine && len(routing.Map().ReplicaOf(routing.ID())) > 0:
		return errReadOnlyNode
	case mine && !routing.Serving():
		return errClusterDown
	case f.c.Tx.AllLocked && f.pausedSlot():
		return errSlotsInFlight // what it would wait for may wait for these locks
	}
	for f.shard = range store.Shards {
		f.todo = slotsOfShard(f.todo[:0], f.shard)
		for len(f.todo) > 0 {
			if wait := f.pass(); wait != nil {
				<-wait
			}
		}
	}
	switch {
	case f.leaseLost:
		return errClusterDown
	case !f.durable():
		return errNotDurable
	}
	return ""
}

// durable waits until enough replicas hold the flush. Not so with all locks
// held: then that is up to who holds them.
func (f *slotFlush) durable() bool {
	if len(f.marks) == 0 || f.c.Tx.AllLocked {
		return true
	}
	d := f.c.d
	ctx, cancel := context.WithTimeout(context.Background(), d.config.Config().Replication.AckTimeout)
	defer cancel()
	return d.repl.WaitAcked(ctx, f.marks, f.replicas) >= f.replicas
}

func slotsOfShard(dst []uint16, shard int) []uint16 {
	for i := range store.SlotsPerShard {
		dst = append(dst, uint16(shard*store.SlotsPerShard+i))
	}
	return dst
}

// pausedSlot says whether a handoff is finishing. The caller holds all locks.
func (f *slotFlush) pausedSlot() bool {
	routing := f.c.d.routing
	for _, r := range routing.Map().PrimaryOf(routing.ID()) {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			if routing.Admit(uint16(slot), true).Gate == cluster.Paused {
				return true
			}
		}
	}
	return false
}

// pass takes the lock of the shard once and does what it can. It leaves in todo
// what is still to be done, after wait if that is set.
func (f *slotFlush) pass() (wait <-chan struct{}) {
	d := f.c.d
	if !f.c.Tx.AllLocked {
		d.store.LockShard(f.shard)
		defer d.store.UnlockShard(f.shard)
	}
	d.keysLost()
	var mine, later []uint16
	for _, slot := range f.todo {
		switch a := d.routing.Admit(slot, true); {
		case a.Gate == cluster.Paused:
			later, wait = append(later, slot), a.Wait
		case a.Gate == cluster.Run && a.Owner:
			mine = append(mine, slot)
			d.touchSlot(slot, f.first, f.end)
			d.abandonKeys(f.shard, f.first, f.end, func(k store.Key) bool { return k.Slot == slot })
		case d.routing.Map().Slot(slot).Primary == d.routing.ID():
			f.leaseLost = true
		case d.routing.Map().Slot(slot).Primary == "":
			f.givenUp(slot)
		}
	}
	if len(mine) == store.SlotsPerShard {
		f.wholeShard(mine)
		f.todo = later
		return wait
	}
	for i, slot := range mine {
		if !f.slot(slot) {
			f.todo = append(later, mine[i:]...) // give the lock up
			return nil
		}
	}
	f.todo = later
	return wait
}

// wholeShard empties a shard in constant time.
func (f *slotFlush) wholeShard(slots []uint16) {
	for db := f.first; db < f.end; db++ {
		for _, slot := range slots {
			if n := f.c.d.store.CountSlot(db, slot); n > 0 {
				f.log(slot, db, n, wordFlushDB)
			}
		}
		f.c.d.store.FlushShard(db, f.shard)
	}
}

// slot empties a slot, or, of a large one, removes some keys. Then it returns
// false, and wants to be called again once the lock was given up. At each
// return the log says what was done, whatever becomes of the slot meanwhile.
func (f *slotFlush) slot(slot uint16) (done bool) {
	st := f.c.d.store
	for db := f.first; db < f.end; db++ {
		n := st.CountSlot(db, slot)
		if n == 0 {
			continue
		}
		if n > flushStep && !f.c.Tx.AllLocked {
			f.some(slot, db)
			return false
		}
		for st.FlushSlot(db, slot, flushStep) > 0 {
		}
		f.log(slot, db, n, wordFlushDB)
	}
	return true
}

// givenUp empties a slot that nobody has: it may still have the keys of when this node
// was its primary, to which nobody replicates.
func (f *slotFlush) givenUp(slot uint16) {
	for db := f.first; db < f.end; db++ {
		for f.c.d.store.FlushSlot(db, slot, flushStep) > 0 {
		}
	}
}

// some removes keys of a large slot.
func (f *slotFlush) some(slot uint16, db int) {
	tx := f.c.Tx
	tx.DB, tx.IgnoreDeadlines = db, true
	names := tx.Store.SlotKeys(db, slot, flushStep)
	for _, name := range names {
		tx.Delete(store.MakeKey(name))
	}
	f.log(slot, db, len(names), append([][]byte{wordDel}, names...)...)
}

// log replicates what was done to n keys of a slot. The caller holds the lock
// of its shard.
func (f *slotFlush) log(slot uint16, db, n int, effect ...[]byte) {
	d := f.c.d
	d.stats.dirty.Add(int64(n))
	if d.repl == nil {
		return
	}
	f.c.session().wrote(slot)
	d.appendEffect(slot, db, effect)
	if n := d.repl.Durable(); n > 0 {
		f.marks = append(f.marks, d.repl.Mark(slot))
		f.replicas = max(f.replicas, n)
	}
}

// reclaim frees the memory of flushed keys and of large values unlinked, in short steps, until stop is closed.
// The caller holds no lock, or, with allLocked, all.
func reclaim(st *store.Store, allLocked bool, stop <-chan struct{}) {
	step, began := 0, time.Now()
	for shard := range store.Shards {
		for more := st.HasGarbage(shard); more; {
			select {
			case <-stop:
				return
			default:
			}
			if allLocked {
				more = st.FreeStep(shard, flushStep)
				continue
			}
			st.LockShard(shard)
			for more = st.FreeStep(shard, reclaimStep); more && time.Since(began) < defaultStepping.step; {
				more = st.FreeStep(shard, reclaimStep)
			}
			st.UnlockShard(shard)
			if time.Since(began) >= defaultStepping.step {
				threads.Breathe(step)
				step, began = step+1, time.Now()
			}
		}
	}
	for more := true; more; {
		select {
		case <-stop:
			return
		default:
		}
		more = st.FreeLazily(releaseStep)
	}
}

// reclaimGarbage makes the memory of large values that were dropped free soon.
func (d *Dispatcher) reclaimGarbage() {
	if d.store.Garbage() {
		d.reclaimer.start(d.store)
	}
}

// reclaimer frees the memory of keys flushed with ASYNC, and of large values
// however they were dropped, in the background. At most one goroutine does, and only while there is something to free.
type reclaimer struct {
	mu      sync.Mutex // guards below; a leaf
	running bool
	again   bool // a flush came after the running round began
	stop    chan struct{}
	stopped bool
	done    sync.WaitGroup
}

func (r *reclaimer) start(st *store.Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	if r.running {
		r.again = true
		return
	}
	if r.stop == nil {
		r.stop = make(chan struct{})
	}
	r.running = true
	stop := r.stop
	r.done.Go(func() {
		threads.Begin()
		defer threads.End()
		for more := true; more; more = r.next() {
			reclaim(st, false, stop)
		}
	})
}

// next says whether to go round once more.
func (r *reclaimer) next() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = r.again && !r.stopped
	r.again = false
	return r.running
}

// close ends the work and waits for that. The store may be closed after it.
func (r *reclaimer) close() {
	r.mu.Lock()
	if !r.stopped {
		r.stopped = true
		if r.stop != nil {
			close(r.stop)
		}
	}
	r.mu.Unlock()
	r.done.Wait()
}
