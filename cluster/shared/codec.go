package shared

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrFormat says that bytes are no entry or snapshot of this version.
var ErrFormat = errors.New("shared: bad format")

// The log form of an entry begins with a type byte, as that of the slot map's
// entries does, and a version byte. What follows:
//
//	uvarint ID, uvarint number of changes, for each:
//	kind, name (uvarint length, bytes), 0: deleted; 1: value (length, bytes)
//
// EntryType is a number that package slotmap leaves free. It never changes: old
// logs are replayed.
const (
	EntryType    = 14
	entryVersion = 1
)

// MaxEncoded bounds the log form of an entry.
const MaxEncoded = MaxEntry + MaxChanges*(MaxKind+12) + 32

// IsEntry reports whether data, a log entry, is one of this package.
func IsEntry(data []byte) bool { return len(data) > 0 && data[0] == EntryType }

// Encode gives the log form of an entry. Its errors wrap ErrLimit.
func Encode(e *Entry) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	b := []byte{EntryType, entryVersion}
	b = binary.AppendUvarint(b, e.ID)
	b = binary.AppendUvarint(b, uint64(len(e.Changes)))
	for _, c := range e.Changes {
		b = appendBytes(appendBytes(b, []byte(c.Kind)), []byte(c.Name))
		if c.Value == nil {
			b = append(b, 0)
			continue
		}
		b = appendBytes(append(b, 1), c.Value)
	}
	return b, nil
}

// Decode reads the log form. What it returns shares no memory with data. Every
// error wraps ErrFormat.
func Decode(data []byte) (*Entry, error) {
	if len(data) < 2 || data[0] != EntryType || data[1] != entryVersion || len(data) > MaxEncoded {
		return nil, fmt.Errorf("%w: no entry of a known version", ErrFormat)
	}
	r := reader{b: data[2:]}
	e := &Entry{ID: r.number()}
	n := r.number()
	for ; n > 0 && !r.bad && len(e.Changes) <= MaxChanges; n-- {
		c := Change{Kind: string(r.bytes()), Name: string(r.bytes())}
		switch r.number() {
		case 0:
		case 1:
			c.Value = append([]byte{}, r.bytes()...)
		default:
			r.bad = true
		}
		e.Changes = append(e.Changes, c)
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: entry cut or too long", ErrFormat)
	}
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return e, nil
}

// snapshotVersion is the first byte of a snapshot.
const snapshotVersion = 1

// MaxSnapshot bounds an encoded state.
const MaxSnapshot = MaxTotal + MaxValues*(MaxKind+24) + maxRecent*10 + 64

// EncodeSnapshot gives the whole state as bytes; equal states give equal bytes.
//
//	version byte, uvarint version of the state, uvarint number of values, for
//	each: version, kind, name, value; uvarint number of recent IDs, IDs
func (s *State) EncodeSnapshot() []byte {
	b := []byte{snapshotVersion}
	b = binary.AppendUvarint(b, s.version)
	b = binary.AppendUvarint(b, uint64(len(s.values)))
	for _, v := range s.values {
		b = binary.AppendUvarint(b, v.version)
		b = appendBytes(appendBytes(appendBytes(b, []byte(v.kind)), []byte(v.name)), v.data)
	}
	b = binary.AppendUvarint(b, uint64(len(s.recent)))
	for _, id := range s.recent {
		b = binary.AppendUvarint(b, id)
	}
	return b
}

// DecodeSnapshot builds a fresh state, which shares no memory with data. Every
// error wraps ErrFormat.
func DecodeSnapshot(data []byte) (*State, error) {
	if len(data) == 0 || data[0] != snapshotVersion || len(data) > MaxSnapshot {
		return nil, fmt.Errorf("%w: snapshot", ErrFormat)
	}
	r := reader{b: data[1:]}
	s := &State{version: r.number()}
	for n := r.number(); n > 0 && !r.bad; n-- {
		v := &value{version: r.number(), kind: string(r.bytes()), name: string(r.bytes())}
		v.data = append([]byte{}, r.bytes()...)
		last := len(s.values) - 1
		one := Entry{Changes: []Change{v.change()}}
		if r.bad || one.Validate() != nil || v.version == 0 || v.version > s.version || last+1 == MaxValues ||
			last >= 0 && compare(s.values[last], v.change()) >= 0 {
			return nil, fmt.Errorf("%w: value %d of a snapshot", ErrFormat, last+2)
		}
		s.values = append(s.values, v)
		s.total += v.size()
	}
	n := r.number()
	for ; n > 0 && !r.bad && len(s.recent) < maxRecent; n-- {
		s.recent = append(s.recent, r.number())
	}
	if r.bad || n > 0 || len(r.b) > 0 || s.total > MaxTotal {
		return nil, fmt.Errorf("%w: snapshot", ErrFormat)
	}
	return s, nil
}

// Digest identifies the content: equal on nodes that applied the same log.
func (s *State) Digest() string {
	sum := sha256.Sum256(s.EncodeSnapshot())
	return hex.EncodeToString(sum[:])
}

// Equal reports whether two states are the same.
func (s *State) Equal(t *State) bool {
	return s == t || s.version == t.version && bytes.Equal(s.EncodeSnapshot(), t.EncodeSnapshot())
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

// reader takes bytes apart; the first thing that is wrong sticks in bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}
