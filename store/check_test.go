package store

import (
	"testing"
)

// checker recomputes everything that the store keeps count of. The caller must
// be alone with the store.
type checker struct {
	t    *testing.T
	s    *Store
	runs map[*heap]map[runID]int // cells in use by run
	big  int64                   // blocks handed out directly
	seen map[ref]bool
}

func checkStore(t *testing.T, s *Store) {
	t.Helper()
	c := &checker{t: t, s: s, runs: map[*heap]map[runID]int{}, seen: map[ref]bool{}}
	for i := range s.shards {
		c.shard(&s.shards[i])
	}
	blocks := c.big + 1
	for i := range s.shards {
		blocks += c.heap(&s.shards[i].heap)
	}
	for i := range s.groups {
		blocks += c.heap(&s.groups[i]) + c.heap(&s.objects[i])
	}
	blocks += c.heap(&s.large)
	if blocks != s.arena.inUse {
		t.Errorf("arena: %d blocks in use, %d accounted for", s.arena.inUse, blocks)
	}
	c.arena()
}

func (c *checker) shard(sh *shard) {
	var cells, index, external, foreign int64
	objects := map[uint32]bool{}
	regions := 0
	for db := range sh.dbs {
		ix := sh.dbs[db].Load()
		if ix == nil {
			continue
		}
		bytes := c.index(&sh.owner, ix, func(e entry) {
			rec := sh.store.arena.parse(refOf(e))
			k := MakeKey(rec.key())
			if k.tag() != tagOf(e) || k.Shard() != sh.id {
				c.t.Fatalf("entry %#x of shard %d leads to key %q with tag %#x of shard %d", tagOf(e), sh.id, rec.key(), k.tag(), k.Shard())
			}
			if rec.hasDeadline() != (e&deadlineBit != 0) {
				c.t.Fatalf("deadline bit of %q is wrong", rec.key())
			}
			c.hinted(sh, db, k, &rec)
			cells += int64(cellSize(rec.size()))
			c.cell(&sh.owner, rec.ref, rec.size())
			if rec.large() {
				o := sh.object(&rec)
				objects[rec.handle()] = true
				in, ix, ext := c.object(sh, o)
				cells += in
				index += ix
				foreign += ext
			}
			if rec.encoding() == encodingRawExternal {
				id, n := rec.external()
				if len(sh.external.regions[id]) < n || n <= maxInline {
					c.t.Errorf("external value of %d bytes in region of %d", n, len(sh.external.regions[id]))
				}
				external += int64(len(sh.external.regions[id]))
				regions++
			}
		})
		index += bytes
	}
	hinted := int64(0)
	for _, ix := range sh.hints {
		if ix != nil {
			index += c.index(&sh.owner, ix, func(entry) {})
			hinted += ix.count.Load()
		}
	}
	if hinted != sh.hinted.Load() {
		c.t.Errorf("shard %d: %d hints, counted %d", sh.id, hinted, sh.hinted.Load())
	}
	if len(objects)+len(sh.objects.free) != len(sh.objects.list) {
		c.t.Errorf("shard %d: %d objects used, %d free, of %d", sh.id, len(objects), len(sh.objects.free), len(sh.objects.list))
	}
	if len(sh.garbage) > 0 {
		c.t.Fatalf("shard %d still holds garbage", sh.id)
	}
	if cells+index != sh.cells || index != sh.indexBytes || external != sh.external.bytes || foreign != sh.external.foreign {
		c.t.Errorf("shard %d: cells %d+%d counted %d, index counted %d, external %d counted %d",
			sh.id, cells, index, sh.cells, sh.indexBytes, external, sh.external.bytes)
	}
	if regions+len(sh.external.free) != len(sh.external.regions) {
		c.t.Errorf("shard %d: %d regions used, %d free, of %d", sh.id, regions, len(sh.external.free), len(sh.external.regions))
	}
}

// hinted: a hash whose fields have deadlines has a hint that is early enough.
func (c *checker) hinted(sh *shard, db int, k Key, rec *record) {
	earliest := ref(1 << refBits)
	note := func(deadline int64) {
		if deadline != noDeadline {
			earliest = min(earliest, hintOf(deadline))
		}
	}
	switch {
	case rec.typ() != TypeHash:
	case rec.large():
		sh.object(rec).(*hashObject).each(func(r *element) bool { note(r.deadline()); return true })
	case rec.encoding() == EncodingListpackEx:
		h := Hash{tx: &Tx{Store: c.s, IgnoreDeadlines: true}, it: item{sh: sh, rec: *rec, live: true}}
		h.eachPacked(func(_, _ packedEntry, deadline int64) bool { note(deadline); return true })
	}
	if earliest == 1<<refBits {
		return
	}
	if sh.hints[db] == nil {
		c.t.Fatalf("no hints, but %q has fields with deadlines", k.Name)
	}
	p, ok := sh.findHint(sh.hints[db], k.tag())
	if !ok || refOf(p.cells[p.at]) > earliest {
		c.t.Fatalf("hint of %q is missing or late: %v", k.Name, ok)
	}
}

