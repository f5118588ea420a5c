package lua

import (
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Options are what an Engine runs with. The functions may be called from any
// goroutine.
type Options struct {
	// Version is the Redis version that scripts see, as "7.0.15".
	Version string
	// MemoryLimit is how many bytes scripts may take, and a string may have.
	MemoryLimit func() int
	// LooksAtAll says whether a command, in lower case, looks at all keys.
	LooksAtAll func(command string) bool
	// Stays says whether a command touches no keys but those of its arguments that are
	// Key, and can be refused or run under the locks of these.
	Stays func(Call) bool
	// Log is where libraries log to while they are loaded, at one of the levels
	// LogDebug to LogWarning.
	Log func(level int, message string)
}

// Engine runs scripts. All methods may be called from any goroutine.
type Engine struct {
	options Options
	null    *lua.LUserData // cjson.null

	scriptsMu  sync.RWMutex       // guards scripts; a leaf
	scripts    map[string]*Script // by digest
	generation atomic.Uint64      // raised by Flush
	libraries  atomic.Pointer[Libraries]

	mu   sync.Mutex // guards free; a leaf
	free [2][]*VM   // by kind
}

// Kinds of VM, which see different globals.
const (
	evalVM = iota
	functionVM
)

// maxFree is how many idle VMs of each kind are kept.
const maxFree = 16

// NewEngine returns an engine without scripts.
func NewEngine(o Options) *Engine {
	e := &Engine{options: o, null: &lua.LUserData{Metatable: lua.LNil}, scripts: make(map[string]*Script)}
	e.libraries.Store(&Libraries{})
	return e
}

// memoryLimit is at least what a VM needs to begin with.
func (e *Engine) memoryLimit() int { return max(e.options.MemoryLimit(), 1<<20) }

// Host is what a script asks of the server while it runs.
type Host interface {
	// Call runs a command and returns its reply in the RESP version, valid until
	// the next call. refused, if not empty, is why it was not run.
	Call(args [][]byte, version int) (reply []byte, refused string)
	// Allowed says whether the user may run a command, and whether there is one.
	Allowed(args [][]byte) (allowed, known bool)
	// Log writes to the server's log, at one of Redis's levels 0 to 3.
	Log(level int, message string)
	// Replicate says whether what Call changes from now on is replicated.
	Replicate(on bool)
	// Overtime is called when the script runs longer than Run.Limit.
	Overtime()
	// Unwound says why the script is to end without a result, after Call asked
	// for that; nothing can catch it.
	Unwound() bool
}

// Run is one execution of a script or function.
type Run struct {
	Host       Host
	Name       string // digest, or name of the function
	Function   bool
	Keys, Args [][]byte
	Limit      time.Duration // 0: none
	Debugger   *Debugger     // of a script; nil: it is not debugged
	vm         *VM
}

// Kill ends the run at its next instruction. It may be called from any
// goroutine, while the run is on the way.
func (r *Run) Kill() { r.vm.hook.kill.Store(true) }

// killedText is the error of a script that was killed.
func (r *Run) killedText() string { return "ERR Script killed by user with SCRIPT KILL..." }

func (r *Run) overtime() string {
	r.Host.Overtime()
	return ""
}

// Result is what a run came to. It is valid until Close.
type Result struct {
	Failure *Failure // nil: it has a value
	vm      *VM
	kind    int
	value   lua.LValue
	resp3   bool
}

// acquire takes an idle VM, or makes one.
func (e *Engine) acquire(kind int) *VM {
	e.mu.Lock()
	var vm *VM
	if n := len(e.free[kind]); n > 0 {
		vm = e.free[kind][n-1]
		e.free[kind] = e.free[kind][:n-1]
	}
	e.mu.Unlock()
	if vm == nil {
		vm = newVM(e, kind == functionVM)
	}
	return vm
}

func (e *Engine) release(kind int, vm *VM) {
	vm.run, vm.result = nil, Result{}
	vm.L.SetTop(0)
	if vm.hook.stopped != "" || vm.debugger != nil {
		return // it may hold much, or has the hooks of its debugger
	}
	if cap(vm.argbuf) > 64<<10 {
		vm.argbuf = nil
	}
	clear(vm.argv)
	if kind == evalVM {
		vm.fill(vm.keys, nil)
		vm.fill(vm.args, nil)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.free[kind]) < maxFree {
		e.free[kind] = append(e.free[kind], vm)
	}
}

// Eval runs a script.
func (e *Engine) Eval(s *Script, run *Run) *Result {
	vm := e.acquire(evalVM)
	vm.begin(run)
	limit := run.Limit
	if run.Debugger != nil {
		run.Debugger.vm, run.Debugger.resumed = vm, time.Now()
		vm.debugger = run.Debugger
		limit = 0 // the debugger stops it
	}
	if g := e.generation.Load(); g != vm.generation {
		clear(vm.chunks)
		vm.generation = g
	}
	fn := vm.chunks[s]
	if fn == nil {
		fn = vm.closure(s.proto)
		vm.chunks[s] = fn
	}
	if run.Debugger != nil {
		vm.follow(vm.L)
	}
	// No other script gets to see what this one does to them.
	vm.fill(vm.keys, run.Keys)
	vm.fill(vm.args, run.Args)
	vm.L.Push(fn)
	return e.finish(evalVM, vm, vm.call(0, limit))
}

// FCall runs a function.
func (e *Engine) FCall(f *Function, run *Run) *Result {
	vm := e.acquire(functionVM)
	vm.begin(run)
	callback, err := vm.function(f)
	if err != nil {
		return e.finish(functionVM, vm, &Failure{Text: "ERR " + err.Error()})
	}
	vm.L.Push(callback)
	keys, args := &lua.LTable{}, &lua.LTable{}
	vm.fill(keys, run.Keys)
	vm.fill(args, run.Args)
	vm.L.Push(keys)
	vm.L.Push(args)
	return e.finish(functionVM, vm, vm.call(2, run.Limit))
}

func (vm *VM) begin(run *Run) {
	run.vm, vm.run = vm, run
	vm.resp = 2
	vm.json.reset()
	vm.hook.begin(run.Limit)
}

func (e *Engine) finish(kind int, vm *VM, failure *Failure) *Result {
	r := &vm.result
	*r = Result{Failure: failure, vm: vm, kind: kind, value: lua.LNil, resp3: vm.resp == 3}
	if failure == nil {
		r.value = vm.L.Get(-1)
	}
	return r
}

// Close gives the VM back.
func (r *Result) Close() { r.vm.engine.release(r.kind, r.vm) }

// fill makes t a new array of strings, whatever it was.
func (vm *VM) fill(t *lua.LTable, values [][]byte) {
	*t = lua.LTable{Metatable: lua.LNil}
	if len(values) > 2 {
		*t = *newArray(vm.L, len(values))
	}
	for i, v := range values {
		setElement(t, i+1, lua.LString(v))
	}
}
