package lua

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openBase makes the globals of Lua's base library that Redis leaves to scripts.
func (vm *VM) openBase() {
	for name, fn := range map[string]lua.LGFunction{
		"assert":         vm.assert,
		"collectgarbage": collectGarbage,
		"error":          vm.raise,
		"gcinfo":         gcInfo,
		"getmetatable":   vm.getmetatable,
		"ipairs":         vm.ipairs,
		"load":           vm.load,
		"loadstring":     vm.loadstring,
		"next":           vm.next,
		"pairs":          vm.pairs,
		"pcall":          vm.pcall,
		"rawequal":       rawequal,
		"rawget":         vm.rawget,
		"rawset":         vm.rawset,
		"select":         selectArgs,
		"setmetatable":   vm.setmetatable,
		"tonumber":       tonumber,
		"tostring":       vm.tostring,
		"type":           typeOf,
		"unpack":         vm.unpack,
		"xpcall":         vm.xpcall,
	} {
		vm.globals.RawSetString(name, vm.L.NewFunction(fn))
	}
	vm.globals.RawSetString("_VERSION", lua.LString("Lua 5.1"))
	vm.inext = vm.L.NewFunction(vm.ipairsNext)
}

func (vm *VM) assert(L *lua.LState) int {
	if lua.LVAsBool(checkAny(L, 1)) {
		return L.GetTop()
	}
	message := "assertion failed!"
	if !isNone(L, 2) {
		message = checkString(L, 2)
	}
	fail(L, "%s", message)
	return 0
}

// collectGarbage answers as Lua does. Collecting is Go's business.
func collectGarbage(L *lua.LState) int {
	option := "collect"
	if !isNone(L, 1) {
		option = checkString(L, 1)
	}
	switch option {
	case "collect", "stop", "restart", "setpause", "setstepmul":
		L.Push(lua.LNumber(0))
	case "step":
		L.Push(lua.LTrue)
	case "count":
		return gcInfo(L)
	default:
		argError(L, 1, fmt.Sprintf("invalid option '%s'", option))
	}
	return 1
}

func gcInfo(L *lua.LState) int {
	L.Push(lua.LNumber(heapBytes() / 1024))
	return 1
}

func (vm *VM) raise(L *lua.LState) int {
	level := int(optInteger(L, 2, 1))
	v := L.Get(1)
	if isString(v) && level > 0 {
		v = lua.LString(where(L, level) + stringOf(v))
	}
	throw(L, v)
	return 0
}

func (vm *VM) getmetatable(L *lua.LState) int {
	meta := L.GetMetatable(checkAny(L, 1))
	if t, ok := meta.(*lua.LTable); ok {
		if vm.views[t] != nil {
			meta = lua.LNil // of a view: an implementation detail
			if L.Get(1) == vm.env {
				meta = vm.globalsMeta
			}
		} else if visible := t.RawGetString("__metatable"); visible != lua.LNil {
			meta = visible
		}
	}
	L.Push(meta)
	return 1
}

func (vm *VM) setmetatable(L *lua.LState) int {
	t := checkTable(L, 1)
	meta := L.Get(2)
	if _, ok := meta.(*lua.LTable); !ok && (meta != lua.LNil || L.GetTop() < 2) {
		argError(L, 2, "nil or table expected")
	}
	if old, ok := t.Metatable.(*lua.LTable); ok && old.RawGetString("__metatable") != lua.LNil {
		fail(L, "cannot change a protected metatable")
	}
	vm.changeable(L, t)
	t.Metatable = meta
	L.SetTop(1)
	return 1
}

func (vm *VM) ipairs(L *lua.LState) int {
	t := checkTable(L, 1)
	L.Push(vm.inext)
	L.Push(vm.behind(t))
	L.Push(lua.LNumber(0))
	return 3
}

