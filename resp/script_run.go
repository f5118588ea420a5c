package resp

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"respkv/internal/lua"
	"respkv/resp/command"
	"respkv/resp/proto"
)

// scriptRun is one script or function that runs. It is the lua.Host of its engine
// run: the commands of the script come through Call.
// They are used again with the batch that they are part of.
type scriptRun struct {
	signal *scriptSignal
	d      *Dispatcher
	c      *Ctx // of EVAL or FCALL
	in     *Ctx // of the commands of the script
	b      *batch
	engine lua.Run
	w      proto.Writer // what a command of the script replies
	start  time.Time
	debug  *debugSession // nil: nobody debugs it
	args   [][]byte      // a copy of the command, for FUNCTION STATS; nil until it is busy

	conduct    *atomic.Int32
	declared   bool // it touches declared keys only
	strayed    bool // it needed locks that its keys did not
	alone      scriptLocks
	locks      *scriptLocks // alone, or those of EXEC
	groups     []*effectGroup
	flags      lua.Flags
	readOnly   bool
	outOfSpace bool // memory was exhausted when it began
	silent     bool // redis.set_repl: what it writes is not replicated
	acted      bool // it wrote, or published: it can't be begun again
	busy       bool // in the gate's list
	listed     bool // in the gate's list of those without locks
	wrote      bool // guarded by the signal's lock when others look
	logged     bool // something was replicated
	killed     bool // see kill
	restart    bool // it is to be run again with all locks
	canWrite   bool // the slot was admitted for writing
}

// scriptLocks are the locks of a script, or those of the transaction in which it
// runs.
type scriptLocks struct {
	signal    *scriptSignal // who shows as the holder
	held      shardSet
	several   bool // held shared
	all       bool
	exclusive bool // others may be taken, in any order
	keyed     bool // slot is set, in a cluster
	slot      uint16
	replica   bool     // this node is a replica of slot
	others    []uint16 // slots beside slot that are written to, in a cluster
	logged    bool     // in EXEC: scripts wrote what is replicated
}

// prepared is a script or function that is about to be run.
type prepared struct {
	script   *lua.Script
	function *lua.Function
	keys     int
	refused  string // why it can't
	shown    bool   // to monitors: it may be begun twice
}

func (p *prepared) flags() lua.Flags {
	switch {
	case p.refused != "":
		return lua.Compat
	case p.script != nil:
		return p.script.Flags
	}
	return p.function.Flags
}

// whole says whether the script may call commands that look at all keys.
func (p *prepared) whole() bool {
	if p.script != nil {
		return p.script.Whole
	}
	return p.function.Whole
}

// declared says whether the text shows that it touches declared keys only.
func (p *prepared) declared() bool {
	if p.script != nil {
		return p.script.Declared
	}
	return p.function.Declared
}

func (p *prepared) conduct() *atomic.Int32 {
	if p.script != nil {
		return &p.script.Conduct
	}
	return &p.function.Conduct
}

// looksAtAll says whether there is a command of that name that looks at all keys.
func (d *Dispatcher) looksAtAll(name string) bool {
	cmd := d.table.Lookup([]byte(name))
	if cmd == nil {
		return false
	}
	e := d.entries[cmd.ID]
	return e != nil && e.in.allLocks
}

// prepare finds the script or function of a command, and looks at its arguments.
func (d *Dispatcher) prepare(cmd *command.Command, args [][]byte) (p prepared) {
	e := d.engine
	fcall := strings.HasPrefix(cmd.Name, "fcall")
	n, numeric := parseLong(args[2])
	switch name := args[1]; {
	case fcall:
		if p.function = e.Libraries().Function(string(name)); p.function == nil {
			p.refused = errNoFunction
			return p
		}
		if !numeric {
			p.refused = errBadNumKeys
		}
	case strings.HasPrefix(cmd.Name, "evalsha"):
		if len(name) == 40 {
			p.script = e.Script(name)
			if p.script == nil {
				p.script = e.Script(bytes.ToLower(name))
			}
		}
		if len(name) != 40 {
			p.refused = errNoScript
			return p
		}
	}
	if p.refused == "" && !numeric {
		p.refused = errNotInteger
	}
	switch {
	case p.refused != "":
		return p
	case n > int64(len(args)-3):
		p.refused = errNumKeysArgs
		return p
	case n < 0:
		p.refused = errNumKeysNegative
		return p
	}
	p.keys = int(n)
	if p.script != nil || fcall {
		return p
	}
	if strings.HasPrefix(cmd.Name, "evalsha") {
		p.refused = errNoScript
		return p
	}
	var err error
	if p.script, err = e.Load(args[1]); err != nil {
		p.refused = "ERR " + err.Error()
	}
	return p
}

