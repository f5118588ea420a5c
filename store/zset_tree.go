package store

import "unsafe"

// zsetTree keeps the members of a large sorted set in order of score and, among
// equal scores, of bytes: a B+ tree whose inner entries count the members below
// them, so that a rank is found, and told, in O(log n). Its nodes are cells of
// the object's owner. It holds no names: an entry refers to the element.
//
// A node is 4 bytes number of entries, 4 bytes height (0: leaf), and entries of
// zsetLeafEntry or zsetInnerEntry. The first entry below each inner entry is
// kept exactly, so that a descent looks at no other node. Nodes may be nearly
// empty; those that fit into one are merged when an entry goes.
type zsetTree struct {
	root ref // 0: empty
}

// zsetEntry is a member in order.
type zsetEntry struct {
	score float64
	at    ref // element
}

// zsetInnerEntry is a node below an inner node.
type zsetInnerEntry struct {
	first zsetEntry // the lowest entry below
	child ref
	count uint64 // members below
}

type zsetNode struct {
	n      uint32
	height uint32
}

const (
	// 31 entries: leaves of 504 bytes and inner nodes of 1000, close to the
	// sizes of cells. Wider ones would cost more where a set has just become
	// large, and more to insert into.
	zsetFanout    = 31
	zsetNodeBytes = int(unsafe.Sizeof(zsetNode{}))
	zsetLeafSize  = zsetNodeBytes + zsetFanout*int(unsafe.Sizeof(zsetEntry{}))
	zsetInnerSize = zsetNodeBytes + zsetFanout*int(unsafe.Sizeof(zsetInnerEntry{}))

	// zsetMerge is the number of entries below which a node is merged with a
	// neighbour, when both take at most zsetMerged.
	zsetMerge  = zsetFanout / 3
	zsetMerged = zsetFanout * 3 / 4

	// zsetMaxHeight bounds a descent. A node splits into no less than one
	// and thirty entries, and only the last one of its level into that, so
	// nodes hold 15 on the average: 16 levels suffice for any memory.
	zsetMaxHeight = 16
)

// zsetPath leads from the root to a place in a leaf: nodes and, in each, the
// entry taken.
type zsetPath struct {
	depth int // of the leaf
	steps [zsetMaxHeight]zsetStep
}

type zsetStep struct {
	node ref
	at   int
}

func (a *arena) zsetNode(r ref) *zsetNode { return (*zsetNode)(a.ptr(r)) }

// leaf returns all places for entries of a leaf.
func (n *zsetNode) leaf() *[zsetFanout]zsetEntry {
	return (*[zsetFanout]zsetEntry)(unsafe.Add(unsafe.Pointer(n), zsetNodeBytes))
}

// inner returns all places for entries of an inner node.
func (n *zsetNode) inner() *[zsetFanout]zsetInnerEntry {
	return (*[zsetFanout]zsetInnerEntry)(unsafe.Add(unsafe.Pointer(n), zsetNodeBytes))
}

func (n *zsetNode) first() zsetEntry {
	if n.height == 0 {
		return n.leaf()[0]
	}
	return n.inner()[0].first
}

// members is the number of members in and below a node.
func (n *zsetNode) members() uint64 {
	if n.height == 0 {
		return uint64(n.n)
	}
	sum := uint64(0)
	for _, e := range n.inner()[:n.n] {
		sum += e.count
	}
	return sum
}

func zsetNodeSize(height uint32) int {
	if height == 0 {
		return zsetLeafSize
	}
	return zsetInnerSize
}

