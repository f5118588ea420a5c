package lua

import (
	"strings"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

func (vm *VM) openString() {
	vm.strings = vm.library("string", map[string]lua.LGFunction{
		"byte":    vm.stringByte,
		"char":    vm.stringChar,
		"dump":    stringDump,
		"find":    vm.stringFind,
		"format":  vm.stringFormat,
		"gfind":   vm.stringGmatch,
		"gmatch":  vm.stringGmatch,
		"gsub":    vm.stringGsub,
		"len":     stringLen,
		"lower":   vm.stringLower,
		"match":   vm.stringMatch,
		"rep":     vm.stringRep,
		"reverse": vm.stringReverse,
		"sub":     stringSub,
		"upper":   vm.stringUpper,
	})
	meta := vm.L.NewTable()
	meta.RawSetString("__index", vm.strings)
	// All scripts share it: they get to see another one.
	vm.stringMeta = vm.L.NewTable()
	meta.RawSetString("__metatable", vm.view(vm.stringMeta))
	vm.stringArithmetic(meta)
	vm.L.SetMetatable(lua.LString(""), meta)
}

// ownedString makes a string of bytes that nobody changes any more.
func ownedString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// grow makes room for n more bytes, within the limit.
func (vm *VM) grow(buf []byte, n int) []byte {
	if cap(buf)-len(buf) >= n {
		return buf
	}
	c := max(2*cap(buf), len(buf)+n, 64)
	vm.alloc(c)
	bigger := make([]byte, len(buf), c)
	copy(bigger, buf)
	return bigger
}

// position converts an index that may count from the end.
func position(i int64, n int) int64 {
	if i < 0 {
		i += int64(n) + 1
	}
	return max(i, 0)
}

func stringLen(L *lua.LState) int {
	L.Push(lua.LNumber(len(checkString(L, 1))))
	return 1
}

func stringSub(L *lua.LState) int {
	s := checkString(L, 1)
	first := max(position(checkInteger(L, 2), len(s)), 1)
	last := min(position(optInteger(L, 3, -1), len(s)), int64(len(s)))
	if first > last {
		L.Push(lua.LString(""))
	} else {
		L.Push(lua.LString(s[first-1 : last]))
	}
	return 1
}

func (vm *VM) stringReverse(L *lua.LState) int {
	s := checkString(L, 1)
	vm.alloc(len(s))
	b := make([]byte, len(s))
	for i := range b {
		b[len(s)-1-i] = s[i]
	}
	L.Push(lua.LString(ownedString(b)))
	return 1
}

func (vm *VM) mapBytes(L *lua.LState, low, high byte) int {
	s := checkString(L, 1)
	vm.alloc(len(s))
	b := []byte(s)
	for i, c := range b {
		if low <= c && c <= high {
			b[i] = c ^ 0x20
		}
	}
	L.Push(lua.LString(ownedString(b)))
	return 1
}

func (vm *VM) stringLower(L *lua.LState) int { return vm.mapBytes(L, 'A', 'Z') }
func (vm *VM) stringUpper(L *lua.LState) int { return vm.mapBytes(L, 'a', 'z') }

func (vm *VM) stringRep(L *lua.LState) int {
	s, n := checkString(L, 1), checkInt(L, 2)
	if n <= 0 || s == "" {
		L.Push(lua.LString(""))
		return 1
	}
	if int64(len(s))*int64(n) > int64(vm.engine.memoryLimit()) {
		vm.alloc(vm.engine.memoryLimit() + 1)
	}
	vm.alloc(len(s) * n)
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

func (vm *VM) stringByte(L *lua.LState) int {
	s := checkString(L, 1)
	first := position(optInteger(L, 2, 1), len(s))
	last := position(optInteger(L, 3, first), len(s))
	first, last = max(first, 1), min(last, int64(len(s)))
	if first > last {
		return 0
	}
	if last-first >= maxUnpack {
		fail(L, "stack overflow (string slice too long)")
	}
	for _, c := range []byte(s[first-1 : last]) {
		L.Push(lua.LNumber(c))
	}
	return int(last - first + 1)
}

func (vm *VM) stringChar(L *lua.LState) int {
	b := make([]byte, L.GetTop())
	for i := range b {
		c := checkInt(L, i+1)
		if c != int(byte(c)) {
			argError(L, i+1, "invalid value")
		}
		b[i] = byte(c)
	}
	L.Push(lua.LString(ownedString(b)))
	return 1
}

func stringDump(L *lua.LState) int {
	checkFunction(L, 1)
	fail(L, "unable to dump given function")
	return 0
}

func (vm *VM) stringFind(L *lua.LState) int  { return vm.findOrMatch(L, true) }
func (vm *VM) stringMatch(L *lua.LState) int { return vm.findOrMatch(L, false) }

func (vm *VM) findOrMatch(L *lua.LState, find bool) int {
	s, pattern := checkString(L, 1), checkString(L, 2)
	start := position(optInteger(L, 3, 1), len(s)) - 1
	at := int(min(max(start, 0), int64(len(s))))
	if find && (lua.LVAsBool(L.Get(4)) || !strings.ContainsAny(trimZero(pattern), "^$*+?.([%-")) {
		vm.work(len(s)/64 + 1)
		if i := strings.Index(s[at:], pattern); i >= 0 {
			L.Push(lua.LNumber(at + i + 1))
			L.Push(lua.LNumber(at + i + len(pattern)))
			return 2
		}
		L.Push(lua.LNil)
		return 1
	}
	m := matcher{vm: vm, L: L, src: s, pattern: trimZero(pattern)}
	anchored := strings.HasPrefix(pattern, "^")
	p := 0
	if anchored {
		p = 1
	}
	for {
		m.level = 0
		if end := m.match(at, p); end >= 0 {
			if find {
				L.Push(lua.LNumber(at + 1))
				L.Push(lua.LNumber(end))
				return 2 + m.pushCaptures(-1, 0)
			}
			return m.pushCaptures(at, end)
		}
		if at++; at > len(s) || anchored {
			L.Push(lua.LNil)
			return 1
		}
	}
}

func (vm *VM) stringGmatch(L *lua.LState) int {
	m := &matcher{vm: vm, src: checkString(L, 1), pattern: trimZero(checkString(L, 2))}
	at := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		m.L = L
		for ; at <= len(m.src); at++ {
			m.level = 0
			end := m.match(at, 0)
			if end < 0 {
				continue
			}
			start := at
			at = end
			if end == start {
				at++ // go on behind an empty match
			}
			return m.pushCaptures(start, end)
		}
		return 0
	}))
	return 1
}

