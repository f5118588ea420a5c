package resp

import (
	"fmt"

	"respkv/resp/command"
	"respkv/store"
)

// Apply executes an effect as a replica, under the lock of the slot's shard,
// and calls after under the same lock. Effects are deterministic, so nothing
// here looks at the clock: deadlines are stored as they come and keys past
// theirs stay until the primary's effect removes them.
//
// It implements replication.Applier.
func (d *Dispatcher) Apply(slot uint16, db int, args [][]byte, after func()) error {
	return d.ApplyGroup(slot, 1,
		func(int) (int, [][]byte) { return db, args },
		func(int) { after() })
}

// ApplyGroup is Apply for n effects under one hold of the lock, so that readers
// see all of them or none. It implements replication.Applier.
func (d *Dispatcher) ApplyGroup(slot uint16, n int, effect func(i int) (db int, args [][]byte), after func(i int)) error {
	b := d.batches.Get().(*batch)
	defer d.release(b, 0)
	shard := store.ShardOf(slot)
	d.store.LockShard(shard)
	defer d.store.UnlockShard(shard)
	for i := range n {
		db, args := effect(i)
		err := d.apply(b, slot, db, args, n == 1)
		after(i)
		if err != nil {
			return err
		}
	}
	return nil
}

// Expect brings what the keys hold into the processor's cache: without, a replica
// waits for memory in a fifth of its time. It implements replication.Applier.
func (d *Dispatcher) Expect(dbs []int, names [][]byte) {
	var keys [batchMax]store.Key
	names = names[:min(len(names), len(keys))]
	for i, name := range names {
		if keys[i] = store.MakeKey(name); dbs[i] < d.store.Databases() {
			d.store.PrefetchIndex(dbs[i], keys[i])
		}
	}
	for i := range names {
		if dbs[i] < d.store.Databases() {
			d.store.PrefetchRecord(dbs[i], keys[i])
		}
	}
}

// apply executes one effect. The caller holds the lock of the slot's shard, which
// an effect that comes alone may give up for a while: who reads meanwhile sees
// what was there before it.
func (d *Dispatcher) apply(b *batch, slot uint16, db int, args [][]byte, alone bool) error {
	if len(args) == 0 {
		return fmt.Errorf("empty effect for slot %d", slot)
	}
	e := d.findKnown(args)
	if e == nil || e.handler == nil {
		return fmt.Errorf("effect %q is unknown: do all nodes run the same version?", args[0])
	}
	if !e.write && !e.cmd.Has(command.MayReplicate) || !e.cmd.ArityOK(len(args)) {
		return fmt.Errorf("effect %q with %d arguments is not a write", args[0], len(args))
	}
	if db < 0 || db >= d.store.Databases() {
		return fmt.Errorf("effect %q for database %d: there are %d", args[0], db, d.store.Databases())
	}
	if !e.keyed {
		return d.applyToSlot(e, slot, db, alone)
	}
	pos, err := e.cmd.AppendKeys(b.pos[:0], args)
	b.pos = pos
	if err != nil || len(pos) == 0 {
		return fmt.Errorf("effect %q has no keys", args[0])
	}
	c := &b.ctx
	for i, p := range pos {
		k := store.MakeKey(args[p])
		if k.Slot != slot {
			return fmt.Errorf("effect %q of slot %d has a key of slot %d", args[0], slot, k.Slot)
		}
		if i == 0 {
			c.key, c.keyPos = k, p
		}
	}
	reply := &b.unread
	reply.Reset(reply.Bytes())
	c.d, c.Client, c.W = d, nil, reply
	c.Cmd, c.Args, c.entry, c.slot, c.applied = e.cmd, args, e, slot, true
	c.dirty, c.keep, c.touched, c.silent, c.write = 0, false, false, false, true
	c.argv, c.effects, c.absent = c.argv[:0], c.effects[:0], c.absent[:0]
	now, _ := clock() // for access times only: effects look at no clock
	c.Tx = store.Tx{Store: d.store, DB: db, Now: now, IgnoreDeadlines: true}
	d.noteAbsent(c, pos)
	var shards shardSet
	shards.add(store.ShardOf(slot))
	if alone && d.inSteps(c, pos, shards) {
		c.absent = c.absent[:0] // see runMulti
	} else {
		c.mayPause, c.held = alone && !e.steps, shards
		e.handler(c)
		if c.putOff {
			reply.Truncate(0)
			if !d.runPutOff(c) {
				e.handler(c)
			}
		}
		c.mayPause = false
	}
	d.logEffects(c)
	if out := reply.Bytes(); len(out) > 0 && out[0] == '-' {
		return fmt.Errorf("effect %q failed: %s", args[0], out[1:max(1, len(out)-2)])
	}
	return nil
}

// applyToSlot applies an effect that concerns the whole slot. alone: see apply.
func (d *Dispatcher) applyToSlot(e *entry, slot uint16, db int, alone bool) error {
	switch e.cmd.Name {
	case "flushdb":
		d.flushSlot(db, slot, alone)
		return nil
	case "flushall":
		for db := range d.store.Databases() {
			d.flushSlot(db, slot, alone)
		}
		return nil
	}
	return fmt.Errorf("effect %q concerns no key", e.cmd.Name)
}

// flushSlot removes all keys of a slot. The caller holds the lock of its shard;
// alone: it is given up between the steps, as FLUSHDB does on the primary where
// the slot is large.
func (d *Dispatcher) flushSlot(db int, slot uint16, alone bool) {
	shard := store.ShardOf(slot)
	d.touchSlot(slot, db, db+1)
	for d.store.FlushSlot(db, slot, flushStep) > 0 {
		if alone {
			d.store.UnlockShard(shard)
			d.store.LockShard(shard)
		}
	}
	d.invalidateSlot(slot) // also what was read between the steps
}

// Keys returns the names of all keys of an effect, none when it concerns the
// slot as a whole. They alias args. Safe for concurrent use. It implements
// replication.Applier.
func (d *Dispatcher) Keys(args [][]byte) [][]byte {
	if len(args) == 0 {
		return nil
	}
	e := d.findKnown(args)
	if e == nil {
		return nil
	}
	pos, err := e.cmd.AppendKeys(nil, args)
	if err != nil {
		return nil
	}
	names := make([][]byte, len(pos))
	for i, p := range pos {
		names[i] = args[p]
	}
	return names
}