func (vm *VM) ipairsNext(L *lua.LState) int {
	t := checkTable(L, 1)
	i := checkInt(L, 2) + 1
	v := element(t, i)
	if v == lua.LNil {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(lua.LNumber(i))
	L.Push(v)
	return 2
}

func (vm *VM) pairs(L *lua.LState) int {
	t := checkTable(L, 1)
	L.Push(vm.globals.RawGetString("next"))
	L.Push(t)
	L.Push(lua.LNil)
	return 3
}

func (vm *VM) next(L *lua.LState) int {
	t := vm.behind(checkTable(L, 1))
	key := L.Get(2)
	k, v := t.Next(key)
	if k == lua.LNil {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(k)
	L.Push(v)
	return 2
}

// pcall is Redis's: of an error table it gives the message, as before Redis 7.
func (vm *VM) pcall(L *lua.LState) int {
	if L.GetTop() == 0 {
		L.Push(lua.LFalse) // there, too, something else is called in its place
	}
	fn := L.Get(1)
	if _, ok := fn.(*lua.LFunction); !ok && L.GetMetaField(fn, "__call") == lua.LNil {
		L.SetTop(0)
		L.Push(lua.LFalse)
		L.Push(lua.LString("attempt to call a " + typeName(fn) + " value"))
		return 2
	}
	if len(vm.protected) >= maxProtected {
		L.Replace(1, vm.tooDeep)
	}
	raised, ok := vm.protect(L, L.GetTop()-1, lua.MultRet, vm.caught)
	if !ok {
		vm.rethrowStop()
		if t, isTable := raised.(*lua.LTable); isTable {
			if text := L.GetField(t, "err"); isString(text) {
				raised = text
			}
		}
		L.SetTop(0)
		L.Push(lua.LFalse)
		L.Push(raised)
		return 2
	}
	L.Insert(lua.LTrue, 1)
	return L.GetTop()
}

// rethrowStop goes on unwinding when the script was stopped: nothing catches
// that.
func (vm *VM) rethrowStop() {
	if vm.hook.stopped != "" {
		panic(vm.stopError())
	}
}

func (vm *VM) xpcall(L *lua.LState) int {
	fn, handler := L.Get(1), checkAny(L, 2)
	onError := L.NewFunction(func(L *lua.LState) int {
		vm.onCaught(L)
		err := L.Get(-1)
		L.SetTop(0)
		if _, ok := handler.(*lua.LFunction); !ok {
			throw(L, err)
		}
		L.Push(handler)
		L.Push(err)
		L.Call(1, 1)
		return 1
	})
	L.SetTop(0)
	if len(vm.protected) >= maxProtected {
		fn = vm.tooDeep
	}
	L.Push(fn)
	raised, ok := vm.protect(L, 0, lua.MultRet, onError)
	if !ok {
		vm.rethrowStop()
		L.SetTop(0)
		L.Push(lua.LFalse)
		L.Push(raised)
		return 2
	}
	L.Insert(lua.LTrue, 1)
	return L.GetTop()
}

func rawequal(L *lua.LState) int {
	L.Push(lua.LBool(L.RawEqual(checkAny(L, 1), checkAny(L, 2))))
	return 1
}

func (vm *VM) rawget(L *lua.LState) int {
	t := checkTable(L, 1)
	L.Push(vm.behind(t).RawGet(checkAny(L, 2)))
	return 1
}

func (vm *VM) rawset(L *lua.LState) int {
	t := checkTable(L, 1)
	key, v := checkAny(L, 2), checkAny(L, 3)
	vm.changeable(L, t)
	checkKey(L, key)
	t.RawSet(key, v)
	L.SetTop(1)
	return 1
}

// checkKey refuses what can't be a key.
func checkKey(L *lua.LState, key lua.LValue) {
	if key == lua.LNil {
		throw(L, lua.LString("table index is nil"))
	}
	if n, ok := key.(lua.LNumber); ok && n != n {
		throw(L, lua.LString("table index is NaN"))
	}
}

func selectArgs(L *lua.LState) int {
	n := L.GetTop()
	if s, ok := L.Get(1).(lua.LString); ok && strings.HasPrefix(string(s), "#") {
		L.Push(lua.LNumber(n - 1))
		return 1
	}
	i := checkInt(L, 1)
	if i < 0 {
		i += n
	} else if i > n {
		i = n
	}
	if i < 1 {
		argError(L, 1, "index out of range")
	}
	return n - i
}

func tonumber(L *lua.LState) int {
	base := int(optInteger(L, 2, 10))
	if base == 10 {
		if f, ok := toNumber(checkAny(L, 1)); ok {
			L.Push(lua.LNumber(f))
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}
	s := checkString(L, 1)
	if base < 2 || base > 36 {
		argError(L, 2, "base out of range")
	}
	if v, ok := parseBase(s, base); ok {
		L.Push(lua.LNumber(v))
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

// parseBase is C's strtoul, of the whole string.
func parseBase(s string, base int) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if base == 16 && len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		s = s[2:]
	}
	if s == "" {
		return 0, false
	}
	var v uint64
	overflow := false
	for i := range len(s) {
		c := int(s[i])
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		if c >= base {
			return 0, false
		}
		if v > (1<<64-1-uint64(c))/uint64(base) {
			overflow = true
		}
		v = v*uint64(base) + uint64(c)
	}
	if overflow {
		return 1 << 64, true
	}
	if negative {
		v = -v
	}
	return float64(v), true
}

func (vm *VM) tostring(L *lua.LState) int {
	v := checkAny(L, 1)
	if fn, ok := L.GetMetaField(v, "__tostring").(*lua.LFunction); ok {
		L.Push(fn)
		L.Push(v)
		L.Call(1, 1)
		return 1
	}
	L.Push(lua.LString(vm.display(L, v)))
	return 1
}

// display is tostring without metatables.
func (vm *VM) display(_ *lua.LState, v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return formatNumber(float64(v))
	case lua.LBool, *lua.LNilType:
		return v.String()
	case *lua.LUserData:
		if v == vm.engine.null {
			return "userdata: (nil)"
		}
		if v.Value == nil {
			return fmt.Sprintf("userdata: %p", v)
		}
	case *lua.LFunction:
		if v.IsG {
			return fmt.Sprintf("function: builtin: %p", v)
		}
	}
	return fmt.Sprintf("%s: %p", typeName(v), v)
}

func typeOf(L *lua.LState) int {
	L.Push(lua.LString(typeName(checkAny(L, 1))))
	return 1
}

// maxUnpack is LUAI_MAXCSTACK: how many values a C function may return.
const maxUnpack = 8000

func (vm *VM) unpack(L *lua.LState) int {
	t := vm.behind(checkTable(L, 1))
	first := optInteger(L, 2, 1)
	var last int64
	if isNone(L, 3) {
		last = int64(length(t))
	} else {
		last = checkInteger(L, 3)
	}
	first, last = int64(int32(first)), int64(int32(last))
	if first > last {
		return 0
	}
	if last-first >= maxUnpack-int64(L.GetTop()) {
		fail(L, "too many results to unpack")
	}
	for i := first; i <= last; i++ {
		L.Push(element(t, int(i)))
	}
	return int(last - first + 1)
}

func (vm *VM) loadstring(L *lua.LState) int {
	source := checkString(L, 1)
	name := source
	if !isNone(L, 2) {
		name = checkString(L, 2)
	}
	return vm.loadChunk(L, source, name)
}

func (vm *VM) load(L *lua.LState) int {
	fn := checkFunction(L, 1)
	name := "=(load)"
	if !isNone(L, 2) {
		name = checkString(L, 2)
	}
	var source strings.Builder
	for {
		L.Push(fn)
		L.Call(0, 1)
		piece := L.Get(-1)
		L.Pop(1)
		if piece == lua.LNil || piece == lua.LString("") {
			break
		}
		if !isString(piece) {
			fail(L, "reader function must return a string")
		}
		s := stringOf(piece)
		vm.alloc(source.Len() + len(s))
		source.WriteString(s)
	}
	return vm.loadChunk(L, source.String(), name)
}

func (vm *VM) loadChunk(L *lua.LState, source, name string) int {
	vm.alloc(len(source))
	_, proto, err := compile(source, chunkName(name))
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(err.Error()))
		return 2
	}
	L.Push(vm.closure(proto))
	return 1
}