func (vm *VM) stringGsub(L *lua.LState) int {
	s, pattern := checkString(L, 1), checkString(L, 2)
	most := len(s) + 1
	if !isNone(L, 4) {
		most = checkInt(L, 4)
	}
	replacement := L.Get(3)
	switch replacement.(type) {
	case lua.LString, lua.LNumber, *lua.LFunction, *lua.LTable:
	default:
		argError(L, 3, "string/function/table expected")
	}
	anchored := strings.HasPrefix(pattern, "^")
	p := 0
	if anchored {
		p = 1
	}
	m := matcher{vm: vm, L: L, src: s, pattern: trimZero(pattern)}
	var buf []byte
	at, count := 0, 0
	for count < most {
		m.level = 0
		end := m.match(at, p)
		if end >= 0 {
			count++
			buf = m.substitute(buf, replacement, at, end)
		}
		switch {
		case end > at: // not empty: go on behind it
			at = end
		case at < len(s):
			buf = append(vm.grow(buf, 1), s[at])
			at++
		default:
			at = len(s) + 1
		}
		if at > len(s) || anchored {
			break
		}
	}
	if at < len(s) {
		buf = append(vm.grow(buf, len(s)-at), s[at:]...)
	}
	L.Push(lua.LString(ownedString(buf)))
	L.Push(lua.LNumber(count))
	return 2
}

// substitute appends what replaces the match from start to end.
func (m *matcher) substitute(buf []byte, replacement lua.LValue, start, end int) []byte {
	L := m.L
	var v lua.LValue
	switch r := replacement.(type) {
	case *lua.LFunction:
		L.Push(r)
		n := m.pushCaptures(start, end)
		L.Call(n, 1)
		v = L.Get(-1)
		L.Pop(1)
	case *lua.LTable:
		v = L.GetTable(m.vm.behind(r), m.capture(0, start, end))
	default:
		return m.expand(buf, stringOf(replacement), start, end)
	}
	if !lua.LVAsBool(v) {
		return append(m.vm.grow(buf, end-start), m.src[start:end]...)
	}
	if !isString(v) {
		fail(L, "invalid replacement value (a %s)", typeName(v))
	}
	s := stringOf(v)
	return append(m.vm.grow(buf, len(s)), s...)
}

// expand appends a replacement string with its captures.
func (m *matcher) expand(buf []byte, r string, start, end int) []byte {
	for i := 0; i < len(r); i++ {
		if r[i] != '%' {
			buf = append(m.vm.grow(buf, 1), r[i])
			continue
		}
		i++
		var s string
		switch {
		case i >= len(r):
			s = "\x00" // as C sees the end of the string
		case r[i] < '0' || r[i] > '9':
			s = r[i : i+1]
		case r[i] == '0':
			s = m.src[start:end]
		default:
			s = stringOf(m.capture(int(r[i]-'1'), start, end))
		}
		buf = append(m.vm.grow(buf, len(s)), s...)
	}
	return buf
}

// trimZero is a string as C sees it.
func trimZero(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}
