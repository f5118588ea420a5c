package store

import (
	"cmp"
	"math"
	"slices"
)

// Value is the value of a key where it lies, for those who write it in another
// form. It is valid under the lock of its shard, until the next change.
type Value struct {
	sh  *shard
	rec record
	now int64
}

// Value returns the value of k. The access time stays.
func (tx *Tx) Value(k Key) (Value, bool) {
	it := tx.look(k)
	return Value{it.sh, it.rec, tx.Now}, it.live
}

// Type is the type of the value.
func (v *Value) Type() Type { return v.rec.typ() }

// Deadline is that of the key in Unix milliseconds, -1 for none.
func (v *Value) Deadline() int64 { return v.rec.deadline() }

// Idle returns the seconds since the last access, Freq the decayed counter of
// accesses; which of them means anything is the policy's to say.
func (v *Value) Idle() int64 {
	return v.sh.store.clock.idleSeconds(tickOf(v.rec.access()), v.now)
}

// Freq: see Idle.
func (v *Value) Freq() int {
	return int(lfuCounter(v.rec.access(), v.now, v.sh.store.policy.Load().DecayTime))
}

// Bytes is a string.
func (v *Value) Bytes() []byte { return v.sh.value(&v.rec) }

// Listpack returns the n entries of a small list, set, sorted set or hash, as a
// listpack of Redis has them between header and end. With Dated, a hash has three
// for each field, in the order of Redis 7.4: the earliest deadline first, fields
// without one (0) last.
func (v *Value) Listpack() (entries []byte, n int, ok bool) {
	if v.rec.typ() == TypeString || v.rec.large() || v.rec.encoding() == EncodingIntset {
		return nil, 0, false
	}
	p := packed(v.rec.inline())
	if v.rec.encoding() == EncodingListpackEx {
		p = byDeadline(p)
	}
	return p[packedHeader:], p.entries(), true
}

// byDeadline is a hash with deadlines in their order, or without them if there is
// none.
func byDeadline(p packed) packed {
	type field struct {
		pos, value, end int
		deadline        int64
	}
	var fields []field
	dated := false
	for pos := p.first(); pos < p.end(); {
		f := field{pos: pos, value: p.skip(pos, 2), deadline: math.MaxInt64}
		at, next := p.get(f.value)
		if at.n > 0 {
			f.deadline, dated = at.n, true
		}
		f.end, pos = next, next
		fields = append(fields, f)
	}
	slices.SortStableFunc(fields, func(a, b field) int { return cmp.Compare(a.deadline, b.deadline) })
	sorted, per := newPacked(make([]byte, 0, len(p))), 2
	if dated {
		per = 3
	}
	for _, f := range fields {
		end := f.value
		if dated {
			end = f.end
		}
		sorted = append(sorted, p[f.pos:end]...)
	}
	sorted.setEntries(len(fields) * per)
	return sorted
}

// Intset returns a set of integers as Redis has it.
func (v *Value) Intset() (ints []byte, ok bool) {
	return v.rec.inline(), v.rec.encoding() == EncodingIntset
}

// Dated says whether fields of a hash have deadlines.
func (v *Value) Dated() bool {
	switch {
	case v.rec.typ() != TypeHash:
		return false
	case v.rec.large():
		return v.sh.object(&v.rec).(*hashObject).dated() > 0
	case v.rec.encoding() != EncodingListpackEx:
		return false
	}
	dated := false
	v.small(func(e Element) { dated = dated || e.Deadline > 0 })
	return dated
}

// EarliestField is the earliest deadline of a field of a small hash that has one.
func (v *Value) EarliestField() int64 {
	earliest := int64(math.MaxInt64)
	v.small(func(e Element) {
		if e.Deadline > 0 {
			earliest = min(earliest, e.Deadline)
		}
	})
	return earliest
}

// Len is the number of elements of a collection, 1 of a string; of a hash, fields
// past their deadline included.
func (v *Value) Len() int {
	switch {
	case v.rec.typ() == TypeString:
		return 1
	case v.rec.large():
		return v.sh.object(&v.rec).length()
	case v.rec.encoding() == EncodingIntset:
		return intset(v.rec.inline()).members()
	}
	n := packed(v.rec.inline()).entries()
	switch {
	case v.rec.typ() == TypeZSet:
		return n / 2
	case v.rec.typ() == TypeHash:
		return n / hashStride(v.rec.encoding())
	}
	return n
}

// Stream returns a stream to read.
func (v *Value) Stream() *Stream {
	return &Stream{it: item{sh: v.sh, rec: v.rec, found: true, live: true}}
}

