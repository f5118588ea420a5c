package resp

import (
	"sync/atomic"
	"time"

	"respkv/internal/persistence"
	"respkv/internal/threads"
	"respkv/store"
)

// migrateRead makes a payload of a key for MIGRATE. Commands that would change the key wait;
// but it may expire, be evicted or flushed, or its slot may go, in the pauses that are taken
// while a large value is read: a watch tells.
type migrateRead struct {
	d       *Dispatcher
	key     store.Key
	tx      store.Tx
	began   time.Time   // of the step
	steps   int         // done so far
	changed atomic.Bool // set under the lock of the key's shard
}

// payload reads a key, with pauses if it is large, until it is read as it is. Not ok: it has
// gone or expired meanwhile.
func (r *migrateRequest) payload(k store.Key) (payload []byte, ttl int64, ok bool) {
	for try := 0; ; try++ {
		m := migrateRead{d: r.d, key: k}
		payload, ttl, found, err := m.read(r.db, try < r.d.stepping.tries)
		if err == nil {
			return payload, ttl, found
		}
	}
}

// read is payload, once. Error: store.ErrChanged, with pauses only.
func (m *migrateRead) read(db int, pauses bool) (payload []byte, ttl int64, found bool, err error) {
	d, shard := m.d, m.key.Shard()
	d.store.LockShard(shard)
	defer d.store.UnlockShard(shard)
	now, _ := clock()
	m.tx = store.Tx{Store: d.store, DB: db, Now: now, KeepExpired: true, NoTouch: true}
	v, found := m.tx.Value(m.key)
	if !found {
		return nil, 0, false, nil
	}
	if at := v.Deadline(); at > 0 {
		ttl = max(at-now, 1)
	}
	if pauses && max(v.Len(), int(v.Memory()/payloadElement)) >= d.stepping.from {
		stop := d.Watch(db, m.key, &m.changed)
		defer stop()
		d.store.Pin(shard)
		defer d.store.Unpin(shard)
		threads.Begin()
		defer threads.End()
		m.began, m.tx.Pause, m.tx.Aside = time.Now(), m.pause, m.aside
	}
	payload, err = persistence.Dump(&m.tx, &v, d.config.Config().Persistence.RDBCompression)
	return payload, ttl, true, err
}

// pause is as of stepper.
func (m *migrateRead) pause() (goOn bool) {
	return time.Since(m.began) < m.d.stepping.step || m.aside(nil)
}

// aside is as of stepper.
func (m *migrateRead) aside(work func()) (goOn bool) {
	m.d.store.UnlockShard(m.key.Shard())
	if work != nil {
		work()
	}
	m.d.stepping.rest(m.steps)
	m.d.store.LockShard(m.key.Shard())
	m.steps++
	m.began = time.Now()
	return !m.changed.Load()
}
