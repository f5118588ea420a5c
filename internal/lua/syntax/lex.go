package syntax

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// token is a kind of lexeme: its spelling, except for the kinds below.
type token string

const (
	tokEOF    token = "<eof>"
	tokName   token = "<name>"
	tokNumber token = "<number>"
	tokString token = "<string>"
)

var keywords = map[string]bool{
	"and": true, "break": true, "do": true, "else": true, "elseif": true, "end": true, "false": true,
	"for": true, "function": true, "if": true, "in": true, "local": true, "nil": true, "not": true,
	"or": true, "repeat": true, "return": true, "then": true, "true": true, "until": true, "while": true,
}

// lexeme is one token of the source.
type lexeme struct {
	kind   token
	text   string  // of a name or string
	number float64 // of a number
	source string  // as written, for messages
	line   int
}

// lexer cuts source into lexemes. Mistakes end it with a panic of *Error, which
// Parse recovers.
type lexer struct {
	chunk string // name of the source in messages
	src   string
	pos   int
	line  int
}

// Error is a mistake in the source, in the words of Lua 5.1.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

func (lx *lexer) fail(line int, format string, args ...any) {
	panic(&Error{fmt.Sprintf("%s:%d: %s", lx.chunk, line, fmt.Sprintf(format, args...))})
}

// failNear names the text at which the mistake was found.
func (lx *lexer) failNear(near, format string, args ...any) {
	lx.fail(lx.line, "%s near '%s'", fmt.Sprintf(format, args...), near)
}

// peek is the byte i places ahead; 0 past the end.
func (lx *lexer) peek(i int) byte {
	if lx.pos+i < len(lx.src) {
		return lx.src[lx.pos+i]
	}
	return 0
}

func (lx *lexer) atEnd() bool { return lx.pos >= len(lx.src) }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' }

func isBreak(c byte) bool { return c == '\n' || c == '\r' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }

func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }

// skipBreak passes one line end; "\r\n" and "\n\r" are one.
func (lx *lexer) skipBreak() {
	first := lx.src[lx.pos]
	lx.pos++
	if c := lx.peek(0); !lx.atEnd() && isBreak(c) && c != first {
		lx.pos++
	}
	lx.line++
}

// next reads the lexeme that follows.
func (lx *lexer) next() lexeme {
	for !lx.atEnd() {
		c := lx.src[lx.pos]
		switch {
		case isBreak(c):
			lx.skipBreak()
			continue
		case isSpace(c):
			lx.pos++
			continue
		case c == '-' && lx.peek(1) == '-':
			lx.skipComment()
			continue
		}
		return lx.lexeme(c)
	}
	return lexeme{kind: tokEOF, source: "<eof>", line: lx.line}
}

func (lx *lexer) skipComment() {
	lx.pos += 2
	if lx.peek(0) == '[' {
		if level, ok := lx.longBracket(); ok {
			lx.longString(level, "comment")
			return
		}
	}
	for !lx.atEnd() && !isBreak(lx.src[lx.pos]) {
		lx.pos++
	}
}

func (lx *lexer) lexeme(c byte) lexeme {
	start, line := lx.pos, lx.line
	symbol := func(n int) lexeme {
		lx.pos += n
		s := lx.src[start:lx.pos]
		return lexeme{kind: token(s), source: s, line: line}
	}
	switch {
	case isAlpha(c):
		for isAlnum(lx.peek(0)) {
			lx.pos++
		}
		s := lx.src[start:lx.pos]
		if keywords[s] {
			return lexeme{kind: token(s), source: s, line: line}
		}
		return lexeme{kind: tokName, text: s, source: s, line: line}
	case isDigit(c) || c == '.' && isDigit(lx.peek(1)):
		return lx.number()
	case c == '"' || c == '\'':
		return lx.quoted(c)
	case c == '[':
		if level, ok := lx.longBracket(); ok {
			text := lx.longString(level, "string")
			return lexeme{kind: tokString, text: text, source: lx.src[start:lx.pos], line: lx.line}
		}
		if lx.peek(1) == '=' {
			lx.failNear(lx.src[start:start+1+strings.IndexFunc(lx.src[start+1:]+"x", notEquals)], "invalid long string delimiter")
		}
	case c == '.':
		if strings.HasPrefix(lx.src[start:], "...") {
			return symbol(3)
		}
		if lx.peek(1) == '.' {
			return symbol(2)
		}
	case (c == '=' || c == '<' || c == '>' || c == '~') && lx.peek(1) == '=':
		return symbol(2)
	}
	l := symbol(1)
	if c < ' ' || c == 0x7f {
		l.source = "char(" + strconv.Itoa(int(c)) + ")"
	}
	return l
}

func notEquals(r rune) bool { return r != '=' }

