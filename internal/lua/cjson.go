package lua

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// jsonConfig are the settings of one cjson instance. Those of the global cjson
// begin anew with each script.
type jsonConfig struct {
	sparseConvert   bool
	sparseRatio     int
	sparseSafe      int
	encodeMaxDepth  int
	decodeMaxDepth  int
	encodeInvalid   int // one of invalidOptions
	decodeInvalid   bool
	keepBuffer      bool
	numberPrecision int
}

func newJSONConfig() *jsonConfig {
	c := &jsonConfig{}
	c.reset()
	return c
}

func (c *jsonConfig) reset() {
	*c = jsonConfig{
		sparseRatio: 2, sparseSafe: 10, encodeMaxDepth: 1000, decodeMaxDepth: 1000,
		decodeInvalid: true, keepBuffer: true, numberPrecision: 14,
	}
}

// What to do about numbers that JSON has no text for.
const (
	invalidError = iota
	invalidEncode
	invalidNull
)

var invalidOptions = []string{"off", "on", "null"}

func (vm *VM) openJSON() {
	vm.json = newJSONConfig()
	vm.globals.RawSetString("cjson", vm.newJSON(vm.json))
}

// newJSON makes a cjson module with settings of its own.
func (vm *VM) newJSON(c *jsonConfig) *lua.LTable {
	t := vm.L.CreateTable(0, 16)
	for name, fn := range map[string]lua.LGFunction{
		"encode":                  func(L *lua.LState) int { return vm.jsonEncode(L, c) },
		"decode":                  func(L *lua.LState) int { return vm.jsonDecode(L, c) },
		"encode_sparse_array":     c.setSparseArray,
		"encode_max_depth":        func(L *lua.LState) int { return setOnlyInteger(L, &c.encodeMaxDepth, 1, math.MaxInt32) },
		"decode_max_depth":        func(L *lua.LState) int { return setOnlyInteger(L, &c.decodeMaxDepth, 1, math.MaxInt32) },
		"encode_number_precision": func(L *lua.LState) int { return setOnlyInteger(L, &c.numberPrecision, 1, 14) },
		"encode_keep_buffer":      func(L *lua.LState) int { return setOnlyBool(L, &c.keepBuffer) },
		"encode_invalid_numbers":  c.setEncodeInvalid,
		"decode_invalid_numbers":  func(L *lua.LState) int { return setOnlyBool(L, &c.decodeInvalid) },
		"new": func(L *lua.LState) int {
			L.Push(vm.newJSON(newJSONConfig()))
			return 1
		},
	} {
		t.RawSetString(name, vm.L.NewFunction(fn))
	}
	t.RawSetString("null", vm.engine.null)
	t.RawSetString("_NAME", lua.LString("cjson"))
	t.RawSetString("_VERSION", lua.LString("2.1.0"))
	return t
}

func mostArguments(L *lua.LState, n int) {
	if L.GetTop() > n {
		argError(L, n+1, "found too many arguments")
	}
}

func setOnlyInteger(L *lua.LState, setting *int, low, high int) int {
	mostArguments(L, 1)
	return setInteger(L, 1, setting, low, high)
}

func setInteger(L *lua.LState, n int, setting *int, low, high int) int {
	if !isNone(L, n) {
		v := checkInt(L, n)
		if v < low || v > high {
			argError(L, 1, fmt.Sprintf("expected integer between %d and %d", low, high))
		}
		*setting = v
	}
	L.Push(lua.LNumber(*setting))
	return 1
}

func setOnlyBool(L *lua.LState, setting *bool) int {
	mostArguments(L, 1)
	return setBool(L, 1, setting)
}

func setBool(L *lua.LState, n int, setting *bool) int {
	if b, ok := L.Get(n).(lua.LBool); ok {
		*setting = bool(b)
	} else if !isNone(L, n) {
		*setting = checkOption(L, n, invalidOptions[:2]) == 1
	}
	L.Push(lua.LBool(*setting))
	return 1
}

func checkOption(L *lua.LState, n int, options []string) int {
	s := checkString(L, n)
	for i, o := range options {
		if s == o {
			return i
		}
	}
	argError(L, n, fmt.Sprintf("invalid option '%s'", s))
	return 0
}

func (c *jsonConfig) setSparseArray(L *lua.LState) int {
	mostArguments(L, 3)
	for L.GetTop() < 3 {
		L.Push(lua.LNil)
	}
	setBool(L, 1, &c.sparseConvert)
	setInteger(L, 2, &c.sparseRatio, 0, math.MaxInt32)
	setInteger(L, 3, &c.sparseSafe, 0, math.MaxInt32)
	return 3
}

func (c *jsonConfig) setEncodeInvalid(L *lua.LState) int {
	mostArguments(L, 1)
	if b, ok := L.Get(1).(lua.LBool); ok {
		c.encodeInvalid = invalidError
		if b {
			c.encodeInvalid = invalidEncode
		}
	} else if !isNone(L, 1) {
		c.encodeInvalid = checkOption(L, 1, invalidOptions)
	}
	if c.encodeInvalid == invalidNull {
		L.Push(lua.LString("null"))
	} else {
		L.Push(lua.LBool(c.encodeInvalid == invalidEncode))
	}
	return 1
}

