package resp

import "respkv/store"

func init() {
	handle(map[string]Handler{
		"get":      func(c *Ctx) { c.replyString(c.Key(1)) },
		"getex":    getEx,
		"getdel":   getDel,
		"getrange": getRange,
		"substr":   getRange,
		"strlen":   strLen,
		"mget":     mget,
	})
}

// readString looks up the string at k for a reading command. Not ok: it replied
// with the error.
func (c *Ctx) readString(k store.Key) (value []byte, found, ok bool) {
	value, found, err := c.Tx.Get(k)
	c.Looked(k, found || err != nil)
	if err != nil {
		c.StoreError(err)
		return nil, false, false
	}
	return value, found, true
}

// replyString replies with the string at k, or null. False: it replied with an error, or
// is put off.
func (c *Ctx) replyString(k store.Key) (ok bool) {
	value, found, ok := c.readString(k)
	switch {
	case !ok:
	case found:
		return c.replyLarge(value)
	default:
		c.W.Null()
	}
	return ok
}

func getEx(c *Ctx) {
	o, ttl, ok := parseStringOptions(c.Args, 2, false)
	if !ok {
		c.W.Error(errSyntax)
		return
	}
	k := c.Key(1)
	value, found, ok := c.readString(k)
	if !ok {
		return
	}
	if !found {
		c.W.Null()
		return
	}
	var at int64
	if o&optExpires != 0 {
		if at, ok = c.deadline(ttl, o); !ok {
			return
		}
	}
	mark := c.W.Len()
	if !c.replyLarge(value) {
		return
	}
	switch {
	case o&(optEXAT|optPXAT) != 0 && at <= c.Now():
		c.remove(k)
	case o&optExpires != 0:
		if _, err := c.expireAt(k, at); err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
		}
	case o&optPersist != 0:
		if _, err := c.persist(k); err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
		}
	}
}

func getDel(c *Ctx) {
	k := c.Key(1)
	value, found, ok := c.readString(k)
	switch {
	case !ok:
	case found:
		if c.replyLarge(value) {
			c.remove(k)
		}
	default:
		c.W.Null()
	}
}

func getRange(c *Ctx) {
	start, ok := c.intArg(2)
	if !ok {
		return
	}
	end, ok := c.intArg(3)
	if !ok {
		return
	}
	value, _, ok := c.readString(c.Key(1))
	if ok {
		c.replyLarge(substring(value, start, end))
	}
}

// substring is the bytes from start to end, both included, negative ones
// counting from the end.
func substring(value []byte, start, end int64) []byte {
	length := int64(len(value))
	if start < 0 && end < 0 && start > end {
		return nil
	}
	if start < 0 {
		start = max(start+length, 0)
	}
	if end < 0 {
		end = max(end+length, 0)
	}
	end = min(end, length-1)
	if start > end {
		return nil
	}
	return value[start : end+1]
}

func strLen(c *Ctx) {
	if value, _, ok := c.readString(c.Key(1)); ok {
		c.W.Int(int64(len(value)))
	}
}

func mget(c *Ctx) {
	c.W.Array(len(c.Args) - 1)
	c.readKeys(func(k store.Key) {
		value, found, err := c.Tx.Get(k)
		c.Looked(k, found || err != nil)
		if found && err == nil {
			c.W.Bulk(value)
		} else {
			c.W.Null() // a value of another type counts as none here
		}
	})
}