// readOnlyCommand says whether it is one of the _RO commands.
func (c *Ctx) readOnlyCommand() bool { return strings.HasSuffix(c.Cmd.Name, "_ro") }

// runScript runs EVAL, FCALL and their kin outside of a transaction: it takes the
// locks, and has the handler run the script.
func (d *Dispatcher) runScript(c *Ctx, b *batch) {
	if c.session().debug != debugOff {
		d.debugScript(c, b)
		return
	}
	p := &b.script
	*p = d.prepare(c.Cmd, c.Args)
	c.prepared = p
	defer func() { c.prepared, *p = nil, prepared{} }()
	if p.refused != "" {
		if d.routing == nil || d.routeRefused(c, b) {
			d.invoke(c)
		}
		return
	}
	flags := p.flags()
	if flags&(lua.Compat|lua.AllowOOM|lua.NoWrites) == 0 && !d.makeRoom() {
		c.reject(c.entry, errOOM)
		return
	}
	c.write = !c.readOnlyCommand() && flags&lua.NoWrites == 0
	alone := p.whole() || flags&lua.AllowCrossSlot != 0 || c.session().debugging != nil
	if !alone && !p.declared() {
		conduct := p.conduct().Load()
		alone = conduct == conductWild || conduct == conductUnknown && c.write && d.routing == nil
	}
	if flags&lua.Compat != 0 && c.Client.Has(FlagReadOnly) {
		c.write = false // it may be meant for a replica: its first write will tell
	}
	pos := b.pos[:0]
	for i := range p.keys {
		pos = append(pos, 3+i)
	}
	b.pos = pos
	for d.runScriptOnce(c, p, alone, pos) {
		alone = true
	}
}

// routeRefused answers for a script that cannot be run, where another node would be
// asked first: that may have it. True: nothing was answered.
func (d *Dispatcher) routeRefused(c *Ctx, b *batch) bool {
	n, ok := parseLong(c.Args[2])
	if !ok || n <= 0 || n > int64(len(c.Args)-3) {
		return true
	}
	b.pos = b.pos[:0]
	for i := range int(n) {
		b.pos = append(b.pos, 3+i)
	}
	var shards shardSet
	if !c.locate(b.pos, &shards) {
		c.reject(c.entry, errCrossSlot)
		return false
	}
	c.write = !c.readOnlyCommand() && !c.Client.Has(FlagReadOnly)
	return d.route(c, false)
}

// runScriptOnce runs a script under locks that it takes. again: it needs more, and
// has done nothing yet.
func (d *Dispatcher) runScriptOnce(c *Ctx, p *prepared, alone bool, pos []int) (again bool) {
	run := d.newRun(c, p)
	defer run.close()
	if s := c.session().debugging; s != nil {
		s.begin(run)
	}
	locks := run.locks
	locks.exclusive = alone
	var shards shardSet
	if len(pos) > 0 {
		if !c.locate(pos, &shards) {
			c.reject(c.entry, errCrossSlot)
			return false
		}
		locks.keyed, locks.slot = true, c.slot
	}
	if flags := p.flags(); flags&lua.NoWrites == 0 {
		run.outOfSpace = !d.makeRoom() // evicts; no lock is held yet
	}
	for again := false; ; again = true {
		if d.routing != nil && locks.keyed && !d.route(c, again) {
			return false
		}
		if busy := run.lock(&shards); busy != nil {
			c.reject(c.entry, busy.busyText())
			return false
		}
		var wait <-chan struct{}
		reroute := false
		if locks.keyed {
			wait, reroute = d.admit(c)
		}
		if !reroute {
			break
		}
		run.unlock()
		if wait != nil {
			<-wait
		}
	}
	run.enlist()
	run.canWrite = c.write && locks.keyed
	locks.replica = c.Tx.KeepExpired
	run.in.Tx.KeepExpired = c.Tx.KeepExpired
	mark := c.W.Len()
	c.script = run
	defer func() { c.script = nil }()
	defer d.settle(run.in)
	func() {
		defer run.unlock()
		unit := run.in.feedTogether()
		d.invoke(c)
		run.in.endTogether(unit)
		run.endGroups()
		d.serveReady(run.in, &locks.held)
	}()
	if run.restart {
		c.W.Truncate(mark)
		return true
	}
	if run.logged {
		d.noteDurable(c, locks.others...)
	}
	return false
}

