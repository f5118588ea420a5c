package lua

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// verb is one conversion of string.format.
type verb struct {
	minus, plus, space, sharp, zero bool
	width                           int
	precision                       int // -1: none
	conversion                      byte
}

func (vm *VM) stringFormat(L *lua.LState) int {
	format := checkString(L, 1)
	var buf []byte
	arg := 1
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c != '%' {
			buf = append(vm.grow(buf, 1), c)
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			buf = append(vm.grow(buf, 1), '%')
			continue
		}
		if arg++; arg > L.GetTop() {
			argError(L, arg, "no value")
		}
		var v verb
		v, i = readVerb(L, format, i)
		buf = vm.formatVerb(L, vm.grow(buf, 512), v, arg)
	}
	L.Push(lua.LString(ownedString(buf)))
	return 1
}

// readVerb reads flags, width, precision and conversion at i, and returns where
// the conversion is.
func readVerb(L *lua.LState, format string, i int) (v verb, end int) {
	v.precision = -1
	start := i
	for ; i < len(format) && strings.IndexByte("-+ #0", format[i]) >= 0; i++ {
		switch format[i] {
		case '-':
			v.minus = true
		case '+':
			v.plus = true
		case ' ':
			v.space = true
		case '#':
			v.sharp = true
		case '0':
			v.zero = true
		}
	}
	if i-start >= len("-+ #0")+1 {
		fail(L, "invalid format (repeated flags)")
	}
	digits := func() (n int) {
		for k := 0; k < 2 && i < len(format) && isDigit(format[i]); k++ {
			n = n*10 + int(format[i]-'0')
			i++
		}
		return n
	}
	v.width = digits()
	if i < len(format) && format[i] == '.' {
		i++
		v.precision = digits()
	}
	if i < len(format) && isDigit(format[i]) {
		fail(L, "invalid format (width or precision too long)")
	}
	if i < len(format) {
		v.conversion = format[i]
	}
	return v, i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (vm *VM) formatVerb(L *lua.LState, buf []byte, v verb, arg int) []byte {
	switch v.conversion {
	case 'c':
		return v.pad(buf, "", string([]byte{byte(checkInteger(L, arg))}), false)
	case 'd', 'i':
		return v.integer(buf, toInteger(checkNumber(L, arg)))
	case 'o', 'u', 'x', 'X':
		return v.unsigned(buf, toUnsigned(checkNumber(L, arg)))
	case 'e', 'E', 'f', 'g', 'G':
		return v.float(buf, checkNumber(L, arg))
	case 'q':
		return vm.quote(buf, checkString(L, arg))
	case 's':
		s := checkString(L, arg)
		if v.precision >= 0 || len(s) < 100 {
			s = trimZero(s)
			if v.precision >= 0 {
				s = s[:min(len(s), v.precision)]
			}
			return v.pad(buf, "", s, false)
		}
		return append(vm.grow(buf, len(s)), s...)
	}
	option := trimZero(string([]byte{v.conversion}))
	fail(L, "invalid option '%%%s' to 'format'", option)
	return nil
}

// toUnsigned is C's conversion of a double to a 64-bit unsigned integer on x86.
func toUnsigned(f float64) uint64 {
	switch {
	case f >= 1<<64:
		return 0
	case f >= 0:
		return uint64(f)
	}
	return uint64(toInteger(f))
}

// pad appends sign and text, filled up to the width. zeros: with zeros behind the
// sign if asked for.
func (v verb) pad(buf []byte, sign, text string, zeros bool) []byte {
	fill := v.width - len(sign) - len(text)
	switch {
	case fill <= 0:
		return append(append(buf, sign...), text...)
	case v.minus:
		buf = append(append(buf, sign...), text...)
		return appendFill(buf, ' ', fill)
	case v.zero && zeros:
		buf = appendFill(append(buf, sign...), '0', fill)
		return append(buf, text...)
	}
	buf = appendFill(buf, ' ', fill)
	return append(append(buf, sign...), text...)
}

func appendFill(buf []byte, c byte, n int) []byte {
	for range n {
		buf = append(buf, c)
	}
	return buf
}

func (v verb) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case v.plus:
		return "+"
	case v.space:
		return " "
	}
	return ""
}

// digits is the text of an integer with the precision: at least so many digits.
func (v verb) digits(n uint64, base int) string {
	if v.precision == 0 && n == 0 {
		return ""
	}
	s := strconv.FormatUint(n, base)
	if len(s) < v.precision {
		s = strings.Repeat("0", v.precision-len(s)) + s
	}
	return s
}

func (v verb) integer(buf []byte, n int64) []byte {
	magnitude := uint64(n)
	if n < 0 {
		magnitude = -magnitude
	}
	return v.pad(buf, v.sign(n < 0), v.digits(magnitude, 10), v.precision < 0)
}

func (v verb) unsigned(buf []byte, n uint64) []byte {
	prefix, s := "", ""
	switch v.conversion {
	case 'o':
		s = v.digits(n, 8)
		if v.sharp && !strings.HasPrefix(s, "0") {
			s = "0" + s
		}
	case 'u':
		s = v.digits(n, 10)
	case 'x', 'X':
		s = v.digits(n, 16)
		if v.sharp && n != 0 {
			prefix = "0x"
		}
		if v.conversion == 'X' {
			s, prefix = strings.ToUpper(s), strings.ToUpper(prefix)
		}
	}
	return v.pad(buf, prefix, s, v.precision < 0)
}

func (v verb) float(buf []byte, f float64) []byte {
	upper := v.conversion < 'a'
	text := ""
	switch {
	case math.IsInf(f, 0):
		text = "inf"
	case math.IsNaN(f):
		text = "nan"
	default:
		text = v.finite(math.Abs(f))
	}
	if upper {
		text = strings.ToUpper(text)
	}
	return v.pad(buf, v.sign(math.Signbit(f)), text, !math.IsInf(f, 0) && !math.IsNaN(f))
}

func (v verb) finite(f float64) string {
	precision := v.precision
	if precision < 0 {
		precision = 6
	}
	conversion := v.conversion | 0x20
	if conversion != 'g' {
		s := strconv.FormatFloat(f, conversion, precision, 64)
		if v.sharp && precision == 0 {
			if mantissa, exponent, ok := strings.Cut(s, "e"); ok {
				return mantissa + ".e" + exponent
			}
			return s + "."
		}
		return s
	}
	precision = max(precision, 1)
	if !v.sharp {
		return strconv.FormatFloat(f, 'g', precision, 64)
	}
	// "#" keeps the zeros at the end.
	_, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', precision-1, 64), "e")
	x, _ := strconv.Atoi(exponent)
	if x < -4 || x >= precision {
		v.conversion, v.precision = 'e', precision-1
	} else {
		v.conversion, v.precision = 'f', precision-1-x
	}
	return v.finite(f)
}

// quote is %q: a string that Lua reads back.
func (vm *VM) quote(buf []byte, s string) []byte {
	buf = append(vm.grow(buf, len(s)+2), '"')
	for i := range len(s) {
		buf = vm.grow(buf, 4)
		switch c := s[i]; c {
		case '"', '\\', '\n':
			buf = append(buf, '\\', c)
		case '\r':
			buf = append(buf, `\r`...)
		case 0:
			buf = append(buf, `\000`...)
		default:
			buf = append(buf, c)
		}
	}
	return append(buf, '"')
}
