package resp

import (
	"sync"
	"time"

	"respkv/store"
)

// ownKeys are keys that clients of a replica which takes writes have given a deadline. The
// primary does not know them, so nobody else says when they go.
type ownKeys struct {
	mu   sync.Mutex // guards the rest; a leaf
	keys map[ownKey]struct{}
}

type ownKey struct {
	db   int
	name string
}

// mostOwnKeys bounds what is remembered: who writes more than this to a replica has keys
// there that stay until the next copy of the primary.
const mostOwnKeys = 1 << 20

// remember notes the keys of a client's write that have a deadline. Their locks are held.
func (f *following) remember(c *Ctx) {
	pos, err := c.Cmd.AppendKeys(nil, c.Args)
	if err != nil {
		return
	}
	for _, p := range pos {
		if k := store.MakeKey(c.Args[p]); c.Tx.Deadline(k) > 0 {
			f.own.add(ownKey{c.Tx.DB, string(k.Name)})
		}
	}
}

func (o *ownKeys) add(k ownKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys == nil {
		o.keys = make(map[ownKey]struct{})
	}
	if len(o.keys) < mostOwnKeys {
		o.keys[k] = struct{}{}
	}
}

func (o *ownKeys) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = nil
}

// some takes up to n of them, in no order.
func (o *ownKeys) some(n int) (some []ownKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k := range o.keys {
		if len(some) == n {
			break
		}
		some = append(some, k)
		delete(o.keys, k)
	}
	return some
}

// ownKeysStep is how many of them a round of the cron looks at.
const ownKeysStep = 1000

// expireOwn removes those whose time has come. The cron calls it.
func (f *following) expireOwn(d *Dispatcher, now time.Time) {
	for _, own := range f.own.some(ownKeysStep) {
		k := store.MakeKey([]byte(own.name))
		stays := func() bool {
			d.store.LockShard(k.Shard())
			defer d.store.UnlockShard(k.Shard())
			tx := store.Tx{Store: d.store, DB: own.db, Now: now.UnixMilli(), NoTouch: true}
			return tx.Exists(k) && tx.Deadline(k) > 0 // one that is past it is removed here
		}()
		if stays {
			f.own.add(own)
		}
	}
}