// jsonEncoder writes one value.
type jsonEncoder struct {
	*jsonConfig
	vm  *VM
	L   *lua.LState
	buf []byte
}

func (vm *VM) jsonEncode(L *lua.LState, c *jsonConfig) int {
	if L.GetTop() != 1 {
		argError(L, 1, "expected 1 argument")
	}
	e := jsonEncoder{jsonConfig: c, vm: vm, L: L}
	e.value(L.Get(1), 0)
	L.Push(lua.LString(ownedString(e.buf)))
	return 1
}

func (e *jsonEncoder) fail(v lua.LValue, why string) {
	fail(e.L, "Cannot serialise %s: %s", typeName(v), why)
}

func (e *jsonEncoder) put(s string) { e.buf = append(e.vm.grow(e.buf, len(s)), s...) }

func (e *jsonEncoder) value(v lua.LValue, depth int) {
	e.vm.work(1)
	switch v := v.(type) {
	case lua.LString:
		e.text(string(v))
	case lua.LNumber:
		e.number(v)
	case lua.LBool:
		e.put(v.String())
	case *lua.LNilType:
		e.put("null")
	case *lua.LTable:
		if depth++; depth > e.encodeMaxDepth {
			fail(e.L, "Cannot serialise, excessive nesting (%d)", depth)
		}
		t := e.vm.behind(v)
		if n := e.arrayLength(t); n > 0 {
			e.array(t, n, depth)
		} else {
			e.object(t, depth)
		}
	default:
		if v == e.vm.engine.null {
			e.put("null")
			return
		}
		e.fail(v, "type not supported")
	}
}

func (e *jsonEncoder) text(s string) {
	const hex = "0123456789abcdef"
	e.buf = append(e.vm.grow(e.buf, len(s)+2), '"')
	for i := range len(s) {
		e.buf = e.vm.grow(e.buf, len(`\u0000"`))
		switch c := s[i]; c {
		case '"', '\\', '/':
			e.buf = append(e.buf, '\\', c)
		case '\b':
			e.buf = append(e.buf, `\b`...)
		case '\t':
			e.buf = append(e.buf, `\t`...)
		case '\n':
			e.buf = append(e.buf, `\n`...)
		case '\f':
			e.buf = append(e.buf, `\f`...)
		case '\r':
			e.buf = append(e.buf, `\r`...)
		default:
			if c < ' ' || c == 0x7f {
				e.buf = append(e.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				e.buf = append(e.buf, c)
			}
		}
	}
	e.buf = append(e.buf, '"')
}

func (e *jsonEncoder) number(n lua.LNumber) {
	f := float64(n)
	if invalid := math.IsInf(f, 0) || math.IsNaN(f); invalid {
		switch {
		case e.encodeInvalid == invalidError:
			e.fail(n, "must not be NaN or Inf")
		case e.encodeInvalid == invalidNull:
			e.put("null")
			return
		case math.IsNaN(f):
			e.put("nan")
			return
		}
	}
	e.buf = appendNumber(e.vm.grow(e.buf, 32), f, e.numberPrecision)
}

// arrayLength is the length of a table that is an array, -1 of one that is not.
func (e *jsonEncoder) arrayLength(t *lua.LTable) int {
	most, items := 0.0, 0
	isArray := true
	each(t, func(k, _ lua.LValue) bool {
		n, ok := k.(lua.LNumber)
		if isArray = ok && n >= 1 && math.Floor(float64(n)) == float64(n); !isArray {
			return false
		}
		most = max(most, float64(n))
		items++
		return true
	})
	if !isArray {
		return -1
	}
	if most > math.MaxInt32 {
		most = math.MinInt32 // C's conversion to int
	}
	if e.sparseRatio > 0 && most > float64(items*e.sparseRatio) && most > float64(e.sparseSafe) {
		if !e.sparseConvert {
			e.fail(t, "excessively sparse array")
		}
		return -1
	}
	return int(most)
}

func (e *jsonEncoder) array(t *lua.LTable, n, depth int) {
	e.put("[")
	for i := 1; i <= n; i++ {
		if i > 1 {
			e.put(",")
		}
		e.value(element(t, i), depth)
	}
	e.put("]")
}

func (e *jsonEncoder) object(t *lua.LTable, depth int) {
	e.put("{")
	first := true
	each(t, func(k, v lua.LValue) bool {
		if !first {
			e.put(",")
		}
		first = false
		switch k := k.(type) {
		case lua.LNumber:
			e.put(`"`)
			e.number(k)
			e.put(`"`)
		case lua.LString:
			e.text(string(k))
		default:
			e.fail(k, "table key must be a number or string")
		}
		e.put(":")
		e.value(v, depth)
		return true
	})
	e.put("}")
}
