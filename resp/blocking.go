package resp

import (
	"bytes"
	"container/list"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/resp/proto"
	"respkv/store"
)

// Waiting for keys: a command that finds nothing to take registers, under the
// locks of its keys, who waits for what (Ctx.block), and parks its client. A
// command that may have made a key non-empty says so (Ctx.SignalKey; the keys of
// a write are signalled by the dispatcher), and before it gives up its locks
// serves those who wait, first come first served (serveReady). Looking and
// registering under one lock, and writing and serving under the same, nobody
// misses what comes.
//
// Who is served, runs out of time, is unblocked, redirected or leaves is decided
// by Client.Claim: one of them wins. Entries of those who are gone stay in the
// queues of other keys until their winner has taken them out (waiter.forget), and
// are passed over. Replies are sent after the locks are given up (settle).
//
// Waiting costs a client its entry and, with a timeout, a timer: no goroutine.

// waitFor is what a blocking command waits for.
type waitFor struct {
	keys          []store.Key
	typ           store.Type // a key is of interest when it has this type
	timeoutMillis int64      // 0: without end
	// target is another key that serve may change; without name: none.
	target store.Key
	// timedOut writes the reply when the time is up.
	timedOut func(w *proto.Writer)
	// ready, if set, says whether a key of the type has what is waited for.
	ready func(tx *store.Tx, k store.Key) bool
	// serve takes it: it replies to c, whose arguments are not set, and says
	// what changed (Dirty, Effect; SignalKey for the target). The locks of k and
	// target are held. It must copy what it needs of the arguments as sent.
	serve func(c *Ctx, k store.Key)
	// lost, if set, is the error that the client gets when a key is removed or
	// gets another type (blocking_lost.go).
	lost string
}

// waiter is a client that waits.
type waiter struct {
	blockedClient
	waitFor
	d       *Dispatcher
	db      int
	version int  // of the protocol
	muted   bool // CLIENT REPLY: it gets no reply
	timer   *time.Timer
	places  []*list.Element // in the queues, by key; each guarded by the key's shard
}

// place is an entry of a queue: the waiter, and which of its keys this is.
type waitPlace struct {
	w *waiter
	i int
}

// waitRegistry holds the queues of all keys that somebody waits for, each
// guarded by the lock of its key's shard. While nobody waits it costs a write
// one atomic load.
type waitRegistry struct {
	count  atomic.Int64 // places in all queues
	losers atomic.Int64 // of them, those of waiters with waitFor.lost
	shards [store.Shards]map[waitedKey]*list.List

	// What redirectBlocked last acted upon; the cron's.
	routed  *slotmap.Map
	serving bool
}

type waitedKey struct {
	db   int
	name string
}

// readyKey is a key that may have what somebody waits for.
type readyKey struct {
	db  int
	key store.Key
}

// servedClient is a client that got what it waited for, to be resumed.
type servedClient struct {
	w       *waiter
	reply   []byte
	trailer []byte // messages that follow it
	durable durableWrite
}

func (r *waitRegistry) used() bool { return r.count.Load() != 0 }

func (r *waitRegistry) queue(db int, k store.Key) *list.List {
	keys := r.shards[k.Shard()]
	if len(keys) == 0 {
		return nil
	}
	return keys[waitedKey{db, string(k.Name)}]
}

// add puts a waiter at the end of the queue of its key i. The lock of the key's
// shard is held.
func (r *waitRegistry) add(w *waiter, i int) {
	k := w.keys[i]
	keys := &r.shards[k.Shard()]
	if *keys == nil {
		*keys = make(map[waitedKey]*list.List)
	}
	at := waitedKey{w.db, string(k.Name)}
	q := (*keys)[at]
	if q == nil {
		q = list.New()
		(*keys)[at] = q
	}
	w.places[i] = q.PushBack(waitPlace{w, i})
	r.count.Add(1)
	if w.lost != "" {
		r.losers.Add(1)
	}
}

