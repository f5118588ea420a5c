package store

// removeLess is RemoveRange for many members of a large set, in steps: see element_less.go.
// Errors: ErrOutOfMemory, ErrChanged; then nothing has changed.
func (z *ZSet) removeLess(rank, count int) error {
	o, st := z.view().o, z.tx.steps()
	a := o.store.arena
	g := new(gone)
	p := o.tree.seek(a, rank)
	for more := true; more; more = more && p.nextLeaf(a, false) {
		entries := p.leaf(a, false)
		entries = entries[:min(len(entries), count-g.entries.Len())]
		for _, e := range entries {
			prefetch(a.mappedAddr(e.at))
		}
		for _, e := range entries {
			r := a.parseElement(e.at)
			g.add(&r)
		}
		more = st.count(len(entries)) && g.entries.Len() < count
	}
	if st.stopped {
		return ErrChanged
	}
	return z.replaceWithout(g, &st, func(at int, _ zsetEntry) bool { return at >= rank && at < rank+count })
}

// replaceWithout makes the set one of its members but for those that go, which leaves knows
// by rank or entry, in steps. Errors: ErrOutOfMemory, ErrChanged; then nothing has changed.
func (z *ZSet) replaceWithout(g *gone, st *steps, leaves func(rank int, e zsetEntry) bool) error {
	o, c := z.view().o, new(zsetObject)
	segments, end, err := o.elements.less(&c.elements, g, st)
	if err == nil {
		err = o.treeLess(c, st, leaves)
	}
	nodes := int64(0)
	if err == nil {
		nodes, err = o.tree.cells(o.store.arena, st)
	}
	if err != nil {
		z.it.sh.addGarbage(&shell{e: &c.elements, tree: &c.tree, end: end}, 0)
		return err
	}
	z.it = z.tx.look(z.k) // a pause may have moved its entry
	o.handOver(&c.elements, g, segments, nodes)
	z.it.replaceObject(c, &shell{e: &o.elements, tree: &o.tree, gone: g, end: tagEnd})
	return nil
}

// treeLess gives c a tree of the members of o but for those that go, in steps.
func (o *zsetObject) treeLess(c *zsetObject, st *steps, leaves func(rank int, e zsetEntry) bool) (err error) {
	last := func(zsetEntry) bool { return true }
	at, n := 0, o.length()
	p := o.tree.seek(o.store.arena, 0)
	for at < n && err == nil {
		entries := p.leaf(o.store.arena, false)
		for i := 0; i < len(entries) && err == nil; i++ {
			if !leaves(at+i, entries[i]) {
				err = c.tree.insert(&c.owner, entries[i], last)
			}
		}
		at += len(entries)
		if !st.count(len(entries)/4) || !p.nextLeaf(o.store.arena, false) {
			break
		}
	}
	return st.end(err)
}

// cells is what the nodes of the tree take, in bytes, found in steps.
func (t *zsetTree) cells(a *arena, st *steps) (sum int64, err error) {
	leaf, inner := int64(cellSize(zsetLeafSize)), int64(cellSize(zsetInnerSize))
	var below func(r ref) bool
	below = func(r ref) bool {
		n := a.zsetNode(r)
		switch n.height {
		case 0:
			sum += leaf
			return true
		case 1:
			sum += inner + int64(n.n)*leaf
			return st.next()
		}
		sum += inner
		for i := range int(n.n) {
			if !below(a.zsetNode(r).inner()[i].child) {
				return false
			}
		}
		return true
	}
	below(t.root)
	return sum, st.end(nil)
}
