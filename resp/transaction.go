package resp

import (
	"slices"
	"unsafe"

	"respkv/resp/command"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"multi":   multi,
		"exec":    execute,
		"discard": discard,
		"watch":   watchKeys,
		"unwatch": unwatchKeys,
	})
}

// transaction is what a client queued since MULTI.
type transaction struct {
	commands []queued
	size     int  // bytes that commands occupy
	spoiled  bool // a command was refused: EXEC will not run any
	stores   bool // one of them is a write
	denyOOM  bool // one of them needs memory
}

// queued is a command between MULTI and EXEC. Its arguments are copies: those
// in the query buffer are gone by then.
type queued struct {
	entry *entry
	args  [][]byte
}

// needsMemory says whether EXEC is refused when memory is exhausted. m may be
// nil.
func (m *transaction) needsMemory() bool { return m != nil && m.denyOOM }

// mayWrite says whether CLIENT PAUSE WRITE holds EXEC back. m may be nil.
func (m *transaction) mayWrite(d *Dispatcher) bool {
	return m != nil && slices.ContainsFunc(m.commands, func(q queued) bool { return d.mayWrite(q.entry, q.args) })
}

// specialOf looks up what is special about a command.
func specialOf(cmd *command.Command) (s special) {
	switch cmd.Name {
	case "exec":
		s.unqueued, s.exec = true, true
	case "discard", "multi", "watch":
		s.unqueued = true
	case "quit", "reset":
		s.unqueued, s.subscribed = true, true
	case "ping", "subscribe", "unsubscribe", "psubscribe", "punsubscribe":
		s.subscribed = true
	case "ssubscribe", "sunsubscribe":
		s.subscribed, s.shardChans = true, true
	case "spublish":
		s.shardChans, s.heeds = true, true
	case "publish", "pubsub|channels", "pubsub|numsub", "pubsub|numpat", "pubsub|shardchannels", "pubsub|shardnumsub",
		"client|list", "client|kill", "client|unblock":
		s.heeds = true
	case "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro":
		s.script = true
	case "cluster|meet", "cluster|forget", "cluster|reset", "cluster|failover", "cluster|leave":
		// They wait for other nodes, which EXEC, holding locks, must not.
		s.notInMulti = true
	}
	s.notInMulti = s.notInMulti || cmd.Has(command.NoMulti)
	// Commands that lock shards by themselves find them locked in EXEC. Those
	// that look at the server as a whole may do so; TIME, which many scripts call, does not.
	s.allLocks = cmd.Has(command.TouchesArbitraryKeys) || len(cmd.KeySpecs) == 0 &&
		(cmd.Has(command.Admin) || cmd.Group == command.GroupServer && cmd.Name != "time" || cmd.Group == command.GroupCluster)
	return s
}

func multi(c *Ctx) {
	if c.Client.Has(FlagMulti) {
		c.W.Error(errMultiNested)
		return
	}
	c.session().multi = &transaction{}
	c.Client.SetFlag(FlagMulti, true)
	c.Client.SetMulti(0, 0)
	c.W.OK()
}

func discard(c *Ctx) {
	if !c.Client.Has(FlagMulti) {
		c.W.Error(errDiscardWithoutMulti)
		return
	}
	c.discard()
	c.W.OK()
}

// discard ends the transaction, if there is one, and all watches.
func (c *Ctx) discard() {
	s := c.session()
	s.multi = nil
	c.Client.SetFlag(FlagMulti, false)
	c.Client.SetMulti(-1, 0)
	c.d.unwatch(c.Client, s)
}

