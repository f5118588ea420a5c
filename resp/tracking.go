package resp

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"respkv/cluster/hashslot"
	"respkv/store"
)

// Client-side caching: a client in tracking mode is told when a key that it read
// is changed, so that it may keep what it read.
//
// What a client reads is remembered under the lock under which it was read, and a
// change looks for it under the lock under which it is made, so that none is
// missed. Its message is pushed there too: after the reply of the read, which was
// written before the lock was given up. What a command changes of the keys that its
// own client read is told after its reply (Ctx.trailer).
//
// A client in broadcasting mode is told of all keys with its prefixes instead, and
// nothing is remembered (prefixTable).

// tracking is who read which keys.
type tracking struct {
	clients atomic.Int64 // in tracking mode
	keys    atomic.Int64 // in table
	items   atomic.Int64 // clients of all keys in table

	// table has the keys of each slot, guarded by the lock of its shard. As in
	// Redis a key stands for those of its name in all databases.
	table    [hashslot.Count]map[string]*trackedKey
	prefixes prefixTable

	// broadcastLost says that keys which are not known were removed or replaced:
	// those in broadcasting mode are to drop all they have.
	broadcastLost atomic.Bool
}

// trackedKey is the IDs, ascending, of the clients that read a key. Those of
// clients that are gone stay until the key is changed or the list is to grow.
type trackedKey struct{ ids []uint64 }

// used says whether anybody is in tracking mode. While nobody is it costs a write
// one atomic load.
func (t *tracking) used() bool { return t.clients.Load() != 0 }

// find returns what is known of a key. The lock of its shard is held.
func (t *tracking) find(k store.Key) *trackedKey { return t.table[k.Slot][string(k.Name)] }

// wants says whether anybody may want to know of a change of k. The lock of its
// shard is held.
func (t *tracking) wants(k store.Key) bool {
	return t.used() && (t.prefixes.used() || t.find(k) != nil)
}

// add notes that a client read k. The lock of its shard is held. gone says which
// clients are.
func (t *tracking) add(k store.Key, id uint64, gone func(id uint64) bool) {
	key := t.find(k)
	if key == nil {
		keys := &t.table[k.Slot]
		if *keys == nil {
			*keys = make(map[string]*trackedKey)
		}
		key = &trackedKey{}
		(*keys)[string(k.Name)] = key
		t.keys.Add(1)
	}
	at, found := slices.BinarySearch(key.ids, id)
	if found {
		return
	}
	if n := len(key.ids); n == cap(key.ids) && n >= 8 {
		key.ids = slices.DeleteFunc(key.ids, gone)
		t.items.Add(int64(len(key.ids) - n))
		if len(key.ids) > n/4*3 {
			key.ids = slices.Grow(key.ids, n)
		}
		at, _ = slices.BinarySearch(key.ids, id)
	}
	key.ids = slices.Insert(key.ids, at, id)
	t.items.Add(1)
}

// take removes a key and returns who read it. The lock of its shard is held.
func (t *tracking) take(slot uint16, name []byte) (ids []uint64) {
	keys := t.table[slot]
	key := keys[string(name)]
	if key == nil {
		return nil
	}
	delete(keys, string(name))
	if len(keys) == 0 {
		t.table[slot] = nil
	}
	t.keys.Add(-1)
	t.items.Add(-int64(len(key.ids)))
	return key.ids
}

// clear forgets the keys of a shard, whose lock is held.
func (t *tracking) clear(shard int) {
	first := shard * store.SlotsPerShard
	for slot := first; slot < first+store.SlotsPerShard; slot++ {
		keys := t.table[slot]
		if keys == nil {
			continue
		}
		items := 0
		for _, key := range keys {
			items += len(key.ids)
		}
		t.keys.Add(-int64(len(keys)))
		t.items.Add(-int64(items))
		t.table[slot] = nil
	}
}

// remember notes that the client of c read the keys of c, if it wants to know. The
// locks of their shards are held.
func (d *Dispatcher) remember(c *Ctx) {
	flags := c.Client.Flags()
	caching := flags&FlagTrackingCaching != 0
	if flags&FlagTrackingOptIn != 0 && !caching || flags&FlagTrackingOptOut != 0 && caching {
		return
	}
	var buf [16]int
	pos, err := c.Cmd.AppendKeys(buf[:0], c.Args)
	if err != nil {
		return
	}
	clients := d.server.Clients()
	for _, p := range pos {
		d.tracking.add(c.Key(p), c.Client.ID, func(id uint64) bool { return clients.Find(id) == nil })
	}
}

// changed says that a key was changed by the command of c, or, nil, by none. The
// lock of its shard is held.
func (d *Dispatcher) changed(c *Ctx, db int, k store.Key) {
	if d.watches.used() {
		d.touch(db, k)
	}
	if d.tracking.used() {
		d.invalidate(c, k)
	}
}

// invalidate tells the clients that read k that it was changed by the command of c,
// or, nil, by none. The lock of its shard is held.
func (d *Dispatcher) invalidate(c *Ctx, k store.Key) {
	if d.tracking.prefixes.used() {
		d.noteBroadcast(c, k.Name)
	}
	if ids := d.tracking.take(k.Slot, k.Name); len(ids) > 0 {
		m := invalidation{keys: keysPayload(k.Name)}
		d.invalidateFor(c, ids, &m, true)
	}
}

