package persistence

import (
	"errors"

	"respkv/internal/rdb"
	"respkv/store"
)

// Errors of Restore, besides those of the store.
var (
	// ErrFooter: the version is not known here, or the checksum is another.
	ErrFooter = rdb.ErrFooter
	// ErrBadData: the bytes are no value.
	ErrBadData = errors.New("persistence: bad data format")
)

// CheckPayload looks at version and checksum of a payload of DUMP, without the locks if tx
// takes pauses. Errors: ErrFooter, store.ErrChanged.
func CheckPayload(tx *store.Tx, payload []byte) (err error) {
	if !tx.Apart(func() { err = rdb.Check(payload) }) {
		err = store.ErrChanged
	}
	return err
}

// Restored is a value made of a payload, not in the keyspace yet.
type Restored struct {
	im     *store.Import
	stream *store.StreamImport
}

// Restore makes the value of a payload that CheckPayload has accepted, to be stored at
// k, in steps. The lock of its shard is held up to Store or Close; no string is longer
// than limit. Errors: ErrBadData, ErrOutOfMemory and others of the store; then nothing
// is left of it.
func Restore(tx *store.Tx, k store.Key, payload []byte, limit int64) (Restored, error) {
	sink := importSink{tx: tx, key: k}
	err := sink.read(payload, uint64(limit))
	if err == nil && sink.stream != nil {
		err = sink.stream.Check()
	}
	if err == nil {
		return sink.Restored, nil
	}
	sink.close()
	if badData(err) {
		err = ErrBadData
	}
	return Restored{}, err
}

// read reads the value into s. A string is read without the locks, since it is made outside
// of the store at first.
func (s *importSink) read(payload []byte, limit uint64) (err error) {
	if rdb.Type(payload[0]) != rdb.TypeString {
		return rdb.ReadPayload(payload, limit, s)
	}
	if !s.tx.Apart(func() { err = rdb.ReadPayload(payload, limit, s) }) {
		return store.ErrChanged
	}
	if err == nil {
		err = s.im.Fill(s.tx)
	}
	return err
}

// badData says whether an error is about the bytes, not about what is here.
func badData(err error) bool {
	var broken *rdb.Error
	return errors.As(err, &broken) || errors.Is(err, rdb.ErrEmpty) || errors.Is(err, store.ErrBadPayload)
}

// Store makes the value that of k, in place of what is there; a deadline <= 0 is
// none. Errors: those of store.Import.Store; then nothing has changed, and Close is
// to be called.
func (r Restored) Store(tx *store.Tx, k store.Key, deadline int64, access store.Access) error {
	if r.stream != nil {
		return r.stream.Store(tx, k, deadline, access)
	}
	return r.im.Store(tx, k, deadline, access)
}

// Close drops a value that is not stored.
func (r Restored) Close() {
	if r.im != nil {
		r.im.Close()
	}
	if r.stream != nil {
		r.stream.Close()
	}
}

// importSink makes a value of what it is given. It implements rdb.Sink.
type importSink struct {
	tx  *store.Tx
	key store.Key
	Restored
	consumer *store.StreamConsumer
	n        int // of what was added
}

// restoreStep is how many elements are added between two calls of Tx.Pause.
const restoreStep = 64

// added comes after each element. Errors: err, store.ErrChanged.
func (s *importSink) added(err error) error {
	if s.tx.Pause == nil || err != nil {
		return err
	}
	if s.n++; s.n%restoreStep == 0 && !s.tx.Pause() {
		return store.ErrChanged
	}
	return nil
}

var kinds = map[rdb.Kind]store.Type{
	rdb.KindString: store.TypeString, rdb.KindList: store.TypeList, rdb.KindSet: store.TypeSet,
	rdb.KindZSet: store.TypeZSet, rdb.KindHash: store.TypeHash,
}

// String implements rdb.Sink.
func (s *importSink) String(value []byte) error {
	s.im = s.tx.NewImport(s.key, store.TypeString)
	s.im.SetString(value)
	return nil
}

// Begin implements rdb.Sink.
func (s *importSink) Begin(k rdb.Kind, n uint64) error {
	if k == rdb.KindStream {
		s.stream = s.tx.NewStreamImport(s.key)
		return nil
	}
	s.im = s.tx.NewImport(s.key, kinds[k])
	return s.im.Expect(n)
}

// Element implements rdb.Sink.
func (s *importSink) Element(value []byte) error {
	if s.im.Type() == store.TypeSet {
		return s.added(s.im.AddMember(value))
	}
	return s.added(s.im.Push(value))
}

// Scored implements rdb.Sink.
func (s *importSink) Scored(member []byte, score float64) error {
	return s.added(s.im.AddScored(member, score))
}

// Field implements rdb.Sink.
func (s *importSink) Field(field, value []byte, deadline int64) error {
	return s.added(s.im.AddField(field, value, deadline))
}

func (s *importSink) close() {
	s.Close()
	s.Restored = Restored{}
}