// chunkName is how messages call a chunk of that name.
func chunkName(name string) string {
	const room = 60
	if strings.HasPrefix(name, "=") || strings.HasPrefix(name, "@") {
		return name[1:min(len(name), room)]
	}
	line, _, cut := strings.Cut(name, "\n")
	const most = room - len(`[string "..."]`) - 1
	if len(line) > most {
		line, cut = line[:most], true
	}
	if cut {
		line += "..."
	}
	return `[string "` + line + `"]`
}

// openCoroutine takes gopher-lua's library: it switches frames. Ours follow the
// hook, and are small.
func (vm *VM) openCoroutine() {
	L := vm.L
	L.Env, L.G.Global = vm.globals, vm.globals
	L.Push(L.NewFunction(lua.OpenCoroutine))
	L.Call(0, 0)
	t := vm.globals.RawGetString("coroutine").(*lua.LTable)
	create := t.RawGetString("create").(*lua.LFunction).GFunction
	wrap := t.RawGetString("wrap").(*lua.LFunction).GFunction
	t.RawSetString("create", L.NewFunction(func(L *lua.LState) int {
		vm.alloc(threadBytes)
		checkLuaFunction(L)
		n := create(L)
		vm.adopt(L.Get(-1).(*lua.LState))
		return n
	}))
	resume := t.RawGetString("resume").(*lua.LFunction).GFunction
	t.RawSetString("resume", L.NewFunction(func(L *lua.LState) int {
		if thread, ok := L.Get(1).(*lua.LState); ok && thread.Dead {
			L.Push(lua.LFalse)
			L.Push(lua.LString("cannot resume dead coroutine"))
			return 2
		}
		return resume(L)
	}))
	t.RawSetString("wrap", L.NewFunction(func(L *lua.LState) int {
		vm.alloc(threadBytes)
		checkLuaFunction(L)
		n := wrap(L)
		vm.adopt(L.Get(-1).(*lua.LFunction).Upvalues[0].Value().(*lua.LState))
		return n
	}))
}

func checkLuaFunction(L *lua.LState) {
	if fn, ok := L.Get(1).(*lua.LFunction); !ok || fn.IsG {
		argError(L, 1, "Lua function expected")
	}
}

func (vm *VM) adopt(thread *lua.LState) {
	vm.follow(thread)
	keepUpvalues(thread)
}
