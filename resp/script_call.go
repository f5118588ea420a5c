package resp

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"respkv/cluster"
	"respkv/internal/lua"
	"respkv/resp/command"
	"respkv/store"
)

// permit asks whether the user who runs the script may run its command in run.in:
// "" or why not.
func (run *scriptRun) permit() (refused string) {
	in := run.in
	in.user = run.c.Client.user.Load().User()
	if in.user.Unrestricted {
		return ""
	}
	denial := in.user.Check(in.Cmd, in.Args)
	if denial.OK() {
		return ""
	}
	run.d.logCommand(in, aclScript, denial)
	return errDeniedInScript(denial.Reason)
}

// Call implements lua.Host: it runs a command of the script.
func (run *scriptRun) Call(args [][]byte, version int) (reply []byte, refused string) {
	d, in := run.d, run.in
	e := d.find(args)
	if refused = run.verify(e, args); refused == "" {
		in.begin(e, args)
		if refused = run.permit(); refused == "" {
			refused = run.reach(e)
		}
	}
	if run.restart {
		return nil, ""
	}
	if refused != "" {
		if e != nil {
			e.stats.rejected.Add(1)
		}
		if code, coded := strings.CutPrefix(refused, "-"); coded {
			d.stats.countError([]byte(code))
		} else {
			d.stats.countError([]byte("ERR "))
		}
		return nil, refused
	}
	if e.write || e.cmd.Has(command.MayReplicate) {
		if !run.becomeAlone() {
			run.restart = true
			return nil, ""
		}
		if e.write && !run.beginWrite() {
			return nil, errScriptKilled
		}
		run.acted = true
	}
	run.w.Reset(run.w.Bytes())
	run.w.SetVersion(version)
	start := time.Since(d.started)
	d.invoke(in)
	if run.c.tracks && e.cmd.Has(command.ReadOnly) {
		d.remember(run.c) // the keys declared, as Redis
	}
	if in.dirty > 0 {
		if run.silent {
			if !in.touched && d.observed() {
				d.touchWritten(in)
				in.touched = true
			}
			in.keep, in.effects = true, in.effects[:0]
		} else {
			run.logged = d.repl != nil
		}
	}
	d.logEffects(in)
	in.commands++
	d.account(e, nil, args, 1, time.Since(d.started)-start)
	reply = run.w.Bytes()
	if reply[0] == '-' {
		d.stats.countError(reply[1:])
	}
	return reply, ""
}

// verify refuses what a script must not call.
func (run *scriptRun) verify(e *entry, args [][]byte) (refused string) {
	d := run.d
	switch {
	case e == nil || e.handler == nil:
		if cmd := d.table.Lookup(args[0]); cmd != nil && len(args) == 1 {
			return errScriptArity
		}
		return errScriptUnknown
	case !e.cmd.ArityOK(len(args)):
		return errScriptArity
	case e.cmd.Has(command.NoScript) && (e.cmd.Name != "debug" || !d.scripts.debug.Load()), e.in.notInMulti:
		return errScriptNoScript
	case d.isStale() && !e.cmd.Has(command.Stale):
		return errStaleScript
	}
	if run.readOnly && (e.write || e.cmd.Has(command.MayReplicate)) {
		return errScriptReadOnly
	}
	if e.write {
		if refused = run.mayWriteNow(); refused != "" {
			return refused
		}
	}
	if run.outOfSpace && e.grows && !run.wrote && run.flags&(lua.Compat|lua.AllowOOM) != lua.AllowOOM {
		return "-" + errOOM
	}
	return ""
}

// reach takes the locks that the command in run.in needs, if the script may.
func (run *scriptRun) reach(e *entry) (refused string) {
	d, in, locks := run.d, run.in, run.locks
	in.Tx.KeepExpired = locks.replica
	if e.in.allLocks || e.keyed && in.readsOtherKeys() {
		if !locks.all && !locks.exclusive {
			if run.acted || run.c.inExec {
				return errScriptWhole
			}
			run.restart = true
			return ""
		}
		if !locks.all {
			if refused := run.takeAll(); refused != "" {
				return refused
			}
		}
	}
	in.Tx.AllLocked = locks.all
	if !e.keyed {
		return ""
	}
	pos, err := e.cmd.AppendKeys(run.b.pos[:0], in.Args)
	run.b.pos = pos
	if err != nil || len(pos) == 0 {
		return ""
	}
	var shards shardSet
	if !in.locate(pos, &shards) {
		return errScriptNotLocal
	}
	if refused := run.enter(e, &shards); refused != "" || run.restart {
		return refused
	}
	if refused := run.willChange(e, pos); refused != "" {
		return refused
	}
	d.noteAbsent(in, pos)
	return ""
}

