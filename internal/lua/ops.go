package lua

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// The operations that the compiler turns into calls (see package syntax), and
// arithmetic on strings.

// concat is a .. b .. c: numbers print as Lua prints them, and the length of the
// result is looked at before it is made.
func (vm *VM) concat(L *lua.LState) int {
	n := L.GetTop()
	total := 0
	for i := 1; i <= n; i++ {
		switch v := L.Get(i).(type) {
		case lua.LString:
			total += len(v)
		case lua.LNumber:
			total += len("-1.7976931348623e+308")
		default:
			return vm.concatSlowly(L)
		}
	}
	vm.alloc(total)
	buf := make([]byte, 0, total)
	for i := 1; i <= n; i++ {
		buf = appendString(buf, L.Get(i))
	}
	L.Push(lua.LString(ownedString(buf)))
	return 1
}

func appendString(buf []byte, v lua.LValue) []byte {
	switch v := v.(type) {
	case lua.LString:
		return append(buf, v...)
	case lua.LNumber:
		return appendNumber(buf, float64(v), 14)
	}
	return buf
}

// concatSlowly has operands with metatables, or an error.
func (vm *VM) concatSlowly(L *lua.LState) int {
	n := L.GetTop()
	right := L.Get(n)
	for i := n - 1; i >= 1; i-- {
		left := L.Get(i)
		if isString(left) && isString(right) {
			a, b := stringOf(left), stringOf(right)
			vm.alloc(len(a) + len(b))
			right = lua.LString(a + b)
			continue
		}
		fn := L.GetMetaField(left, "__concat")
		if fn == lua.LNil {
			fn = L.GetMetaField(right, "__concat")
		}
		if fn == lua.LNil {
			at := i
			if isString(left) {
				at = i + 1
			}
			vm.operandError(L, at, L.Get(at), "concatenate")
		}
		L.Push(fn)
		L.Push(left)
		L.Push(right)
		L.Call(2, 1)
		right = L.Get(-1)
		L.Pop(1)
	}
	L.Push(right)
	return 1
}

// operandError complains of argument n of the intrinsic that runs, by the name
// of the variable in the caller's code.
func (vm *VM) operandError(L *lua.LState, n int, v lua.LValue, use string) {
	f := currentFrame(L).Parent
	what := ""
	if f != nil && !f.Fn.IsG {
		// The arguments lie behind the function.
		at := argA(instruction(f, f.Pc-1)) + n
		if kind, name := describe(f, f.Pc-1, at); kind != "" {
			what = fmt.Sprintf(" %s '%s' (a %s value)", kind, name, typeName(v))
		}
	}
	if what == "" {
		what = fmt.Sprintf(" a %s value", typeName(v))
	}
	fail(L, "attempt to %s%s", use, what)
}

// length is #a.
func (vm *VM) length(L *lua.LState) int {
	switch v := L.Get(1).(type) {
	case lua.LString:
		L.Push(lua.LNumber(len(v)))
	case *lua.LTable:
		L.Push(lua.LNumber(length(vm.behind(v))))
	default:
		if fn := L.GetMetaField(v, "__len"); fn != lua.LNil {
			L.Push(fn)
			L.Push(v)
			L.Call(1, 1)
			return 1
		}
		vm.operandError(L, 1, v, "get length of")
	}
	return 1
}

func (vm *VM) forInit(L *lua.LState) int  { return forBound(L, "initial value") }
func (vm *VM) forLimit(L *lua.LState) int { return forBound(L, "limit") }
func (vm *VM) forStep(L *lua.LState) int  { return forBound(L, "step") }

// forBound is a bound of a numeric for, which may be a string.
func forBound(L *lua.LState, what string) int {
	f, ok := toNumber(L.Get(1))
	if !ok {
		fail(L, "'for' %s must be a number", what)
	}
	L.Push(lua.LNumber(f))
	return 1
}

// stringArithmetic are the metamethods of strings: gopher-lua would read "010"
// as octal.
func (vm *VM) stringArithmetic(meta *lua.LTable) {
	for event, op := range map[string]func(a, b float64) float64{
		"__add": func(a, b float64) float64 { return a + b },
		"__sub": func(a, b float64) float64 { return a - b },
		"__mul": func(a, b float64) float64 { return a * b },
		"__div": func(a, b float64) float64 { return a / b },
		"__mod": func(a, b float64) float64 { return a - math.Floor(a/b)*b },
		"__pow": math.Pow,
		"__unm": func(a, _ float64) float64 { return -a },
	} {
		meta.RawSetString(event, vm.L.NewFunction(func(L *lua.LState) int {
			a, okA := toNumber(L.Get(1))
			b, okB := toNumber(L.Get(2))
			if event == "__unm" {
				b, okB = 0, true
			}
			if okA && okB {
				L.Push(lua.LNumber(op(a, b)))
				return 1
			}
			return vm.otherArithmetic(L, event, okA)
		}))
	}
}

// otherArithmetic has an operand that is no number: its own metamethod, or an
// error.
func (vm *VM) otherArithmetic(L *lua.LState, event string, first bool) int {
	for i := 1; i <= 2; i++ {
		if _, ok := L.Get(i).(lua.LString); ok {
			continue
		}
		if fn := L.GetMetaField(L.Get(i), event); fn != lua.LNil {
			a, b := L.Get(1), L.Get(2)
			L.Push(fn)
			L.Push(a)
			L.Push(b)
			L.Call(2, 1)
			return 1
		}
	}
	f := currentFrame(L).Parent
	blamed := 1
	if first {
		blamed = 2
	}
	if f == nil || f.Fn.IsG {
		fail(L, "attempt to perform arithmetic on a %s value", typeName(L.Get(blamed)))
	}
	inst := instruction(f, f.Pc-1)
	operand := argB(inst)
	if first {
		operand = argC(inst)
	}
	fail(L, "%s", complain(L, f, operand, "perform arithmetic on"))
	return 0
}
