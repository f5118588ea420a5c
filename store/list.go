package store

import (
	"math"
)

// A list is
//
//	encodingPackedList   packed: elements
//	EncodingQuicklist    listObject: a chain of nodes (list_node.go)
//
// Redis has one form; OBJECT ENCODING tells of both as quicklist.
type listObject struct {
	owner
	head, tail ref
	compressed bool // some node is, or was
	count      int  // elements
	nodes      int
	at         ref // compactStep: where to go on
	reading    ref // Value.Nodes: where to go on
}

// maxPackedList bounds the bytes of encodingPackedList: each change copies them.
// A large list that shrinks to a quarter of it is packed again.
const maxPackedList = 4 << 10

// List is the list at a key during one command, under the conditions of Tx.
type List struct {
	tx *Tx
	k  Key
	it item
}

// OpenList looks the list at k up, which may be missing. Error: ErrWrongType.
func (tx *Tx) OpenList(k Key) (List, error) {
	it, err := tx.collection(k, TypeList)
	return List{tx, k, it}, err
}

// Exists says whether there is a list.
func (l *List) Exists() bool { return l.it.live }

func (l *List) isLarge() bool { return l.it.live && l.it.rec.large() }

func (l *List) large() *listObject { return l.it.object().(*listObject) }

// Len is the number of elements.
func (l *List) Len() int {
	switch {
	case !l.it.live:
		return 0
	case l.isLarge():
		return l.large().count
	}
	return l.it.packed().entries()
}

// Push adds values one by one at the front or at the back and returns how many
// it added: all, but for an error. Errors: ErrOutOfMemory, ErrKeyTooLong,
// ErrTooLong.
func (l *List) Push(front bool, values ...[]byte) (done int, err error) {
	size := 0
	for _, v := range values {
		if len(v) > maxListEntry-packedHeader-16 {
			return 0, ErrTooLong
		}
		size += packedSize(v)
	}
	sh := l.it.sh
	if !l.isLarge() {
		if l.packs(len(values), size) && !l.tx.Store.anyAlone(values) {
			p := l.it.edit(size)
			for _, v := range values {
				if front {
					sh.part = appendPacked(sh.part[:0], v)
					p = p.replace(packedHeader, packedHeader, sh.part, 1)
				} else {
					p = p.add(v)
				}
			}
			if err := l.tx.setPacked(&l.it, l.k, TypeList, encodingPackedList, p); err != nil {
				return 0, err
			}
			return len(values), nil
		}
		if err := l.enlarge(front, values); err != nil {
			return 0, err
		}
		return len(values), nil
	}
	o := l.large()
	for i, v := range values {
		if err := o.push(front, sh.entry(v)); err != nil {
			return i, err
		}
	}
	return len(values), nil
}

// entry is v as an entry, valid until the next call for the same shard.
func (sh *shard) entry(v []byte) []byte {
	if len(v) > maxScratch {
		return appendPacked(make([]byte, 0, packedSize(v)), v)
	}
	sh.part = appendPacked(sh.part[:0], v)
	return sh.part
}

// packs says whether a list that is not large may stay so with more elements,
// of size bytes.
func (l *List) packs(more, size int) bool {
	entries, bytes := l.tx.Store.listLimits()
	n, old := 0, packedHeader
	if l.it.live {
		n, old = l.it.packed().entries(), len(l.it.packed())
	}
	return old+size <= min(maxPackedList, bytes) && n+more <= entries
}

// anyAlone says whether a value is to stand alone in a list.
func (s *Store) anyAlone(values [][]byte) bool {
	for _, v := range values {
		if s.standsAlone(len(v)) {
			return true
		}
	}
	return false
}

// enlarge makes an object of the elements and the values pushed. Errors:
// ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (l *List) enlarge(front bool, values [][]byte) error {
	o := newList(l.it.sh)
	if l.it.live {
		if _, err := o.addNode(l.it.packed(), 0, 0); err != nil {
			return err
		}
	}
	for _, v := range values {
		if err := o.push(front, l.it.sh.entry(v)); err != nil {
			l.it.sh.discard(o)
			return err
		}
	}
	return l.tx.convert(&l.it, l.k, TypeList, EncodingQuicklist, o)
}

// Index returns element i, counted from 0, which exists. It is valid until the
// next call for the list.
func (l *List) Index(i int) []byte {
	var p packed
	if l.isLarge() {
		var buf []byte
		var r ref
		r, i = l.large().locate(i)
		p = l.large().view(r, &buf)
	} else {
		p = l.it.packed()
	}
	e, _ := p.get(p.seek(i))
	return e.bytes(l.it.sh.text[0][:0])
}

