package store

import (
	"math"
	"strconv"
)

// A hash is
//
//	EncodingListpack     packed: field, value, field, value, ...
//	EncodingListpackEx   packed: field, value, deadline (0: none), ...
//	EncodingHashtable    hashObject
//
// The second form is taken when a field gets its first deadline, and stays.
// Fields past their deadline are absent for every operation but Len of a large
// hash, which would have to look at them all; they are removed by ExpireFields, or by
// a command that asks for them.
type hashObject struct {
	elements
	expire fieldExpiry
}

// Hash is the hash at a key during one command, under the conditions of Tx.
type Hash struct {
	tx *Tx
	k  Key
	it item
}

// Hash looks the hash at k up, which may be missing. Error: ErrWrongType.
func (tx *Tx) Hash(k Key) (Hash, error) {
	it, err := tx.collection(k, TypeHash)
	return Hash{tx, k, it}, err
}

// Exists says whether there is a hash.
func (h *Hash) Exists() bool { return h.it.live }

// HasDeadlines says whether fields may have deadlines.
func (h *Hash) HasDeadlines() bool {
	switch {
	case !h.it.live:
		return false
	case h.isLarge():
		return h.large().dated() > 0
	}
	return h.stride() == 3
}

// stride is the number of entries per field in the packed form.
func (h *Hash) stride() int { return hashStride(h.it.rec.encoding()) }

func hashStride(e Encoding) int {
	if e == EncodingListpackEx {
		return 3
	}
	return 2
}

func (h *Hash) large() *hashObject { return h.it.object().(*hashObject) }

func (h *Hash) isLarge() bool { return h.it.live && h.it.rec.large() }

// past says whether a field with that deadline is gone for this Tx.
func (tx *Tx) past(deadline int64) bool {
	return deadline != noDeadline && !tx.IgnoreDeadlines && tx.Now > deadline
}

// Len is the number of fields; of a large hash, with those past their deadline.
func (h *Hash) Len() int {
	switch {
	case !h.it.live:
		return 0
	case h.isLarge():
		return h.large().length()
	case h.stride() == 2:
		return h.it.packed().entries() / 2
	}
	n := 0
	h.eachPacked(func(_, _ packedEntry, _ int64) bool { n++; return true })
	return n
}

// Size is Len in constant time: fields past their deadline may count.
func (h *Hash) Size() int {
	if !h.it.live || h.isLarge() {
		return h.Len()
	}
	return h.it.packed().entries() / h.stride()
}

// eachPacked calls fn for the live fields of a packed hash until it returns
// false.
func (h *Hash) eachPacked(fn func(field, value packedEntry, deadline int64) bool) {
	p, dated := h.it.packed(), h.stride() == 3
	for pos := p.first(); pos < p.end(); {
		var field, value, at packedEntry
		deadline := int64(noDeadline)
		field, pos = p.get(pos)
		value, pos = p.get(pos)
		if dated {
			at, pos = p.get(pos)
			if deadline = packedDeadline(at); h.tx.past(deadline) {
				continue
			}
		}
		if !fn(field, value, deadline) {
			return
		}
	}
}

func packedDeadline(e packedEntry) int64 {
	if e.n == 0 {
		return noDeadline
	}
	return e.n
}

// findPacked finds a field that is not past its deadline, or, with stale, any.
func (h *Hash) findPacked(field []byte, stale bool) (pos int, value packedEntry, deadline int64, ok bool) {
	p := h.it.packed()
	pos = p.find(p.first(), field, h.stride())
	if pos < 0 {
		return 0, packedEntry{}, 0, false
	}
	value, next := p.get(p.next(pos))
	deadline = noDeadline
	if h.stride() == 3 {
		at, _ := p.get(next)
		deadline = packedDeadline(at)
	}
	return pos, value, deadline, stale || !h.tx.past(deadline)
}

// find finds a live field of a large hash.
func (h *Hash) findLarge(field []byte) (element, place, bool) {
	r, at, ok := h.large().lookup(field)
	return r, at, ok && !h.tx.past(r.deadline())
}

