package store

import "math/bits"

// streamObject is a stream: its entries in blocks (stream_block.go), which an
// idTree keeps in order, and its consumer groups (stream_group.go). A stream has
// this one form and, unlike other collections, may be empty.
type streamObject struct {
	owner
	blocks idTree // by the ID of a block: its ref
	count  int    // live entries

	last       StreamID // highest ID ever given
	first      StreamID // of the first live entry; 0-0: none
	maxDeleted StreamID // highest of the entries deleted one by one
	added      uint64   // entries ever added

	groups  []*StreamGroup // by name
	compact streamPlace    // compactStep: where to go on
}

// Stream is the stream at a key during one command, under the conditions of Tx.
type Stream struct {
	tx *Tx
	k  Key
	it item
}

// OpenStream looks the stream at k up, which may be missing. Error: ErrWrongType.
func (tx *Tx) OpenStream(k Key) (Stream, error) {
	it, err := tx.collection(k, TypeStream)
	return Stream{tx, k, it}, err
}

// Exists says whether there is a stream.
func (s *Stream) Exists() bool { return s.it.live }

func (s *Stream) object() *streamObject { return s.it.object().(*streamObject) }

func newStream(sh *shard) *streamObject {
	group := sh.id / groupShards
	return &streamObject{
		owner: owner{
			store: sh.store, small: &sh.store.objects[group], group: &sh.store.groups[group], parent: &sh.owner,
		},
		blocks: idTree{words: 1},
	}
}

// Create makes an empty stream, where there is none. Errors: ErrOutOfMemory,
// ErrKeyTooLong.
func (s *Stream) Create() error { return s.install(newStream(s.it.sh)) }

func (s *Stream) install(o *streamObject) error {
	return s.tx.convert(&s.it, s.k, TypeStream, EncodingStream, o)
}

// Len is the number of entries.
func (s *Stream) Len() int {
	if !s.it.live {
		return 0
	}
	return s.object().count
}

// LastID is the highest ID that the stream ever gave, 0-0 for a missing one.
func (s *Stream) LastID() StreamID {
	if !s.it.live {
		return StreamID{}
	}
	return s.object().last
}

// StreamInfo is what XINFO STREAM tells, but for the entries.
type StreamInfo struct {
	Length     int
	Blocks     int // keys of the radix tree that Redis has for the same stream
	Nodes      int // nodes of that tree
	Last       StreamID
	First      StreamID // 0-0: there is no entry
	MaxDeleted StreamID
	Added      uint64
	Groups     int
}

// Info describes the stream, which exists.
func (s *Stream) Info() StreamInfo {
	o := s.object()
	return StreamInfo{
		Length: o.count, Blocks: o.blocks.count, Nodes: o.radixNodes(), Last: o.last, First: o.first,
		MaxDeleted: o.maxDeleted, Added: o.added, Groups: len(o.groups),
	}
}

// maxRadixNodes bounds the blocks looked at to count the nodes exactly.
const maxRadixNodes = 1 << 16

// radixNodes is the number of nodes that the radix tree of Redis has for the
// blocks: for each branch one, for each block one, and one for each run of bytes
// in between. Of more than maxRadixNodes blocks the first are counted, and the
// rest by their number.
func (o *streamObject) radixNodes() int {
	a := o.store.arena
	var prev StreamID
	nodes := 0
	open := make([]int, 0, 16) // depths of branches on the way to the last block
	p, ok := o.blocks.first(a)
	seen := 0
	for ; ok && seen < maxRadixNodes; ok = o.blocks.next(a, &p) {
		id := idOfEntry(o.blocks.at(a, &p))
		if seen++; seen == 1 {
			prev = id
			continue
		}
		common := commonBytes(prev, id)
		prev = id
		nodes += closeBranches(&open, common)
	}
	if seen == 0 {
		return 1
	}
	nodes += closeBranches(&open, -1)
	if o.blocks.count > seen {
		nodes = nodes * o.blocks.count / seen
	}
	return nodes
}

// closeBranches ends a block of the radix tree, whose successor (depth: none if
// negative) has depth bytes in common with it, and returns the nodes that are
// complete now: its leaf, branches deeper than depth, and what leads to them.
func closeBranches(open *[]int, depth int) (nodes int) {
	below := 16 // depth of the node that was closed last
	nodes = 1   // the leaf
	for len(*open) > 0 && (*open)[len(*open)-1] > depth {
		branch := (*open)[len(*open)-1]
		*open = (*open)[:len(*open)-1]
		if below > branch+1 {
			nodes++
		}
		nodes++
		below = branch
	}
	switch {
	case depth < 0:
		if below > 0 {
			nodes++
		}
	case len(*open) == 0 || (*open)[len(*open)-1] < depth:
		*open = append(*open, depth)
		fallthrough
	default:
		if below > depth+1 {
			nodes++
		}
	}
	return nodes
}

