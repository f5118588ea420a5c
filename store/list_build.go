package store

import "iter"

// StoreList makes n values the list at k, whatever was there, in steps; without values
// k is removed. existed says whether there was anything. The values must not alias
// store memory. Errors: ErrOutOfMemory, ErrKeyTooLong, ErrTooLong, ErrChanged;
// then nothing has changed.
func (tx *Tx) StoreList(k Key, n int, values iter.Seq[[]byte]) (existed bool, err error) {
	it := tx.look(k)
	if n == 0 {
		live := it.live
		if it.found {
			it.sh.removeItem(&it)
		}
		return live, nil
	}
	entries, bytes := tx.Store.listLimits()
	size, packs := packedHeader, n <= entries
	for v := range values {
		if size += packedSize(v); !packs || size > min(maxPackedList, bytes) || tx.Store.standsAlone(len(v)) {
			return tx.storeLargeList(&it, k, values)
		}
	}
	p := newPacked(it.sh.buffer(size))
	for v := range values {
		p = p.add(v)
	}
	existed = it.live
	dst, _, err := tx.write(&it, k, newValue{
		typ: TypeList, encoding: encodingPackedList, length: len(p), deadline: noDeadline, access: tx.newAccess(),
	})
	if err == nil {
		copy(dst, p)
	}
	return existed, err
}

func (tx *Tx) storeLargeList(it *item, k Key, values iter.Seq[[]byte]) (existed bool, err error) {
	o, st := newList(it.sh), tx.steps()
	for v := range values {
		if len(v) > maxListEntry-packedHeader-16 {
			err = ErrTooLong
			break
		}
		if err = o.push(false, it.sh.entry(v)); err != nil {
			break
		}
		if !st.count(1 + len(v)/stepBytes) {
			err = ErrChanged
			break
		}
	}
	if err == nil {
		*it = tx.look(k) // not before: it may have come or gone in a pause
		existed = it.live
		err = tx.setObject(it, k, TypeList, EncodingQuicklist, o, noDeadline, tx.newAccess())
	}
	if err != nil {
		it.sh.discard(o)
	}
	return existed, err
}
