package lua

import (
	"math"
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

func (vm *VM) openBit() {
	functions := map[string]lua.LGFunction{
		"tobit": func(L *lua.LState) int { return pushBits(L, bitArgument(L, 1)) },
		"bnot":  func(L *lua.LState) int { return pushBits(L, ^bitArgument(L, 1)) },
		"bswap": func(L *lua.LState) int { return pushBits(L, bits.ReverseBytes32(bitArgument(L, 1))) },
		"tohex": bitToHex,
	}
	for name, op := range map[string]func(a, b uint32) uint32{
		"band": func(a, b uint32) uint32 { return a & b },
		"bor":  func(a, b uint32) uint32 { return a | b },
		"bxor": func(a, b uint32) uint32 { return a ^ b },
	} {
		functions[name] = func(L *lua.LState) int {
			v := bitArgument(L, 1)
			for i := L.GetTop(); i > 1; i-- {
				v = op(v, bitArgument(L, i))
			}
			return pushBits(L, v)
		}
	}
	for name, op := range map[string]func(v uint32, n int) uint32{
		"lshift":  func(v uint32, n int) uint32 { return v << n },
		"rshift":  func(v uint32, n int) uint32 { return v >> n },
		"arshift": func(v uint32, n int) uint32 { return uint32(int32(v) >> n) },
		"rol":     bits.RotateLeft32,
		"ror":     func(v uint32, n int) uint32 { return bits.RotateLeft32(v, -n) },
	} {
		functions[name] = func(L *lua.LState) int {
			v := bitArgument(L, 1)
			return pushBits(L, op(v, int(bitArgument(L, 2)&31)))
		}
	}
	vm.library("bit", functions)
}

// bitArgument is an argument rounded to an integer, of which the lower 32 bits
// count: those of the mantissa once it is scaled so that its last bit is one.
func bitArgument(L *lua.LState, n int) uint32 {
	f, ok := toNumber(L.Get(n))
	v := uint32(math.Float64bits(f + 0x1.8p52))
	if !ok {
		typeError(L, n, "number")
	}
	return v
}

func pushBits(L *lua.LState, v uint32) int {
	L.Push(lua.LNumber(int32(v)))
	return 1
}

func bitToHex(L *lua.LState) int {
	v, n := bitArgument(L, 1), int32(8)
	if L.GetTop() >= 2 {
		n = int32(bitArgument(L, 2))
	}
	digits := "0123456789abcdef"
	if n < 0 {
		n, digits = -n, "0123456789ABCDEF"
	}
	if n > 8 || n < 0 {
		n = 8
	}
	b := make([]byte, n)
	for i := int(n) - 1; i >= 0; i-- {
		b[i] = digits[v&15]
		v >>= 4
	}
	L.Push(lua.LString(b))
	return 1
}
