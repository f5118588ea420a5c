package lua

import (
	"fmt"
	"math/rand/v2"
	"time"

	lua "github.com/yuin/gopher-lua"
)

const (
	callStackSize   = 7000    // calls within calls
	registerSize    = 1 << 10 // values on the stack, at first
	registerMax     = 1 << 19
	registerStep    = 1 << 12
	maxProtected    = 199 // calls of pcall within each other: Lua's limit of C calls
	threadCalls     = 200 // calls within calls of a coroutine
	threadRegisters = 256
	threadBytes     = 32 << 10 // what a coroutine takes, about
)

// VM is one Lua state with the sandbox. It runs one script at a time.
type VM struct {
	engine *Engine
	L      *lua.LState
	hook   hook
	run    *Run

	debugger *Debugger // of the run; nil: nobody debugs it

	globals     *lua.LTable                 // the real ones; scripts see env
	env         *lua.LTable                 // a read-only view of them
	views       map[*lua.LTable]*lua.LTable // what is behind a read-only view, by its metatable
	intrinsics  []*lua.LFunction
	caught      *lua.LFunction // gives errors that pcall catches their text
	reported    *lua.LFunction // gives errors that end a script their source and line
	tooDeep     *lua.LFunction // what pcall calls beyond maxProtected
	protected   []int          // of each call that is protected, its first register
	globalsMeta *lua.LTable    // that of the globals, as scripts see it
	strings     *lua.LTable
	stringMeta  *lua.LTable    // the metatable of strings, as scripts see it
	inext       *lua.LFunction // what ipairs iterates with
	json        *jsonConfig
	keys, args  *lua.LTable // KEYS and ARGV of scripts

	chunks        map[*Script]*lua.LFunction
	libraries     map[string]*loaded
	librariesFull int    // as many as that: time to forget those that are gone
	generation    uint64 // of the engine's scripts, for which chunks were made
	loading       *loading
	loadGlobals   *lua.LTable // of a library while it is loaded

	resp   int // RESP version of redis.call
	random uint64
	argv   [][]byte
	argbuf []byte
	result Result
}

// newVM makes a state and locks its globals. functions says for which of EVAL
// and functions it is: redis has different members.
func newVM(e *Engine, functions bool) *VM {
	L := lua.NewState(lua.Options{
		SkipOpenLibs: true, CallStackSize: callStackSize,
		RegistrySize: registerSize, RegistryMaxSize: registerMax, RegistryGrowStep: registerStep,
	})
	// From here on they are those of coroutines.
	L.Options.CallStackSize, L.Options.RegistrySize = threadCalls, threadRegisters
	vm := &VM{
		engine: e, L: L, views: make(map[*lua.LTable]*lua.LTable),
		chunks: make(map[*Script]*lua.LFunction), libraries: make(map[string]*loaded),
	}
	vm.hook.vm, vm.hook.closed = vm, make(chan struct{})
	close(vm.hook.closed)
	vm.hook.begin(0)
	vm.random = rand.Uint64() & randomMask
	keepUpvalues(L)
	vm.globals = L.NewTable()
	vm.caught = L.NewFunction(vm.onCaught)
	vm.reported = L.NewFunction(vm.onReported)
	vm.tooDeep = L.NewFunction(func(L *lua.LState) int {
		throw(L, lua.LString("C stack overflow"))
		return 0
	})
	for _, fn := range []lua.LGFunction{vm.concat, vm.length, vm.forInit, vm.forLimit, vm.forStep} {
		vm.intrinsics = append(vm.intrinsics, L.NewFunction(fn))
	}
	vm.openBase()
	vm.openCoroutine()
	vm.openTable()
	vm.openString()
	vm.openMath()
	vm.openJSON()
	vm.openMessagePack()
	vm.openStruct()
	vm.openBit()
	vm.openRedis(functions)
	vm.openLoadGlobals()
	vm.lockGlobals()
	if !functions {
		vm.keys, vm.args = &lua.LTable{Metatable: lua.LNil}, &lua.LTable{Metatable: lua.LNil}
		vm.globals.RawSetString("KEYS", vm.keys)
		vm.globals.RawSetString("ARGV", vm.args)
	}
	L.SetContext(&vm.hook)
	return vm
}

