package resp

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/config"
	"respkv/internal/lua"
	"respkv/internal/threads"
	"respkv/resp/command"
	"respkv/resp/proto"
	"respkv/store"
)

const (
	// batchMax is how many commands the connection hands over at a time. Their
	// index lines and records are fetched together before the first one runs,
	// which hides most of the memory latency of a pipeline.
	batchMax = 32
	// unreadMax is how large a buffer for the replies of effects may stay.
	unreadMax = 4 << 10
)

// Dispatcher runs commands: table entry, arity, authentication, routing, locks,
// handler, effects. It is the Executor of a Server.
type Dispatcher struct {
	store   *store.Store
	routing Routing // nil: cluster mode is off
	shared  Shared  // nil: the same
	echoes  libraryEchoes
	repl    Replicator // nil: nothing is replicated
	config  *config.Live
	log     *slog.Logger

	table   *command.Table // commands as clients call them (rename-command)
	known   *command.Table // commands by their own names
	entries []*entry       // by Command.ID; nil: not built

	users     userRegistry
	server    *Server // set by Attach
	stats     commandCounters
	memory    memoryGate
	evictor   evictor
	blocked   blockedClients
	waiting   waitRegistry
	watches   watchTable
	tracking  tracking
	stepping  stepping
	pubsub    pubsub
	notify    notifier
	groups    effectGroups
	engine    *lua.Engine // of scripts and functions
	scripts   scriptGate
	debugging atomic.Int32 // sessions of the debugger of scripts
	cron      cron
	reclaimer reclaimer // of flushed keys and large values
	gate      changeGate
	saver     saver
	migration migration
	feed      replicaFeed
	follow    following
	failover  failover

	tracing  tracing
	slowlog  slowLog
	latency  latencyEvents
	monitors monitors

	dialPrimary func(ctx context.Context, address string) (net.Conn, error)

	shutdown func(ShutdownOptions) error
	version  string
	ending   atomic.Bool // SHUTDOWN was accepted
	started  time.Time
	runID    string

	rates    rates
	arrivals arrivals
	batches  sync.Pool
}

// entry is a table entry with what belongs to it at run time.
type entry struct {
	cmd     *command.Command
	handler Handler
	write   bool
	grows   bool // may add data: makes room before, or is refused
	fast    bool
	keyed   bool   // takes keys: runs under shard locks
	single  bool   // exactly one key, at args[1]
	steps   bool   // takes pauses where its keys are large (steps.go)
	renamed []byte // the command's own name, when clients call it otherwise
	in      special
	stats   CommandStats
}

// special says in which states of its connection a command is an exception.
type special struct {
	unqueued   bool // runs at once between MULTI and EXEC
	notInMulti bool // refused there
	allLocks   bool // run by EXEC, it wants the locks of all shards
	exec       bool // is EXEC
	subscribed bool // allowed to a RESP2 client that has subscribed
	script     bool // runs a script: takes its locks by itself
	shardChans bool // names shard channels: replicas serve it too
	heeds      bool // its outcome lies in what other connections have asked for before (arrivals.go)
}

// batch is the working memory of one call of Batch; pooled, so that idle
// connections hold none.
type batch struct {
	ctx     Ctx
	entries [batchMax]*entry
	keys    [batchMax]store.Key
	pos     []int
	script  prepared     // that runs in ctx
	run     scriptRun    // whose commands run in ctx
	unread  proto.Writer // takes the replies of effects
}

// Batch implements Executor.
func (d *Dispatcher) Batch(client *Client, cmds [][][]byte) int {
	if client.Has(FlagMaster) {
		return d.followBatch(client, cmds)
	}
	return d.runBatch(client, cmds)
}

