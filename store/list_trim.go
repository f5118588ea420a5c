package store

// listChain are nodes at an end of a large list, all of whose elements are to go.
type listChain struct {
	reverse     bool // at the back
	first, last ref  // from the end on
	nodes       int
	elements    int
	rest        int   // elements to go from the node behind
	cells       int64 // bytes of the nodes
	external    []ref // nodes with a region
}

// Trim removes all but count elements from element first on, which exist; the list goes
// with its last one. Of a large list that takes time for each node that goes, in steps,
// and their memory is freed later. Errors: ErrOutOfMemory, ErrChanged; then nothing has
// changed.
func (l *List) Trim(first, count int) error {
	gone := l.Len() - count
	switch {
	case gone == 0:
		return nil
	case count == 0:
		l.it.sh.removeItem(&l.it)
		return nil
	case !l.isLarge():
		p := l.it.edit(0)
		from := p.seek(first)
		to := p.skip(from, count)
		p = p.replace(to, p.end(), nil, -(gone - first))
		return l.setPacked(p.replace(p.first(), from, nil, -first))
	}
	o := l.large()
	for _, boundary := range [...]int{first, first + count} {
		if err := o.thawBoundary(boundary); err != nil {
			return err
		}
	}
	if gone <= freeAtOnce {
		if back := gone - first; back > 0 {
			o.removeRange(first+count, back)
		}
		if first > 0 {
			o.removeRange(0, first)
		}
	} else if err := l.trimChains(first, gone-first); err != nil {
		return err
	}
	o.settle()
	l.shrink()
	return nil
}

// trimChains removes that many elements, not all, from the ends of a large list.
func (l *List) trimChains(front, back int) error {
	o, st := l.large(), l.tx.steps()
	chains := [...]listChain{{reverse: true, rest: back}, {rest: front}}
	for i := range chains {
		if !o.gather(&chains[i], &st) {
			return ErrChanged
		}
	}
	if l.tx.Pause != nil {
		l.it = l.tx.look(l.k) // a pause may have moved its entry
	}
	for i := range chains {
		c := &chains[i]
		if c.nodes > 0 {
			l.it.sh.discard(o.detach(c))
		}
		if c.rest > 0 && c.reverse {
			o.removeRange(o.count-c.rest, c.rest)
		} else if c.rest > 0 {
			o.removeRange(0, c.rest)
		}
	}
	return nil
}

// trimNode is as how many elements a node counts that is looked at.
const trimNode = 8

// gather finds the nodes of a chain, in steps, of whose elements rest are to go. False:
// end with ErrChanged.
func (o *listObject) gather(c *listChain, st *steps) bool {
	for r := o.end(c.reverse); ; r = o.after(r, c.reverse) {
		n := o.node(r)
		count := o.entries(r)
		if count > c.rest {
			return true
		}
		if c.nodes == 0 {
			c.first = r
		}
		c.last = r
		c.nodes++
		c.elements += count
		c.rest -= count
		size := listNodeHeader
		if n.region == 0 {
			size += int(n.cap)
		} else {
			c.external = append(c.external, r)
		}
		c.cells += int64(cellSize(size))
		if !st.count(trimNode) {
			return false
		}
	}
}

// detach makes an object of the nodes of a chain, to be discarded, in constant time but
// for those with a region. The object has other nodes, too.
func (o *listObject) detach(c *listChain) *listObject {
	d := &listObject{
		owner: owner{store: o.store, small: o.small, group: o.group, parent: o.parent},
		head:  c.first, tail: c.last, count: c.elements, nodes: c.nodes, compressed: o.compressed,
	}
	if stays := o.after(c.last, c.reverse); c.reverse {
		d.head, d.tail = c.last, c.first
		o.node(c.last).prev = 0
		o.node(stays).next, o.tail = 0, stays
	} else {
		o.node(c.last).next = 0
		o.node(stays).prev, o.head = 0, stays
	}
	o.count -= c.elements
	o.nodes -= c.nodes
	o.cells -= c.cells
	d.cells += c.cells
	for _, r := range c.external {
		n := o.node(r)
		if d.external == nil {
			d.external = &externals{parent: o.external.parent}
		}
		n.region = d.external.adopt(o.external.release(n.region-1)) + 1
	}
	// Either may be in the chain. Who compacts begins anew; who reads has been waited
	// for, or told to give up.
	o.at, o.reading = o.head, 0
	return d
}
