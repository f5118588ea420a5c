package lua

import (
	"strings"
	"testing"
	"time"

	"respkv/internal/rdb"
	"respkv/resp/proto"
)

// echoHost is a server with a few commands that need no store.
type echoHost struct {
	replies map[string]string // by command name
	calls   [][]string
	over    int
}

func (h *echoHost) Call(args [][]byte, _ int) (reply []byte, refused string) {
	var call []string
	for _, arg := range args {
		call = append(call, string(arg))
	}
	h.calls = append(h.calls, call)
	if reply, ok := h.replies[call[0]]; ok {
		return []byte(reply), ""
	}
	return nil, "Unknown Redis command called from script"
}

func (h *echoHost) Allowed(args [][]byte) (allowed, known bool) { return true, true }
func (h *echoHost) Log(int, string)                             {}
func (h *echoHost) Replicate(bool)                              {}
func (h *echoHost) Overtime()                                   { h.over++ }
func (h *echoHost) Unwound() bool                               { return false }

func newTestEngine() *Engine {
	return NewEngine(Options{
		Version: "7.0.15", MemoryLimit: func() int { return 16 << 20 }, Log: func(int, string) {},
	})
}

// eval runs a script and returns its reply in RESP2.
func eval(t testing.TB, e *Engine, h Host, source string, args ...string) string {
	t.Helper()
	s, err := e.Load([]byte(source))
	if err != nil {
		return "-ERR " + err.Error() + "\r\n"
	}
	run := &Run{Host: h, Name: s.SHA, Limit: time.Minute}
	for _, arg := range args {
		run.Args = append(run.Args, []byte(arg))
	}
	r := e.Eval(s, run)
	defer r.Close()
	var w proto.Writer
	r.Write(&w)
	return string(w.Bytes())
}

// TestLanguage has what Lua 5.1 does and gopher-lua by itself does otherwise.
func TestLanguage(t *testing.T) {
	e := newTestEngine()
	for _, c := range []struct{ script, want string }{
		{"local n=0 local f=function() n=n+1 end pcall(error,'x') f() return n", ":1"},
		{"local n=0 local f=function() n=n+1 end pcall(function() pcall(error) error('x') end) n=n+1 f() return n", ":2"},
		{"local fs={} pcall(function() local v=1 fs[1]=function() v=v+1 return v end error() end) local a,b=10,20 fs[1]() return fs[1]()", ":3"},
		{"local n,e=0 local f f=function() n=n+1 local ok,m=pcall(f) e=e or m end f() return {n,e}", "*2\r\n:199\r\n$16\r\nC stack overflow"},
		{"local n=0 local f f=function() n=n+1 xpcall(f, function(e) return e end) end f() return n", ":199"},
		{"return '010'+1", ":11"},
		{"return 0.1+0.2 ..''", "$3\r\n0.3"},
		{"for i=1,'3' do if i==3 then return i end end", ":3"},
		{"local goto=1 return goto", ":1"},
		{"local f = 1 do local f = function() return f end return f() end", ":1"},
		{"local t={} for i=1,100000 do t[i]=i end return #t", ":100000"},
		{"local t={} t[50000000]=1 return t[50000000]", ":1"},
		{"local a={} return a.b.c", "-ERR user_script:1: attempt to index field 'b' (a nil value) script: "},
		{"cjson.encode_max_depth(1) return cjson.encode({{}})", "-ERR user_script:1: Cannot serialise, excessive nesting (2) script: "},
		{"return cjson.encode({{}})", "$4\r\n[{}]"},
		{"cjson.encode_sparse_array(true) return cjson.encode({[100]=3})", "$9\r\n{\"100\":3}"},
		{"cjson.encode_number_precision(3) return cjson.encode({1/3})", "$7\r\n[0.333]"},
		{"cjson.encode_invalid_numbers('null') return cjson.encode({1/0})", "$6\r\n[null]"},
		{"cjson.decode_invalid_numbers(false) return cjson.decode('nan')", "-ERR user_script:1: Expected value but found invalid token at character 1 script: "},
	} {
		if got := eval(t, e, &echoHost{}, c.script); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
}

// TestSharedState: a script leaves nothing to the next one.
func TestSharedState(t *testing.T) {
	e := newTestEngine()
	for _, script := range []string{
		"x=1", "redis.x=1", "string.sub=1", "rawset(_G,'x',1)", "getmetatable('').__index=nil", "getmetatable(_G).__index=nil",
		"setmetatable(_G,{})", "table.insert(string,1)", "cjson.null=1", "rawset(getmetatable(''),'__index',1)",
	} {
		if got := eval(t, e, &echoHost{}, script); !strings.Contains(got, "readonly table") {
			t.Errorf("%s: %q", script, got)
		}
	}
}

// TestDump: what is dumped is restored.
func TestDump(t *testing.T) {
	for _, n := range []int{10, 100, 20_000} {
		code := "#!lua name=l\nredis.register_function('f', function() end) --" + strings.Repeat("x", n)
		e := newTestEngine()
		if err := e.Apply(Change{"l", code}); err != nil {
			t.Fatal(err)
		}
		codes, err := ParseDump(e.Libraries().Dump())
		if err != nil || len(codes) != 1 || codes[0] != code {
			t.Errorf("%d: %v, %d libraries", n, err, len(codes))
		}
	}
}

// FuzzParseDump: no payload ends the process, or takes more memory than it may.
func FuzzParseDump(f *testing.F) {
	f.Add([]byte("\xf5\x05abcde"))
	f.Add([]byte("\xf5\xc3\x05\x20\x01ab\x20\x00"))
	f.Add(rdb.AppendFunction(nil, []byte("#!lua name=l\n"+strings.Repeat("x", 300)), true))
	f.Add([]byte("\xf6\x01l"))
	f.Fuzz(func(t *testing.T, body []byte) {
		codes, err := ParseDump(rdb.AppendFooter(body, 0, rdb.Version))
		total := 0
		for _, code := range codes {
			total += len(code)
		}
		if err == nil && total > 300*len(body) {
			t.Errorf("%d bytes became %d", len(body), total)
		}
	})
}
