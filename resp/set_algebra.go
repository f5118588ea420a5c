package resp

import "respkv/store"

func init() {
	handle(map[string]Handler{
		"sunion":      func(c *Ctx) { combine(c, store.Union) },
		"sinter":      func(c *Ctx) { combine(c, store.Intersection) },
		"sdiff":       func(c *Ctx) { combine(c, store.Difference) },
		"sunionstore": func(c *Ctx) { combineStore(c, store.Union) },
		"sinterstore": func(c *Ctx) { combineStore(c, store.Intersection) },
		"sdiffstore":  func(c *Ctx) { combineStore(c, store.Difference) },
		"sintercard":  sinterCard,
	})
}

// keys are the arguments from first up to before end as keys.
func (c *Ctx) keys(first, end int) []store.Key {
	list := make([]store.Key, 0, end-first)
	for i := first; i < end; i++ {
		list = append(list, c.Key(i))
	}
	return list
}

// lookedAll counts lookups of keys by a command that reads them one after the
// other, and stops at the first of a type that it does not take.
func (c *Ctx) lookedAll(keys []store.Key, takes func(t store.Type) bool) {
	for _, k := range keys {
		t := c.Tx.Type(k)
		c.Looked(k, t != store.TypeNone)
		if t != store.TypeNone && !takes(t) {
			return
		}
	}
}

func isSet(t store.Type) bool { return t == store.TypeSet }

// combine is SUNION, SINTER and SDIFF.
func combine(c *Ctx, op store.SetOp) {
	keys := c.keys(1, len(c.Args))
	if c.postpone(c.elementsOf(op, keys)) {
		return
	}
	c.lookedAll(keys, isSet)
	r, err := c.Tx.Combine(op, keys)
	if err != nil {
		c.StoreError(err)
		return
	}
	defer r.Close()
	c.W.Set(r.Len())
	st := c.pauses()
	r.Each(func(member []byte) bool { c.W.Bulk(member); return st.replied() })
}

// combineStore is SUNIONSTORE, SINTERSTORE and SDIFFSTORE.
func combineStore(c *Ctx, op store.SetOp) {
	keys := c.keys(2, len(c.Args))
	c.lookedAll(keys, isSet)
	r, err := c.Tx.Combine(op, keys)
	if err != nil {
		c.StoreError(err)
		return
	}
	n, fresh := r.Len(), c.Fresh(c.Key(1))
	changed, err := r.Store(&c.Tx, c.Key(1))
	if err != nil {
		c.StoreError(err)
		return
	}
	if changed {
		c.Dirty(1)
		c.NotifyStored(NotifySet, c.Cmd.Name, c.Key(1), n, fresh)
	}
	c.W.Int(int64(n))
}

func sinterCard(c *Ctx) {
	n, ok := parseLong(c.Args[1])
	switch {
	case !ok || n < 1:
		c.W.Error(errNumKeys)
		return
	case n > int64(len(c.Args)-2):
		c.W.Error(errNumKeysArgs)
		return
	}
	limit := int64(0)
	end := 2 + int(n)
	for i := end; i < len(c.Args); i += 2 {
		if !isWord(c.Args[i], "limit") || i+1 == len(c.Args) {
			c.W.Error(errSyntax)
			return
		}
		if limit, ok = parseLong(c.Args[i+1]); !ok || limit < 0 {
			c.W.Error(errLimitNegative)
			return
		}
	}
	keys := c.keys(2, end)
	if c.postpone(c.elementsOf(store.Intersection, keys)) {
		return
	}
	c.lookedAll(keys, isSet)
	count, err := c.Tx.IntersectionLen(keys, int(limit))
	if err != nil {
		c.StoreError(err)
		return
	}
	c.W.Int(int64(count))
}