// library makes a table of functions, and a global of it.
func (vm *VM) library(name string, functions map[string]lua.LGFunction) *lua.LTable {
	t := vm.L.CreateTable(0, len(functions))
	for name, fn := range functions {
		t.RawSetString(name, vm.L.NewFunction(fn))
	}
	vm.globals.RawSetString(name, t)
	return t
}

// lockGlobals shows the globals, and the libraries among them, through views
// that can't be changed. gopher-lua knows no read-only tables; a view is an empty
// table whose metatable finds the members and refuses changes.
func (vm *VM) lockGlobals() {
	L := vm.L
	locked := make(map[*lua.LTable]*lua.LTable)
	var names []string
	vm.globals.ForEach(func(k, v lua.LValue) {
		if _, ok := v.(*lua.LTable); ok {
			names = append(names, k.String())
		}
	})
	for _, name := range names {
		t := vm.globals.RawGetString(name).(*lua.LTable)
		if locked[t] == nil {
			locked[t] = vm.view(t)
		}
		vm.globals.RawSetString(name, locked[t])
	}
	meta := L.CreateTable(0, 1)
	meta.RawSetString("__index", L.NewFunction(vm.noSuchGlobal))
	vm.globals.Metatable = meta
	vm.globalsMeta = vm.view(meta)
	vm.stringMeta.RawSetString("__index", vm.globals.RawGetString("string"))
	vm.env = vm.view(vm.globals)
	vm.globals.RawSetString("_G", vm.env)
	L.Env, L.G.Global = vm.env, vm.env
}

// view makes a read-only view of t.
func (vm *VM) view(t *lua.LTable) *lua.LTable {
	meta := vm.L.CreateTable(0, 2)
	meta.RawSetString("__index", t)
	meta.RawSetString("__newindex", vm.L.NewFunction(vm.refuseChange))
	proxy := &lua.LTable{Metatable: meta}
	vm.views[meta] = t
	return proxy
}

// behind is the table that a library function is to read: t itself, or what t is
// a view of.
func (vm *VM) behind(t *lua.LTable) *lua.LTable {
	if meta, ok := t.Metatable.(*lua.LTable); ok {
		if real := vm.views[meta]; real != nil {
			return real
		}
	}
	return t
}

// changeable raises an error if t is read-only.
func (vm *VM) changeable(L *lua.LState, t *lua.LTable) {
	if vm.behind(t) != t {
		throw(L, lua.LString(errReadOnly))
	}
}

func (vm *VM) refuseChange(L *lua.LState) int {
	fail(L, errReadOnly)
	return 0
}

func (vm *VM) noSuchGlobal(L *lua.LState) int {
	switch name := L.Get(2).(type) {
	case lua.LString, lua.LNumber:
		fail(L, "Script attempted to access nonexistent global variable '%s'", stringOf(name))
	}
	fail(L, "Second argument to luaProtectedTableError must be a string or number")
	return 0
}

// closure makes the function of a compiled chunk.
func (vm *VM) closure(proto *lua.FunctionProto) *lua.LFunction { return vm.closureIn(vm.L, proto) }

// closureIn is closure, in one of the threads of the state.
func (vm *VM) closureIn(L *lua.LState, proto *lua.FunctionProto) *lua.LFunction {
	L.Push(L.NewFunctionFromProto(proto))
	for _, fn := range vm.intrinsics {
		L.Push(fn)
	}
	L.Call(len(vm.intrinsics), 1)
	fn := L.Get(-1).(*lua.LFunction)
	L.Pop(1)
	return fn
}

