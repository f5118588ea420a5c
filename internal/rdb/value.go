package rdb

import (
	"math"
	"strconv"
)

// Kind is what a value is, whatever its encoding.
type Kind uint8

// Kinds of values.
const (
	KindString Kind = iota
	KindList
	KindSet
	KindZSet
	KindHash
	KindStream
)

// Sink takes a value, element by element. Slices are valid during the call only.
// An error ends the reading and is returned as it is. A Sink refuses what comes
// twice where a value may have it once.
type Sink interface {
	// String is a whole string.
	String(value []byte) error
	// Begin announces a collection of about n elements. n is what the bytes say
	// and may be anything.
	Begin(k Kind, n uint64) error
	// Element is one of a list, in order, or of a set.
	Element(value []byte) error
	// Scored is a member of a sorted set. The score is a number.
	Scored(member []byte, score float64) error
	// Field is one of a hash. deadline is 0 for none.
	Field(field, value []byte, deadline int64) error
	StreamSink
}

// valueReader reads one value.
type valueReader struct {
	*reader
	sink Sink
	a, b []byte
}

// keep makes err the error that ends the reading and says whether there is none.
func (v *valueReader) keep(err error) bool {
	if err != nil && v.err == nil {
		v.err = err
	}
	return v.err == nil
}

// keptScratch bounds the memory that stays for the strings to come.
const keptScratch = 1 << 20

// value reads a value of type t into sink. Errors: *Error, ErrEmpty, those of sink.
func (r *reader) value(t Type, sink Sink, scratch *[2][]byte) error {
	v := valueReader{reader: r, sink: sink, a: scratch[0], b: scratch[1]}
	n := v.read(t)
	for i, s := range [...][]byte{v.a, v.b} {
		if cap(s) <= keptScratch {
			scratch[i] = s
		}
	}
	if r.err == nil && n == 0 {
		return ErrEmpty
	}
	return r.err
}

// read returns the number of elements, 1 for a string or stream.
func (v *valueReader) read(t Type) (n uint64) {
	switch t {
	case TypeString:
		if s := v.str(&v.a); v.err == nil {
			v.keep(v.sink.String(s))
		}
		return 1
	case TypeList, TypeSet:
		return v.plain(t)
	case TypeZSet, TypeZSet2:
		return v.scored(t)
	case TypeHash, TypeHashMetadata, TypeHashMetadataPreGA:
		return v.fields(t)
	case TypeSetIntset:
		s := v.str(&v.a)
		if v.err == nil && v.keep(v.sink.Begin(KindSet, uint64(len(s)/2))) {
			v.whole(intsetMembers(s, func(member []byte) error { n++; return v.sink.Element(member) }))
		}
		return n
	case TypeHashZipmap:
		s := v.str(&v.a)
		if v.err == nil && v.keep(v.sink.Begin(KindHash, 0)) {
			v.whole(zipmapPairs(s, func(field, value []byte) error { n++; return v.sink.Field(field, value, 0) }))
		}
		return n
	case TypeListZiplist:
		return v.packed(KindList, 1, newZiplist(v.str(&v.a)))
	case TypeHashZiplist:
		return v.packed(KindHash, 2, newZiplist(v.str(&v.a)))
	case TypeZSetZiplist:
		return v.packed(KindZSet, 2, newZiplist(v.str(&v.a)))
	case TypeHashListpack:
		return v.packed(KindHash, 2, newListpack(v.str(&v.a)))
	case TypeZSetListpack:
		return v.packed(KindZSet, 2, newListpack(v.str(&v.a)))
	case TypeSetListpack:
		return v.packed(KindSet, 1, newListpack(v.str(&v.a)))
	case TypeHashListpackEx, TypeHashListpackExPreGA:
		if t == TypeHashListpackEx {
			v.millis() // of the earliest field: the fields say it
		}
		return v.packed(KindHash, 3, newListpack(v.str(&v.a)))
	case TypeListQuicklist, TypeListQuicklist2:
		return v.quicklist(t)
	case TypeModule, TypeModule2:
		v.fail("a value of a module")
	case TypeStreamListpacks, TypeStreamListpacks2, TypeStreamListpacks3:
		v.readStream(t)
		return 1
	default:
		v.fail("unknown type %d", t)
	}
	return 0
}

// str reads a string into buf, which is used again.
func (v *valueReader) str(buf *[]byte) []byte {
	s := v.string(*buf)
	if v.stream != nil && cap(s) > cap(*buf) {
		*buf = s[:0:cap(s)]
	}
	return s
}