// object checks a large hash or set and returns its bytes of cells, of index
// segments and of values with a mapping of their own.
func (c *checker) object(sh *shard, o object) (cells, index, external int64) {
	var e *elements
	switch o := o.(type) {
	case *streamObject:
		return c.stream(sh, o)
	case *hashObject:
		e = &o.elements
	case *setObject:
		e = &o.elements
	case *zsetObject:
		e = &o.elements
		cells += c.zset(o)
	}
	if e.parent != &sh.owner || e.length() == 0 {
		c.t.Errorf("object of another shard, or empty: %d elements", e.length())
	}
	index = c.index(&e.owner, &e.index, func(at entry) {
		r := c.s.arena.parseElement(refOf(at))
		if elementTag(r.name()) != tagOf(at) || r.hasDeadline() != (at&deadlineBit != 0) {
			c.t.Fatalf("element %q has a wrong entry %#x", r.name(), at)
		}
		cells += int64(cellSize(r.size()))
		c.cell(&e.owner, r.ref, r.size())
		if r.external() {
			external += int64(len(e.external.regions[uint32(r.inline()[0])|uint32(r.inline()[1])<<8]))
		}
	})
	if cells+index != e.cells || index != e.indexBytes || e.external != nil && external != e.external.bytes {
		c.t.Errorf("object: cells %d+%d counted %d, index counted %d, external %d", cells, index, e.cells, e.indexBytes, external)
	}
	return cells, index, external
}

func (c *checker) index(o *owner, ix *index, visit func(entry)) (bytes int64) {
	t := c.t
	dir := ix.dir.Load()
	if len(dir.segs) != 1<<dir.depth {
		t.Fatalf("directory of depth %d has %d words", dir.depth, len(dir.segs))
	}
	slots := new([SlotsPerShard]uint32)
	var count, expires int64
	deepest := 0
	for pos := 0; pos < len(dir.segs); {
		w := segWord(dir.segs[pos])
		if w.depth() > dir.depth || w.depth() > maxDepth {
			t.Fatalf("segment depth %d in directory of depth %d", w.depth(), dir.depth)
		}
		if w.depth() == dir.depth {
			deepest++
		}
		n := 1 << (dir.depth - w.depth())
		if pos%n != 0 {
			t.Fatalf("segment of depth %d at %d", w.depth(), pos)
		}
		for _, other := range dir.segs[pos : pos+n] {
			if other != uint64(w) {
				t.Fatalf("directory words of one segment differ")
			}
		}
		first := uint32(pos) << (tagBits - dir.depth)
		end := first + 1<<(tagBits-w.depth())
		cells := o.cellsOf(w)
		c.cell(o, w.ref(), len(cells)*8)
		bytes += int64(len(cells) * 8)
		live, dated := 0, 0
		for i := 1; i < len(cells); i++ {
			e := cells[i]
			if e == 0 {
				continue
			}
			live++
			tag := tagOf(e)
			if tag < first || tag >= end {
				t.Fatalf("tag %#x outside of segment %#x..%#x", tag, first, end)
			}
			home := w.home(tag)
			if home > i || home < 1 {
				t.Fatalf("entry at %d has home %d", i, home)
			}
			if i > home && (cells[i-1] == 0 || tagOf(cells[i-1]) > tag) {
				t.Fatalf("gap or disorder before displaced entry at %d", i)
			}
			if e&deadlineBit != 0 {
				dated++
			}
			slots[tag>>hashBits]++
			visit(e)
		}
		if int(uint32(cells[0])) != live || int(cells[0]>>32) != dated {
			t.Fatalf("segment header says %d/%d, found %d/%d", uint32(cells[0]), cells[0]>>32, live, dated)
		}
		count += int64(live)
		expires += int64(dated)
		pos += n
	}
	if ix.slots != nil && *slots != *ix.slots || count != ix.count.Load() || expires != ix.expires.Load() || deepest != ix.deepest || bytes != ix.bytes {
		t.Fatalf("index: count %d/%d expires %d/%d deepest %d/%d bytes %d/%d, slots equal: %v", count, ix.count.Load(),
			expires, ix.expires.Load(), deepest, ix.deepest, bytes, ix.bytes, ix.slots == nil || *slots == *ix.slots)
	}
	return bytes
}

