package lua

import (
	"testing"
	"time"

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

func TestX(t *testing.T) {
	e := newTestEngine()
	for _, s := range []string{
		"return 1", "return 'x'..1.5", "return {1,2,{ok='x'}}", "local n=0 local f=function() n=n+1 end pcall(error,'x') f() return n",
		"return redis.call('foo')", "return x", "x=1", "return nil+1", "local a return a.b", "local t={} return t.x.y", "return foo()", "redis.x=1",
		"return #nil", "return 1 < 'x'", "return '010'+1", "for i=1,'3' do end return 'ok'", "for i=1,{} do end", "while true do", "return 'a'..{}",
		"local function f() return 1+f() end return f()", "return cjson.encode({1,2,{a=1}})",
		"return cjson.decode('[1,2,{\"a\":[1]}]')[3].a", "return struct.unpack('>I2', 'ab')", "return bit.band(7, 3)", "return cmsgpack.unpack(cmsgpack.pack({1,2}))",
		"return string.format('%5.2f|%q|%s', 1/3, 'x\"', 12)", "return string.rep('x', 1e9)", "local t={} for i=1,100000 do t[i]=i end return #t",
		"error({err='My Err'})", "error('boo')", "return ({pcall(error, {err='x'})})[2]", "local s='x' while true do s=s..s end",
		"return ('x'):rep(3)", "return ('x'):bad(3)", "return string.rep()", "local f=string.rep return f()", "return tostring(cjson.null)",
		"local co=coroutine.wrap(function(a) local b=coroutine.yield(a+1) return b*2 end) local x=co(1) return {x, co(10)}",
		"return goto", "local goto=1 return goto", "return math.random(100)", "return 5 % 3", "string.x=1", "rawset(string,'x',1)", "table.insert(KEYS,1) return KEYS",
		"return {1,nil,3}", "return redis.error_reply('x')", "return redis.error_reply('-x y')", "return (1)", "local t = setmetatable({}, {__index=function(t,k) return k end}) return t.foo",
	} {
		t.Logf("%s => %q", s, eval(t, e, &echoHost{}, s))
	}
}