// newRun makes the run of a script.
func (d *Dispatcher) newRun(c *Ctx, p *prepared) *scriptRun {
	b := d.batches.Get().(*batch)
	run := &b.run
	*run = scriptRun{
		signal: &scriptSignal{function: p.function != nil},
		d:      d, c: c, in: &b.ctx, b: b, w: run.w, flags: p.flags(), readOnly: c.readOnlyCommand(), start: c.began,
		conduct: p.conduct(), declared: p.declared(), groups: run.groups[:0],
	}
	run.locks = &run.alone
	run.alone.signal = run.signal
	if run.start.IsZero() { // EXEC does not say
		run.start = time.Now()
	}
	if run.flags&(lua.Compat|lua.NoWrites) == lua.NoWrites {
		run.readOnly = true
	}
	run.in.d, run.in.Client, run.in.W, run.in.inExec = d, c.Client, &run.w, true
	run.in.inScript = true
	run.in.together = c.together
	run.in.Tx.Now = c.Tx.Now
	run.engine = lua.Run{
		Host: run, Function: p.function != nil, Keys: c.Args[3 : 3+p.keys], Args: c.Args[3+p.keys:],
		Limit: time.Duration(min(d.config.Config().Server.BusyReplyMillis, math.MaxInt64/int(time.Millisecond))) * time.Millisecond,
	}
	if p.function != nil {
		run.engine.Name = p.function.Name
	} else {
		run.engine.Name = p.script.SHA
	}
	return run
}

// maxIdleReply is how much memory for replies of commands stays with a batch.
const maxIdleReply = 64 << 10

func (run *scriptRun) close() {
	d, b := run.d, run.b
	run.c.inherit(run.in)
	clear(run.groups[:cap(run.groups)])
	*run = scriptRun{w: run.w, groups: run.groups[:0]}
	if cap(run.w.Bytes()) > maxIdleReply {
		run.w = proto.Writer{}
	}
	d.release(b, 0)
}

// lock takes the locks of the declared keys.
func (run *scriptRun) lock(shards *shardSet) (busy *scriptSignal) {
	d := run.d
	switch {
	case run.locks.exclusive:
		if busy = d.lockExclusive(run.signal); busy != nil {
			return busy
		}
	case shards.many():
		if busy = d.lockSeveral(); busy != nil {
			return busy
		}
		run.locks.several = true
	}
	shards.each(func(shard int) {
		if busy == nil {
			busy = run.take(shard)
		}
	})
	if busy != nil {
		run.unlock()
	}
	return busy
}

// take takes the lock of one shard.
func (run *scriptRun) take(shard int) (busy *scriptSignal) {
	if busy = run.d.lockShardFor(shard, run.signal); busy != nil {
		return busy
	}
	run.locks.held.add(shard)
	return nil
}

// becomeAlone is called by a script that runs beside others, before its first write.
// False: it has to begin again.
func (run *scriptRun) becomeAlone() bool {
	return run.d.routing != nil || run.declared || run.goAlone()
}

// goAlone lets a script take locks in any order. False: somebody holds several locks, and may
// want one of this script.
func (run *scriptRun) goAlone() bool {
	d, locks := run.d, run.locks
	if locks.exclusive {
		return true
	}
	if locks.several || !d.scripts.exclusive.CompareAndSwap(nil, run.signal) {
		return false
	}
	if !d.scripts.several.TryLock() {
		d.scripts.exclusive.Store(nil)
		return false
	}
	locks.exclusive = true
	return true
}