// cell notes memory in use.
func (c *checker) cell(o *owner, r ref, size int) {
	if c.seen[r] {
		c.t.Fatalf("memory at %#x is used twice", r)
	}
	c.seen[r] = true
	if inBlocks(size) {
		c.big += int64(blocksFor(size))
		return
	}
	class := classOf(size)
	h := o.heapFor(class)
	id := h.runOf(r, class)
	hd := h.header(id)
	if int(hd.class) != class {
		c.t.Fatalf("cell of class %d in a run of class %d", class, hd.class)
	}
	sp := h.shape(id, class-h.base)
	off := int(r-runIDRef(id).ref())<<3 - sp.first
	if off%sp.size != 0 || bitmap(hd, sp)[off/sp.size/64]&(1<<(off/sp.size%64)) == 0 {
		c.t.Fatalf("cell %d of a run of class %d is not marked as used", off/sp.size, class)
	}
	if c.runs[h] == nil {
		c.runs[h] = map[runID]int{}
	}
	c.runs[h][id]++
}

// heap compares a heap with the cells found and returns the blocks it holds.
func (c *checker) heap(h *heap) (blocks int64) {
	t := c.t
	totals := make([]classLists, len(h.classes))
	divided := map[runID]uint8{}
	var used int64
	for id, n := range c.runs[h] {
		hd := h.header(id)
		cl := int(hd.class) - h.base
		sp := h.shape(id, cl)
		marked := 0
		for i := range sp.cells {
			if bitmap(hd, sp)[i/64]&(1<<(i%64)) != 0 {
				marked++
			}
		}
		if int(hd.used) != n || marked != n {
			t.Errorf("run of class %d: %d used, %d marked, %d reachable", hd.class, hd.used, marked, n)
		}
		want := uint8(listSparse)
		if n == sp.cells {
			want = listNone
		} else if n*4 >= sp.cells*3 {
			want = listDense
		}
		if hd.list != want {
			t.Errorf("run with %d of %d cells is on list %d", n, sp.cells, hd.list)
		}
		used += int64(n * sp.size)
		totals[cl].runs++
		totals[cl].cells += int32(sp.cells)
		totals[cl].used += int32(n)
		if h.isSub(id) {
			divided[id&^(subRuns-1)] |= 1 << (id % subRuns)
		} else {
			blocks += int64(runBlocks(int(hd.class)))
		}
	}
	blocks += int64(len(divided))
	for block, subs := range divided {
		if h.header(block).subs != subs {
			t.Errorf("divided block: mask %08b, in use %08b", h.header(block).subs, subs)
		}
	}
	for i := range h.classes {
		cl := &h.classes[i]
		if cl.runs != totals[i].runs || cl.cells != totals[i].cells || cl.used != totals[i].used {
			t.Errorf("class %d: %+v, found %+v", i+h.base, *cl, totals[i])
		}
		for list := uint8(listDense); list <= listSparse; list++ {
			prev := runID(0)
			for id := cl.heads[list]; id != 0; id = h.header(id).next {
				if hd := h.header(id); hd.list != list || hd.prev != prev || c.runs[h][id] == 0 {
					t.Fatalf("list %d of class %d is broken", list, i+h.base)
				}
				prev = id
				totals[i].heads[list]++
			}
		}
	}
	for id := h.divided; id != 0; id = h.header(id).subNext {
		if subs, ok := divided[id]; !ok || subs == 1<<subRuns-1 {
			t.Errorf("list of divided blocks holds a full or unknown one")
		}
	}
	if used != h.used || blocks<<blockShift != h.held {
		t.Errorf("heap from class %d: used %d counted %d, held %d counted %d", h.base, used, h.used, blocks<<blockShift, h.held)
	}
	return blocks
}

func (c *checker) arena() {
	a := c.s.arena
	var inUse, dirty, mapped int64
	for _, p := range a.pieces {
		n := 0
		for i := range p.blocks {
			bit := uint64(1) << (i % 64)
			if p.used[i/64]&bit != 0 {
				n++
				if p.stale[i/64]&bit != 0 {
					c.t.Errorf("block is in use and stale")
				}
			}
			if p.stale[i/64]&bit != 0 {
				dirty++
			}
		}
		if p.free != p.blocks-n {
			c.t.Errorf("piece: %d blocks free, counted %d", p.blocks-n, p.free)
		}
		inUse += int64(n)
		mapped += int64(len(p.mem))
	}
	if inUse != a.inUse || dirty != a.dirty || mapped != a.mapped {
		c.t.Errorf("arena: in use %d/%d dirty %d/%d mapped %d/%d", inUse, a.inUse, dirty, a.dirty, mapped, a.mapped)
	}
}
