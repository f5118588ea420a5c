package lua

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"respkv/resp/proto"
)

// TestBombs runs scripts that would take all memory, or all time: they end with
// an error, and can't catch it.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds, with one goroutine")
	}
	e := newTestEngine()
	for _, source := range []string{
		"local t={} while true do t[#t+1]={1} end",
		"local t={} local i=0 while true do i=i+1 t[i]='x'..i end",
		"local t={} while true do t[#t+1]=string.rep('x',1000000)..#t end",
		"local s='x' while true do s=s..s end",
		"local t={} while true do pcall(function() while true do t[#t+1]=('x'):rep(100) end end) end",
		"return ('x'):rep(1e9)",
		"return table.concat((function() local t={} local s=('x'):rep(1e6) for i=1,1000 do t[i]=s end return t end)())",
		"local t={1} for i=1,40 do t={t,t} end return cjson.encode(t)",
		"local t={} t[1]=t return cjson.encode(t)",
		"local t=setmetatable({},{}) getmetatable(t).__index=function(t,k) return t[k+1] end return t[1]",
		"return string.format('%99999d',1)",
		"local t={} t[1]=t return t",
		"return string.gsub(string.rep('x',1e6),'x',string.rep('y',1e6))",
	} {
		start := time.Now()
		reply := eval(t, e, &echoHost{}, source)
		if !strings.Contains(reply, "-ERR ") {
			t.Errorf("%s: %.80q", source, reply)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%s took %v", source, took)
		}
		t.Logf("%v %.90s %.60q", time.Since(start).Round(time.Millisecond), source, reply)
	}
}

// TestBombsThatCanBeKilled runs scripts that have no limit of their own, or one that
// takes long to reach: killed, each ends soon, and the heap has stayed small.
func TestBombsThatCanBeKilled(t *testing.T) {
	e := newTestEngine()
	for _, source := range []string{
		"local t={} for i=1,1e9 do t[1e8+i]=i end",
		"local t={} for i=1,1e9 do t[-i]=i end",
		"local t={} for i=1,1e9 do t[i*65536]={} end",
		"local t={} t[2^53]=1 for i=1,1e9 do t[2^53-i]=#t end",
		"local function f() return coroutine.wrap(function() return f() end)() end return f()",
		"local t={} while true do local c=coroutine.create(function() coroutine.yield() end) coroutine.resume(c) t[#t+1]=c end",
		"local function f(n) local c=coroutine.wrap(function() f(n+1) f(n+1) end) c() end f(1)",
		"local f f=function() pcall(f) pcall(f) end f()",
		"local f f=function() local ok=pcall(f) return pcall(f) end while true do f() end",
		"local f f=function() coroutine.wrap(function() pcall(f) pcall(f) end)() end f()",
		"return table.insert({1},-2^31,1)",
		"return string.rep('a',1e6):find(string.rep('a*',50)..'b')",
		"return cjson.decode(string.rep('[',1e6))",
		"return cmsgpack.unpack(string.rep('\\145',1e6))",
		"return {unpack({},1,1e7)}",
	} {
		start := time.Now()
		reply := killed(t, e, source, 300*time.Millisecond)
		if !strings.Contains(reply, "-ERR ") {
			t.Errorf("%s: %.80q", source, reply)
		}
		took := time.Since(start)
		if took > time.Minute {
			t.Errorf("%s took %v", source, took)
		}
		runtime.GC()
		if heap := heapBytes(); heap > 256<<20 {
			t.Errorf("%s: %d MB on the heap", source, heap>>20)
		}
		t.Logf("%v %.90s %.60q", took.Round(time.Millisecond), source, reply)
	}
}

// TestSharedTablesPacked: cmsgpack cuts what is nested deeper than 16, as in Redis, so
// that tables that hold one another many times stay small.
func TestSharedTablesPacked(t *testing.T) {
	e := newTestEngine()
	for source, most := range map[string]int{
		"local t={1} for i=1,40 do t={t,t} end return #cmsgpack.pack(t)":       1 << 17,
		"local t={} t[1]=t return #cmsgpack.pack(t)":                           17,
		"local t={a=1} for i=1,40 do t={a=t,b=t} end return #cmsgpack.pack(t)": 393211,
	} {
		reply := eval(t, e, &echoHost{}, source)
		if n, err := strconv.Atoi(strings.Trim(reply, ":\r\n")); err != nil || n > most {
			t.Errorf("%s: %.80q, want at most %d", source, reply, most)
		}
	}
}

// killed runs a script, and kills it after a time.
func killed(t *testing.T, e *Engine, source string, after time.Duration) string {
	t.Helper()
	s, err := e.Load([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	h := &killingHost{}
	run := &Run{Host: h, Name: s.SHA, Limit: after}
	h.run = run
	r := e.Eval(s, run)
	defer r.Close()
	var w proto.Writer
	r.Write(&w)
	return string(w.Bytes())
}

// killingHost kills the script that runs too long, as SCRIPT KILL does.
type killingHost struct {
	echoHost
	run *Run
}

func (h *killingHost) Overtime() { h.run.Kill() }
