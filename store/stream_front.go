package store

import (
	"cmp"

	"respkv/internal/chunks"
)

// Removing many entries of a stream in steps. What looks at them, block by block, takes
// pauses; what removes them touches as little as it can: the front of a stream is cut off
// its tree as whole subtrees, which are freed like other large values (FreeStep), and of
// entries within it only the flags are set.

// StreamFront is the blocks at the front of a stream that a Trim removes as a whole.
type StreamFront struct {
	end    StreamID // of the first block that stays
	blocks int
	live   int   // entries in them
	bytes  int64 // that they take
}

// fewLeaves is how much of the tree is looked at to tell a long trim by ID.
const fewLeaves = 16

// Trims is about how many entries a Trim removes, or fewer if these are many.
func (s *Stream) Trims(t StreamTrim) (n int) {
	if !s.it.live {
		return 0
	}
	o := s.object()
	a := o.store.arena
	if !t.ByID {
		n = int(max(0, int64(o.count)-t.MaxLen))
	} else if p, ok := o.blocks.first(a); ok {
		blocks := 0
		if more := o.blocks.next(a, &p); more && idOfEntry(o.blocks.at(a, &p)).Before(t.MinID) {
			for leaves := 0; more && leaves < fewLeaves && idOfEntry(o.blocks.at(a, &p)).Before(t.MinID); leaves++ {
				blocks += int(o.blocks.node(a, p.steps[p.depth].node).n)
				more = o.blocks.nextLeaf(a, &p)
			}
		}
		n = o.count * min(blocks, o.blocks.count) / o.blocks.count
	}
	if t.Limit > 0 {
		n = int(min(int64(n), t.Limit))
	}
	return n
}

// Front looks, in steps, at the blocks that a Trim removes, for it to be told; nil: it need
// not be. Error: ErrChanged.
func (s *Stream) Front(t StreamTrim) (*StreamFront, error) {
	if s.tx.Pause == nil || !s.it.live || s.object().external != nil {
		return nil, nil
	}
	o, st, f := s.object(), s.tx.steps(), new(StreamFront)
	a := o.store.arena
	for path, ok := o.blocks.first(a); ok; {
		at := o.blocks.at(a, &path)
		r := ref(at[2])
		p := o.packedAt(r)
		h := p.streamHead()
		f.end = idOfEntry(at)
		whole, _ := t.takes(p, f.end, &h, o.count-f.live, f.live)
		// Of the last block Trim takes care: there is none that stays behind it.
		if !whole || !o.blocks.next(a, &path) {
			break
		}
		f.blocks++
		f.live += h.live
		f.bytes += o.blockBytes(r)
		if !st.count(blockElements) {
			return nil, ErrChanged
		}
	}
	s.it = s.tx.look(s.k) // a pause may have moved its entry
	return f, nil
}

// blockElements is how many elements it counts for to look at a block.
const blockElements = 4

// blockBytes is what a block takes that has no mapping of its own.
func (o *streamObject) blockBytes(r ref) int64 {
	return int64(cellSize(streamBlockHeader + int(o.block(r).cap)))
}

// cutFront takes the blocks of f off the stream. Few nodes of the tree are touched: those on
// the way to the first block that stays, and the inner ones of what goes, which are counted.
func (o *streamObject) cutFront(sh *shard, f *StreamFront) {
	a, t := o.store.arena, &o.blocks
	path, _ := t.find(a, f.end)
	g := &frontGarbage{o: &streamObject{owner: o.owner, blocks: idTree{words: t.words, count: f.blocks}}}
	bytes, nodes := f.bytes, int64(0)
	for d := 0; d <= path.depth; d++ {
		n, at := t.node(a, path.steps[d].node), path.steps[d].at
		for i := range at {
			if r := ref(t.entry(n, i)[2]); n.height > 0 {
				g.roots = append(g.roots, r)
				nodes += t.nodeBytes(a, r)
			} else {
				bytes -= o.blockBytes(r)
				o.freeBlock(r)
				g.o.blocks.count--
			}
		}
		w, words := t.width(n), t.all(n)
		copy(words, words[at*w:int(n.n)*w])
		n.n -= uint16(at)
	}
	t.count -= f.blocks
	t.bytes -= nodes
	t.shrink(&o.owner)
	o.count -= f.live
	g.o.blocks.bytes = nodes
	g.o.cells = bytes + nodes
	o.cells -= g.o.cells
	if len(g.roots) > 0 {
		sh.addGarbage(g, 0)
	}
}

