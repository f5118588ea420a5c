package resp

import "respkv/store"

func init() {
	handle(map[string]Handler{
		"zpopmin": func(c *Ctx) { zpop(c, false) },
		"zpopmax": func(c *Ctx) { zpop(c, true) },
		"zmpop":   zmpop,
	})
}

// zpop is ZPOPMIN and ZPOPMAX.
func zpop(c *Ctx, highest bool) {
	if len(c.Args) > 3 {
		c.W.Error(errSyntax)
		return
	}
	count, counted, ok := c.popCount()
	if !ok {
		return
	}
	z, ok := c.zset(c.Key(1))
	if !ok {
		return
	}
	if !z.Exists() || count == 0 {
		c.W.Array(0)
		return
	}
	if c.postpone(int(min(count, int64(z.Len())))) {
		return
	}
	// A single member comes flat in RESP3 too, unless it was asked for as one
	// of several.
	mark, n, pairs := c.W.Len(), int(min(count, int64(z.Len()))), counted && c.W.RESP3()
	if pairs {
		c.W.Array(n)
	} else {
		c.W.Array(2 * n)
	}
	c.popZSet(mark, c.Key(1), &z, highest, n, pairs)
}

// zpopBatch is up to how many members popped are named in the effect; of more it says
// the ranks, so that replicas remove them in steps, too.
const zpopBatch = 1024

// popZSet removes n members from an end of the set at k, which has as many,
// replies with them and their scores, as pairs or in turn, and replicates which.
// If that fails the reply, which begins at mark, is the error.
func (c *Ctx) popZSet(mark int, k store.Key, z *store.ZSet, highest bool, n int, pairs bool) {
	length := z.Len()
	first := 0
	if highest {
		first = length - n
	}
	st := c.pauses()
	from, left := at(highest, length), n
	z.Walk(from, highest, func(member []byte, score float64) bool {
		if pairs {
			c.W.Array(2)
		}
		c.W.Bulk(member)
		c.W.Double(score)
		left--
		return st.replied() && left > 0
	})
	err := error(store.ErrChanged)
	if !st.stopped {
		err = z.RemoveRange(first, n)
	}
	if err != nil {
		c.W.Truncate(mark)
		c.StoreError(err)
		return
	}
	c.Dirty(n)
	event, word := "zpopmin", wordZPopMin
	if highest {
		event, word = "zpopmax", wordZPopMax
	}
	c.NotifyTaken(NotifyZSet, event, k, !z.Exists())
	switch {
	case !c.logged():
	case n > zpopBatch:
		c.Effect(wordZRemRange, k.Name, decimal(int64(first)), decimal(int64(first+n-1)))
	default:
		c.Effect(word, k.Name, decimal(int64(n)))
	}
}

// at is the rank to begin at.
func at(highest bool, length int) int {
	if highest {
		return length - 1
	}
	return 0
}

// zmpopOptions are the arguments of ZMPOP from the number of keys on.
type zmpopOptions struct {
	first, end int // arguments that are keys
	highest    bool
	count      int64
}

// parse reads them. Not ok: it replied with the error.
func (o *zmpopOptions) parse(c *Ctx, numKeys int) (ok bool) {
	n, ok := parseLong(c.Args[numKeys])
	if !ok || n < 1 {
		c.W.Error(errNumKeys)
		return false
	}
	o.first = numKeys + 1
	if n >= int64(len(c.Args)-o.first) {
		c.W.Error(errSyntax)
		return false
	}
	o.end = o.first + int(n)
	o.highest = isWord(c.Args[o.end], "max")
	if !o.highest && !isWord(c.Args[o.end], "min") {
		c.W.Error(errSyntax)
		return false
	}
	o.count = 1
	for i := o.end + 1; i < len(c.Args); i += 2 {
		if i > o.end+1 || !isWord(c.Args[i], "count") || i+1 == len(c.Args) {
			c.W.Error(errSyntax)
			return false
		}
		if o.count, ok = parseLong(c.Args[i+1]); !ok || o.count < 1 {
			c.W.Error(errCountNotPositive)
			return false
		}
	}
	return true
}

// reply pops from the set at k, which exists, as ZMPOP replies.
func (o zmpopOptions) reply(c *Ctx, k store.Key, z *store.ZSet) {
	mark, n := c.W.Len(), int(min(o.count, int64(z.Len())))
	c.W.Array(2)
	c.W.Bulk(k.Name)
	c.W.Array(n)
	c.popZSet(mark, k, z, o.highest, n, true)
}

// firstZSet calls reply for the first key in the arguments from first up to
// before end that exists. done: it replied, maybe with an error.
func (c *Ctx) firstZSet(first, end int, reply func(c *Ctx, k store.Key, z *store.ZSet)) (done bool) {
	for i := first; i < end; i++ {
		k := c.Key(i)
		z, ok := c.zset(k)
		if !ok {
			return true
		}
		if z.Exists() {
			reply(c, k, &z)
			return true
		}
	}
	return false
}

func zmpop(c *Ctx) {
	var o zmpopOptions
	if o.parse(c, 1) && !c.firstZSet(o.first, o.end, o.reply) {
		c.W.NullArray()
	}
}