// willChange lets a snapshot see the keys of a write before. A script cannot wait
// for a key that MIGRATE holds.
func (run *scriptRun) willChange(e *entry, pos []int) (refused string) {
	d := run.d
	if d.gate.used.Load() == 0 || !e.pausedByWrites() {
		return ""
	}
	first, end := run.in.Tx.DB, run.in.Tx.DB+1
	if e.cmd.Name == "copy" || e.cmd.Name == "move" {
		first, end = 0, d.store.Databases()
	}
	for _, p := range pos {
		k := store.MakeKey(run.in.Args[p])
		for db := first; db < end; db++ {
			if d.gate.heldUntil(db, k) != nil {
				return errScriptKeyHeld
			}
			d.willChange(db, k)
		}
	}
	return ""
}

// enter makes the slot of the command the script's, in a cluster, and takes its
// locks.
func (run *scriptRun) enter(e *entry, shards *shardSet) (refused string) {
	d, in, locks := run.d, run.in, run.locks
	if d.routing != nil {
		if refused := run.enterSlot(e, in.slot); refused != "" || run.restart {
			return refused
		}
	} else {
		for i, word := range shards {
			if word&^locks.held[i] == 0 {
				continue
			}
			if !locks.exclusive {
				if run.acted { // no script that is Declared comes here
					return errScriptUndeclared
				}
				run.restart = true
				return ""
			}
			run.strayed = true
			if refused := run.takeMore(shards); refused != "" {
				return refused
			}
			break
		}
	}
	if d.repl != nil && e.write {
		run.group(in.slot)
	}
	return ""
}

// takeMore takes locks beside those that the script holds, which is alone: others have
// them for one command, or for a script that waits for nothing. refused: such a script
// is busy, and this one can still be refused without harm.
func (run *scriptRun) takeMore(shards *shardSet) (refused string) {
	d := run.d
	shards.each(func(shard int) {
		if refused != "" || run.locks.held.has(shard) {
			return
		}
		for busy := d.lockShardFor(shard, run.signal); busy != nil; busy = d.lockShardFor(shard, run.signal) {
			if !run.acted {
				refused = "-" + busy.busyText()
				return
			}
			busy.wait()
		}
		run.locks.held.add(shard)
	})
	return refused
}

// enterSlot looks at ownership of the slot of a command, under its lock.
func (run *scriptRun) enterSlot(e *entry, slot uint16) (refused string) {
	d, locks := run.d, run.locks
	shard := store.ShardOf(slot)
	switch {
	case locks.keyed && slot == locks.slot:
		if !e.write || run.canWrite {
			return ""
		}
	case locks.keyed && slot != locks.slot && run.flags&(lua.Compat|lua.AllowCrossSlot) == 0:
		return errScriptCrossSlot
	default:
		readonly := d.readsReplicas(run.c.Client)
		switch d.routing.Route(slot, readonly, run.c.asking, e.write).Verdict {
		case cluster.Here:
		case cluster.Moved, cluster.Ask, cluster.TryAgain:
			return errScriptNotLocal
		default:
			return errScriptDown
		}
		if e.write && d.repl != nil && !d.repl.WithinLossBudget(slot) {
			return "-" + errLossBudget
		}
		if refused := run.cross(shard); refused != "" || run.restart {
			return refused
		}
	}
	// What waits for the end of a handoff would wait for this script.
	a := d.routing.Admit(slot, e.write)
	if a.Gate == cluster.Paused || a.Gate == cluster.Reroute {
		if locks.replica && e.write {
			return "-" + errReadOnlyNode
		}
		return errScriptNotLocal
	}
	run.in.Tx.KeepExpired = !a.Owner
	if !locks.keyed {
		locks.keyed, locks.slot, locks.replica = true, slot, !a.Owner
		run.c.slot = slot
	}
	switch {
	case slot == locks.slot:
		run.canWrite = run.canWrite || e.write
	case e.write && !slices.Contains(locks.others, slot):
		locks.others = append(locks.others, slot)
	}
	return ""
}

// crossingWait is how long a script that has written waits for its turn to take other locks.
const crossingWait = 5 * time.Millisecond

// cross takes the lock of a shard for a script in a cluster. The first one it may wait for;
// for others it has to be alone. A script that may have keys of several slots, and whose text does
// not say that it has (lua.Compat), begins again for that if it can, and is alone from its start the next time.
func (run *scriptRun) cross(shard int) (refused string) {
	locks := run.locks
	if locks.held.has(shard) {
		return ""
	}
	if locks.held != (shardSet{}) {
		run.strayed = true
		if !locks.exclusive && !run.acted {
			run.restart = true
			return ""
		}
		for start := time.Now(); !run.goAlone(); runtime.Gosched() {
			if time.Since(start) > crossingWait {
				return errScriptCrossing
			}
		}
	}
	var shards shardSet
	shards.add(shard)
	return run.takeMore(&shards)
}

// group makes the effects of a slot one unit, from its first write on.
func (run *scriptRun) group(slot uint16) {
	g := &run.d.groups
	if run.silent || g[store.ShardOf(slot)] != nil {
		return // of a transaction, or of another slot of the shard
	}
	run.groups = append(run.groups, g.begin(run.d.repl, slot))
}

func (run *scriptRun) endGroups() {
	for _, group := range run.groups {
		run.d.groups.end(group)
	}
	run.groups = run.groups[:0]
}
