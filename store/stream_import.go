package store

import "math"

// Blocks calls fn for the blocks of the stream from that ID on, until it returns
// false: with their ID and their n parts, which are the entries of a Redis stream
// listpack between its header and its end. They are valid during the call.
func (s *Stream) Blocks(from StreamID, fn func(id StreamID, parts []byte, n int) bool) {
	o := s.object()
	a := o.store.arena
	for p, ok := o.blocks.seek(a, from); ok; ok = o.blocks.next(a, &p) {
		at := o.blocks.at(a, &p)
		b := o.packedAt(ref(at[2]))
		if !fn(idOfEntry(at), b[packedHeader:], b.entries()) {
			return
		}
	}
}

// StreamImport makes a stream outside of the keyspace from what Blocks, Info and
// the groups tell, none of which is trusted. The lock of the key's shard is held
// from NewStreamImport to Store or Close. After an error only Close may follow.
type StreamImport struct {
	sh      *shard
	o       *streamObject
	g       *StreamGroup
	unowned int // pending entries of g without a consumer
}

// NewStreamImport begins a stream that is to be stored at k.
func (tx *Tx) NewStreamImport(k Key) *StreamImport {
	sh := &tx.Store.shards[k.Shard()]
	return &StreamImport{sh: sh, o: newStream(sh)}
}

// AddParts is AddBlock for n parts as Blocks tells them.
func (im *StreamImport) AddParts(id StreamID, parts []byte, n int) error {
	if n < 0 || n > len(parts) {
		return ErrBadPayload
	}
	p := append(newPacked(im.sh.buffer(packedHeader+len(parts))), parts...)
	p.setEntries(n)
	return im.AddBlock(id, p)
}

// AddBlock adds a block: a packed value of the layout of stream_block.go. Errors:
// ErrBadPayload, ErrOutOfMemory.
func (im *StreamImport) AddBlock(id StreamID, p []byte) error {
	o := im.o
	live, ok := validStreamBlock(p)
	if _, found := o.blocks.find(o.store.arena, id); !ok || found {
		return ErrBadPayload
	}
	if err := o.adopt(id, p); err != nil {
		return err
	}
	o.count += live
	return nil
}

// SetState gives the stream what it remembers; all blocks were added. Error:
// ErrBadPayload.
func (im *StreamImport) SetState(last, maxDeleted StreamID, added uint64) error {
	o := im.o
	o.last, o.maxDeleted, o.added, o.first = last, maxDeleted, added, o.edge()
	if added > math.MaxInt64 {
		return ErrBadPayload
	}
	return nil
}

// Distance is how many entries there were up to id, counted from the first one ever
// added, or UnknownRead: what AddGroup wants, for formats that do not tell. The state
// was set.
func (im *StreamImport) Distance(id StreamID) int64 { return im.o.distance(id) }

// Len is the number of entries added.
func (im *StreamImport) Len() int { return im.o.count }

// AddGroup adds a group; what follows belongs to it. Error: ErrBadPayload.
func (im *StreamImport) AddGroup(name []byte, last StreamID, read int64) error {
	if im.unowned > 0 || read < UnknownRead {
		return ErrBadPayload
	}
	g, created := im.o.addGroup(name, last, read)
	if !created {
		return ErrBadPayload
	}
	im.g = g
	return nil
}

// AddConsumer adds a consumer to the group. Error: ErrBadPayload.
func (im *StreamImport) AddConsumer(name []byte, seen, active int64) (*StreamConsumer, error) {
	if im.g.Consumer(name) != nil {
		return nil, ErrBadPayload
	}
	c := im.g.CreateConsumer(name, seen)
	c.Active = active
	return c, nil
}

// AddPending adds a pending entry to the group, which is to be owned by one
// consumer. Errors: ErrBadPayload, ErrOutOfMemory.
func (im *StreamImport) AddPending(id StreamID, time, count int64) error {
	if _, found := im.g.Pending(id); found {
		return ErrBadPayload
	}
	value, err := im.g.pending.insert(&im.o.owner, id)
	if err != nil {
		return err
	}
	value[pendingTime], value[pendingCount], value[pendingConsumer] = uint64(time), uint64(count), noConsumer
	im.unowned++
	return nil
}

// Own gives a pending entry of the group, which nobody owns, to a consumer of the
// group. Errors: ErrBadPayload, ErrOutOfMemory.
func (im *StreamImport) Own(c *StreamConsumer, id StreamID) error {
	p, found := im.g.Pending(id)
	if !found || p.Consumer != nil {
		return ErrBadPayload
	}
	im.unowned--
	return im.g.Assign(id, c, p.Time, p.Count)
}

// Check says whether the whole is a stream: Store will not find it malformed. Error:
// ErrBadPayload.
func (im *StreamImport) Check() error {
	if im.unowned > 0 {
		return ErrBadPayload
	}
	return nil
}

// Store makes the stream the value of k, in place of what is there; a deadline
// <= 0 is none. Errors: ErrBadPayload, ErrOutOfMemory, ErrKeyTooLong; then nothing
// has changed, and Close is due.
func (im *StreamImport) Store(tx *Tx, k Key, deadline int64, access Access) error {
	if err := im.Check(); err != nil {
		return err
	}
	if deadline <= 0 {
		deadline = noDeadline
	}
	it := tx.look(k)
	if err := tx.setObject(&it, k, TypeStream, EncodingStream, im.o, deadline, tx.accessOf(access)); err != nil {
		return err
	}
	im.o = nil
	return nil
}

// Close frees what was made. After Store it does nothing.
func (im *StreamImport) Close() {
	if im.o != nil {
		im.sh.discard(im.o)
		im.o = nil
	}
}
