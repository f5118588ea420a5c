package resp

import (
	"math"

	"respkv/store"
)

// rangeKind is what the ends of a range are.
type rangeKind uint8

const (
	rangeAuto rangeKind = iota // an option says it
	rangeRank
	rangeScore
	rangeLex
)

// zrangeCommand is a command of the ZRANGE family: what its name says already.
type zrangeCommand struct {
	kind    rangeKind
	reverse bool
	fixed   bool // REV is no option
	source  int  // argument that is the sorted set; the first one is where to store when it is 2
}

func init() {
	run := func(z zrangeCommand) Handler { return func(c *Ctx) { zrange(c, z) } }
	handle(map[string]Handler{
		"zrange":           run(zrangeCommand{source: 1}),
		"zrangestore":      run(zrangeCommand{source: 2}),
		"zrevrange":        run(zrangeCommand{kind: rangeRank, reverse: true, fixed: true, source: 1}),
		"zrangebyscore":    run(zrangeCommand{kind: rangeScore, fixed: true, source: 1}),
		"zrevrangebyscore": run(zrangeCommand{kind: rangeScore, reverse: true, fixed: true, source: 1}),
		"zrangebylex":      run(zrangeCommand{kind: rangeLex, fixed: true, source: 1}),
		"zrevrangebylex":   run(zrangeCommand{kind: rangeLex, reverse: true, fixed: true, source: 1}),
		"zcount":           func(c *Ctx) { zcount(c, rangeScore) },
		"zlexcount":        func(c *Ctx) { zcount(c, rangeLex) },
		"zremrangebyrank":  func(c *Ctx) { zremRange(c, rangeRank) },
		"zremrangebyscore": func(c *Ctx) { zremRange(c, rangeScore) },
		"zremrangebylex":   func(c *Ctx) { zremRange(c, rangeLex) },
	})
}

// zrangeOptions are the arguments of the ZRANGE family.
type zrangeOptions struct {
	zrangeCommand
	scores      bool
	offset      int64
	limit       int64 // negative: none
	start, stop int64 // by rank
	interval    store.ZRange
}

// parse reads them. Not ok: it replied with the error.
func (o *zrangeOptions) parse(c *Ctx) (ok bool) {
	stores := o.source == 2
	o.limit = -1
	for i := o.source + 3; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case !stores && isWord(arg, "withscores"):
			o.scores = true
		case isWord(arg, "limit") && i+2 < len(c.Args):
			if o.offset, ok = c.intArg(i + 1); !ok {
				return false
			}
			if o.limit, ok = c.intArg(i + 2); !ok {
				return false
			}
			i += 2
		case !o.reverse && !o.fixed && isWord(arg, "rev"):
			o.reverse = true
		case o.kind == rangeAuto && isWord(arg, "bylex"):
			o.kind = rangeLex
		case o.kind == rangeAuto && isWord(arg, "byscore"):
			o.kind = rangeScore
		default:
			c.W.Error(errSyntax)
			return false
		}
	}
	if o.kind == rangeAuto {
		o.kind = rangeRank
	}
	switch {
	case o.kind == rangeRank && o.limit != -1:
		c.W.Error(errRangeLimit)
		return false
	case o.kind == rangeLex && o.scores:
		c.W.Error(errRangeLexScores)
		return false
	}
	low, high := o.source+1, o.source+2
	if o.kind == rangeRank {
		if o.start, ok = c.intArg(low); ok {
			o.stop, ok = c.intArg(high)
		}
		return ok
	}
	if o.reverse {
		low, high = high, low
	}
	o.interval, ok = c.interval(o.kind, low, high)
	return ok
}

// interval reads the ends of an interval of scores or members. Not ok: it
// replied with the error.
func (c *Ctx) interval(kind rangeKind, low, high int) (r store.ZRange, ok bool) {
	if kind == rangeLex {
		r.Lex = true
		var ok2 bool
		r.MinLex, ok = parseLexLimit(c.Args[low])
		r.MaxLex, ok2 = parseLexLimit(c.Args[high])
		if !ok || !ok2 {
			c.W.Error(errLexRange)
			return r, false
		}
		return r, true
	}
	var ok2 bool
	r.Min, r.MinOpen, ok = parseScoreLimit(c.Args[low])
	r.Max, r.MaxOpen, ok2 = parseScoreLimit(c.Args[high])
	if !ok || !ok2 {
		c.W.Error(errScoreRange)
		return r, false
	}
	return r, true
}

func parseScoreLimit(b []byte) (score float64, open, ok bool) {
	if len(b) > 0 && b[0] == '(' {
		open, b = true, b[1:]
	}
	score, ok = parseLimit(b)
	return score, open, ok
}