// enqueue queues the command of c, whose client is between MULTI and EXEC, or
// refuses it as Redis does when it is queued. False: the client was parked, the
// command is not consumed.
func (d *Dispatcher) enqueue(c *Ctx, b *batch) (consumed bool) {
	e, client := c.entry, c.Client
	if e.in.notInMulti {
		c.reject(e, errNotInMulti)
		return true
	}
	if d.routing != nil && e.keyed {
		pos, err := c.Cmd.AppendKeys(b.pos[:0], c.Args)
		b.pos = pos
		if err == nil && len(pos) > 0 {
			var shards shardSet
			if !c.locate(pos, &shards) {
				c.reject(e, errCrossSlot)
				return true
			}
			if !d.route(c, true) {
				return true
			}
		}
	}
	// Whatever it is, it takes memory until EXEC.
	if !d.makeRoom() {
		c.reject(e, errOOM)
		return true
	}
	if client.Has(FlagPubSub) && !e.in.subscribed && !c.W.RESP3() {
		c.reject(e, errSubscribed(e.cmd.Name))
		return true
	}
	if d.heldBack(client, e, c.Args) {
		return false
	}
	m := c.session().multi
	before := m.size
	m.add(e, c.Args)
	d.server.clientGrew(m.size - before)
	client.SetMulti(len(m.commands), int64(m.size))
	if limit := d.config.Config().Server.ClientQueryBufferLimit; int64(m.size) > limit {
		d.server.stats.queryLimit.Add(1)
		d.log.Warn("client closed: the commands queued since MULTI exceed the query buffer limit",
			"id", client.ID, "addr", client.Addr(), "bytes", m.size)
		client.Close()
		return true
	}
	c.W.Simple("QUEUED")
	return true
}

// add queues a copy of a command, made in two allocations.
func (m *transaction) add(e *entry, args [][]byte) {
	total := 0
	for _, arg := range args {
		total += len(arg)
	}
	text := make([]byte, 0, total)
	copies := make([][]byte, len(args))
	for i, arg := range args {
		start := len(text)
		text = append(text, arg...)
		copies[i] = text[start:len(text):len(text)]
	}
	m.commands = append(m.commands, queued{e, copies})
	m.size += total + len(args)*int(unsafe.Sizeof(text)) + int(unsafe.Sizeof(queued{}))
	m.stores = m.stores || e.write
	m.denyOOM = m.denyOOM || e.cmd.Has(command.DenyOOM)
}

// execution is one EXEC: the locks it needs and what runs under them.
type execution struct {
	commands []queued
	all      bool // takes the locks of all shards
	shards   shardSet
	keyed    bool // one of them has keys
	scripts  bool // one of them is a script, which may take more
	locks    scriptLocks
	crossed  bool // they have keys of several slots, in a cluster
}

// plan finds the shards and, in a cluster, the slot of all keys queued and of
// those watched. The slot is noted in c.
func (c *Ctx) plan(m *transaction, watches []*watch, pos []int) (x execution) {
	x.commands = m.commands
	c.write = false
	for i := range m.commands {
		q := &m.commands[i]
		x.all = x.all || q.entry.in.allLocks
		x.scripts = x.scripts || q.entry.in.script
		if !q.entry.keyed {
			continue
		}
		pos, err := q.entry.cmd.AppendKeys(pos[:0], q.args)
		if err != nil {
			continue // its handler will say so
		}
		for _, p := range pos {
			slot := store.MakeKey(q.args[p]).Slot
			if c.d.routing != nil && x.keyed && slot != c.slot {
				x.crossed = true
			}
			c.slot, x.keyed = slot, true
			x.shards.add(store.ShardOf(slot))
		}
		c.write = c.write || (q.entry.write || q.entry.in.script && !q.entry.cmd.Has(command.ReadOnly)) && len(pos) > 0
	}
	for _, w := range watches {
		x.shards.add(store.ShardOf(w.slot))
	}
	return x
}

// lock takes the locks. With scripts they are those of a script; see scriptGate.
func (x *execution) lock(d *Dispatcher) (busy *scriptSignal) {
	if x.all {
		x.shards = allShards()
	}
	if !x.scripts {
		return d.lockShards(&x.shards)
	}
	x.locks = scriptLocks{signal: &scriptSignal{}, all: x.all, exclusive: true}
	if busy = d.lockExclusive(x.locks.signal); busy != nil {
		return busy
	}
	x.shards.each(func(shard int) {
		if busy == nil {
			if busy = d.lockShardFor(shard, x.locks.signal); busy == nil {
				x.locks.held.add(shard)
			}
		}
	})
	if busy != nil {
		x.unlock(d)
	}
	return busy
}

