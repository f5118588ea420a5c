package store

import (
	"encoding/binary"
	"iter"
)

// Large values are dumped and loaded in parts, so that neither takes the lock of
// a shard for long. A part ends between two elements.
const partBytes = 32 << 10

// partWriter gathers what object.dump writes. Its zero value keeps all of it.
type partWriter struct {
	buf   []byte
	emit  func(part []byte) bool // takes parts, until it returns false
	ended bool                   // it has
}

// cut hands on what is a part by now; called between elements. False: no more is
// wanted, and what was being dumped may be gone.
func (w *partWriter) cut() (goOn bool) {
	if w.emit != nil && len(w.buf) >= partBytes {
		w.ended = !w.emit(w.buf)
		w.buf = w.buf[:0]
	}
	return !w.ended
}

func (w *partWriter) uint(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }
func (w *partWriter) int(n int64)   { w.buf = binary.AppendVarint(w.buf, n) }

// chunk writes bytes behind their length.
func (w *partWriter) chunk(b []byte) {
	w.buf = append(binary.AppendUvarint(w.buf, uint64(len(b))), b...)
}

// partReader reads what a partWriter wrote.
type partReader struct {
	data []byte
	next func() []byte // the next part, nil at the end; nil: data is all
}

// more says whether there is more to read, at the end of a part in the next one.
func (r *partReader) more() bool {
	if len(r.data) == 0 && r.next != nil {
		if r.data = r.next(); r.data == nil {
			r.next = nil
		}
	}
	return len(r.data) > 0
}

// chunk reads bytes behind their length.
func (r *partReader) chunk() (b []byte, ok bool) {
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > uint64(len(r.data)-size) {
		return nil, false
	}
	end := size + int(n)
	b, r.data = r.data[size:end], r.data[end:]
	return b, true
}

// ValueDump is a large value being dumped, in a payload as of DumpValue that
// comes in parts. The caller holds the lock of the shard in Next, and pins it
// from DumpParts to Stop; it must not call Next once the value was changed.
type ValueDump struct {
	Deadline int64 // -1: none
	next     func() ([]byte, bool)
	stop     func()
}

// DumpParts begins to dump the value of k, if it is large and has as many Elements.
// The access time stays.
func (tx *Tx) DumpParts(k Key, from int) (*ValueDump, bool) {
	it := tx.look(k)
	if !it.live || !it.rec.large() {
		return nil, false
	}
	o := it.object()
	if elementsOf(o) < from {
		return nil, false
	}
	d := &ValueDump{Deadline: it.rec.deadline()}
	head := it.sh.dumpHead(&it.rec, tx.Now, nil)
	d.next, d.stop = iter.Pull(func(yield func([]byte) bool) {
		w := partWriter{buf: head, emit: yield}
		if o.dump(&w); !w.ended && len(w.buf) > 0 {
			yield(w.buf)
		}
	})
	return d, true
}

// Next returns the next part, nil at the end; it is valid until the next call.
func (d *ValueDump) Next() []byte {
	part, _ := d.next()
	return part
}

// Stop ends the dump. No lock is needed.
func (d *ValueDump) Stop() { d.stop() }

// ValueLoad is a large value being made of the parts of a payload, outside of the
// keyspace. The caller holds the lock of its shard in all calls.
type ValueLoad struct {
	k    Key
	db   int
	sh   *shard
	head payloadHead

	part []byte // to be read
	end  bool   // no other follows
	step func() (struct{}, bool)
	stop func()

	o   object // made, once all parts were read
	err error
}

// LoadParts begins to make the value of k, whose first part this is. Errors:
// ErrBadPayload, ErrOutOfMemory.
func (tx *Tx) LoadParts(k Key, first []byte) (*ValueLoad, error) {
	head, value, ok := parsePayload(first)
	if !ok || !head.large() {
		return nil, ErrBadPayload
	}
	k.Name = append([]byte(nil), k.Name...)
	l := &ValueLoad{k: k, db: tx.DB, sh: &tx.Store.shards[k.Shard()], head: head, part: value}
	l.step, l.stop = iter.Pull(func(yield func(struct{}) bool) {
		in := partReader{data: l.part, next: func() []byte {
			if !yield(struct{}{}) || l.end {
				return nil
			}
			return l.part
		}}
		l.o, l.err = typeForms[head.typ&7].load(l.sh, head.encoding, &in)
	})
	if err := l.run(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Add adds a part. Errors: ErrBadPayload, ErrOutOfMemory; then only Close may
// follow.
func (l *ValueLoad) Add(part []byte) error {
	if len(part) == 0 || l.o != nil || l.err != nil {
		return ErrBadPayload
	}
	l.part = part
	return l.run()
}

// run has the loader read what is there.
func (l *ValueLoad) run() error {
	if _, more := l.step(); !more && l.err == nil && !l.end {
		l.err = ErrBadPayload // it takes no more
	}
	return l.err
}

// Store makes the value that of its key, whatever is there; all parts were added.
// A deadline <= 0 is none. Errors: ErrBadPayload, ErrOutOfMemory; then nothing
// has changed. Close is due in any case.
func (l *ValueLoad) Store(tx *Tx, deadline int64) error {
	l.end = true
	if err := l.run(); err != nil {
		return err
	}
	if deadline <= 0 {
		deadline = noDeadline
	}
	target := *tx
	target.DB = l.db
	it := target.look(l.k)
	err := target.setObject(&it, l.k, l.head.typ, l.head.encoding, l.o, deadline, tx.Store.ownAccess(l.head.access, tx.Now))
	if err == nil {
		l.o = nil
		target.noteFields(&it, l.k)
	}
	return err
}

// Of says whether the value is to be that of k in database db.
func (l *ValueLoad) Of(db int, k Key) bool { return l.db == db && string(l.k.Name) == string(k.Name) }

// Close frees what was made. After Store it does nothing.
func (l *ValueLoad) Close() {
	l.end = true
	l.stop()
	if l.o != nil {
		l.sh.discard(l.o)
		l.o = nil
	}
}
