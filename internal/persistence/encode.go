// Package persistence is the keyspace in Redis's RDB encoding: single values for
// DUMP and RESTORE, files that are written while the keyspace goes on changing, and
// loaded when a node starts.
package persistence

import (
	"respkv/internal/rdb"
	"respkv/store"
)

// typeOf is the encoding that a value is written in: the one that takes the least
// work, of those that Redis 7.0 reads.
func typeOf(v *store.Value) rdb.Type {
	_, _, small := v.Listpack()
	switch v.Type() {
	case store.TypeString:
		return rdb.TypeString
	case store.TypeList:
		return rdb.TypeListQuicklist2
	case store.TypeSet:
		if _, ints := v.Intset(); ints {
			return rdb.TypeSetIntset
		}
		return rdb.TypeSet // as listpack only since Redis 7.2
	case store.TypeZSet:
		if small {
			return rdb.TypeZSetListpack
		}
		return rdb.TypeZSet2
	}
	if v.Type() == store.TypeStream {
		return rdb.TypeStreamListpacks2
	}
	switch dated := v.Dated(); {
	case small && dated:
		return rdb.TypeHashListpackEx
	case small:
		return rdb.TypeHashListpack
	case dated:
		return rdb.TypeHashMetadata
	}
	return rdb.TypeHash
}

// fieldBase is what deadlines of fields in a large hash are counted from: with 1
// they are written as they are, and nobody has to look for the earliest one first.
const fieldBase = 1

// appendHead appends what comes before the elements of a large value, which is all
// of it for others. bits says what is to come.
func appendHead(dst []byte, t rdb.Type, v *store.Value, compress bool) (_ []byte, whole bool) {
	switch t {
	case rdb.TypeString:
		return rdb.AppendString(dst, v.Bytes(), compress), true
	case rdb.TypeSetIntset:
		ints, _ := v.Intset()
		return rdb.AppendString(dst, ints, compress), true
	case rdb.TypeHashListpackEx:
		dst = rdb.AppendMillis(dst, v.EarliestField())
		fallthrough
	case rdb.TypeHashListpack, rdb.TypeZSetListpack:
		entries, n, _ := v.Listpack()
		return rdb.AppendListpack(dst, entries, n, compress), true
	case rdb.TypeListQuicklist2:
		if entries, n, small := v.Listpack(); small {
			return appendNode(rdb.AppendLen(dst, 1), v, entries, n, compress), true
		}
		return rdb.AppendLen(dst, uint64(v.NodeCount())), false
	case rdb.TypeStreamListpacks2:
		return rdb.AppendLen(dst, uint64(v.Stream().Info().Blocks)), false
	case rdb.TypeHashMetadata:
		dst = rdb.AppendMillis(dst, fieldBase)
	}
	return rdb.AppendLen(dst, uint64(v.Len())), false
}

func appendNode(dst []byte, v *store.Value, entries []byte, n int, compress bool) []byte {
	if n == 1 && v.StandsAlone(len(entries)) {
		store.EachEntry(entries, func(text []byte) { dst = rdb.AppendListElement(dst, text, compress) })
		return dst
	}
	return rdb.AppendListNode(dst, entries, n, compress)
}

func appendElement(dst []byte, t rdb.Type, e *store.Element, compress bool) []byte {
	if t == rdb.TypeHashMetadata {
		at := uint64(0)
		if e.Deadline > 0 {
			at = uint64(e.Deadline - fieldBase + 1)
		}
		dst = rdb.AppendLen(dst, at)
	}
	dst = rdb.AppendString(dst, e.Name, compress)
	switch t {
	case rdb.TypeZSet2:
		dst = rdb.AppendScore(dst, e.Score)
	case rdb.TypeHash, rdb.TypeHashMetadata:
		dst = rdb.AppendString(dst, e.Value, compress)
	}
	return dst
}

// atOnce takes no pauses.
var atOnce store.Tx