// search leads to the first entry for which before is false; before is true for
// the entries up to some place and false from there on. The place may be behind
// the last entry of a leaf. There is a root.
func (t *zsetTree) search(a *arena, before func(e zsetEntry) bool) (p zsetPath) {
	for r := t.root; ; p.depth++ {
		n := a.zsetNode(r)
		low, high := 0, int(n.n)
		if n.height == 0 {
			entries := n.leaf()
			for low < high {
				if mid := (low + high) / 2; before(entries[mid]) {
					low = mid + 1
				} else {
					high = mid
				}
			}
			p.steps[p.depth] = zsetStep{r, low}
			return p
		}
		entries := n.inner()
		for low+1 < high {
			if mid := (low + high) / 2; before(entries[mid].first) {
				low = mid
			} else {
				high = mid
			}
		}
		p.steps[p.depth] = zsetStep{r, low}
		r = entries[low].child
	}
}

// find is search for an entry that is there: the place is in its leaf.
func (t *zsetTree) find(a *arena, before func(e zsetEntry) bool) zsetPath {
	p := t.search(a, before)
	if s := p.steps[p.depth]; s.at == int(a.zsetNode(s.node).n) {
		p.nextLeaf(a, false)
	}
	return p
}

// seek leads to the entry of that rank, which exists.
func (t *zsetTree) seek(a *arena, rank int) (p zsetPath) {
	left := uint64(rank)
	for r := t.root; ; p.depth++ {
		n := a.zsetNode(r)
		if n.height == 0 {
			p.steps[p.depth] = zsetStep{r, int(left)}
			return p
		}
		entries := n.inner()
		i := 0
		for left >= entries[i].count {
			left -= entries[i].count
			i++
		}
		p.steps[p.depth] = zsetStep{r, i}
		r = entries[i].child
	}
}

// rank is the number of entries before the place.
func (p *zsetPath) rank(a *arena) int {
	sum := p.steps[p.depth].at
	for _, s := range p.steps[:p.depth] {
		for _, e := range a.zsetNode(s.node).inner()[:s.at] {
			sum += int(e.count)
		}
	}
	return sum
}

// leaf returns the leaf's entries from the place on, or, reversed, those up to
// and including the place.
func (p *zsetPath) leaf(a *arena, reverse bool) []zsetEntry {
	s := p.steps[p.depth]
	n := a.zsetNode(s.node)
	if reverse {
		return n.leaf()[:s.at+1]
	}
	return n.leaf()[s.at:n.n]
}

// nextLeaf leads to the first entry of the next leaf, or, reversed, the last
// one of the leaf before. False: there is none.
func (p *zsetPath) nextLeaf(a *arena, reverse bool) bool {
	d := p.depth - 1
	for ; d >= 0; d-- {
		s := &p.steps[d]
		if reverse && s.at > 0 {
			s.at--
			break
		}
		if !reverse && s.at+1 < int(a.zsetNode(s.node).n) {
			s.at++
			break
		}
	}
	if d < 0 {
		return false
	}
	for ; d < p.depth; d++ {
		r := a.zsetNode(p.steps[d].node).inner()[p.steps[d].at].child
		at := 0
		if reverse {
			at = int(a.zsetNode(r).n) - 1
		}
		p.steps[d+1] = zsetStep{r, at}
	}
	return true
}

