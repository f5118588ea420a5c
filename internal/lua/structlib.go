package lua

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const (
	maxIntegerSize = 32
	defaultAlign   = 8
)

func (vm *VM) openStruct() {
	vm.library("struct", map[string]lua.LGFunction{
		"pack":   vm.structPack,
		"unpack": vm.structUnpack,
		"size":   structSize,
	})
}

// layout reads a format string, option by option.
type layout struct {
	L      *lua.LState
	format string
	big    bool
	align  int
}

func newLayout(L *lua.LState) layout {
	return layout{L: L, format: trimZero(checkString(L, 1)), align: 1}
}

// number reads a decimal number, if there is one.
func (f *layout) number(otherwise int) int {
	if f.format == "" || !isDigit(f.format[0]) {
		return otherwise
	}
	n := 0
	for f.format != "" && isDigit(f.format[0]) {
		digit := int(f.format[0] - '0')
		if n > math.MaxInt32/10 || n*10 > math.MaxInt32-digit {
			fail(f.L, "integral size overflow")
		}
		n = n*10 + digit
		f.format = f.format[1:]
	}
	return n
}

// next gives the next option, the size of what it stands for and the padding
// before it at position pos.
func (f *layout) next(pos int) (option byte, size, padding int) {
	option, f.format = f.format[0], f.format[1:]
	switch option {
	case 'B', 'b', 'x':
		size = 1
	case 'H', 'h':
		size = 2
	case 'L', 'l', 'T', 'd':
		size = 8
	case 'f':
		size = 4
	case 'c':
		return option, f.number(1), 0
	case 'i', 'I':
		if size = f.number(4); size > maxIntegerSize {
			fail(f.L, "integral size %d is larger than limit of %d", size, maxIntegerSize)
		}
	}
	if size > 0 {
		unit := min(size, f.align)
		padding = (unit - pos&(unit-1)) & (unit - 1)
	}
	return option, size, padding
}

// control is an option that stands for no value.
func (f *layout) control(option byte) {
	switch option {
	case ' ':
	case '>':
		f.big = true
	case '<':
		f.big = false
	case '!':
		a := f.number(defaultAlign)
		if a <= 0 || a&(a-1) != 0 {
			fail(f.L, "alignment %d is not a power of 2", a)
		}
		f.align = a
	default:
		argError(f.L, 1, fmt.Sprintf("invalid format option '%s'", []byte{option}))
	}
}

func (f *layout) order() interface {
	binary.ByteOrder
	binary.AppendByteOrder
} {
	if f.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (vm *VM) structPack(L *lua.LState) int {
	f := newLayout(L)
	L.Push(lua.LNil) // what a missing argument is reported as
	var buf []byte
	arg := 2
	for f.format != "" {
		option, size, padding := f.next(len(buf))
		buf = vm.grow(buf, size+padding+8)
		buf = appendFill(buf, 0, padding)
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			buf = f.appendInteger(buf, checkNumber(L, arg), size)
			arg++
		case 'x':
			buf = append(buf, 0)
		case 'f':
			buf = f.order().AppendUint32(buf, math.Float32bits(float32(checkNumber(L, arg))))
			arg++
		case 'd':
			buf = f.order().AppendUint64(buf, math.Float64bits(checkNumber(L, arg)))
			arg++
		case 'c', 's':
			s := checkString(L, arg)
			arg++
			if size == 0 {
				size = len(s)
			}
			if len(s) < size {
				argError(L, arg, "string too short")
			}
			buf = append(vm.grow(buf, size+1), s[:size]...)
			if option == 's' {
				buf = append(buf, 0)
			}
		default:
			f.control(option)
		}
	}
	L.Push(lua.LString(ownedString(buf)))
	return 1
}

func (f *layout) appendInteger(buf []byte, n float64, size int) []byte {
	value := uint64(0)
	if n < 0 {
		value = uint64(toInteger(n))
	} else {
		value = toUnsigned(n)
	}
	start := len(buf)
	buf = appendFill(buf, 0, size)
	for i := range size {
		at := start + i
		if f.big {
			at = start + size - 1 - i
		}
		buf[at] = byte(value)
		value >>= 8
	}
	return buf
}

func (f *layout) integer(b string, signed bool) float64 {
	var v uint64
	for i := range len(b) {
		at := len(b) - 1 - i
		if f.big {
			at = i
		}
		v = v<<8 | uint64(b[at])
	}
	if !signed {
		return float64(v)
	}
	if bits := uint(len(b)*8-1) & 63; v>>bits&1 != 0 {
		v |= ^uint64(0) << bits
	}
	return float64(int64(v))
}

func (vm *VM) structUnpack(L *lua.LState) int {
	f := newLayout(L)
	data := checkString(L, 2)
	start := optInteger(L, 3, 1)
	if start == 0 {
		argError(L, 3, "offset must be 1 or greater")
	}
	pos := uint64(start) - 1
	room := func(size int) {
		if size > len(data) || pos > uint64(len(data)-size) {
			argError(L, 2, "data string too short")
		}
	}
	n := 0
	push := func(v lua.LValue) {
		if n >= maxUnpack {
			fail(L, "stack overflow (too many results)")
		}
		L.Push(v)
		n++
	}
	for f.format != "" {
		option, size, padding := f.next(int(pos))
		pos += uint64(padding)
		room(size)
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			push(lua.LNumber(f.integer(data[pos:pos+uint64(size)], option >= 'a')))
		case 'x':
		case 'f':
			push(lua.LNumber(math.Float32frombits(f.order().Uint32([]byte(data[pos : pos+4])))))
		case 'd':
			push(lua.LNumber(math.Float64frombits(f.order().Uint64([]byte(data[pos : pos+8])))))
		case 'c':
			if size == 0 {
				before, ok := toNumber(L.Get(-1))
				if n == 0 || !ok {
					fail(L, "format 'c0' needs a previous size")
				}
				L.Pop(1)
				n--
				size = int(min(toUnsigned(before), uint64(len(data))+1))
				room(size)
			}
			push(lua.LString(data[pos : pos+uint64(size)]))
		case 's':
			end := strings.IndexByte(data[pos:], 0)
			if end < 0 {
				fail(L, "unfinished string in data")
			}
			size = end + 1
			push(lua.LString(data[pos : pos+uint64(end)]))
		default:
			f.control(option)
		}
		pos += uint64(size)
	}
	L.Push(lua.LNumber(pos + 1))
	return n + 1
}

func structSize(L *lua.LState) int {
	f := newLayout(L)
	pos := 0
	for f.format != "" {
		option, size, padding := f.next(pos)
		pos += padding
		switch {
		case option == 's':
			argError(L, 1, "option 's' has no fixed size")
		case option == 'c' && size == 0:
			argError(L, 1, "option 'c0' has no fixed size")
		case !isDigit(option) && (option|0x20 < 'a' || option|0x20 > 'z'):
			f.control(option)
		}
		pos += size
	}
	L.Push(lua.LNumber(pos))
	return 1
}