// remove takes a waiter out of the queue of its key i, if it is there. The lock
// of the key's shard is held.
func (r *waitRegistry) remove(w *waiter, i int) {
	if w.places[i] == nil {
		return
	}
	k := w.keys[i]
	keys := r.shards[k.Shard()]
	at := waitedKey{w.db, string(k.Name)}
	q := keys[at]
	q.Remove(w.places[i])
	w.places[i] = nil
	r.count.Add(-1)
	if w.lost != "" {
		r.losers.Add(-1)
	}
	if q.Len() == 0 {
		delete(keys, at)
		if len(keys) == 0 {
			r.shards[k.Shard()] = nil
		}
	}
}

// mayBlock says whether the command may wait. Within EXEC, and where there is no
// client, it replies at once as if its time were up.
func (c *Ctx) mayBlock() bool { return c.Client != nil && !c.inExec }

// ownedKey is a key whose name does not alias the query buffer.
func ownedKey(k store.Key) store.Key {
	k.Name = bytes.Clone(k.Name)
	return k
}

// block parks the client until it is served. The command must be allowed to
// (mayBlock), hold the locks of the keys, have found nothing there and not have
// replied.
func (c *Ctx) block(want waitFor) {
	client := c.Client
	w := &waiter{
		waitFor: want, d: c.d, db: c.Tx.DB,
		version: c.W.Version(), muted: client.Reply != ReplyOn,
	}
	w.keys = make([]store.Key, 0, len(want.keys))
	for _, k := range want.keys {
		if !slices.ContainsFunc(w.keys, func(o store.Key) bool { return bytes.Equal(o.Name, k.Name) }) {
			w.keys = append(w.keys, ownedKey(k))
		}
	}
	w.places = make([]*list.Element, len(w.keys))
	w.blockedClient = blockedClient{client: client, park: client.Park(), cancel: w.forget, timedOut: want.timedOut, call: c.parkedCall(), timed: want.timeoutMillis > 0}
	if want.timeoutMillis > 0 {
		// Before anybody can find w, and so stop the timer. Should it fire now,
		// forget waits for our locks.
		w.timer = time.AfterFunc(time.Duration(want.timeoutMillis)*time.Millisecond, w.expire)
	}
	c.d.blocked.add(&w.blockedClient)
	for i := range w.keys {
		c.d.waiting.add(w, i)
	}
}

// expire is called when the time is up.
func (w *waiter) expire() {
	if !w.client.Claim(w.park) {
		return
	}
	reply := proto.NewWriter(nil, w.version)
	w.waitFor.timedOut(reply)
	w.leaveQueues()
	w.resume(reply.Bytes())
}

// forget takes a waiter out of all that knows it. It is claimed, or its client
// gone. The caller holds no lock.
func (w *waiter) forget() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.leaveQueues()
}

func (w *waiter) leaveQueues() {
	for i, k := range w.keys {
		w.d.store.LockShard(k.Shard())
		w.d.waiting.remove(w, i)
		w.d.store.UnlockShard(k.Shard())
	}
	w.d.blocked.drop(&w.blockedClient)
}

// resume sends the reply and lets the client go on. It was claimed.
func (w *waiter) resume(reply []byte) { w.resumeWith(reply, nil) }

// resumeWith is resume with messages that follow the reply.
func (w *waiter) resumeWith(reply, trailer []byte) {
	if w.muted {
		reply = nil
	}
	w.client.Resume(append(reply, trailer...))
}

// SignalKey says that a key may have become of interest to those who wait. The
// dispatcher does it for the keys of a write; handlers that write others, or to
// another database, call it. The lock of the key's shard is held, and the name
// stays unchanged until the command is done.
func (c *Ctx) SignalKey(db int, k store.Key) {
	if c.d.waiting.used() && c.d.waiting.queue(db, k) != nil {
		if c.inScript {
			k = ownedKey(k) // waiters are served at its end; its next command reuses the bytes
		}
		c.ready = append(c.ready, readyKey{db, k})
	}
}

