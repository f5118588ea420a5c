package store

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
)

// A sorted set is
//
//	EncodingListpack   packed: member, score, member, score, ... in order
//	EncodingSkiplist   zsetObject
//
// in the order of scores and, among equal scores, of the members' bytes. A
// score in a packed value is an integer where it has no fraction, else its
// decimal text with 17 digits.

// ErrScoreNaN says that a score would not be a number.
var ErrScoreNaN = errors.New("store: resulting score is not a number")

// maxScoreText is the length of the longest score: -1.7976931348623157e+308.
const maxScoreText = 24

// AppendScore appends a score as Redis writes it ("%.17g", inf, -inf).
func AppendScore(dst []byte, score float64) []byte {
	switch {
	case math.IsInf(score, 1):
		return append(dst, "inf"...)
	case math.IsInf(score, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, score, 'g', 17, 64)
}

// wholeScore is a score as an integer, if it is one and not too large to tell.
func wholeScore(score float64) (int64, bool) {
	if !(score >= -math.MaxInt64/2 && score <= math.MaxInt64/2) {
		return 0, false
	}
	n := int64(score)
	return n, float64(n) == score
}

// appendPackedScore appends a score as an entry; as in Redis, the sign of zero
// gets lost.
func appendPackedScore(buf []byte, score float64) []byte {
	if n, ok := wholeScore(score); ok {
		return appendPackedInt(buf, n)
	}
	var text [maxScoreText]byte
	return appendPacked(buf, AppendScore(text[:0], score))
}

// score reads an entry that is a score; NaN if it is none.
func (e packedEntry) score() float64 {
	if e.text == nil {
		return float64(e.n)
	}
	f, err := strconv.ParseFloat(string(e.text), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// zsetView is a sorted set to read, in one of its forms or, neither, empty.
type zsetView struct {
	p packed
	o *zsetObject
}

func (v zsetView) length() int {
	switch {
	case v.o != nil:
		return v.o.length()
	case v.p != nil:
		return v.p.entries() / 2
	}
	return 0
}

// find finds a member of a packed set: its position and rank.
func (v zsetView) find(member []byte) (pos, rank int, ok bool) {
	p := v.p
	for pos := p.first(); pos < p.end(); rank++ {
		e, next := p.get(pos)
		if e.equal(member) {
			return pos, rank, true
		}
		pos = p.next(next)
	}
	return 0, 0, false
}

func (v zsetView) score(member []byte) (float64, bool) {
	switch {
	case v.o != nil:
		r, _, ok := v.o.lookup(member)
		if !ok {
			return 0, false
		}
		return elementScore(&r), true
	case v.p != nil:
		if pos := v.p.find(v.p.first(), member, 2); pos >= 0 {
			e, _ := v.p.get(v.p.next(pos))
			return e.score(), true
		}
	}
	return 0, false
}

// walk calls fn for members in order from rank on, reversed: downwards, until
// it returns false.
func (v zsetView) walk(rank int, reverse bool, fn func(member []byte, score float64) bool) {
	switch {
	case v.o != nil:
		v.o.walk(rank, reverse, fn)
		return
	case v.p == nil || rank < 0 || rank >= v.length():
		return
	}
	text := make([]byte, 0, maxIntText)
	p := v.p
	for pos := p.seek(2 * rank); ; {
		e, next := p.get(pos)
		s, after := p.get(next)
		if !fn(e.bytes(text), s.score()) {
			return
		}
		if !reverse {
			pos = after
		} else if pos > p.first() {
			pos = p.prev(p.prev(pos))
		} else {
			return
		}
		if pos >= p.end() {
			return
		}
	}
}

// ZSet is the sorted set at a key during one command, under the conditions of Tx.
type ZSet struct {
	tx *Tx
	k  Key
	it item
}

// OpenZSet looks the sorted set at k up, which may be missing. Error:
// ErrWrongType.
func (tx *Tx) OpenZSet(k Key) (ZSet, error) {
	it, err := tx.collection(k, TypeZSet)
	return ZSet{tx, k, it}, err
}

func (z *ZSet) view() zsetView {
	switch {
	case !z.it.live:
		return zsetView{}
	case z.it.rec.large():
		return zsetView{o: z.it.object().(*zsetObject)}
	}
	return zsetView{p: z.it.packed()}
}

// Exists says whether there is a sorted set.
func (z *ZSet) Exists() bool { return z.it.live }

// Len is the number of members.
func (z *ZSet) Len() int { return z.view().length() }

// Score is the score of a member.
func (z *ZSet) Score(member []byte) (score float64, ok bool) { return z.view().score(member) }

// Rank is the number of members before one, reversed: after it.
func (z *ZSet) Rank(member []byte, reverse bool) (rank int, score float64, ok bool) {
	v := z.view()
	switch {
	case v.o != nil:
		r, _, found := v.o.lookup(member)
		if !found {
			return 0, 0, false
		}
		score = elementScore(&r)
		rank = v.o.rank(score, member)
	case v.p != nil:
		var pos int
		if pos, rank, ok = v.find(member); !ok {
			return 0, 0, false
		}
		e, _ := v.p.get(v.p.next(pos))
		score = e.score()
	default:
		return 0, 0, false
	}
	if reverse {
		rank = v.length() - 1 - rank
	}
	return rank, score, true
}

// Walk calls fn for members in order from rank on, reversed: downwards, until it
// returns false. The member is valid during the call only; fn must not change
// the set.
func (z *ZSet) Walk(rank int, reverse bool, fn func(member []byte, score float64) bool) {
	z.view().walk(rank, reverse, fn)
}

// Scan is as Hash.Scan: small sets are returned whole. Scores are text in the
// form in which they are kept, which is what ZSCAN shows.
func (z *ZSet) Scan(cursor uint64, count int, fn func(member, score []byte)) (next uint64) {
	v := z.view()
	text := make([]byte, 0, maxScoreText)
	if v.o == nil {
		v.walk(0, false, func(member []byte, score float64) bool {
			if n, ok := wholeScore(score); ok {
				fn(member, strconv.AppendInt(text, n, 10))
			} else {
				fn(member, AppendScore(text, score))
			}
			return true
		})
		return 0
	}
	return v.o.elements.walk(cursor, count, func(r *element) { fn(r.name(), AppendScore(text, elementScore(r))) })
}

// Remove removes a member and says whether it was there. The set goes with its
// last member. Error: ErrOutOfMemory; then nothing has changed.
func (z *ZSet) Remove(member []byte) (bool, error) {
	v := z.view()
	switch {
	case v.o != nil:
		r, at, ok := v.o.lookup(member)
		if ok {
			v.o.delete(&r, at)
			z.dropEmpty(v.o)
		}
		return ok, nil
	case v.p != nil:
		pos := v.p.find(v.p.first(), member, 2)
		if pos < 0 {
			return false, nil
		}
		return true, z.cut(pos, v.p.skip(pos, 2), 1)
	}
	return false, nil
}

// RemoveRange removes count members from rank on, which are there. The set goes
// with its last member. Errors: ErrOutOfMemory, ErrChanged; then nothing has changed.
func (z *ZSet) RemoveRange(rank, count int) error {
	v := z.view()
	switch {
	case count == 0:
	case count == v.length():
		z.it.sh.removeItem(&z.it)
		z.it = item{sh: z.it.sh}
	case v.o == nil:
		from := v.p.seek(2 * rank)
		return z.cut(from, v.p.skip(from, 2*count), count)
	case z.tx.Pause != nil && count > freeAtOnce && count > v.length()/8*7:
		return z.removeInSteps(rank, count)
	case z.tx.Pause != nil && isManyLess(count, v.length()):
		return z.removeLess(rank, count)
	default:
		a := v.o.store.arena
		for range count {
			p := v.o.tree.seek(a, rank)
			s := p.steps[p.depth]
			r := a.parseElement(a.zsetNode(s.node).leaf()[s.at].at)
			_, at, _ := v.o.lookup(r.name())
			v.o.tree.remove(&v.o.owner, &p)
			v.o.elements.delete(&r, at)
		}
	}
	return nil
}

// removeInSteps is RemoveRange for nearly all of a large set: the set is made anew, without
// the range, and takes the place of the old one. Errors: ErrOutOfMemory, ErrChanged;
// then nothing has changed.
func (z *ZSet) removeInSteps(rank, count int) error {
	r := z.tx.NewZSetResult(z.k, true)
	err := r.b.enlarge()
	left, at := z.Len()-count, 0
	keep := func(member []byte, score float64) bool {
		err = r.Add(member, score)
		left, at = left-1, at+1
		return err == nil && left > 0 && at != rank
	}
	if err == nil && rank > 0 {
		z.Walk(0, false, keep)
	}
	if err == nil && left > 0 {
		z.Walk(rank+count, false, keep)
	}
	if err != nil {
		r.Close()
		return err
	}
	z.it = z.tx.look(z.k) // a pause may have moved its entry
	return z.tx.convert(&z.it, z.k, TypeZSet, EncodingSkiplist, r.b.o)
}

// cut takes entries out of a packed set.
func (z *ZSet) cut(from, to, members int) error {
	if members == z.Len() {
		z.it.sh.removeItem(&z.it)
		z.it = item{sh: z.it.sh}
		return nil
	}
	p := z.it.edit(0).replace(from, to, nil, -2*members)
	return z.tx.setPacked(&z.it, z.k, TypeZSet, EncodingListpack, p)
}

func (z *ZSet) dropEmpty(o *zsetObject) {
	if o.length() == 0 {
		z.it.sh.removeItem(&z.it)
		z.it = item{sh: z.it.sh}
	}
}

// Random calls fn for count members drawn at random, each time from all of them
// with equal probability, until it returns false.
func (z *ZSet) Random(count int, fn func(member []byte, score float64) bool) {
	v := z.view()
	n := v.length()
	if n == 0 {
		return
	}
	more := true
	for ; more && count > 0; count-- {
		if v.o != nil {
			r := v.o.random()
			more = fn(r.name(), elementScore(&r))
			continue
		}
		v.walk(rand.IntN(n), false, func(member []byte, score float64) bool {
			more = fn(member, score)
			return false
		})
	}
}

// Sample calls fn for count different members drawn at random, all of them when
// there are no more.
func (z *ZSet) Sample(count int, fn func(member []byte, score float64) bool) {
	v := z.view()
	if v.length() == 0 || count <= 0 {
		return
	}
	if v.o != nil {
		st := z.tx.steps()
		v.o.sample(count, &st, func(*element) bool { return true }, func(r *element) bool { return fn(r.name(), elementScore(r)) })
		return
	}
	// As Set.Sample.
	left := v.length()
	want := min(count, left)
	v.walk(0, false, func(member []byte, score float64) bool {
		if rand.IntN(left) < want {
			want--
			if !fn(member, score) {
				return false
			}
		}
		left--
		return want > 0
	})
}

func digestPackedZSet(d *digest, _ Encoding, value []byte) {
	zsetView{p: packed(value)}.walk(0, false, func(member []byte, score float64) bool {
		d.addScored(member, score)
		return true
	})
}

// validPackedZSet refuses, of what is well-formed, scores that are none,
// disorder, and members that come twice.
func validPackedZSet(e Encoding, value []byte) bool {
	if e != EncodingListpack || !validPacked(value) || packed(value).entries() == 0 || packed(value).entries()%2 != 0 {
		return false
	}
	v := zsetView{p: packed(value)}
	seen := make(map[string]struct{}, v.length())
	valid := true
	last, lastMember := math.Inf(-1), []byte(nil)
	v.walk(0, false, func(member []byte, score float64) bool {
		valid = !math.IsNaN(score) && (len(seen) == 0 || last < score || last == score && bytes.Compare(lastMember, member) < 0)
		seen[string(member)] = struct{}{}
		last, lastMember = score, append(lastMember[:0], member...)
		return valid
	})
	return valid && len(seen) == v.length()
}