// runBatch is Batch for those to whom replies are of interest.
func (d *Dispatcher) runBatch(client *Client, cmds [][][]byte) int {
	b := d.batches.Get().(*batch)
	if len(cmds) > batchMax {
		cmds = cmds[:batchMax]
	}
	defer d.release(b, len(cmds))
	db, heeds, upstream := client.DB(), false, client.Has(FlagMaster)
	for i, args := range cmds {
		var e *entry
		if upstream { // renaming is for clients
			e = d.findKnown(args)
		} else {
			e = d.find(args)
		}
		b.entries[i] = e
		if e != nil && e.in.heeds {
			heeds = true
		}
		if e != nil && e.single && len(args) > 1 {
			b.keys[i] = store.MakeKey(args[1])
			if len(cmds) > 1 {
				d.store.PrefetchIndex(db, b.keys[i])
			}
		}
	}
	if len(cmds) > 1 {
		for i, args := range cmds {
			if e := b.entries[i]; e != nil && e.single && len(args) > 1 {
				d.store.PrefetchRecord(db, b.keys[i])
			}
		}
	}

	d.arrivals.await(heeds)
	c := &b.ctx
	c.d, c.Client, c.W = d, client, &client.W
	now, start := clock()
	run := 0         // commands since start, all of the same entry
	var ran [][]byte // the last of them
	singly := d.tracing.floor.Load() < timedSingly
	for i, args := range cmds {
		e := b.entries[i]
		c.Tx.Now, c.began = now, start
		if !d.execute(c, b, e, args, i) {
			if len(c.durable) > 0 {
				d.awaitDurable(c)
			}
			return i // parked, not consumed
		}
		if c.ran {
			run++
			ran = args
		}
		last := i+1 == len(cmds) || client.Interrupted()
		if last || b.entries[i+1] != e || e == nil || !e.fast || singly {
			var end time.Time
			now, end = clock()
			took := end.Sub(start)
			switch {
			case c.waits && run == 1:
				e.stats.add(1, took) // the rest when it is done
			case run > 0:
				d.account(e, client, ran, run, took)
			}
			if run > 0 && took > threads.Long {
				threads.Stalled()
			}
			start, run = end, 0
		}
		if last {
			if len(c.durable) > 0 {
				d.awaitDurable(c)
			}
			return i + 1
		}
	}
	return len(cmds)
}

// release ends the use of b for a number of commands.
func (d *Dispatcher) release(b *batch, commands int) {
	c := &b.ctx
	d.broadcastPending(c)
	d.passCounts(c)
	clear(c.argv[:cap(c.argv)])
	clear(c.ready[:cap(c.ready)])
	clear(c.absent[:cap(c.absent)])
	*c = Ctx{argv: c.argv[:0], effects: c.effects[:0], durable: c.durable[:0], absent: c.absent[:0],
		ready: c.ready[:0], served: c.served[:0], trailer: c.trailer[:0], broadcast: c.broadcast[:0]}
	clear(b.keys[:commands])
	if b.unread.Cap() > unreadMax {
		b.unread.Reset(nil)
	}
	d.batches.Put(b)
}

// passCounts adds what the commands of the batch so far have counted to the
// statistics.
func (d *Dispatcher) passCounts(c *Ctx) {
	stats := &d.stats
	stats.commands.Add(c.commands)
	if c.hits|c.misses != 0 {
		stats.hits.Add(c.hits)
		stats.misses.Add(c.misses)
	}
	c.commands, c.hits, c.misses = 0, 0, 0
}

// find resolves the table entry of a command as sent, sub-commands included.
// It returns nil when there is none, and the container's entry when only the
// sub-command is unknown.
func (d *Dispatcher) find(args [][]byte) *entry {
	cmd := d.table.Lookup(args[0])
	if cmd == nil {
		return nil
	}
	if cmd.IsContainer() && len(args) > 1 {
		if sub := cmd.Subcommand(args[1]); sub != nil {
			cmd = sub
		}
	}
	e := d.entries[cmd.ID]
	if e != nil && e.renamed != nil {
		args[0] = e.renamed // what is replicated and shown has the own name
	}
	return e
}