// insert adds an entry; before tells which of the present ones come before it.
// Error: ErrOutOfMemory; then the entries are what they were.
func (t *zsetTree) insert(o *owner, e zsetEntry, before func(e zsetEntry) bool) error {
	a := o.store.arena
	if t.root == 0 {
		r, err := o.alloc(zsetLeafSize)
		if err != nil {
			return err
		}
		*a.zsetNode(r) = zsetNode{}
		t.root = r
	}
	if root := a.zsetNode(t.root); root.n == zsetFanout {
		r, err := o.alloc(zsetInnerSize)
		if err != nil {
			return err
		}
		n := a.zsetNode(r)
		*n = zsetNode{n: 1, height: root.height + 1}
		n.inner()[0] = zsetInnerEntry{first: root.first(), child: t.root, count: root.members()}
		t.root = r
	}
	// Full nodes are split on the way down: so each split is complete in
	// itself, and one that fails for want of memory leaves a sound tree.
	var p zsetPath
	last := true // no entry of the tree comes after this place
	for r := t.root; ; p.depth++ {
		n := a.zsetNode(r)
		if n.height == 0 {
			low, high := 0, int(n.n)
			if last && high > 0 && before(n.leaf()[high-1]) {
				low = high // as members in order come
			}
			for low < high {
				if mid := (low + high) / 2; before(n.leaf()[mid]) {
					low = mid + 1
				} else {
					high = mid
				}
			}
			p.steps[p.depth] = zsetStep{r, low}
			break
		}
		entries := n.inner()
		low, high := 0, int(n.n)
		if last && before(entries[high-1].first) {
			low = high - 1 // as members in order come
		}
		for low+1 < high {
			if mid := (low + high) / 2; before(entries[mid].first) {
				low = mid
			} else {
				high = mid
			}
		}
		last = last && low == int(n.n)-1
		if a.zsetNode(entries[low].child).n == zsetFanout {
			if err := splitZsetNode(o, n, low, last && before(a.zsetNode(entries[low].child).last())); err != nil {
				t.shrink(o)
				return err
			}
			if before(entries[low+1].first) {
				low++
			}
		}
		p.steps[p.depth] = zsetStep{r, low}
		r = entries[low].child
	}
	s := p.steps[p.depth]
	n := a.zsetNode(s.node)
	copy(n.leaf()[s.at+1:], n.leaf()[s.at:n.n])
	n.leaf()[s.at] = e
	n.n++
	for _, s := range p.steps[:p.depth] {
		a.zsetNode(s.node).inner()[s.at].count++
	}
	p.noteFirst(a)
	return nil
}

// last is the last entry, of an inner node the first one below its last.
func (n *zsetNode) last() zsetEntry {
	if n.height == 0 {
		return n.leaf()[n.n-1]
	}
	return n.inner()[n.n-1].first
}

// splitZsetNode splits the child at i of parent, which has room: in the middle,
// or, when entries are appended in order, so that the left one stays full.
func splitZsetNode(o *owner, parent *zsetNode, i int, appending bool) error {
	a := o.store.arena
	entries := parent.inner()
	left := a.zsetNode(entries[i].child)
	r, err := o.alloc(zsetNodeSize(left.height))
	if err != nil {
		return err
	}
	keep := zsetFanout / 2
	if appending {
		keep = zsetFanout - 1
	}
	right := a.zsetNode(r)
	*right = zsetNode{n: uint32(zsetFanout - keep), height: left.height}
	if left.height == 0 {
		copy(right.leaf()[:], left.leaf()[keep:])
	} else {
		copy(right.inner()[:], left.inner()[keep:])
	}
	left.n = uint32(keep)
	copy(entries[i+2:], entries[i+1:parent.n])
	parent.n++
	count := right.members()
	entries[i+1] = zsetInnerEntry{first: right.first(), child: r, count: count}
	entries[i].count -= count
	return nil
}

// noteFirst makes the inner entries of the path tell the first entry below them.
func (p *zsetPath) noteFirst(a *arena) {
	for d := p.depth - 1; d >= 0; d-- {
		s := p.steps[d]
		e := &a.zsetNode(s.node).inner()[s.at]
		first := a.zsetNode(e.child).first()
		if e.first == first {
			return
		}
		e.first = first
	}
}

// remove removes the entry that the path leads to.
func (t *zsetTree) remove(o *owner, p *zsetPath) {
	a := o.store.arena
	s := p.steps[p.depth]
	n := a.zsetNode(s.node)
	copy(n.leaf()[s.at:], n.leaf()[s.at+1:n.n])
	n.n--
	for d := p.depth - 1; d >= 0; d-- {
		s := p.steps[d]
		parent := a.zsetNode(s.node)
		e := &parent.inner()[s.at]
		e.count--
		child := a.zsetNode(e.child)
		if child.n == 0 {
			o.free(e.child, zsetNodeSize(child.height))
			parent.dropEntry(s.at)
			continue
		}
		e.first = child.first()
		if child.n >= zsetMerge {
			continue
		}
		if s.at > 0 && mergeZsetNodes(o, parent, s.at-1) {
			continue
		}
		if s.at+1 < int(parent.n) {
			mergeZsetNodes(o, parent, s.at)
		}
	}
	t.shrink(o)
}

