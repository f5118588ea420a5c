package store

import (
	"encoding/binary"
	"strconv"
)

func (o *streamObject) base() *owner { return &o.owner }

// length is the number of entries, with those pending: what there is to free.
func (o *streamObject) length() int {
	n := o.count + o.blocks.count
	for _, g := range o.groups {
		n += g.pending.count
	}
	return n
}

// goBytes is about what the groups and consumers take, which lie in the Go heap.
func (o *streamObject) goBytes() (n int64) {
	const header = 128
	for _, g := range o.groups {
		n += header + int64(len(g.Name))
		for _, c := range g.consumers {
			n += header + int64(len(c.Name))
		}
	}
	return n
}

func (o *streamObject) digest(d *digest) {
	var text [2][maxIntText]byte
	var id [maxStreamIDText]byte
	o.walk(&text, StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool {
		buf := strconv.AppendUint(id[:0], e.ID.Ms, 10)
		d.mix(strconv.AppendUint(append(buf, '.'), e.ID.Seq, 10))
		e.Each(func(field, value []byte) {
			d.mix(field)
			d.mix(value)
		})
		return true
	})
}

// dump writes numbers as varints, names and blocks behind their length:
//
//	last, highest deleted ID (ms, seq each) | entries added
//	number of blocks | blocks: ID, packed value
//	number of groups | groups:
//	    name, last ID, entries read + 1
//	    number of consumers | consumers: name, times seen and active, signed
//	    number of pending entries | entries: ID, time, count (signed), consumer
//
// Consumers are told in pending entries by their place in the list.
func (o *streamObject) dump(w *partWriter) {
	a := o.store.arena
	for _, id := range [...]StreamID{o.last, o.maxDeleted} {
		w.streamID(id)
	}
	w.uint(o.added)
	w.uint(uint64(o.blocks.count))
	for p, ok := o.blocks.first(a); ok; ok = o.blocks.next(a, &p) {
		at := o.blocks.at(a, &p)
		w.streamID(idOfEntry(at))
		w.chunk(o.packedAt(ref(at[2])))
		if !w.cut() {
			return
		}
	}
	w.uint(uint64(len(o.groups)))
	for _, g := range o.groups {
		if g.dump(w); w.ended {
			return
		}
	}
}

func (g *StreamGroup) dump(w *partWriter) {
	w.chunk([]byte(g.Name))
	w.streamID(g.Last)
	w.uint(uint64(g.Read + 1))
	w.uint(uint64(len(g.consumers)))
	places := make([]uint64, len(g.numbers))
	for i, c := range g.consumers {
		places[c.number] = uint64(i)
		w.chunk([]byte(c.Name))
		w.int(c.Seen)
		w.int(c.Active)
	}
	w.uint(uint64(g.pending.count))
	g.EachPending(nil, StreamID{}, func(p Pending) bool {
		w.streamID(p.ID)
		w.int(p.Time)
		w.int(p.Count)
		w.uint(places[p.Consumer.number])
		return w.cut()
	})
}

func (w *partWriter) streamID(id StreamID) {
	w.uint(id.Ms)
	w.uint(id.Seq)
}

// streamReader reads what dump wrote. Once something is wrong, bad is set.
type streamReader struct {
	*partReader
	bad bool
}

func (r *streamReader) uint() uint64 {
	r.more()
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *streamReader) int() int64 {
	r.more()
	n, size := binary.Varint(r.data)
	if size <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *streamReader) id() StreamID {
	ms := r.uint()
	return StreamID{ms, r.uint()}
}

func (r *streamReader) chunk() []byte {
	r.more()
	chunk, ok := r.partReader.chunk()
	r.bad = r.bad || !ok
	return chunk
}

func loadStream(sh *shard, e Encoding, in *partReader) (object, error) {
	if e != EncodingStream {
		return nil, ErrBadPayload
	}
	im := &StreamImport{o: newStream(sh), sh: sh}
	if err := im.read(&streamReader{partReader: in}); err != nil {
		im.Close()
		return nil, err
	}
	return im.o, nil
}

func (im *StreamImport) read(r *streamReader) error {
	last, maxDeleted, added := r.id(), r.id(), r.uint()
	for n := r.uint(); n > 0 && !r.bad; n-- {
		id := r.id()
		if err := im.AddBlock(id, r.chunk()); err != nil {
			return err
		}
	}
	if err := im.SetState(last, maxDeleted, added); err != nil {
		return err
	}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		if err := im.readGroup(r); err != nil {
			return err
		}
	}
	if r.bad || r.more() {
		return ErrBadPayload
	}
	return im.Check()
}

func (im *StreamImport) readGroup(r *streamReader) error {
	name, last, read := r.chunk(), r.id(), int64(r.uint())-1
	if err := im.AddGroup(name, last, read); err != nil {
		return err
	}
	var consumers []*StreamConsumer
	for n := r.uint(); n > 0 && !r.bad; n-- {
		name, seen, active := r.chunk(), r.int(), r.int()
		c, err := im.AddConsumer(name, seen, active)
		if err != nil {
			return err
		}
		consumers = append(consumers, c)
	}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		id, time, count, owner := r.id(), r.int(), r.int(), r.uint()
		if r.bad || owner >= uint64(len(consumers)) {
			return ErrBadPayload
		}
		if err := im.AddPending(id, time, count); err != nil {
			return err
		}
		if err := im.Own(consumers[owner], id); err != nil {
			return err
		}
	}
	return nil
}

