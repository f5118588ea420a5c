package lua

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// maxPackDepth is how deep tables are packed; deeper ones are nil.
const maxPackDepth = 16

func (vm *VM) openMessagePack() {
	t := vm.library("cmsgpack", map[string]lua.LGFunction{
		"pack":         vm.messagePack,
		"unpack":       func(L *lua.LState) int { return vm.messageUnpack(L, 0, 0) },
		"unpack_one":   func(L *lua.LState) int { return vm.messageUnpack(L, 1, optInteger(L, 2, 0)) },
		"unpack_limit": func(L *lua.LState) int { return vm.messageUnpack(L, checkInteger(L, 2), optInteger(L, 3, 0)) },
	})
	for name, text := range map[string]string{
		"_NAME": "cmsgpack", "_VERSION": "lua-cmsgpack 0.4.0",
		"_COPYRIGHT": "Copyright (C) 2012, Salvatore Sanfilippo", "_DESCRIPTION": "MessagePack C implementation for Lua",
	} {
		t.RawSetString(name, lua.LString(text))
	}
}

// packer writes values as MessagePack.
type packer struct {
	vm  *VM
	buf []byte
}

func (vm *VM) messagePack(L *lua.LState) int {
	n := L.GetTop()
	if n == 0 {
		argError(L, 0, "MessagePack pack needs input.")
	}
	p := packer{vm: vm}
	for i := 1; i <= n; i++ {
		p.value(L.Get(i), 0)
	}
	L.Push(lua.LString(ownedString(p.buf)))
	return 1
}

func (p *packer) value(v lua.LValue, depth int) {
	p.vm.work(1)
	p.buf = p.vm.grow(p.buf, 9)
	switch v := v.(type) {
	case lua.LString:
		p.text(string(v))
	case lua.LNumber:
		p.number(float64(v))
	case lua.LBool:
		if v {
			p.buf = append(p.buf, 0xc3)
		} else {
			p.buf = append(p.buf, 0xc2)
		}
	case *lua.LTable:
		if depth < maxPackDepth {
			p.table(p.vm.behind(v), depth)
			return
		}
		p.buf = append(p.buf, 0xc0)
	default:
		p.buf = append(p.buf, 0xc0)
	}
}

func (p *packer) text(s string) {
	switch n := len(s); {
	case n < 32:
		p.buf = append(p.buf, 0xa0|byte(n))
	case n <= math.MaxUint8:
		p.buf = append(p.buf, 0xd9, byte(n))
	default:
		p.header(0xda, n)
	}
	p.buf = append(p.vm.grow(p.buf, len(s)), s...)
}

// header writes a length of 16 bits behind code, or of 32 bits behind the next.
func (p *packer) header(code byte, n int) {
	if n <= math.MaxUint16 {
		p.buf = binary.BigEndian.AppendUint16(append(p.buf, code), uint16(n))
	} else {
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, code+1), uint32(n))
	}
}

func (p *packer) number(f float64) {
	if i := toInteger(f); float64(i) == f {
		p.integer(i)
		return
	}
	if single := float32(f); float64(single) == f {
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, 0xca), math.Float32bits(single))
		return
	}
	p.buf = binary.BigEndian.AppendUint64(append(p.buf, 0xcb), math.Float64bits(f))
}

func (p *packer) integer(n int64) {
	be := binary.BigEndian
	switch {
	case -32 <= n && n <= math.MaxInt8:
		p.buf = append(p.buf, byte(n))
	case n > math.MaxUint32:
		p.buf = be.AppendUint64(append(p.buf, 0xcf), uint64(n))
	case n > math.MaxUint16:
		p.buf = be.AppendUint32(append(p.buf, 0xce), uint32(n))
	case n > math.MaxUint8:
		p.buf = be.AppendUint16(append(p.buf, 0xcd), uint16(n))
	case n >= 0:
		p.buf = append(p.buf, 0xcc, byte(n))
	case n >= math.MinInt8:
		p.buf = append(p.buf, 0xd0, byte(n))
	case n >= math.MinInt16:
		p.buf = be.AppendUint16(append(p.buf, 0xd1), uint16(n))
	case n >= math.MinInt32:
		p.buf = be.AppendUint32(append(p.buf, 0xd2), uint32(n))
	default:
		p.buf = be.AppendUint64(append(p.buf, 0xd3), uint64(n))
	}
}

func (p *packer) table(t *lua.LTable, depth int) {
	count, most, isArray := 0, 0.0, true
	each(t, func(k, _ lua.LValue) bool {
		n, ok := k.(lua.LNumber)
		if !ok || n <= 0 || float64(int32(n)) != float64(n) {
			isArray = false
		}
		most = max(most, float64(n))
		count++
		return true
	})
	if isArray && most == float64(count) {
		if count <= 15 {
			p.buf = append(p.buf, 0x90|byte(count))
		} else {
			p.header(0xdc, count)
		}
		for i := 1; i <= count; i++ {
			p.value(element(t, i), depth+1)
		}
		return
	}
	if count <= 15 {
		p.buf = append(p.buf, 0x80|byte(count))
	} else {
		p.header(0xde, count)
	}
	each(t, func(k, v lua.LValue) bool {
		p.value(k, depth+1)
		p.value(v, depth+1)
		return true
	})
}

