package replication

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Log holds the position of every slot and the newest effects of all slots,
// those made by this node as primary and those it applied as a replica.
//
// Methods that say "shard lock held" are called with the keyspace lock of the
// slot's shard (slot >> 6) held, which serializes them per shard. All others
// may be called at any time from any goroutine.
//
// Writers put records into a buffer per shard, the tap, without any other lock;
// a sweeper goroutine, woken over a channel, moves them to the ring. A writer
// that finds its tap full moves its records itself, so a stalled sweeper costs
// time and never memory. Lock order: shard lock, then the log's lock.
type Log struct {
	cfg    Config
	wanted atomic.Bool
	slots  []slotState
	taps   [tapCount]tap
	voided atomic.Uint64 // counts changes of generations, after the change

	mu      sync.Mutex // guards ring, heads of the taps, readers
	ring    *ring
	readers map[*ringReader]struct{}

	signaled atomic.Bool   // the sweeper is awake, or wake holds a signal
	wake     chan struct{} // capacity 1
	closing  chan struct{}
	closed   chan struct{}
}

// slotState is the position of one slot. It is written with the shard lock held
// and read without.
type slotState struct {
	seq     atomic.Uint64
	epoch   atomic.Uint64
	history atomic.Pointer[history]
	// generation changes whenever positions stop to be those of one copy made
	// under one role: what a source knows about the slot is void then.
	generation atomic.Uint32
	primary    atomic.Bool
	began      uint64 // the newest epoch that this node began; shard lock
}

// Errors of BeginEpoch.
var (
	// ErrEpoch says that the epoch is not higher than the slot's.
	ErrEpoch = errors.New("replication: config epoch is not new")
)

// NewLog returns a log in which no slot has a position, or a primary here.
func NewLog(cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Log{
		cfg:     cfg,
		slots:   make([]slotState, slotCount),
		ring:    newRing(cfg.LogBytes),
		readers: make(map[*ringReader]struct{}),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		closed:  make(chan struct{}),
	}
	go l.sweeper()
	return l, nil
}

// Close ends the sweeper and gives the memory of the ring back. Writers may
// still append: positions move, nothing is kept. Sources and links must be
// closed before.
func (l *Log) Close() error {
	close(l.closing)
	<-l.closed
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted.Store(false)
	return l.ring.close()
}

// SetWanted says whether anybody could need the effects. While nobody could,
// Append only moves the position. The first call with true reserves the memory
// of the ring, which is its only error. A Source sets it by itself when a
// replica comes, and while there is one, false has no effect. A node that is a
// replica, and may become primary, sets it: the other replicas resume from its
// log then.
func (l *Log) SetWanted(wanted bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wanted {
		if err := l.ring.open(); err != nil {
			return err
		}
	}
	l.wanted.Store(wanted || len(l.readers) > 0)
	return nil
}

// Append logs an effect that this node made as primary and moves the slot's
// position. Shard lock held, since before the effect took place. args are
// copied. An effect that is too large for the log (a quarter of the ring)
// leaves a mark there, and replicas copy the slot instead.
func (l *Log) Append(slot uint16, db int, flags uint8, args [][]byte) {
	s := &l.slots[slot]
	seq := s.seq.Load() + 1
	if l.wanted.Load() {
		l.append(slot, recordEffect, flags, db, s.epoch.Load(), seq, args)
	}
	// After the record: whoever reads this position and then flushes finds the
	// record in the ring.
	s.seq.Store(seq)
}

func (l *Log) append(slot uint16, kind recordKind, flags uint8, db int, epoch, seq uint64, args [][]byte) {
	t := &l.taps[slot>>tapShift]
	if t.buf == nil {
		t.buf = make([]byte, l.cfg.TapBytes)
	}
	size := recordSize(epoch, db, args)
	if size > len(t.buf)/2 {
		l.appendLarge(t, size, slot, kind, flags, db, epoch, seq, args)
		return
	}
	b := t.reserve(size)
	if b == nil {
		l.drain(t)
		b = t.reserve(size)
	}
	putRecord(b, slot, kind, flags, db, epoch, seq, args)
	t.publish(size)
	l.signal()
}

// appendLarge puts a record that is too large for a tap into the ring, or a
// mark in its place where it is too large for that.
func (l *Log) appendLarge(t *tap, size int, slot uint16, kind recordKind, flags uint8, db int, epoch, seq uint64, args [][]byte) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.notify()
	if l.ring.mem == nil {
		return // closed
	}
	t.drain(l.ring, now)
	if !l.ring.fits(size) || len(args) > maxRecordArgs {
		kind, args = recordGap, nil
		size = recordSize(epoch, db, nil)
	}
	l.ring.reserve(size, now)
	l.ring.admit(slot, kind, seq)
	var head [recordHeaderBytes + 3*10]byte
	l.ring.put(head[:putRecordHead(head[:], size, slot, kind, flags, db, epoch, seq, len(args))])
	for _, arg := range args {
		l.ring.put(head[:putUvarint(head[:], uint64(len(arg)))])
		l.ring.put(arg)
	}
}

// appendReplica logs a record received from the primary and moves the slot's
// position to it. Shard lock held, since before the effect took place.
func (l *Log) appendReplica(r *record, encoded []byte) {
	s := &l.slots[r.slot]
	if r.epoch > s.epoch.Load() {
		start := r.seq
		if r.kind == recordEffect {
			start--
		}
		s.begin(r.epoch, start)
	}
	if l.wanted.Load() {
		t := &l.taps[r.slot>>tapShift]
		if t.buf == nil {
			t.buf = make([]byte, l.cfg.TapBytes)
		}
		if len(encoded) <= len(t.buf)/2 {
			b := t.reserve(len(encoded))
			if b == nil {
				l.drain(t)
				b = t.reserve(len(encoded))
			}
			copy(b, encoded)
			t.publish(len(encoded))
			l.signal()
		} else {
			args, err := r.args(nil)
			if err == nil {
				l.appendLarge(t, len(encoded), r.slot, r.kind, r.flags, r.db, r.epoch, r.seq, args)
			}
		}
	}
	s.seq.Store(r.seq)
}

