package store

// owner is whatever holds cells and an index made of them: a shard (its keys),
// or a large object (its elements). Its methods need the lock of the shard that
// the data belongs to.
//
// The small cells of objects come from heaps that several shards share, so that
// an object can change hands between shards in constant time (RENAME): nothing
// of it lies in a heap that only one shard's lock guards.
type owner struct {
	store *Store
	small *heap // cells to 128 bytes: the shard's own, or one of Store.objects
	group *heap // cells of 129 bytes to 2 KB

	// parent is the shard an object belongs to; its counters include those of
	// its objects. nil for a shard.
	parent *owner

	cells      int64 // bytes of cells and blocks handed out
	indexBytes int64 // of them, for index segments

	external *externals // values with a mapping of their own; of an object nil until it has one
	dropped  bool       // an object that is being freed: FreeLazily unmaps these
}

// alloc returns memory of at least size bytes, owned until free. Its contents
// are undefined. Error: ErrOutOfMemory.
func (o *owner) alloc(size int) (ref, error) {
	r, err := o.allocCell(size)
	if err == nil {
		o.account(int64(cellSize(size)), 0)
	}
	return r, err
}

// account adds to the counters.
func (o *owner) account(cells, index int64) {
	o.cells += cells
	o.indexBytes += index
	if o.parent != nil {
		o.parent.cells += cells
		o.parent.indexBytes += index
	}
}

// reparent gives an object with all that it holds to another shard.
func (o *owner) reparent(to *owner) {
	o.parent.cells -= o.cells
	o.parent.indexBytes -= o.indexBytes
	to.cells += o.cells
	to.indexBytes += o.indexBytes
	if o.external != nil {
		o.parent.external.foreign -= o.external.bytes
		to.external.foreign += o.external.bytes
		o.external.parent = to.external
	}
	o.parent = to
}

// bytes is all memory that the owner holds.
func (o *owner) bytes() int64 {
	n := o.cells
	if o.external != nil {
		n += o.external.bytes
	}
	return n
}

// free gives back what alloc returned for that size.
func (o *owner) free(r ref, size int) {
	o.account(-int64(cellSize(size)), 0)
	if inBlocks(size) {
		o.store.arena.free(r, blocksFor(size))
		return
	}
	class := classOf(size)
	h := o.heapFor(class)
	if h.shared {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	h.free(r, class)
}

// freeRegion gives back the mapping of that number.
func (o *owner) freeRegion(id uint32) {
	mem := o.external.release(id)
	if o.dropped {
		o.store.unmapLazily(mem)
		return
	}
	o.store.arena.freeRegion(mem)
}

func (o *owner) allocCell(size int) (ref, error) {
	if inBlocks(size) {
		return o.store.arena.alloc(blocksFor(size), 1)
	}
	class := classOf(size)
	h := o.heapFor(class)
	if h.shared {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	return h.alloc(class)
}

func (o *owner) heapFor(class int) *heap {
	switch {
	case class < shardClasses:
		return o.small
	case class < groupClasses:
		return o.group
	default:
		return &o.store.large
	}
}

func blocksFor(size int) int { return (size + blockSize - 1) >> blockShift }

// cellSize returns the bytes that alloc(size) takes.
func cellSize(size int) int {
	if inBlocks(size) {
		return blocksFor(size) << blockShift
	}
	return classSize(classOf(size))
}

// closeRegions unmaps all values with a mapping of their own; the store closes.
func (o *owner) closeRegions() {
	if o.external == nil {
		return
	}
	for _, mem := range o.external.regions {
		if mem != nil {
			o.store.arena.freeRegion(mem)
		}
	}
}
