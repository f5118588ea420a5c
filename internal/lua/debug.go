package lua

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Console is the client that debugs a script. It is used by the goroutine of the run.
type Console interface {
	// Read waits for bytes that the client sends: commands in RESP. An error says
	// that it is gone.
	Read(buf []byte) (n int, err error)
	// Show sends lines, which have no line ends, as one reply.
	Show(lines []string)
}

// Debugger runs a script line by line, at the commands of a Console, as the debugger
// of Redis does (redis.io/docs/latest/develop/programmability/lua-debugging). It is for
// one run, and used by its goroutine only.
type Debugger struct {
	console Console
	source  []string
	vm      *VM
	limit   time.Duration // of running between two stops
	private bool          // when the client is gone, the run may end

	line        int // where the script is
	step        bool
	pause       bool // redis.breakpoint was called
	inside      bool // a command of the client runs: it does not stop
	breakpoints []int
	resumed     time.Time
	lines       uint // looked at since
	maxLen      int  // of what is shown of a value; 0: any
	hinted      bool
	shown       []string // for the next Show
	input       []byte
}

const (
	maxBreakpoints  = 64
	defaultMaxLen   = 256
	leastMaxLen     = 60
	maxConsoleInput = 1 << 20
	consoleWords    = 1024 // words of a command, and bytes of a word
	defaultStop     = 5 * time.Second
)

// NewDebugger returns the debugger of one run of a script. limit is how long it may run
// without a stop, before it is stopped: 0: five seconds. private says that only this run sees
// what it changes.
func NewDebugger(console Console, source []byte, limit time.Duration, private bool) *Debugger {
	if limit <= 0 {
		limit = defaultStop
	}
	return &Debugger{
		console: console, source: strings.Split(string(bytes.TrimRight(source, "\r\n")), "\n"),
		limit: limit, private: private, step: true, maxLen: defaultMaxLen,
	}
}

// End tells the client that the session is over. The reply of EVAL comes next.
func (d *Debugger) End() {
	d.show("<endsession>")
	d.flush()
}

// lineHook is the context of one Lua thread that is debugged: gopher-lua asks it before
// each instruction.
type lineHook struct {
	*hook
	debugger *Debugger
	thread   *lua.LState
	last     []place // by frame: its instruction before this one
}

type place struct {
	of       *lua.FunctionProto
	pc, line int
}

// Done implements context.Context.
func (h *lineHook) Done() <-chan struct{} {
	if stopped := h.hook.Done(); stopped != nil {
		return stopped
	}
	if d := h.debugger; d.inside {
		if d.lines++; d.lines%lookEvery == 0 && time.Since(d.resumed) > d.limit {
			h.stop("ERR timeout of a command of the Lua debugger")
		}
	} else if f := currentFrame(h.thread); f != nil && !f.Fn.IsG && h.newLine(f) {
		d.at(h.thread, f)
	}
	return nil
}

// newLine says whether the instruction is the first of its line, of a function, or of
// another turn of a loop. A jump is of the line before it, whatever its position says.
func (h *lineHook) newLine(f *frame) bool {
	for len(h.last) <= f.Idx {
		h.last = append(h.last, place{})
	}
	now, last := place{pc: f.Pc - 1}, &h.last[f.Idx]
	now.line = lineAt(f.Fn.Proto, now.pc)
	entered := now.pc == 0 || f.Fn.Proto != last.of
	if code := f.Fn.Proto.Code; now.pc == 0 && opcode(code[0]) == lua.OP_LOADNIL && len(code) > 1 {
		*last = place{pc: -1} // Lua has no instruction for that
		return false
	}
	if !entered && opcode(f.Fn.Proto.Code[now.pc]) == lua.OP_JMP {
		last.pc = now.pc
		return false
	}
	begins := entered || now.pc <= last.pc || now.line != last.line
	now.of = f.Fn.Proto
	*last = now
	return begins
}

// lineAt is the line of an instruction as Lua has it: that which makes a function is on the
// last line of that function.
func lineAt(proto *lua.FunctionProto, pc int) int {
	switch inst := proto.Code[pc]; {
	case opcode(inst) == lua.OP_CLOSURE:
		return proto.FunctionPrototypes[argBx(inst)].LastLineDefined
	case pc < len(proto.DbgSourcePositions):
		return proto.DbgSourcePositions[pc]
	}
	return -1
}

// follow has a Lua thread ask the VM's hook before each instruction.
func (vm *VM) follow(thread *lua.LState) {
	if vm.debugger == nil {
		thread.SetContext(&vm.hook)
		return
	}
	thread.SetContext(&lineHook{hook: &vm.hook, debugger: vm.debugger, thread: thread})
}

// at is called before each line.
func (d *Debugger) at(L *lua.LState, f *frame) {
	if f.Fn.Proto.SourceName != scriptChunk {
		return
	}
	d.line = lineAt(f.Fn.Proto, f.Pc-1)
	reason := "step over"
	late := false
	switch {
	case d.pause:
		reason = "redis.breakpoint() called"
	case d.isBreakpoint(d.line):
		reason = "break point"
	case d.step:
	default:
		if d.lines++; d.lines%lookEvery != 0 || time.Since(d.resumed) < d.limit {
			return
		}
		late, reason = true, "timeout reached, infinite loop?"
	}
	d.step, d.pause = false, false
	d.show(fmt.Sprintf("* Stopped at %d, stop reason = %s", d.line, reason))
	d.showLine(d.line)
	d.flush()
	d.inside = true
	connected := d.converse(L)
	d.inside = false
	if !connected && (late || d.private) {
		d.vm.hook.stop("ERR timeout during Lua debugging with client closing connection")
	}
	d.resumed, d.lines = time.Now(), 0
}

