package store

import "unsafe"

// listNode is the header of a node of a large list: some elements as one packed
// value, in a cell of the list's owner behind the header or, past maxInline, in
// a mapping of its own. Free room may lie before and behind the packed value, so
// that neither end of a list moves what is there already.
//
//	header | room | packed value | room
type listNode struct {
	prev, next ref
	cap        uint32 // bytes behind the header, or of the region used
	off        uint32 // of the packed value; frozenOff: it is compressed (list_compress.go)
	size       uint32 // of the packed value
	region     uint32 // number of the region, counted from 1; 0: none
}

const listNodeHeader = int(unsafe.Sizeof(listNode{}))

// maxListEntry bounds an element, so that the fields of a node hold its size.
const maxListEntry = 1 << 31

func (o *listObject) node(r ref) *listNode { return (*listNode)(o.store.arena.ptr(r)) }

func (o *listObject) data(n *listNode) []byte {
	if n.region != 0 {
		return o.external.regions[n.region-1][:n.cap]
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(n), listNodeHeader)), n.cap)
}

// listObject is the object of a large list; not ok: it is a small one.
func (it *item) listObject() (o *listObject, ok bool) {
	if !it.rec.large() {
		return nil, false
	}
	o, ok = it.object().(*listObject)
	return o, ok
}

// packed is the packed value of a node that is not compressed, where it lies.
func (o *listObject) packed(n *listNode) packed {
	end := n.off + n.size
	return packed(o.data(n)[n.off:end:end])
}

func (o *listObject) packedAt(r ref) packed { return o.packed(o.node(r)) }

// newNode returns a node with room for at least size bytes, without neighbours
// and contents. Error: ErrOutOfMemory.
func (o *listObject) newNode(size int) (ref, error) {
	inline := size
	if size > maxInline {
		inline = 0
	}
	r, err := o.alloc(listNodeHeader + inline)
	if err != nil {
		return 0, err
	}
	n := o.node(r)
	*n = listNode{cap: uint32(cellSize(listNodeHeader+inline) - listNodeHeader)}
	if size > maxInline {
		region, err := o.store.arena.newRegion(size)
		if err != nil {
			o.free(r, listNodeHeader)
			return 0, err
		}
		if o.external == nil {
			o.external = &externals{parent: o.parent.external}
		}
		n.cap, n.region = uint32(size), o.external.adopt(region)+1
	}
	return r, nil
}

// freeNode gives back the memory of a node that is not linked.
func (o *listObject) freeNode(r ref) {
	n := o.node(r)
	if n.region != 0 {
		o.freeRegion(n.region - 1)
		o.free(r, listNodeHeader)
		return
	}
	o.free(r, listNodeHeader+int(n.cap))
}

// relink makes the node to, a copy of from, stand in its place.
func (o *listObject) relink(from, to ref) {
	n := o.node(to)
	if n.prev != 0 {
		o.node(n.prev).next = to
	} else {
		o.head = to
	}
	if n.next != 0 {
		o.node(n.next).prev = to
	} else {
		o.tail = to
	}
	if from != 0 && o.at == from {
		o.at = to
	}
	if from != 0 && o.reading == from {
		o.reading = to
	}
}

// link puts the node r between two neighbours, either of which may be none.
func (o *listObject) link(r, prev, next ref) {
	n := o.node(r)
	n.prev, n.next = prev, next
	o.relink(0, r)
	o.nodes++
}

// unlink takes the node r out and frees it.
func (o *listObject) unlink(r ref) {
	n := o.node(r)
	if n.prev != 0 {
		o.node(n.prev).next = n.next
	} else {
		o.head = n.next
	}
	if n.next != 0 {
		o.node(n.next).prev = n.prev
	} else {
		o.tail = n.prev
	}
	if o.at == r {
		o.at = n.next
	}
	if o.reading == r {
		o.reading = n.next
	}
	o.nodes--
	o.freeNode(r)
}

// addNode links a node that holds a copy of p. Error: ErrOutOfMemory.
func (o *listObject) addNode(p packed, prev, next ref) (ref, error) {
	r, err := o.newNode(len(p))
	if err != nil {
		return 0, err
	}
	n := o.node(r)
	n.size = uint32(len(p))
	copy(o.data(n), p)
	o.link(r, prev, next)
	o.count += p.entries()
	return r, nil
}

// resize moves the node r to one with room for size bytes, with the free room in
// front of its value or behind it. Error: ErrOutOfMemory; then nothing has
// changed.
func (o *listObject) resize(r ref, size int, front bool) (ref, error) {
	to, err := o.newNode(size)
	if err != nil {
		return r, err
	}
	n, m := o.node(r), o.node(to)
	m.prev, m.next, m.size = n.prev, n.next, n.size
	if front {
		m.off = m.cap - m.size
	}
	copy(o.data(m)[m.off:], o.stored(n))
	if n.frozen() {
		m.off = frozenOff
	}
	o.relink(r, to)
	o.freeNode(r)
	return to, nil
}