// unlock gives all locks back, and tells those who wait.
func (run *scriptRun) unlock() {
	d, locks := run.d, run.locks
	locks.held.each(d.unlockShardFor)
	locks.held, locks.all = shardSet{}, false
	switch {
	case locks.exclusive:
		d.unlockExclusive()
	case locks.several:
		d.scripts.several.RUnlock()
		locks.several = false
	}
	run.delist()
	run.signal.set(true)
}

// takeAll takes the locks of all shards. The script is alone.
func (run *scriptRun) takeAll() (refused string) {
	all := allShards()
	run.strayed = true
	refused = run.takeMore(&all)
	run.locks.all = refused == ""
	return refused
}

// over is the end of the script: nobody can kill it any more.
func (run *scriptRun) over() {
	run.noteConduct()
	if !run.busy {
		return
	}
	g := &run.d.scripts
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = slices.DeleteFunc(g.busy, func(other *scriptRun) bool { return other == run })
	run.d.noteBusy()
}

// noteConduct remembers how the script may be run the next time.
func (run *scriptRun) noteConduct() {
	now := conductModest
	if run.acted && run.d.routing == nil || run.strayed || run.restart {
		now = conductWild
	}
	if now > run.conduct.Load() { // else it is not written to: others read it
		run.conduct.Store(now)
	}
}

// Overtime implements lua.Host: from now on, clients get BUSY.
func (run *scriptRun) Overtime() {
	args := make([][]byte, len(run.c.Args))
	for i, arg := range run.c.Args {
		args[i] = slices.Clone(arg)
	}
	g := &run.d.scripts
	g.mu.Lock()
	run.args, run.busy = args, true
	g.busy = append(g.busy, run)
	run.d.noteBusy()
	g.mu.Unlock()
	run.signal.set(false)
	run.d.log.Warn("a slow script runs", "name", run.engine.Name,
		"kill", "SCRIPT KILL or FUNCTION KILL, as long as it has written nothing", "ms", run.milliseconds())
}

// beginWrite notes the first write, from which on the script can't be killed.
// False: it was killed.
func (run *scriptRun) beginWrite() bool {
	if run.wrote {
		return true
	}
	run.signal.mu.Lock()
	defer run.signal.mu.Unlock()
	run.wrote = !run.killed
	return run.wrote
}

// kill ends the script, if it has written nothing.
func (run *scriptRun) kill() bool {
	run.signal.mu.Lock()
	defer run.signal.mu.Unlock()
	if run.wrote {
		return false
	}
	run.killed = true
	run.engine.Kill()
	return true
}

func (run *scriptRun) wasKilled() bool {
	run.signal.mu.Lock()
	defer run.signal.mu.Unlock()
	return run.killed
}

// joinTransaction makes it a script of EXEC, with its locks and its signal; leaveTransaction
// is its end.
func (run *scriptRun) joinTransaction(locks *scriptLocks) {
	run.locks, run.canWrite = locks, locks.keyed
	run.signal = locks.signal
	run.signal.begin(run.engine.Function)
}

func (run *scriptRun) leaveTransaction() { run.signal.end() }

func (run *scriptRun) milliseconds() int64 { return time.Since(run.start).Milliseconds() }

// Log implements lua.Host.
func (run *scriptRun) Log(level int, message string) { run.d.logScript(level, message) }

func (d *Dispatcher) logScript(level int, message string) {
	severity := slog.LevelDebug
	switch level {
	case lua.LogNotice:
		severity = slog.LevelInfo
	case lua.LogWarning:
		severity = slog.LevelWarn
	}
	d.log.Log(context.Background(), severity, message, "from", "script")
}

// Replicate implements lua.Host.
func (run *scriptRun) Replicate(on bool) { run.silent = !on }

// Unwound implements lua.Host.
func (run *scriptRun) Unwound() bool { return run.restart }

// Allowed implements lua.Host.
func (run *scriptRun) Allowed(args [][]byte) (allowed, known bool) {
	e := run.d.find(args)
	if e == nil {
		return false, false
	}
	return run.c.Client.user.Load().User().Check(e.cmd, args).OK(), true
}