// signalWritten signals the keys of a write.
func (c *Ctx) signalWritten() {
	if !c.d.waiting.used() || c.applied || c.silent || c.Args == nil {
		return // without arguments, a waiter is served: that signals by itself
	}
	var buf [16]int
	pos, err := c.Cmd.AppendKeys(buf[:0], c.Args)
	if err != nil {
		return
	}
	for _, p := range pos {
		c.SignalKey(c.Tx.DB, c.Key(p))
	}
}

// signalDatabases signals all keys of two databases that somebody waits for. All
// locks are held.
func (c *Ctx) signalDatabases(a, b int) {
	if !c.d.waiting.used() {
		return
	}
	for _, keys := range c.d.waiting.shards {
		for at := range keys {
			if at.db == a || at.db == b {
				c.ready = append(c.ready, readyKey{at.db, store.MakeKey([]byte(at.name))})
			}
		}
	}
}

// serveReady serves those who wait for the keys signalled, in the order of the
// signals, and for those that this makes ready. The locks of the shards in held
// are held. Call settle once they are given up.
func (d *Dispatcher) serveReady(c *Ctx, held *shardSet) {
	if c.inExec && len(c.ready) > 0 { // a transaction or a script may have taken long
		c.Tx.Now = time.Now().UnixMilli()
	}
	for i := 0; i < len(c.ready); i++ {
		d.serveKey(c, c.ready[i], held)
	}
	c.ready = c.ready[:0]
}

func (d *Dispatcher) serveKey(c *Ctx, r readyKey, held *shardSet) {
	q := d.waiting.queue(r.db, r.key)
	if q == nil {
		return
	}
	b := d.batches.Get().(*batch)
	defer d.release(b, 0)
	var next *list.Element
	for e := q.Front(); e != nil; e = next {
		next = e.Next()
		at := e.Value.(waitPlace)
		w := at.w
		tx := c.Tx
		tx.DB, tx.NoTouch = r.db, false
		switch t := tx.Type(r.key); {
		case t == w.typ:
		case w.lost != "":
			if w.client.Claim(w.park) {
				d.waiting.remove(w, at.i)
				c.served = append(c.served, w.lose())
			}
			continue
		case t == store.TypeNone && d.waiting.losers.Load() == 0:
			return
		default:
			continue
		}
		if w.ready != nil && !w.ready(&tx, r.key) {
			continue
		}
		if w.target.Name != nil && !held.has(w.target.Shard()) {
			c.later = append(c.later, r)
			return
		}
		claimed := w.client.Claim(w.park)
		d.waiting.remove(w, at.i)
		if claimed {
			d.willChange(r.db, r.key)
			if w.target.Name != nil {
				d.willChange(r.db, w.target)
			}
			d.serveWaiter(c, &b.ctx, w, tx, r.key)
		}
	}
}

// serveWaiter gives a waiter, which is claimed, what it waits for.
func (d *Dispatcher) serveWaiter(c, in *Ctx, w *waiter, tx store.Tx, k store.Key) {
	// In the list first: a panic must not leave the client waiting for ever.
	c.served = append(c.served, servedClient{w: w, reply: []byte("-" + errInternal + "\r\n")})
	in.d, in.Client, in.Cmd, in.entry, in.Tx = d, w.client, w.call.entry.cmd, w.call.entry, tx
	in.W = proto.NewWriter(nil, w.version)
	in.slot, in.keep, in.dirty, in.pending = k.Slot, false, 0, durableWrite{}
	in.write, in.touched = w.call.entry.write, false
	in.argv, in.effects = in.argv[:0], in.effects[:0]
	start := time.Now()
	w.serve(in, k)
	d.logEffects(in)
	c.ready = append(c.ready, in.ready...)
	in.ready = in.ready[:0]
	s := &c.served[len(c.served)-1]
	s.reply, s.trailer, s.durable = in.W.Bytes(), slices.Clone(in.trailer), in.pending
	in.trailer = in.trailer[:0]
	c.inherit(in)
	w.call.answered(time.Since(start), s.reply)
	in.pending = durableWrite{}
}

