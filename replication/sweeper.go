package replication

import (
	"encoding/binary"
	"time"
)

func putUvarint(b []byte, v uint64) int { return binary.PutUvarint(b, v) }

// signal wakes the sweeper unless it is awake. While writes keep coming it is,
// and this is the load of a flag that nobody writes.
func (l *Log) signal() {
	if l.signaled.Load() || l.signaled.Swap(true) {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// sweeper moves records from the taps to the ring: at once after a pause in the
// writes, then every SweepInterval until there are none.
func (l *Log) sweeper() {
	defer close(l.closed)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-l.wake:
		case <-l.closing:
			return
		}
		for l.sweep() {
			if l.cfg.SweepInterval == 0 {
				continue
			}
			timer.Reset(l.cfg.SweepInterval)
			select {
			case <-timer.C:
			case <-l.closing:
				return
			}
		}
		// Records published before the flag went down, by writers who saw it up,
		// are found by this sweep; those after it raise the flag again.
		l.signaled.Store(false)
		if l.sweep() {
			l.signal()
		}
	}
}

// sweep moves what the taps hold to the ring and reports whether there was any.
// The lock is taken per tap: a writer who has to drain its own waits for one.
func (l *Log) sweep() bool {
	moved := false
	var now time.Time
	for i := range l.taps {
		t := &l.taps[i]
		if t.tail.Load() == t.head.Load() {
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		l.mu.Lock()
		if l.ring.mem != nil && t.drain(l.ring, now) > 0 {
			moved = true
		}
		l.mu.Unlock()
	}
	if moved {
		l.mu.Lock()
		l.notify()
		l.mu.Unlock()
	}
	return moved
}

// Flush moves every effect appended before the call to the ring. It must not be
// called with a shard lock held for long: it may wait for other callers' steps.
func (l *Log) Flush() { l.sweep() }

// drain moves what one tap holds, for a writer who found it full.
func (l *Log) drain(t *tap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring.mem == nil {
		t.head.Store(t.tail.Load()) // closed: nobody needs them
		return
	}
	t.drain(l.ring, time.Now())
	l.notify()
}

// notify wakes the readers of the ring. Lock held.
func (l *Log) notify() {
	for r := range l.readers {
		select {
		case r.more <- struct{}{}:
		default:
		}
	}
}

// ringReader is a source's place in the ring. All methods are for one goroutine.
type ringReader struct {
	log    *Log
	offset uint64
	more   chan struct{} // capacity 1: the ring has grown
	buf    []byte
}

// reader returns a reader at the end of the ring. From here on the log is wanted.
func (l *Log) reader() (*ringReader, error) {
	r := &ringReader{log: l, more: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ring.open(); err != nil {
		return nil, err
	}
	l.wanted.Store(true)
	r.offset = l.ring.end
	l.readers[r] = struct{}{}
	return r, nil
}

func (r *ringReader) close() {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	delete(r.log.readers, r)
}

// next returns whole records, about limit bytes, the offset they start at, and
// the end of the ring. lost says that records before them are gone. The records
// are valid until the next call.
func (r *ringReader) next(limit int) (records []byte, start, end uint64, lost bool) {
	if cap(r.buf) > 4*limit {
		r.buf = nil // one large record does not keep its memory
	}
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	r.buf, start = l.ring.copyFrom(r.buf[:0], r.offset, limit)
	lost = start != r.offset
	r.offset = start + uint64(len(r.buf))
	return r.buf, start, l.ring.end, lost
}

// age returns how long ago the record at offset was written, at most; zero if
// there is none yet.
func (l *Log) age(offset uint64, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset >= l.ring.end {
		return 0
	}
	return now.Sub(l.ring.since(offset)) + l.cfg.SweepInterval
}

// end returns the offset after the newest record of the ring.
func (l *Log) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.end
}
