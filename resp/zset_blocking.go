package resp

import "respkv/store"

func init() {
	handle(map[string]Handler{
		"bzpopmin": func(c *Ctx) { blockingZPop(c, false) },
		"bzpopmax": func(c *Ctx) { blockingZPop(c, true) },
		"bzmpop":   bzmpop,
	})
}

// blockingZPop is BZPOPMIN and BZPOPMAX.
func blockingZPop(c *Ctx, highest bool) {
	last := len(c.Args) - 1
	timeout, ok := c.timeoutSeconds(last)
	if !ok {
		return
	}
	c.popOrWait(1, last, timeout, func(c *Ctx, k store.Key, z *store.ZSet) {
		mark := c.W.Len()
		c.W.Array(3)
		c.W.Bulk(k.Name)
		c.popZSet(mark, k, z, highest, 1, false)
	})
}

func bzmpop(c *Ctx) {
	var o zmpopOptions
	if !o.parse(c, 2) {
		return
	}
	if timeout, ok := c.timeoutSeconds(1); ok {
		c.popOrWait(o.first, o.end, timeout, o.reply)
	}
}

// popOrWait replies from the first key in the arguments from first up to before
// end that is a sorted set, or waits for one.
func (c *Ctx) popOrWait(first, end int, timeout int64, reply func(c *Ctx, k store.Key, z *store.ZSet)) {
	switch {
	case c.firstZSet(first, end, reply):
	case !c.mayBlock():
		c.W.NullArray()
	default:
		w := c.waitForKeys(store.TypeZSet, first, end, timeout)
		w.serve = func(c *Ctx, k store.Key) {
			if z, ok := c.zset(k); ok {
				reply(c, k, &z)
			}
		}
		c.block(w)
	}
}
