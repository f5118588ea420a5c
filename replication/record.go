package replication

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// A record is one entry of the log. It has the same form in taps, ring and on
// the wire, so that it is encoded once. Integers are little endian.
//
//	size   u32      of the whole record, this field included
//	slot   u16
//	kind   u8       see recordKind
//	flags  u8       of the effect
//	seq    u64      of the effect
//	epoch  uvarint
//	db     uvarint
//	argc   uvarint
//	args   argc times: length uvarint, bytes
//
// size, slot, kind and seq have fixed places because sweeper and eviction read
// them for every record and nothing else.
const (
	recordHeaderBytes = 16
	recordMinBytes    = recordHeaderBytes + 3

	// maxRecordArgs bounds the arguments of one effect: what a decoder may be
	// made to allocate. An effect with more is treated as one that does not fit
	// into the log.
	maxRecordArgs = 1 << 22
	// maxRecordBytes is what the size field can say.
	maxRecordBytes = 1<<32 - 1
	// maxDatabases bounds the database number of an effect.
	maxDatabases = 1 << 16
)

// recordKind says what a record is. Append only: it goes over the wire.
type recordKind uint8

const (
	// recordEffect is an effect; seq is its own.
	recordEffect recordKind = 1
	// recordEpoch says that an epoch began after the effect seq.
	recordEpoch recordKind = 2
	// recordGap stands for an effect that was too large for the log. Who needs
	// it copies the slot. It never goes over the wire.
	recordGap recordKind = 3
)

var errBadRecord = errors.New("replication: malformed record")

// record is a decoded record; body aliases the encoded one.
type record struct {
	size  int
	slot  uint16
	kind  recordKind
	flags uint8
	db    int
	epoch uint64
	seq   uint64
	body  []byte // argc and args
}

// uvarintLen returns how many bytes the uvarint of v takes.
func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// recordSize returns the encoded size of an effect.
func recordSize(epoch uint64, db int, args [][]byte) int {
	n := recordHeaderBytes + uvarintLen(epoch) + uvarintLen(uint64(db)) + uvarintLen(uint64(len(args)))
	for _, arg := range args {
		n += uvarintLen(uint64(len(arg))) + len(arg)
	}
	return n
}

// putRecordHead encodes everything before the arguments into b, which has room
// for it, and returns its length. size is that of the whole record.
func putRecordHead(b []byte, size int, slot uint16, kind recordKind, flags uint8, db int, epoch, seq uint64, argc int) int {
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint16(b[4:], slot)
	b[6], b[7] = byte(kind), flags
	binary.LittleEndian.PutUint64(b[8:], seq)
	n := recordHeaderBytes
	n += binary.PutUvarint(b[n:], epoch)
	n += binary.PutUvarint(b[n:], uint64(db))
	n += binary.PutUvarint(b[n:], uint64(argc))
	return n
}

// putRecord encodes an effect into b, whose length is its recordSize.
func putRecord(b []byte, slot uint16, kind recordKind, flags uint8, db int, epoch, seq uint64, args [][]byte) {
	n := putRecordHead(b, len(b), slot, kind, flags, db, epoch, seq, len(args))
	for _, arg := range args {
		if len(arg) < 0x80 {
			b[n] = byte(len(arg))
			n++
		} else {
			n += binary.PutUvarint(b[n:], uint64(len(arg)))
		}
		n += copy(b[n:], arg)
	}
}

// parseRecord decodes the record at the start of b. It checks the head and that
// b holds the whole record; the arguments are checked by args.
func parseRecord(b []byte) (record, error) {
	if len(b) < recordMinBytes {
		return record{}, errBadRecord
	}
	size := binary.LittleEndian.Uint32(b)
	if size < recordMinBytes || uint64(size) > uint64(len(b)) {
		return record{}, errBadRecord
	}
	r := record{
		size:  int(size),
		slot:  binary.LittleEndian.Uint16(b[4:]),
		kind:  recordKind(b[6]),
		flags: b[7],
		seq:   binary.LittleEndian.Uint64(b[8:]),
	}
	rest := b[recordHeaderBytes:size]
	epoch, n := binary.Uvarint(rest)
	if n <= 0 {
		return record{}, errBadRecord
	}
	rest = rest[n:]
	db, n := binary.Uvarint(rest)
	if n <= 0 || db >= maxDatabases || r.slot >= slotCount || r.kind < recordEffect || r.kind > recordGap {
		return record{}, errBadRecord
	}
	r.epoch, r.db, r.body = epoch, int(db), rest[n:]
	return r, nil
}

// likelyKey is the second argument of the effect, which is a key for nearly all
// commands; nil if there is none. It aliases the record.
func (r *record) likelyKey() []byte {
	argc, n := binary.Uvarint(r.body)
	if n <= 0 || argc < 2 {
		return nil
	}
	rest := r.body[n:]
	var arg []byte
	for range 2 {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil
		}
		arg, rest = rest[n:n+int(size)], rest[n+int(size):]
	}
	return arg
}

// args appends the arguments of the effect to dst; they alias the record. Every
// argument takes at least one byte of the record, and there are at most
// maxRecordArgs, so a small record cannot make dst large.
func (r *record) args(dst [][]byte) ([][]byte, error) {
	argc, n := binary.Uvarint(r.body)
	if n <= 0 || argc > maxRecordArgs || argc > uint64(len(r.body)-n) {
		return dst, errBadRecord
	}
	rest := r.body[n:]
	for range argc {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return dst, errBadRecord
		}
		end := n + int(size)
		dst = append(dst, rest[n:end:end])
		rest = rest[end:]
	}
	if len(rest) != 0 {
		return dst, errBadRecord
	}
	return dst, nil
}
