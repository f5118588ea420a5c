package store

import "unsafe"

// idTree keeps what belongs to stream IDs in their order: the blocks of a
// stream, the pending entries of a group or of a consumer. It is a B+ tree whose
// nodes are cells of the stream's owner. A leaf entry is the ID and, behind it,
// some words of value; an inner entry is a bound (no ID below it is lower) and a
// child.
//
// A node is idNode, then room for entries. Nodes are split when full, so that
// entries appended in order leave full ones behind, and merged when an entry goes
// and they fit into one.
type idTree struct {
	root  ref   // 0: empty
	words int   // of value
	count int   // entries
	bytes int64 // of nodes
}

// idNode is the header of a node.
type idNode struct {
	n      uint16
	cap    uint16
	height uint32 // 0: leaf
}

const (
	// 31 entries: nodes of 500 to 1250 bytes, close to the sizes of cells.
	idFanout    = 31
	idFirst     = 2 // entries that the first leaf of a tree has room for
	idNodeBytes = int(unsafe.Sizeof(idNode{}))
	idInnerWord = 3 // bound, child

	idMerge     = idFanout / 3
	idMerged    = idFanout * 3 / 4
	idMaxHeight = 16 // see zsetMaxHeight
)

// idPath leads from the root to a place in a leaf.
type idPath struct {
	depth int // of the leaf
	steps [idMaxHeight]zsetStep
}

func (t *idTree) node(a *arena, r ref) *idNode { return (*idNode)(a.ptr(r)) }

// width is the number of words of an entry.
func (t *idTree) width(n *idNode) int {
	if n.height == 0 {
		return 2 + t.words
	}
	return idInnerWord
}

func (t *idTree) size(n *idNode) int { return idNodeBytes + int(n.cap)*t.width(n)*8 }

// all returns all words of a node.
func (t *idTree) all(n *idNode) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Add(unsafe.Pointer(n), idNodeBytes)), int(n.cap)*t.width(n))
}

// entry returns the words of entry i.
func (t *idTree) entry(n *idNode, i int) []uint64 {
	w := t.width(n)
	return t.all(n)[i*w : (i+1)*w : (i+1)*w]
}

func idOfEntry(e []uint64) StreamID { return StreamID{e[0], e[1]} }

func (t *idTree) child(n *idNode, i int) ref { return ref(t.entry(n, i)[2]) }

