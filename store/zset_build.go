package store

import (
	"bytes"
	"math"
)

// ZAddFlags are conditions of ZSet.Add.
type ZAddFlags uint8

// Conditions, as the options of ZADD.
const (
	ZAddNX   ZAddFlags = 1 << iota // only new members
	ZAddXX                         // only present members
	ZAddGT                         // present members only to a greater score
	ZAddLT                         // present members only to a lower score
	ZAddIncr                       // the score is added to the present one
)

// ZAddResult is what became of the members of ZSet.Add.
type ZAddResult struct {
	Added   int     // members that are new
	Updated int     // members with another score than before
	Done    int     // members looked at; all of them unless there is an error
	Score   float64 // of the last member, when Kept is not set
	Kept    bool    // the last member was left alone for a condition
	Changed []int   // which members were added or updated; only with flags
}

// Scored is a member with its score.
type Scored struct {
	Score  float64
	Member []byte
}

// Add gives members their scores, on the conditions of flags. Errors:
// ErrOutOfMemory, ErrKeyTooLong, ErrScoreNaN; then the result tells what was
// done all the same: the first Done members.
func (z *ZSet) Add(flags ZAddFlags, members ...Scored) (ZAddResult, error) {
	b := zsetBuilder{sh: z.it.sh}
	var r ZAddResult
	if z.it.live && z.it.rec.large() {
		b.o = z.view().o
		err := b.addAll(flags, members, &r)
		return r, err
	}
	size := 0
	for _, m := range members {
		size += packedSize(m.Member) + maxScoreText + 2
	}
	if z.it.live {
		b.p = z.it.edit(min(size, maxPacked))
	}
	if err := b.addAll(flags, members, &r); err != nil {
		b.discard()
		return ZAddResult{}, err
	}
	if r.Added+r.Updated == 0 {
		b.discard()
		return r, nil
	}
	if b.o != nil {
		if err := z.tx.convert(&z.it, z.k, TypeZSet, EncodingSkiplist, b.o); err != nil {
			return ZAddResult{}, err
		}
		return r, nil
	}
	if err := z.tx.setPacked(&z.it, z.k, TypeZSet, EncodingListpack, b.p); err != nil {
		return ZAddResult{}, err
	}
	return r, nil
}

// zsetBuilder makes a sorted set outside of the keyspace, of the form that
// adding its members one by one gives. Its zero value, with sh set, is empty.
type zsetBuilder struct {
	sh *shard
	p  packed // nil while empty, or large
	o  *zsetObject
	// signed keeps the sign of zero in p, for a result that is not stored.
	signed bool
	apart  bool // as of setBuilder
	// unordered: members come in no order, and many, so o has no tree until the end.
	unordered bool
}

func (b *zsetBuilder) view() zsetView { return zsetView{p: b.p, o: b.o} }

func (b *zsetBuilder) addAll(flags ZAddFlags, members []Scored, r *ZAddResult) error {
	for i, m := range members {
		changes := r.Added + r.Updated
		if err := b.add(flags, m.Score, m.Member, r); err != nil {
			return err
		}
		r.Done++
		if flags != 0 && r.Added+r.Updated > changes {
			r.Changed = append(r.Changed, i)
		}
	}
	return nil
}

// add gives a member a score on the conditions of flags.
func (b *zsetBuilder) add(flags ZAddFlags, score float64, member []byte, r *ZAddResult) error {
	var (
		tag   uint32
		old   element
		where place
		pos   int
		found bool
		was   float64
	)
	switch {
	case b.o != nil:
		tag = elementTag(member)
		if old, where, found = b.o.lookupTag(tag, member); found {
			was = elementScore(&old)
		}
	case b.p != nil:
		if pos = b.p.find(b.p.first(), member, 2); pos >= 0 {
			e, _ := b.p.get(b.p.next(pos))
			found, was = true, e.score()
		}
	}
	r.Kept = true
	if found && flags&ZAddNX != 0 || !found && flags&ZAddXX != 0 {
		return nil
	}
	if found {
		if flags&ZAddIncr != 0 {
			if score += was; math.IsNaN(score) {
				return ErrScoreNaN
			}
		}
		if flags&ZAddLT != 0 && score >= was || flags&ZAddGT != 0 && score <= was {
			return nil
		}
	}
	r.Kept, r.Score = false, score
	switch {
	case found && score == was && (!b.signed || math.Signbit(score) == math.Signbit(was)):
		return nil
	case b.unordered && b.o != nil:
		if err := b.o.putUnordered(tag, member, score, old, where, found); err != nil {
			return err
		}
	case b.o != nil:
		if err := b.o.put(tag, member, score, old, where, found); err != nil {
			return err
		}
	case found:
		b.p = b.p.replace(pos, b.p.skip(pos, 2), nil, -2)
		b.insert(score, member)
	default:
		if err := b.addNew(score, member); err != nil {
			return err
		}
	}
	if found {
		r.Updated++
	} else {
		r.Added++
	}
	return nil
}

// addNew adds a member that is not there to a set that is not large.
func (b *zsetBuilder) addNew(score float64, member []byte) error {
	limits := b.sh.store.limits.Load()
	if len(member) > limits.ZSetMaxListpackValue || b.view().length() >= limits.ZSetMaxListpackEntries ||
		len(b.p)+packedSize(member)+maxScoreText > maxPacked {
		if err := b.enlarge(); err != nil {
			return err
		}
		return b.append(b.o, member, score)
	}
	if b.p == nil {
		if b.apart {
			b.p = newPacked(make([]byte, 0, 64))
		} else {
			b.p = newPacked(b.sh.buffer(64))
		}
	}
	b.insert(score, member)
	return nil
}