// whole is the end of a packed form.
func (v *valueReader) whole(whole bool, err error) {
	if v.keep(err) && !whole {
		v.fail("a packed value is broken")
	}
}

func (v *valueReader) plain(t Type) uint64 {
	kind := KindList
	if t == TypeSet {
		kind = KindSet
	}
	n := v.count()
	if v.err != nil || n == 0 || !v.keep(v.sink.Begin(kind, n)) {
		return n
	}
	for range n {
		s := v.str(&v.a)
		if v.err != nil || !v.keep(v.sink.Element(s)) {
			break
		}
	}
	return n
}

func (v *valueReader) scored(t Type) uint64 {
	n := v.count()
	if v.err != nil || n == 0 || !v.keep(v.sink.Begin(KindZSet, n)) {
		return n
	}
	for range n {
		s := v.str(&v.a)
		score := 0.0
		if t == TypeZSet2 {
			score = v.binaryScore()
		} else {
			score = v.textScore()
		}
		if v.err == nil && math.IsNaN(score) {
			v.fail("a score is not a number")
		}
		if v.err != nil || !v.keep(v.sink.Scored(s, score)) {
			break
		}
	}
	return n
}

func (v *valueReader) fields(t Type) uint64 {
	earliest := int64(0)
	if t == TypeHashMetadata {
		if earliest = v.millis(); earliest < 0 || earliest > maxDeadline {
			v.fail("a deadline of %d", earliest)
		}
	}
	n := v.count()
	if v.err != nil || n == 0 || !v.keep(v.sink.Begin(KindHash, n)) {
		return n
	}
	for range n {
		deadline := uint64(0)
		if t != TypeHash {
			if deadline = v.count(); deadline > maxDeadline {
				v.fail("a deadline of %d", deadline)
			}
			if deadline != 0 && t == TypeHashMetadata {
				deadline += uint64(earliest) - 1
			}
		}
		field := v.str(&v.a)
		value := v.str(&v.b)
		if v.err != nil || !v.keep(v.sink.Field(field, value, int64(deadline))) {
			break
		}
	}
	return n
}

// maxDeadline is that of Redis 7.4 for fields: 46 bits of milliseconds.
const maxDeadline = 1<<46 - 2

// packed reads a packed form with stride entries for each element.
func (v *valueReader) packed(k Kind, stride int, p packedReader) (n uint64) {
	if v.err != nil || !v.keep(v.sink.Begin(k, 0)) {
		return 0
	}
	var text [3][20]byte
	for v.err == nil {
		e, ok := p.next()
		if !ok {
			break
		}
		var second, third entry
		if stride > 1 {
			if second, ok = p.next(); ok && stride > 2 {
				third, ok = p.next()
			}
			if !ok {
				v.fail("a packed value is broken")
				return n
			}
		}
		n++
		first := e.bytes(&text[0])
		switch k {
		case KindHash:
			if third.text != nil || third.n < 0 || third.n > maxDeadline {
				v.fail("a field's deadline is no time")
				return n
			}
			v.keep(v.sink.Field(first, second.bytes(&text[1]), third.n))
		case KindZSet:
			score := float64(second.n)
			if second.text != nil {
				var err error
				if score, err = strconv.ParseFloat(string(second.text), 64); err != nil || math.IsNaN(score) {
					v.fail("%q is no score", second.text)
					return n
				}
			}
			v.keep(v.sink.Scored(first, score))
		default:
			v.keep(v.sink.Element(first))
		}
	}
	v.whole(p.whole(), nil)
	return n
}

func (v *valueReader) quicklist(t Type) (n uint64) {
	nodes := v.count()
	if v.err != nil || nodes == 0 || !v.keep(v.sink.Begin(KindList, nodes)) {
		return 0
	}
	for range nodes {
		container := uint64(quicklistNodePacked)
		if t == TypeListQuicklist2 {
			container = v.count()
		}
		s := v.str(&v.a)
		if v.err != nil {
			return n
		}
		var p packedReader
		switch {
		case container == quicklistNodePlain:
			n++
			if !v.keep(v.sink.Element(s)) {
				return n
			}
			continue
		case container != quicklistNodePacked:
			v.fail("unknown list node %d", container)
			return n
		case t == TypeListQuicklist2:
			p = newListpack(s)
		default:
			p = newZiplist(s)
		}
		var text [20]byte
		for {
			e, ok := p.next()
			if !ok {
				break
			}
			n++
			if !v.keep(v.sink.Element(e.bytes(&text))) {
				return n
			}
		}
		if v.whole(p.whole(), nil); v.err != nil {
			return n
		}
	}
	return n
}
