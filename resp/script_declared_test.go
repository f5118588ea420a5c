package resp

import (
	"testing"
)

// TestDeclaredScripts: which scripts are known to touch declared keys only.
func TestDeclaredScripts(t *testing.T) {
	n := newTestNode(t, nil, nil)
	for _, c := range []struct {
		script string
		want   bool
	}{
		{"return 1", true},
		{"return redis.call('get', KEYS[1])", true},
		{"return redis.pcall('INCRBY', KEYS[#KEYS], ARGV[1])", true},
		{"local k, n = KEYS[1], tonumber(ARGV[1]) or 0 if redis.call('exists', k) == 0 then redis.call('set', k, n .. 'x', 'ex', 10) end return redis.call('get', k)", true},
		{"local call = redis.call return call('hset', KEYS[1], unpack(ARGV))", true},
		{"for i = 1, #KEYS do redis.call('del', KEYS[i]) end", true},
		{"for _, k in ipairs(KEYS) do redis.call('sadd', k, 'a') end", true},
		{"local function now() return redis.call('time')[1] end local v = cjson.decode(ARGV[1]) return redis.call('zadd', KEYS[1], now(), v.a)", true},
		{"local k = KEYS[1] return pcall(function() return redis.call('get', k) end)", true},
		{"redis.call('mset', KEYS[1], 1, KEYS[2], 2) redis.call('lmove', KEYS[1], KEYS[2], 'left', 'right') redis.call('object', 'encoding', KEYS[1])", true},
		{"redis.call('xgroup', 'create', KEYS[1], 'g', '$') redis.call('publish', 'c', 'x') return redis.status_reply('x')", true},
		{"return redis.call('nosuch', 'k')", true},
		{"local t = {} t.x = KEYS[1] t[1] = redis.sha1hex('x') return t", true},

		{"return redis.call('get', 'k')", false},
		{"return redis.call('get', ARGV[1])", false},
		{"return redis.call('get', KEYS[1] .. 'x')", false},
		{"return redis.call('get', 10)", false},
		{"return redis.call(ARGV[1], KEYS[1])", false},
		{"return redis.call(unpack(ARGV))", false},
		{"return redis.call('del', KEYS[1], unpack(ARGV))", false},
		{"return redis.call('mset', KEYS[1], 1, 'k', 2)", false},
		{"return redis.call('del', ...)", false},
		{"return redis.call('rename', KEYS[1], ARGV[1])", false},
		{"return redis.call('zunionstore', KEYS[1], 1, ARGV[1])", false},
		{"return redis.call('sort', KEYS[1], 'by', ARGV[1])", false},
		{"return redis.call('eval', ARGV[1], 0)", false},
		{"return redis.call('flushall')", false},
		{"return redis.call('dbsize')", false},
		{"return redis.call('keys', '*')", false},
		{"return redis.call('object', ARGV[1], KEYS[1])", false},
		{"local k = KEYS[1] k = ARGV[1] return redis.call('get', k)", false},
		{"local k = KEYS[1] local function f() redis.call('get', k) end k = ARGV[1] f()", false},
		{"local k = KEYS[1] do local k = ARGV[1] redis.call('get', k) end", false},
		{"do local k = KEYS[1] end return redis.call('get', k)", false},
		{"local function get(k) return redis.call('get', k) end return get(ARGV[1])", false},
		{"local keys = KEYS keys[1] = ARGV[1] return redis.call('get', KEYS[1])", false},
		{"KEYS[1] = ARGV[1] return redis.call('get', KEYS[1])", false},
		{"table.insert(KEYS, 1, ARGV[1]) return redis.call('get', KEYS[1])", false},
		{"setmetatable(KEYS, {__index = ARGV}) return redis.call('get', KEYS[2])", false},
		{"_G.KEYS[1] = ARGV[1] return redis.call('get', KEYS[1])", false},
		{"getfenv().KEYS[1] = ARGV[1] return redis.call('get', KEYS[1])", false},
		{"loadstring(ARGV[1])() return redis.call('get', KEYS[1])", false},
		{"local r = redis return r.call('get', ARGV[1])", false},
		{"return redis[ARGV[1]]('get', ARGV[2])", false},
		{"return pcall(redis.call, 'get', ARGV[1])", false},
		{"local t = {redis.call} return t[1]('get', ARGV[1])", false},
		{"local call = redis.call local other = call return other('get', ARGV[1])", false},
		{"local call = redis.call local t = {call} return t[1]('get', ARGV[1])", false},
		{"string.gsub('k', '.', redis.call)", false},
		{"for _, k in ipairs(ARGV) do redis.call('get', k) end", false},
		{"for _, k in ipairs(KEYS) do k = ARGV[1] redis.call('get', k) end", false},
		{"local ipairs = function() return function() return 1, ARGV[1] end end for _, k in ipairs(KEYS) do redis.call('get', k) end", false},
		{"local KEYS = ARGV return redis.call('get', KEYS[1])", false},
	} {
		s, err := n.d.engine.Load([]byte(c.script))
		if err != nil {
			t.Errorf("%s: %v", c.script, err)
		} else if s.Declared != c.want {
			t.Errorf("%s: declared %v, want %v", c.script, s.Declared, c.want)
		}
	}
}

// TestDeclaredScriptWritesBesideOthers: what touches declared keys only waits for nobody
// who has others.
func TestDeclaredScriptWritesBesideOthers(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.d.scripts.several.RLock() // as a command with several keys
	defer n.d.scripts.several.RUnlock()
	for i, script := range []string{"return redis.call('incr', KEYS[1])", "redis.call('set', KEYS[2], 1) return redis.call('incr', KEYS[1])"} {
		if got := n.eval(n.client, script, "k", "other"); got != ":"+string(rune('1'+i))+"\r\n" {
			t.Errorf("%s: %q", script, got)
		}
	}
}
