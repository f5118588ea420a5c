package resp

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"respkv/resp/command"
	"respkv/store"
)

// watch is a key that a client watches, or something that reads it in steps.
type watch struct {
	client *Client
	told   *atomic.Bool // is set in place of the client's flag; nil: a client watches
	db     int
	name   string
	slot   uint16
	epoch  uint64 // config epoch of the slot when it was watched; 0: no cluster
	// expired says that the key was past its deadline, and not removed yet,
	// when it was watched: its removal changes nothing then. Guarded by the
	// lock of the shard.
	expired bool
}

// signal says that the key has changed. The lock of its shard is held.
func (w *watch) signal() {
	if w.told != nil {
		w.told.Store(true)
		return
	}
	w.client.SetFlag(FlagDirtyCAS, true)
}

// watchTable holds all watches, each in the shard of its key, guarded by the
// lock of that shard. While nobody watches it costs a write one atomic load.
type watchTable struct {
	count  atomic.Int64 // watches in all shards, and sets
	shards [store.Shards]map[watchedKey][]*watch
	sets   [store.Shards][]*watchedSet
}

type watchedKey struct {
	db   int
	name string
}

// noDatabase stands for no database.
const noDatabase = -1

func (t *watchTable) used() bool { return t.count.Load() != 0 }

func (t *watchTable) find(db int, k store.Key) []*watch {
	keys := t.shards[k.Shard()]
	if len(keys) == 0 {
		return nil
	}
	return keys[watchedKey{db, string(k.Name)}]
}

// add registers a watch. The caller holds the lock of its shard.
func (t *watchTable) add(w *watch) {
	keys := &t.shards[store.ShardOf(w.slot)]
	if *keys == nil {
		*keys = make(map[watchedKey][]*watch)
	}
	at := watchedKey{w.db, w.name}
	(*keys)[at] = append((*keys)[at], w)
	t.count.Add(1)
}

// remove takes a watch out. The caller holds the lock of its shard.
func (t *watchTable) remove(w *watch) {
	shard := store.ShardOf(w.slot)
	keys, at := t.shards[shard], watchedKey{w.db, w.name}
	list := keys[at]
	i := slices.Index(list, w)
	if i < 0 {
		return
	}
	t.count.Add(-1)
	if len(list) > 1 {
		keys[at] = slices.Delete(list, i, i+1)
		return
	}
	delete(keys, at)
	if len(keys) == 0 {
		t.shards[shard] = nil
	}
}

// watchKeys is WATCH. It runs under the locks of its keys' shards.
func watchKeys(c *Ctx) {
	if c.Client.Has(FlagMulti) {
		c.W.Error(errWatchInMulti)
		return
	}
	c.W.OK()
	if c.Client.Has(FlagDirtyCAS) {
		return // the next EXEC fails in any case
	}
	s := c.session()
	for i := 1; i < len(c.Args); i++ {
		k := c.Key(i)
		if slices.ContainsFunc(c.d.watches.find(c.Tx.DB, k), func(w *watch) bool { return w.client == c.Client }) {
			continue
		}
		w := &watch{client: c.Client, db: c.Tx.DB, name: string(k.Name), slot: k.Slot}
		if c.clustered() {
			w.epoch = c.d.routing.Map().Slot(k.Slot).Epoch
		}
		_, w.expired = c.d.stored(w.db, k, c.Now())
		c.d.watches.add(w)
		s.watches = append(s.watches, w)
		size := int(unsafe.Sizeof(*w)) + len(w.name)
		c.Client.info.watchMem.Add(int64(size))
		c.Client.server.clientGrew(size)
	}
}

// stored says whether there is a record of a key, and whether that is past its
// deadline. It removes nothing. The caller holds the lock of the shard.
func (d *Dispatcher) stored(db int, k store.Key, now int64) (exists, expired bool) {
	tx := store.Tx{Store: d.store, DB: db, Now: now, IgnoreDeadlines: true, NoTouch: true}
	at := tx.Deadline(k)
	return at != -2, at >= 0 && now > at
}

func unwatchKeys(c *Ctx) {
	if !c.inExec { // EXEC has none left, and will see to it
		c.d.unwatch(c.Client, c.session())
	}
	c.W.OK()
}

// unwatch ends all watches of a client. The caller is its goroutine and holds no
// lock.
func (d *Dispatcher) unwatch(client *Client, s *session) {
	for _, w := range s.watches {
		shard := store.ShardOf(w.slot)
		d.store.LockShard(shard)
		d.watches.remove(w)
		d.store.UnlockShard(shard)
	}
	s.watches = nil
	client.info.watchMem.Store(0)
	client.SetFlag(FlagDirtyCAS, false)
}

// watchedChanged says whether a key that the client watches was changed since,
// is past its deadline only now, or is of a slot that had another primary
// meanwhile. The caller holds the locks of their shards.
func (d *Dispatcher) watchedChanged(client *Client, s *session, now int64) bool {
	if client.Has(FlagDirtyCAS) {
		return true
	}
	for _, w := range s.watches {
		if d.routing != nil {
			a := d.routing.Map().Slot(w.slot)
			held := a.Primary == d.routing.ID() || a.HasReplica(d.routing.ID())
			if !held || a.Epoch != w.epoch {
				return true
			}
		}
		if w.expired {
			continue
		}
		if _, expired := d.stored(w.db, store.MakeKey([]byte(w.name)), now); expired {
			return true
		}
	}
	return false
}

