package store

import (
	"math/rand/v2"
	"strconv"
)

// A set is
//
//	EncodingIntset      intset: members are canonical integers
//	encodingPackedSet   packed: members
//	EncodingHashtable   setObject
//
// Redis 7.0 has no second form; OBJECT ENCODING tells of it as hashtable.
type setObject struct{ elements }

// Bounds of encodingPackedSet: those of Redis 7.2, which has such a form.
const (
	maxPackedSetEntries = 128
	maxPackedSetValue   = 64
)

// Set is the set at a key during one command, under the conditions of Tx.
type Set struct {
	tx *Tx
	k  Key
	it item
}

// OpenSet looks the set at k up, which may be missing. Error: ErrWrongType.
func (tx *Tx) OpenSet(k Key) (Set, error) {
	it, err := tx.collection(k, TypeSet)
	return Set{tx, k, it}, err
}

// Exists says whether there is a set.
func (s *Set) Exists() bool { return s.it.live }

func (s *Set) large() *setObject { return s.it.object().(*setObject) }

func (s *Set) isLarge() bool { return s.it.live && s.it.rec.large() }

func (s *Set) isIntset() bool { return s.it.rec.encoding() == EncodingIntset }

func (s *Set) ints() intset { return intset(s.it.rec.inline()) }

// Len is the number of members.
func (s *Set) Len() int {
	switch {
	case !s.it.live:
		return 0
	case s.isLarge():
		return s.large().length()
	case s.isIntset():
		return s.ints().members()
	}
	return s.it.packed().entries()
}

// Contains says whether member is in the set.
func (s *Set) Contains(member []byte) bool {
	switch {
	case !s.it.live:
		return false
	case s.isLarge():
		_, _, ok := s.large().lookup(member)
		return ok
	case s.isIntset():
		n, ok := packedInt(member)
		if ok {
			_, ok = s.ints().find(n)
		}
		return ok
	}
	p := s.it.packed()
	return p.find(p.first(), member, 1) >= 0
}

// Each calls fn for every member until it returns false. The member is valid
// during the call only; fn must not change the set.
func (s *Set) Each(fn func(member []byte) bool) {
	if !s.it.live {
		return
	}
	b := setBuilder{sh: s.it.sh, encoding: s.it.rec.encoding(), data: s.it.rec.inline()}
	if s.isLarge() {
		b.o = s.large()
	}
	b.each(fn)
}

// spread is Each in an order that suits adding the members to another set.
func (s *Set) spread(fn func(member []byte) bool) {
	if s.isLarge() {
		s.large().spread(func(r *element) bool { return fn(r.name()) })
		return
	}
	s.Each(fn)
}

// Add adds members and returns how many are new. Errors: ErrOutOfMemory,
// ErrKeyTooLong; then added tells how many were added all the same, the first
// done ones being in the set.
func (s *Set) Add(members ...[]byte) (added, done int, err error) {
	b := setBuilder{sh: s.it.sh}
	if s.isLarge() {
		b.o = s.large()
		for i, m := range members {
			isNew, err := b.o.set(m, nil, noDeadline)
			if err != nil {
				return added, i, err
			}
			if isNew {
				added++
			}
		}
		return added, len(members), nil
	}
	size := 0
	for _, m := range members {
		size += packedSize(m)
	}
	if s.it.live {
		b.encoding = s.it.rec.encoding()
		b.data = s.it.edit(min(size, maxPacked))
	}
	for _, m := range members {
		isNew, err := b.add(m)
		if err != nil {
			b.discard()
			return 0, 0, err
		}
		if isNew {
			added++
		}
	}
	if added == 0 && b.encoding == s.it.rec.encoding() {
		return 0, len(members), nil
	}
	if err := b.store(s.tx, &s.it, s.k); err != nil {
		return 0, 0, err
	}
	return added, len(members), nil
}

// Remove removes a member and says whether it was there. The set goes with its
// last member. Error: ErrOutOfMemory; then nothing has changed.
func (s *Set) Remove(member []byte) (bool, error) {
	switch {
	case !s.it.live:
		return false, nil
	case s.isLarge():
		o := s.large()
		r, at, ok := o.lookup(member)
		if ok {
			o.delete(&r, at)
			if o.length() == 0 {
				s.it.sh.removeItem(&s.it)
			}
		}
		return ok, nil
	case s.isIntset():
		n, ok := packedInt(member)
		if !ok {
			return false, nil
		}
		i, ok := s.ints().find(n)
		if !ok {
			return false, nil
		}
		if s.Len() == 1 {
			s.it.sh.removeItem(&s.it)
			return true, nil
		}
		return true, s.tx.setPacked(&s.it, s.k, TypeSet, EncodingIntset, intset(s.it.edit(0)).remove(i))
	}
	p := s.it.packed()
	pos := p.find(p.first(), member, 1)
	if pos < 0 {
		return false, nil
	}
	if p.entries() == 1 {
		s.it.sh.removeItem(&s.it)
		return true, nil
	}
	p = s.it.edit(0)
	return true, s.tx.setPacked(&s.it, s.k, TypeSet, encodingPackedSet, p.replace(pos, p.next(pos), nil, -1))
}

