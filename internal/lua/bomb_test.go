package lua

import (
	"strings"
	"testing"
	"time"
)

// TestBombs runs scripts that would take all memory, or all time: they end with
// an error, and can't catch it.
func TestBombs(t *testing.T) {
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
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", source, took)
		}
		t.Logf("%v %.90s %.60q", time.Since(start).Round(time.Millisecond), source, reply)
	}
}
