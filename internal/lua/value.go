package lua

import (
	"math"
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"respkv/internal/lua/syntax"
)

// formatNumber is how Lua 5.1 prints numbers: "%.14g".
func formatNumber(f float64) string { return string(appendNumber(nil, f, 14)) }

// appendNumber is C's "%.*g".
func appendNumber(dst []byte, f float64, precision int) []byte {
	if i := int64(f); float64(i) == f && -1e14 < f && f < 1e14 && precision >= 14 && (i != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, i, 10)
	}
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f) && math.Signbit(f):
		return append(dst, "-nan"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', precision, 64)
}

func isString(v lua.LValue) bool { return lua.LVCanConvToString(v) }

// stringOf is a string or number as a string; anything else is "".
func stringOf(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return formatNumber(float64(v))
	}
	return ""
}

// toNumber converts as Lua 5.1 does: numbers, and strings that look like one.
func toNumber(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return syntax.ParseNumber(trimZero(string(v))) // as strtod sees it
	}
	return 0, false
}

// toInteger is C's conversion of a double to a 64-bit integer on x86: what does
// not fit becomes the smallest.
func toInteger(f float64) int64 {
	if f != f || f >= 1<<63 || f < -1<<63 {
		return math.MinInt64
	}
	return int64(f)
}

// The check functions give an argument of a library function, or raise Lua's
// error about it.

func checkAny(L *lua.LState, n int) lua.LValue {
	if n > L.GetTop() {
		argError(L, n, "value expected")
	}
	return L.Get(n)
}

func checkString(L *lua.LState, n int) string {
	switch v := L.Get(n).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return formatNumber(float64(v))
	}
	typeError(L, n, "string")
	return ""
}

func checkNumber(L *lua.LState, n int) float64 {
	v := L.Get(n)
	if v, ok := v.(lua.LNumber); ok {
		return float64(v)
	}
	f, ok := toNumber(v)
	if !ok {
		typeError(L, n, "number")
	}
	return f
}

func checkInteger(L *lua.LState, n int) int64 { return toInteger(checkNumber(L, n)) }

// checkInt is an integer that C code keeps in an int.
func checkInt(L *lua.LState, n int) int { return int(int32(checkInteger(L, n))) }

func optInteger(L *lua.LState, n int, otherwise int64) int64 {
	if isNone(L, n) {
		return otherwise
	}
	return checkInteger(L, n)
}

// isNone says that argument n is missing or nil.
func isNone(L *lua.LState, n int) bool { return n > L.GetTop() || L.Get(n) == lua.LNil }

func checkTable(L *lua.LState, n int) *lua.LTable {
	t, ok := L.Get(n).(*lua.LTable)
	if !ok {
		typeError(L, n, "table")
	}
	return t
}

func checkFunction(L *lua.LState, n int) *lua.LFunction {
	f, ok := L.Get(n).(*lua.LFunction)
	if !ok {
		typeError(L, n, "function")
	}
	return f
}

// length is the # of a table without its metatable, also where the elements do not
// lie in the array that gopher-lua looks at.
func length(t *lua.LTable) int {
	n := border(t)
	if n != maxArray-1 {
		return n
	}
	// Beyond it they are hashed: double, then halve the interval.
	at := func(i int) bool { return t.RawGet(lua.LNumber(i)) != lua.LNil }
	low, high := n, 2*n
	for at(high) {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; at(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// element and setElement are raw access by index: RawGetInt and RawSetInt of
// gopher-lua look in the array only.
func element(t *lua.LTable, i int) lua.LValue {
	if i < maxArray {
		return t.RawGetInt(i)
	}
	return t.RawGet(lua.LNumber(i))
}

func setElement(t *lua.LTable, i int, v lua.LValue) { t.RawSetInt(i, v) }

// newArray is a table with room for n elements.
func newArray(L *lua.LState, n int) *lua.LTable { return L.CreateTable(min(n, maxArray), 0) }

// each calls fn for the members of t, in its order, until fn returns false.
func each(t *lua.LTable, fn func(k, v lua.LValue) bool) {
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if !fn(k, v) {
			return
		}
	}
}