// execute runs one command of a client. False means that the client was parked
// before the command began; it is to be executed again.
func (d *Dispatcher) execute(c *Ctx, b *batch, e *entry, args [][]byte, i int) (consumed bool) {
	client := c.Client
	flags := client.Flags()
	if flags&FlagTracking != 0 {
		d.limitTracked(c)
		c.sendTrailer()
	}
	mark := c.W.Len()
	asking := flags&FlagAsking != 0
	if asking {
		client.SetFlag(FlagAsking, false)
	}
	if client.Reply == ReplySkipNext {
		client.Reply = ReplySkip
	}
	muted := client.Reply == ReplyOff
	c.ran, c.waits, c.asking = false, false, asking
	consumed = d.check(c, b, e, args, i)
	if !consumed {
		if asking {
			client.SetFlag(FlagAsking, true)
		}
		if client.Reply == ReplySkip {
			client.Reply = ReplySkipNext
		}
		return false
	}
	if c.ran {
		c.commands++
	}
	if asking && client.Has(FlagMulti) {
		client.SetFlag(FlagAsking, true) // holds up to EXEC
	}
	if reply := c.W.Bytes(); len(reply) > mark && reply[mark] == '-' {
		if !c.counted {
			d.stats.countError(reply[mark+1:])
		}
		if flags&FlagMaster != 0 {
			d.failedHere(c, reply[mark+1:])
		}
	}
	if c.pending.replicas > 0 {
		c.pending.start, c.pending.end = mark, c.W.Len()
		if client.Reply == ReplyOn {
			c.durable = append(c.durable, c.pending)
		}
		c.pending = durableWrite{}
	}
	switch client.Reply {
	case ReplyOff:
		if muted { // else this command turned it off, and has said nothing since
			c.mute(mark)
		}
	case ReplySkip:
		c.mute(mark)
		client.Reply = ReplyOn
	}
	c.sendTrailer()
	if flags&FlagTrackingCaching != 0 {
		c.endCaching(e)
	}
	return true
}

// check refuses what must not run and runs the rest. It follows the order of
// Redis's processCommand, since that decides which of several errors a client
// sees.
func (d *Dispatcher) check(c *Ctx, b *batch, e *entry, args [][]byte, i int) (consumed bool) {
	client := c.Client
	if e == nil || e.handler == nil {
		d.refuseUnknown(c, e, args)
		return true
	}
	client.SetCommand(&e.cmd.Name)
	if !e.cmd.ArityOK(len(args)) {
		c.reject(e, errArity(e.cmd.Name))
		return true
	}
	if !client.Authenticated() && e.cmd.Flags&command.NoAuth == 0 && !d.letIn(client) {
		c.reject(e, errNoAuth)
		return true
	}
	c.begin(e, args)
	state := client.Flags()
	if c.user = client.user.Load().User(); !c.user.Unrestricted && !d.permitted(c) {
		return true
	}
	if !c.upstream {
		if refused := d.refusedByState(c, e); refused != "" {
			c.reject(e, refused)
			return true
		}
		if busy := d.scripts.refusal(e); busy != nil {
			c.reject(e, busy.busyText())
			return true
		}
	}
	if state&(FlagMonitor|FlagReplica) != 0 && e.usesKeys() {
		c.reject(e, errReplicaKeyspace)
		return true
	}
	if state&FlagMulti != 0 && !e.in.unqueued {
		return d.enqueue(c, b)
	}
	if e.in.exec && c.session().multi.needsMemory() && !d.makeRoom() {
		c.reject(e, errOOM)
		return true
	}
	if state&FlagPubSub != 0 && !e.in.subscribed && !c.W.RESP3() {
		c.reject(e, errSubscribed(e.cmd.Name))
		return true
	}
	if d.heldBack(client, e, args) {
		return false
	}
	if e.in.script {
		d.runScript(c, b)
		return true
	}
	if !e.keyed {
		if !d.roomFor(c) {
			return true
		}
		d.invoke(c)
		return true
	}
	if e.single && !e.steps {
		c.key, c.keyPos = b.keys[i], 1
		d.runSingle(c)
		return true
	}
	d.runMulti(c, b)
	return true
}