// Random calls fn for count members drawn at random, each time from all of them
// with equal probability, until it returns false.
func (s *Set) Random(count int, fn func(member []byte) bool) {
	text := s.it.sh.text[0][:0]
	switch {
	case !s.it.live:
	case s.isLarge():
		o := s.large()
		for range count {
			r := o.random()
			if !fn(r.name()) {
				return
			}
		}
	case s.isIntset():
		ints := s.ints()
		for range count {
			if !fn(strconv.AppendInt(text, ints.at(rand.IntN(ints.members())), 10)) {
				return
			}
		}
	default:
		p := s.it.packed()
		for range count {
			e, _ := p.get(p.seek(rand.IntN(p.entries())))
			if !fn(e.bytes(text)) {
				return
			}
		}
	}
}

// Sample calls fn for count different members drawn at random, all of them when
// there are no more.
func (s *Set) Sample(count int, fn func(member []byte) bool) {
	if !s.it.live || count <= 0 {
		return
	}
	if s.isLarge() {
		st := s.tx.steps()
		s.large().sample(count, &st, func(*element) bool { return true }, func(r *element) bool { return fn(r.name()) })
		return
	}
	// Selection sampling: each member is taken with the probability that fills
	// what is still wanted from what is still to come.
	left := s.Len()
	want := min(count, left)
	s.Each(func(member []byte) bool {
		if rand.IntN(left) < want {
			want--
			if !fn(member) {
				return false
			}
		}
		left--
		return want > 0
	})
}

// setBuilder makes a set outside of the keyspace, of the form that adding its
// members one by one gives. Its zero value, with sh set, is an empty one.
type setBuilder struct {
	sh       *shard
	encoding Encoding // with data: of data
	data     []byte   // intset or packed; nil while empty, or large
	o        *setObject
	apart    bool // data must not lie in a buffer of the shard: others may use it meanwhile
}

// buffer is where data begins.
func (b *setBuilder) buffer() []byte {
	if b.apart {
		return make([]byte, 0, 64)
	}
	return b.sh.buffer(64)
}

// add adds a member and says whether it is new. Errors: ErrOutOfMemory,
// ErrKeyTooLong.
func (b *setBuilder) add(member []byte) (bool, error) {
	if b.o != nil {
		return b.o.set(member, nil, noDeadline)
	}
	n, isInt := packedInt(member)
	if b.data == nil {
		if isInt {
			b.encoding, b.data = EncodingIntset, newIntset(b.buffer())
		} else {
			b.encoding, b.data = encodingPackedSet, newPacked(b.buffer())
		}
	}
	if b.encoding == EncodingIntset {
		if isInt {
			s, added := intset(b.data).add(n)
			b.data = s
			if added && (s.members() > b.sh.store.limits.Load().SetMaxIntsetEntries || len(s) > maxPacked) {
				return true, b.leaveIntset()
			}
			return added, nil
		}
		if err := b.leaveIntset(); err != nil {
			return false, err
		}
		return b.add(member)
	}
	p := packed(b.data)
	if p.find(p.first(), member, 1) >= 0 {
		return false, nil
	}
	if len(member) > maxPackedSetValue || p.entries() >= maxPackedSetEntries {
		if err := b.enlarge(); err != nil {
			return false, err
		}
		return b.add(member)
	}
	b.data = p.add(member)
	return true, nil
}

// remove removes a member, if it is there. The form stays.
func (b *setBuilder) remove(member []byte) {
	switch {
	case b.o != nil:
		if r, at, ok := b.o.lookup(member); ok {
			b.o.delete(&r, at)
		}
	case b.data == nil:
	case b.encoding == EncodingIntset:
		if n, ok := packedInt(member); ok {
			if i, ok := intset(b.data).find(n); ok {
				b.data = intset(b.data).remove(i)
			}
		}
	default:
		p := packed(b.data)
		if pos := p.find(p.first(), member, 1); pos >= 0 {
			b.data = p.replace(pos, p.next(pos), nil, -1)
		}
	}
}

