package lua

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// replyReader reads a reply of our own server: it is well-formed.
type replyReader struct {
	vm  *VM
	src []byte
}

// parseReply makes Lua values of a reply in RESP2 or RESP3.
func (vm *VM) parseReply(raw []byte) lua.LValue {
	vm.alloc(len(raw))
	r := replyReader{vm: vm, src: raw}
	return r.value()
}

func (r *replyReader) line() []byte {
	i := bytes.IndexByte(r.src, '\r')
	line := r.src[:i]
	r.src = r.src[i+2:]
	return line
}

func (r *replyReader) bytes(n int) []byte {
	b := r.src[:n]
	r.src = r.src[n+2:]
	return b
}

func number(line []byte) int {
	n, _ := strconv.Atoi(string(line))
	return n
}

func (r *replyReader) value() lua.LValue {
	L := r.vm.L
	kind := r.src[0]
	r.src = r.src[1:]
	line := r.line()
	single := func(name string, v lua.LValue) lua.LValue {
		t := L.CreateTable(0, 1)
		t.RawSetString(name, v)
		return t
	}
	switch kind {
	case ':':
		n, _ := strconv.ParseInt(string(line), 10, 64)
		return lua.LNumber(n)
	case '+':
		return single("ok", lua.LString(line))
	case '-':
		t := r.vm.errorValue("-" + string(line))
		t.RawSetString("ignore_error_stats_update", lua.LTrue)
		return t
	case '$':
		n := number(line)
		if n < 0 {
			return lua.LFalse
		}
		return lua.LString(r.bytes(n))
	case '*', '>':
		return r.array(number(line))
	case '%':
		return single("map", r.members(number(line)))
	case '~':
		return single("set", r.set(number(line)))
	case '_':
		return lua.LNil
	case '#':
		return lua.LBool(line[0] == 't')
	case ',':
		return single("double", lua.LNumber(parseDouble(string(line))))
	case '(':
		return single("big_number", lua.LString(line))
	case '=':
		text := r.bytes(number(line))
		t := L.CreateTable(0, 2)
		t.RawSetString("format", lua.LString(text[:3]))
		t.RawSetString("string", lua.LString(text[4:]))
		return single("verbatim_string", t)
	case '|':
		for range 2 * number(line) {
			r.value() // scripts do not see attributes
		}
		return r.value()
	}
	return lua.LNil
}

func parseDouble(s string) float64 {
	switch s {
	case "inf":
		return math.Inf(1)
	case "-inf":
		return math.Inf(-1)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func (r *replyReader) array(n int) lua.LValue {
	if n < 0 {
		return lua.LFalse
	}
	t := newArray(r.vm.L, n)
	for i := 1; i <= n; i++ {
		setElement(t, i, r.value())
	}
	return t
}

func (r *replyReader) members(n int) *lua.LTable {
	t := r.vm.L.CreateTable(0, min(n, 1024))
	for range n {
		k := r.value()
		t.RawSet(k, r.value())
	}
	return t
}

func (r *replyReader) set(n int) *lua.LTable {
	t := r.vm.L.CreateTable(0, min(n, 1024))
	for range n {
		t.RawSet(r.value(), lua.LTrue)
	}
	return t
}

// Writer is where a result is written to: proto.Writer.
type Writer interface {
	Len() int
	Truncate(n int)
	Bulk(b []byte)
	BulkString(s string)
	Int(n int64)
	Null()
	Bool(b bool)
	Simple(s string)
	Error(s string)
	Double(f float64)
	BigNumber(digits string)
	Verbatim(format, text string)
	Array(n int)
	Map(n int)
	Set(n int)
}

// maxReplyDepth bounds how deep a result is nested: tables may contain
// themselves. In Redis it is the size of the Lua stack that does.
const maxReplyDepth = 1997

// maxReply bounds the length of a result: tables that hold one table many times
// are small, but their reply is not.
const maxReply = 512 << 20

// Write writes the result as a reply. It says whether an error that it contains
// was counted when the command that failed was run.
func (r *Result) Write(w Writer) (counted bool) {
	if r.Failure != nil {
		w.Error(r.Failure.Text)
		return r.Failure.Counted
	}
	out := resultWriter{Writer: w, vm: r.vm, resp3: r.resp3, start: w.Len()}
	out.value(r.value, 0)
	if out.tooLong {
		w.Truncate(out.start)
		w.Error("ERR the reply of the script is too long")
	}
	return out.counted
}

type resultWriter struct {
	Writer
	vm      *VM
	resp3   bool // the script asked for RESP3
	start   int
	counted bool
	tooLong bool
}

func (w *resultWriter) value(v lua.LValue, depth int) {
	if w.Len()-w.start > maxReply {
		w.tooLong = true
	}
	if w.tooLong {
		return
	}
	if depth > maxReplyDepth {
		w.Error("ERR reached lua stack limit")
		return
	}
	switch v := v.(type) {
	case lua.LString:
		w.BulkString(string(v))
	case lua.LBool:
		switch {
		case w.resp3:
			w.Bool(bool(v))
		case bool(v):
			w.Int(1)
		default:
			w.Null()
		}
	case lua.LNumber:
		w.Int(toInteger(float64(v)))
	case *lua.LTable:
		w.table(w.vm.behind(v), depth)
	default:
		w.Null()
	}
}

func spaces(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// table writes a table by the field that says what it is; else as an array.
func (w *resultWriter) table(t *lua.LTable, depth int) {
	if v, ok := t.RawGetString("err").(lua.LString); ok {
		f := w.vm.errorOf(t)
		if depth == 0 {
			w.counted = f.Counted
		}
		w.Error(strings.TrimRight(trimZero(string(v)), "\r\n"))
		return
	}
	if v, ok := t.RawGetString("ok").(lua.LString); ok {
		w.Simple(spaces(trimZero(string(v))))
		return
	}
	if v, ok := t.RawGetString("double").(lua.LNumber); ok {
		w.Double(float64(v))
		return
	}
	if v, ok := t.RawGetString("big_number").(lua.LString); ok {
		w.BigNumber(spaces(string(v)))
		return
	}
	if v, ok := t.RawGetString("verbatim_string").(*lua.LTable); ok {
		format, isFormat := v.RawGetString("format").(lua.LString)
		text, isText := v.RawGetString("string").(lua.LString)
		if isFormat && isText {
			w.Verbatim((string(format) + "   ")[:3], string(text))
			return
		}
	}
	if v, ok := t.RawGetString("map").(*lua.LTable); ok {
		w.Map(members(v))
		each(v, func(k, v lua.LValue) bool {
			w.value(k, depth+1)
			w.value(v, depth+1)
			return !w.tooLong
		})
		return
	}
	if v, ok := t.RawGetString("set").(*lua.LTable); ok {
		w.Set(members(v))
		each(v, func(k, _ lua.LValue) bool {
			w.value(k, depth+1)
			return !w.tooLong
		})
		return
	}
	n := 0
	for element(t, n+1) != lua.LNil {
		n++
	}
	w.Array(n)
	for i := 1; i <= n && !w.tooLong; i++ {
		w.value(element(t, i), depth+1)
	}
}

func members(t *lua.LTable) (n int) {
	each(t, func(_, _ lua.LValue) bool {
		n++
		return true
	})
	return n
}