// begin makes c the context of a command of its client.
func (c *Ctx) begin(e *entry, args [][]byte) {
	c.Cmd, c.Args, c.entry, c.write = e.cmd, args, e, e.write
	c.Tx.Store, c.Tx.DB = c.d.store, c.Client.DB()
	flags := c.Client.Flags()
	c.upstream = flags&FlagMaster != 0
	c.Tx.NoTouch, c.Tx.KeepExpired, c.Tx.IgnoreDeadlines = flags&FlagNoTouch != 0, c.keepsExpired(), c.upstream
	c.tracks = flags&(FlagTracking|FlagTrackingBcast) == FlagTracking
	c.keyPos, c.applied, c.dirty, c.keep, c.touched, c.silent = 0, false, 0, false, false, false
	c.pushEnd, c.mayPause = 0, false
	c.argv, c.effects, c.absent, c.counted = c.argv[:0], c.effects[:0], c.absent[:0], false
}

// reject refuses a command before it runs. That spoils the transaction that its
// client is queueing, and ends it if the command is EXEC.
func (c *Ctx) reject(e *entry, text string) {
	if e != nil {
		e.stats.rejected.Add(1)
	}
	switch {
	case e != nil && e.in.exec: // within MULTI or not
		c.discard()
		text = errExecAborted + strings.TrimPrefix(text, "ERR ")
	case c.Client.Has(FlagMulti):
		c.session().multi.spoiled = true
	}
	c.W.Error(text)
}

func (d *Dispatcher) refuseUnknown(c *Ctx, e *entry, args [][]byte) {
	var cmd *command.Command
	if e != nil {
		cmd = e.cmd
	}
	switch {
	case cmd != nil && cmd.IsContainer() && len(args) > 1:
		c.reject(nil, errUnknownSubcommand(cmd.Name, args[1]))
	case cmd != nil:
		c.reject(e, errArity(cmd.Name))
	default:
		c.reject(nil, errUnknownCommand(args))
	}
}

// runSingle runs a command with one key.
func (d *Dispatcher) runSingle(c *Ctx) {
	c.slot = c.key.Slot
	shard := c.key.Shard()
	for again := false; ; again = true {
		if d.routing != nil && !d.route(c, again) || !d.roomFor(c) {
			return
		}
		if busy := d.lockShard(shard); busy != nil {
			if c.upstream {
				busy.wait()
				continue
			}
			c.reject(c.entry, busy.busyText())
			return
		}
		wait, reroute := d.admit(c)
		if !reroute {
			if wait, reroute = d.mayChange(c, 1); !reroute {
				break
			}
		}
		d.store.UnlockShard(shard)
		if wait != nil {
			<-wait
		}
	}
	defer d.settle(c)
	defer d.store.UnlockShard(shard)
	c.mayPause, c.held = true, shardSet{}
	c.held.add(shard)
	d.invoke(c)
	c.mayPause = false
	d.logEffects(c)
	if len(c.ready) > 0 {
		d.serveReady(c, &c.held)
	}
}

// runMulti runs a command with any number of keys under the locks of all their
// shards, taken in ascending order.
func (d *Dispatcher) runMulti(c *Ctx, b *batch) {
	pos, err := c.Cmd.AppendKeys(b.pos[:0], c.Args)
	b.pos = pos
	if err != nil || len(pos) == 0 {
		// The handler finds out what is wrong with the arguments: it touches no
		// key before it has.
		d.invoke(c)
		return
	}
	var shards shardSet
	if !c.locate(pos, &shards) {
		c.reject(c.entry, errCrossSlot)
		return
	}
	if c.readsOtherKeys() {
		shards = allShards()
	}
	for again := false; ; again = true {
		if d.routing != nil && !d.route(c, again) || !d.roomFor(c) {
			return
		}
		if busy := d.lockShards(&shards); busy != nil {
			if c.upstream {
				busy.wait()
				continue
			}
			c.reject(c.entry, busy.busyText())
			return
		}
		wait, reroute := d.admit(c)
		if !reroute {
			if wait, reroute = d.mayChange(c, pos...); !reroute {
				break
			}
		}
		d.unlockShards(&shards)
		if wait != nil {
			<-wait
		}
	}
	defer d.settle(c)
	defer d.unlockShards(&shards)
	d.noteAbsent(c, pos)
	if d.inSteps(c, pos, shards) {
		c.absent = c.absent[:0] // in the pauses others may have made them
	} else {
		c.mayPause, c.held = !c.entry.steps, shards
		d.invoke(c)
		c.mayPause = false
	}
	d.logEffects(c)
	d.serveReady(c, &shards)
}