// Walk calls fn for elements from element i on, towards the back or, reversed,
// the front, until it returns false. Element i exists. The value is valid during
// the call; fn must not change the list.
func (l *List) Walk(i int, reverse bool, fn func(value []byte) bool) {
	l.walk(i, reverse, func(e packedEntry) bool { return fn(e.bytes(l.it.sh.text[0][:0])) })
}

func (l *List) walk(i int, reverse bool, fn func(e packedEntry) bool) {
	var o *listObject
	var r ref
	var p packed
	var buf []byte
	if l.isLarge() {
		o = l.large()
		r, i = o.locate(i)
		p = o.view(r, &buf)
	} else {
		p = l.it.packed()
	}
	pos := p.seek(i)
	for {
		e, next := p.get(pos)
		if !fn(e) {
			return
		}
		switch {
		case !reverse && next < len(p):
			pos = next
			continue
		case reverse && pos > packedHeader:
			pos = p.prev(pos)
			continue
		case o == nil:
			return
		case reverse:
			r = o.node(r).prev
		default:
			r = o.node(r).next
		}
		if r == 0 {
			return
		}
		p = o.view(r, &buf)
		if pos = packedHeader; reverse {
			pos = p.prev(len(p))
		}
	}
}

// Find calls fn with the index of each element that equals value, from the front
// or, reversed, from the back, among the first most (0: all), until it returns
// false. Every so many elements it calls look with their number, and ends if that returns
// false.
func (l *List) Find(value []byte, reverse bool, most int, look func(n int) bool, fn func(i int) bool) {
	if !l.it.live {
		return
	}
	i, step, looked := 0, 1, 0
	if reverse {
		i, step = l.Len()-1, -1
	}
	n, isInt := packedInt(value)
	l.walk(i, reverse, func(e packedEntry) bool {
		if e.text == nil && isInt && e.n == n || e.text != nil && !isInt && string(e.text) == string(value) {
			if !fn(i) {
				return false
			}
		}
		i += step
		looked++
		return looked != most && (looked%findLooks != 0 || look(findLooks))
	})
}

// RemoveRange removes count elements from element i on; all of them exist. The
// list goes with its last element. Error: ErrOutOfMemory; then nothing has
// changed.
func (l *List) RemoveRange(i, count int) error {
	switch {
	case count == 0:
		return nil
	case count == l.Len():
		l.it.sh.removeItem(&l.it)
		return nil
	case l.isLarge():
		return l.removeLarge(i, count)
	}
	p := l.it.edit(0)
	from := p.seek(i)
	return l.setPacked(p.replace(from, p.skip(from, count), nil, -count))
}

func (l *List) removeLarge(i, count int) error {
	o := l.large()
	for _, boundary := range [...]int{i, i + count} {
		if err := o.thawBoundary(boundary); err != nil {
			return err
		}
	}
	o.removeRange(i, count)
	o.settleAround(i)
	l.shrink()
	return nil
}

func (l *List) setPacked(p packed) error {
	return l.tx.setPacked(&l.it, l.k, TypeList, encodingPackedList, p)
}

// shrink makes a large list that has become small packed; without memory it
// stays.
func (l *List) shrink() {
	o := l.large()
	n := o.node(o.head)
	if o.nodes != 1 || n.frozen() || int(n.size) > maxPackedList/4 || l.tx.Store.standsAlone(int(n.size)-packedHeader) {
		return
	}
	p := o.packedAt(o.head)
	_ = l.setPacked(append(packed(l.it.sh.buffer(len(p))), p...))
}

// Set replaces element i, which exists. Errors: ErrOutOfMemory, ErrTooLong; then
// nothing has changed.
func (l *List) Set(i int, value []byte) error {
	if len(value) > maxListEntry-packedHeader-16 {
		return ErrTooLong
	}
	if !l.isLarge() && (!l.packs(0, packedSize(value)) || l.tx.Store.standsAlone(len(value))) {
		if err := l.enlarge(false, nil); err != nil {
			return err
		}
	}
	entry := l.it.sh.entry(value)
	if !l.isLarge() {
		p := l.it.edit(len(entry))
		pos := p.seek(i)
		return l.setPacked(p.replace(pos, p.next(pos), entry, 0))
	}
	o := l.large()
	r, pos, err := o.locateToEdit(i)
	if err != nil {
		return err
	}
	defer o.settleAround(i)
	p := o.packedAt(r)
	end := p.next(pos)
	if p.entries() == 1 || listNodeHeader+len(p)-(end-pos)+len(entry) <= o.sizeLimit() && !o.store.standsAlone(len(entry)) {
		_, err := o.edit(r, pos, end, entry, 0)
		return err
	}
	if err := o.insert(r, pos, entry); err != nil {
		return err
	}
	o.removeRange(i+1, 1)
	return nil
}

