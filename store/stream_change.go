package store

// Append adds an entry; fields holds fields and values in turn. The stream is made
// if need be. id is above LastID. Errors: ErrOutOfMemory, ErrKeyTooLong, ErrTooLong;
// then nothing has changed.
func (s *Stream) Append(id StreamID, fields ...[]byte) error {
	size := 0
	for _, f := range fields {
		size += len(f)
	}
	if size > maxStreamEntry {
		return ErrTooLong
	}
	if s.it.live {
		return s.object().append(s.it.sh, id, fields, size)
	}
	o := newStream(s.it.sh)
	if err := o.append(s.it.sh, id, fields, size); err != nil {
		s.it.sh.discard(o)
		return err
	}
	return s.install(o)
}

// append adds an entry; size is that of fields together.
func (o *streamObject) append(sh *shard, id StreamID, fields [][]byte, size int) error {
	room := 0
	for _, f := range fields {
		room += packedSize(f)
	}
	buf := sh.part[:0]
	if room > maxScratch {
		buf = make([]byte, 0, room+64)
	}
	a := o.store.arena
	p, ok := o.blocks.last(a)
	if ok {
		at := o.blocks.at(a, &p)
		var err error
		if ok, buf, err = o.appendTo(at, buf, id, fields, size); err != nil {
			return err
		}
	}
	if !ok {
		var err error
		if buf, err = o.appendBlock(buf, id, fields); err != nil {
			return err
		}
	}
	if cap(buf) <= maxScratch {
		sh.part = buf[:0]
	}
	if o.count++; o.count == 1 {
		o.first = id
	}
	o.added++
	o.last = id
	return nil
}

// appendTo appends an entry to the last block, if its limits allow that.
func (o *streamObject) appendTo(at []uint64, buf []byte, id StreamID, fields [][]byte, size int) (ok bool, used []byte, err error) {
	limits := o.store.limits.Load()
	r, base := ref(at[2]), idOfEntry(at)
	p := o.packedAt(r)
	h := p.streamHead()
	bytes := limits.streamBytes()
	if len(p)+listpackExtra+size >= bytes || limits.StreamNodeMaxEntries > 0 && h.live+h.deleted >= limits.StreamNodeMaxEntries {
		at[2] = uint64(o.fit(r))
		return false, buf, nil
	}
	same := p.sameFields(&h, fields)
	buf = appendStreamEntry(buf, same, id, base, fields)
	if need := len(p) + len(buf) + streamSpare; need > cap(p) {
		// With few entries free room counts, with many the time to grow.
		room := need + len(p)/4
		if o.blocks.count > 1 {
			room = need + len(p)
		}
		if bytes += 64; need < bytes {
			room = min(room, bytes)
		}
		if r, err = o.resize(r, max(room, need)); err != nil {
			return false, buf, err
		}
		at[2] = uint64(r)
		p = o.packedAt(r)
	}
	parts := streamParts(same, len(fields)/2)
	p = append(p, buf...)
	p.setEntries(p.entries() + parts)
	o.keep(r, p.count(h.live+1, h.deleted))
	return true, buf, nil
}

// streamParts is the number of parts of an entry.
func streamParts(same bool, fields int) int {
	if same {
		return 4 + fields
	}
	return 5 + 2*fields
}

// appendBlock begins a block with an entry.
func (o *streamObject) appendBlock(buf []byte, id StreamID, fields [][]byte) ([]byte, error) {
	buf = appendStreamHead(buf, fields)
	buf = appendStreamEntry(buf, true, id, id, fields)
	r, err := o.newBlock(packedHeader + len(buf) + streamSpare)
	if err != nil {
		return buf, err
	}
	if path, found := o.blocks.find(o.store.arena, id); found {
		// One of deleted entries, since which XSETID has set the clock back.
		old := ref(o.blocks.at(o.store.arena, &path)[2])
		o.count -= o.packedAt(old).streamHead().live
		o.dropBlock(&path, old)
	}
	value, err := o.blocks.insert(&o.owner, id)
	if err != nil {
		o.freeBlock(r)
		return buf, err
	}
	value[0] = uint64(r)
	n := len(fields) / 2
	p := append(newPacked(o.data(o.block(r))), buf...)
	p.setEntries(4 + n + streamParts(true, n))
	o.keep(r, p)
	return buf, nil
}

// Delete removes the entries of those IDs and returns how many there were.
func (s *Stream) Delete(ids ...StreamID) (deleted int) {
	if !s.it.live {
		return 0
	}
	o := s.object()
	refresh := false
	for _, id := range ids {
		if !o.delete(id) {
			continue
		}
		deleted++
		refresh = refresh || id == o.first
		if o.maxDeleted.Before(id) {
			o.maxDeleted = id
		}
	}
	if refresh || o.count == 0 {
		o.first = o.edge()
	}
	return deleted
}

