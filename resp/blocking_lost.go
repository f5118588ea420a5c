package resp

import (
	"respkv/store"
)

// Some who wait for a key (waitFor.lost) are told when it is gone. What a command
// removes it signals as all that it writes, and serveKey tells them. Keys that go
// otherwise (expiry, eviction, FLUSHALL) are abandoned, here, under a lock that
// their removal needs; the clients are resumed once it is given up.

// lose is the reply to a waiter, claimed, whose key is gone.
func (w *waiter) lose() servedClient {
	s := servedClient{w: w, reply: []byte("-" + w.lost + "\r\n")}
	w.call.answered(0, s.reply)
	return s
}

// abandon tells those who wait for a key that was removed. The lock of its shard is
// held.
func (d *Dispatcher) abandon(db int, k store.Key) {
	if d.waiting.losers.Load() == 0 {
		return
	}
	q := d.waiting.queue(db, k)
	if q == nil {
		return
	}
	var lost []servedClient
	for e := q.Front(); e != nil; e = e.Next() {
		w := e.Value.(waitPlace).w
		if w.lost != "" && w.client.Claim(w.park) {
			lost = append(lost, w.lose())
		}
	}
	if len(lost) > 0 {
		go d.resumeLost(lost)
	}
}

// resumeLost sends replies; it takes the locks of all keys that were waited for.
func (d *Dispatcher) resumeLost(lost []servedClient) {
	for i := range lost {
		d.resumeServed(&lost[i])
	}
}

// abandonKeys is abandon for the keys of a shard for which only says so, in the
// databases from first up to before end.
func (d *Dispatcher) abandonKeys(shard, first, end int, only func(k store.Key) bool) {
	if d.waiting.losers.Load() == 0 {
		return
	}
	for at := range d.waiting.shards[shard] {
		if k := store.MakeKey([]byte(at.name)); at.db >= first && at.db < end && only(k) {
			d.abandon(at.db, k)
		}
	}
}