// protect calls the function below its nargs arguments on the stack. An error
// unwinds the stack to below the function and is given to handler, a Lua
// function, first.
func (vm *VM) protect(L *lua.LState, nargs, nret int, handler *lua.LFunction) (raised lua.LValue, ok bool) {
	base := registersOf(L).top - nargs - 1
	vm.protected = append(vm.protected, base)
	err := L.PCall(nargs, nret, handler)
	vm.protected = vm.protected[:len(vm.protected)-1]
	keepUpvalues(L)
	if err == nil {
		return lua.LNil, true
	}
	closeUpvalues(L, base)
	if e, isAPI := err.(*lua.ApiError); isAPI && e.Object != nil {
		if e.Type == lua.ApiErrorPanic {
			vm.engine.options.Log(LogWarning, "panic in a script: "+e.Object.String())
		}
		return e.Object, false
	}
	return lua.LString(err.Error()), false
}

// unwinding closes the upvalues of the functions that an error ends. Handlers call
// it: afterwards the registers are gone.
func (vm *VM) unwinding(L *lua.LState) { closeUpvalues(L, vm.protected[len(vm.protected)-1]) }

// onCaught is the handler of errors that a script catches.
func (vm *VM) onCaught(L *lua.LState) int {
	vm.unwinding(L)
	err := L.Get(1)
	if s, ok := err.(lua.LString); ok {
		err = lua.LString(translate(L, currentFrame(L).Parent, string(s)))
	}
	L.Push(err)
	return 1
}

// onReported is the handler of errors that end a script: it makes them a table
// and notes where they were raised.
func (vm *VM) onReported(L *lua.LState) int {
	vm.unwinding(L)
	f := currentFrame(L).Parent
	var t *lua.LTable
	switch err := L.Get(1).(type) {
	case *lua.LTable:
		t = err
	case lua.LString:
		t = vm.errorTable("ERR " + translate(L, f, string(err)))
	default:
		t = vm.errorTable("ERR " + vm.display(L, err))
	}
	if vm.hook.stopped != "" {
		t = vm.errorTable(vm.hook.stopped)
	}
	if f != nil && f.Fn.IsG {
		f = f.Parent // the script is to blame, not the library function
	}
	if f != nil && vm.behind(t) == t {
		source, line := "=[C]", -1
		if !f.Fn.IsG {
			source, line = "@"+f.Fn.Proto.SourceName, lineOf(f)
		}
		t.RawSetString("source", lua.LString(source))
		t.RawSetString("line", lua.LNumber(line))
	}
	L.Push(t)
	return 1
}

// Failure is an error that ended a script.
type Failure struct {
	Text    string // as it is replied
	Counted bool   // the command that failed has been counted as an error
}

// call runs a function that lies on the stack below its nargs arguments and leaves
// its result there.
func (vm *VM) call(nargs int, limit time.Duration) *Failure {
	vm.hook.begin(limit)
	raised, ok := vm.protect(vm.L, nargs, 1, vm.reported)
	if ok {
		return nil
	}
	return vm.failure(raised)
}

// failure reads what a script was ended by.
func (vm *VM) failure(raised lua.LValue) *Failure {
	t, ok := raised.(*lua.LTable)
	if !ok {
		text := "execution failure"
		if s, ok := raised.(lua.LString); ok {
			text = string(s)
		}
		return &Failure{Text: fmt.Sprintf("ERR Error running script %s, %.100s", vm.run.Name, text)}
	}
	f := vm.errorOf(t)
	line, source := t.RawGetString("line"), t.RawGetString("source")
	if line != lua.LNil && source != lua.LNil {
		f.Text += fmt.Sprintf(" script: %s, on %s:%s.", vm.run.Name, stringOf(source), stringOf(line))
	}
	return &f
}

// errorOf reads an error table.
func (vm *VM) errorOf(t *lua.LTable) (f Failure) {
	if v := t.RawGetString("err"); isString(v) {
		f.Text = stringOf(v)
	}
	counted, _ := t.RawGetString("ignore_error_stats_update").(lua.LBool)
	f.Counted = bool(counted)
	return f
}
