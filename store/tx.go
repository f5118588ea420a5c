package store

// Tx is the view of one database during one command. The caller holds the
// locks of all shards touched. Keys past their deadline are absent for every
// operation.
//
// Byte slices that operations return alias store memory: they are valid until
// the next change to the store, and only while the lock is held. Byte slices
// given to operations are the caller's again when they return and must not
// alias store memory.
type Tx struct {
	Store *Store
	DB    int
	Now   int64 // Unix milliseconds

	// KeepExpired: keys past their deadline are reported as gone but not
	// removed (replica, serving clients). Writes replace them.
	KeepExpired bool
	// IgnoreDeadlines: keys past their deadline still exist (replica,
	// applying effects: only the primary lets keys expire).
	IgnoreDeadlines bool
	// NoTouch: lookups leave the access time alone (CLIENT NO-TOUCH).
	NoTouch bool
	// AllLocked: the caller holds the locks of all shards. RandomKey, Scan
	// and Keys otherwise lock one shard after the other by themselves, and
	// the caller holds none.
	AllLocked bool
	// Pause is called between the steps of long operations (steps.go); nil:
	// they take no pause. False: what they read has changed.
	Pause func() bool
	// Aside is Pause, at once, with work that needs no lock done meanwhile; nil: it is
	// done at once, see Apart.
	Aside func(work func()) (goOn bool)
}

// Apart does work that touches nothing of the store, without the locks if they can be
// given up. False: what the operation reads has changed meanwhile.
func (tx *Tx) Apart(work func()) (goOn bool) {
	if tx.Aside == nil {
		work()
		return true
	}
	return tx.Aside(work)
}

// item is a key as found: where its entry and its record are.
type item struct {
	sh    *shard
	ix    *index // nil: the database has no key in this shard
	place place
	rec   record
	found bool // there is a record
	live  bool // and for this Tx it exists
	moves bool // in pauses of this Tx: others may have moved the entry since
}

// entry is where the entry of the record is.
func (it *item) entry() place {
	if it.moves {
		it.place, _ = it.sh.findRef(it.ix, MakeKey(it.rec.key()).tag(), it.rec.ref)
	}
	return it.place
}

// look finds k. A key past its deadline is removed or, with KeepExpired, found
// but not live.
func (tx *Tx) look(k Key) (it item) {
	it.sh = &tx.Store.shards[k.Shard()]
	it.ix = it.sh.dbs[tx.DB].Load()
	if it.ix == nil {
		return it
	}
	it.place, it.rec, it.found = it.sh.find(it.ix, k.tag(), k.Name)
	it.live, it.moves = it.found, tx.Pause != nil
	if it.found && it.rec.hasDeadline() && !tx.IgnoreDeadlines && tx.Now > it.rec.deadline() {
		it.live = false
		if !tx.KeepExpired {
			it.sh.expireItem(tx.DB, k, &it)
		}
	}
	return it
}

// use is look for an access to the value: it updates the access information.
func (tx *Tx) use(k Key) item {
	it := tx.look(k)
	if it.live && !tx.NoTouch {
		tx.touch(&it.rec)
	}
	return it
}

// useString is use for strings only.
func (tx *Tx) useString(k Key) (item, error) {
	it := tx.use(k)
	if it.live && it.rec.typ() != TypeString {
		return it, ErrWrongType
	}
	return it, nil
}

// expireItem removes a key past its deadline and tells the hooks.
func (sh *shard) expireItem(db int, k Key, it *item) {
	if sh.store.lazyFreeing.Load().Expired {
		sh.detachValue(&it.rec)
	}
	sh.removeItem(it)
	sh.store.stats.expired.Add(1)
	if h := sh.store.hooks; h != nil {
		h.Expired(db, k)
	}
}

// removeItem removes entry and record.
func (sh *shard) removeItem(it *item) {
	sh.remove(it.ix, it.entry())
	sh.freeRecord(&it.rec)
	it.found, it.live = false, false
}

// newValue describes what write makes of a key.
type newValue struct {
	typ      Type
	encoding Encoding
	length   int
	deadline int64 // noDeadline: none
	access   uint32
	keep     int    // bytes of the old value that stay, from its start; of an object, all
	spare    int    // bytes to grow into, should it need a mapping of its own
	region   []byte // mapping that already holds the value; then keep is 0
}

