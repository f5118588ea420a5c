package resp

import (
	"bytes"
	"math"

	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"lmove":      lmove,
		"rpoplpush":  func(c *Ctx) { c.replyMoved(listMove{c.Key(1), c.Key(2), false, true}) },
		"lmpop":      lmpop,
		"blpop":      func(c *Ctx) { blockingPop(c, true) },
		"brpop":      func(c *Ctx) { blockingPop(c, false) },
		"blmove":     blmove,
		"brpoplpush": brpoplpush,
		"blmpop":     blmpop,
	})
}

// listMove takes the element at one end of a list to an end of another.
type listMove struct {
	from, to           store.Key
	fromFront, toFront bool
}

// endArg is argument i as an end of a list. Not ok: it replied with the error.
func (c *Ctx) endArg(i int) (front, ok bool) {
	switch arg := c.Args[i]; {
	case isWord(arg, "left"):
		return true, true
	case isWord(arg, "right"):
		return false, true
	}
	c.W.Error(errSyntax)
	return false, false
}

// moveArgs are the arguments of LMOVE and BLMOVE. Not ok: it replied with the
// error.
func (c *Ctx) moveArgs() (m listMove, ok bool) {
	m.from, m.to = c.Key(1), c.Key(2)
	if m.fromFront, ok = c.endArg(3); !ok {
		return m, false
	}
	m.toFront, ok = c.endArg(4)
	return m, ok
}

func lmove(c *Ctx) {
	if m, ok := c.moveArgs(); ok {
		c.replyMoved(m)
	}
}

// replyMoved moves an element and replies with it, or with what is wrong. True:
// it was moved.
func (c *Ctx) replyMoved(m listMove) bool {
	source, err := c.Tx.OpenList(m.from)
	switch {
	case err != nil:
		c.StoreError(err)
		return false
	case !source.Exists():
		c.W.Null()
		return false
	}
	target, err := c.Tx.OpenList(m.to)
	if err != nil {
		c.StoreError(err)
		return false
	}
	at := 0
	if !m.fromFront {
		at = source.Len() - 1
	}
	value := append([]byte{}, source.Index(at)...)
	fresh := c.Fresh(m.to)
	// The destination first: it may fail for want of memory.
	if _, err = target.Push(m.toFront, value); err == nil {
		if bytes.Equal(m.from.Name, m.to.Name) && m.toFront {
			at++ // behind the copy
		}
		if source, err = c.Tx.OpenList(m.from); err == nil {
			err = source.RemoveRange(at, 1)
		}
	}
	if err != nil {
		c.StoreError(err)
		return false
	}
	c.Dirty(1)
	c.NotifyNew(fresh, m.to)
	c.Notify(NotifyList, pushEvent(m.toFront), m.to.Name)
	c.NotifyTaken(NotifyList, popEvent(m.fromFront), m.from, !source.Exists())
	c.W.Bulk(value)
	return true
}

// multiPop are the arguments of LMPOP and BLMPOP.
type multiPop struct {
	first, end int // positions of the keys
	front      bool
	count      int64
}

// multiPopArgs reads what begins with the number of keys at argument i. Not ok:
// it replied with the error.
func (c *Ctx) multiPopArgs(i int) (p multiPop, ok bool) {
	n, ok := parseLong(c.Args[i])
	if !ok || n < 1 {
		c.W.Error(errNumKeys)
		return p, false
	}
	if n >= int64(len(c.Args)-i-1) {
		c.W.Error(errSyntax)
		return p, false
	}
	p = multiPop{first: i + 1, end: i + 1 + int(n), count: 1}
	if p.front, ok = c.endArg(p.end); !ok {
		return p, false
	}
	switch rest := c.Args[p.end+1:]; {
	case len(rest) == 0:
		return p, true
	case len(rest) < 2 || !isWord(rest[0], "count"):
		c.W.Error(errSyntax)
		return p, false
	}
	if p.count, ok = parseLong(c.Args[p.end+2]); !ok || p.count < 1 {
		c.W.Error(errCountZero)
		return p, false
	}
	if len(c.Args) > p.end+3 {
		c.W.Error(errSyntax)
		return p, false
	}
	return p, true
}

// popFirst replies with elements of the first key in the arguments from first up
// to before end that exists. done: it replied, maybe with an error.
func (c *Ctx) popFirst(first, end int, reply func(c *Ctx, k store.Key, l *store.List)) (done bool) {
	for i := first; i < end; i++ {
		k := c.Key(i)
		l, err := c.Tx.OpenList(k)
		if err != nil {
			c.StoreError(err)
			return true
		}
		if l.Exists() {
			reply(c, k, &l)
			return true
		}
	}
	return false
}

func popWord(front bool) []byte {
	if front {
		return wordLPop
	}
	return wordRPop
}

