package persistence

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/rdb"
	"respkv/store"
)

// ErrInterrupted says that keys went while they were written in a way that no
// snapshot survives: FLUSHALL, SWAPDB, a slot that was lost. To be begun anew.
var ErrInterrupted = errors.New("persistence: keys were flushed meanwhile")

const (
	// Work under one hold of a shard's lock, some 100 µs.
	stepKeys     = 64
	stepElements = 256
	stepBytes    = 256 << 10

	// queueBytes bounds what writers emit ahead of the output: past it those who
	// change a key that is not written yet wait.
	queueBytes = 16 << 20
	flushBytes = 256 << 10
)

// AccessKind is which knowledge of accesses goes with the keys.
type AccessKind int

// Kinds of knowledge.
const (
	AccessNone AccessKind = iota
	AccessIdle
	AccessFreq
)

// Gate is where writes ask before they change a key.
type Gate interface {
	// Begin takes the cut up; all shards' locks are held. End lets it go.
	Begin(cut *store.Cut)
	End()
}

// Snapshot is the keyspace of one moment, to be written once.
type Snapshot struct {
	Store     *store.Store
	Gate      Gate
	Owned     func(slot uint16) bool // slots wanted; nil: all
	Functions func() [][]byte        // libraries; nil: none
	Access    AccessKind
	Compress  bool
	Checksum  bool
	Aux       [][2]string // names and values, beside those that every file has
	// AtCut, if set, is called at the moment of the snapshot, under all locks.
	AtCut func()
	// Whole has large values written under one hold of their shard's lock: for when
	// they never stand still long enough.
	Whole bool
	// NoKeys: functions only.
	NoKeys bool
	// AllLocked: the caller of Begin and Write holds the locks of all shards.
	AllLocked bool
	// Several is held around taking the locks of all shards; nil: nothing is.
	Several sync.Locker

	// Progress, readable at any time.
	Total   atomic.Int64
	cut     atomic.Pointer[store.Cut]
	written atomic.Int64

	out     io.Writer
	version int
	sum     uint64
	buffer  []byte
	now     int64

	mu    sync.Mutex // guards below; a leaf, taken under shards' locks
	queue []byte
	db    int           // selected at the end of queue; -1: none
	room  chan struct{} // closed when queue was taken; nil: nobody waits
}

// Keys is the number of keys passed so far.
func (s *Snapshot) Keys() int64 {
	if cut := s.cut.Load(); cut != nil {
		return cut.Walked()
	}
	return 0
}

// Bytes is the number of bytes written so far.
func (s *Snapshot) Bytes() int64 { return s.written.Load() }

// Write writes the keyspace, as it was when Begin was called, to out. Each key comes
// with its value of that moment, whatever is changed meanwhile; see store.Cut. Memory
// is bounded by queueBytes and the largest element. Errors: ErrInterrupted, ctx's, those
// of out.
func (s *Snapshot) Write(ctx context.Context, out io.Writer) (err error) {
	cut := s.cut.Load()
	s.out, s.sum = out, 0
	s.written.Store(0)
	defer s.Abandon()
	if err := s.head(); err != nil {
		return err
	}
	for shard := 0; shard < store.Shards && !s.NoKeys; shard++ {
		for done := false; !done; {
			done = cut.Step(shard, stepKeys)
			if err := s.settle(ctx, cut, done && shard == store.Shards-1); err != nil {
				return err
			}
		}
	}
	return s.end()
}

// Abandon ends a snapshot that was begun and is not written, or not to the end.
func (s *Snapshot) Abandon() {
	s.cut.Load().Cancel() // nobody waits for it any more
	s.Gate.End()
	s.take(true)
}

// Begin makes the cut: the moment of the snapshot. Write or Abandon follows.
func (s *Snapshot) Begin() {
	st := s.Store
	if !s.AllLocked {
		if s.Several != nil {
			s.Several.Lock()
			defer s.Several.Unlock()
		}
		st.LockAll()
		defer st.UnlockAll()
	}
	s.db, s.queue, s.now = -1, nil, time.Now().UnixMilli()
	cut := st.NewCut(store.CutOptions{Owned: s.Owned, Emit: s.emit, Full: s.full, Whole: s.Whole, AllLocked: s.AllLocked, Now: s.now})
	s.cut.Store(cut)
	s.Gate.Begin(cut)
	if s.AtCut != nil {
		s.AtCut()
	}
	s.version = rdb.Version
	for i := range store.Shards {
		if st.Hinted(i) {
			s.version = rdb.VersionFieldExpiry
		}
	}
	total := int64(0)
	for db := range st.Databases() {
		total += st.DBSize(db)
	}
	s.Total.Store(total)
}

func (s *Snapshot) head() error {
	b := rdb.AppendHeader(nil, s.version)
	for _, aux := range s.Aux {
		b = rdb.AppendAux(b, aux[0], aux[1])
	}
	b = rdb.AppendAux(b, "redis-bits", strconv.Itoa(strconv.IntSize))
	b = rdb.AppendAux(b, "ctime", strconv.FormatInt(s.now/1000, 10))
	b = rdb.AppendAux(b, "used-mem", strconv.FormatInt(s.Store.Used(), 10))
	b = rdb.AppendAux(b, "aof-base", "0")
	if s.Functions != nil {
		for _, code := range s.Functions() {
			b = rdb.AppendFunction(b, code, s.Compress)
		}
	}
	for db := range s.Store.Databases() {
		if n := s.Store.DBSize(db); n > 0 && !s.NoKeys {
			b = rdb.AppendResizeDB(rdb.AppendSelectDB(b, db), n, s.Store.Expires(db))
		}
	}
	return s.write(b)
}

