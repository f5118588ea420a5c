package resp

import (
	"math"

	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"zadd":        zadd,
		"zincrby":     zadd,
		"zrem":        zrem,
		"zcard":       zcard,
		"zscore":      zscore,
		"zmscore":     zmscore,
		"zrank":       func(c *Ctx) { zrank(c, false) },
		"zrevrank":    func(c *Ctx) { zrank(c, true) },
		"zrandmember": zrandMember,
		"zscan":       zscan,
	})
}

// zset opens the sorted set at a key. Not ok: it replied with the error.
func (c *Ctx) zset(k store.Key) (z store.ZSet, ok bool) {
	z, err := c.Tx.OpenZSet(k)
	if err != nil {
		c.StoreError(err)
		return z, false
	}
	return z, true
}

// readZSet is zset for a reading command, at argument i.
func (c *Ctx) readZSet(i int) (z store.ZSet, ok bool) {
	z, err := c.Tx.OpenZSet(c.Key(i))
	c.Looked(c.Key(i), z.Exists() || err != nil)
	if err != nil {
		c.StoreError(err)
		return z, false
	}
	return z, true
}

// zaddOptions are the options of ZADD, before the scores.
type zaddOptions struct {
	flags   store.ZAddFlags
	changed bool // CH
	first   int  // argument that is the first score
}

// parse reads the options. Not ok: it replied with the error.
func (o *zaddOptions) parse(c *Ctx) (ok bool) {
	if c.Cmd.Name == "zincrby" {
		o.flags = store.ZAddIncr
	}
options:
	for o.first = 2; o.first < len(c.Args); o.first++ {
		switch arg := c.Args[o.first]; {
		case isWord(arg, "nx"):
			o.flags |= store.ZAddNX
		case isWord(arg, "xx"):
			o.flags |= store.ZAddXX
		case isWord(arg, "gt"):
			o.flags |= store.ZAddGT
		case isWord(arg, "lt"):
			o.flags |= store.ZAddLT
		case isWord(arg, "incr"):
			o.flags |= store.ZAddIncr
		case isWord(arg, "ch"):
			o.changed = true
		default:
			break options
		}
	}
	n := len(c.Args) - o.first
	has := func(f store.ZAddFlags) bool { return o.flags&f == f }
	switch {
	case n == 0 || n%2 != 0:
		c.W.Error(errSyntax)
	case has(store.ZAddNX | store.ZAddXX):
		c.W.Error(errZAddNXXX)
	case has(store.ZAddGT|store.ZAddNX) || has(store.ZAddLT|store.ZAddNX) || has(store.ZAddGT|store.ZAddLT):
		c.W.Error(errZAddGTLTNX)
	case has(store.ZAddIncr) && n > 2:
		c.W.Error(errZAddIncrPair)
	default:
		return true
	}
	return false
}

// log sets the effect: the scores given, without conditions.
func (o *zaddOptions) log(c *Ctx, r *store.ZAddResult) {
	switch {
	case o.flags&store.ZAddIncr != 0:
		c.Effect(wordZAdd, c.Args[1], store.AppendScore(nil, r.Score), c.Args[o.first+1])
	case o.flags != 0:
		effect := append(make([][]byte, 0, 2+2*len(r.Changed)), wordZAdd, c.Args[1])
		for _, i := range r.Changed {
			effect = append(effect, c.Args[o.first+2*i], c.Args[o.first+2*i+1])
		}
		c.Effect(effect...)
	case o.changed || 2*r.Done < len(c.Args)-o.first:
		effect := append(make([][]byte, 0, 2+2*r.Done), wordZAdd, c.Args[1])
		c.Effect(append(effect, c.Args[o.first:o.first+2*r.Done]...)...)
	}
}

func (o *zaddOptions) event() string {
	if o.flags&store.ZAddIncr != 0 {
		return "zincr"
	}
	return "zadd"
}

// zadd is ZADD and ZINCRBY.
func zadd(c *Ctx) {
	var o zaddOptions
	if !o.parse(c) {
		return
	}
	members := make([]store.Scored, 0, (len(c.Args)-o.first)/2)
	for i := o.first; i < len(c.Args); i += 2 {
		score, ok := c.doubleArg(i, errNotFloat)
		if !ok {
			return
		}
		members = append(members, store.Scored{Score: score, Member: c.Args[i+1]})
	}
	z, ok := c.zset(c.Key(1))
	if !ok {
		return
	}
	fresh := c.Fresh(c.Key(1))
	r, err := z.Add(o.flags, members...)
	changes := r.Added + r.Updated
	c.Dirty(changes)
	if changes > 0 {
		c.NotifyNew(fresh, c.Key(1))
		c.Notify(NotifyZSet, o.event(), c.Args[1])
	}
	if changes > 0 && c.logged() {
		o.log(c, &r)
	}
	switch {
	case err != nil:
		c.StoreError(err)
	case o.flags&store.ZAddIncr == 0 && o.changed:
		c.W.Int(int64(changes))
	case o.flags&store.ZAddIncr == 0:
		c.W.Int(int64(r.Added))
	case r.Kept:
		c.W.Null()
	default:
		c.W.Double(r.Score)
	}
}