// findLooks is how many elements come between two calls of look: see List.Find.
const findLooks = 64

// Insert adds a value before or after the first element that equals pivot and
// says whether there is one. look is as for Find. Errors: ErrOutOfMemory, ErrTooLong,
// ErrChanged (look has ended it); then nothing has changed.
func (l *List) Insert(pivot []byte, before bool, value []byte, look func(n int) bool) (found bool, err error) {
	at := -1
	stopped := false
	l.Find(pivot, false, 0, func(n int) bool { stopped = !look(n); return !stopped }, func(i int) bool { at = i; return false })
	switch {
	case stopped:
		return false, ErrChanged
	case at < 0:
		return false, nil
	}
	if len(value) > maxListEntry-packedHeader-16 {
		return true, ErrTooLong
	}
	if !l.isLarge() && (!l.packs(1, packedSize(value)) || l.tx.Store.standsAlone(len(value))) {
		if err := l.enlarge(false, nil); err != nil {
			return true, err
		}
	}
	entry := l.it.sh.entry(value)
	if !l.isLarge() {
		p := l.it.edit(len(entry))
		pos := p.seek(at)
		if !before {
			pos = p.next(pos)
		}
		return true, l.setPacked(p.replace(pos, pos, entry, 1))
	}
	o := l.large()
	r, pos, err := o.locateToEdit(at)
	if err != nil {
		return true, err
	}
	defer o.settleAround(at)
	if !before {
		pos = o.packedAt(r).next(pos)
	}
	return true, o.insert(r, pos, entry)
}

// RemoveValue removes the elements that equal value, at most count from the
// front or, if negative, from the back; all if 0. It returns how many. The list
// goes with its last element. Error: ErrOutOfMemory; then nothing has changed.
func (l *List) RemoveValue(value []byte, count int) (removed int, err error) {
	if !l.it.live {
		return 0, nil
	}
	most := count
	if count < 0 {
		most = -count
	}
	if most <= 0 { // the smallest integer has no opposite
		most = math.MaxInt
	}
	if l.isLarge() {
		if l.tx.Pause == nil {
			if removed, err = l.large().removeValue(value, most, count < 0); err != nil {
				return 0, err
			}
		} else if removed, err = l.removeInSteps(value, most, count < 0); err != nil {
			return 0, err
		}
		switch {
		case removed == 0:
		case l.large().count == 0:
			l.it.sh.removeItem(&l.it)
		default:
			l.large().settle()
			l.shrink()
		}
		return removed, nil
	}
	p := l.it.edit(0)
	p, removed = p.without(value, most, count < 0)
	switch {
	case removed == 0:
		return 0, nil
	case p.entries() == 0:
		l.it.sh.removeItem(&l.it)
		return removed, nil
	}
	if err := l.setPacked(p); err != nil {
		return 0, err
	}
	return removed, nil
}

// matches is the number of entries that equal value.
func (p packed) matches(value []byte) (n int) {
	for pos := p.first(); pos < len(p); n++ {
		if pos = p.find(pos, value, 1); pos < 0 {
			break
		}
		pos = p.next(pos)
	}
	return n
}

// without removes, in place, at most most entries that equal value, from the
// front or from the back.
func (p packed) without(value []byte, most int, reverse bool) (packed, int) {
	matches := p.matches(value)
	removed := min(matches, most)
	skip := 0 // matches that stay, at the front
	if reverse {
		skip = matches - removed
	}
	write, seen := p.first(), 0
	for pos := p.first(); pos < len(p); {
		e, next := p.get(pos)
		if e.equal(value) {
			if seen++; seen > skip && seen <= skip+removed {
				pos = next
				continue
			}
		}
		write += copy(p[write:], p[pos:next])
		pos = next
	}
	p = p[:write]
	p.setEntries(p.entries() - removed)
	return p, removed
}

// removeValue is RemoveValue. Error: ErrOutOfMemory; then nothing has changed.
func (o *listObject) removeValue(value []byte, most int, reverse bool) (removed int, err error) {
	if o.compressed {
		var buf []byte
		for r, found := o.end(reverse), 0; r != 0 && found < most; r = o.after(r, reverse) {
			if n := o.view(r, &buf).matches(value); n > 0 {
				found += n
				if r, err = o.thaw(r); err != nil {
					return 0, err
				}
			}
		}
	}
	for r := o.end(reverse); r != 0 && removed < most; {
		next := o.after(r, reverse)
		if !o.node(r).frozen() { // else it has no such element
			removed += o.removeIn(r, value, most-removed, reverse)
		}
		r = next
	}
	return removed, nil
}