// maxUnpackDepth bounds the nesting of what is unpacked: a few bytes nest deep.
const maxUnpackDepth = 10_000

// unpacker reads MessagePack.
type unpacker struct {
	vm    *VM
	L     *lua.LState
	src   string
	depth int
}

// messageUnpack gives limit values from offset on, behind the offset at which to
// go on; without either, all values.
func (vm *VM) messageUnpack(L *lua.LState, limit, offset int64) int {
	src := checkString(L, 1)
	all := limit == 0 && offset == 0
	if offset < 0 || limit < 0 {
		fail(L, "Invalid request to unpack with offset of %d and limit of %d.", int32(offset), int32(len(src)))
	}
	if offset > int64(len(src)) {
		fail(L, "Start offset %d greater than input length %d.", int32(offset), int32(len(src)))
	}
	if all {
		limit = math.MaxInt32
	}
	L.SetTop(1)
	u := unpacker{vm: vm, L: L, src: src[offset:]}
	n := 0
	if !all {
		L.Push(lua.LNil)
	}
	for ; u.src != "" && int64(n) < limit; n++ {
		if n >= maxUnpack {
			fail(L, "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
		}
		L.Push(u.value())
	}
	if all {
		return n
	}
	next := -1
	if u.src != "" {
		next = len(src) - len(u.src)
	}
	L.Replace(2, lua.LNumber(next))
	return n + 1
}

// take is the next n bytes.
func (u *unpacker) take(n uint64) string {
	if uint64(len(u.src)) < n {
		fail(u.L, "Missing bytes in input.")
	}
	s := u.src[:n]
	u.src = u.src[n:]
	return s
}

// number is a big-endian integer of n bytes.
func (u *unpacker) number(n uint64) (v uint64) {
	for _, c := range []byte(u.take(n)) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (u *unpacker) value() lua.LValue {
	u.vm.work(1)
	code := byte(u.number(1))
	switch {
	case code < 0x80:
		return lua.LNumber(code)
	case code < 0x90:
		return u.hash(uint64(code & 0xf))
	case code < 0xa0:
		return u.array(uint64(code & 0xf))
	case code < 0xc0:
		return lua.LString(u.take(uint64(code & 0x1f)))
	case code >= 0xe0:
		return lua.LNumber(int8(code))
	}
	switch code {
	case 0xc0:
		return lua.LNil
	case 0xc2:
		return lua.LFalse
	case 0xc3:
		return lua.LTrue
	case 0xca:
		return lua.LNumber(math.Float32frombits(uint32(u.number(4))))
	case 0xcb:
		return lua.LNumber(math.Float64frombits(u.number(8)))
	case 0xcc, 0xcd, 0xce:
		return lua.LNumber(u.number(1 << (code - 0xcc)))
	case 0xcf:
		// As there: through a signed integer.
		return lua.LNumber(int64(u.number(8)))
	case 0xd0:
		return lua.LNumber(int8(u.number(1)))
	case 0xd1:
		return lua.LNumber(int16(u.number(2)))
	case 0xd2:
		return lua.LNumber(int32(u.number(4)))
	case 0xd3:
		return lua.LNumber(int64(u.number(8)))
	case 0xd9, 0xda, 0xdb:
		return lua.LString(u.take(u.number(1 << (code - 0xd9))))
	case 0xdc, 0xdd:
		return u.array(u.number(2 << (code - 0xdc)))
	case 0xde, 0xdf:
		return u.hash(u.number(2 << (code - 0xde)))
	}
	fail(u.L, "Bad data format in input.")
	return nil
}

func (u *unpacker) descend() {
	if u.depth++; u.depth > maxUnpackDepth {
		fail(u.L, "stack overflow (in function mp_decode_to_lua_array)")
	}
}

func (u *unpacker) array(n uint64) lua.LValue {
	u.descend()
	t := newArray(u.L, int(min(n, uint64(len(u.src)))))
	for i := 1; uint64(i) <= n; i++ {
		setElement(t, i, u.value())
	}
	u.depth--
	return t
}

func (u *unpacker) hash(n uint64) lua.LValue {
	u.descend()
	t := u.L.CreateTable(0, int(min(n, uint64(len(u.src))/2, 64)))
	for ; n > 0; n-- {
		k := u.value()
		v := u.value()
		checkKey(u.L, k)
		t.RawSet(k, v)
	}
	u.depth--
	return t
}
