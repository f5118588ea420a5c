package resp

import (
	"math"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"lpush":   func(c *Ctx) { push(c, true, false) },
		"rpush":   func(c *Ctx) { push(c, false, false) },
		"lpushx":  func(c *Ctx) { push(c, true, true) },
		"rpushx":  func(c *Ctx) { push(c, false, true) },
		"lpop":    func(c *Ctx) { pop(c, true) },
		"rpop":    func(c *Ctx) { pop(c, false) },
		"llen":    llen,
		"lindex":  lindex,
		"linsert": linsert,
		"lrange":  lrange,
		"lrem":    lrem,
		"lset":    lset,
		"ltrim":   ltrim,
		"lpos":    lpos,
	})
}

// list opens the list at the first key. Not ok: it replied with the error.
func (c *Ctx) list() (l store.List, ok bool) {
	l, err := c.Tx.OpenList(c.Key(1))
	if err != nil {
		c.StoreError(err)
		return l, false
	}
	return l, true
}

// readList is list for a reading command.
func (c *Ctx) readList() (l store.List, ok bool) {
	l, err := c.Tx.OpenList(c.Key(1))
	c.Looked(c.Key(1), l.Exists() || err != nil)
	if err != nil {
		c.StoreError(err)
		return l, false
	}
	return l, true
}

func push(c *Ctx, front, existing bool) {
	l, ok := c.list()
	if !ok {
		return
	}
	if existing && !l.Exists() {
		c.W.Int(0)
		return
	}
	fresh := c.Fresh(c.Key(1))
	done, err := l.Push(front, c.Args[2:]...)
	c.Dirty(done)
	if done > 0 {
		c.NotifyNew(fresh, c.Key(1))
		c.Notify(NotifyList, pushEvent(front), c.Args[1])
	}
	if err != nil {
		if done > 0 && c.logged() {
			c.Effect(c.words(c.Args[0], c.Args[1:2+done])...)
		}
		c.StoreError(err)
		return
	}
	c.W.Int(int64(l.Len()))
}

func pushEvent(front bool) string {
	if front {
		return "lpush"
	}
	return "rpush"
}

func popEvent(front bool) string {
	if front {
		return "lpop"
	}
	return "rpop"
}

// popCount is the optional argument of commands that pop, how many: 1 without it. Not ok:
// the reply is the error.
func (c *Ctx) popCount() (count int64, given, ok bool) {
	if len(c.Args) == 2 {
		return 1, false, true
	}
	if count, ok = parseLong(c.Args[2]); !ok || count < 0 {
		c.W.Error(errNotPositive)
		return 0, true, false
	}
	return count, true, true
}

func pop(c *Ctx, front bool) {
	if len(c.Args) > 3 {
		c.W.Error(errArity(c.Cmd.Name))
		return
	}
	count, counted, ok := c.popCount()
	if !ok {
		return
	}
	l, ok := c.list()
	switch {
	case !ok:
	case !l.Exists() && counted:
		c.W.NullArray()
	case !l.Exists():
		c.W.Null()
	case count == 0:
		c.W.Array(0)
	case counted && c.postpone(int(min(count, int64(l.Len())))):
	case counted:
		c.replyPopped(c.W.Len(), c.Key(1), &l, front, int(min(count, int64(l.Len()))))
	default:
		c.popOne(c.W.Len(), c.Key(1), &l, front)
	}
}

// popOne takes the element at an end of l, the list at k, and replies with it. If
// that fails the reply, which begins at mark, is the error.
func (c *Ctx) popOne(mark int, k store.Key, l *store.List, front bool) bool {
	i := 0
	if !front {
		i = l.Len() - 1
	}
	c.W.Bulk(l.Index(i))
	if err := l.RemoveRange(i, 1); err != nil {
		c.W.Truncate(mark)
		c.StoreError(err)
		return false
	}
	c.Dirty(1)
	c.NotifyTaken(NotifyList, popEvent(front), k, !l.Exists())
	return true
}

// replyPopped is popOne for count elements, as an array in the order of popping.
func (c *Ctx) replyPopped(mark int, k store.Key, l *store.List, front bool, count int) bool {
	left := l.Len() - count
	first, stays := 0, count // elements popped, and those left, are from there on
	if !front {
		first, stays = left, 0
	}
	err := error(store.ErrChanged)
	if c.replyElements(l, first, count, !front) {
		err = l.Trim(stays, left)
	}
	if err != nil {
		c.W.Truncate(mark)
		c.StoreError(err)
		return false
	}
	c.Dirty(count)
	c.NotifyTaken(NotifyList, popEvent(front), k, !l.Exists())
	return true
}

// replyElements replies with count elements of l, those from element first on,
// all of which exist, in steps. False: end with ErrChanged.
func (c *Ctx) replyElements(l *store.List, first, count int, reverse bool) bool {
	c.W.Array(count)
	if count == 0 {
		return true
	}
	st := c.pauses()
	if reverse {
		first += count - 1
	}
	l.Walk(first, reverse, func(value []byte) bool {
		c.W.Bulk(value)
		count--
		return st.replied() && count > 0
	})
	return !st.stopped
}

func llen(c *Ctx) {
	if l, ok := c.readList(); ok {
		c.W.Int(int64(l.Len()))
	}
}

func lindex(c *Ctx) {
	l, ok := c.readList()
	if !ok {
		return
	}
	if !l.Exists() {
		c.W.Null()
		return
	}
	i, ok := c.intArg(2)
	if !ok {
		return
	}
	if i, ok := elementIndex(i, l.Len()); ok {
		c.W.Bulk(l.Index(i))
	} else {
		c.W.Null()
	}
}