// leaveIntset makes the intset packed, or large.
func (b *setBuilder) leaveIntset() error {
	ints := intset(b.data)
	if ints.members() > maxPackedSetEntries {
		return b.enlarge()
	}
	p := newPacked(make([]byte, 0, len(ints)*2))
	for i := range ints.members() {
		p = p.addInt(ints.at(i))
	}
	b.encoding, b.data = encodingPackedSet, p
	return nil
}

// enlarge makes an object of the members.
func (b *setBuilder) enlarge() error {
	o := new(setObject)
	if err := o.init(b.sh); err != nil {
		return err
	}
	var err error
	b.each(func(member []byte) bool {
		_, err = o.set(member, nil, noDeadline)
		return err == nil
	})
	if err != nil {
		b.sh.discard(o)
		return err
	}
	b.o, b.data, b.encoding = o, nil, EncodingHashtable
	return nil
}

func (b *setBuilder) len() int {
	switch {
	case b.o != nil:
		return b.o.length()
	case b.data == nil:
		return 0
	case b.encoding == EncodingIntset:
		return intset(b.data).members()
	}
	return packed(b.data).entries()
}

func (b *setBuilder) each(fn func(member []byte) bool) {
	var text [maxIntText]byte
	switch {
	case b.o != nil:
		b.o.each(func(r *element) bool { return fn(r.name()) })
	case b.data == nil:
	case b.encoding == EncodingIntset:
		ints := intset(b.data)
		for i := range ints.members() {
			if !fn(strconv.AppendInt(text[:0], ints.at(i), 10)) {
				return
			}
		}
	default:
		p := packed(b.data)
		for pos := p.first(); pos < p.end(); {
			var e packedEntry
			e, pos = p.get(pos)
			if !fn(e.bytes(text[:0])) {
				return
			}
		}
	}
}

// store makes the members, of which there is one, the value of k, whose
// deadline stays. Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing has
// changed and the builder is empty.
func (b *setBuilder) store(tx *Tx, it *item, k Key) error {
	if b.o != nil {
		return tx.convert(it, k, TypeSet, EncodingHashtable, b.o)
	}
	return tx.setPacked(it, k, TypeSet, b.encoding, b.data)
}

// discard frees what was built.
func (b *setBuilder) discard() {
	if b.o != nil {
		b.sh.discard(b.o)
	}
	*b = setBuilder{sh: b.sh, apart: b.apart}
}

func (o *setObject) clone(sh *shard, st *steps) (object, error) {
	c := new(setObject)
	if err := c.init(sh); err != nil {
		return nil, err
	}
	if err := o.copyTo(&c.elements, st); err != nil {
		sh.discard(c)
		return nil, err
	}
	return c, nil
}

func (o *setObject) digest(d *digest) {
	o.each(func(r *element) bool {
		d.add(r.name())
		return true
	})
}

// dump writes, for each member, its length as varint and the member.
func (o *setObject) dump(w *partWriter) {
	o.spread(func(r *element) bool {
		w.chunk(r.name())
		return w.cut()
	})
}

func loadSet(sh *shard, e Encoding, in *partReader) (object, error) {
	if e != EncodingHashtable || !in.more() {
		return nil, ErrBadPayload
	}
	o := new(setObject)
	if err := o.init(sh); err != nil {
		return nil, err
	}
	for in.more() {
		member, ok := in.chunk()
		err := ErrBadPayload
		if ok {
			var added bool
			if added, err = o.set(member, nil, noDeadline); err == nil && !added {
				err = ErrBadPayload
			}
		}
		if err != nil {
			sh.discard(o)
			return nil, err
		}
	}
	return o, nil
}

func digestPackedSet(d *digest, e Encoding, value []byte) {
	b := setBuilder{encoding: e, data: value}
	b.each(func(member []byte) bool {
		d.add(member)
		return true
	})
}

// validPackedSet refuses, of what is well-formed, members that come twice.
func validPackedSet(e Encoding, value []byte) bool {
	if e == EncodingIntset {
		return validIntset(value)
	}
	if e != encodingPackedSet || !validPacked(value) || packed(value).entries() == 0 {
		return false
	}
	b := setBuilder{encoding: e, data: value}
	seen := make(map[string]struct{}, b.len())
	b.each(func(member []byte) bool {
		seen[string(member)] = struct{}{}
		return true
	})
	return len(seen) == b.len()
}

func init() {
	typeForms[TypeSet] = typeForm{digestPacked: digestPackedSet, validPacked: validPackedSet, load: loadSet}
}