func zrem(c *Ctx) {
	z, ok := c.zset(c.Key(1))
	if !ok {
		return
	}
	if c.postpone(min(len(c.Args)-2, z.Len())) {
		return
	}
	removed, ok := c.removeMembers(wordZRem, z.RemoveMany, z.Expect, z.Remove)
	c.notifyZRemoved("zrem", &z, removed)
	if ok {
		c.W.Int(int64(removed))
	}
}

// notifyZRemoved counts and tells of members that were removed from the sorted
// set at the first key.
func (c *Ctx) notifyZRemoved(event string, z *store.ZSet, removed int) {
	c.Dirty(removed)
	if removed > 0 {
		c.NotifyTaken(NotifyZSet, event, c.Key(1), !z.Exists())
	}
}

func zcard(c *Ctx) {
	if z, ok := c.readZSet(1); ok {
		c.W.Int(int64(z.Len()))
	}
}

func (c *Ctx) replyScore(z *store.ZSet, member []byte) {
	if score, ok := z.Score(member); ok {
		c.W.Double(score)
	} else {
		c.W.Null()
	}
}

func zscore(c *Ctx) {
	if z, ok := c.readZSet(1); ok {
		c.replyScore(&z, c.Args[2])
	}
}

func zmscore(c *Ctx) {
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	c.W.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		c.replyScore(&z, member)
	}
}

// zrank is ZRANK and ZREVRANK, and their WITHSCORE of 7.2.
func zrank(c *Ctx, reverse bool) {
	withScore := len(c.Args) == 4
	if withScore && !isWord(c.Args[3], "withscore") {
		c.W.Error(errArity(c.Cmd.Name)) // as 7.0, which has no options
		return
	}
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	rank, score, found := z.Rank(c.Args[2], reverse)
	switch {
	case !found && withScore:
		c.W.NullArray()
	case !found:
		c.W.Null()
	case withScore:
		c.W.Array(2)
		c.W.Int(int64(rank))
		c.W.Double(score)
	default:
		c.W.Int(int64(rank))
	}
}

// scoredReply writes an array of members, with their scores if wanted: in RESP2
// in turn, in RESP3 as pairs.
type scoredReply struct {
	c      *Ctx
	scores bool
	header proto.Deferred
	n      int
}

func (c *Ctx) scoredReply(scores bool) scoredReply {
	return scoredReply{c: c, scores: scores, header: c.deferHeader()}
}

func (r *scoredReply) add(member []byte, score float64) {
	w := r.c.W
	r.n++
	if !r.scores {
		w.Bulk(member)
		return
	}
	if w.RESP3() {
		w.Array(2)
	} else {
		r.n++
	}
	w.Bulk(member)
	w.Double(score)
}

func (r *scoredReply) end() { r.c.W.SetArray(r.header, r.n) }

func zrandMember(c *Ctx) {
	if len(c.Args) == 2 {
		z, ok := c.readZSet(1)
		switch {
		case !ok:
		case !z.Exists():
			c.W.Null()
		default:
			z.Random(1, func(member []byte, _ float64) bool { c.W.Bulk(member); return true })
		}
		return
	}
	count, ok := c.randomCount()
	if !ok {
		return
	}
	scores := len(c.Args) == 4 && isWord(c.Args[3], "withscores")
	switch {
	case len(c.Args) > 3 && !scores:
		c.W.Error(errSyntax)
		return
	case scores && (count < -math.MaxInt64/2 || count > math.MaxInt64/2):
		c.W.Error(errOutOfRange)
		return
	}
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	if c.postpone(randomElements(count, z.Len())) {
		return
	}
	mark, most := c.W.Len(), c.maxRandomReply()
	r, st := c.scoredReply(scores), c.pauses()
	if count < 0 {
		z.Random(int(-count), func(member []byte, score float64) bool {
			r.add(member, score)
			return st.replied() && c.W.Len() < most
		})
		if c.W.Len() >= most {
			c.refuseRandomReply(mark)
			return
		}
	} else {
		z.Sample(int(min(count, math.MaxInt32)), func(member []byte, score float64) bool {
			r.add(member, score)
			return st.replied()
		})
	}
	r.end()
}

func zscan(c *Ctx) {
	var s elementScan
	if !s.parseCursor(c) {
		return
	}
	z, ok := c.readZSet(1)
	switch {
	case !ok:
		return
	case !z.Exists():
		c.replyEmptyScan()
		return
	case !s.parseOptions(c):
		return
	}
	s.reply(c, func() (next uint64, n int) {
		next = z.Scan(s.cursor, s.count, func(member, score []byte) {
			if s.matches(member) {
				c.W.Bulk(member)
				c.W.Bulk(score)
				n += 2
			}
		})
		return next, n
	})
}