// settle sends the replies of those who were served, and serves those that need
// locks which the command did not hold. No lock is held.
func (d *Dispatcher) settle(c *Ctx) {
	for len(c.served) > 0 || len(c.later) > 0 {
		for i := range c.served {
			d.resumeServed(&c.served[i])
		}
		clear(c.served)
		c.served = c.served[:0]
		later := c.later
		c.later = nil
		for _, r := range later {
			d.serveLater(c, r)
		}
	}
}

func (d *Dispatcher) resumeServed(s *servedClient) {
	s.w.forget()
	if s.durable.replicas == 0 || s.w.muted {
		s.w.resumeWith(s.reply, s.trailer)
		return
	}
	// The reply waits for the replicas, as that of any write.
	served := *s
	timeout := d.config.Config().Replication.AckTimeout
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		want := served.durable.replicas
		if d.repl.WaitAcked(ctx, []Mark{served.durable.mark}, want) < want {
			served.reply = []byte("-" + errNotDurable + "\r\n")
		}
		served.w.resumeWith(served.reply, served.trailer)
	}()
}

// serveLater serves a key with the locks of all its waiters' targets. That
// happens outside of cluster mode only, where a command's keys may lie in
// different shards.
func (d *Dispatcher) serveLater(c *Ctx, r readyKey) {
	var held shardSet
	shard := r.key.Shard()
	held.add(shard)
	func() {
		d.store.LockShard(shard)
		defer d.store.UnlockShard(shard)
		if q := d.waiting.queue(r.db, r.key); q != nil {
			for e := q.Front(); e != nil; e = e.Next() {
				if w := e.Value.(waitPlace).w; w.target.Name != nil {
					held.add(w.target.Shard())
				}
			}
		}
	}()
	if held.many() {
		d.scripts.several.RLock()
		defer d.scripts.several.RUnlock()
	}
	held.lock(d.store)
	defer held.unlock(d.store)
	c.ready = append(c.ready[:0], r)
	d.serveReady(c, &held)
}

// redirectBlocked sends those who wait for keys of slots that are served
// elsewhere now there. The cron calls it.
func (d *Dispatcher) redirectBlocked() {
	if d.routing == nil || !d.waiting.used() {
		return
	}
	r := &d.waiting
	m, serving := d.routing.Map(), d.routing.Serving()
	if m == r.routed && serving == r.serving {
		return
	}
	r.routed, r.serving = m, serving
	for shard := range r.shards {
		for _, s := range d.claimMoved(shard) {
			s.w.forget()
			d.stats.countError(s.reply[1:])
			s.w.resume(s.reply)
		}
	}
}

// claimMoved claims those who wait in a shard for a slot that is not served here
// any more, with their redirection.
func (d *Dispatcher) claimMoved(shard int) (moved []servedClient) {
	d.store.LockShard(shard)
	defer d.store.UnlockShard(shard)
	for _, q := range d.waiting.shards[shard] {
		for e := q.Front(); e != nil; e = e.Next() {
			at := e.Value.(waitPlace)
			slot := at.w.keys[at.i].Slot
			dec := d.routing.Route(slot, d.readsReplicas(at.w.client), false, at.w.call.entry.write)
			switch dec.Verdict {
			case cluster.Here, cluster.Ask, cluster.TryAgain:
				continue
			}
			if at.w.client.Claim(at.w.park) {
				moved = append(moved, servedClient{w: at.w, reply: []byte("-" + d.redirection(dec, slot, at.w.client.TLS()) + "\r\n")})
			}
		}
	}
	return moved
}
