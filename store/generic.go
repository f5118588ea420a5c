package store

import (
	"encoding/binary"
	"math"
)

// Exists says whether k exists. The access time stays.
func (tx *Tx) Exists(k Key) bool { return tx.lookLive(k) }

func (tx *Tx) lookLive(k Key) bool {
	it := tx.look(k)
	return it.live
}

// Type returns the type of k, or TypeNone. The access time stays.
func (tx *Tx) Type(k Key) Type {
	it := tx.look(k)
	if !it.live {
		return TypeNone
	}
	return it.rec.typ()
}

// Encoding returns the encoding of k. The access time stays.
func (tx *Tx) Encoding(k Key) (e Encoding, ok bool) {
	it := tx.look(k)
	if !it.live {
		return 0, false
	}
	return plainEncoding(it.rec.encoding()), true
}

func plainEncoding(e Encoding) Encoding {
	switch e {
	case encodingRawExternal:
		return EncodingRaw
	case encodingPackedSet:
		return EncodingHashtable
	case encodingPackedList:
		return EncodingQuicklist
	}
	return e
}

// storedEncoding is what a copy of the value has: no mapping of its own yet.
func storedEncoding(e Encoding) Encoding {
	if e == encodingRawExternal {
		return EncodingRaw
	}
	return e
}

// Deadline returns the deadline of k in Unix milliseconds, -1 when it has none,
// -2 when k does not exist. The access time stays.
func (tx *Tx) Deadline(k Key) int64 {
	it := tx.look(k)
	if !it.live {
		return -2
	}
	return it.rec.deadline()
}

// SetDeadline gives k the deadline at, in Unix milliseconds, which may lie in
// the past, but not before 1 (the caller deletes instead if it wants that).
// False when k does not exist. Error: ErrOutOfMemory.
func (tx *Tx) SetDeadline(k Key, at int64) (ok bool, err error) {
	it := tx.look(k)
	if !it.live {
		return false, nil
	}
	at = max(at, 1)
	if it.rec.hasDeadline() {
		binary.LittleEndian.PutUint64(it.rec.deadlineBytes(), uint64(at))
		return true, nil
	}
	return true, tx.redate(&it, k, at)
}

// Persist removes the deadline of k. False when k does not exist or has none.
// Error: ErrOutOfMemory.
func (tx *Tx) Persist(k Key) (bool, error) {
	it := tx.look(k)
	if !it.live || !it.rec.hasDeadline() {
		return false, nil
	}
	if err := tx.redate(&it, k, noDeadline); err != nil {
		return false, err
	}
	return true, nil
}

// redate rewrites the record with or without the deadline field.
func (tx *Tx) redate(it *item, k Key, deadline int64) error {
	n := len(it.sh.value(&it.rec))
	_, _, err := tx.write(it, k, newValue{
		typ: it.rec.typ(), encoding: it.rec.encoding(), length: n, keep: n,
		deadline: deadline, access: it.rec.access(),
	})
	return err
}

// Delete removes k and says whether it existed.
func (tx *Tx) Delete(k Key) bool {
	it := tx.look(k)
	live := it.live
	if it.found {
		it.sh.removeItem(&it)
	}
	return live
}

// Touch updates the access time of k, NoTouch or not, and says whether k
// exists.
func (tx *Tx) Touch(k Key) bool {
	it := tx.look(k)
	if it.live {
		tx.touch(&it.rec)
	}
	return it.live
}

// Rename moves the value, deadline and access time of from to to, replacing
// what is there. Errors: ErrNoSuchKey, ErrOutOfMemory, ErrKeyTooLong; then
// nothing has changed.
func (tx *Tx) Rename(from, to Key) error {
	it := tx.look(from)
	if !it.live {
		return ErrNoSuchKey
	}
	if string(from.Name) == string(to.Name) {
		return nil
	}
	return tx.transfer(&it, from, tx, to, true)
}