func parseLexLimit(b []byte) (l store.LexLimit, ok bool) {
	if len(b) == 0 {
		return l, false
	}
	switch b[0] {
	case '+', '-':
		// A zero byte ends the text, as in Redis.
		if l.Infinite = 1; b[0] == '-' {
			l.Infinite = -1
		}
		return l, len(b) == 1 || b[1] == 0
	case '(':
		l.Open = true
	case '[':
	default:
		return l, false
	}
	l.Member = b[1:]
	return l, true
}

// ranks makes rank and number of members of a range by rank, where negative
// ranks count from the end.
func ranks(start, stop int64, length int) (first, count int) {
	n := int64(length)
	if start < 0 {
		start += n
	}
	if stop < 0 {
		stop += n
	}
	start, stop = max(start, 0), min(stop, n-1)
	if start > stop {
		return 0, 0
	}
	return int(start), int(stop - start + 1)
}

// each calls fn for the members of the range, in its order.
func (o *zrangeOptions) each(z *store.ZSet, fn func(member []byte, score float64) bool) {
	left := o.limit
	counted := func(member []byte, score float64) bool {
		left--
		return fn(member, score) && left != 0
	}
	switch {
	case o.kind == rangeRank:
		first, count := ranks(o.start, o.stop, z.Len())
		if count == 0 {
			return
		}
		if o.reverse {
			first = z.Len() - 1 - first
		}
		left = int64(count)
		z.Walk(first, o.reverse, counted)
	case o.limit == 0 || o.offset < 0:
	default:
		z.Range(&o.interval, o.reverse, int(min(o.offset, math.MaxInt)), counted)
	}
}

// zrange is the ZRANGE family.
func zrange(c *Ctx, command zrangeCommand) {
	o := zrangeOptions{zrangeCommand: command}
	if !o.parse(c) {
		return
	}
	z, ok := c.readZSet(o.source)
	if !ok {
		return
	}
	if o.source == 2 {
		zrangeStore(c, &o, &z)
		return
	}
	if o.kind == rangeRank {
		if _, n := ranks(o.start, o.stop, z.Len()); c.postpone(n) {
			return
		}
	}
	r, st := c.scoredReply(o.scores), c.pauses()
	o.each(&z, func(member []byte, score float64) bool {
		r.add(member, score)
		return st.replied()
	})
	r.end()
}

func zrangeStore(c *Ctx, o *zrangeOptions, z *store.ZSet) {
	r := c.Tx.NewZSetResult(c.Key(1), true)
	var err error
	if o.kind == rangeRank {
		_, n := ranks(o.start, o.stop, z.Len())
		err = r.Expect(n)
	}
	if err == nil {
		o.each(z, func(member []byte, score float64) bool {
			err = r.Add(member, score)
			return err == nil
		})
	}
	if err != nil {
		r.Close()
		c.StoreError(err)
		return
	}
	c.storeZSet(r)
}

// storeZSet makes r the value of the first key and replies with its size.
func (c *Ctx) storeZSet(r *store.ZSetResult) {
	n, fresh := r.Len(), c.Fresh(c.Key(1))
	changed, err := r.Store(&c.Tx, c.Key(1))
	if err != nil {
		c.StoreError(err)
		return
	}
	if changed {
		c.Dirty(1)
		c.NotifyStored(NotifyZSet, c.Cmd.Name, c.Key(1), n, fresh)
	}
	c.W.Int(int64(n))
}

// zcount is ZCOUNT and ZLEXCOUNT.
func zcount(c *Ctx, kind rangeKind) {
	interval, ok := c.interval(kind, 2, 3)
	if !ok {
		return
	}
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	_, n := z.RangeRanks(&interval)
	c.W.Int(int64(n))
}

// zremRange is ZREMRANGEBYRANK, ZREMRANGEBYSCORE and ZREMRANGEBYLEX.
func zremRange(c *Ctx, kind rangeKind) {
	var (
		start, stop int64
		interval    store.ZRange
		ok          bool
	)
	if kind == rangeRank {
		if start, ok = c.intArg(2); ok {
			stop, ok = c.intArg(3)
		}
	} else {
		interval, ok = c.interval(kind, 2, 3)
	}
	if !ok {
		return
	}
	z, ok := c.zset(c.Key(1))
	if !ok {
		return
	}
	first, n := 0, 0
	if kind == rangeRank {
		first, n = ranks(start, stop, z.Len())
	} else {
		first, n = z.RangeRanks(&interval)
	}
	if err := z.RemoveRange(first, n); err != nil {
		c.StoreError(err)
		return
	}
	c.notifyZRemoved(c.Cmd.Name, &z, n)
	c.W.Int(int64(n))
}