// end is the first node or, reversed, the last one.
func (o *listObject) end(reverse bool) ref {
	if reverse {
		return o.tail
	}
	return o.head
}

// after is the node after r or, reversed, the one before it.
func (o *listObject) after(r ref, reverse bool) ref {
	if reverse {
		return o.node(r).prev
	}
	return o.node(r).next
}

// removeIn is removeValue for one node that is not compressed, though it may be then. It
// goes with its last element.
func (o *listObject) removeIn(r ref, value []byte, most int, reverse bool) (removed int) {
	n := o.node(r)
	p, removed := o.packed(n).without(value, most, reverse)
	if removed > 0 {
		o.count -= removed
		n.size = uint32(len(p))
		if p.entries() == 0 {
			o.unlink(r)
		} else if o.inner(r) {
			o.freeze(r)
		}
	}
	return removed
}

func newList(sh *shard) *listObject {
	group := sh.id / groupShards
	return &listObject{owner: owner{
		store: sh.store, small: &sh.store.objects[group], group: &sh.store.groups[group], parent: &sh.owner,
	}}
}

func (o *listObject) base() *owner { return &o.owner }

func (o *listObject) length() int { return o.count }

func (o *listObject) digest(d *digest) {
	var buf []byte
	for r := o.head; r != 0; r = o.node(r).next {
		digestPackedList(d, encodingPackedList, o.view(r, &buf))
	}
}

// dump writes, for each node, its length as varint and its packed value.
func (o *listObject) dump(w *partWriter) {
	var buf []byte
	for r := o.head; r != 0; r = o.node(r).next {
		w.chunk(o.view(r, &buf))
		if !w.cut() {
			return
		}
	}
}

func loadList(sh *shard, e Encoding, in *partReader) (object, error) {
	if e != EncodingQuicklist || !in.more() {
		return nil, ErrBadPayload
	}
	o := newList(sh)
	for in.more() {
		p, ok := in.chunk()
		err := ErrBadPayload
		if ok && validPackedList(encodingPackedList, p) {
			_, err = o.addNode(p, o.tail, 0)
			o.settleEnd(true)
		}
		if err != nil {
			sh.discard(o)
			return nil, err
		}
	}
	return o, nil
}

func (o *listObject) clone(sh *shard, st *steps) (object, error) {
	c := newList(sh)
	for r := o.head; r != 0; r = o.node(r).next {
		n := o.node(r)
		err := c.addCopy(o, n)
		if err == nil && !st.count(1+int(n.size)/stepBytes) {
			err = ErrChanged
		}
		if err != nil {
			sh.discard(c)
			return nil, err
		}
	}
	return c, nil
}

// freeStep implements object: it frees node by node, at least one if there is.
func (o *listObject) freeStep(max int) (freed int, done bool) {
	for o.head != 0 && freed < max {
		freed += o.entries(o.head) + 1
		o.unlink(o.head)
	}
	return freed, o.head == 0
}

// compactStep implements object.
func (o *listObject) compactStep(pos uint64, budget int) (next uint64, looked, moved int) {
	if pos == 0 {
		o.at = o.head
	}
	for o.at != 0 && looked < budget {
		r := o.at
		n := o.node(r)
		o.at = n.next
		looked += 1 + int(n.cap)/256 // a node costs as much as some elements
		size := listNodeHeader
		if n.region == 0 {
			size += int(n.cap)
		}
		if to, ok := o.relocate(r, size); ok {
			o.relink(r, to)
			o.free(r, size)
			moved++
		}
	}
	if o.at == 0 {
		return 0, looked, moved
	}
	return 1, looked, moved
}

func digestPackedList(d *digest, _ Encoding, value []byte) {
	var text [maxIntText]byte
	p := packed(value)
	for pos := p.first(); pos < p.end(); {
		var e packedEntry
		e, pos = p.get(pos)
		d.mix(e.bytes(text[:0]))
	}
}

func validPackedList(e Encoding, value []byte) bool {
	return e == encodingPackedList && validPacked(value) && packed(value).entries() > 0
}

func init() {
	typeForms[TypeList] = typeForm{digestPacked: digestPackedList, validPacked: validPackedList, load: loadList}
}
