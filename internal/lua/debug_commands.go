package lua

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const evalChunk = "ldb_eval"

// debugHelp is what the debugger's help says.
var debugHelp = []string{
	"Redis Lua debugger help:",
	"[h]elp               Show this help.",
	"[s]tep               Run current line and stop again.",
	"[n]ext               Alias for step.",
	"[c]ontinue           Run till next breakpoint.",
	"[l]ist               List source code around current line.",
	"[l]ist [line]        List source code around [line].",
	"                     line = 0 means: current position.",
	"[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
	"                     to show before/after [line].",
	"[w]hole              List all source code. Alias for 'list 1 1000000'.",
	"[p]rint              Show all the local variables.",
	"[p]rint <var>        Show the value of the specified variable.",
	"                     Can also show global vars KEYS and ARGV.",
	"[b]reak              Show all breakpoints.",
	"[b]reak <line>       Add a breakpoint to the specified line.",
	"[b]reak -<line>      Remove breakpoint from the specified line.",
	"[b]reak 0            Remove all breakpoints.",
	"[t]race              Show a backtrace.",
	"[e]val <code>        Execute some Lua code (in a different callframe).",
	"[r]edis <cmd>        Execute a Redis command.",
	"[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.",
	"                     Specifying zero as <len> means unlimited.",
	"[a]bort              Stop the execution of the script. In sync",
	"                     mode dataset changes will be retained.",
	"",
	"Debugger functions you can call from Lua scripts:",
	"redis.debug()        Produce logs in the debugger console.",
	"redis.breakpoint()   Stop execution like if there was a breakpoint in the",
	"                     next line of code.",
}

// obey executes a command of the client. goOn: the script runs on.
func (d *Debugger) obey(L *lua.LState, words []string) (goOn bool) {
	switch strings.ToLower(words[0]) {
	case "h", "help":
		d.shown = append(d.shown, debugHelp...)
		return false
	case "s", "step", "n", "next":
		d.step = true
		return true
	case "c", "continue":
		return true
	case "t", "trace":
		d.trace(L)
		return false
	case "m", "maxlen":
		d.setMaxLen(words)
		return false
	case "b", "break":
		d.changeBreakpoints(words)
		return false
	case "e", "eval":
		d.evaluate(L, strings.Join(words[1:], " "))
		return false
	case "a", "abort":
		d.raise(L, "script aborted for user request")
	case "r", "redis":
		if len(words) > 1 {
			d.call(L, words[1:])
			return false
		}
	case "p", "print":
		if len(words) == 2 {
			d.printOne(L, words[1])
		} else {
			d.printAll(L)
		}
		return false
	case "l", "list":
		around, context := d.line, 5
		if len(words) > 1 {
			if n := leadingInt(words[1]); n > 0 {
				around = n
			}
		}
		if len(words) > 2 {
			context = leadingInt(words[2])
		}
		d.list(around, context)
		return false
	case "w", "whole":
		d.list(1, 1_000_000)
		return false
	}
	d.show("<error> Unknown Redis Lua debugger command or wrong number of arguments.")
	return false
}

// leadingInt is the number that a word begins with, or 0.
func leadingInt(word string) int {
	end := 0
	for end < len(word) && end < 10 && (word[end] >= '0' && word[end] <= '9' || end == 0 && word[0] == '-') {
		end++
	}
	n, _ := strconv.Atoi(word[:end])
	return n
}

func (d *Debugger) list(around, context int) {
	for n := range len(d.source) {
		if distance := n + 1 - around; max(distance, -distance) <= context {
			d.showLine(n + 1)
		}
	}
}

func (d *Debugger) changeBreakpoints(words []string) {
	if len(words) == 1 {
		if len(d.breakpoints) == 0 {
			d.show("No breakpoints set. Use 'b <line>' to add one.")
			return
		}
		d.show(fmt.Sprintf("%d breakpoints set:", len(d.breakpoints)))
		for _, line := range d.breakpoints {
			d.showLine(line)
		}
		return
	}
	for _, word := range words[1:] {
		switch line, err := strconv.Atoi(word); {
		case err != nil || word[0] == '+':
			d.show("Invalid argument:'" + word + "'")
		case line == 0:
			d.breakpoints = nil
			d.show("All breakpoints removed.")
		case line < 0:
			at := slices.Index(d.breakpoints, -line)
			if at < 0 {
				d.show("No breakpoint in the specified line.")
				continue
			}
			d.breakpoints = slices.Delete(d.breakpoints, at, at+1)
			d.show("Breakpoint removed.")
		case len(d.breakpoints) == maxBreakpoints:
			d.show("Too many breakpoints set.")
		case line > len(d.source):
			d.show("Wrong line number.")
		default:
			if !d.isBreakpoint(line) {
				d.breakpoints = append(d.breakpoints, line)
			}
			d.list(line, 1)
		}
	}
}

