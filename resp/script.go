package resp

import (
	"slices"

	"respkv/internal/lua"
)

func init() {
	handle(map[string]Handler{
		"eval":          evalScript,
		"eval_ro":       evalScript,
		"evalsha":       evalScript,
		"evalsha_ro":    evalScript,
		"fcall":         evalScript,
		"fcall_ro":      evalScript,
		"script|debug":  scriptDebug,
		"script|exists": scriptExists,
		"script|flush":  scriptFlush,
		"script|help":   containerHelp,
		"script|kill":   func(c *Ctx) { c.killScript(false) },
		"script|load":   scriptLoad,
	})
}

// Wire error texts of scripts. Those of commands in scripts have no code, or a
// leading '-' with one: the script gets them as error tables.
const (
	errNoScript        = "NOSCRIPT No matching script. Please use EVAL."
	errNoFunction      = "ERR Function not found"
	errBadNumKeys      = "ERR Bad number of keys provided"
	errNumKeysNegative = "ERR Number of keys can't be negative"
	errNotBusy         = "NOTBUSY No scripts in execution right now."
	errUnkillable      = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
	errBusyScript      = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	errBusyFunction    = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
	errNoClusterFlag   = "ERR Can not run script on cluster, 'no-cluster' flag is set."
	errScriptWriteFlag = "ERR Can not execute a script with write flag using *_ro command."
	errScriptOOM       = "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
	errScriptFlush     = "ERR SCRIPT FLUSH only support SYNC|ASYNC option"

	errScriptArity      = "Wrong number of args calling Redis command from script"
	errScriptUnknown    = "Unknown Redis command called from script"
	errScriptNoScript   = "This Redis command is not allowed from script"
	errScriptReadOnly   = "Write commands are not allowed from read-only scripts."
	errScriptNotLocal   = "Script attempted to access a non local key in a cluster node"
	errScriptCrossSlot  = "Script attempted to access keys that do not hash to the same slot"
	errScriptCrossing   = "-TRYAGAIN Script wants a key of another slot, whose script wants one of this"
	errScriptDown       = "Script attempted to execute a command while the cluster is down"
	errScriptKilled     = "Script killed by user with SCRIPT KILL..."
	errScriptKeyHeld    = "-TRYAGAIN Script attempted to change a key that MIGRATE is moving"
	errScriptUndeclared = "This script was taken for one that touches declared keys only"
	errScriptWhole      = "This command looks at all keys, for which a script in a cluster must name it in its text, outside of MULTI"
)

// errScriptBlock refuses XREAD and XREADGROUP with BLOCK.
func errScriptBlock(name []byte) string {
	return "ERR " + cut(name, len(name)) + " command is not allowed with BLOCK option from scripts"
}

// evalScript is EVAL, FCALL and their kin. The locks are held: by runScript, or by
// EXEC.
func evalScript(c *Ctx) {
	run := c.script
	p := c.prepared
	if p == nil {
		fresh := c.d.prepare(c.Cmd, c.Args)
		p = &fresh
	}
	if !p.shown && c.d.monitors.used() {
		c.d.monitors.show(c.entry, c.Client, c.Args, fromClient)
		p.shown = true
	}
	if p.refused != "" {
		c.W.Error(p.refused)
		return
	}
	if run == nil {
		if c.session().debug != debugOff {
			c.W.Error(errDebugInMulti)
			return
		}
		run = c.d.newRun(c, p)
		defer run.close()
		run.joinTransaction(c.locks)
		defer run.leaveTransaction()
		run.outOfSpace = c.d.memory.exceeded(c.d.store)
		run.in.Tx.KeepExpired = c.locks.replica
	}
	if refused := run.refuse(); refused != "" {
		c.W.Error(refused)
		return
	}
	db := c.Client.DB() // SELECT in a script ends with it
	var r *lua.Result
	if p.function != nil {
		r = c.d.engine.FCall(p.function, &run.engine)
	} else {
		r = c.d.engine.Eval(p.script, &run.engine)
	}
	run.over()
	if run.debug != nil {
		run.debug.end()
	}
	c.Client.SetDB(db)
	c.counted = r.Write(c.W)
	r.Close()
	if c.script == nil { // EXEC serves those who wait, and groups what is replicated
		c.ready = append(c.ready, run.in.ready...)
		run.in.ready = run.in.ready[:0]
		c.locks.logged = c.locks.logged || run.logged
		run.endGroups()
	}
}

// refuse looks at what the flags of the script say about it.
func (run *scriptRun) refuse() string {
	stale := run.d.isStale()
	if run.flags&lua.Compat != 0 {
		if stale {
			return errMasterDown
		}
		return ""
	}
	writes := run.flags&lua.NoWrites == 0
	switch {
	case run.flags&lua.NoCluster != 0 && run.d.routing != nil:
		return errNoClusterFlag
	case writes && (run.locks.replica && run.d.routing != nil || run.d.readOnlyReplica()):
		return errReadOnlyNode
	case stale && run.flags&lua.AllowStale == 0:
		return errMasterDown
	case writes && run.c.readOnlyCommand():
		return errScriptWriteFlag
	}
	if writes {
		if refused := run.refusedByState(); refused != "" {
			return refused
		}
	}
	switch {
	case run.outOfSpace && writes && run.flags&lua.AllowOOM == 0:
		return errScriptOOM
	}
	return ""
}

func scriptLoad(c *Ctx) {
	s, err := c.d.engine.Load(c.Args[2])
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	c.W.BulkString(s.SHA)
}

func scriptExists(c *Ctx) {
	c.W.Array(len(c.Args) - 2)
	for _, sha := range c.Args[2:] {
		if c.d.engine.Script(sha) != nil {
			c.W.Int(1)
		} else {
			c.W.Int(0)
		}
	}
}

// scriptFlush forgets the scripts. Their memory is the garbage collector's, which
// is neither SYNC nor ASYNC.
func scriptFlush(c *Ctx) {
	if len(c.Args) > 3 || len(c.Args) == 3 && !isWord(c.Args[2], "sync") && !isWord(c.Args[2], "async") {
		c.W.Error(errScriptFlush)
		return
	}
	c.d.engine.Flush()
	c.W.OK()
}

// killScript ends all scripts that run too long, or all functions.
func (c *Ctx) killScript(functions bool) {
	c.awaitScripts()
	g := &c.d.scripts
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.busy) == 0 {
		c.W.Error(errNotBusy)
		return
	}
	wanted := slices.DeleteFunc(slices.Clone(g.busy), func(run *scriptRun) bool { return run.engine.Function != functions })
	if len(wanted) == 0 {
		c.W.Error(g.busy[0].signal.busyText())
		return
	}
	killed := false
	for _, run := range wanted {
		if run.kill() {
			killed = true
		}
	}
	if !killed {
		c.W.Error(errUnkillable)
		return
	}
	c.W.OK()
}