// begin starts an epoch after sequence start. Shard lock held.
func (s *slotState) begin(epoch, start uint64) {
	h := s.load().with(epoch, start)
	s.history.Store(&h)
	s.epoch.Store(epoch)
}

func (s *slotState) load() history {
	if h := s.history.Load(); h != nil {
		return *h
	}
	return nil
}

// Position returns the position of slot. It is exact with the shard lock held;
// without, it is one the slot had a moment ago.
func (l *Log) Position(slot uint16) Position {
	s := &l.slots[slot]
	for {
		epoch := s.epoch.Load()
		seq := s.seq.Load()
		if s.epoch.Load() == epoch {
			return Position{epoch, seq}
		}
	}
}

// History returns the epochs of slot that are known here, oldest first.
func (l *Log) History(slot uint16) []EpochStart { return slices.Clone(l.slots[slot].load()) }

// IsPrimary reports whether this node is primary of slot, as far as BeginEpoch
// and EndEpoch said.
func (l *Log) IsPrimary(slot uint16) bool { return l.slots[slot].primary.Load() }

// Contains reports whether the effect at pos is part of this node's copy of
// slot.
func (l *Log) Contains(slot uint16, pos Position) bool {
	s := &l.slots[slot]
	seq := s.seq.Load()
	if pos.Epoch == s.epoch.Load() {
		if h := s.history.Load(); h != nil && len(*h) > 0 {
			newest := (*h)[len(*h)-1]
			return newest.Epoch == pos.Epoch && newest.Start <= pos.Seq && pos.Seq <= seq
		}
	}
	return s.load().contains(pos, seq)
}

// BeginEpoch makes this node primary of slot: its effects continue the slot's
// sequence under epoch. Shard lock held. epoch is higher than any that the slot
// had, or the one this node began last (ErrEpoch otherwise). The link that the
// slot was followed on must have let go of it (Link.RemoveSlots).
func (l *Log) BeginEpoch(slot uint16, epoch uint64) error {
	s := &l.slots[slot]
	current := s.epoch.Load()
	if epoch == current && epoch != 0 && s.began == epoch {
		s.primary.Store(true)
		return nil
	}
	if epoch <= current {
		return fmt.Errorf("%w: slot %d is at %v, asked for %d", ErrEpoch, slot, l.Position(slot), epoch)
	}
	seq := s.seq.Load()
	s.begin(epoch, seq)
	s.began = epoch
	s.primary.Store(true)
	if l.wanted.Load() {
		l.append(slot, recordEpoch, 0, 0, epoch, seq, nil)
	}
	return nil
}

// EndEpoch says that this node is no longer primary of slot. Data and position
// stay. Sources stop to serve the slot. Shard lock held.
func (l *Log) EndEpoch(slot uint16) {
	s := &l.slots[slot]
	if s.primary.Load() {
		s.primary.Store(false)
		s.generation.Add(1)
		l.voided.Add(1)
	}
}

// Forget says that this node dropped its copy of slot: its position is zero
// from here on, its effects in the log are void. Shard lock held.
func (l *Log) Forget(slot uint16) { l.reset(slot, nil, 0) }

// reset gives the slot a new copy, at sequence seq of history h. Shard lock held.
func (l *Log) reset(slot uint16, h history, seq uint64) {
	s := &l.slots[slot]
	s.primary.Store(false)
	s.generation.Add(1)
	l.voided.Add(1)
	s.began = 0
	s.history.Store(&h)
	s.epoch.Store(0) // whoever reads between sees nothing rather than a mixture
	s.seq.Store(seq)
	if len(h) > 0 {
		s.epoch.Store(h[len(h)-1].Epoch)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring.mem != nil {
		l.taps[slot>>tapShift].drain(l.ring, time.Now())
	}
	l.ring.reset(slot, seq)
}

// adopt takes over the primary's history, on which this copy's position is.
// Shard lock held.
func (l *Log) adopt(slot uint16, h history) {
	s := &l.slots[slot]
	h = h.upTo(s.seq.Load())
	if len(h) == 0 {
		return
	}
	s.history.Store(&h)
	s.epoch.Store(h[len(h)-1].Epoch)
}

// Resize changes the size of the ring at run time, keeping the newest effects.
func (l *Log) Resize(sizeBytes int64) error {
	if sizeBytes < MinLogBytes || sizeBytes > MaxLogBytes {
		return fmt.Errorf("replication: log size %d is outside %d..%d", sizeBytes, int64(MinLogBytes), int64(MaxLogBytes))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.resize(sizeBytes)
}

// LogStats are the numbers of the ring.
type LogStats struct {
	Wanted       bool   // effects are kept
	Offset       uint64 // master_repl_offset: bytes ever logged
	FirstOffset  uint64 // repl_backlog_first_byte_offset
	HistoryBytes uint64 // repl_backlog_histlen
	SizeBytes    int64  // repl_backlog_size
	Effects      uint64 // ever logged
	Oversized    uint64 // of them, too large for the log
}

// Stats returns the numbers of the ring, everything appended so far included.
func (l *Log) Stats() LogStats {
	l.Flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.ring
	return LogStats{
		Wanted: l.wanted.Load(), Offset: r.end, FirstOffset: r.first, HistoryBytes: r.end - r.first,
		SizeBytes: r.size, Effects: r.effects, Oversized: r.oversized,
	}
}