// commonBytes is the number of leading bytes that two IDs share in big-endian
// order.
func commonBytes(a, b StreamID) int {
	if a.Ms != b.Ms {
		return bits.LeadingZeros64(a.Ms^b.Ms) / 8
	}
	return 8 + bits.LeadingZeros64(a.Seq^b.Seq)/8
}

// StreamEntry is an entry during a walk; it is valid until fn returns.
type StreamEntry struct {
	ID StreamID

	p    packed
	head *streamHead
	item streamItem
	text *[2][maxIntText]byte
}

// Fields is the number of fields.
func (e *StreamEntry) Fields() int { return e.item.fields }

// Each calls fn for each field and its value, valid during the call.
func (e *StreamEntry) Each(fn func(field, value []byte)) {
	name, pos := e.head.first, e.item.at
	for range e.item.fields {
		var field, value packedEntry
		if e.item.flags&streamSame != 0 {
			field, name = e.p.get(name)
		} else {
			field, pos = e.p.get(pos)
		}
		value, pos = e.p.get(pos)
		fn(field.bytes(e.text[0][:0]), value.bytes(e.text[1][:0]))
	}
}

// Range calls fn for the entries from from to to, both included, in the order of
// their IDs or, reversed, backwards, until it returns false. fn must not change
// the stream but for what belongs to its groups.
func (s *Stream) Range(from, to StreamID, reverse bool, fn func(e *StreamEntry) bool) {
	if s.it.live {
		s.object().walk(&s.it.sh.text, from, to, reverse, fn)
	}
}

// Get calls fn, if set, with the entry of that ID and says whether there is one.
func (s *Stream) Get(id StreamID, fn func(e *StreamEntry)) (found bool) {
	s.Range(id, id, false, func(e *StreamEntry) bool {
		found = true
		if fn != nil {
			fn(e)
		}
		return false
	})
	return found
}

// LastEntryID is the ID of the last entry, 0-0 when there is none.
func (s *Stream) LastEntryID() (id StreamID) {
	s.Range(StreamID{}, MaxStreamID, true, func(e *StreamEntry) bool { id = e.ID; return false })
	return id
}

// walk is Range.
func (o *streamObject) walk(text *[2][maxIntText]byte, from, to StreamID, reverse bool, fn func(e *StreamEntry) bool) {
	a := o.store.arena
	start := from
	if reverse {
		start = to
	}
	p, ok := o.blocks.floor(a, start)
	if !ok && !reverse {
		p, ok = o.blocks.first(a)
	}
	e := StreamEntry{text: text}
	for ok {
		at := o.blocks.at(a, &p)
		base := idOfEntry(at)
		e.p = o.packedAt(ref(at[2]))
		head := e.p.streamHead()
		e.head = &head
		pos := head.entries
		if reverse {
			pos = e.p.end()
		}
		for reverse && pos > head.entries || !reverse && pos < e.p.end() {
			if reverse {
				pos = e.p.before(pos)
			}
			e.item = e.p.item(pos, base, &head)
			e.ID = e.item.id
			switch {
			case e.item.deleted(): // which need not be in order: see validStreamBlock
			case reverse && e.ID.Before(from), !reverse && to.Before(e.ID):
				return
			case reverse && to.Before(e.ID), !reverse && e.ID.Before(from):
			case !fn(&e):
				return
			}
			if !reverse {
				pos = e.p.after(&e.item)
			}
		}
		if reverse {
			ok = o.blocks.prev(a, &p)
		} else {
			ok = o.blocks.next(a, &p)
		}
	}
}

// edge is the ID of the first entry, 0-0 when there is none.
func (o *streamObject) edge() (id StreamID) {
	var text [2][maxIntText]byte
	o.walk(&text, StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool { id = e.ID; return false })
	return id
}

// SetID changes what the stream remembers: the highest ID and, if added is not
// negative, the entries ever added and, if it is not 0-0, the highest ID deleted.
func (s *Stream) SetID(last StreamID, added int64, maxDeleted StreamID) {
	o := s.object()
	o.last = last
	if added >= 0 {
		o.added = uint64(added)
	}
	if !maxDeleted.IsZero() {
		o.maxDeleted = maxDeleted
	}
}