// locate notes the first of the keys at pos, their slot, and adds their shards.
// False: they are of several slots, which a cluster does not take.
func (c *Ctx) locate(pos []int, shards *shardSet) bool {
	c.key, c.keyPos = store.MakeKey(c.Args[pos[0]]), pos[0]
	c.slot = c.key.Slot
	shards.add(c.key.Shard())
	for _, p := range pos[1:] {
		slot := store.MakeKey(c.Args[p]).Slot
		if c.d.routing != nil && slot != c.slot {
			return false
		}
		shards.add(store.ShardOf(slot))
	}
	return true
}

// roomFor keeps memory under maxmemory before a command that may add data.
// False: it replied that there is no room. The caller holds no shard lock; a
// command for another node has been sent there before.
func (d *Dispatcher) roomFor(c *Ctx) bool {
	if !c.entry.grows || d.makeRoom() {
		return true
	}
	c.reject(c.entry, errOOM)
	return false
}

func (d *Dispatcher) invoke(c *Ctx) {
	mark, hits, misses := c.W.Len(), c.hits, c.misses
	c.ran = true
	c.entry.handler(c)
	if c.putOff {
		c.W.Truncate(mark)
		c.hits, c.misses = hits, misses
		if d.runPutOff(c) {
			return
		}
		c.entry.handler(c)
	}
	d.invoked(c, mark)
}

// invoked counts and shows a command whose handler has replied from mark on.
func (d *Dispatcher) invoked(c *Ctx, mark int) {
	if c.tracks && c.Cmd.Has(command.ReadOnly) && !c.inScript && !c.entry.in.script {
		d.remember(c)
	}
	if reply := c.W.Bytes(); len(reply) > mark && reply[mark] == '-' {
		c.entry.stats.failed.Add(1)
	}
	if d.monitors.used() {
		from := fromClient
		if c.inScript {
			from = fromScript
		}
		d.monitors.feed(c.entry, c.Client, c.Args, from)
	}
}

// logEffects hands the outcome of a command to replication. The caller holds
// the locks under which the command ran, so that the log has the order of
// execution.
func (d *Dispatcher) logEffects(c *Ctx) {
	if c.dirty == 0 {
		return
	}
	d.stats.dirty.Add(int64(c.dirty))
	if d.follow.on.Load() && !c.upstream {
		d.follow.remember(c)
	}
	if !c.touched && d.observed() {
		d.touchWritten(c)
	}
	d.reclaimGarbage()
	c.signalWritten()
	if d.feed.used.Load() > 0 {
		d.feedEffects(c)
	}
	if d.repl == nil || c.applied {
		return
	}
	c.session().wrote(c.slot)
	if c.keep {
		for _, e := range c.effects {
			d.appendEffect(c.slot, c.Tx.DB, c.argv[e.first:e.last])
		}
	} else {
		d.appendEffect(c.slot, c.Tx.DB, c.Args)
	}
	if c.write { // not what a read left in its key
		d.noteDurable(c)
	}
}

// newBatch is the constructor of the pool.
func newBatch() any {
	return &batch{ctx: Ctx{argv: make([][]byte, 0, 8)}, pos: make([]int, 0, 8)}
}

var _ Executor = (*Dispatcher)(nil)
