package store

// fewNodes is how many nodes of a list are changed where they are in one step.
const fewNodes = 64

// removeInSteps is RemoveValue for a large list: the nodes that have the value are
// looked for in steps. Few of them are changed at the end, at once; for many the list
// is made anew without the value, and takes the place of the old one. Errors:
// ErrOutOfMemory, ErrChanged; then nothing has changed.
func (l *List) removeInSteps(value []byte, most int, reverse bool) (removed int, err error) {
	o, st := l.large(), l.tx.steps()
	var nodes []ref
	var buf []byte
	for r, found := o.end(reverse), 0; r != 0 && found < most && len(nodes) <= fewNodes; r = o.after(r, reverse) {
		p := o.view(r, &buf)
		if n := p.matches(value); n > 0 {
			found += n
			nodes = append(nodes, r)
		}
		if !st.count(1 + len(p)/stepBytes) {
			return 0, ErrChanged
		}
	}
	if len(nodes) <= fewNodes {
		l.it = l.tx.look(l.k) // a pause may have moved its entry
		for i := range nodes {
			if nodes[i], err = o.thaw(nodes[i]); err != nil {
				return 0, err
			}
		}
		for _, r := range nodes {
			removed += o.removeIn(r, value, most-removed, reverse)
		}
		return removed, nil
	}
	c := newList(l.it.sh)
	for r := o.end(reverse); r != 0 && err == nil; r = o.after(r, reverse) {
		p, gone := o.view(r, &buf), 0
		if removed < most {
			p, gone = append(packed(nil), p...).without(value, most-removed, reverse)
			removed += gone
		}
		switch {
		case p.entries() == 0:
		case reverse:
			_, err = c.addNode(p, 0, c.head)
			c.settleEnd(false)
		default:
			_, err = c.addNode(p, c.tail, 0)
			c.settleEnd(true)
		}
		if err == nil && !st.count(1+len(p)/stepBytes) {
			err = ErrChanged
		}
	}
	if err != nil {
		l.it.sh.discard(c)
		return 0, err
	}
	// Without elements it replaces the old one too, and goes with the key.
	l.it = l.tx.look(l.k)
	return removed, l.tx.convert(&l.it, l.k, TypeList, EncodingQuicklist, c)
}