// Get returns the value of a field, valid until the next call for the hash.
func (h *Hash) Get(field []byte) (value []byte, ok bool) {
	switch {
	case !h.it.live:
		return nil, false
	case h.isLarge():
		r, _, ok := h.findLarge(field)
		if !ok {
			return nil, false
		}
		return h.large().value(&r), true
	}
	_, e, _, ok := h.findPacked(field, false)
	if !ok {
		return nil, false
	}
	return e.bytes(h.it.sh.text[0][:0]), true
}

// Each calls fn for every field with its value and deadline (-1: none) until it
// returns false. Both are valid during the call only; fn must not change the
// hash.
func (h *Hash) Each(fn func(field, value []byte, deadline int64) bool) {
	switch {
	case !h.it.live:
	case h.isLarge():
		o := h.large()
		o.each(func(r *element) bool {
			d := r.deadline()
			return h.tx.past(d) || fn(r.name(), o.value(r), d)
		})
	default:
		text := &h.it.sh.text
		h.eachPacked(func(field, value packedEntry, deadline int64) bool {
			return fn(field.bytes(text[0][:0]), value.bytes(text[1][:0]), deadline)
		})
	}
}

// Scan calls fn for about count fields from cursor on and returns the cursor to
// go on with; 0 starts and 0 ends. Guarantees are those of Tx.Scan. A packed
// hash is returned whole.
func (h *Hash) Scan(cursor uint64, count int, fn func(field, value []byte)) (next uint64) {
	if !h.isLarge() {
		h.Each(func(field, value []byte, _ int64) bool { fn(field, value); return true })
		return 0
	}
	o := h.large()
	return o.walk(cursor, count, func(r *element) {
		if !h.tx.past(r.deadline()) {
			fn(r.name(), o.value(r))
		}
	})
}

// Set gives fields their values, pairs of them in turn, and takes their
// deadlines away. It returns how many fields are new. Errors: ErrOutOfMemory,
// ErrKeyTooLong; then added and done tell what was set: the first done pairs.
func (h *Hash) Set(pairs ...[]byte) (added, done int, err error) {
	return h.set(pairs, noDeadline, false)
}

// SetAt is Set with a deadline, -1 for none, or, with keep, the one that each
// field has.
func (h *Hash) SetAt(deadline int64, keep bool, pairs ...[]byte) (added, done int, err error) {
	return h.set(pairs, deadline, keep)
}

func (h *Hash) set(pairs [][]byte, deadline int64, keep bool) (added, done int, err error) {
	limits := h.tx.Store.limits.Load()
	if !h.isLarge() {
		size := 0
		fits := true
		for _, arg := range pairs {
			fits = fits && len(arg) <= limits.HashMaxListpackValue
			size += packedSize(arg)
		}
		if fits && (!h.it.live || len(h.it.rec.inline())+size <= maxPacked) {
			return h.setPacked(pairs, deadline, keep, size, limits)
		}
		if err := h.grow(); err != nil {
			return 0, 0, err
		}
	}
	return h.setLarge(pairs, 0, deadline, keep)
}

