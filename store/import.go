package store

// Import makes a value outside of the keyspace, element by element, of the form that
// the store gives it, and stores it whole. What comes twice where it may not is
// refused. The lock of the key's shard is held from NewImport to Store or Close, but in
// pauses between the elements.
type Import struct {
	sh   *shard
	typ  Type
	text []byte  // of a string; aliases what was given
	full *Filled // it, if Fill has copied it

	list *listObject
	set  setBuilder
	zset zsetBuilder
	hash hashBuilder
	n    int
}

// NewImport begins a value of type t that is to be stored at k.
func (tx *Tx) NewImport(k Key, t Type) *Import {
	sh := &tx.Store.shards[k.Shard()]
	apart := tx.Pause != nil
	return &Import{
		sh: sh, typ: t, set: setBuilder{sh: sh, apart: apart}, zset: zsetBuilder{sh: sh, apart: apart}, hash: hashBuilder{sh: sh},
	}
}

// SetString gives a string its value, which stays the caller's and must stay
// unchanged until Store.
func (im *Import) SetString(value []byte) { im.text, im.n = value, 1 }

// Fill copies a large string in steps, for Store to put it in its place. Errors: as of
// Tx.Fill.
func (im *Import) Fill(tx *Tx) (err error) {
	im.full, err = tx.Fill(im.text)
	return err
}

// Expect says that about n elements are to come, so that many need not be packed
// first. n may be anything. Error: ErrOutOfMemory.
func (im *Import) Expect(n uint64) error {
	if im.typ == TypeZSet && im.zset.o == nil && n > uint64(im.sh.store.limits.Load().ZSetMaxListpackEntries) {
		return im.zset.enlarge()
	}
	return nil
}

// Push adds an element to the end of a list. Errors: ErrOutOfMemory, ErrTooLong.
func (im *Import) Push(value []byte) error {
	if len(value) > maxListEntry-packedHeader-16 {
		return ErrTooLong
	}
	if im.list == nil {
		im.list = newList(im.sh)
	}
	im.n++
	return im.list.push(false, im.sh.entry(value))
}

// AddMember adds a member to a set. Errors: ErrBadPayload, ErrOutOfMemory,
// ErrKeyTooLong.
func (im *Import) AddMember(member []byte) error {
	added, err := im.set.add(member)
	if err == nil && !added {
		err = ErrBadPayload
	}
	im.n++
	return err
}

// AddScored adds a member to a sorted set. Errors: as AddMember.
func (im *Import) AddScored(member []byte, score float64) error {
	var r ZAddResult
	if err := im.zset.add(0, score, member, &r); err != nil {
		return err
	}
	if r.Added == 0 {
		return ErrBadPayload
	}
	im.n++
	return nil
}

// AddField adds a field to a hash; a deadline <= 0 is none. Errors: as AddMember.
func (im *Import) AddField(field, value []byte, deadline int64) error {
	im.n++
	if deadline <= 0 {
		deadline = noDeadline
	}
	return im.hash.add(field, value, deadline)
}

// Type is the type of the value.
func (im *Import) Type() Type { return im.typ }

// Len is the number of elements.
func (im *Import) Len() int { return im.n }

// Close frees what was made. After Store it does nothing.
func (im *Import) Close() {
	if im.list != nil {
		im.sh.discard(im.list)
		im.list = nil
	}
	im.full.Close()
	im.set.discard()
	im.zset.discard()
	im.hash.discard()
}

// Access is what is known of the accesses to a value that comes from elsewhere: one
// of both or, -1, nothing.
type Access struct {
	Idle int64 // seconds since the last one
	Freq int   // counter, 0..255
}

// NoAccess says nothing of accesses.
var NoAccess = Access{Idle: -1, Freq: -1}

// accessOf is the access information of a value made now with what is known of it.
// As in Redis, what the policy does not track is left out.
func (tx *Tx) accessOf(a Access) uint32 {
	switch lfu := tx.Store.policy.Load().LFU; {
	case lfu && a.Freq >= 0:
		return lfuMinutes(tx.Now)<<8 | uint32(a.Freq)&255
	case !lfu && a.Idle > 0:
		const longest = accessMask / 2 // more would be the future, of 24 bits
		return tx.Store.ownAccess(uint32(tx.Now/1000-min(a.Idle, longest))&accessMask, tx.Now)
	}
	return tx.newAccess()
}

