package resp

import (
	"math"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"hset":         hset,
		"hmset":        hset,
		"hsetnx":       hsetNX,
		"hget":         hget,
		"hmget":        hmget,
		"hgetall":      func(c *Ctx) { hgetAll(c, true, true) },
		"hkeys":        func(c *Ctx) { hgetAll(c, true, false) },
		"hvals":        func(c *Ctx) { hgetAll(c, false, true) },
		"hlen":         hlen,
		"hstrlen":      hstrLen,
		"hexists":      hexists,
		"hdel":         hdel,
		"hincrby":      hincrBy,
		"hincrbyfloat": hincrByFloat,
		"hrandfield":   hrandField,
		"hscan":        hscan,
	})
}

// hash opens the hash at the first key. Not ok: it replied with the error.
func (c *Ctx) hash() (h store.Hash, ok bool) {
	h, err := c.Tx.Hash(c.Key(1))
	if err != nil {
		c.StoreError(err)
		return h, false
	}
	return h, true
}

// readHash is hash for a reading command.
func (c *Ctx) readHash() (h store.Hash, ok bool) {
	h, err := c.Tx.Hash(c.Key(1))
	c.Looked(c.Key(1), h.Exists() || err != nil)
	if err != nil {
		c.StoreError(err)
		return h, false
	}
	return h, true
}

// hset is HSET and HMSET.
func hset(c *Ctx) {
	if len(c.Args)%2 != 0 {
		c.W.Error(errArity(c.Cmd.Name))
		return
	}
	h, ok := c.hash()
	if !ok {
		return
	}
	fresh := c.Fresh(c.Key(1))
	added, done, err := h.Set(c.Args[2:]...)
	c.Dirty(done)
	if done > 0 {
		c.notifyHash("hset", fresh)
	}
	if err != nil {
		if done > 0 && c.logged() {
			c.Effect(c.words(wordHSet, c.Args[1:2+2*done])...)
		}
		c.StoreError(err)
		return
	}
	if c.Cmd.Name == "hmset" {
		c.W.OK()
		return
	}
	c.W.Int(int64(added))
}

// notifyHash tells of a change to the hash at the first key.
func (c *Ctx) notifyHash(event string, fresh bool) {
	c.NotifyNew(fresh, c.Key(1))
	c.Notify(NotifyHash, event, c.Args[1])
}

// words is an effect of a word and arguments.
func (c *Ctx) words(word []byte, args [][]byte) [][]byte {
	return append(append(make([][]byte, 0, len(args)+1), word), args...)
}

func hsetNX(c *Ctx) {
	h, ok := c.hash()
	if !ok {
		return
	}
	if _, found := h.Get(c.Args[2]); found {
		c.W.Int(0)
		return
	}
	fresh := c.Fresh(c.Key(1))
	if _, _, err := h.Set(c.Args[2:]...); err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.notifyHash("hset", fresh)
	// Not as sent: on a replica the field may still be there, past its
	// deadline.
	if c.logged() {
		c.Effect(wordHSet, c.Args[1], c.Args[2], c.Args[3])
	}
	c.W.Int(1)
}

func hget(c *Ctx) {
	if h, ok := c.readHash(); ok && !c.replyField(&h, c.Args[2]) {
		h.Expire(c.Args[2:])
	}
}

func hmget(c *Ctx) {
	h, ok := c.readHash()
	if !ok {
		return
	}
	c.W.Array(len(c.Args) - 2)
	missing := false
	for i, field := range c.Args[2:] {
		if i%store.ExpectMost == 0 {
			h.Expect(c.Args[2+i:])
		}
		missing = !c.replyField(&h, field) || missing
	}
	if missing {
		h.Expire(c.Args[2:])
	}
}

// replyField replies with the value of a field, or null.
func (c *Ctx) replyField(h *store.Hash, field []byte) (found bool) {
	value, found := h.Get(field)
	if found {
		c.W.Bulk(value)
	} else {
		c.W.Null()
	}
	return found
}

func hgetAll(c *Ctx, fields, values bool) {
	h, ok := c.readHash()
	if !ok || c.postpone(h.Size()) {
		return
	}
	header, n, st := c.deferHeader(), 0, c.pauses()
	h.Each(func(field, value []byte, _ int64) bool {
		if fields {
			c.W.Bulk(field)
		}
		if values {
			c.W.Bulk(value)
		}
		n++
		return st.replied()
	})
	if fields && values {
		c.W.SetMap(header, n)
	} else {
		c.W.SetArray(header, n)
	}
}

func hlen(c *Ctx) {
	if h, ok := c.readHash(); ok {
		c.W.Int(int64(h.Len()))
	}
}

func hstrLen(c *Ctx) {
	if h, ok := c.readHash(); ok {
		value, found := h.Get(c.Args[2])
		c.W.Int(int64(len(value)))
		if !found {
			h.Expire(c.Args[2:])
		}
	}
}

func hexists(c *Ctx) {
	if h, ok := c.readHash(); ok {
		_, found := h.Get(c.Args[2])
		c.replyBool(found)
		if !found {
			h.Expire(c.Args[2:])
		}
	}
}

// replyBool replies 1 or 0.
func (c *Ctx) replyBool(yes bool) {
	if yes {
		c.W.Int(1)
	} else {
		c.W.Int(0)
	}
}