// number reads a numeral as Lua 5.1 does: everything that looks like one, then
// whether it is.
func (lx *lexer) number() lexeme {
	start, line := lx.pos, lx.line
	for isDigit(lx.peek(0)) || lx.peek(0) == '.' {
		lx.pos++
	}
	if c := lx.peek(0) | 0x20; c == 'e' {
		lx.pos++
		if c := lx.peek(0); c == '+' || c == '-' {
			lx.pos++
		}
	}
	for isAlnum(lx.peek(0)) {
		lx.pos++
	}
	s := lx.src[start:lx.pos]
	value, ok := ParseNumber(s)
	if !ok {
		lx.failNear(s, "malformed number")
	}
	return lexeme{kind: tokNumber, number: value, source: s, line: line}
}

// longBracket says whether a long bracket opens here, and passes it.
func (lx *lexer) longBracket() (level int, ok bool) {
	i := 1
	for lx.peek(i) == '=' {
		i++
	}
	if lx.peek(i) != '[' {
		return 0, false
	}
	lx.pos += i + 1
	return i - 1, true
}

// longString reads up to the closing bracket. Line ends become "\n", the first
// one is dropped.
func (lx *lexer) longString(level int, what string) string {
	var b strings.Builder
	if !lx.atEnd() && isBreak(lx.src[lx.pos]) {
		lx.skipBreak()
	}
	closing := "]" + strings.Repeat("=", level) + "]"
	for {
		if lx.atEnd() {
			lx.failNear("<eof>", "unfinished long %s", what)
		}
		c := lx.src[lx.pos]
		switch {
		case c == ']' && strings.HasPrefix(lx.src[lx.pos:], closing):
			lx.pos += len(closing)
			return b.String()
		case isBreak(c):
			lx.skipBreak()
			b.WriteByte('\n')
		default:
			b.WriteByte(c)
			lx.pos++
		}
	}
}

var simpleEscapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

func (lx *lexer) quoted(quote byte) lexeme {
	start := lx.pos
	var b []byte
	lx.pos++
	for lx.atEnd() || lx.src[lx.pos] != quote {
		if lx.atEnd() {
			lx.failNear("<eof>", "unfinished string")
		}
		c := lx.src[lx.pos]
		switch {
		case isBreak(c):
			lx.failNear(lx.src[start:lx.pos], "unfinished string")
		case c != '\\':
			b = append(b, c)
			lx.pos++
		default:
			b = lx.escape(b, start)
		}
	}
	lx.pos++
	return lexeme{kind: tokString, text: string(b), source: lx.src[start:lx.pos], line: lx.line}
}

func (lx *lexer) escape(b []byte, start int) []byte {
	lx.pos++
	if lx.atEnd() {
		return b // the caller finds the end
	}
	c := lx.src[lx.pos]
	if simple, ok := simpleEscapes[c]; ok {
		lx.pos++
		return append(b, simple)
	}
	if isBreak(c) {
		lx.skipBreak()
		return append(b, '\n')
	}
	if !isDigit(c) {
		lx.pos++
		return append(b, c)
	}
	value := 0
	for i := 0; i < 3 && isDigit(lx.peek(0)); i++ {
		value = value*10 + int(lx.peek(0)-'0')
		lx.pos++
	}
	if value > math.MaxUint8 {
		lx.failNear(lx.src[start:lx.pos], "escape sequence too large")
	}
	return append(b, byte(value))
}

// ParseNumber reads a numeral as Lua 5.1 converts strings: decimal or
// hexadecimal, as C's strtod takes them, white space around it allowed.
func ParseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	body, negative := s, false
	if body != "" && (body[0] == '-' || body[0] == '+') {
		negative = body[0] == '-'
		body = body[1:]
	}
	if len(body) == 0 || strings.IndexByte(body, '_') >= 0 {
		return 0, false
	}
	var value float64
	switch c := body[0]; {
	case isDigit(c) || c == '.':
		if len(body) > 2 && body[0] == '0' && body[1]|0x20 == 'x' {
			v, ok := parseHex(body)
			if !ok {
				return 0, false
			}
			value = v
			break
		}
		v, err := strconv.ParseFloat(body, 64)
		if err != nil && !math.IsInf(v, 0) {
			return 0, false
		}
		value = v
	case strings.EqualFold(body, "inf"), strings.EqualFold(body, "infinity"):
		value = math.Inf(1)
	case strings.EqualFold(body, "nan"):
		value = math.NaN()
	default:
		return 0, false
	}
	if negative {
		value = -value
	}
	return value, true
}

// parseHex reads 0x1F, 0x1.8 and 0x1p4: strtod knows them all.
func parseHex(s string) (float64, bool) {
	if !strings.ContainsAny(s, "pP") {
		s += "p0" // Go wants the exponent
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil || math.IsInf(v, 0)
}