// Store makes what was imported, of which there is something, the value of k, in
// place of what is there; a deadline <= 0 is none. Errors: ErrOutOfMemory,
// ErrKeyTooLong, ErrTooLong; then nothing has changed.
func (im *Import) Store(tx *Tx, k Key, deadline int64, access Access) error {
	if deadline <= 0 {
		deadline = noDeadline
	}
	it := tx.look(k)
	v := newValue{typ: im.typ, deadline: deadline, access: tx.accessOf(access)}
	var data []byte
	switch im.typ {
	case TypeString:
		if int64(len(im.text)) > tx.Store.maxString.Load() {
			return ErrTooLong
		}
		data, v.encoding = im.text, stringEncoding(im.text)
		if im.full != nil {
			v.region = im.full.region
		}
	case TypeList:
		if o := im.list; o.nodes > 1 || !im.packs() {
			return im.storeObject(tx, &it, k, &v, EncodingQuicklist, o, &im.list)
		}
		data, v.encoding = append([]byte(nil), im.list.packedAt(im.list.head)...), encodingPackedList
	case TypeSet:
		if im.set.o != nil {
			err := im.storeObject(tx, &it, k, &v, EncodingHashtable, im.set.o, nil)
			if err == nil {
				im.set = setBuilder{sh: im.sh}
			}
			return err
		}
		data, v.encoding = im.set.data, im.set.encoding
	case TypeZSet:
		if im.zset.o != nil {
			err := im.storeObject(tx, &it, k, &v, EncodingSkiplist, im.zset.o, nil)
			if err == nil {
				im.zset = zsetBuilder{sh: im.sh}
			}
			return err
		}
		data, v.encoding = im.zset.p, EncodingListpack
	case TypeHash:
		if im.hash.o != nil {
			err := im.storeObject(tx, &it, k, &v, EncodingHashtable, im.hash.o, nil)
			if err == nil {
				im.hash = hashBuilder{sh: im.sh}
			}
			return err
		}
		data, v.encoding = im.hash.packed()
	}
	v.length = len(data)
	dst, _, err := tx.write(&it, k, v)
	if err != nil {
		return err
	}
	if im.full != nil {
		im.full.region = nil // which is the value now
	} else {
		copy(dst, data)
	}
	tx.noteFields(&it, k)
	im.Close()
	return nil
}

// packs says whether the list, of one node, is small enough to be packed.
func (im *Import) packs() bool {
	p := im.list.packedAt(im.list.head)
	entries, bytes := im.sh.store.listLimits()
	if p.entries() == 1 && im.sh.store.standsAlone(len(p)-packedHeader) {
		return false
	}
	return len(p) <= min(maxPackedList, bytes) && p.entries() <= entries
}

func (im *Import) storeObject(tx *Tx, it *item, k Key, v *newValue, e Encoding, o object, list **listObject) error {
	if err := tx.setObject(it, k, v.typ, e, o, v.deadline, v.access); err != nil {
		return err
	}
	if list != nil {
		*list = nil
	}
	tx.noteFields(it, k)
	return nil
}

// hashBuilder makes a hash outside of the keyspace. Its zero value, with sh set, is
// an empty one.
type hashBuilder struct {
	sh    *shard
	p     packed // field, value, deadline (0: none), ...
	dated bool
	seen  map[string]struct{} // fields in p
	o     *hashObject
}

// add adds a field. Errors: ErrBadPayload when it is there, ErrOutOfMemory,
// ErrKeyTooLong.
func (b *hashBuilder) add(field, value []byte, deadline int64) error {
	limits := b.sh.store.limits.Load()
	if b.o == nil && (len(field) > limits.HashMaxListpackValue || len(value) > limits.HashMaxListpackValue ||
		len(b.seen) >= limits.HashMaxListpackEntries || len(b.p)+packedSize(field)+packedSize(value)+10 > maxPacked) {
		if err := b.enlarge(); err != nil {
			return err
		}
	}
	if b.o != nil {
		added, err := b.o.set(field, value, deadline)
		if err == nil && !added {
			err = ErrBadPayload
		}
		return err
	}
	if b.seen == nil {
		b.seen, b.p = make(map[string]struct{}), newPacked(nil)
	}
	if _, twice := b.seen[string(field)]; twice {
		return ErrBadPayload
	}
	b.seen[string(field)] = struct{}{}
	b.dated = b.dated || deadline != noDeadline
	b.p = b.p.add(field).add(value).addInt(max(deadline, 0))
	return nil
}

func (b *hashBuilder) enlarge() error {
	h := Hash{it: item{sh: b.sh}}
	o, err := h.objectOf(b.p, 3)
	if err == nil {
		b.o, b.p, b.seen = o, nil, nil
	}
	return err
}

// packed returns the fields in the form that the keyspace has for them.
func (b *hashBuilder) packed() (packed, Encoding) {
	if b.dated {
		return b.p, EncodingListpackEx
	}
	p := newPacked(make([]byte, 0, len(b.p)))
	for pos := b.p.first(); pos < b.p.end(); pos = b.p.skip(pos, 3) {
		p = append(p, b.p[pos:b.p.skip(pos, 2)]...)
	}
	p.setEntries(b.p.entries() / 3 * 2)
	return p, EncodingListpack
}

func (b *hashBuilder) discard() {
	if b.o != nil {
		b.sh.discard(b.o)
	}
	*b = hashBuilder{sh: b.sh}
}