// fit gives back the free room of a node that has a neighbour now where it grew
// before. It is an optimization: without memory it does nothing.
func (o *listObject) fit(r ref) {
	n := o.node(r)
	size := int(n.size)
	if n.region == 0 && cellSize(listNodeHeader+size) < listNodeHeader+int(n.cap) ||
		n.region != 0 && size < int(n.cap)/2 {
		_, _ = o.resize(r, size, false)
	}
}

// edit puts insert, entries made by appendPacked that must not lie in the store,
// where those between the positions from and to of the node r are, which is not
// compressed, and changes the number of elements by delta. It returns the node, which may have moved.
// Error: ErrOutOfMemory; then nothing has changed.
func (o *listObject) edit(r ref, from, to int, insert []byte, delta int) (ref, error) {
	n := o.node(r)
	count := o.packed(n).entries() + delta
	size := int(n.size) - (to - from) + len(insert)
	front := from == packedHeader
	if size > int(n.cap) {
		room := size
		if limit := o.sizeLimit() - listNodeHeader; size < limit {
			// With few nodes free room counts, with many the time to grow.
			more := max(size/8, min(size, (o.nodes-1)*limit/32))
			room = min(size+more, limit)
		}
		var err error
		if r, err = o.resize(r, room, front); err != nil {
			return r, err
		}
		n = o.node(r)
	}
	d := o.data(n)
	if front && int(n.off)+to < packedHeader+len(insert) {
		// The room is on the other side.
		off := n.cap - n.size
		copy(d[off:], o.packed(n))
		n.off = off
	}
	if begin := int(n.off) + to - len(insert) - packedHeader; front && begin >= 0 {
		n.off = uint32(begin)
	} else {
		if int(n.off)+size > int(n.cap) {
			copy(d, o.packed(n))
			n.off = 0
		}
		p := d[n.off:]
		copy(p[from+len(insert):], p[to:n.size])
	}
	n.size = uint32(size)
	p := o.packed(n)
	copy(p[from:], insert)
	p.setEntries(count)
	o.count += delta
	return r, nil
}

// Bytes of a node with its header, by -list-max-listpack-size: the cells next to
// 4, 8, 16, 32 and 64 KB.
var listNodeSizes = [...]int{8184, 4088, 8184, 16376, 32760, 65520}

// listLimits are the elements and bytes up to which a node takes more.
func (s *Store) listLimits() (entries, bytes int) {
	fill := s.limits.Load().ListMaxListpackSize
	if fill >= 0 {
		return max(fill, 1), listNodeSizes[0]
	}
	return maxListEntry, listNodeSizes[min(-fill, len(listNodeSizes)-1)]
}

// standsAlone says whether an entry of that many bytes has a node of its own, whatever
// the limits of nodes.
func (s *Store) standsAlone(size int) bool { return int64(size) >= s.packedThreshold.Load() }

// DefaultPackedThreshold is the size from which an element of a list stands alone.
const DefaultPackedThreshold = 1 << 30

// SetPackedThreshold sets from how many bytes on, as they are stored, elements that
// come to lists from now on have nodes of their own, as Redis's plain nodes.
func (s *Store) SetPackedThreshold(size int64) { s.packedThreshold.Store(size) }

func (o *listObject) sizeLimit() int {
	_, bytes := o.store.listLimits()
	return bytes
}

// takes says whether the node r takes another count elements of size bytes.
// Neither takes a compressed one, nor one whose element stands alone, nor any such
// an element.
func (o *listObject) takes(r ref, count, size int) bool {
	if r == 0 || o.store.standsAlone(size) {
		return false
	}
	entries, bytes := o.store.listLimits()
	n := o.node(r)
	if n.frozen() || o.store.standsAlone(int(n.size)-packedHeader) && o.packed(n).entries() == 1 {
		return false
	}
	return listNodeHeader+int(n.size)+size <= bytes && o.packed(n).entries()+count <= entries
}

// push adds an entry at an end. Error: ErrOutOfMemory.
func (o *listObject) push(front bool, entry []byte) (err error) {
	r, at := o.tail, 0
	if front {
		r = o.head
	}
	if o.takes(r, 1, len(entry)) {
		if at = packedHeader; !front {
			at = int(o.node(r).size)
		}
		_, err = o.edit(r, at, at, entry, 1)
		return err
	}
	if front {
		_, err = o.newEntry(entry, 0, o.head)
	} else {
		_, err = o.newEntry(entry, o.tail, 0)
	}
	if err == nil && r != 0 {
		o.fit(r)
		if o.mayFreeze() {
			o.settleEnd(!front)
		}
	}
	return err
}

// newEntry links a node with one element.
func (o *listObject) newEntry(entry []byte, prev, next ref) (ref, error) {
	r, err := o.newNode(packedHeader + len(entry))
	if err != nil {
		return 0, err
	}
	n := o.node(r)
	if prev == 0 && next != 0 {
		n.off = n.cap - uint32(packedHeader+len(entry)) // more will come in front
	}
	n.size = uint32(packedHeader + len(entry))
	p := o.packed(n)
	p.setEntries(1)
	copy(p[packedHeader:], entry)
	o.link(r, prev, next)
	o.count++
	return r, nil
}

