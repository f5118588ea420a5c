package rdb

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

// Key is what a file says of a key beside its value.
type Key struct {
	DB       int
	Name     []byte // valid until the value is read
	Deadline int64  // Unix milliseconds; 0: none
	Idle     int64  // seconds since the last access; -1: not said
	Freq     int    // access counter; -1: not said
}

// FileSink takes the contents of a file.
type FileSink interface {
	// Key announces a key; its value follows in the Sink returned, then Done
	// is called, with ErrEmpty or nil. A nil Sink: the value is read and dropped.
	// An error ends the reading.
	Key(k *Key) (Sink, error)
	Done(err error) error
	// Aux is a name and a value about the file.
	Aux(name, value []byte) error
	// Function is the source of a library of functions.
	Function(code []byte) error
	// ModuleAux is data of a module that is not there; it is left out.
	ModuleAux(module string)
}

const magic = "REDIS"

// FileOptions say what a file may hold.
type FileOptions struct {
	Databases int
	MaxString uint64 // bytes
	Checksum  bool   // it must be right, where the file has one
}

// ReadFile reads a whole file from in and returns how many bytes it read. Errors tell
// the offset; those of sink and of in are wrapped.
func ReadFile(in io.Reader, o FileOptions, sink FileSink) (read int64, err error) {
	f := fileReader{reader: reader{stream: in, limit: o.MaxString}, FileOptions: o, sink: sink}
	if f.head() {
		f.reset()
		for f.next() {
		}
	}
	return f.off, f.err
}

// head reads how a file begins.
func (f *fileReader) head() bool {
	var head [9]byte
	f.read(head[:])
	if f.err != nil {
		return false
	}
	version, err := strconv.Atoi(string(head[len(magic):]))
	switch {
	case string(head[:len(magic)]) != magic:
		f.off = 0
		f.fail("not an RDB file: it does not begin with %s", magic)
	case err != nil || version < 1 || version > MaxVersion:
		f.off = int64(len(magic))
		f.fail("format version %q is not 1 to %d", head[len(magic):], MaxVersion)
	}
	f.version = version
	return f.err == nil
}

type fileReader struct {
	reader
	FileOptions
	sink    FileSink
	version int
	key     Key
	name    []byte
	aux     []byte
	scratch [2][]byte
}

func (f *fileReader) reset() {
	f.key.Deadline, f.key.Idle, f.key.Freq = 0, -1, -1
}

// keep makes err the error that ends the reading.
func (f *fileReader) keep(err error) {
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("rdb: at offset %d: %w", f.off, err)
	}
}

// next reads what comes next; false at the end.
func (f *fileReader) next() bool {
	op := f.byte()
	if f.err != nil {
		return false
	}
	switch op {
	case opEOF:
		f.checksum()
		return false
	case opExpireSecs:
		f.reader.read(f.buf[:4])
		f.key.Deadline = int64(int32(binary.LittleEndian.Uint32(f.buf[:]))) * 1000
		f.key.Deadline = max(f.key.Deadline, 1)
	case opExpireMillis:
		f.key.Deadline = max(f.millis(), 1)
	case opFreq:
		f.key.Freq = int(f.byte())
	case opIdle:
		f.key.Idle = int64(min(f.count(), 1<<40))
	case opSelectDB:
		db := f.count()
		if f.err == nil && db >= uint64(f.Databases) {
			f.fail("database %d: there are %d here", db, f.Databases)
			return false
		}
		f.key.DB = int(db)
	case opResizeDB:
		f.count()
		f.count()
	case opSlotInfo:
		f.count()
		f.count()
		f.count()
	case opAux:
		f.name = f.string(f.name)
		f.aux = f.string(f.aux)
		if f.err == nil {
			f.keep(f.sink.Aux(f.name, f.aux))
		}
	case opFunction2:
		if code := f.string(nil); f.err == nil {
			f.keep(f.sink.Function(code))
		}
	case opFunctionPre:
		f.fail("functions in the form of a release candidate of Redis 7.0")
	case opModuleAux:
		f.moduleAux()
	default:
		f.value(Type(op))
	}
	return f.err == nil
}

