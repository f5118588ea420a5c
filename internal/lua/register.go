package lua

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openLoadGlobals makes the globals that a library has while it is loaded: redis,
// with little in it.
func (vm *VM) openLoadGlobals() {
	L := vm.L
	missing := L.CreateTable(0, 1)
	missing.RawSetString("__index", L.NewFunction(vm.noSuchGlobal))
	redis := L.CreateTable(0, 8)
	redis.RawSetString("register_function", L.NewFunction(vm.registerFunction))
	redis.RawSetString("log", L.NewFunction(vm.redisLog))
	vm.describeServer(redis)
	redis.Metatable = missing
	vm.loadGlobals = L.CreateTable(0, 1)
	vm.loadGlobals.RawSetString("redis", vm.view(redis))
	vm.loadGlobals.Metatable = missing
}

// registration is what redis.register_function is given.
type registration struct {
	*Function
	callback *lua.LFunction
	named    bool
}

func (vm *VM) registerFunction(L *lua.LState) int {
	if vm.loading == nil {
		vm.throwRedis(L, "redis.register_function can only be called on FUNCTION LOAD command")
	}
	r := registration{Function: &Function{}}
	var wrong string
	switch L.GetTop() {
	case 1:
		wrong = r.readNamed(L.Get(1))
	case 2:
		wrong = r.readPositional(L.Get(1), L.Get(2))
	default:
		wrong = "wrong number of arguments to redis.register_function"
	}
	if wrong != "" {
		vm.throwRedis(L, wrong)
	}
	if !validName(r.Name) {
		vm.throwRedis(L, errBadName.Error())
	}
	if vm.loading.callbacks[r.Name] != nil {
		vm.throwRedis(L, "Function already exists in the library")
	}
	f := r.Function
	f.Library = vm.loading.library
	vm.loading.registered = append(vm.loading.registered, f)
	vm.loading.callbacks[f.Name] = r.callback
	return 0
}

func (r *registration) readPositional(name, callback lua.LValue) (wrong string) {
	if !isString(name) {
		return "first argument to redis.register_function must be a string"
	}
	fn, ok := callback.(*lua.LFunction)
	if !ok {
		return "second argument to redis.register_function must be a function"
	}
	r.Name, r.callback = stringOf(name), fn
	return ""
}

func (r *registration) readNamed(arg lua.LValue) (wrong string) {
	t, ok := arg.(*lua.LTable)
	if !ok {
		return "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."
	}
	each(t, func(k, v lua.LValue) bool {
		wrong = r.set(k, v)
		return wrong == ""
	})
	switch {
	case wrong != "":
	case !r.named:
		wrong = "redis.register_function must get a function name argument"
	case r.callback == nil:
		wrong = "redis.register_function must get a callback argument"
	}
	return wrong
}

// set takes one named argument.
func (r *registration) set(k, v lua.LValue) (wrong string) {
	if !isString(k) {
		return "named argument key given to redis.register_function is not a string"
	}
	switch strings.ToLower(stringOf(k)) {
	case "function_name":
		if !isString(v) {
			return "function_name argument given to redis.register_function must be a string"
		}
		r.Name, r.named = stringOf(v), true
	case "description":
		if !isString(v) {
			return "description argument given to redis.register_function must be a string"
		}
		r.Description, r.Described = stringOf(v), true
	case "callback":
		fn, ok := v.(*lua.LFunction)
		if !ok {
			return "callback argument given to redis.register_function must be a function"
		}
		r.callback = fn
	case "flags":
		flags, ok := v.(*lua.LTable)
		if !ok {
			return "flags argument to redis.register_function must be a table representing function flags"
		}
		for i := 1; element(flags, i) != lua.LNil; i++ {
			flag, known := flagNamed(strings.ToLower(stringOf(element(flags, i))))
			if !known {
				return "unknown flag given"
			}
			r.Flags |= flag
		}
	default:
		return "unknown argument given to redis.register_function"
	}
	return ""
}