// nodeBytes is what the nodes from r down take. Leaves that are not the root have all the
// same room.
func (t *idTree) nodeBytes(a *arena, r ref) int64 {
	n := t.node(a, r)
	sum := int64(cellSize(t.size(n)))
	switch n.height {
	case 0:
	case 1:
		sum += int64(n.n) * int64(cellSize(t.size(t.node(a, t.child(n, 0)))))
	default:
		for i := range int(n.n) {
			sum += t.nodeBytes(a, t.child(n, i))
		}
	}
	return sum
}

// frontGarbage is the front of a stream, which lives on: subtrees of its blocks, one of
// which at a time is the tree of o.
type frontGarbage struct {
	o     *streamObject
	roots []ref
}

func (g *frontGarbage) freeStep(_ *shard, max int) (freed int, done bool) {
	for freed < max {
		if g.o.blocks.root == 0 {
			last := len(g.roots) - 1
			if last < 0 {
				return freed, true
			}
			g.o.blocks.root, g.roots = g.roots[last], g.roots[:last]
		}
		n, _ := g.o.freeStep(max - freed)
		freed += n
	}
	return freed, false
}

// streamMark is an entry to be marked as deleted.
type streamMark struct {
	id, base StreamID // base: of its block
	pos      int      // there, of the flags
}

// DeleteMany is Delete in steps. Error: ErrChanged; then nothing has changed.
func (s *Stream) DeleteMany(ids []StreamID) (deleted int, err error) {
	if s.tx.Pause == nil || !s.it.live {
		return s.Delete(ids...), nil
	}
	o, st := s.object(), s.tx.steps()
	a := o.store.arena
	var found, marks chunks.List[streamMark]
	for _, id := range ids {
		if path, item, ok := o.locate(id); ok {
			found.Add(streamMark{id, idOfEntry(o.blocks.at(a, &path)), item.pos})
		}
		if !st.count(blockElements) {
			return 0, ErrChanged
		}
	}
	var last streamMark
	for m := range found.Sorted(streamMark.compare, st.next) {
		if *m != last {
			marks.Add(*m)
			last = *m
		}
	}
	if st.stopped {
		return 0, ErrChanged
	}
	s.it = s.tx.look(s.k) // a pause may have moved its entry
	o.mark(&marks)
	return marks.Len(), nil
}

func (m streamMark) compare(other streamMark) int {
	if c := m.base.Compare(other.base); c != 0 {
		return c
	}
	return cmp.Compare(m.pos, other.pos)
}

// mark deletes entries, which come in the order of their blocks.
func (o *streamObject) mark(marks *chunks.List[streamMark]) {
	a := o.store.arena
	var path idPath
	var base StreamID
	n, edge := 0, false
	for m := range marks.All() {
		if n > 0 && m.base != base {
			o.marked(&path, ref(o.blocks.at(a, &path)[2]), n)
			n = 0
		}
		if n == 0 {
			base = m.base
			path, _ = o.blocks.find(a, base)
		}
		n++
		o.packedAt(ref(o.blocks.at(a, &path)[2]))[m.pos] |= streamDeleted
		edge = edge || m.id == o.first
		if o.maxDeleted.Before(m.id) {
			o.maxDeleted = m.id
		}
	}
	if n > 0 {
		o.marked(&path, ref(o.blocks.at(a, &path)[2]), n)
	}
	if edge || o.count == 0 {
		o.first = o.edge()
	}
}