// setPacked changes a packed hash in a copy; when that passes the limits, it
// goes on with a large one, as Redis does.
func (h *Hash) setPacked(pairs [][]byte, deadline int64, keep bool, size int, limits *Limits) (added, done int, err error) {
	sh := h.it.sh
	encoding, stride := EncodingListpack, 2
	if h.it.live {
		encoding, stride = h.it.rec.encoding(), h.stride()
	}
	if deadline != noDeadline && stride == 2 {
		if err := h.makeDated(); err != nil {
			return 0, 0, err
		}
		encoding, stride = EncodingListpackEx, 3
	}
	// Not past the limit, should it have been lowered since: then any change
	// makes the hash a large one.
	if len(pairs) == 2 && stride == 2 && h.it.live && h.Len() <= limits.HashMaxListpackEntries && h.overwrite(pairs[0], pairs[1]) {
		return 0, 1, nil
	}
	p := h.it.edit(size + len(pairs)*10)
	for i := 0; i < len(pairs); i += 2 {
		field, value := pairs[i], pairs[i+1]
		at, fresh := deadline, true
		pos := p.find(p.first(), field, stride)
		if pos >= 0 && stride == 3 {
			e, _ := p.get(p.skip(pos, 2))
			old := packedDeadline(e)
			fresh = h.tx.past(old)
			if keep && !fresh {
				at = old
			}
		} else if pos >= 0 {
			fresh = false
		}
		if fresh {
			added++
		}
		entry := appendPacked(sh.part[:0], value)
		if stride == 3 {
			entry = appendPackedInt(entry, max(at, 0))
		}
		if pos >= 0 {
			from := p.next(pos)
			p = p.replace(from, p.skip(from, stride-1), entry, 0)
		} else {
			p = append(p, appendPacked(nil, field)...)
			p = append(p, entry...)
			p.setEntries(p.entries() + stride)
		}
		if sh.part = entry[:0]; cap(entry) > maxScratch {
			sh.part = nil
		}
		if p.entries()/stride > limits.HashMaxListpackEntries {
			o, err := h.objectOf(p, stride)
			if err != nil {
				return 0, 0, err
			}
			if err := h.tx.convert(&h.it, h.k, TypeHash, EncodingHashtable, o); err != nil {
				return 0, 0, err
			}
			if deadline != noDeadline {
				h.noteDeadline(deadline)
			}
			more, done, err := h.setLarge(pairs, i+2, deadline, keep)
			return added + more, done, err
		}
	}
	if err := h.tx.setPacked(&h.it, h.k, TypeHash, encoding, p); err != nil {
		return 0, 0, err
	}
	if deadline != noDeadline {
		h.noteDeadline(deadline)
	}
	return added, len(pairs) / 2, nil
}

// overwrite replaces a value where it lies. False: the field is new, or its old
// value takes another number of bytes.
func (h *Hash) overwrite(field, value []byte) bool {
	p := h.it.packed()
	pos := p.find(p.first(), field, 2)
	if pos < 0 {
		return false
	}
	from := p.next(pos)
	entry := appendPacked(h.it.sh.part[:0], value)
	h.it.sh.part = entry[:0]
	if p.next(from)-from != len(entry) {
		return false
	}
	copy(p[from:], entry)
	return true
}

func (h *Hash) setLarge(pairs [][]byte, from int, deadline int64, keep bool) (added, done int, err error) {
	o := h.large()
	for i := from; i < len(pairs); i += 2 {
		at := deadline
		tag := elementTag(pairs[i])
		old, where, found := o.lookupTag(tag, pairs[i])
		fresh := !found || h.tx.past(old.deadline())
		if keep && !fresh {
			at = old.deadline()
		}
		if _, err := o.put(tag, pairs[i], pairs[i+1], at, old, where, found); err != nil {
			if o.length() == 0 {
				h.it.sh.removeItem(&h.it)
			}
			return added, i / 2, err
		}
		if fresh {
			added++
		}
	}
	if deadline != noDeadline && len(pairs) > from {
		h.noteDeadline(deadline)
	}
	return added, len(pairs) / 2, nil
}

// grow makes the hash, packed or missing, a large one. Errors: ErrOutOfMemory,
// ErrKeyTooLong.
func (h *Hash) grow() error {
	p, stride := packed(nil), 2
	if h.it.live {
		p, stride = h.it.packed(), h.stride()
	}
	o, err := h.objectOf(p, stride)
	if err != nil {
		return err
	}
	return h.tx.convert(&h.it, h.k, TypeHash, EncodingHashtable, o)
}

// objectOf makes an object of a packed hash, which may be nil.
func (h *Hash) objectOf(p packed, stride int) (*hashObject, error) {
	o := new(hashObject)
	if err := o.init(h.it.sh); err != nil {
		return nil, err
	}
	if p == nil {
		return o, nil
	}
	var text [2][maxIntText]byte
	for pos := p.first(); pos < p.end(); {
		var field, value, at packedEntry
		field, pos = p.get(pos)
		value, pos = p.get(pos)
		if stride == 3 {
			at, pos = p.get(pos)
		}
		if _, err := o.set(field.bytes(text[0][:0]), value.bytes(text[1][:0]), packedDeadline(at)); err != nil {
			h.it.sh.discard(o)
			return nil, err
		}
	}
	return o, nil
}