// write gives k a record of the shape v and returns its value bytes: the first
// v.keep are those of before, the others are undefined, or zero if zeroed. On
// error nothing has changed.
func (tx *Tx) write(it *item, k Key, v newValue) (value []byte, zeroed bool, err error) {
	if len(k.Name) > maxKeyLength {
		return nil, false, ErrKeyTooLong
	}
	sh, a := it.sh, tx.Store.arena
	if it.ix == nil {
		if it.ix, err = sh.index(tx.DB); err != nil {
			return nil, false, err
		}
	}
	if v.region != nil || v.typ == TypeString && v.length > maxInline {
		return tx.writeExternal(it, k, v)
	}
	kind := makeKind(v.typ, v.encoding, v.deadline != noDeadline)
	size := recordSize(len(k.Name), v.length, v.deadline != noDeadline)
	keepObject := it.found && it.rec.large() && v.keep > 0
	if it.found && it.rec.encoding() != encodingRawExternal && cellSize(size) == cellSize(it.rec.size()) &&
		(v.keep == 0 || size-v.length-len(k.Name) == it.rec.body) {
		old := it.rec.hasDeadline()
		if it.rec.large() && !keepObject {
			sh.discard(sh.objects.take(it.rec.handle()))
		}
		it.rec = a.format(it.rec.ref, kind, v.access, k.Name, v.length, v.deadline)
		if old != it.rec.hasDeadline() {
			sh.replace(it.ix, it.entry(), it.rec.ref, it.rec.hasDeadline())
		}
		it.live = true
		return it.rec.inline(), false, nil
	}
	r, err := sh.alloc(size)
	if err != nil {
		return nil, false, err
	}
	rec := a.format(r, kind, v.access, k.Name, v.length, v.deadline)
	if v.keep > 0 {
		copy(rec.inline(), sh.value(&it.rec)[:v.keep])
	}
	if keepObject {
		it.rec.detach() // replacing an existing entry cannot fail
	}
	if err := sh.install(it, k, rec); err != nil {
		return nil, false, err
	}
	return rec.inline(), false, nil
}

// writeExternal is write for a value in a mapping of its own.
func (tx *Tx) writeExternal(it *item, k Key, v newValue) (value []byte, zeroed bool, err error) {
	sh := it.sh
	region := v.region
	oldExternal := it.found && it.rec.encoding() == encodingRawExternal
	reuse, fresh := false, false
	if region == nil && oldExternal {
		id, _ := it.rec.external()
		old := sh.external.regions[id]
		// A region much too large is not kept.
		if reuse = len(old) >= v.length && len(old)/2 <= v.length; reuse {
			region = old
		} else if v.keep > 0 && len(old) < v.length {
			if region, reuse = tx.Store.arena.growRegion(old, v.length+v.spare); reuse {
				sh.external.replace(id, region)
				clear(region[v.keep:len(old)])
				zeroed = true
			}
		}
	}
	if region == nil {
		if region, err = tx.Store.arena.newRegion(v.length + v.spare); err != nil {
			return nil, false, err
		}
		fresh, zeroed = true, true
		if v.keep > 0 {
			copy(region, sh.value(&it.rec)[:v.keep])
		}
	}
	r, err := sh.alloc(recordSize(len(k.Name), externalSize, v.deadline != noDeadline))
	if err != nil {
		if fresh {
			tx.Store.arena.freeRegion(region)
		}
		return nil, false, err
	}
	kind := makeKind(v.typ, encodingRawExternal, v.deadline != noDeadline)
	rec := tx.Store.arena.format(r, kind, v.access, k.Name, externalSize, v.deadline)
	var id uint32
	if reuse {
		id, _ = it.rec.external()
		// install frees the old record: it must not free the region. An
		// existing entry is replaced, which cannot fail.
		it.rec.detach()
	} else {
		id = sh.external.adopt(region)
	}
	rec.setExternal(id, v.length)
	if err := sh.install(it, k, rec); err != nil {
		sh.external.release(id)
		if fresh {
			tx.Store.arena.freeRegion(region)
		}
		return nil, false, err
	}
	return region[:v.length], zeroed, nil
}

// detach makes the record a plain one, so that freeing it leaves its external
// value or its object alone.
func (r *record) detach() {
	r.kind = r.kind&^15 | uint8(EncodingRaw)
	*(*uint8)(r.p) = r.kind
}

// install makes rec the record of k, in place of the one found, if any, which
// it frees. On error rec's cell is free again and nothing else has changed.
func (sh *shard) install(it *item, k Key, rec record) error {
	if it.found {
		sh.replace(it.ix, it.entry(), rec.ref, rec.hasDeadline())
		if sh.store.lazyFreeing.Load().Replaced {
			sh.detachValue(&it.rec)
		}
		sh.freeRecord(&it.rec)
	} else if err := sh.insert(it.ix, k.tag(), rec.ref, rec.hasDeadline()); err != nil {
		sh.free(rec.ref, rec.size())
		return err
	}
	it.rec, it.found, it.live = rec, true, true
	return nil
}
