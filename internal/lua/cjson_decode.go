package lua

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// jsonToken is a kind of token, by the name that error messages have for it.
type jsonToken string

const (
	jsonObjectBegin jsonToken = "T_OBJ_BEGIN"
	jsonObjectEnd   jsonToken = "T_OBJ_END"
	jsonArrayBegin  jsonToken = "T_ARR_BEGIN"
	jsonArrayEnd    jsonToken = "T_ARR_END"
	jsonString      jsonToken = "T_STRING"
	jsonNumber      jsonToken = "T_NUMBER"
	jsonBool        jsonToken = "T_BOOLEAN"
	jsonNull        jsonToken = "T_NULL"
	jsonColon       jsonToken = "T_COLON"
	jsonComma       jsonToken = "T_COMMA"
	jsonEnd         jsonToken = "T_END"
	jsonError       jsonToken = "T_ERROR"
)

var jsonSymbols = map[byte]jsonToken{
	'{': jsonObjectBegin, '}': jsonObjectEnd, '[': jsonArrayBegin, ']': jsonArrayEnd,
	',': jsonComma, ':': jsonColon, 0: jsonEnd,
}

// jsonDecoder reads one text, which ends at its first zero byte.
type jsonDecoder struct {
	*jsonConfig
	vm    *VM
	L     *lua.LState
	src   string
	pos   int
	depth int

	kind  jsonToken
	at    int        // where the token begins
	value lua.LValue // of a string, number or boolean
	wrong string     // of an error
}

func (vm *VM) jsonDecode(L *lua.LState, c *jsonConfig) int {
	if L.GetTop() != 1 {
		argError(L, 1, "expected 1 argument")
	}
	src := checkString(L, 1)
	if len(src) >= 2 && (src[0] == 0 || src[1] == 0) {
		fail(L, "JSON parser does not support UTF-16 or UTF-32")
	}
	d := jsonDecoder{jsonConfig: c, vm: vm, L: L, src: src}
	d.next()
	v := d.read()
	d.next()
	if d.kind != jsonEnd {
		d.expected("the end")
	}
	L.Push(v)
	return 1
}

func (d *jsonDecoder) peek(i int) byte {
	if d.pos+i < len(d.src) {
		return d.src[d.pos+i]
	}
	return 0
}

func (d *jsonDecoder) expected(what string) {
	found := string(d.kind)
	if d.kind == jsonError {
		found = d.wrong
	}
	fail(d.L, "Expected %s but found %s at character %d", what, found, d.at+1)
}

func (d *jsonDecoder) bad(why string) { d.kind, d.wrong, d.at = jsonError, why, d.pos }

// next reads a token.
func (d *jsonDecoder) next() {
	d.vm.work(1)
	for c := d.peek(0); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = d.peek(0) {
		d.pos++
	}
	d.at = d.pos
	c := d.peek(0)
	if kind, ok := jsonSymbols[c]; ok {
		d.kind = kind
		if kind != jsonEnd {
			d.pos++
		}
		return
	}
	rest := d.src[d.pos:]
	switch {
	case c == '"':
		d.text()
	case c == '-' || isDigit(c):
		if !d.decodeInvalid && d.invalidNumber() {
			d.bad("invalid number")
			return
		}
		d.number()
	case strings.HasPrefix(rest, "true"):
		d.kind, d.value = jsonBool, lua.LTrue
		d.pos += 4
	case strings.HasPrefix(rest, "false"):
		d.kind, d.value = jsonBool, lua.LFalse
		d.pos += 5
	case strings.HasPrefix(rest, "null"):
		d.kind = jsonNull
		d.pos += 4
	case strings.IndexByte("fiInNt+", c) >= 0 && d.decodeInvalid && d.invalidNumber():
		d.number()
	default:
		d.bad("invalid token")
	}
}

// invalidNumber says that what C reads as a number is none in JSON.
func (d *jsonDecoder) invalidNumber() bool {
	s := d.src[d.pos:]
	if s[0] == '+' {
		return true
	}
	s = strings.TrimPrefix(s, "-")
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	if at(0) == '0' {
		return at(1)|0x20 == 'x' || isDigit(at(1))
	}
	if at(0) <= '9' || len(s) < 3 {
		return false
	}
	return strings.EqualFold(s[:3], "inf") || strings.EqualFold(s[:3], "nan")
}

// number reads what C's strtod reads.
func (d *jsonDecoder) number() {
	v, n := scanNumber(d.src[d.pos:])
	if n == 0 {
		d.bad("invalid number")
		return
	}
	d.kind, d.value = jsonNumber, lua.LNumber(v)
	d.pos += n
}