// lowest returns the first entry of a node that does not come before id.
func (t *idTree) lowest(n *idNode, id StreamID) int {
	w, words := t.width(n), t.all(n)
	low, high := 0, int(n.n)
	for low < high {
		if mid := (low + high) / 2; (StreamID{words[mid*w], words[mid*w+1]}).Before(id) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// below returns the child of an inner node that id belongs to: the last one whose
// bound does not come after it. The bound of the first child is not looked at: IDs
// below it, if they belong to the node, are there too.
func (t *idTree) below(n *idNode, id StreamID) int {
	words := t.all(n)
	low, high := 1, int(n.n)
	for low < high {
		if mid := (low + high) / 2; id.Before(StreamID{words[mid*idInnerWord], words[mid*idInnerWord+1]}) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low - 1
}

// seek leads to the first entry that does not come before id. Not ok: there is
// none; the path then leads behind the last entry, from where prev goes on.
func (t *idTree) seek(a *arena, id StreamID) (p idPath, ok bool) {
	if t.root == 0 {
		return p, false
	}
	for r := t.root; ; p.depth++ {
		n := t.node(a, r)
		if n.height == 0 {
			at := t.lowest(n, id)
			p.steps[p.depth] = zsetStep{r, at}
			return p, at < int(n.n) || t.nextLeaf(a, &p)
		}
		at := t.below(n, id)
		p.steps[p.depth] = zsetStep{r, at}
		r = t.child(n, at)
	}
}

// find leads to the entry of id.
func (t *idTree) find(a *arena, id StreamID) (p idPath, ok bool) {
	if p, ok = t.seek(a, id); ok {
		ok = idOfEntry(t.at(a, &p)) == id
	}
	return p, ok
}

// floor leads to the last entry that does not come after id.
func (t *idTree) floor(a *arena, id StreamID) (p idPath, ok bool) {
	if p, ok = t.seek(a, id); ok && idOfEntry(t.at(a, &p)) == id {
		return p, true
	}
	return p, t.prev(a, &p)
}

// first leads to the first entry.
func (t *idTree) first(a *arena) (p idPath, ok bool) { return t.seek(a, StreamID{}) }

// last leads to the last entry.
func (t *idTree) last(a *arena) (p idPath, ok bool) { return t.floor(a, MaxStreamID) }

// at returns the entry that a path leads to: ID and value, where they lie.
func (t *idTree) at(a *arena, p *idPath) []uint64 {
	s := p.steps[p.depth]
	return t.entry(t.node(a, s.node), s.at)
}

// next leads to the next entry. False: there is none; the path is then behind
// the last one.
func (t *idTree) next(a *arena, p *idPath) bool {
	s := &p.steps[p.depth]
	s.at++
	return s.at < int(t.node(a, s.node).n) || t.nextLeaf(a, p)
}

func (t *idTree) nextLeaf(a *arena, p *idPath) bool {
	for d := p.depth - 1; d >= 0; d-- {
		s := &p.steps[d]
		if s.at+1 < int(t.node(a, s.node).n) {
			s.at++
			for ; d < p.depth; d++ {
				p.steps[d+1] = zsetStep{t.child(t.node(a, p.steps[d].node), p.steps[d].at), 0}
			}
			return true
		}
	}
	return false
}

// prev leads to the entry before. False: there is none.
func (t *idTree) prev(a *arena, p *idPath) bool {
	if t.root == 0 {
		return false
	}
	if s := &p.steps[p.depth]; s.at > 0 {
		s.at--
		return true
	}
	for d := p.depth - 1; d >= 0; d-- {
		s := &p.steps[d]
		if s.at > 0 {
			s.at--
			for ; d < p.depth; d++ {
				r := t.child(t.node(a, p.steps[d].node), p.steps[d].at)
				p.steps[d+1] = zsetStep{r, int(t.node(a, r).n) - 1}
			}
			return true
		}
	}
	return false
}

func (t *idTree) alloc(o *owner, height uint32, room int) (ref, error) {
	n := idNode{cap: uint16(room), height: height}
	r, err := o.alloc(t.size(&n))
	if err != nil {
		return 0, err
	}
	*t.node(o.store.arena, r) = n
	t.bytes += int64(cellSize(t.size(&n)))
	return r, nil
}

func (t *idTree) free(o *owner, r ref) {
	size := t.size(t.node(o.store.arena, r))
	t.bytes -= int64(cellSize(size))
	o.free(r, size)
}

// insert adds an entry for id, which is not there, and returns its value, to be
// set. Error: ErrOutOfMemory; then the entries are what they were.
func (t *idTree) insert(o *owner, id StreamID) (value []uint64, err error) {
	a := o.store.arena
	if err := t.makeRoom(o); err != nil {
		return nil, err
	}
	r, last := t.root, true // last: no entry of the tree comes after this place
	for {
		n := t.node(a, r)
		if n.height == 0 {
			break
		}
		i := t.below(n, id)
		child := t.child(n, i)
		last = last && i == int(n.n)-1
		if c := t.node(a, child); c.n == idFanout {
			highest := idOfEntry(t.entry(c, idFanout-1))
			if err := t.split(o, n, i, last && highest.Before(id)); err != nil {
				return nil, err
			}
			i = t.below(n, id)
			child = t.child(n, i)
		}
		r = child
	}
	n := t.node(a, r)
	i, w := t.lowest(n, id), t.width(n)
	words := t.all(n)
	copy(words[(i+1)*w:], words[i*w:int(n.n)*w])
	n.n++
	t.count++
	e := t.entry(n, i)
	e[0], e[1] = id.Ms, id.Seq
	return e[2:], nil
}

// makeRoom makes the root a node that is not full.
func (t *idTree) makeRoom(o *owner) error {
	a := o.store.arena
	if t.root == 0 {
		r, err := t.alloc(o, 0, idFirst)
		t.root = r
		return err
	}
	root := t.node(a, t.root)
	if root.n < root.cap {
		return nil
	}
	if root.cap < idFanout {
		r, err := t.alloc(o, 0, min(2*int(root.cap), idFanout))
		if err != nil {
			return err
		}
		n := t.node(a, r)
		n.n = root.n
		copy(t.all(n), t.all(root))
		t.free(o, t.root)
		t.root = r
		return nil
	}
	r, err := t.alloc(o, root.height+1, idFanout)
	if err != nil {
		return err
	}
	n := t.node(a, r)
	n.n = 1
	t.setChild(n, 0, idOfEntry(t.entry(root, 0)), t.root)
	t.root = r
	return nil
}

func (t *idTree) setChild(n *idNode, i int, bound StreamID, child ref) {
	e := t.entry(n, i)
	e[0], e[1], e[2] = bound.Ms, bound.Seq, uint64(child)
}

// split splits the full child i of parent, which has room: in the middle or, when
// entries are appended, so that the left one stays full.
func (t *idTree) split(o *owner, parent *idNode, i int, appending bool) error {
	a := o.store.arena
	left := t.node(a, t.child(parent, i))
	r, err := t.alloc(o, left.height, idFanout)
	if err != nil {
		t.shrink(o)
		return err
	}
	keep := idFanout / 2
	if appending {
		keep = idFanout - 1
	}
	right := t.node(a, r)
	right.n = uint16(idFanout - keep)
	copy(t.all(right), t.all(left)[keep*t.width(left):])
	left.n = uint16(keep)
	words := t.all(parent)
	copy(words[(i+2)*idInnerWord:], words[(i+1)*idInnerWord:int(parent.n)*idInnerWord])
	parent.n++
	t.setChild(parent, i+1, idOfEntry(t.entry(right, 0)), r)
	return nil
}

// drop takes entry i out of a node.
func (t *idTree) drop(n *idNode, i int) {
	w, words := t.width(n), t.all(n)
	copy(words[i*w:], words[(i+1)*w:int(n.n)*w])
	n.n--
}

// remove removes the entry that the path leads to. No path is valid any more.
func (t *idTree) remove(o *owner, p *idPath) {
	a := o.store.arena
	t.drop(t.node(a, p.steps[p.depth].node), p.steps[p.depth].at)
	t.count--
	for d := p.depth - 1; d >= 0; d-- {
		s := p.steps[d]
		parent := t.node(a, s.node)
		r := t.child(parent, s.at)
		child := t.node(a, r)
		if child.n == 0 {
			t.free(o, r)
			t.drop(parent, s.at)
			continue
		}
		if child.n >= idMerge || s.at > 0 && t.merge(o, parent, s.at-1) {
			continue
		}
		if s.at+1 < int(parent.n) {
			t.merge(o, parent, s.at)
		}
	}
	t.shrink(o)
}

// shrink takes away an empty root, and those with a single node below.
func (t *idTree) shrink(o *owner) {
	for t.root != 0 {
		n := t.node(o.store.arena, t.root)
		if n.n > 1 || n.n == 1 && n.height == 0 {
			return
		}
		old := t.root
		t.root = 0
		if n.n == 1 {
			t.root = t.child(n, 0)
		}
		t.free(o, old)
	}
}

// merge appends the child i+1 to the child i, if they are small enough together.
func (t *idTree) merge(o *owner, parent *idNode, i int) bool {
	a := o.store.arena
	from := t.child(parent, i+1)
	left, right := t.node(a, t.child(parent, i)), t.node(a, from)
	if left.n+right.n > idMerged {
		return false
	}
	if right.height > 0 {
		// Of the first child only the parent knows how low it reaches.
		bound := idOfEntry(t.entry(parent, i+1))
		t.setChild(right, 0, bound, t.child(right, 0))
	}
	w := t.width(left)
	copy(t.all(left)[int(left.n)*w:], t.all(right)[:int(right.n)*w])
	left.n += right.n
	t.free(o, from)
	t.drop(parent, i+1)
	return true
}

// freeStep frees about max entries, each of which is passed to gone before, at
// least one leaf, from the end, and says whether all are free.
func (t *idTree) freeStep(o *owner, max int, gone func(value []uint64) int) (freed int, done bool) {
	a := o.store.arena
	for t.root != 0 && freed < max {
		var p idPath
		r := t.root
		for n := t.node(a, r); n.height > 0; n = t.node(a, r) {
			p.steps[p.depth].node = r
			p.depth++
			r = t.child(n, int(n.n)-1)
		}
		n := t.node(a, r)
		for n.n > 0 && freed < max {
			n.n--
			t.count--
			freed++
			if gone != nil {
				freed += gone(t.entry(n, int(n.n))[2:])
			}
		}
		if n.n > 0 {
			break
		}
		t.free(o, r)
		for ; p.depth > 0; p.depth-- {
			r = p.steps[p.depth-1].node
			n := t.node(a, r)
			if n.n--; n.n > 0 {
				break
			}
			t.free(o, r)
		}
		if p.depth == 0 {
			t.root = 0
		}
	}
	return freed, t.root == 0
}

// compactStep moves the nodes on the way to about budget entries, from id on, and
// returns the ID to go on with; not more: the end was reached. Each entry is
// passed to visit.
func (t *idTree) compactStep(o *owner, id StreamID, budget int, visit func(value []uint64) (looked, moved int)) (next StreamID, more bool, looked, moved int) {
	a := o.store.arena
	p, ok := t.seek(a, id)
	for ; ok && looked < budget; ok = t.nextLeaf(a, &p) {
		for d := p.depth; d >= 0; d-- {
			if d < p.depth && p.steps[d].at > 0 {
				break // an inner node is looked at with its first leaf
			}
			if t.move(o, &p, d) {
				moved++
			}
		}
		leaf := t.node(a, p.steps[p.depth].node)
		for i := p.steps[p.depth].at; i < int(leaf.n); i++ {
			if visit != nil {
				l, m := visit(t.entry(leaf, i)[2:])
				looked, moved = looked+l, moved+m
			}
			looked++
		}
		if next, more = idOfEntry(t.entry(leaf, int(leaf.n)-1)).Next(); !more {
			return next, false, looked, moved
		}
	}
	return next, ok, looked, moved
}

// move moves the node of a path at depth d, if that helps, and says whether it
// did.
func (t *idTree) move(o *owner, p *idPath, d int) bool {
	a := o.store.arena
	from := p.steps[d].node
	size := t.size(t.node(a, from))
	to, ok := o.relocate(from, size)
	if !ok {
		return false
	}
	if d == 0 {
		t.root = to
	} else {
		up := p.steps[d-1]
		t.entry(t.node(a, up.node), up.at)[2] = uint64(to)
	}
	p.steps[d].node = to
	o.free(from, size)
	return true
}
