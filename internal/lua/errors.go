package lua

import (
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

var errStopped = errors.New("stopped")

const (
	errMemory   = "ERR not enough memory"
	errLoadTime = "ERR FUNCTION LOAD timeout"
	errReadOnly = "Attempt to modify a readonly table"
)

// stopError is what unwinds a script that was stopped.
func (vm *VM) stopError() *lua.ApiError {
	return &lua.ApiError{Type: lua.ApiErrorRun, Object: vm.errorTable(vm.hook.stopped)}
}

// errorTable is the form in which redis.call raises an error.
func (vm *VM) errorTable(text string) *lua.LTable {
	t := vm.L.CreateTable(0, 4)
	t.RawSetString("err", lua.LString(text))
	return t
}

// where is the place in the source of the function at a level, as luaL_where
// tells it: 0 is the one that runs.
func where(L *lua.LState, level int) string {
	f := currentFrame(L)
	for ; f != nil && level > 0; level-- {
		f = f.Parent
	}
	if f == nil || f.Fn.IsG {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", f.Fn.Proto.SourceName, lineOf(f))
}

func lineOf(f *frame) int {
	if lines := f.Fn.Proto.DbgSourcePositions; f.Pc > 0 && f.Pc <= len(lines) {
		return lines[f.Pc-1]
	}
	return -1
}

// throw raises a value.
func throw(L *lua.LState, v lua.LValue) {
	L.Error(v, 0)
}

// fail raises a message with the place of the function that called the library.
func fail(L *lua.LState, format string, args ...any) {
	throw(L, lua.LString(where(L, 1)+fmt.Sprintf(format, args...)))
}

// typeName is the type of v as Lua calls it.
func typeName(v lua.LValue) string {
	if u, ok := v.(*lua.LUserData); ok && u.Value == nil {
		return "userdata"
	}
	return v.Type().String()
}

// argError refuses argument n of the library function that runs.
func argError(L *lua.LState, n int, message string) {
	kind, name := calledAs(currentFrame(L))
	if name == "" {
		name = "?"
	}
	if kind == "method" {
		if n--; n == 0 {
			fail(L, "calling '%s' on bad self (%s)", name, message)
		}
	}
	fail(L, "bad argument #%d to '%s' (%s)", n, name, message)
}

func typeError(L *lua.LState, n int, want string) {
	got := "no value"
	if n <= L.GetTop() {
		got = typeName(L.Get(n))
	}
	argError(L, n, want+" expected, got "+got)
}

// calledAs is by what name the function of f was called: "global", "local",
// "method", "field", "upvalue" and the name, or nothing.
func calledAs(f *frame) (kind, name string) {
	caller := f.Parent
	if caller == nil || caller.Fn.IsG || f.TailCall > 0 {
		return "", ""
	}
	inst := instruction(caller, caller.Pc-1)
	switch opcode(inst) {
	case lua.OP_CALL, lua.OP_TAILCALL:
		return describe(caller, caller.Pc-1, argA(inst))
	}
	return "", ""
}

func instruction(f *frame, pc int) uint32 {
	if pc < 0 {
		return 0
	}
	return f.Fn.Proto.Code[pc]
}

// The fields of an instruction: 6 bits opcode, 8 A, 9 C, 9 B.
func opcode(i uint32) int { return int(i >> 26) }
func argA(i uint32) int   { return int(i>>18) & 0xff }
func argB(i uint32) int   { return int(i & 0x1ff) }
func argC(i uint32) int   { return int(i>>9) & 0x1ff }
func argBx(i uint32) int  { return int(i & 0x3ffff) }

const constantBit = 1 << 8

// describe says what variable is in a register at pc, as far as it can be seen
// from the code.
func describe(f *frame, pc, reg int) (kind, name string) {
	proto := f.Fn.Proto
	if name, ok := localName(proto, pc, reg); ok && !strings.HasPrefix(name, "(") {
		return "local", name
	}
	at := setter(proto, pc, reg)
	if at < 0 {
		return "", ""
	}
	inst := proto.Code[at]
	switch opcode(inst) {
	case lua.OP_MOVE, lua.OP_MOVEN:
		if b := argB(inst); b < reg {
			return describe(f, at, b)
		}
	case lua.OP_GETGLOBAL:
		return "global", proto.Constants[argBx(inst)].String()
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS:
		return "field", constantName(proto, argC(inst))
	case lua.OP_GETUPVAL:
		if b := argB(inst); b < len(proto.DbgUpvalues) {
			return "upvalue", proto.DbgUpvalues[b]
		}
	case lua.OP_SELF:
		return "method", constantName(proto, argC(inst))
	}
	return "", ""
}

// localName is the local variable that lives in a register at pc.
func localName(proto *lua.FunctionProto, pc, reg int) (string, bool) {
	for _, v := range proto.DbgLocals {
		if v.StartPc > pc {
			break
		}
		if pc < v.EndPc {
			if reg == 0 {
				return v.Name, true
			}
			reg--
		}
	}
	return "", false
}

func constantName(proto *lua.FunctionProto, c int) string {
	if c&constantBit != 0 {
		if s, ok := proto.Constants[c&^constantBit].(lua.LString); ok {
			return string(s)
		}
	}
	return "?"
}

// setter is the last instruction before pc that sets a register, or -1.
func setter(proto *lua.FunctionProto, pc, reg int) int {
	found := -1
	for i := 0; i < pc; i++ {
		inst := proto.Code[i]
		a, b := argA(inst), argB(inst)
		switch opcode(inst) {
		case lua.OP_LOADNIL:
			if a <= reg && reg <= b {
				found = i
			}
		case lua.OP_SELF:
			if reg == a || reg == a+1 {
				found = i
			}
		case lua.OP_CALL, lua.OP_TAILCALL:
			if reg >= a {
				found = i
			}
		case lua.OP_TFORLOOP:
			if reg >= a+3 {
				found = i
			}
		case lua.OP_JMP:
			if to := i + 1 + argBx(inst) - 0x1ffff; to > i && to <= pc {
				i = to - 1 // what it passes over did not run
			}
		case lua.OP_SETGLOBAL, lua.OP_SETUPVAL, lua.OP_SETTABLE, lua.OP_SETTABLEKS, lua.OP_EQ, lua.OP_LT,
			lua.OP_LE, lua.OP_TEST, lua.OP_RETURN, lua.OP_SETLIST, lua.OP_CLOSE, lua.OP_NOP:
		default:
			if reg == a {
				found = i
			}
		}
	}
	return found
}

// value reads a register or constant of f.
func value(L *lua.LState, f *frame, rk int) lua.LValue {
	if rk&constantBit != 0 {
		return f.Fn.Proto.Constants[rk&^constantBit]
	}
	regs := registersOf(L).array
	if i := f.LocalBase + rk; i < len(regs) && regs[i] != nil {
		return regs[i]
	}
	return lua.LNil
}

// complain is Lua's message about a register whose value can't be used so.
func complain(L *lua.LState, f *frame, rk int, use string) string {
	of := typeName(value(L, f, rk))
	if rk&constantBit == 0 {
		if kind, name := describe(f, f.Pc-1, rk); kind != "" {
			return fmt.Sprintf("attempt to %s %s '%s' (a %s value)", use, kind, name, of)
		}
	}
	return fmt.Sprintf("attempt to %s a %s value", use, of)
}

// translations are how gopher-lua's messages begin, and what Lua 5.1 says.
var translations = []struct {
	begins string
	means  func(L *lua.LState, f *frame, inst uint32, text string) string
}{
	{"attempt to index a non-table object", indexMessage},
	{"attempt to call a non-function object", callMessage},
	{"cannot perform ", arithmeticMessage},
	{"__unm undefined", func(L *lua.LState, f *frame, inst uint32, _ string) string {
		return complain(L, f, argB(inst), "perform arithmetic on")
	}},
	{"attempt to compare ", compareMessage},
	{"registry overflow", func(*lua.LState, *frame, uint32, string) string { return "stack overflow" }},
	{"too many recursions in gettable", func(*lua.LState, *frame, uint32, string) string { return "loop in gettable" }},
	{"too many recursions in settable", func(*lua.LState, *frame, uint32, string) string { return "loop in settable" }},
}

// translate gives the message of an error that gopher-lua raised in the frame f
// in the words of Lua 5.1.
func translate(L *lua.LState, f *frame, text string) string {
	if f == nil || f.Fn.IsG {
		return text
	}
	place := fmt.Sprintf("%s:%d: ", f.Fn.Proto.SourceName, lineOf(f))
	said, ok := strings.CutPrefix(text, place)
	if !ok {
		return text
	}
	for _, t := range translations {
		if strings.HasPrefix(said, t.begins) {
			return place + t.means(L, f, instruction(f, f.Pc-1), said)
		}
	}
	return text
}

func indexMessage(L *lua.LState, f *frame, inst uint32, text string) string {
	switch opcode(inst) {
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS, lua.OP_SELF:
		return complain(L, f, argB(inst), "index")
	case lua.OP_SETTABLE, lua.OP_SETTABLEKS:
		return complain(L, f, argA(inst), "index")
	}
	_, of, _ := strings.Cut(text, "(")
	of, _, _ = strings.Cut(of, ")")
	return "attempt to index a " + of + " value"
}

func callMessage(L *lua.LState, f *frame, inst uint32, _ string) string {
	if opcode(inst) == lua.OP_TFORLOOP {
		return fmt.Sprintf("attempt to call a %s value", typeName(value(L, f, argA(inst))))
	}
	return complain(L, f, argA(inst), "call")
}

func arithmeticMessage(L *lua.LState, f *frame, inst uint32, _ string) string {
	operand := argB(inst)
	if _, ok := toNumber(value(L, f, operand)); ok {
		operand = argC(inst) // the first one that is no number is to blame
	}
	return complain(L, f, operand, "perform arithmetic on")
}

func compareMessage(_ *lua.LState, _ *frame, _ uint32, text string) string {
	a, b, _ := strings.Cut(strings.TrimPrefix(text, "attempt to compare "), " with ")
	if a == b {
		return "attempt to compare two " + a + " values"
	}
	return text
}
