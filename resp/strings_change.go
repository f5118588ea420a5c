package resp

import "math"

func init() {
	handle(map[string]Handler{
		"append":      appendString,
		"setrange":    setRange,
		"incr":        func(c *Ctx) { incrBy(c, 1) },
		"decr":        func(c *Ctx) { incrBy(c, -1) },
		"incrby":      incrByArg,
		"decrby":      decrByArg,
		"incrbyfloat": incrByFloat,
	})
}

func appendString(c *Ctx) {
	fresh := c.Fresh(c.Key(1))
	length, err := c.Tx.Append(c.Key(1), c.Args[2])
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.NotifyNew(fresh, c.Key(1))
	c.Notify(NotifyString, "append", c.Args[1])
	c.W.Int(int64(length))
}

func setRange(c *Ctx) {
	offset, ok := c.intArg(2)
	if !ok {
		return
	}
	if offset < 0 {
		c.W.Error(errOffsetRange)
		return
	}
	fresh := c.Fresh(c.Key(1))
	length, err := c.Tx.SetRange(c.Key(1), offset, c.Args[3])
	if err != nil {
		c.StoreError(err)
		return
	}
	if len(c.Args[3]) > 0 {
		c.Dirty(1)
		c.NotifyNew(fresh, c.Key(1))
		c.Notify(NotifyString, "setrange", c.Args[1])
	}
	c.W.Int(int64(length))
}

func incrBy(c *Ctx, delta int64) {
	fresh := c.Fresh(c.Key(1))
	n, err := c.Tx.IncrBy(c.Key(1), delta)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.NotifyNew(fresh, c.Key(1))
	c.Notify(NotifyString, "incrby", c.Args[1])
	c.W.Int(n)
}

func incrByArg(c *Ctx) {
	if delta, ok := c.intArg(2); ok {
		incrBy(c, delta)
	}
}

func decrByArg(c *Ctx) {
	delta, ok := c.intArg(2)
	if !ok {
		return
	}
	if delta == math.MinInt64 {
		c.W.Error(errDecrOverflow)
		return
	}
	incrBy(c, -delta)
}

// incrByFloat replicates the sum: other machines may add otherwise.
func incrByFloat(c *Ctx) {
	fresh := c.Fresh(c.Key(1))
	sum, err := c.Tx.IncrByFloat(c.Key(1), c.Args[2])
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.NotifyNew(fresh, c.Key(1))
	c.Notify(NotifyString, "incrbyfloat", c.Args[1])
	if c.logged() {
		c.Effect(wordSet, c.Args[1], sum, wordKeepTTL)
	}
	c.W.Bulk(sum)
}
