package differential

import (
	"fmt"
	"strings"
	"testing"
)

// debugScript has most of what the debugger shows.
const debugScript = `local a = 1
local b = {1,2,'x'}
local c = {a=1,b={2,3}}
redis.call('set', KEYS[1], ARGV[1])
local s = 0
for i=1,3 do
  s = s + i
  redis.call('rpush','l',i)
end
local function f(x)
  local y = x * 2
  return y
end
local z = f(s)
redis.debug('hi', z, b, nil, true)
redis.breakpoint()
local e = redis.pcall('incr', KEYS[1])
local g = redis.call('lrange','l',0,-1)
if z > 3 then
  z = z + 0.5
else
  z = 0
end
while z > 10 do z = z - 1 end
local co = coroutine.wrap(function(q)
  local w = q + 1
  coroutine.yield(w)
  return 5
end)
local h = co(1)
redis.call('nosuch')
return {z, s}
`

// debugSessions are dialogs with the debugger. The order of the members of tables with keys
// other than 1, 2, 3 is not compared: Lua has none.
var debugSessions = []struct {
	script   string
	keys     []string
	commands string // one in each line
}{
	{debugScript, []string{"k"}, strings.Repeat("s\n", 60)},
	{debugScript, []string{"k"}, "h\nl\nw\np\np a\nb\nb 4\nb 8 12 999 x 0 -3\nb 4\nb\nc\np b\np\nr get k\nredis set k 7\nt\nl 1 1\nm\nm 5\nm 0\nc\nc\nc\nc\nc"},
	{debugScript, []string{"k"}, "b 11\nc\np\np x\np s\np KEYS\np ARGV\np nope\nt\ne 1+1\ne return 1\ne x\ne {1,2,{3}}\n" +
		"e redis.call(\"get\",\"k\")\ne local q = 1\ne error(\"x\")\ne ((\nr nosuch\nr\nr get\ns\ns\ns\ns\ns\nc\nc\nc"},
	{debugScript, []string{"k"}, strings.Repeat("n\n", 14) + "a"},
	{debugScript, []string{"k"}, "b 7\nc\np\nc\np\nc\np\nb -7\nb -7\nc\nc\nc"},
	{"return 'hello'", nil, "x\nhelp\nfoo bar\np\nt\nl\nm 100\nc"},
	{"return 'hello'", nil, "a"},
	{"return redis.call('set','k',string.rep('x',300))", nil, "s\ns\ns"},
	{"local t = string.rep('x',300)\nlocal u = {}\nu[1]=u\nreturn redis.call('set','k',t)", nil, "s\np\ns\ns\np\nm 0\np\ns\ns"},
	{"local a=1 return (", nil, "s"},
	{"#!lua\nlocal a = 1\nreturn a", nil, "l\ns\ns\nw\ns"},
	{"#!lua flags=no-writes\nlocal a = 1\nreturn redis.call('set','k','v')", nil, "l\ns\ns\nw\ns"},
	{"local t = {}\nfor k,v in pairs({a=1}) do\n t[k]=v\nend\nreturn t.a\n\n\n", nil, strings.Repeat("s\n", 10)},
	{"local x\nrepeat\n x = (x or 0) + 1\nuntil x == 3\nredis.setresp(3)\nredis.call('hset','h','a','b')\n" +
		"local m = redis.call('hgetall','h')\nlocal n = redis.call('zscore','z','q')\nreturn {x,m,n}", nil, strings.Repeat("s\n", 20)},
	{"local r = pcall(function()\n error('x')\nend)\nreturn r", nil, "s\ns\na\ns\ns"},
	{"return redis.call('keys','*')", nil, "s\ns"},
	{"redis.call('del','other')\nredis.call('flushall')\nreturn redis.call('dbsize')", nil, "s\ns\ns\ns"},
	{"redis.call('select',1)\nreturn redis.call('set','k','v')", nil, "s\ns\ns"},
}

// debugSession has one dialog and returns all that the server said, and what keys there
// are afterwards.
func debugSession(t *testing.T, s *Server, mode string, n int) string {
	t.Helper()
	session := debugSessions[n]
	c, err := Dial(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var said strings.Builder
	do := func(args ...string) (ended bool) {
		t.Helper()
		reply, err := c.Do(args...)
		if err != nil {
			t.Fatalf("%s: %q: %v, after:\n%s", s.Name, args, err, said.String())
		}
		fmt.Fprintf(&said, "%q\n  %q\n", args, reply)
		return strings.HasSuffix(string(reply), "+<endsession>\r\n")
	}
	do("flushall")
	do("set", "other", "1")
	do("script", "debug", mode)
	ended := do(append(append([]string{"eval", session.script, fmt.Sprint(len(session.keys))}, session.keys...), "v")...)
	for _, line := range strings.Split(session.commands, "\n") {
		if ended || line == "" {
			break
		}
		ended = do(strings.Split(line, " ")...)
	}
	if !ended {
		t.Fatalf("%s: the session goes on after the last command:\n%s", s.Name, said.String())
	}
	reply, err := c.Read(nil)
	fmt.Fprintf(&said, "%q %v\n", reply, err)
	if rest, err := c.Read(nil); err == nil {
		t.Errorf("%s: %q after the end", s.Name, rest)
	}
	if c, err = Dial(s.Addr); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, args := range [][]string{{"dbsize"}, {"get", "k"}, {"get", "other"}, {"lrange", "l", "0", "-1"}, {"hgetall", "h"}} {
		do(args...)
	}
	return said.String()
}

// TestDebugger compares what the debugger of scripts shows, line by line.
func TestDebugger(t *testing.T) {
	p := StartPair(t)
	for _, mode := range []string{"sync", "yes"} {
		for n := range debugSessions {
			t.Run(fmt.Sprint(mode, n), func(t *testing.T) {
				redis, respkv := debugSession(t, p.Redis, mode, n), debugSession(t, p.Respkv, mode, n)
				if redis != respkv {
					t.Errorf("redis-server:\n%s\nrespkv:\n%s", redis, respkv)
				}
			})
		}
	}
}