// Large says whether the value is held as an object, which Elements and Nodes walk
// in steps.
func (v *Value) Large() bool { return v.rec.large() }

// Memory is about how many bytes the value takes.
func (v *Value) Memory() int64 {
	if v.rec.large() {
		return v.sh.object(&v.rec).base().bytes()
	}
	return int64(len(v.sh.value(&v.rec)))
}

// Element is one of a hash, set or sorted set.
type Element struct {
	Name     []byte // field or member
	Value    []byte // of a field
	Score    float64
	Deadline int64 // of a field; 0: none
}

// Elements calls fn for about count elements of a hash, set or sorted set from
// cursor on, and returns the cursor to go on with; 0 starts and 0 ends. While the
// value does not change, each comes once, also when the lock was given up between
// two calls and memory was compacted. Those of a sorted set come in order. A small
// value is returned whole. fn must not keep what it is given.
func (v *Value) Elements(cursor uint64, count int, fn func(e Element)) (next uint64) {
	if !v.rec.large() {
		v.small(fn)
		return 0
	}
	switch o := v.sh.object(&v.rec).(type) {
	case *hashObject:
		return o.walk(cursor, count, func(r *element) {
			fn(Element{Name: r.name(), Value: o.value(r), Deadline: max(r.deadline(), 0)})
		})
	case *setObject:
		return o.walk(cursor, count, func(r *element) { fn(Element{Name: r.name()}) })
	case *zsetObject:
		n := uint64(0)
		o.walk(int(cursor), false, func(member []byte, score float64) bool {
			fn(Element{Name: member, Score: score})
			n++
			return n < uint64(count)
		})
		if cursor += n; cursor < uint64(o.length()) {
			return cursor
		}
	}
	return 0
}

func (v *Value) small(fn func(e Element)) {
	var text [2][maxIntText]byte
	if v.rec.typ() == TypeSet {
		b := setBuilder{encoding: v.rec.encoding(), data: v.rec.inline()}
		b.each(func(member []byte) bool { fn(Element{Name: member}); return true })
		return
	}
	p := packed(v.rec.inline())
	for pos := p.first(); pos < p.end(); {
		var name, second, third packedEntry
		name, pos = p.get(pos)
		second, pos = p.get(pos)
		e := Element{Name: name.bytes(text[0][:0])}
		if v.rec.typ() == TypeZSet {
			e.Score = second.score()
		} else {
			e.Value = second.bytes(text[1][:0])
			if v.rec.encoding() == EncodingListpackEx {
				third, pos = p.get(pos)
				e.Deadline = third.n
			}
		}
		fn(e)
	}
}

// Nodes calls fn for the nodes of a large list, n entries each as of Listpack, from
// the front, until about size bytes were passed to it, and says whether that was all.
// The first call for a list has first set; one walk of a list at a time.
func (v *Value) Nodes(first bool, size int, fn func(entries []byte, n int)) (done bool) {
	o := v.sh.object(&v.rec).(*listObject)
	if first {
		o.reading = o.head
	}
	for o.reading != 0 && size > 0 {
		p := o.packedAt(o.reading)
		o.reading = o.node(o.reading).next
		size -= len(p)
		fn(p[packedHeader:], p.entries())
	}
	return o.reading == 0
}

// EachNode is Nodes for the whole list, unless fn returns false: then it looks at nothing
// any more. fn may pause as of Tx.
func (v *Value) EachNode(fn func(entries []byte, n int) (goOn bool)) {
	o := v.sh.object(&v.rec).(*listObject)
	for r := o.head; r != 0; r = o.node(r).next {
		p := o.packedAt(r)
		if !fn(p[packedHeader:], p.entries()) {
			return
		}
	}
}

// NodeCount is the number of nodes of a large list.
func (v *Value) NodeCount() int { return v.sh.object(&v.rec).(*listObject).nodes }

// EachEntry calls fn for the entries of a listpack without header and end, as text.
func EachEntry(entries []byte, fn func(text []byte)) {
	var buf [maxIntText]byte
	for pos := 0; pos < len(entries); {
		var e packedEntry
		e, pos = packed(entries).get(pos)
		fn(e.bytes(buf[:0]))
	}
}

// ValueID tells values apart that are looked at several times.
type ValueID struct {
	kind   uint8
	handle uint32
	n      int
}

// ID is the same as long as the value is, unless somebody changed elements without
// changing their number.
func (v *Value) ID() ValueID {
	id := ValueID{kind: v.rec.kind &^ kindDeadline, n: v.Len()}
	if v.rec.large() {
		id.handle = v.rec.handle()
	} else {
		id.n = len(v.sh.value(&v.rec))
	}
	return id
}