// scanNumber is strtod: the number at the beginning of s, and its length.
func scanNumber(s string) (v float64, n int) {
	i := 0
	at := func(i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	if c := at(0); c == '-' || c == '+' {
		i++
	}
	for _, word := range []string{"infinity", "inf", "nan"} {
		if len(s) >= i+len(word) && strings.EqualFold(s[i:i+len(word)], word) {
			v = math.NaN()
			if word != "nan" {
				v = math.Inf(1)
			}
			if at(0) == '-' {
				v = -v
			}
			return v, i + len(word)
		}
	}
	isDigitHere, exponent := isDigit, byte('e')
	start := i
	if at(i) == '0' && at(i+1)|0x20 == 'x' && (isHex(at(i+2)) || at(i+2) == '.' && isHex(at(i+3))) {
		i += 2
		isDigitHere, exponent = isHex, 'p'
	}
	digits := 0
	for isDigitHere(at(i)) {
		i++
		digits++
	}
	if at(i) == '.' {
		i++
		for isDigitHere(at(i)) {
			i++
			digits++
		}
	}
	if digits == 0 {
		return 0, 0
	}
	if at(i)|0x20 == exponent {
		j := i + 1
		if c := at(j); c == '-' || c == '+' {
			j++
		}
		if isDigit(at(j)) {
			for isDigit(at(j)) {
				j++
			}
			i = j
		}
	}
	text := s[:i]
	if exponent == 'p' && !strings.ContainsAny(s[start:i], "pP") {
		text += "p0"
	}
	v, _ = strconv.ParseFloat(text, 64) // out of range: the infinity it returns
	return v, i
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

var jsonEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 't': '\t', 'n': '\n', 'f': '\f', 'r': '\r'}

func (d *jsonDecoder) text() {
	d.pos++
	start := d.pos
	for c := d.peek(0); c != '\\' && c != 0; c = d.peek(0) {
		d.pos++
		if c == '"' {
			// Without escapes it is a part of the text.
			d.kind, d.value = jsonString, lua.LString(d.src[start:d.pos-1])
			return
		}
	}
	buf := append(d.vm.grow(nil, len(d.src)-start), d.src[start:d.pos]...)
	for {
		c := d.peek(0)
		switch c {
		case '"':
			d.pos++
			d.kind, d.value = jsonString, lua.LString(ownedString(buf))
			return
		case 0:
			d.bad("unexpected end of string")
			return
		case '\\':
			escape := d.peek(1)
			if escape == 'u' {
				r, n := d.unicode()
				if n == 0 {
					d.bad("invalid unicode escape code")
					return
				}
				buf = appendRune(buf, r)
				d.pos += n
				continue
			}
			plain, ok := jsonEscapes[escape]
			if !ok {
				d.bad("invalid escape code")
				return
			}
			c = plain
			d.pos++
		}
		buf = append(buf, c)
		d.pos++
	}
}

// unicode reads \uXXXX, or two of them that are a surrogate pair.
func (d *jsonDecoder) unicode() (r rune, n int) {
	high, ok := d.hex4(2)
	if !ok {
		return 0, 0
	}
	if high&0xf800 != 0xd800 {
		return high, 6
	}
	if high&0x400 != 0 || d.peek(6) != '\\' || d.peek(7) != 'u' {
		return 0, 0
	}
	low, ok := d.hex4(8)
	if !ok || low&0xfc00 != 0xdc00 {
		return 0, 0
	}
	return (high&0x3ff)<<10 | low&0x3ff + 0x10000, 12
}

func (d *jsonDecoder) hex4(i int) (r rune, ok bool) {
	for k := range 4 {
		c := d.peek(i + k)
		if !isHex(c) {
			return 0, false
		}
		r <<= 4
		if isDigit(c) {
			r |= rune(c - '0')
		} else {
			r |= rune(c|0x20-'a') + 10
		}
	}
	return r, true
}

func appendRune(buf []byte, r rune) []byte {
	if r < 0x10000 && r >= 0x800 { // surrogates are passed on, too
		return append(buf, byte(r>>12)|0xe0, byte(r>>6)&0x3f|0x80, byte(r)&0x3f|0x80)
	}
	return utf8.AppendRune(buf, r)
}

// read gives the value that begins with the token read last.
func (d *jsonDecoder) read() lua.LValue {
	switch d.kind {
	case jsonString, jsonNumber, jsonBool:
		return d.value
	case jsonNull:
		return d.vm.engine.null
	case jsonObjectBegin:
		return d.object()
	case jsonArrayBegin:
		return d.array()
	}
	d.expected("value")
	return nil
}

func (d *jsonDecoder) descend() {
	if d.depth++; d.depth > d.decodeMaxDepth {
		fail(d.L, "Found too many nested data structures (%d) at character %d", d.depth, d.pos)
	}
}

func (d *jsonDecoder) object() lua.LValue {
	d.descend()
	t := d.L.CreateTable(0, 4)
	if d.next(); d.kind == jsonObjectEnd {
		d.depth--
		return t
	}
	for {
		if d.kind != jsonString {
			d.expected("object key string")
		}
		key := string(d.value.(lua.LString))
		if d.next(); d.kind != jsonColon {
			d.expected("colon")
		}
		d.next()
		t.RawSetString(key, d.read())
		if d.next(); d.kind == jsonObjectEnd {
			d.depth--
			return t
		}
		if d.kind != jsonComma {
			d.expected("comma or object end")
		}
		d.next()
	}
}

func (d *jsonDecoder) array() lua.LValue {
	d.descend()
	t := d.L.CreateTable(4, 0)
	if d.next(); d.kind == jsonArrayEnd {
		d.depth--
		return t
	}
	for i := 1; ; i++ {
		setElement(t, i, d.read())
		if d.next(); d.kind == jsonArrayEnd {
			d.depth--
			return t
		}
		if d.kind != jsonComma {
			d.expected("comma or array end")
		}
		d.next()
	}
}