// Copy copies the value and deadline of from to the key to of database db.
// False when from does not exist, or to does and replace is not set. Errors:
// ErrSameObject when both are the same key, ErrOutOfMemory, ErrKeyTooLong; then
// nothing has changed.
func (tx *Tx) Copy(from Key, db int, to Key, replace bool) (bool, error) {
	if db == tx.DB && string(from.Name) == string(to.Name) {
		return false, ErrSameObject
	}
	return tx.bring(from, db, to, replace, false)
}

// Move moves k to database db. False when k does not exist here or exists
// there. Errors: ErrSameObject when db is this one, ErrOutOfMemory; then
// nothing has changed.
func (tx *Tx) Move(k Key, db int) (bool, error) {
	if db == tx.DB {
		return false, ErrSameObject
	}
	return tx.bring(k, db, k, false, true)
}

func (tx *Tx) bring(from Key, db int, to Key, replace, move bool) (bool, error) {
	target := *tx
	target.DB = db
	// The destination first: looking may remove it, and what look returned
	// for the source must stay true.
	if target.lookLive(to) && !replace {
		return false, nil
	}
	it := tx.look(from)
	if !it.live {
		return false, nil
	}
	if !move && it.rec.large() {
		return tx.copyObject(&it, &target, to, replace)
	}
	if !move && it.rec.encoding() == encodingRawExternal {
		return tx.copyRegion(&it, &target, to, replace)
	}
	if err := tx.transfer(&it, from, &target, to, move); err != nil {
		return false, err
	}
	return true, nil
}

// copyObject is bring for a copy of a large value, made in steps.
func (tx *Tx) copyObject(it *item, target *Tx, to Key, replace bool) (bool, error) {
	typ, encoding, deadline := it.rec.typ(), it.rec.encoding(), it.rec.deadline()
	sh, st := &tx.Store.shards[to.Shard()], tx.steps()
	o, err := it.object().clone(sh, &st)
	if err != nil {
		return false, err
	}
	dst := target.look(to) // not before: it may have come or gone in a pause
	if dst.live && !replace {
		sh.discard(o)
		return false, nil
	}
	if err := target.setObject(&dst, to, typ, encoding, o, deadline, tx.newAccess()); err != nil {
		sh.discard(o)
		return false, err
	}
	target.noteFields(&dst, to)
	return true, nil
}

// copyRegion is bring for a copy of a string with a mapping of its own, made in
// steps.
func (tx *Tx) copyRegion(it *item, target *Tx, to Key, replace bool) (bool, error) {
	src, st := it.sh.value(&it.rec), tx.steps()
	v := newValue{typ: TypeString, encoding: EncodingRaw, length: len(src), deadline: it.rec.deadline(), access: tx.newAccess()}
	var err error
	if v.region, err = tx.Store.arena.newRegion(len(src)); err != nil {
		return false, err
	}
	for done := 0; done < len(src); {
		done += copy(v.region[done:], src[done:min(len(src), done+stepElements*stepBytes)])
		if !st.count(stepElements) {
			tx.Store.unmapLazily(v.region)
			return false, ErrChanged
		}
	}
	dst := target.look(to) // not before: it may have come or gone in a pause
	if dst.live && !replace {
		tx.Store.unmapLazily(v.region)
		return false, nil
	}
	if _, _, err := target.write(&dst, to, v); err != nil {
		tx.Store.unmapLazily(v.region)
		return false, err
	}
	return true, nil
}

// transfer gives to, of target, the value of from, found as it, and removes
// from if move is set; a large value is always moved. Neither value nor record
// moves by looking for to; the entry of from may.
func (tx *Tx) transfer(it *item, from Key, target *Tx, to Key, move bool) error {
	if it.rec.large() {
		return tx.moveObject(it, from, target, to)
	}
	dst := target.look(to)
	src := it.sh.value(&it.rec)
	v := newValue{
		typ: it.rec.typ(), encoding: storedEncoding(it.rec.encoding()), length: len(src),
		deadline: it.rec.deadline(), access: it.rec.access(),
	}
	external := it.rec.encoding() == encodingRawExternal
	if !move {
		v.access = tx.newAccess()
	} else if external {
		id, _ := it.rec.external()
		v.region = it.sh.external.regions[id]
	}
	value, _, err := target.write(&dst, to, v)
	if err != nil {
		return err
	}
	if v.region == nil {
		copy(value, src)
	}
	target.noteFields(&dst, to)
	if !move {
		return nil
	}
	if external {
		id, _ := it.rec.external()
		it.sh.external.release(id)
		it.rec.detach()
	}
	it.place, _ = it.sh.findRef(it.ix, from.tag(), it.rec.ref)
	it.sh.removeItem(it)
	return nil
}

