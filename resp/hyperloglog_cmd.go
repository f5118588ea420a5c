package resp

import (
	"math/rand/v2"

	"respkv/cluster"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"pfadd":      pfAdd,
		"pfcount":    pfCount,
		"pfmerge":    pfMerge,
		"pfdebug":    pfDebug,
		"pfselftest": pfSelfTest,
	})
}

func pfAdd(c *Ctx) {
	k := c.Key(1)
	fresh := c.Fresh(k)
	added, change, err := c.Tx.PFAdd(k, c.Args[2:])
	if err != nil {
		c.StoreError(err)
		return
	}
	c.wrote(k, change, added, fresh, "pfadd")
	c.replyBit(added > 0)
}

// mayCache says whether a read may renew what is cached in its value: only on
// the primary, while it may write, since replicas have the same bytes. Replicas
// and a slot on its way to another node do without the cache.
func (c *Ctx) mayCache() bool {
	if c.applied || c.d.routing == nil {
		return true
	}
	a := c.d.routing.Admit(c.slot, true)
	return a.Gate == cluster.Run && a.Owner
}

func pfCount(c *Ctx) {
	if len(c.Args) > 2 {
		pfCountUnion(c)
		return
	}
	k := c.Key(1)
	count, found, change, err := c.Tx.PFCount(k, c.mayCache())
	c.Looked(k, found || err != nil)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.wrote(k, change, 1, false, "")
	c.W.Int(count)
}

func pfCountUnion(c *Ctx) {
	u := store.NewHLLUnion()
	defer u.Release()
	if c.addToUnion(u) {
		c.W.Int(u.Count())
	}
}

// addToUnion adds all keys of the command to u. False: it replied with the
// error.
func (c *Ctx) addToUnion(u *store.HLLUnion) bool {
	for i := 1; i < len(c.Args); i++ {
		value, found, ok := c.readString(c.Key(i))
		if !ok {
			return false
		}
		if !found {
			continue
		}
		if err := u.Add(value); err != nil {
			c.StoreError(err)
			return false
		}
	}
	return true
}

func pfMerge(c *Ctx) {
	u := store.NewHLLUnion()
	defer u.Release()
	if !c.addToUnion(u) {
		return
	}
	k := c.Key(1)
	fresh := c.Fresh(k)
	if err := c.Tx.PFMerge(k, u); err != nil {
		c.StoreError(err)
		return
	}
	c.wrote(k, store.Changed, 1, fresh, "pfadd")
	if len(c.Args) == 2 && c.logged() {
		// The same, in the form in which the table finds the key that it writes.
		c.Effect(c.Args[0], c.Args[1], c.Args[1])
	}
	c.W.OK()
}

// pfDebug is replicated where it changes the form of the value, since that of a
// copy must be the same.
func pfDebug(c *Ctx) {
	k := c.Key(2)
	value, found, err := c.Tx.Get(k)
	if err == nil && found {
		err = store.CheckHLL(value)
	}
	switch sub := c.Args[1]; {
	case err != nil:
		c.StoreError(err)
	case !found:
		c.W.Error(errHLLNoKey)
	case isWord(sub, "getreg"):
		if value, ok := pfToDense(c, k); ok {
			c.W.Array(store.HLLRegisters)
			for _, v := range store.ReadHLL(value) {
				c.W.Int(int64(v))
			}
		}
	case isWord(sub, "todense"):
		if _, ok := pfToDense(c, k); ok {
			c.replyBit(c.dirty > 0)
		}
	case isWord(sub, "decode"):
		text, sparse, err := store.DecodeHLL(value)
		switch {
		case err != nil:
			c.StoreError(err)
		case !sparse:
			c.W.Error(errHLLNotSparse)
		case c.makeRaw(k):
			c.W.Bulk(text)
		}
	case isWord(sub, "encoding"):
		form := "sparse"
		if store.IsDenseHLL(value) {
			form = "dense"
		}
		if c.makeRaw(k) {
			c.W.Simple(form)
		}
	default:
		c.W.Error("ERR Unknown PFDEBUG subcommand '" + cut(sub, len(sub)) + "'")
	}
}

// pfToDense makes a HyperLogLog dense. As in Redis, who watches the key is not
// told. Not ok: it replied with the error.
func pfToDense(c *Ctx, k store.Key) (value []byte, ok bool) {
	value, converted, err := c.Tx.HLLToDense(k)
	if err != nil {
		c.StoreError(err)
		return nil, false
	}
	if converted {
		c.wrote(k, store.Rewritten, 1, false, "")
	}
	return value, true
}

// makeRaw gives k the encoding that it has in Redis after PFDEBUG. False: it
// replied with the error.
func (c *Ctx) makeRaw(k store.Key) bool {
	change, err := c.Tx.MakeRaw(k)
	if err != nil {
		c.StoreError(err)
		return false
	}
	c.wrote(k, change, 1, false, "")
	return true
}

func pfSelfTest(c *Ctx) {
	if err := store.SelfTestHLL(rand.Uint64(), c.d.config.Config().Store.HLLSparseMaxBytes); err != nil {
		c.W.Error("TESTFAILED " + errorSafe(err.Error()))
		return
	}
	c.W.OK()
}
