package store

import "bytes"

// ZRange is an interval of scores or, with Lex, of members.
type ZRange struct {
	Min, Max         float64
	MinOpen, MaxOpen bool // the limit itself is not in
	Lex              bool
	MinLex, MaxLex   LexLimit
}

// LexLimit is an end of an interval of members: a member, or, with Infinite not
// 0, what is before (-1) or after (1) all of them.
type LexLimit struct {
	Member   []byte
	Open     bool
	Infinite int
}

// compare orders a member and the limit.
func (l *LexLimit) compare(member []byte) int {
	if l.Infinite != 0 {
		return -l.Infinite
	}
	return bytes.Compare(member, l.Member)
}

// below says whether a member comes before the interval.
func (r *ZRange) below(member []byte, score float64) bool {
	if r.Lex {
		c := r.MinLex.compare(member)
		return c < 0 || c == 0 && r.MinLex.Open
	}
	return score < r.Min || score == r.Min && r.MinOpen
}

// above says whether a member comes after the interval.
func (r *ZRange) above(member []byte, score float64) bool {
	if r.Lex {
		c := r.MaxLex.compare(member)
		return c > 0 || c == 0 && r.MaxLex.Open
	}
	return score > r.Max || score == r.Max && r.MaxOpen
}

// empty says whether nothing can be in the interval.
func (r *ZRange) empty() bool {
	if !r.Lex {
		return r.Min > r.Max || r.Min == r.Max && (r.MinOpen || r.MaxOpen)
	}
	low, high := &r.MinLex, &r.MaxLex
	if low.Infinite != 0 || high.Infinite != 0 {
		return low.Infinite > high.Infinite
	}
	c := bytes.Compare(low.Member, high.Member)
	return c > 0 || c == 0 && (low.Open || high.Open)
}

// Range calls fn for the members in an interval in order, reversed: downwards,
// leaving the first offset ones out, until it returns false. What fn gets is
// valid during the call only; fn must not change the set.
func (z *ZSet) Range(r *ZRange, reverse bool, offset int, fn func(member []byte, score float64) bool) {
	v := z.view()
	rank, ok := v.locate(r, reverse)
	if !ok {
		return
	}
	n := v.length()
	if reverse {
		if offset > rank {
			return
		}
		rank -= offset
	} else {
		if offset >= n-rank {
			return
		}
		rank += offset
	}
	v.walk(rank, reverse, func(member []byte, score float64) bool {
		if reverse && r.below(member, score) || !reverse && r.above(member, score) {
			return false
		}
		return fn(member, score)
	})
}

// RangeRanks returns the rank of the first member in an interval and the number
// of members in it.
func (z *ZSet) RangeRanks(r *ZRange) (rank, count int) {
	v := z.view()
	rank, ok := v.locate(r, false)
	if !ok {
		return 0, 0
	}
	if v.o != nil {
		last, ok := v.locate(r, true)
		if !ok {
			return 0, 0
		}
		return rank, max(0, last-rank+1)
	}
	v.walk(rank, false, func(member []byte, score float64) bool {
		if r.above(member, score) {
			return false
		}
		count++
		return true
	})
	return rank, count
}

// locate returns the rank of the first member in an interval, reversed: of the
// last one.
func (v zsetView) locate(r *ZRange, reverse bool) (rank int, ok bool) {
	n := v.length()
	if n == 0 || r.empty() {
		return 0, false
	}
	// The ends first: where members of different scores are asked for by
	// name, which has no defined result, Redis looks at them first too.
	out := false
	v.walk(n-1, false, func(member []byte, score float64) bool { out = r.below(member, score); return false })
	if out {
		return 0, false
	}
	v.walk(0, false, func(member []byte, score float64) bool { out = r.above(member, score); return false })
	if out {
		return 0, false
	}
	if v.o == nil {
		rank = at(0, n, reverse)
		v.walk(rank, reverse, func(member []byte, score float64) bool {
			if reverse {
				ok = !r.above(member, score)
				rank--
			} else {
				ok = !r.below(member, score)
				rank++
			}
			return !ok
		})
		if reverse {
			return rank + 1, ok
		}
		return rank - 1, ok
	}
	a := v.o.store.arena
	name := func(e zsetEntry) []byte {
		if !r.Lex {
			return nil
		}
		element := a.parseElement(e.at)
		return element.name()
	}
	if reverse {
		p := v.o.tree.search(a, func(e zsetEntry) bool { return !r.above(name(e), e.score) })
		rank = p.rank(a) - 1
		return rank, rank >= 0
	}
	p := v.o.tree.search(a, func(e zsetEntry) bool { return r.below(name(e), e.score) })
	rank = p.rank(a)
	return rank, rank < n
}