// invalidateFor sends a message to those of the clients who still want to know.
// mayKnow: the command of c made the change, which its client need not be told.
func (d *Dispatcher) invalidateFor(c *Ctx, ids []uint64, m *invalidation, mayKnow bool) {
	clients := d.server.Clients()
	for _, id := range ids {
		client := clients.Find(id)
		if client == nil {
			continue
		}
		flags := client.Flags()
		if flags&(FlagTracking|FlagTrackingBcast) != FlagTracking {
			continue
		}
		if mayKnow && c != nil && client == c.Client && flags&FlagTrackingNoLoop != 0 {
			continue
		}
		d.sendInvalidation(c, client, m)
	}
}

// invalidateSlot says that the keys of a slot are removed or replaced. The lock of
// its shard is held. Each client gets one message.
func (d *Dispatcher) invalidateSlot(slot uint16) {
	t := &d.tracking
	if !t.used() {
		return
	}
	if t.prefixes.used() {
		t.broadcastLost.Store(true)
	}
	if len(t.table[slot]) == 0 {
		return
	}
	byClient := make(map[uint64][][]byte)
	for name, key := range t.table[slot] {
		for _, id := range key.ids {
			byClient[id] = append(byClient[id], []byte(name))
		}
		t.keys.Add(-1)
		t.items.Add(-int64(len(key.ids)))
	}
	t.table[slot] = nil
	for id, names := range byClient {
		m := invalidation{keys: keysPayload(names...)}
		d.invalidateFor(nil, []uint64{id}, &m, false)
	}
}

// invalidateAll tells all clients in tracking mode to drop all that they have: the
// databases of this node were emptied or exchanged by the command of c. allLocked:
// the caller holds all locks; else none.
//
// What was read is forgotten first: what a client reads after that, and before its
// message, is remembered, and only dropped in vain.
func (d *Dispatcher) invalidateAll(c *Ctx, allLocked bool) {
	if !d.tracking.used() && d.tracking.keys.Load() == 0 {
		return
	}
	for shard := range store.Shards {
		if !allLocked {
			d.store.LockShard(shard)
		}
		d.tracking.clear(shard)
		if !allLocked {
			d.store.UnlockShard(shard)
		}
	}
	d.sendAll(c, FlagTracking)
}

// sendAll tells the clients with a flag to drop all that they have.
func (d *Dispatcher) sendAll(c *Ctx, flag Flags) {
	nulls := [2]invalidation{{keys: []byte("$-1\r\n")}, {keys: []byte("_\r\n")}}
	for _, client := range d.server.Clients().All() {
		if client.Has(flag) {
			// Redis takes the null of the client's own protocol, even where another
			// connection gets it.
			d.sendInvalidation(c, client, &nulls[client.Proto()-2])
		}
	}
}

// trackingUpkeep is the part of the cron.
func (d *Dispatcher) trackingUpkeep() {
	t := &d.tracking
	if !t.used() {
		if t.keys.Load() > 0 {
			d.forgetTracked()
		}
		return
	}
	if t.broadcastLost.Swap(false) {
		d.sendAll(nil, FlagTrackingBcast)
	}
	d.limitTracked(nil)
}

// forgetTracked clears the table when nobody is left to be told.
func (d *Dispatcher) forgetTracked() {
	for shard := range store.Shards {
		if !d.store.TryLockShard(shard) {
			continue // the next round will
		}
		if !d.tracking.used() { // who begins now will read after this lock
			d.tracking.clear(shard)
		}
		d.store.UnlockShard(shard)
	}
}

// limitEffort bounds how many keys are dropped at a time when the table is over its
// limit: many only after the limit was lowered.
const limitEffort = 1000

// limitTracked drops keys from the table until there are no more than
// tracking-table-max-keys, as if they had been changed. c is that of the client on
// whose goroutine it runs, between two commands, or nil. It is called before each
// command of a client in tracking mode, so that the table exceeds its limit by no
// more keys than the commands read that are being executed. No lock is held.
func (d *Dispatcher) limitTracked(c *Ctx) {
	limit := int64(d.config.Config().Server.TrackingTableMaxKeys)
	if limit == 0 {
		return
	}
	for effort := limitEffort; effort > 0 && d.tracking.keys.Load() > limit; effort-- {
		if !d.dropTracked(c) {
			return
		}
	}
}

// dropTracked drops some key. False: there is none, or its shard is in use.
func (d *Dispatcher) dropTracked(c *Ctx) bool {
	first := rand.IntN(store.Shards)
	for i := range store.Shards {
		shard := (first + i) % store.Shards
		// Without waiting: a script may hold it for long.
		if d.store.TryLockShard(shard) {
			dropped := d.dropTrackedOf(c, shard)
			d.store.UnlockShard(shard)
			if dropped {
				return true
			}
		}
	}
	return false
}

// dropTrackedOf drops some key of a shard, whose lock is held.
func (d *Dispatcher) dropTrackedOf(c *Ctx, shard int) bool {
	first := rand.IntN(store.SlotsPerShard)
	for i := range store.SlotsPerShard {
		slot := uint16(shard*store.SlotsPerShard + (first+i)%store.SlotsPerShard)
		for name := range d.tracking.table[slot] { // begins anywhere
			m := invalidation{keys: keysPayload([]byte(name))}
			d.invalidateFor(c, d.tracking.take(slot, []byte(name)), &m, false)
			return true
		}
	}
	return false
}