// replyKeyAndMany is the reply of LMPOP.
func (p multiPop) replyKeyAndMany(c *Ctx, k store.Key, l *store.List) {
	mark := c.W.Len()
	n := int(min(p.count, int64(l.Len())))
	c.W.Array(2)
	c.W.Bulk(k.Name)
	if c.replyPopped(mark, k, l, p.front, n) && c.logged() {
		c.Effect(popWord(p.front), k.Name, decimal(int64(n)))
	}
}

func lmpop(c *Ctx) {
	p, ok := c.multiPopArgs(1)
	if ok && !c.popFirst(p.first, p.end, p.replyKeyAndMany) {
		c.W.NullArray()
	}
}

// waitForKeys is what the blocking commands on lists and sorted sets have in
// common.
func (c *Ctx) waitForKeys(typ store.Type, first, end int, timeout int64) waitFor {
	w := waitFor{typ: typ, timeoutMillis: timeout, timedOut: (*proto.Writer).NullArray}
	for i := first; i < end; i++ {
		w.keys = append(w.keys, c.Key(i))
	}
	return w
}

func blockingPop(c *Ctx, front bool) {
	last := len(c.Args) - 1
	timeout, ok := c.timeoutSeconds(last)
	if !ok {
		return
	}
	reply := func(c *Ctx, k store.Key, l *store.List) {
		mark := c.W.Len()
		c.W.Array(2)
		c.W.Bulk(k.Name)
		if c.popOne(mark, k, l, front) && c.logged() {
			c.Effect(popWord(front), k.Name)
		}
	}
	if c.popFirst(1, last, reply) {
		return
	}
	if !c.mayBlock() {
		c.W.NullArray()
		return
	}
	w := c.waitForKeys(store.TypeList, 1, last, timeout)
	w.serve = serveList(reply)
	c.block(w)
}

// serveList makes what a waiting client gets of what replies with a list.
func serveList(reply func(c *Ctx, k store.Key, l *store.List)) func(c *Ctx, k store.Key) {
	return func(c *Ctx, k store.Key) {
		l, err := c.Tx.OpenList(k)
		if err != nil {
			c.StoreError(err)
			return
		}
		reply(c, k, &l)
	}
}

func blmpop(c *Ctx) {
	p, ok := c.multiPopArgs(2)
	if !ok {
		return
	}
	timeout, ok := c.timeoutSeconds(1)
	if !ok || c.popFirst(p.first, p.end, p.replyKeyAndMany) {
		return
	}
	if !c.mayBlock() {
		c.W.NullArray()
		return
	}
	w := c.waitForKeys(store.TypeList, p.first, p.end, timeout)
	w.serve = serveList(p.replyKeyAndMany)
	c.block(w)
}

func blmove(c *Ctx) {
	m, ok := c.moveArgs()
	if !ok {
		return
	}
	timeout, ok := c.timeoutSeconds(5)
	if !ok {
		return
	}
	c.blockingMove(m, timeout, func(c *Ctx, m listMove) {
		c.Effect(wordLMove, m.from.Name, m.to.Name, endWord(m.fromFront), endWord(m.toFront))
	})
}

func endWord(front bool) []byte {
	if front {
		return wordLeft
	}
	return wordRight
}

func brpoplpush(c *Ctx) {
	timeout, ok := c.timeoutSeconds(3)
	if !ok {
		return
	}
	c.blockingMove(listMove{c.Key(1), c.Key(2), false, true}, timeout, func(c *Ctx, m listMove) {
		c.Effect(wordRPopLPush, m.from.Name, m.to.Name)
	})
}

func (c *Ctx) blockingMove(m listMove, timeout int64, effect func(c *Ctx, m listMove)) {
	source, err := c.Tx.OpenList(m.from)
	switch {
	case err != nil:
		c.StoreError(err)
	case source.Exists():
		if c.replyMoved(m) && c.logged() {
			effect(c, m)
		}
	case !c.mayBlock():
		c.W.Null()
	default:
		w := c.waitForKeys(store.TypeList, 1, 2, timeout)
		m.to = ownedKey(m.to)
		w.target = m.to
		w.serve = func(c *Ctx, k store.Key) {
			m.from = k
			if c.replyMoved(m) {
				c.SignalKey(c.Tx.DB, m.to)
				if c.logged() {
					effect(c, m)
				}
			}
		}
		c.block(w)
	}
}

// timeoutSeconds is argument i as a timeout in seconds, with a fraction if need
// be, in milliseconds; 0 is without end. Not ok: it replied with the error.
func (c *Ctx) timeoutSeconds(i int) (millis int64, ok bool) {
	millis, ok = store.ParseSeconds(c.Args[i])
	switch {
	case !ok:
		c.W.Error(errTimeoutNotFloat)
		return 0, false
	case millis < 0:
		c.W.Error(errTimeoutNegative)
		return 0, false
	}
	if millis > math.MaxInt64/1_000_000 {
		return 0, true // what does not fit a Duration is as good as without end
	}
	return millis, true
}