// insert adds an entry before position pos of the node r, which is not compressed.
// Error: ErrOutOfMemory; then nothing has changed.
func (o *listObject) insert(r ref, pos int, entry []byte) error {
	n := o.node(r)
	first, last := pos == packedHeader, pos == int(n.size)
	var err error
	switch {
	case o.takes(r, 1, len(entry)):
		_, err = o.edit(r, pos, pos, entry, 1)
	case first && o.takes(n.prev, 1, len(entry)):
		at := int(o.node(n.prev).size)
		_, err = o.edit(n.prev, at, at, entry, 1)
	case last && o.takes(n.next, 1, len(entry)):
		_, err = o.edit(n.next, packedHeader, packedHeader, entry, 1)
	case first:
		_, err = o.newEntry(entry, n.prev, r)
	case last:
		_, err = o.newEntry(entry, r, n.next)
	default:
		var second ref
		if second, err = o.split(r, pos); err != nil {
			return err
		}
		switch {
		case o.takes(r, 1, len(entry)):
			at := int(o.node(r).size)
			_, err = o.edit(r, at, at, entry, 1)
		case o.takes(second, 1, len(entry)):
			_, err = o.edit(second, packedHeader, packedHeader, entry, 1)
		default:
			_, err = o.newEntry(entry, r, second)
		}
	}
	return err
}

// split moves what is behind position pos of the node r, which is neither of its
// ends, to a new node after it. Error: ErrOutOfMemory; then nothing has changed.
func (o *listObject) split(r ref, pos int) (second ref, err error) {
	n := o.node(r)
	p := o.packed(n)
	kept := 0
	for at := p.first(); at < pos; kept++ {
		at = p.next(at)
	}
	moved := p.entries() - kept
	second, err = o.newNode(packedHeader + len(p) - pos)
	if err != nil {
		return 0, err
	}
	m := o.node(second)
	m.size = uint32(packedHeader + len(p) - pos)
	q := o.packed(m)
	q.setEntries(moved)
	copy(q[packedHeader:], p[pos:])
	n.size = uint32(pos)
	o.packed(n).setEntries(kept)
	o.link(second, r, n.next)
	return second, nil
}

// merge moves the elements of the node r, if it is small and inside the list, to
// a neighbour that has much room.
func (o *listObject) merge(r ref) {
	n := o.node(r)
	if n.prev == 0 || n.next == 0 || n.frozen() || listNodeHeader+int(n.size) > o.sizeLimit()/4 ||
		o.store.standsAlone(int(n.size)-packedHeader) && o.packed(n).entries() == 1 {
		return
	}
	p := o.packed(n)
	most := o.sizeLimit() / 2
	for _, to := range [...]ref{n.prev, n.next} {
		m := o.node(to)
		if listNodeHeader+int(m.size)+len(p) > most || !o.takes(to, p.entries(), len(p)-packedHeader) {
			continue
		}
		// A copy: making room in one node may move memory.
		entries := append([]byte(nil), p[packedHeader:]...)
		at := packedHeader
		if to == n.prev {
			at = int(m.size)
		}
		if _, err := o.edit(to, at, at, entries, p.entries()); err == nil {
			o.count -= o.packedAt(r).entries()
			o.unlink(r)
		}
		return
	}
}

// locate finds element i: its node, and its number there.
func (o *listObject) locate(i int) (r ref, at int) {
	if i < o.count/2 {
		for r = o.head; ; r = o.node(r).next {
			if n := o.entries(r); i >= n {
				i -= n
				continue
			}
			return r, i
		}
	}
	back := o.count - i // elements from i on
	for r = o.tail; ; r = o.node(r).prev {
		if n := o.entries(r); back > n {
			back -= n
			continue
		}
		return r, o.entries(r) - back
	}
}

// locateToEdit is locate for a change: the node is not compressed, and pos is the
// position of the element in it. Error: ErrOutOfMemory.
func (o *listObject) locateToEdit(i int) (r ref, pos int, err error) {
	r, at := o.locate(i)
	if r, err = o.thaw(r); err != nil {
		return 0, 0, err
	}
	return r, o.packedAt(r).seek(at), nil
}

// removeRange removes count elements from element i on, all of which exist. The nodes
// that keep some of their elements are not compressed (thawBoundary).
func (o *listObject) removeRange(i, count int) {
	r, at := o.locate(i)
	var rest ref // a node that lost some elements
	for count > 0 {
		next, n := o.node(r).next, o.entries(r)
		if at == 0 && n <= count {
			o.count -= n
			o.unlink(r)
		} else {
			p := o.packedAt(r)
			n = min(n-at, count)
			from := p.seek(at)
			to := len(p)
			if at+n < p.entries() {
				to = p.skip(from, n)
			}
			_, _ = o.edit(r, from, to, nil, -n) // fits: it needs no memory
			rest = r
		}
		count -= n
		r, at = next, 0
	}
	if rest != 0 {
		o.merge(rest)
	}
}
