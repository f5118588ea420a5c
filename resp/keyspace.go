package resp

import (
	"math/rand/v2"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"dbsize":    dbSize,
		"randomkey": randomKey,
	})
}

// slotView says which slots commands over the whole keyspace show: those this
// node is primary of and, to a connection that sent READONLY, those it is a
// replica of. A node that is nothing but a replica shows those to all, as in Redis:
// nobody who asks primaries alone counts its keys twice. The zero value shows all.
type slotView struct {
	routed   *slotmap.Map
	self     slotmap.NodeID
	replicas bool
}

func (c *Ctx) slotView() slotView {
	if !c.clustered() {
		return slotView{}
	}
	return slotView{
		routed:   c.d.routing.Map(),
		self:     c.d.routing.ID(),
		replicas: c.Client != nil && c.Client.Has(FlagReadOnly) || c.d.role().replica,
	}
}

func (v slotView) all() bool { return v.routed == nil }

func (v slotView) shows(slot uint16) bool { return v.all() || v.holds(v.routed.Slot(slot)) }

func (v slotView) holds(a *slotmap.Assignment) bool {
	return a.Primary == v.self || v.replicas && a.HasReplica(v.self)
}

// eachSlot calls fn, until it returns false, for the slots shown, from start on
// and around, each under the lock of its shard, which is given up in between.
func (c *Ctx) eachSlot(v slotView, start uint16, fn func(slot uint16) bool) {
	locked := -1
	defer func() {
		if locked >= 0 {
			c.d.store.UnlockShard(locked)
		}
	}()
	for i := range hashslot.Count {
		slot := (start + uint16(i)) % hashslot.Count
		if !v.shows(slot) {
			continue
		}
		if shard := store.ShardOf(slot); shard != locked && !c.Tx.AllLocked {
			if locked >= 0 {
				c.d.store.UnlockShard(locked)
			}
			c.d.store.LockShard(shard)
			locked = shard
		}
		if !fn(slot) {
			return
		}
	}
}

func dbSize(c *Ctx) {
	v := c.slotView()
	if v.all() {
		c.W.Int(c.d.store.DBSize(c.Tx.DB))
		return
	}
	n := 0
	c.eachSlot(v, 0, func(slot uint16) bool {
		n += c.d.store.CountSlot(c.Tx.DB, slot)
		return true
	})
	c.W.Int(int64(n))
}

// randomKeyTries is how often RANDOMKEY draws from all keys of the node before
// it looks for one that is shown.
const randomKeyTries = 32

func randomKey(c *Ctx) {
	v := c.slotView()
	if !v.all() {
		c.Tx.KeepExpired = true // only the primary of a slot removes keys
	}
	for range randomKeyTries {
		name, ok := c.Tx.RandomKey(nil)
		if !ok {
			break
		}
		if v.all() || v.shows(hashslot.Slot(name)) {
			c.W.Bulk(name)
			return
		}
	}
	if name := c.someKey(v); name != nil {
		c.W.Bulk(name)
		return
	}
	c.W.Null()
}

// someKey returns a key that is shown, when few are: one of the first of the
// first slot that has any, from a random slot on. nil: there is none.
func (c *Ctx) someKey(v slotView) (name []byte) {
	const choice = 16
	if v.all() {
		return nil
	}
	c.eachSlot(v, uint16(rand.IntN(hashslot.Count)), func(slot uint16) bool {
		names := c.d.store.SlotKeys(c.Tx.DB, slot, choice)
		for _, i := range rand.Perm(len(names)) {
			if c.Tx.Exists(store.MakeKey(names[i])) {
				name = names[i]
				return false
			}
		}
		return true
	})
	return name
}