// emit is called for each key, by the walk or by who is about to change it.
func (s *Snapshot) emit(db int, k store.Key, v *store.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if db != s.db {
		s.db = db
		s.queue = rdb.AppendSelectDB(s.queue, db)
	}
	t := typeOf(v)
	s.queue, _ = appendValue(s.appendKey(s.queue, t, k, v), t, v, s.Compress, &atOnce) // cannot fail
}

func (s *Snapshot) appendKey(dst []byte, t rdb.Type, k store.Key, v *store.Value) []byte {
	key := rdb.Key{Name: k.Name, Deadline: v.Deadline(), Idle: -1, Freq: -1}
	switch s.Access {
	case AccessIdle:
		key.Idle = v.Idle()
	case AccessFreq:
		key.Freq = v.Freq()
	}
	return rdb.AppendKey(dst, t, &key, s.Compress)
}

// full implements store.CutOptions.Full.
func (s *Snapshot) full() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) < queueBytes {
		return nil
	}
	if s.room == nil {
		s.room = make(chan struct{})
	}
	return s.room
}

// settle writes what was emitted, and the large values that were found. last: that
// is the end.
func (s *Snapshot) settle(ctx context.Context, cut *store.Cut, last bool) error {
	for {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case cut.Cancelled():
			return ErrInterrupted
		}
		if err := s.flush(last); err != nil {
			return err
		}
		key, ok := cut.NextLarge()
		if !ok {
			return nil
		}
		if err := s.large(ctx, cut, key); err != nil {
			return err
		}
		cut.Finished(key)
	}
}

// flush writes the queue, if there is much of it or all is wanted.
func (s *Snapshot) flush(all bool) error {
	b := s.take(all)
	err := s.write(b)
	if cap(b) <= 4*flushBytes {
		s.buffer = b[:0]
	}
	return err
}

func (s *Snapshot) take(all bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) < flushBytes && !all {
		return nil
	}
	b := s.queue
	s.queue, s.buffer, s.db = s.buffer[:0], nil, -1
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	return b
}

func (s *Snapshot) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if s.Checksum {
		s.sum = rdb.CRC(s.sum, b)
	}
	n, err := s.out.Write(b)
	s.written.Add(int64(n))
	return err
}

// end writes the end and the checksum, 0 for none.
func (s *Snapshot) end() error {
	if err := s.write(rdb.AppendEnd(nil)); err != nil {
		return err
	}
	sum := s.sum
	return s.write(binary.LittleEndian.AppendUint64(nil, sum))
}

// large writes a value in steps. Nobody changes it meanwhile; if it goes all the same,
// by expiry or eviction, the snapshot is broken unless nothing was written of it yet.
func (s *Snapshot) large(ctx context.Context, cut *store.Cut, key store.CutKey) error {
	w := largeWriter{s: s}
	if !cut.Large(key, func(k store.Key, v *store.Value) { w.begin(key.DB, k, v) }) {
		return nil
	}
	for {
		if err := s.write(w.b); err != nil || w.done {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.b = w.b[:0]
		same := false
		cut.Large(key, func(_ store.Key, v *store.Value) {
			if same = v.ID() == w.id; same {
				w.step(v)
			}
		})
		if !same {
			return ErrInterrupted
		}
	}
}

// largeWriter is how far a large value is written.
type largeWriter struct {
	s      *Snapshot
	b      []byte // to be written
	t      rdb.Type
	id     store.ValueID
	cursor uint64
	block  store.StreamID // of a stream: where to go on
	done   bool
}

func (w *largeWriter) begin(db int, k store.Key, v *store.Value) {
	w.t, w.id = typeOf(v), v.ID()
	w.b = w.s.appendKey(rdb.AppendSelectDB(nil, db), w.t, k, v)
	if w.t == rdb.TypeString {
		w.b = rdb.AppendStringHead(w.b, len(v.Bytes()))
		return
	}
	// Large packed values are not compressed: that would take too long.
	w.b, w.done = appendHead(w.b, w.t, v, false)
}

func (w *largeWriter) step(v *store.Value) {
	switch first := w.cursor == 0; w.t {
	case rdb.TypeString:
		rest := v.Bytes()[w.cursor:]
		rest = rest[:min(len(rest), stepBytes)]
		w.b = append(w.b, rest...)
		w.cursor += uint64(len(rest))
		w.done = w.cursor == uint64(len(v.Bytes()))
	case rdb.TypeListQuicklist2:
		w.cursor = 1
		w.done = v.Nodes(first, stepBytes, func(entries []byte, n int) {
			w.b = appendNode(w.b, v, entries, n, w.s.Compress)
		})
	case rdb.TypeStreamListpacks2:
		more := false
		if w.b, w.block, more = appendBlocks(w.b, v.Stream(), w.block, w.s.Compress); !more {
			w.b = appendStreamRest(w.b, v.Stream())
			w.done = true
		}
	default:
		w.cursor = v.Elements(w.cursor, stepElements, func(e store.Element) {
			w.b = appendElement(w.b, w.t, &e, w.s.Compress)
		})
		w.done = w.cursor == 0
	}
}
