package lua

import (
	"bytes"
	"fmt"
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"respkv/internal/quote"
)

// maxShownDepth is how deep tables within each other are shown.
const maxShownDepth = 10

// printValue shows a Lua value.
func (d *Debugger) printValue(prefix string, v lua.LValue) {
	d.showValue(string(d.vm.appendShown([]byte(prefix), v, 0)))
}

// appendShown appends a Lua value as the debugger shows it.
func (vm *VM) appendShown(b []byte, v lua.LValue, depth int) []byte {
	if depth == maxShownDepth {
		return append(b, "<max recursion level reached! Nested table?>"...)
	}
	vm.work(1)
	switch v := v.(type) {
	case lua.LString:
		return quote.Append(b, []byte(v))
	case lua.LNumber:
		return appendNumber(b, float64(v), 6)
	case lua.LBool:
		return strconv.AppendBool(b, bool(v))
	case *lua.LNilType:
		return append(b, "nil"...)
	case *lua.LTable:
		return vm.appendTable(b, v, depth+1)
	default:
		return fmt.Appendf(b, "\"%s@%p\"", typeName(v), v)
	}
}

// appendTable appends a table: as an array, if its keys are 1, 2, 3 and so on, in the order in
// which they come.
func (vm *VM) appendTable(b []byte, t *lua.LTable, depth int) []byte {
	t = vm.behind(t)
	array := true
	next := lua.LNumber(1)
	each(t, func(k, _ lua.LValue) bool {
		array = array && k == next
		next++
		return array
	})
	b = append(b, '{')
	separator := ""
	each(t, func(k, v lua.LValue) bool {
		b = append(b, separator...)
		separator = "; "
		if !array {
			b = append(b, '[')
			b = vm.appendShown(b, k, depth)
			b = append(b, "]="...)
		}
		b = vm.appendShown(b, v, depth)
		return true
	})
	return append(b, '}')
}

// appendReply appends a reply of a command, made readable, and returns what follows it in
// the wire format.
func appendReply(b, reply []byte) (shown, rest []byte) {
	line, rest, _ := bytes.Cut(reply, []byte("\r\n"))
	if len(line) == 0 {
		return b, nil
	}
	body := line[1:]
	switch line[0] {
	case ':':
		return append(b, body...), rest
	case '+', '-':
		return quote.Append(b, line), rest
	case '$':
		n, _ := strconv.Atoi(string(body))
		if n < 0 || n+2 > len(rest) {
			return append(b, "NULL"...), rest
		}
		return quote.Append(b, rest[:n]), rest[n+2:]
	case '*':
		if body[0] == '-' {
			return append(b, "NULL"...), rest
		}
		return appendReplies(b, rest, body, "[", ",", "", "]")
	case '~':
		return appendReplies(b, rest, body, "~(", ",", "", ")")
	case '%':
		return appendReplies(b, rest, body, "{", ",", " => ", "}")
	case '_':
		return append(b, "(null)"...), rest
	case '#':
		if body[0] == 't' {
			return append(b, "#true"...), rest
		}
		return append(b, "#false"...), rest
	case ',':
		return append(append(b, "(double) "...), body...), rest
	}
	return b, rest
}

// appendReplies appends the elements of a reply; pair: what is between the two of each, if
// they come in pairs.
func appendReplies(b, rest, count []byte, open, separator, pair, end string) (shown, after []byte) {
	n, _ := strconv.Atoi(string(count))
	b = append(b, open...)
	for i := range n {
		if i > 0 {
			b = append(b, separator...)
		}
		b, rest = appendReply(b, rest)
		if pair != "" {
			b = append(b, pair...)
			b, rest = appendReply(b, rest)
		}
	}
	return append(b, end...), rest
}