func (o *streamObject) clone(sh *shard, st *steps) (object, error) {
	a := o.store.arena
	im := StreamImport{o: newStream(sh), sh: sh}
	c := im.o
	err := func() error {
		for p, ok := o.blocks.first(a); ok; ok = o.blocks.next(a, &p) {
			at := o.blocks.at(a, &p)
			block := o.packedAt(ref(at[2]))
			if err := c.adopt(idOfEntry(at), block); err != nil {
				return err
			}
			if !st.count(1 + len(block)/stepBytes) {
				return ErrChanged
			}
		}
		c.count, c.last, c.first, c.maxDeleted, c.added = o.count, o.last, o.first, o.maxDeleted, o.added
		for _, g := range o.groups {
			if err := c.cloneGroup(g, st); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		im.Close()
		return nil, err
	}
	return c, nil
}

// adopt adds a block that holds a copy of p.
func (o *streamObject) adopt(id StreamID, p packed) error {
	r, err := o.newBlock(len(p) + streamSpare)
	if err != nil {
		return err
	}
	value, err := o.blocks.insert(&o.owner, id)
	if err != nil {
		o.freeBlock(r)
		return err
	}
	value[0] = uint64(r)
	b := o.block(r)
	b.size = uint32(len(p))
	copy(o.data(b), p)
	return nil
}

func (o *streamObject) cloneGroup(g *StreamGroup, st *steps) (err error) {
	c, _ := o.addGroup([]byte(g.Name), g.Last, g.Read)
	twins := make([]*StreamConsumer, len(g.numbers))
	for _, from := range g.consumers {
		to := c.CreateConsumer([]byte(from.Name), from.Seen)
		to.Active = from.Active
		twins[from.number] = to
	}
	g.EachPending(nil, StreamID{}, func(p Pending) bool {
		err = c.Assign(p.ID, twins[p.Consumer.number], p.Time, p.Count)
		return err == nil && st.next()
	})
	return st.end(err)
}

// freeStep implements object.
func (o *streamObject) freeStep(max int) (freed int, done bool) {
	freed, done = o.blocks.freeStep(&o.owner, max, func(value []uint64) int {
		r := ref(value[0])
		n := o.packedAt(r).streamHead().live
		o.freeBlock(r)
		return n
	})
	for done && len(o.groups) > 0 {
		n, all := o.groups[len(o.groups)-1].freeStep(max - freed)
		if freed += n; !all {
			return freed, false
		}
		o.groups = o.groups[:len(o.groups)-1]
	}
	return freed, done
}

func (g *StreamGroup) freeStep(max int) (freed int, done bool) {
	freed, done = g.pending.freeStep(&g.o.owner, max, nil)
	for done && len(g.consumers) > 0 {
		n, all := g.consumers[len(g.consumers)-1].pending.freeStep(&g.o.owner, max-freed, nil)
		if freed += n; !all {
			return freed, false
		}
		g.consumers = g.consumers[:len(g.consumers)-1]
	}
	return freed, done
}

// detach gives a group that was taken out of the stream to a stream of its own,
// to be discarded.
func (o *streamObject) detach(g *StreamGroup) *streamObject {
	rest := &streamObject{owner: o.owner, groups: []*StreamGroup{g}}
	rest.cells, rest.external = g.pending.bytes, nil
	for _, c := range g.consumers {
		rest.cells += c.pending.bytes
	}
	o.cells -= rest.cells
	g.o = rest
	return rest
}

// streamPlace is where compaction is in a stream: among the blocks (group -1) or
// in a group, with its own entries (consumer -1) or those of a consumer.
type streamPlace struct {
	group, consumer int
	id              StreamID
}

// compactStep implements object.
func (o *streamObject) compactStep(pos uint64, budget int) (next uint64, looked, moved int) {
	at := &o.compact
	if pos == 0 {
		*at = streamPlace{group: -1}
	}
	for looked < budget {
		var visit func(value []uint64) (looked, moved int)
		tree := &o.blocks
		switch {
		case at.group < 0:
			visit = o.compactBlock
		case at.group >= len(o.groups):
			return 0, looked, moved
		case at.consumer < 0:
			tree = &o.groups[at.group].pending
		case at.consumer >= len(o.groups[at.group].consumers):
			*at = streamPlace{group: at.group + 1, consumer: -1}
			continue
		default:
			tree = &o.groups[at.group].consumers[at.consumer].pending
		}
		id, more, n, m := tree.compactStep(&o.owner, at.id, budget-looked, visit)
		looked += n + 1
		moved += m
		switch {
		case more:
			at.id = id
		case at.group < 0:
			*at = streamPlace{consumer: -1}
		default:
			at.consumer++
			at.id = StreamID{}
		}
	}
	return 1, looked, moved
}

// compactBlock moves the block that an entry of the index refers to.
func (o *streamObject) compactBlock(value []uint64) (looked, moved int) {
	r := ref(value[0])
	b := o.block(r)
	looked = int(b.cap) / 256 // a block costs as much as some elements
	size := streamBlockHeader
	if b.region == 0 {
		size += int(b.cap)
	}
	to, ok := o.relocate(r, size)
	if !ok {
		return looked, 0
	}
	value[0] = uint64(to)
	o.free(r, size)
	return looked, 1
}

func init() {
	typeForms[TypeStream] = typeForm{load: loadStream}
}
