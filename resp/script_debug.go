package resp

import (
	"io"
	"time"

	"respkv/internal/lua"
	"respkv/resp/proto"
)

// The debugger of scripts: SCRIPT DEBUG makes the next EVAL of the client a session, in
// which the connection carries the debugger's commands and what it shows, as arrays of simple
// strings. It ends with the script, and with it the connection.
//
// SCRIPT DEBUG YES runs the script on a copy (script_fork.go): nothing that it changes is
// kept, and nobody waits for it. With SYNC it runs as without a debugger, but alone, so that
// it is never begun anew: others wait for its locks while the client thinks, and get BUSY
// after server.busy_reply_threshold.

// Wire error texts of the debugger.
const (
	errScriptDebug     = "ERR Use SCRIPT DEBUG YES/SYNC/NO"
	errDebugPipeline   = "ERR SCRIPT DEBUG must be called outside a pipeline"
	errDebugSHA        = "ERR Please use EVAL instead of EVALSHA for debugging"
	errDebugInMulti    = "ERR EVAL can't be debugged within MULTI"
	errDebugSessions   = "ERR Too many scripts are being debugged"
	errDebugCopyFailed = "ERR There is no memory for a copy of the keys, use SCRIPT DEBUG SYNC"
)

// debugMode is what SCRIPT DEBUG has set for the next EVAL.
type debugMode uint8

const (
	debugOff debugMode = iota
	debugOnCopy
	debugSync
)

func scriptDebug(c *Ctx) {
	mode := debugOff
	switch {
	case c.W.Len() > 0 || c.Client.conn == nil:
		c.W.Error(errDebugPipeline)
		return
	case isWord(c.Args[2], "no"):
	case isWord(c.Args[2], "yes"):
		mode = debugOnCopy
	case isWord(c.Args[2], "sync"):
		mode = debugSync
	default:
		c.W.Error(errScriptDebug)
		return
	}
	c.session().debug = mode
	c.W.OK()
}

// debugSession is the debugging of one script. It is the lua.Console of its client.
type debugSession struct {
	client   *Client // whose W has nothing but what is shown
	debugger *lua.Debugger
	run      *scriptRun // nil: not begun yet
	fork     *scriptFork
	limit    time.Duration // of waiting for the client, until others get BUSY
	waited   time.Duration
	told     bool
	ended    bool
}

// debugScript runs EVAL of a client that debugs it.
func (d *Dispatcher) debugScript(c *Ctx, b *batch) {
	mode := c.session().debug
	if c.entry.cmd.Name != "eval" && c.entry.cmd.Name != "eval_ro" {
		c.W.Error(errDebugSHA)
		return
	}
	c.session().debug = debugOff
	defer c.Client.CloseAfterReply()
	if d.debugging.Add(1) > maxDebugSessions {
		d.debugging.Add(-1)
		c.W.Error(errDebugSessions)
		return
	}
	defer d.debugging.Add(-1)
	c.Client.sendNow() // replies to commands before this one
	limit := time.Duration(d.config.Config().Server.BusyReplyMillis) * time.Millisecond
	s := &debugSession{client: c.Client, limit: limit}
	s.debugger = lua.NewDebugger(s, c.Args[1], limit, mode == debugOnCopy)
	d.log.Warn("a debugging session begins", "client", c.Client.Addr(), "on a copy", mode == debugOnCopy)
	defer d.log.Warn("the debugging session has ended", "client", c.Client.Addr())
	if mode == debugSync {
		c.session().debugging = s
		d.runScript(c, b)
		c.session().debugging = nil
	} else {
		d.debugOnCopy(c, s)
	}
	if !s.ended { // the script was refused
		reply := append([]byte(nil), c.W.Bytes()...)
		c.W.Truncate(0)
		s.end()
		c.W.Raw(reply)
	}
}

// maxDebugSessions is how many scripts may be debugged at the same time: each may have a
// copy of keys.
const maxDebugSessions = 16

// begin makes run the script that is debugged.
func (s *debugSession) begin(run *scriptRun) {
	s.run = run
	run.debug = s
	run.engine.Debugger = s.debugger
	if s.fork != nil {
		run.engine.Host = &forkedRun{scriptRun: run, fork: s.fork}
	}
}

// end shows what there is left to show. The reply of EVAL is not in W yet.
func (s *debugSession) end() {
	s.ended = true
	s.debugger.End()
}

// Show implements lua.Console.
func (s *debugSession) Show(lines []string) {
	w := &s.client.W
	w.Array(len(lines))
	for _, line := range lines {
		w.Simple(line)
	}
	s.client.sendNow()
}

// Read implements lua.Console.
func (s *debugSession) Read(buf []byte) (n int, err error) {
	last := time.Now()
	return s.client.readMore(buf, func() error {
		now := time.Now()
		s.waited += now.Sub(last)
		last = now
		switch {
		case s.run.wasKilled():
			return io.EOF
		case s.fork == nil && !s.told && s.limit > 0 && s.waited > s.limit:
			s.told = true
			s.run.Overtime()
		}
		return nil
	})
}

var _ lua.Console = (*debugSession)(nil)

// debugOnCopy runs the script on a copy of the keys that it touches.
func (d *Dispatcher) debugOnCopy(c *Ctx, s *debugSession) {
	fork, err := d.newFork()
	if err != nil {
		d.log.Error("a script can't be debugged", "error", err)
		c.W.Error(errDebugCopyFailed)
		return
	}
	defer fork.close()
	s.fork = fork
	var out proto.Writer
	fork.eval(c, s, &out)
	if !s.ended {
		s.end()
	}
	c.W.Raw(out.Bytes())
}