// insert puts a member that is not there in its place in a packed set.
func (b *zsetBuilder) insert(score float64, member []byte) {
	p := b.p
	var text [maxIntText]byte
	// Members often come in order: from the end.
	pos := p.end()
	for pos > p.first() {
		at := p.prev(pos)
		before := p.prev(at)
		e, _ := p.get(at)
		s := e.score()
		if s < score {
			break
		}
		if s == score {
			if m, _ := p.get(before); bytes.Compare(m.bytes(text[:0]), member) < 0 {
				break
			}
		}
		pos = before
	}
	entry := appendPacked(b.sh.part[:0], member)
	if b.signed && isNegativeZero(score) {
		entry = appendPacked(entry, negativeZero)
	} else {
		entry = appendPackedScore(entry, score)
	}
	b.p = p.replace(pos, pos, entry, 2)
	if b.sh.part = entry[:0]; cap(entry) > maxScratch {
		b.sh.part = nil
	}
}

var negativeZero = []byte("-0")

func isNegativeZero(score float64) bool { return score == 0 && math.Signbit(score) }

// unsign makes the scores of a packed set what they are in the keyspace.
func (b *zsetBuilder) unsign() {
	p := b.p
	for pos := p.first(); pos < p.end(); {
		at := p.next(pos)
		e, next := p.get(at)
		if e.text != nil && isNegativeZero(e.score()) {
			p = p.replace(at, next, appendPackedInt(nil, 0), 0)
			next = p.next(at)
		}
		pos = next
	}
	b.p = p
}

// enlarge makes an object of the members.
func (b *zsetBuilder) enlarge() error {
	o := new(zsetObject)
	if err := o.init(b.sh); err != nil {
		return err
	}
	var err error
	b.view().walk(0, false, func(member []byte, score float64) bool {
		err = b.append(o, member, score)
		return err == nil
	})
	if err != nil {
		b.sh.discard(o)
		return err
	}
	b.o, b.p = o, nil
	return nil
}

// append adds a member that is not there to an object.
func (b *zsetBuilder) append(o *zsetObject, member []byte, score float64) error {
	if b.unordered {
		return o.putUnordered(elementTag(member), member, score, element{}, place{}, false)
	}
	return o.add(member, score)
}

// discard frees what was built.
func (b *zsetBuilder) discard() {
	if b.o != nil {
		b.sh.discard(b.o)
	}
	*b = zsetBuilder{sh: b.sh, signed: b.signed, apart: b.apart, unordered: b.unordered}
}

// ZSetResult is a sorted set outside of the keyspace. It is used, and closed or
// stored, under the locks under which the making ended.
type ZSetResult struct {
	b  zsetBuilder
	st steps
}

// NewZSetResult is an empty sorted set that is to be stored at k. ordered: its members
// come in order, or few; else Order follows the last one.
func (tx *Tx) NewZSetResult(k Key, ordered bool) *ZSetResult {
	return &ZSetResult{zsetBuilder{sh: &tx.Store.shards[k.Shard()], apart: tx.Pause != nil, unordered: !ordered}, tx.steps()}
}

// Order brings the members of a result that is not ordered into order, in steps, after
// the last one was added. Errors: ErrOutOfMemory, ErrChanged.
func (r *ZSetResult) Order() error {
	if !r.b.unordered || r.b.o == nil {
		return nil
	}
	r.b.unordered = false
	return r.b.o.order(&r.st)
}

// Add gives a member a score, and may pause after that. Errors: ErrOutOfMemory,
// ErrKeyTooLong, ErrChanged.
func (r *ZSetResult) Add(member []byte, score float64) error {
	var done ZAddResult
	err := r.b.add(0, score, member, &done)
	if err == nil && !r.st.next() {
		err = ErrChanged
	}
	return err
}

// Expect says that n members are going to be added, so that many need not be
// packed first. Error: ErrOutOfMemory.
func (r *ZSetResult) Expect(n int) error {
	if r.b.o == nil && n > r.b.sh.store.limits.Load().ZSetMaxListpackEntries {
		return r.b.enlarge()
	}
	return nil
}

// Len is the number of members.
func (r *ZSetResult) Len() int { return r.b.view().length() }

// Each calls fn for every member in order, valid during the call only.
func (r *ZSetResult) Each(fn func(member []byte, score float64) bool) {
	r.b.view().walk(0, false, fn)
}

// Close frees the result.
func (r *ZSetResult) Close() { r.b.discard() }

// Store makes the members the value of k, whatever was there; no members: k is
// removed. changed says whether there is, or was, anything. The result is
// closed. Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (r *ZSetResult) Store(tx *Tx, k Key) (changed bool, err error) {
	it := tx.look(k)
	defer func() { r.b = zsetBuilder{sh: r.b.sh, apart: r.b.apart} }()
	switch {
	case r.Len() == 0:
		live := it.live
		if it.found {
			it.sh.removeItem(&it)
		}
		r.b.discard()
		return live, nil
	case r.b.o != nil:
		if it.sh != r.b.sh {
			r.b.o.reparent(&it.sh.owner)
		}
		err = tx.setObject(&it, k, TypeZSet, EncodingSkiplist, r.b.o, noDeadline, tx.newAccess())
		if err != nil {
			it.sh.discard(r.b.o)
		}
		return err == nil, err
	}
	if r.b.signed {
		r.b.unsign()
	}
	dst, _, err := tx.write(&it, k, newValue{
		typ: TypeZSet, encoding: EncodingListpack, length: len(r.b.p), deadline: noDeadline, access: tx.newAccess(),
	})
	if err == nil {
		copy(dst, r.b.p)
	}
	return err == nil, err
}