// moveObject moves a large value in constant time, also to another shard.
func (tx *Tx) moveObject(it *item, from Key, target *Tx, to Key) error {
	dst := target.look(to)
	o := it.object()
	err := target.setObject(&dst, to, it.rec.typ(), it.rec.encoding(), o, it.rec.deadline(), it.rec.access())
	if err != nil {
		return err
	}
	target.noteFields(&dst, to)
	if dst.sh != it.sh {
		o.base().reparent(&dst.sh.owner)
	}
	it.sh.objects.take(it.rec.handle())
	it.rec.detach()
	it.place, _ = it.sh.findRef(it.ix, from.tag(), it.rec.ref)
	it.sh.removeItem(it)
	return nil
}

// ObjectInfo is what OBJECT and DEBUG OBJECT tell.
type ObjectInfo struct {
	Type        Type
	Encoding    Encoding
	Refcount    int    // 1; math.MaxInt32 for the integers that Redis shares
	Access      uint32 // 24 bits of access information as Redis's robj.lru
	IdleSeconds int64  // since the last access; of no meaning with LFU
	Freq        int    // logarithmic access counter, decayed; only with LFU
	Length      int    // bytes of the value; of a large one, those that it takes
	Elements    int    // of a list
	Nodes       int    // of a list: pieces that it is kept in
}

// sharedIntegers is the number of small integers that Redis keeps one object
// of.
const sharedIntegers = 10000

// ObjectInfo describes k. The access time stays.
func (tx *Tx) ObjectInfo(k Key) (info ObjectInfo, ok bool) {
	it := tx.look(k)
	if !it.live {
		return ObjectInfo{}, false
	}
	value := it.sh.value(&it.rec)
	access := it.rec.access()
	info = ObjectInfo{
		Type:        it.rec.typ(),
		Encoding:    plainEncoding(it.rec.encoding()),
		Refcount:    1,
		Access:      tx.Store.plainAccess(access, tx.Now),
		IdleSeconds: tx.Store.clock.idleSeconds(tickOf(access), tx.Now),
		Freq:        int(lfuCounter(access, tx.Now, tx.Store.policy.Load().DecayTime)),
		Length:      len(value),
	}
	if it.rec.large() {
		info.Length = int(it.object().base().bytes())
	}
	if info.Type == TypeList {
		info.Nodes = 1
		if list, ok := it.listObject(); ok {
			info.Elements, info.Nodes = list.count, list.nodes
		} else {
			info.Elements = packed(value).entries()
		}
	}
	if info.Encoding == EncodingInt {
		if n, ok := parseInt(value); ok && n >= 0 && n < sharedIntegers {
			info.Refcount = math.MaxInt32
		}
	}
	return info, true
}

// entryBytes is what a key takes in the index: 8 bytes at a usual load of 3/4.
const entryBytes = 11

// objectHeader is about what the Go side of a large object takes.
const objectHeader = 256

// MemoryUsage returns the bytes that k and its value take, index included. The
// access time stays.
func (tx *Tx) MemoryUsage(k Key) (n int64, ok bool) {
	it := tx.look(k)
	if !it.live {
		return 0, false
	}
	n = int64(cellSize(it.rec.size())) + entryBytes
	if it.rec.encoding() == encodingRawExternal {
		id, _ := it.rec.external()
		n += int64(len(it.sh.external.regions[id]))
	} else if it.rec.large() {
		o := it.object()
		n += o.base().bytes() + objectHeader
		if s, ok := o.(*streamObject); ok {
			n += s.goBytes()
		}
	}
	return n, true
}