// appendValue appends a whole value, in steps if tx takes pauses. Error: ErrChanged of
// the store.
func appendValue(dst []byte, t rdb.Type, v *store.Value, compress bool, tx *store.Tx) (_ []byte, err error) {
	goOn := func() bool {
		if tx.Pause == nil {
			return true
		}
		ok := tx.Pause()
		if ok && cap(dst)-len(dst) < growRoom {
			// To copy what there is so far would take longer than a step.
			ok = tx.Apart(func() { dst = append(make([]byte, 0, 2*cap(dst)+4*growRoom), dst...) })
		}
		if !ok {
			err = store.ErrChanged
		}
		return ok
	}
	if t == rdb.TypeString && tx.Pause != nil {
		return appendText(dst, v.Bytes(), compress, tx)
	}
	dst, whole := appendHead(dst, t, v, compress)
	switch {
	case whole:
	case t == rdb.TypeListQuicklist2:
		v.EachNode(func(entries []byte, n int) bool {
			dst = appendNode(dst, v, entries, n, compress)
			return goOn()
		})
	case t == rdb.TypeStreamListpacks2:
		for from, more := (store.StreamID{}), true; more && goOn(); {
			dst, from, more = appendBlocks(dst, v.Stream(), from, compress)
		}
		if err == nil {
			dst = appendStreamRest(dst, v.Stream())
		}
	default:
		each := func(e store.Element) { dst = appendElement(dst, t, &e, compress) }
		for cursor := v.Elements(0, stepElements, each); cursor != 0 && goOn(); {
			cursor = v.Elements(cursor, stepElements, each)
		}
	}
	return dst, err
}

// growRoom is how much room a payload in the making has at least after a step, for the
// elements of the next one.
const growRoom = 64 << 10

// appendText appends a string, which is copied in steps: it is compressed, if it is, without
// the locks. Error: store.ErrChanged.
func appendText(dst, text []byte, compress bool, tx *store.Tx) ([]byte, error) {
	var own []byte
	goOn := tx.Apart(func() { own = make([]byte, len(text)) })
	for at := 0; goOn && at < len(text); goOn = tx.Pause() {
		at += copy(own[at:], text[at:min(len(text), at+growRoom)])
	}
	if !goOn || !tx.Apart(func() { dst = rdb.AppendString(dst, own, compress) }) {
		return nil, store.ErrChanged
	}
	return dst, nil
}

// ZSetDump makes the payload of a sorted set, member by member.
type ZSetDump struct{ payload []byte }

// NewZSetDump begins one of n members of so many bytes together, about.
func NewZSetDump(n, bytes int) *ZSetDump {
	const besides = 8 + 3 // score, length
	payload := make([]byte, 0, n*besides+bytes+64)
	return &ZSetDump{rdb.AppendLen(append(payload, byte(rdb.TypeZSet2)), uint64(n))}
}

// Add adds a member; none comes twice.
func (d *ZSetDump) Add(member []byte, score float64) {
	d.payload = rdb.AppendScore(rdb.AppendString(d.payload, member, false), score)
}

// Payload is what DUMP would return, all members being there. pause and error: as of
// rdb.Footer, and store.ErrChanged.
func (d *ZSetDump) Payload(pause func() bool) ([]byte, error) {
	payload, err := rdb.Footer(d.payload, rdb.Version, pause)
	if err != nil {
		err = store.ErrChanged
	}
	return payload, err
}

// versionOf is the version of the format that has an encoding.
func versionOf(t rdb.Type) uint16 {
	if t == rdb.TypeHashMetadata || t == rdb.TypeHashListpackEx {
		return rdb.VersionFieldExpiry
	}
	return rdb.Version
}

// Size is how many bytes a value takes in an RDB file: its encoding's name and its
// key are not counted.
func Size(v *store.Value, compress bool) int {
	body, _ := appendValue(nil, typeOf(v), v, compress, &atOnce)
	return len(body)
}

// Dump makes the payload that DUMP returns for a value that was looked up in tx, in steps
// if that takes pauses. Error: store.ErrChanged.
func Dump(tx *store.Tx, v *store.Value, compress bool) ([]byte, error) {
	t := typeOf(v)
	dst, err := appendValue([]byte{byte(t)}, t, v, compress, tx)
	if err != nil {
		return nil, err
	}
	if !tx.Apart(func() { dst, err = rdb.Footer(dst, versionOf(t), nil) }) {
		return nil, store.ErrChanged
	}
	return dst, err
}
