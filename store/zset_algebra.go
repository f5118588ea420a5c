package store

import (
	"math"
	"slices"
)

// Aggregate is how the scores of a member of several sets become one.
type Aggregate int

// Aggregates.
const (
	AggregateSum Aggregate = iota
	AggregateMin
	AggregateMax
)

// fold combines two scores. What is not a number counts as 0 in a sum.
func (g Aggregate) fold(score, more float64) float64 {
	switch g {
	case AggregateMin:
		if more < score {
			return more
		}
		return score
	case AggregateMax:
		if more > score {
			return more
		}
		return score
	}
	if score += more; math.IsNaN(score) {
		return 0
	}
	return score
}

// weighted is a score times a weight, 0 when that is not a number.
func weighted(score, weight float64) float64 {
	if score *= weight; math.IsNaN(score) {
		return 0
	}
	return score
}

// Inputs are sets and sorted sets to be combined; a member of a set has the
// score 1. They are used under the locks under which they were opened, but for
// the pauses of Combine.
type Inputs struct {
	sh    *shard // where results are built
	list  []input
	pause func() bool
}

type input struct {
	weight float64
	set    Set // when it is one
	isSet  bool
	zset   zsetView
}

func (in *input) length() int {
	if in.isSet {
		return in.set.Len()
	}
	return in.zset.length()
}

func (in *input) score(member []byte) (float64, bool) {
	if in.isSet {
		return 1, in.set.Contains(member)
	}
	return in.zset.score(member)
}

// spread is each in the order of Set.spread.
func (in *input) spread(fn func(member []byte, score float64) bool) {
	switch {
	case in.isSet:
		in.set.spread(func(member []byte) bool { return fn(member, 1) })
	case in.zset.o != nil:
		in.zset.o.spread(func(r *element) bool { return fn(r.name(), elementScore(r)) })
	default:
		in.zset.walk(0, false, fn)
	}
}

// OpenInputs looks the sets and sorted sets at keys up; missing ones are empty.
// Error: ErrWrongType.
func (tx *Tx) OpenInputs(keys []Key) (*Inputs, error) {
	in := &Inputs{sh: &tx.Store.shards[keys[0].Shard()], list: make([]input, len(keys)), pause: tx.Pause}
	for i, k := range keys {
		it := tx.use(k)
		one := &in.list[i]
		one.weight = 1
		switch {
		case !it.live:
		case it.rec.typ() == TypeZSet:
			z := ZSet{tx, k, it}
			one.zset = z.view()
		case it.rec.typ() == TypeSet:
			one.isSet, one.set = true, Set{tx, k, it}
		default:
			return nil, ErrWrongType
		}
	}
	return in, nil
}

// SetWeight makes all scores of input i count times weight.
func (in *Inputs) SetWeight(i int, weight float64) { in.list[i].weight = weight }

// Combine computes an operation, in steps. Error: ErrOutOfMemory, ErrKeyTooLong,
// ErrChanged.
func (in *Inputs) Combine(op SetOp, g Aggregate) (*ZSetResult, error) {
	r := &ZSetResult{zsetBuilder{sh: in.sh, signed: true, apart: in.pause != nil, unordered: true}, steps{pause: in.pause}}
	var err error
	switch op {
	case Union:
		err = in.union(r, g)
	case Intersection:
		in.intersect(&r.st, g, func(member []byte, score float64) bool {
			err = r.Add(member, score)
			return err == nil
		})
	case Difference:
		in.list[0].spread(func(member []byte, score float64) bool {
			for i := range in.list[1:] {
				if _, found := in.list[i+1].score(member); found {
					return r.st.next()
				}
			}
			err = r.Add(member, score)
			return err == nil
		})
	}
	if err = r.st.end(err); err == nil {
		err = r.Order()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// bySize orders the inputs as Redis does, which shows in the rounding of sums.
func (in *Inputs) bySize() {
	slices.SortStableFunc(in.list, func(a, b input) int { return a.length() - b.length() })
}

func (in *Inputs) union(r *ZSetResult, g Aggregate) (err error) {
	in.bySize()
	for i := range in.list {
		one := &in.list[i]
		one.spread(func(member []byte, score float64) bool {
			err = r.fold(g, member, weighted(score, one.weight))
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fold is Add of a score to the one that the member has, if any.
func (r *ZSetResult) fold(g Aggregate, member []byte, score float64) error {
	if o := r.b.o; o != nil {
		tag := elementTag(member)
		old, at, found := o.lookupTag(tag, member)
		if found {
			score = g.fold(elementScore(&old), score)
		}
		err := o.putUnordered(tag, member, score, old, at, found)
		if err == nil && !r.st.next() {
			err = ErrChanged
		}
		return err
	}
	if was, found := r.b.view().score(member); found {
		score = g.fold(was, score)
	}
	return r.Add(member, score)
}

// intersect calls fn for the common members with their scores until it returns false,
// in an order that suits adding them to another set.
func (in *Inputs) intersect(st *steps, g Aggregate, fn func(member []byte, score float64) bool) {
	in.bySize()
	first, rest := &in.list[0], in.list[1:]
	first.spread(func(member []byte, score float64) bool {
		sum := weighted(score, first.weight)
		for i := range rest {
			more, found := rest[i].score(member)
			if !found {
				return st.next()
			}
			sum = g.fold(sum, more*rest[i].weight)
		}
		return fn(member, sum)
	})
}

// IntersectionLen counts the common members, up to limit unless that is 0, in steps.
// Error: ErrChanged.
func (in *Inputs) IntersectionLen(limit int) (n int, err error) {
	st := steps{pause: in.pause}
	in.intersect(&st, AggregateSum, func([]byte, float64) bool {
		n++
		return st.next() && n != limit
	})
	return n, st.end(nil)
}
