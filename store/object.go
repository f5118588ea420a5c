package store

import "encoding/binary"

// object is a large value: the Go-side header of data that lies off the heap,
// in cells of its owner. Few values are large, so that the garbage collector
// has little to walk: a header holds counters, references and at most a
// directory, never anything per element.
//
// All methods are called with the lock of the shard that the object belongs to.
type object interface {
	// base is the owner of all the object's memory.
	base() *owner
	// length is the number of elements, as the LEN command of the type
	// counts; of a stream, all that there is to free.
	length() int
	// digest mixes the contents into d as Redis's DEBUG DIGEST does.
	digest(d *digest)
	// dump writes the contents in the form that the type's loader reads. Once
	// w is ended it looks at nothing any more.
	dump(w *partWriter)
	// clone makes a copy that belongs to sh, in steps. On error
	// (ErrOutOfMemory, ErrChanged) what was made so far is discarded.
	clone(sh *shard, st *steps) (object, error)
	// freeStep frees about max elements, going on where it last stopped, and
	// says whether all memory is free now. No other method is called after
	// the first one.
	freeStep(max int) (freed int, done bool)
	// compactStep moves up to about budget elements out of sparsely used
	// memory, going on at pos (0: from the start), and returns where to go
	// on, 0 at the end. Elements may come and go between steps.
	compactStep(pos uint64, budget int) (next uint64, looked, moved int)
}

// handleSize is the size of the value of a record whose value is an object: its
// number in shard.objects.
const handleSize = 4

// large says whether the value is an object.
func (r *record) large() bool {
	switch r.encoding() {
	case EncodingQuicklist, EncodingHashtable, EncodingSkiplist, EncodingStream:
		return true
	}
	return false
}

// handle is the number of the object; only for large records.
func (r *record) handle() uint32 { return binary.LittleEndian.Uint32(r.inline()) }

// objects are the large values of a shard, by handle.
type objects struct {
	list []object // nil: free
	free []uint32
}

func (t *objects) add(o object) uint32 {
	if n := len(t.free); n > 0 {
		id := t.free[n-1]
		t.free = t.free[:n-1]
		t.list[id] = o
		return id
	}
	t.list = append(t.list, o)
	return uint32(len(t.list) - 1)
}

// take removes an object from the table.
func (t *objects) take(id uint32) object {
	o := t.list[id]
	t.list[id] = nil
	t.free = append(t.free, id)
	return o
}

// object returns the object of a large record.
func (sh *shard) object(r *record) object { return sh.objects.list[r.handle()] }

// freeAtOnce is the number of elements up to which an object is freed where it
// is dropped, some 30 µs; larger ones become garbage.
const freeAtOnce = 256

// discard frees an object that no record refers to: now when it is small, else
// in the steps of FreeStep.
func (sh *shard) discard(o object) {
	o.base().dropped = true
	if o.length() <= freeAtOnce {
		for done := false; !done; {
			_, done = o.freeStep(freeAtOnce)
		}
		return
	}
	sh.addGarbage(&objectGarbage{o}, 1)
}

// objectGarbage is an object to be freed in steps.
type objectGarbage struct{ o object }

func (g *objectGarbage) freeStep(sh *shard, max int) (freed int, done bool) {
	if freed, done = g.o.freeStep(max); done {
		sh.droppedFreed(1)
	}
	return freed, done
}

// setObject makes o, which belongs to it.sh, the value of k, replacing what is
// there. On error (ErrOutOfMemory, ErrKeyTooLong) nothing has changed, and o is
// still the caller's.
func (tx *Tx) setObject(it *item, k Key, t Type, e Encoding, o object, deadline int64, access uint32) error {
	dst, _, err := tx.write(it, k, newValue{typ: t, encoding: e, length: handleSize, deadline: deadline, access: access})
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(dst, it.sh.objects.add(o))
	it.settle(k)
	return nil
}
