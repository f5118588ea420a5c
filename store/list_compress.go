package store

import (
	"encoding/binary"
	"math"

	"respkv/internal/lzf"
)

// With list-compress-depth, the nodes of a large list that have more than that many
// others on both sides are kept compressed:
//
//	0..3   number of entries, as in the packed value
//	4..7   bytes of the packed value, little-endian
//	8..    the entries, as LZF
//
// A compressed node is read by way of a copy (view), and changed after it was expanded
// (thaw), which takes memory: so a change that concerns several nodes expands them
// before it begins. Nodes that come near an end, or away from it, follow with the
// change that moves them (settle); without memory they stay as they are, which is
// allowed in any place.
const (
	frozenHeader = packedHeader + 4

	// frozenOff is off of a compressed node, which has no room.
	frozenOff = math.MaxUint32

	minFrozen = 48      // smaller nodes are not worth it
	maxFrozen = 1 << 17 // one step: larger ones are single values
)

func (n *listNode) frozen() bool { return n.off == frozenOff }

// stored is what a node holds: its packed value, or what stands for it.
func (o *listObject) stored(n *listNode) []byte {
	if n.frozen() {
		return o.data(n)[:n.size:n.size]
	}
	return o.packed(n)
}

// entries is the number of entries of the node r.
func (o *listObject) entries(r ref) int { return packed(o.stored(o.node(r))).entries() }

// unpackedSize is the size of the packed value of a node.
func (o *listObject) unpackedSize(n *listNode) int {
	if n.frozen() {
		return int(binary.LittleEndian.Uint32(o.stored(n)[packedHeader:]))
	}
	return int(n.size)
}

// uncompressed is the size of the packed values of all nodes.
func (o *listObject) uncompressed() (size int) {
	for r := o.head; r != 0; r = o.node(r).next {
		size += o.unpackedSize(o.node(r))
	}
	return size
}

// view is the packed value of the node r, to be read: where it lies or, of a compressed
// node, in buf, which is made larger as needed.
func (o *listObject) view(r ref, buf *[]byte) packed {
	n := o.node(r)
	if !n.frozen() {
		return o.packed(n)
	}
	size := o.unpackedSize(n)
	if cap(*buf) < size {
		*buf = make([]byte, size)
	}
	p := (*buf)[:size]
	o.expand(n, p)
	return p
}

// expand writes the packed value of a compressed node to p, which has its size.
func (o *listObject) expand(n *listNode, p packed) {
	stored := o.stored(n)
	copy(p, stored[:packedHeader])
	out, ok := lzf.Expand(p[packedHeader:], stored[frozenHeader:], uint64(len(p)-packedHeader))
	if !ok || len(out) > 0 && &out[0] != &p[packedHeader] {
		panic("store: a compressed node of a list is damaged")
	}
}

// thaw makes the node r an ordinary one and returns it, as it may have moved. Error:
// ErrOutOfMemory; then nothing has changed.
func (o *listObject) thaw(r ref) (ref, error) {
	if !o.node(r).frozen() {
		return r, nil
	}
	size := o.unpackedSize(o.node(r))
	to, err := o.newNode(size)
	if err != nil {
		return r, err
	}
	n, m := o.node(r), o.node(to)
	m.prev, m.next, m.size = n.prev, n.next, uint32(size)
	o.expand(n, o.packed(m))
	o.relink(r, to)
	o.freeNode(r)
	return to, nil
}

// thawBoundary thaws the node in which element i is, unless it is the first there: a
// removal that begins or ends with i changes it. Error: ErrOutOfMemory.
func (o *listObject) thawBoundary(i int) error {
	if !o.mayFreeze() || i <= 0 || i >= o.count {
		return nil
	}
	r, at := o.locate(i)
	if at == 0 {
		return nil
	}
	_, err := o.thaw(r)
	return err
}

// mayFreeze says whether nodes are compressed, or were.
func (o *listObject) mayFreeze() bool { return o.compressed || o.depth() > 0 }

func (o *listObject) depth() int { return o.store.limits.Load().ListCompressDepth }

// freeze compresses the node r, if that makes it smaller, and returns it, as it may
// have moved.
func (o *listObject) freeze(r ref) ref {
	n := o.node(r)
	if n.frozen() || n.size < minFrozen || n.size > maxFrozen {
		return r
	}
	p := o.packed(n)
	data := make([]byte, frozenHeader, len(p))
	copy(data, p[:packedHeader])
	binary.LittleEndian.PutUint32(data[packedHeader:], uint32(len(p)))
	data, ok := lzf.Compress(data, p[packedHeader:], len(p)-frozenHeader)
	if !ok || n.region == 0 && cellSize(listNodeHeader+len(data)) >= cellSize(listNodeHeader+int(n.cap)) {
		return r
	}
	to, err := o.newNode(len(data))
	if err != nil {
		return r
	}
	n = o.node(r)
	m := o.node(to)
	m.prev, m.next, m.size, m.off = n.prev, n.next, uint32(len(data)), frozenOff
	copy(o.data(m), data)
	o.relink(r, to)
	o.freeNode(r)
	o.compressed = true
	return to
}

// settle makes the nodes at both ends ordinary ones and compresses those that were
// there before.
func (o *listObject) settle() {
	if !o.mayFreeze() {
		return
	}
	o.settleEnd(false)
	o.settleEnd(true)
}

// settleEnd is settle for the front or, reversed, the back.
func (o *listObject) settleEnd(reverse bool) {
	depth := o.depth()
	r := o.end(reverse)
	for range min(depth, o.nodes) {
		r, _ = o.thaw(r)
		r = o.after(r, reverse)
	}
	if depth > 0 && o.nodes-depth > depth {
		o.freeze(r)
	}
}

// settleAround is settle, and compresses the inner nodes about element i again, which
// a change has thawed or made.
func (o *listObject) settleAround(i int) {
	if !o.mayFreeze() {
		return
	}
	const near = 2 // nodes that one change splits off, on either side
	r, _ := o.locate(min(max(i, 0), o.count-1))
	for range near {
		if prev := o.node(r).prev; prev != 0 {
			r = prev
		}
	}
	for n := 0; r != 0 && n <= 2*near; n++ {
		if o.inner(r) {
			r = o.freeze(r)
		}
		r = o.node(r).next
	}
	o.settle()
}

// inner says whether the node r is to be compressed.
func (o *listObject) inner(r ref) bool {
	depth := o.depth()
	if depth == 0 || o.nodes <= 2*depth {
		return false
	}
	before, behind := r, r
	for range depth {
		if before, behind = o.node(before).prev, o.node(behind).next; before == 0 || behind == 0 {
			return false
		}
	}
	return true
}

// addCopy links a copy of a node of another list behind the last one. Error:
// ErrOutOfMemory.
func (o *listObject) addCopy(from *listObject, n *listNode) error {
	r, err := o.addNode(from.stored(n), o.tail, 0)
	if err == nil && n.frozen() {
		o.node(r).off, o.compressed = frozenOff, true
	}
	return err
}