// touch says that a key was changed, to who watches it. The caller holds the lock of its shard.
func (d *Dispatcher) touch(db int, k store.Key) {
	for _, w := range d.watches.find(db, k) {
		w.signal()
	}
	d.watches.tellSets(db, k)
}

// touchExpired says that a key past its deadline is being removed.
func (d *Dispatcher) touchExpired(db int, k store.Key) {
	for _, w := range d.watches.find(db, k) {
		if w.expired {
			w.expired = false // it was gone for who watched it: nothing changed
		} else {
			w.signal()
		}
	}
	d.watches.tellSets(db, k)
}

// observed says whether it matters to anybody which keys are changed: somebody
// watches keys, or tracks what it read.
func (d *Dispatcher) observed() bool { return d.watches.used() || d.tracking.used() }

// noteAbsent notes which of the keys of a write, at pos, are observed and do not
// exist: if they still don't when it is done, it did not change them.
func (d *Dispatcher) noteAbsent(c *Ctx, pos []int) {
	if !c.write || len(pos) == 1 || !d.observed() {
		return
	}
	for _, p := range pos {
		k := store.MakeKey(c.Args[p])
		if len(d.watches.find(c.Tx.DB, k)) == 0 && !d.tracking.wants(k) {
			continue
		}
		if exists, expired := d.stored(c.Tx.DB, k, c.Now()); !exists || expired {
			c.absent = append(c.absent, k.Name)
		}
	}
}

// touchWritten tells who watches or tracks the keys that a command changed: those
// that its effects write. Its locks are held.
func (d *Dispatcher) touchWritten(c *Ctx) {
	if !c.keep {
		d.touchKeys(c, c.entry.cmd, c.Args)
		return
	}
	for _, e := range c.effects {
		args := c.argv[e.first:e.last]
		if written := d.find(args); written != nil {
			d.touchKeys(c, written.cmd, args)
		}
	}
}

func (d *Dispatcher) touchKeys(c *Ctx, cmd *command.Command, args [][]byte) {
	var buf [16]command.KeyRef
	refs, err := cmd.AppendKeyRefs(buf[:0], args)
	if err != nil {
		return
	}
	for _, r := range refs {
		if r.Flags&command.RO != 0 {
			continue
		}
		k := store.MakeKey(args[r.Pos])
		if len(d.watches.find(c.Tx.DB, k)) == 0 && !d.watches.inSet(c.Tx.DB, k) && !d.tracking.wants(k) {
			continue
		}
		if slices.ContainsFunc(c.absent, func(name []byte) bool { return string(name) == string(k.Name) }) {
			if exists, _ := d.stored(c.Tx.DB, k, c.Now()); !exists {
				continue
			}
		}
		d.changed(c, c.Tx.DB, k)
	}
}

// touchSlot says that the keys of a slot are about to be removed, in the
// databases from first up to before end. The caller holds the lock of its shard.
func (d *Dispatcher) touchSlot(slot uint16, first, end int) {
	if !d.watches.used() {
		return
	}
	d.watches.tellShard(store.ShardOf(slot))
	now, _ := clock()
	for at, list := range d.watches.shards[store.ShardOf(slot)] {
		if list[0].slot != slot || at.db < first || at.db >= end {
			continue
		}
		exists, _ := d.stored(at.db, store.MakeKey([]byte(at.name)), now)
		for _, w := range list {
			switch {
			case !exists:
			case w.expired:
				w.expired = false
			default:
				w.signal()
			}
		}
	}
}

// SlotReplaced says that a slot is replaced by a copy of another node's, or
// dropped: whatever is watched or tracked there may have changed. The caller holds
// the lock of its shard.
func (d *Dispatcher) SlotReplaced(slot uint16) {
	d.invalidateSlot(slot)
	if !d.watches.used() {
		return
	}
	d.watches.tellShard(store.ShardOf(slot))
	for _, list := range d.watches.shards[store.ShardOf(slot)] {
		for _, w := range list {
			if w.slot == slot {
				w.signal()
			}
		}
	}
}

// touchDatabase says that a database is about to get the contents of another, or
// to become empty (noDatabase). The caller holds all locks.
func (d *Dispatcher) touchDatabase(db, with int) {
	if !d.watches.used() {
		return
	}
	now, _ := clock()
	for shard := range d.watches.shards {
		d.watches.tellShard(shard)
		for at, list := range d.watches.shards[shard] {
			if at.db != db {
				continue
			}
			k := store.MakeKey([]byte(at.name))
			here, _ := d.stored(db, k, now)
			there, thereExpired := false, false
			if with != noDatabase {
				there, thereExpired = d.stored(with, k, now)
			}
			if !here && !there {
				continue
			}
			for _, w := range list {
				switch {
				case w.expired && !there:
					w.expired = false
				case w.expired && thereExpired:
				case !w.expired && !here && thereExpired:
					w.expired = true // nothing became nothing
				default:
					w.signal()
				}
			}
		}
	}
}

// swapWatched is touchDatabase for SWAPDB.
func (d *Dispatcher) swapWatched(a, b int) {
	if a != b {
		d.touchDatabase(a, b)
		d.touchDatabase(b, a)
	}
}

// Watch tells, in changed, when a key is changed, removed or replaced, until stop
// is called. The caller holds the lock of its shard in both calls.
func (d *Dispatcher) Watch(db int, k store.Key, changed *atomic.Bool) (stop func()) {
	w := &watch{told: changed, db: db, name: string(k.Name), slot: k.Slot}
	d.watches.add(w)
	return func() { d.watches.remove(w) }
}