// elementIndex counts negative indexes from the back, -1 being the last element.
func elementIndex(i int64, n int) (int, bool) {
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

func linsert(c *Ctx) {
	before := isWord(c.Args[2], "before")
	if !before && !isWord(c.Args[2], "after") {
		c.W.Error(errSyntax)
		return
	}
	l, ok := c.list()
	if !ok {
		return
	}
	if !l.Exists() {
		c.W.Int(0)
		return
	}
	st := c.pauses()
	found, err := l.Insert(c.Args[3], before, c.Args[4], st.count)
	switch {
	case err != nil:
		c.StoreError(err)
	case !found:
		c.W.Int(-1)
	default:
		c.Dirty(1)
		c.Notify(NotifyList, "linsert", c.Args[1])
		c.W.Int(int64(l.Len()))
	}
}

func lset(c *Ctx) {
	l, ok := c.list()
	if !ok {
		return
	}
	if !l.Exists() {
		c.W.Error(errNoSuchKey)
		return
	}
	i, ok := c.intArg(2)
	if !ok {
		return
	}
	at, ok := elementIndex(i, l.Len())
	if !ok {
		c.W.Error(errIndexRange)
		return
	}
	if err := l.Set(at, c.Args[3]); err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.Notify(NotifyList, "lset", c.Args[1])
	c.W.OK()
}

// rangeArgs are arguments 2 and 3. Not ok: it replied with the error.
func (c *Ctx) rangeArgs() (start, end int64, ok bool) {
	if start, ok = c.intArg(2); !ok {
		return 0, 0, false
	}
	end, ok = c.intArg(3)
	return start, end, ok
}

// clampRange returns the elements between two indexes, both included.
func clampRange(start, end int64, n int) (first, count int) {
	length := int64(n)
	if start < 0 {
		start = max(start+length, 0)
	}
	if end < 0 {
		end += length
	}
	if start > end || start >= length {
		return 0, 0
	}
	return int(start), int(min(end, length-1) - start + 1)
}

func lrange(c *Ctx) {
	start, end, ok := c.rangeArgs()
	if !ok {
		return
	}
	l, ok := c.readList()
	if !ok {
		return
	}
	if first, count := clampRange(start, end, l.Len()); !c.postpone(count) {
		c.replyElements(&l, first, count, false)
	}
}

func ltrim(c *Ctx) {
	start, end, ok := c.rangeArgs()
	if !ok {
		return
	}
	l, ok := c.list()
	if !ok {
		return
	}
	n := l.Len()
	first, count := clampRange(start, end, n)
	if c.postpone(n - count) {
		return
	}
	if err := l.Trim(first, count); err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(n - count)
	if n > 0 && n == count {
		c.d.changed(c, c.Tx.DB, c.Key(1)) // as Redis has it: any LTRIM of a list ends what watches it
	}
	if n > 0 {
		c.NotifyTaken(NotifyList, "ltrim", c.Key(1), !l.Exists())
	}
	c.W.OK()
}

func lrem(c *Ctx) {
	count, ok := c.intArg(2)
	if !ok {
		return
	}
	l, ok := c.list()
	if !ok {
		return
	}
	removed, err := l.RemoveValue(c.Args[3], int(count))
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(removed)
	if removed > 0 {
		c.NotifyTaken(NotifyList, "lrem", c.Key(1), !l.Exists())
	}
	c.W.Int(int64(removed))
}

// lposOptions are those of LPOS; count -1: the first match only.
type lposOptions struct{ rank, count, maxLen int64 }

func (c *Ctx) lposOptions() (o lposOptions, ok bool) {
	o = lposOptions{rank: 1, count: -1}
	for i := 3; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) {
			c.W.Error(errSyntax)
			return o, false
		}
		var n int64
		switch arg := c.Args[i]; {
		case isWord(arg, "rank"):
			if o.rank, ok = c.intArg(i + 1); !ok {
				return o, false
			}
			if o.rank == 0 {
				c.W.Error(errZeroRank)
				return o, false
			}
		case isWord(arg, "count"):
			if n, ok = parseLong(c.Args[i+1]); !ok || n < 0 {
				c.W.Error(errCountNegative)
				return o, false
			}
			o.count = n
		case isWord(arg, "maxlen"):
			if n, ok = parseLong(c.Args[i+1]); !ok || n < 0 {
				c.W.Error(errMaxLenNegative)
				return o, false
			}
			o.maxLen = n
		default:
			c.W.Error(errSyntax)
			return o, false
		}
	}
	return o, true
}

func lpos(c *Ctx) {
	o, ok := c.lposOptions()
	if !ok {
		return
	}
	l, ok := c.readList()
	if !ok {
		return
	}
	reverse := o.rank < 0
	if reverse {
		o.rank = -o.rank // the smallest integer stays: every match counts, as in Redis
	}
	header, n, matches := c.W.Defer(), 0, int64(0)
	most := int(min(o.maxLen, math.MaxInt))
	st := c.pauses()
	l.Find(c.Args[2], reverse, most, st.count, func(i int) bool {
		if matches++; matches < o.rank {
			return true
		}
		c.W.Int(int64(i))
		n++
		return o.count >= 0 && (o.count == 0 || matches-o.rank+1 < o.count)
	})
	switch {
	case o.count >= 0:
		c.W.SetArray(header, n)
	case n == 0:
		c.W.Null()
	}
}
