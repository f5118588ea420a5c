package resp

import (
	"math"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"expire":      func(c *Ctx) { expire(c, 1000, true) },
		"pexpire":     func(c *Ctx) { expire(c, 1, true) },
		"expireat":    func(c *Ctx) { expire(c, 1000, false) },
		"pexpireat":   func(c *Ctx) { expire(c, 1, false) },
		"ttl":         func(c *Ctx) { ttl(c, 1000, true) },
		"pttl":        func(c *Ctx) { ttl(c, 1, true) },
		"expiretime":  func(c *Ctx) { ttl(c, 1000, false) },
		"pexpiretime": func(c *Ctx) { ttl(c, 1, false) },
		"persist":     persist,
	})
}

// remove deletes k, which exists, and replicates that instead of the command as
// sent.
func (c *Ctx) remove(k store.Key) {
	c.Tx.Delete(k)
	c.Dirty(1)
	c.Notify(NotifyGeneric, "del", k.Name)
	if c.logged() {
		c.Effect(wordDel, k.Name)
	}
}

// expireAt gives k a deadline and replicates it as such.
func (c *Ctx) expireAt(k store.Key, at int64) (bool, error) {
	ok, err := c.Tx.SetDeadline(k, at)
	if ok && err == nil {
		c.Dirty(1)
		c.Notify(NotifyGeneric, "expire", k.Name)
		if c.logged() {
			c.Effect(wordPExpireAt, k.Name, decimal(at))
		}
	}
	return ok, err
}

// persist takes the deadline of k away.
func (c *Ctx) persist(k store.Key) (bool, error) {
	ok, err := c.Tx.Persist(k)
	if ok && err == nil {
		c.Dirty(1)
		c.Notify(NotifyGeneric, "persist", k.Name)
		if c.logged() {
			c.Effect(wordPersist, k.Name)
		}
	}
	return ok, err
}

// expireCondition are the options NX, XX, GT, LT.
type expireCondition struct{ nx, xx, gt, lt bool }

// allows says whether at may replace the deadline current; none (-1) is later
// than any.
func (o expireCondition) allows(current, at int64) bool {
	none := current == -1
	switch {
	case o.nx && !none, o.xx && none:
		return false
	case o.gt && (none || at <= current):
		return false
	case o.lt && !none && at >= current:
		return false
	}
	return true
}

func (c *Ctx) expireCondition() (o expireCondition, ok bool) {
	for _, arg := range c.Args[3:] {
		switch {
		case isWord(arg, "nx"):
			o.nx = true
		case isWord(arg, "xx"):
			o.xx = true
		case isWord(arg, "gt"):
			o.gt = true
		case isWord(arg, "lt"):
			o.lt = true
		default:
			c.W.Error(errUnsupportedOption(arg))
			return o, false
		}
	}
	switch {
	case o.nx && (o.xx || o.gt || o.lt):
		c.W.Error(errExpireNX)
		return o, false
	case o.gt && o.lt:
		c.W.Error(errExpireGTLT)
		return o, false
	}
	return o, true
}

// expire is the EXPIRE family. A deadline that has passed deletes the key, but
// not when it comes as an effect: then the primary will say so itself.
func expire(c *Ctx, unit int64, relative bool) {
	condition, ok := c.expireCondition()
	if !ok {
		return
	}
	at, ok := c.intArg(2)
	if !ok {
		return
	}
	if at > math.MaxInt64/unit || at < math.MinInt64/unit {
		c.W.Error(errInvalidExpire(c.Cmd.Name))
		return
	}
	at *= unit
	if relative {
		if at > math.MaxInt64-c.Now() {
			c.W.Error(errInvalidExpire(c.Cmd.Name))
			return
		}
		at += c.Now()
	}
	k := c.Key(1)
	current := c.Tx.Deadline(k)
	switch {
	case current == -2, !condition.allows(current, at):
		c.W.Int(0)
	case at <= c.Now() && !c.Replaying():
		c.remove(k)
		c.W.Int(1)
	default:
		if _, err := c.expireAt(k, at); err != nil {
			c.StoreError(err)
			return
		}
		c.W.Int(1)
	}
}

// ttl is TTL, EXPIRETIME and the like: what is left, or when it ends.
func ttl(c *Ctx, unit int64, relative bool) {
	at := c.Tx.Deadline(c.Key(1))
	c.Looked(c.Key(1), at != -2)
	if at < 0 {
		c.W.Int(at)
		return
	}
	if relative {
		at = max(at-c.Now(), 0)
	}
	if unit == 1000 {
		at = at/unit + (at%unit+unit/2)/unit // rounded; no overflow
	}
	c.W.Int(at)
}

func persist(c *Ctx) {
	done, err := c.persist(c.Key(1))
	switch {
	case err != nil:
		c.StoreError(err)
	case done:
		c.W.Int(1)
	default:
		c.W.Int(0)
	}
}