func hdel(c *Ctx) {
	h, ok := c.hash()
	if !ok {
		return
	}
	if c.postpone(min(len(c.Args)-2, h.Len())) {
		return
	}
	switch removed, done, err := h.RemoveMany(c.Args[2:]); {
	case err != nil:
		c.StoreError(err)
		return
	case done:
		c.Dirty(removed)
		if removed > 0 {
			c.NotifyTaken(NotifyHash, "hdel", c.Key(1), !h.Exists())
		}
		c.W.Int(int64(removed))
		return
	}
	n := int64(0)
	var changes fieldChanges
	for i, field := range c.Args[2:] {
		if i%store.ExpectMost == 0 {
			h.Expect(c.Args[2+i:])
		}
		found, stored, err := h.Delete(field)
		if err != nil {
			changes.log(c, &h, 0)
			c.StoreError(err)
			return
		}
		if stored {
			changes.removed = append(changes.removed, field)
		}
		if found {
			n++
		}
	}
	changes.log(c, &h, 0)
	c.W.Int(n)
}

// hdelEffect replicates the removal of a field of the first key.
func (c *Ctx) hdelEffect(fields ...[]byte) {
	c.Effect(append([][]byte{wordHDel, c.Args[1]}, fields...)...)
}

func hincrBy(c *Ctx) {
	delta, ok := c.intArg(3)
	if !ok {
		return
	}
	h, ok := c.hash()
	if !ok {
		return
	}
	fresh := c.Fresh(c.Key(1))
	n, err := h.IncrBy(c.Args[2], delta)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.notifyHash("hincrby", fresh)
	if h.HasDeadlines() {
		// On a replica the field may still have an old value, past its
		// deadline.
		c.fieldEffect(&h, c.Args[2], decimal(n))
	}
	c.W.Int(n)
}

func hincrByFloat(c *Ctx) {
	if err := store.CheckFloat(c.Args[3]); err != nil {
		if err == store.ErrNaNOrInf {
			c.W.Error(errValueNaNOrInf)
		} else {
			c.StoreError(err)
		}
		return
	}
	h, ok := c.hash()
	if !ok {
		return
	}
	fresh := c.Fresh(c.Key(1))
	sum, err := h.IncrByFloat(c.Args[2], c.Args[3])
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.notifyHash("hincrbyfloat", fresh)
	c.fieldEffect(&h, c.Args[2], sum)
	c.W.Bulk(sum)
}

// fieldEffect replicates that a field has a new value and the deadline it had.
func (c *Ctx) fieldEffect(h *store.Hash, field, value []byte) {
	switch {
	case !c.logged():
	case h.Deadline(field) >= 0:
		c.Effect(wordHSetEx, c.Args[1], wordKeepTTL, wordFields, []byte("1"), field, value)
	default:
		c.Effect(wordHSet, c.Args[1], field, value)
	}
}

// maxRandomReply bounds the reply of a command that draws elements repeatedly,
// as often as the client asks for, in bytes.
func (c *Ctx) maxRandomReply() int {
	most := int(c.d.config.Config().Server.ProtoMaxBulkLen)
	if c.Client != nil && c.Client.repliesExceed(most) {
		most = int(c.d.server.limits.Load().Output[c.Client.Class()].HardBytes) + uncountedReply + 1
	}
	return c.W.Len() + most
}

// refuseRandomReply replies to a command that came up to maxRandomReply. The reply
// begins at mark.
func (c *Ctx) refuseRandomReply(mark int) {
	n := c.W.Len() - mark
	c.W.Truncate(mark)
	c.W.Error(errReplyTooLarge)
	if c.Client != nil && c.Client.repliesExceed(n) {
		c.Client.closeOverLimit(n)
	}
}

// randomElements is how many of n elements HRANDFIELD and its like draw.
func randomElements(count int64, n int) int {
	if count < 0 {
		return int(-count)
	}
	return int(min(count, int64(n)))
}

// randomCount is argument 2 as the count of HRANDFIELD and SRANDMEMBER. Not ok:
// it replied with the error.
func (c *Ctx) randomCount() (n int64, ok bool) {
	n, ok = c.intArg(2)
	if ok && n == math.MinInt64 {
		c.W.Error(errCountRange)
		return 0, false
	}
	return n, ok
}

func hrandField(c *Ctx) {
	if len(c.Args) == 2 {
		h, ok := c.readHash()
		if !ok {
			return
		}
		mark := c.W.Len()
		h.Random(1, func(field, _ []byte) bool { c.W.Bulk(field); return true })
		if c.W.Len() == mark {
			c.W.Null()
		}
		return
	}
	count, ok := c.randomCount()
	if !ok {
		return
	}
	values := len(c.Args) == 4 && isWord(c.Args[3], "withvalues")
	if len(c.Args) > 3 && !values {
		c.W.Error(errSyntax)
		return
	}
	if values && (count < -math.MaxInt64/2 || count > math.MaxInt64/2) {
		c.W.Error(errOutOfRange)
		return
	}
	h, ok := c.readHash()
	if !ok || c.postpone(randomElements(count, h.Size())) {
		return
	}
	mark, header, n, st := c.W.Len(), c.deferHeader(), 0, c.pauses()
	most := c.maxRandomReply()
	reply := func(field, value []byte) bool {
		n++
		switch {
		case !values:
			c.W.Bulk(field)
			return st.replied() && c.W.Len() < most
		case c.W.RESP3():
			c.W.Array(2)
		default:
			n++
		}
		c.W.Bulk(field)
		c.W.Bulk(value)
		return st.replied() && c.W.Len() < most
	}
	if count < 0 {
		h.Random(int(-count), reply)
		if c.W.Len() >= most {
			c.refuseRandomReply(mark)
			return
		}
	} else {
		most = math.MaxInt
		h.Sample(int(min(count, math.MaxInt32)), reply)
	}
	c.W.SetArray(header, n)
}
