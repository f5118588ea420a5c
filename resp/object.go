package resp

import "respkv/store"

func init() {
	handle(map[string]Handler{
		"object|encoding": objectEncoding,
		"object|refcount": objectRefcount,
		"object|idletime": objectIdleTime,
		"object|freq":     objectFreq,
		"object|help":     func(c *Ctx) { c.Cmd.Parent.ReplyHelp(c.W) },
	})
}

// object looks up the key of an OBJECT sub-command. Not ok: there is none, and
// null was replied.
func (c *Ctx) object() (info store.ObjectInfo, ok bool) {
	info, ok = c.Tx.ObjectInfo(c.Key(2))
	c.Hit(ok)
	if !ok {
		c.W.Null()
	}
	return info, ok
}

func (c *Ctx) tracksFrequency() bool {
	return usesFrequency(c.d.config.Config().Store.MaxMemoryPolicy)
}

// sharesIntegers says whether Redis shares small integers: not while it needs
// the access time of each key for eviction.
func (c *Ctx) sharesIntegers() bool {
	cfg := &c.d.config.Config().Store
	p, evicts := evictPolicy(cfg.MaxMemoryPolicy)
	return cfg.MaxMemory == 0 || !evicts || p.By != store.EvictIdle && p.By != store.EvictRare
}

func objectEncoding(c *Ctx) {
	if info, ok := c.object(); ok {
		c.W.BulkString(info.Encoding.String())
	}
}

func objectRefcount(c *Ctx) {
	info, ok := c.object()
	switch {
	case !ok:
	case c.sharesIntegers():
		c.W.Int(int64(info.Refcount))
	default:
		c.W.Int(1)
	}
}

func objectIdleTime(c *Ctx) {
	info, ok := c.object()
	switch {
	case !ok:
	case c.tracksFrequency():
		c.W.Error(errNoIdleTime)
	default:
		c.W.Int(info.IdleSeconds)
	}
}

func objectFreq(c *Ctx) {
	info, ok := c.object()
	switch {
	case !ok:
	case !c.tracksFrequency():
		c.W.Error(errNoFrequency)
	default:
		c.W.Int(int64(info.Freq))
	}
}
