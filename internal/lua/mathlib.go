package lua

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

func (vm *VM) openMath() {
	functions := map[string]lua.LGFunction{
		"atan2":      ofTwo(math.Atan2),
		"fmod":       ofTwo(math.Mod),
		"frexp":      mathFrexp,
		"ldexp":      mathLdexp,
		"max":        mathMax,
		"min":        mathMin,
		"mod":        ofTwo(math.Mod),
		"modf":       mathModf,
		"pow":        ofTwo(math.Pow),
		"random":     vm.mathRandom,
		"randomseed": vm.mathRandomSeed,
	}
	for name, fn := range map[string]func(float64) float64{
		"abs": math.Abs, "acos": math.Acos, "asin": math.Asin, "atan": math.Atan, "ceil": math.Ceil,
		"cos": math.Cos, "cosh": math.Cosh, "exp": math.Exp, "floor": math.Floor, "log": math.Log,
		"log10": math.Log10, "sin": math.Sin, "sinh": math.Sinh, "sqrt": math.Sqrt, "tan": math.Tan,
		"tanh": math.Tanh,
		"deg":  func(f float64) float64 { return f / (math.Pi / 180) },
		"rad":  func(f float64) float64 { return f * (math.Pi / 180) },
	} {
		functions[name] = func(L *lua.LState) int { return pushNumber(L, fn(checkNumber(L, 1))) }
	}
	t := vm.library("math", functions)
	t.RawSetString("pi", lua.LNumber(math.Pi))
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
}

func pushNumber(L *lua.LState, f float64) int {
	L.Push(lua.LNumber(f))
	return 1
}

// ofTwo looks at its second argument first, as compilers of C happen to do.
func ofTwo(fn func(a, b float64) float64) lua.LGFunction {
	return func(L *lua.LState) int {
		b := checkNumber(L, 2)
		return pushNumber(L, fn(checkNumber(L, 1), b))
	}
}

func mathFrexp(L *lua.LState) int {
	fraction, exponent := math.Frexp(checkNumber(L, 1))
	pushNumber(L, fraction)
	pushNumber(L, float64(exponent))
	return 2
}

func mathLdexp(L *lua.LState) int {
	exponent := checkInt(L, 2)
	return pushNumber(L, math.Ldexp(checkNumber(L, 1), exponent))
}

func mathModf(L *lua.LState) int {
	f := checkNumber(L, 1)
	whole, fraction := math.Trunc(f), 0.0
	if !math.IsInf(f, 0) {
		fraction = f - whole
	}
	pushNumber(L, whole)
	pushNumber(L, math.Copysign(fraction, f))
	return 2
}

func mathMax(L *lua.LState) int {
	most := checkNumber(L, 1)
	for i := 2; i <= L.GetTop(); i++ {
		if f := checkNumber(L, i); f > most {
			most = f
		}
	}
	return pushNumber(L, most)
}

func mathMin(L *lua.LState) int {
	least := checkNumber(L, 1)
	for i := 2; i <= L.GetTop(); i++ {
		if f := checkNumber(L, i); f < least {
			least = f
		}
	}
	return pushNumber(L, least)
}

// After math.randomseed, scripts get the random numbers that Redis gives: those of
// a 48-bit linear congruential generator.

const (
	randomFactor = 0x5DEECE66D
	randomAddend = 0xB
	randomMask   = 1<<48 - 1
	randomMax    = math.MaxInt32
)

// seed is srand48.
func (vm *VM) seed(n int32) { vm.random = uint64(uint32(n))<<16 | 0x330E }

// lrand is lrand48.
func (vm *VM) lrand() int64 {
	vm.random = (vm.random*randomFactor + randomAddend) & randomMask
	return int64(vm.random >> 17)
}

func (vm *VM) mathRandom(L *lua.LState) int {
	if vm.run == nil {
		fail(L, "math.random can only be called inside a script invocation")
	}
	r := float64(vm.lrand()%randomMax) / randomMax
	switch L.GetTop() {
	case 0:
		return pushNumber(L, r)
	case 1:
		high := checkInt(L, 1)
		if high < 1 {
			argError(L, 1, "interval is empty")
		}
		return pushNumber(L, math.Floor(r*float64(high))+1)
	case 2:
		low, high := checkInt(L, 1), checkInt(L, 2)
		if low > high {
			argError(L, 2, "interval is empty")
		}
		return pushNumber(L, math.Floor(r*float64(int32(high-low+1)))+float64(low))
	}
	fail(L, "wrong number of arguments")
	return 0
}

func (vm *VM) mathRandomSeed(L *lua.LState) int {
	if vm.run == nil {
		fail(L, "math.randomseed can only be called inside a script invocation")
	}
	vm.seed(int32(checkInt(L, 1)))
	return 0
}