// converse serves the client until it lets the script go on. False: it is gone, and the
// script goes on without stops.
func (d *Debugger) converse(L *lua.LState) (connected bool) {
	for {
		words, wrong := d.next()
		switch {
		case wrong != "":
			d.raise(L, wrong)
		case words == nil:
			d.step, d.breakpoints = false, nil
			return false
		}
		d.resumed, d.lines = time.Now(), 0
		if d.obey(L, words) {
			return true
		}
		d.flush()
	}
}

// raise ends the script, if it does not catch that.
func (d *Debugger) raise(L *lua.LState, message string) {
	d.inside = false
	d.vm.throwRedis(L, message)
}

// next is the next command. words nil: the client is gone. What it sent after the command
// is dropped: clients wait for replies.
func (d *Debugger) next() (words []string, wrong string) {
	for {
		var more bool
		words, more, wrong = parseConsole(d.input)
		switch {
		case wrong != "":
			return nil, wrong
		case !more:
			d.input = d.input[:0]
			return words, ""
		case len(d.input) > maxConsoleInput:
			d.input = nil
			return nil, "max client buffer reached"
		}
		var buf [1024]byte
		n, err := d.console.Read(buf[:])
		if err != nil {
			return nil, ""
		}
		d.input = append(d.input, buf[:n]...)
	}
}

// parseConsole cuts one command from what the client sent. more: there has to be more.
func parseConsole(input []byte) (words []string, more bool, wrong string) {
	const malformed = "protocol error"
	if len(input) == 0 {
		return nil, true, ""
	}
	start := bytes.IndexByte(input, '*')
	if start < 0 {
		return nil, false, malformed
	}
	rest := input[start:]
	number := func() (n int, complete bool) {
		end := bytes.Index(rest, []byte("\r\n"))
		if end < 0 {
			return 0, false
		}
		for _, digit := range rest[1:end] {
			if digit < '0' || digit > '9' || n > consoleWords {
				break
			}
			n = n*10 + int(digit-'0')
		}
		rest = rest[end+2:]
		return n, true
	}
	count, complete := number()
	switch {
	case !complete:
		return nil, true, ""
	case count <= 0 || count > consoleWords:
		return nil, false, malformed
	}
	for range count {
		if len(rest) == 0 {
			return nil, true, ""
		}
		if rest[0] != '$' {
			return nil, false, malformed
		}
		size, complete := number()
		switch {
		case !complete:
			return nil, true, ""
		case size <= 0 || size > consoleWords:
			return nil, false, malformed
		case size+2 > len(rest):
			return nil, true, ""
		case rest[size] != '\r' || rest[size+1] != '\n':
			return nil, false, malformed
		}
		words = append(words, string(rest[:size]))
		rest = rest[size+2:]
	}
	return words, false, ""
}

// show adds a line to what the client sees next.
func (d *Debugger) show(line string) {
	d.shown = append(d.shown, strings.NewReplacer("\r", " ", "\n", " ").Replace(line))
}

// showValue is show for what may be long.
func (d *Debugger) showValue(line string) {
	if d.maxLen == 0 || len(line) <= d.maxLen {
		d.show(line)
		return
	}
	d.show(line[:d.maxLen] + " ...")
	if !d.hinted {
		d.hinted = true
		d.show("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.")
	}
}

func (d *Debugger) flush() {
	d.console.Show(d.shown)
	d.shown = d.shown[:0]
}

// logs says whether the commands of the line that runs are shown.
func (d *Debugger) logs() bool { return d != nil && d.step }

// logError shows an error of the script's redis library.
func (d *Debugger) logError(message string) {
	if d.logs() {
		d.show("<error> " + message)
	}
}

// logCommand shows a command that the script calls.
func (d *Debugger) logCommand(args [][]byte) {
	const most = 10
	if !d.logs() {
		return
	}
	line := "<redis>"
	for i, arg := range args {
		if i == most {
			line += fmt.Sprintf(" ... (%d more)", len(args)-i-1)
			break
		}
		line += " " + string(arg)
	}
	d.show(line)
}

// logReply shows what a command replied.
func (d *Debugger) logReply(reply []byte) {
	if d.logs() {
		line, _ := appendReply([]byte("<reply> "), reply)
		d.showValue(string(line))
	}
}

func (d *Debugger) isBreakpoint(line int) bool {
	for _, b := range d.breakpoints {
		if b == line {
			return true
		}
	}
	return false
}

func (d *Debugger) showLine(n int) {
	text := "<out of range source code line>"
	if n >= 1 && n <= len(d.source) {
		text = d.source[n-1]
	}
	mark := "   "
	switch current, stops := n == d.line, d.isBreakpoint(n); {
	case current && stops:
		mark = "->#"
	case current:
		mark = "-> "
	case stops:
		mark = "  #"
	}
	d.show(fmt.Sprintf("%s%-3d %s", mark, n, text))
}
