package resp

import (
	"bytes"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"select": selectDB,
		"copy":   copyKey,
		"move":   moveKey,
		"swapdb": swapDB,
	})
}

// dbArg is argument i as the number of a database. Not ok: it replied with the
// error.
func (c *Ctx) dbArg(i int) (db int, ok bool) {
	db, ok = c.int32Arg(i)
	if ok && !c.hasDB(db) {
		c.W.Error(errDBIndex)
		return 0, false
	}
	return db, ok
}

// hasDB goes by the configuration: in cluster mode the store has but one
// database, and what names another has an error of its own.
func (c *Ctx) hasDB(db int) bool {
	if c.clustered() {
		return db >= 0 && db < c.d.config.Config().Store.Databases
	}
	return db >= 0 && db < c.d.store.Databases()
}

// clustered says whether there is only database 0.
func (c *Ctx) clustered() bool { return c.d.routing != nil }

func selectDB(c *Ctx) {
	db, ok := c.int32Arg(1)
	switch {
	case !ok:
	case c.clustered() && db != 0:
		c.W.Error(errClusterSelect)
	case !c.hasDB(db):
		c.W.Error(errDBIndex)
	default:
		c.Client.SetDB(db)
		c.W.OK()
	}
}

func copyKey(c *Ctx) {
	db, replace := c.Tx.DB, false
	for i := 3; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case isWord(arg, "replace"):
			replace = true
		case isWord(arg, "db") && i+1 < len(c.Args):
			i++
			var ok bool
			if db, ok = c.dbArg(i); !ok {
				return
			}
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	from, to := c.Key(1), c.Key(2)
	switch {
	case c.clustered() && (c.Tx.DB != 0 || db != 0):
		c.W.Error(errClusterCopyDB)
		return
	case db == c.Tx.DB && bytes.Equal(from.Name, to.Name):
		c.W.Error(errSameObject)
		return
	}
	c.Looked(from, c.Tx.Exists(from))
	if c.replyChanged(c.Tx.Copy(from, db, to, replace)) {
		c.NotifyIn(db, NotifyNew, "new", to.Name)
		c.NotifyIn(db, NotifyGeneric, "copy_to", to.Name)
		c.touchIn(db, to)
		c.SignalKey(db, to)
	}
}

func moveKey(c *Ctx) {
	if c.clustered() {
		c.W.Error(errClusterMove)
		return
	}
	db, ok := c.dbArg(2)
	if !ok {
		return
	}
	if db == c.Tx.DB {
		c.W.Error(errSameObject)
		return
	}
	if c.replyChanged(c.Tx.Move(c.Key(1), db)) {
		c.NotifyIn(db, NotifyNew, "new", c.Args[1])
		c.Notify(NotifyGeneric, "move_from", c.Args[1])
		c.NotifyIn(db, NotifyGeneric, "move_to", c.Args[1])
		c.touchIn(c.Tx.DB, c.Key(1))
		c.touchIn(db, c.Key(1))
		c.SignalKey(db, c.Key(1))
	}
}

// touchIn tells who watches or tracks k in a database that it was changed there. For
// commands on several databases, since the dispatcher would take all keys to be of
// the selected one; it leaves them to the handler that calls this.
func (c *Ctx) touchIn(db int, k store.Key) {
	c.touched = true
	c.d.changed(c, db, k)
}

// replyChanged replies 1 when something was changed, 0 when not.
func (c *Ctx) replyChanged(changed bool, err error) bool {
	switch {
	case err != nil:
		c.StoreError(err)
	case changed:
		c.Dirty(1)
		c.W.Int(1)
	default:
		c.W.Int(0)
	}
	return changed && err == nil
}

// swapDB is not replicated: outside cluster mode nothing is, and inside there is
// one database.
func swapDB(c *Ctx) {
	if c.clustered() {
		c.W.Error(errClusterSwapDB)
		return
	}
	a, ok := parseLong(c.Args[1])
	if !ok || a != int64(int32(a)) {
		c.W.Error(errFirstDB)
		return
	}
	b, ok := parseLong(c.Args[2])
	if !ok || b != int64(int32(b)) {
		c.W.Error(errSecondDB)
		return
	}
	if !c.hasDB(int(a)) || !c.hasDB(int(b)) {
		c.W.Error(errDBIndex)
		return
	}
	if !c.Tx.AllLocked {
		defer c.d.settle(c)
		if !c.lockAll() {
			return
		}
		defer c.unlockAll()
	}
	c.d.keysLost()
	c.d.swapWatched(int(a), int(b))
	c.d.store.SwapDB(int(a), int(b))
	c.feed(c.Tx.DB, c.Args...)
	c.signalDatabases(int(a), int(b))
	c.d.invalidateAll(c, true)
	if !c.Tx.AllLocked {
		held := allShards()
		c.d.serveReady(c, &held)
	}
	c.d.stats.dirty.Add(1)
	c.W.OK()
}