// makeDated gives a packed hash, or a missing one, room for deadlines.
func (h *Hash) makeDated() error {
	if !h.it.live {
		return nil
	}
	old := h.it.packed()
	p := newPacked(h.it.sh.buffer(len(old) + old.entries()))
	for pos := old.first(); pos < old.end(); {
		end := old.skip(pos, 2)
		p = append(p, old[pos:end]...)
		p = appendPackedInt(p, 0)
		pos = end
	}
	p.setEntries(old.entries() / 2 * 3)
	return h.tx.setPacked(&h.it, h.k, TypeHash, EncodingListpackEx, p)
}

// Delete removes a field and says whether it was there; stored says whether one
// past its deadline was there in its place. The hash goes with its last field.
func (h *Hash) Delete(field []byte) (ok, stored bool, err error) {
	switch {
	case !h.it.live:
		return false, false, nil
	case h.isLarge():
		o := h.large()
		r, at, found := o.lookup(field)
		if !found {
			return false, false, nil
		}
		ok = !h.tx.past(r.deadline())
		o.delete(&r, at)
		if o.length() == 0 {
			h.it.sh.removeItem(&h.it)
		}
		return ok, true, nil
	}
	pos, _, deadline, found := h.findPacked(field, true)
	if !found {
		return false, false, nil
	}
	ok = !h.tx.past(deadline)
	stride := h.stride()
	if h.it.packed().entries() == stride {
		h.it.sh.removeItem(&h.it)
		return ok, true, nil
	}
	p := h.it.edit(0)
	p = p.replace(pos, p.skip(pos, stride), nil, -stride)
	err = h.tx.setPacked(&h.it, h.k, TypeHash, h.it.rec.encoding(), p)
	return ok, true, err
}

// IncrBy adds delta to the integer in a field, 0 when missing, keeping its
// deadline. Errors: ErrHashNotInteger, ErrOverflow, ErrOutOfMemory,
// ErrKeyTooLong; then nothing has changed.
func (h *Hash) IncrBy(field []byte, delta int64) (int64, error) {
	old := int64(0)
	if value, ok := h.Get(field); ok {
		if old, ok = parseInt(value); !ok || len(value) > maxIntText {
			return 0, ErrHashNotInteger
		}
	}
	if delta < 0 && old < math.MinInt64-delta || delta > 0 && old > math.MaxInt64-delta {
		return 0, ErrOverflow
	}
	n := old + delta
	var text [maxIntText]byte
	_, _, err := h.SetAt(noDeadline, true, field, strconv.AppendInt(text[:0], n, 10))
	return n, err
}

// IncrByFloat adds delta, a number as strtold reads it, to the number in a
// field, 0 when missing, keeping its deadline, and returns the new value as
// text, which is the caller's. Errors: ErrHashNotFloat, ErrNotFloat (delta),
// ErrNaNOrInf, ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (h *Hash) IncrByFloat(field, delta []byte) ([]byte, error) {
	old, ok := h.Get(field)
	if !ok {
		old = []byte("0")
	}
	if _, ok := parseLongDouble(old); !ok {
		return nil, ErrHashNotFloat
	}
	sum, err := addFloats(old, delta)
	if err != nil {
		return nil, err
	}
	_, _, err = h.SetAt(noDeadline, true, field, sum)
	return sum, err
}

// CheckFloat says what is wrong with a number that IncrByFloat is to add:
// ErrNotFloat, ErrNaNOrInf or nil.
func CheckFloat(text []byte) error {
	f, ok := parseLongDouble(text)
	switch {
	case !ok:
		return ErrNotFloat
	case f.IsInf():
		return ErrNaNOrInf
	}
	return nil
}
