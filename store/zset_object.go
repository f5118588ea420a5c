package store

import (
	"encoding/binary"
	"math"
)

// zsetObject is a large sorted set: elements whose values are scores, and their
// order.
type zsetObject struct {
	elements
	tree zsetTree
}

const scoreSize = 8

func elementScore(r *element) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(r.inline()))
}

func scoreBytes(score float64) (value [scoreSize]byte) {
	binary.LittleEndian.PutUint64(value[:], math.Float64bits(score))
	return value
}

// before tells what comes before the member with that score.
func (o *zsetObject) before(score float64, member []byte) func(e zsetEntry) bool {
	a := o.store.arena
	return func(e zsetEntry) bool {
		if e.score != score {
			return e.score < score
		}
		r := a.parseElement(e.at)
		return string(r.name()) < string(member)
	}
}

// put gives a member a score; old and at are what lookupTag found. Errors:
// ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (o *zsetObject) put(tag uint32, member []byte, score float64, old element, at place, found bool) error {
	value := scoreBytes(score)
	if found && elementScore(&old) == score {
		// Zero with another sign stays where it is.
		p := o.tree.find(o.store.arena, o.before(score, member))
		s := p.steps[p.depth]
		o.store.arena.zsetNode(s.node).leaf()[s.at].score = score
		copy(old.inline(), value[:])
		return nil
	}
	if found {
		// First the new place, for which memory may be wanted, then the old.
		if err := o.tree.insert(&o.owner, zsetEntry{score, old.ref}, o.before(score, member)); err != nil {
			return err
		}
		p := o.tree.find(o.store.arena, o.before(elementScore(&old), member))
		o.tree.remove(&o.owner, &p)
		copy(old.inline(), value[:])
		return nil
	}
	ref, err := o.elements.put(tag, member, value[:], noDeadline, old, at, false)
	if err != nil {
		return err
	}
	if err = o.tree.insert(&o.owner, zsetEntry{score, ref}, o.before(score, member)); err != nil {
		r, at, _ := o.lookupTag(tag, member)
		o.elements.delete(&r, at)
	}
	return err
}

// add is put for a member that is not there.
func (o *zsetObject) add(member []byte, score float64) error {
	return o.put(elementTag(member), member, score, element{}, place{}, false)
}

// delete removes an element found.
func (o *zsetObject) delete(r *element, at place) {
	p := o.tree.find(o.store.arena, o.before(elementScore(r), r.name()))
	o.tree.remove(&o.owner, &p)
	o.elements.delete(r, at)
}

// rank is the number of members before one that is there.
func (o *zsetObject) rank(score float64, member []byte) int {
	p := o.tree.search(o.store.arena, o.before(score, member))
	return p.rank(o.store.arena)
}

// walk calls fn for members in order from rank on, reversed: downwards, until
// it returns false.
func (o *zsetObject) walk(rank int, reverse bool, fn func(member []byte, score float64) bool) {
	if rank < 0 || rank >= o.length() {
		return
	}
	a := o.store.arena
	p := o.tree.seek(a, rank)
	for more := true; more; more = p.nextLeaf(a, reverse) {
		entries := p.leaf(a, reverse)
		for i := range min(prefetchAhead, len(entries)) {
			prefetch(a.mappedAddr(entries[at(i, len(entries), reverse)].at))
		}
		for i := range entries {
			if i+prefetchAhead < len(entries) {
				prefetch(a.mappedAddr(entries[at(i+prefetchAhead, len(entries), reverse)].at))
			}
			e := entries[at(i, len(entries), reverse)]
			r := a.parseElement(e.at)
			if !fn(r.name(), e.score) {
				return
			}
		}
	}
}

// at is the index of the i-th of n things, in either direction.
func at(i, n int, reverse bool) int {
	if reverse {
		return n - 1 - i
	}
	return i
}

func (o *zsetObject) clone(sh *shard, st *steps) (object, error) {
	c := new(zsetObject)
	if err := c.init(sh); err != nil {
		return nil, err
	}
	var err error
	o.walk(0, false, func(member []byte, score float64) bool {
		err = c.add(member, score)
		return err == nil && st.next()
	})
	if err = st.end(err); err != nil {
		sh.discard(c)
		return nil, err
	}
	return c, nil
}

func (o *zsetObject) digest(d *digest) {
	o.walk(0, false, func(member []byte, score float64) bool {
		d.addScored(member, score)
		return true
	})
}

func (d *digest) addScored(member []byte, score float64) {
	var one digest
	var text [maxScoreText]byte
	one.mix(member)
	one.mix(AppendScore(text[:0], score))
	d.add(one[:])
}

// dump writes, in order, for each member its length as varint, the member, and
// the bits of its score, little-endian.
func (o *zsetObject) dump(w *partWriter) {
	o.walk(0, false, func(member []byte, score float64) bool {
		w.chunk(member)
		w.buf = binary.LittleEndian.AppendUint64(w.buf, math.Float64bits(score))
		return w.cut()
	})
}

func loadZSet(sh *shard, e Encoding, in *partReader) (object, error) {
	if e != EncodingSkiplist || !in.more() {
		return nil, ErrBadPayload
	}
	o := new(zsetObject)
	if err := o.init(sh); err != nil {
		return nil, err
	}
	for in.more() {
		member, ok := in.chunk()
		if !ok || len(in.data) < scoreSize {
			sh.discard(o)
			return nil, ErrBadPayload
		}
		score := math.Float64frombits(binary.LittleEndian.Uint64(in.data))
		in.data = in.data[scoreSize:]
		tag := elementTag(member)
		old, at, found := o.lookupTag(tag, member)
		err := ErrBadPayload
		if !found && !math.IsNaN(score) {
			err = o.put(tag, member, score, old, at, false)
		}
		if err != nil {
			sh.discard(o)
			return nil, err
		}
	}
	return o, nil
}

// freeStep implements object.
func (o *zsetObject) freeStep(max int) (freed int, done bool) {
	freed, done = o.tree.freeStep(&o.owner, max)
	if !done || freed >= max {
		return freed, false
	}
	n, done := o.elements.freeStep(max - freed)
	return freed + n, done
}

// compactStep implements object: positions below tagEnd are those of the
// elements, then come ranks.
func (o *zsetObject) compactStep(pos uint64, budget int) (next uint64, looked, moved int) {
	a := o.store.arena
	if pos < tagEnd {
		next, looked, moved = o.compactElements(pos, budget, func(r *element, to ref) {
			p := o.tree.find(a, o.before(elementScore(r), r.name()))
			o.tree.moved(a, &p, to)
		})
		if next == 0 {
			next = tagEnd
		}
		return next, looked, moved
	}
	rank, looked, moved := o.tree.compactStep(&o.owner, int(pos-tagEnd), o.length(), budget)
	if rank >= o.length() {
		return 0, looked, moved
	}
	return tagEnd + uint64(rank), looked, moved
}

func init() {
	typeForms[TypeZSet] = typeForm{digestPacked: digestPackedZSet, validPacked: validPackedZSet, load: loadZSet}
}