func (f *fileReader) value(t Type) {
	f.name = f.string(f.name)
	if f.err != nil {
		return
	}
	f.key.Name = f.name
	sink, err := f.sink.Key(&f.key)
	f.reset()
	if f.keep(err); f.err != nil {
		return
	}
	if sink == nil {
		sink = discard{}
	}
	switch err := f.reader.value(t, sink, &f.scratch); err {
	case nil, ErrEmpty:
		f.keep(f.sink.Done(err))
	default:
		if _, ours := err.(*Error); !ours {
			f.err = nil
			f.keep(err)
		}
		f.err = fmt.Errorf("%w (key %.100q)", f.err, f.name)
	}
}

// checksum compares the checksum behind the end; 0 is none.
func (f *fileReader) checksum() {
	if f.version < 5 {
		return
	}
	sum := f.sum
	f.reader.read(f.buf[:8])
	if want := binary.LittleEndian.Uint64(f.buf[:]); f.err == nil && f.Checksum && want != 0 && want != sum {
		f.fail("wrong checksum: %016x instead of %016x", want, sum)
	}
}

// Parts of a module's data.
const (
	moduleEnd    = 0
	moduleSigned = 1
	moduleInt    = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// moduleAux skips data of a module: its name, then parts up to an end.
func (f *fileReader) moduleAux() {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	id := f.count()
	var name [9]byte
	for i, rest := 8, id>>10; i >= 0; i, rest = i-1, rest>>6 {
		name[i] = letters[rest&63]
	}
	for f.err == nil {
		switch part := f.count(); part {
		case moduleEnd:
			if f.err == nil {
				f.sink.ModuleAux(string(name[:]))
			}
			return
		case moduleSigned, moduleInt:
			f.count()
		case moduleFloat:
			f.reader.read(f.buf[:4])
		case moduleDouble:
			f.reader.read(f.buf[:8])
		case moduleString:
			f.aux = f.string(f.aux)
		default:
			f.fail("unknown part %d of the data of module %s", part, name)
		}
	}
}

// discard is the Sink of values that nobody wants.
type discard struct{}

func (discard) String([]byte) error               { return nil }
func (discard) Begin(Kind, uint64) error          { return nil }
func (discard) Element([]byte) error              { return nil }
func (discard) Scored([]byte, float64) error      { return nil }
func (discard) Field([]byte, []byte, int64) error { return nil }

func (discard) StreamBlock(StreamID, []byte, int) error         { return nil }
func (discard) StreamState(*StreamState) error                  { return nil }
func (discard) StreamGroup([]byte, StreamID, int64, bool) error { return nil }
func (discard) StreamPending(StreamID, int64, int64) error      { return nil }
func (discard) StreamConsumer([]byte, int64, int64) error       { return nil }
func (discard) StreamOwned(StreamID) error                      { return nil }

// The parts of a file that are no keys.

// AppendHeader appends the beginning of a file.
func AppendHeader(dst []byte, version int) []byte {
	return append(dst, fmt.Sprintf("%s%04d", magic, version)...)
}

// AppendAux appends a name and a value about the file.
func AppendAux(dst []byte, name, value string) []byte {
	return AppendString(AppendString(append(dst, opAux), []byte(name), false), []byte(value), false)
}

// AppendFunction appends the source of a library of functions.
func AppendFunction(dst, code []byte, compress bool) []byte {
	return AppendString(append(dst, opFunction2), code, compress)
}

// AppendSelectDB appends that the keys to come are of database db.
func AppendSelectDB(dst []byte, db int) []byte {
	return AppendLen(append(dst, opSelectDB), uint64(db))
}

// AppendResizeDB appends how many keys the database has, and how many of them have
// a deadline. It is a hint.
func AppendResizeDB(dst []byte, keys, expires int64) []byte {
	return AppendLen(AppendLen(append(dst, opResizeDB), uint64(keys)), uint64(expires))
}

// AppendKey appends what comes before the value of a key; the value of type t
// follows.
func AppendKey(dst []byte, t Type, k *Key, compress bool) []byte {
	if k.Deadline > 0 {
		dst = AppendMillis(append(dst, opExpireMillis), k.Deadline)
	}
	if k.Idle >= 0 {
		dst = AppendLen(append(dst, opIdle), uint64(k.Idle))
	}
	if k.Freq >= 0 {
		dst = append(dst, opFreq, byte(k.Freq))
	}
	return AppendString(append(dst, byte(t)), k.Name, compress)
}

// AppendEnd appends the end of a file without its checksum.
func AppendEnd(dst []byte) []byte { return append(dst, opEOF) }