// shrink takes away an empty root, and those with a single node below.
func (t *zsetTree) shrink(o *owner) {
	for {
		n := o.store.arena.zsetNode(t.root)
		if n.n > 1 || n.n == 1 && n.height == 0 {
			return
		}
		old, height := t.root, n.height
		t.root = 0
		if n.n == 1 {
			t.root = n.inner()[0].child
		}
		o.free(old, zsetNodeSize(height))
		if t.root == 0 {
			return
		}
	}
}

func (n *zsetNode) dropEntry(i int) {
	copy(n.inner()[i:], n.inner()[i+1:n.n])
	n.n--
}

// mergeZsetNodes appends the child at i+1 to the one at i, if they are small
// enough together.
func mergeZsetNodes(o *owner, parent *zsetNode, i int) bool {
	a := o.store.arena
	entries := parent.inner()
	left, right := a.zsetNode(entries[i].child), a.zsetNode(entries[i+1].child)
	if left.n+right.n > zsetMerged {
		return false
	}
	if left.height == 0 {
		copy(left.leaf()[left.n:], right.leaf()[:right.n])
	} else {
		copy(left.inner()[left.n:], right.inner()[:right.n])
	}
	left.n += right.n
	entries[i].count += entries[i+1].count
	o.free(entries[i+1].child, zsetNodeSize(right.height))
	parent.dropEntry(i + 1)
	return true
}

// moved says that the element of the entry that the path leads to lies
// elsewhere now.
func (t *zsetTree) moved(a *arena, p *zsetPath, to ref) {
	s := p.steps[p.depth]
	a.zsetNode(s.node).leaf()[s.at].at = to
	p.noteFirst(a)
}

// freeStep frees about max entries with their nodes, at least one node, and
// says whether all are free.
func (t *zsetTree) freeStep(o *owner, max int) (freed int, done bool) {
	a := o.store.arena
	for t.root != 0 && freed < max {
		// The last leaf; nodes above it that become empty.
		var p zsetPath
		r := t.root
		for n := a.zsetNode(r); n.height > 0; n = a.zsetNode(r) {
			p.steps[p.depth].node = r
			p.depth++
			r = n.inner()[n.n-1].child
		}
		freed += int(a.zsetNode(r).n) + 1
		o.free(r, zsetLeafSize)
		for ; p.depth > 0; p.depth-- {
			r = p.steps[p.depth-1].node
			n := a.zsetNode(r)
			if n.n--; n.n > 0 {
				break
			}
			o.free(r, zsetInnerSize)
		}
		if p.depth == 0 {
			t.root = 0
		}
	}
	return freed, t.root == 0
}

// compactStep moves the nodes on the way to about budget entries, from rank on,
// and returns the rank to go on with; one that does not exist at the end.
func (t *zsetTree) compactStep(o *owner, rank, length, budget int) (next, looked, moved int) {
	a := o.store.arena
	for rank < length && looked < budget {
		p := t.seek(a, rank)
		begins := p.steps[p.depth].at == 0
		for d := p.depth; d >= 0; d-- {
			s := p.steps[d]
			n := a.zsetNode(s.node)
			if d < p.depth {
				// An inner node is looked at with its first leaf.
				begins = begins && s.at == 0
			}
			if !begins && rank > 0 {
				break
			}
			size := zsetNodeSize(n.height)
			if to, ok := o.relocate(s.node, size); ok {
				if d == 0 {
					t.root = to
				} else {
					up := p.steps[d-1]
					a.zsetNode(up.node).inner()[up.at].child = to
				}
				p.steps[d].node = to
				o.free(s.node, size)
				moved++
			}
		}
		n := len(p.leaf(a, false))
		rank += n
		looked += n + 1
	}
	return rank, looked, moved
}
