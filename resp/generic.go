package resp

import (
	"bytes"
	"time"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"del":      func(c *Ctx) { remove(c, c.d.config.Config().Store.LazyFreeLazyUserDel) },
		"unlink":   func(c *Ctx) { remove(c, true) },
		"exists":   exists,
		"touch":    touch,
		"type":     typeOf,
		"rename":   rename,
		"renamenx": renameNX,
		"echo":     func(c *Ctx) { c.W.Bulk(c.Args[1]) },
		"time":     timeOfDay,
	})
}

// remove is DEL and UNLINK. lazily: the memory of large values is given back
// afterwards.
func remove(c *Ctx, lazily bool) {
	n := 0
	c.eachKey(1, 1, func(_ int, k store.Key) bool {
		if lazily && c.Tx.Unlink(k) || !lazily && c.Tx.Delete(k) {
			c.Notify(NotifyGeneric, "del", k.Name)
			n++
		}
		return true
	})
	c.Dirty(n)
	c.W.Int(int64(n))
}

// exists counts a key as often as it is named.
func exists(c *Ctx) { c.countKeys((*store.Tx).Exists) }

func touch(c *Ctx) { c.countKeys((*store.Tx).Touch) }

// countKeys replies with the number of keys for which there is one.
func (c *Ctx) countKeys(there func(tx *store.Tx, k store.Key) bool) {
	n := int64(0)
	if c.readKeys(func(k store.Key) {
		found := there(&c.Tx, k)
		c.Looked(k, found)
		if found {
			n++
		}
	}) {
		c.W.Int(n)
	}
}

func typeOf(c *Ctx) {
	t := c.Tx.Type(c.Key(1))
	c.Looked(c.Key(1), t != store.TypeNone)
	c.W.Simple(t.String())
}

func rename(c *Ctx) {
	if renameKey(c, false) {
		c.W.OK()
	}
}

func renameNX(c *Ctx) {
	if renameKey(c, true) {
		c.W.Int(1)
	}
}

// renameKey is RENAME and RENAMENX. False: it replied.
func renameKey(c *Ctx, ifMissing bool) bool {
	from, to := c.Key(1), c.Key(2)
	switch {
	case !c.Tx.Exists(from):
		c.W.Error(errNoSuchKey)
		return false
	case bytes.Equal(from.Name, to.Name) && !ifMissing:
		return true // nothing changes
	case ifMissing && c.Tx.Exists(to):
		c.W.Int(0)
		return false
	}
	if err := c.Tx.Rename(from, to); err != nil {
		c.StoreError(err)
		return false
	}
	c.Dirty(1)
	c.NotifyNew(c.d.notify.has(NotifyNew), to)
	c.Notify(NotifyGeneric, "rename_from", from.Name)
	c.Notify(NotifyGeneric, "rename_to", to.Name)
	if c.logged() {
		c.Effect(wordRename, from.Name, to.Name)
	}
	return true
}

// timeOfDay reads the clock itself: the time of the batch has milliseconds.
func timeOfDay(c *Ctx) {
	now := time.Now()
	c.W.Array(2)
	c.W.BulkInt(now.Unix())
	c.W.BulkInt(int64(now.Nanosecond() / 1000))
}