func (d *Debugger) setMaxLen(words []string) {
	if len(words) == 2 {
		d.hinted = true // the client knows of it
		if d.maxLen = leadingInt(words[1]); d.maxLen != 0 {
			d.maxLen = max(d.maxLen, leastMaxLen)
		}
	}
	if d.maxLen == 0 {
		d.show("<value> replies are unlimited.")
	} else {
		d.show(fmt.Sprintf("<value> replies are truncated at %d bytes.", d.maxLen))
	}
}

// trace shows the functions of the script that are being called.
func (d *Debugger) trace(L *lua.LState) {
	from := "In"
	for f := currentFrame(L); f != nil; f = f.Parent {
		if f.Fn.IsG || f.Fn.Proto.SourceName != scriptChunk {
			from = "From"
			continue
		}
		_, name := calledAs(f)
		if name == "" {
			name = "top level"
		}
		d.show(from + " " + name + ":")
		d.showLine(lineOf(f))
		from = "From"
	}
}

// locals calls each with the names and values of the local variables of a frame, in the
// order of the source, until that returns false.
func locals(L *lua.LState, f *frame, each func(name string, value lua.LValue) bool) {
	if f.Fn.IsG {
		return
	}
	for reg := 0; ; reg++ {
		proto := f.Fn.Proto
		name, ok := localName(proto, f.Pc-1, reg)
		if reg == 0 && name == "arg" && proto.IsVarArg&^lua.VarArgNeedsArg == proto.IsVarArg && proto.IsVarArg != 0 {
			continue // the table of arguments that a chunk does not have (compile)
		}
		if !ok || !each(name, value(L, f, reg)) {
			return
		}
	}
}

// printOne shows a local variable of the function that runs, or else of those that called
// it, or KEYS or ARGV.
func (d *Debugger) printOne(L *lua.LState, wanted string) {
	for f := currentFrame(L); f != nil; f = f.Parent {
		found := false
		locals(L, f, func(name string, v lua.LValue) bool {
			if found = name == wanted; found {
				d.printValue("<value> ", v)
			}
			return !found
		})
		if found {
			return
		}
	}
	if wanted == "KEYS" || wanted == "ARGV" {
		d.printValue("<value> ", d.vm.globals.RawGetString(wanted))
		return
	}
	d.show("No such variable.")
}

func (d *Debugger) printAll(L *lua.LState) {
	any := false
	locals(L, currentFrame(L), func(name string, v lua.LValue) bool {
		any = true
		d.printValue("<value> "+name+" = ", v)
		return true
	})
	if !any {
		d.show("No local variables in the current context.")
	}
}

// evaluate runs code of the client: an expression, whose value it shows, or else statements.
func (d *Debugger) evaluate(L *lua.LState, code string) {
	_, proto, err := compile("return "+code, evalChunk)
	if err != nil {
		_, proto, err = compile(code, evalChunk)
	}
	if err != nil {
		d.show("<error> " + err.Error())
		return
	}
	top := L.GetTop()
	defer L.SetTop(top)
	L.Push(d.vm.closureIn(L, proto))
	if raised, ok := d.vm.protect(L, 0, 1, d.vm.caught); !ok {
		d.show("<error> " + d.errorText(raised))
		return
	}
	d.printValue("<retval> ", L.Get(-1))
}

// errorText is what an error says; Redis 7.0 crashes when it is that of a command.
func (d *Debugger) errorText(raised lua.LValue) string {
	switch {
	case d.vm.hook.stopped != "":
		return d.vm.hook.stopped
	case isString(raised):
		return stringOf(raised)
	}
	if t, ok := raised.(*lua.LTable); ok {
		return d.vm.errorOf(t).Text
	}
	return "(" + typeName(raised) + ")"
}

// call runs a command of the server for the client. The command and its reply are shown as
// those of the script are.
func (d *Debugger) call(L *lua.LState, words []string) {
	top := L.GetTop()
	defer L.SetTop(top)
	L.Push(L.NewFunction(func(L *lua.LState) int { return d.vm.redisCall(L, true) }))
	for _, word := range words {
		L.Push(lua.LString(word))
	}
	d.step = true // so that it shows them
	d.vm.protect(L, len(words), 1, d.vm.caught)
	d.step = false
}