// delete marks an entry as deleted, or frees its block with the last one.
func (o *streamObject) delete(id StreamID) bool {
	path, item, ok := o.locate(id)
	if ok {
		r := ref(o.blocks.at(o.store.arena, &path)[2])
		o.packedAt(r)[item.pos] |= streamDeleted
		o.marked(&path, r, 1)
	}
	return ok
}

// locate finds an entry: the way to its block, and where it is there.
func (o *streamObject) locate(id StreamID) (path idPath, item streamItem, ok bool) {
	a := o.store.arena
	path, ok = o.blocks.floor(a, id)
	if !ok {
		path, ok = o.blocks.first(a)
	}
	for ; ok; ok = o.blocks.next(a, &path) {
		at := o.blocks.at(a, &path)
		p := o.packedAt(ref(at[2]))
		h := p.streamHead()
		for pos := h.entries; pos < p.end(); pos = p.after(&item) {
			item = p.item(pos, idOfEntry(at), &h)
			if !item.deleted() && !item.id.Before(id) {
				return path, item, item.id == id
			}
		}
	}
	return path, item, false
}

// marked counts n entries of a block that were marked as deleted, and frees it with the
// last one.
func (o *streamObject) marked(path *idPath, r ref, n int) {
	p := o.packedAt(r)
	h := p.streamHead()
	if o.count -= n; h.live == n {
		o.dropBlock(path, r)
		return
	}
	o.keep(r, p.count(h.live-n, h.deleted+n))
}

func (o *streamObject) dropBlock(path *idPath, r ref) {
	o.blocks.remove(&o.owner, path)
	o.freeBlock(r)
}

// StreamTrim says which entries Trim removes: the oldest.
type StreamTrim struct {
	ByID   bool     // those below MinID; otherwise, all but the last MaxLen
	MaxLen int64    // not negative
	MinID  StreamID //
	Approx bool     // whole blocks only
	Limit  int64    // remove no more than that many; 0: no limit

	Front *StreamFront // from Stream.Front for the rest of this, or nil
}

// takes says whether a block goes as a whole, when count entries are left and removed ones
// are gone. more: if not, some of it may.
func (t *StreamTrim) takes(p packed, base StreamID, h *streamHead, count, removed int) (whole, more bool) {
	switch {
	case !t.ByID && int64(count) <= t.MaxLen:
		return false, false
	case t.Limit > 0 && int64(removed+h.live) > t.Limit:
		return false, false
	case t.ByID:
		last := p.item(p.before(p.end()), base, h)
		return last.id.Before(t.MinID), true
	}
	return int64(count-h.live) >= t.MaxLen, true
}

// StreamTrimmed is what Trim did.
type StreamTrimmed struct {
	Removed int
	// Changed is set also when only blocks without live entries went.
	Changed bool
	// Before is the ID that all that was removed is below, and nothing that
	// stayed: trimming by it does the same to another copy of the stream,
	// whatever its blocks are.
	Before StreamID
}

// Trim removes the oldest entries, as Redis does, so that the same ones stay.
func (s *Stream) Trim(t StreamTrim) (done StreamTrimmed) {
	if !s.it.live {
		return done
	}
	o := s.object()
	a := o.store.arena
	if t.Front != nil && t.Front.blocks > 0 {
		o.cutFront(s.it.sh, t.Front)
		done.Removed, done.Changed = t.Front.live, true
	}
	for {
		path, ok := o.blocks.first(a)
		if !ok {
			done.Before, ok = o.last.Next()
			if !ok {
				done.Before = o.last // the very last ID: it stays possible to add nothing
			}
			break
		}
		at := o.blocks.at(a, &path)
		base, r := idOfEntry(at), ref(at[2])
		done.Before = base
		p := o.packedAt(r)
		h := p.streamHead()
		whole, more := t.takes(p, base, &h, o.count, done.Removed)
		if whole {
			o.dropBlock(&path, r)
			o.count -= h.live
			done.Removed += h.live
			done.Changed = true
			continue
		}
		if more && !t.Approx {
			done.Before = o.trimBlock(r, base, &t, &done)
		}
		break
	}
	if done.Removed > 0 {
		o.first = o.edge()
	}
	return done
}

// trimBlock marks the first entries of a block as deleted and returns the ID of
// the one that stays in front.
func (o *streamObject) trimBlock(r ref, base StreamID, t *StreamTrim, done *StreamTrimmed) (front StreamID) {
	p := o.packedAt(r)
	h := p.streamHead()
	gone := 0
	for pos := h.entries; pos < p.end(); {
		item := p.item(pos, base, &h)
		if t.ByID && !item.id.Before(t.MinID) || !t.ByID && int64(o.count) <= t.MaxLen {
			front = item.id
			break
		}
		if !item.deleted() {
			p[item.pos] |= streamDeleted
			o.count--
			gone++
		}
		pos = p.after(&item)
	}
	if gone > 0 {
		done.Removed += gone
		done.Changed = true
		o.keep(r, p.count(h.live-gone, h.deleted+gone))
	}
	return front
}