func (x *execution) unlock(d *Dispatcher) {
	if !x.scripts {
		d.unlockShards(&x.shards)
		return
	}
	x.locks.held.each(d.unlockShardFor)
	d.unlockExclusive()
	x.locks.signal.set(true)
}

// execute is EXEC. It runs what was queued under the locks of all its keys at once, so that
// nobody sees half of it.
func execute(c *Ctx) {
	d, s := c.d, c.session()
	m := s.multi
	if m == nil {
		c.W.Error(errExecWithoutMulti)
		return
	}
	b := d.batches.Get().(*batch)
	defer d.release(b, 0)
	x := c.plan(m, s.watches, b.pos)
	if x.crossed {
		c.redirect(errCrossSlot)
		return
	}
	for {
		if d.routing != nil && x.keyed && !d.route(c, true) {
			return
		}
		if busy := x.lock(d); busy != nil {
			c.reject(c.entry, busy.busyText())
			return
		}
		var wait <-chan struct{}
		again := false
		if x.keyed {
			wait, again = d.admit(c)
		}
		if !again {
			wait, again = x.mayChange(d, c.Client.DB())
		}
		if !again {
			break
		}
		x.unlock(d)
		if wait != nil {
			<-wait
		}
	}
	stale := d.watchedChanged(c.Client, s, c.Now())
	if m.spoiled || stale {
		x.unlock(d)
		c.discard()
		if m.spoiled {
			c.W.Error(errExecAbort)
		} else {
			c.W.NullArray()
		}
		return
	}
	// From here on the client is in no transaction, as what it queued may ask.
	s.multi = nil
	defer d.settle(&b.ctx)
	func() {
		defer x.unlock(d)
		x.run(c, &b.ctx, &b.pos)
	}()
	c.inherit(&b.ctx)
	c.discard()
}

// run executes the commands, one after the other, in the context in. All locks
// are held.
func (x *execution) run(c, in *Ctx, pos *[]int) {
	d, client := c.d, c.Client
	if d.repl != nil && x.keyed && c.write {
		group := d.groups.begin(d.repl, c.slot)
		defer func() {
			d.groups.end(group)
			d.noteDurable(c, x.locks.others...)
		}()
	}
	if client.Reply != ReplyOff {
		c.W.Array(len(x.commands))
	}
	x.locks.keyed, x.locks.slot, x.locks.replica = x.keyed && d.routing != nil, c.slot, c.Tx.KeepExpired
	in.d, in.Client, in.W, in.inExec, in.locks = d, client, c.W, true, &x.locks
	in.Tx.Now = c.Tx.Now
	unit := in.feedTogether()
	_, start := clock()
	for i := range x.commands {
		q := &x.commands[i]
		mark, muted := c.W.Len(), client.Reply == ReplyOff
		in.begin(q.entry, q.args)
		in.Tx.AllLocked = x.all || x.locks.all
		if q.entry.keyed {
			in.Tx.KeepExpired = in.Tx.KeepExpired || c.Tx.KeepExpired
			var err error
			if *pos, err = q.entry.cmd.AppendKeys((*pos)[:0], q.args); err == nil && len(*pos) > 0 {
				in.locate(*pos, &x.shards)
				d.noteAbsent(in, *pos)
			}
		}
		if in.user = client.user.Load().User(); in.user.Unrestricted || d.stillPermitted(in) {
			d.invoke(in)
			d.logEffects(in)
			in.commands++
		}
		if reply := c.W.Bytes(); len(reply) > mark && reply[mark] == '-' && !in.counted {
			d.stats.countError(reply[mark+1:])
		}
		if muted && client.Reply == ReplyOff {
			in.mute(mark)
		}
		c.pushEnd = max(c.pushEnd, in.pushEnd)
		_, end := clock()
		d.account(q.entry, client, q.args, 1, end.Sub(start))
		start = end
	}
	in.endTogether(unit)
	if !x.keyed && x.locks.logged && x.locks.keyed { // the slot is that of a script without declared keys
		c.slot = x.locks.slot
		d.noteDurable(c, x.locks.others...)
	}
	held := x.shards
	if x.scripts {
		held = x.locks.held
	}
	d.serveReady(in, &held)
}
