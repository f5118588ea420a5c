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

// TestDeclaredFunctions: which functions are known to touch declared keys only. The one that
// is looked at is f.
func TestDeclaredFunctions(t *testing.T) {
	n := newTestNode(t, nil, nil)
	for _, c := range []struct {
		library string
		want    bool
	}{
		{"redis.register_function('f', function(keys, args) return redis.call('get', keys[1]) end)", true},
		{"local function f(keys, args) local k = keys[1] redis.call('hset', k, 't', redis.call('time')[1]) return redis.call('hset', k, unpack(args)) end redis.register_function('f', f)", true},
		{"local f = function(keys) for _, k in ipairs(keys) do redis.call('incr', k) end return #keys end redis.register_function{function_name='f', callback=f, flags={'allow-oom'}}", true},
		{"redis.register_function{function_name='f', callback=function(k, a) return redis.call('set', k[1], a[1]) end, description='x'}", true},
		{"local function g(n) return n + redis.call('time')[1] end redis.register_function('f', function(keys) local call = redis.call return g(call('incr', keys[1])) end)", true},
		{"local n = 0 redis.register_function('f', function(keys) n = n + 1 return redis.call('incrby', keys[1], n) end)", true},
		{"redis.register_function('f', function(keys) local ks = keys return redis.call('get', ks[2]) end) redis.register_function('g', function() return redis.call('get', 'k') end)", true},
		{"local function f(keys) return redis.call('get', keys[1]) end redis.register_function('f', f) redis.register_function('g', f)", true},

		{"local function f(keys) return redis.call('get', keys[1]) end redis.register_function('f', f) redis.register_function('g', function() return f({'k'}) end)", true},
		{"local function f(keys) return redis.call('get', keys[1]) end redis.register_function('g', f) redis.register_function('f', function() return f({'k'}) end)", false},
		{"local function f(keys) return redis.call('get', keys[1]) end local g = f redis.register_function('f', f) redis.register_function('h', function() return g({'k'}) end)", true},
		{"local function f(keys) return redis.call('get', keys[1]) end local g = f redis.register_function('g', f) redis.register_function('f', function() return g({'k'}) end)", false},

		{"redis.register_function('f', function(keys, args) return redis.call('get', args[1]) end)", false},
		{"redis.register_function('f', function() return redis.call('get', KEYS[1]) end)", false},
		{"redis.register_function('f', function(keys) keys = {'k'} return redis.call('get', keys[1]) end)", false},
		{"redis.register_function('f', function(keys) keys[1] = 'k' return redis.call('get', keys[1]) end)", false},
		{"redis.register_function('f', function(keys) table.insert(keys, 1, 'k') return redis.call('get', keys[1]) end)", false},
		{"redis.register_function('f', function(keys) local function g() keys[1] = 'k' end g() return redis.call('get', keys[1]) end)", false},
		{"redis.register_function('f', function(keys) local ks = keys ks[1] = 'k' return redis.call('get', keys[1]) end)", false},
		{"local old redis.register_function('f', function(keys) old = old or keys return redis.call('get', old[1]) end)", false},
		{"local old redis.register_function('f', function(keys) if old then old() end old = function() redis.call('del', keys[1]) end end)", false},
		{"local old redis.register_function('f', function(keys) local k = keys[1] old = old or function() redis.call('del', k) end old() end)", false},
		{"local function get(k) return redis.call('get', k) end redis.register_function('f', function(keys) return get(keys[1]) end)", false},
		{"local f = function(keys) return redis.call('get', keys[1]) end f = function() return redis.call('get', 'k') end redis.register_function('f', f)", false},
		{"local function f(keys) return redis.call('get', keys[1]) end local t = {f} redis.register_function('f', f) redis.register_function('g', function() return t[1]({'k'}) end)", false},
		{"local function f(keys) if #keys == 1 then return f({'k', 'l'}) end return redis.call('get', keys[1]) end redis.register_function('f', f)", false},
		{"local reg = redis.register_function reg('f', function(keys) return redis.call('get', keys[1]) end)", false},
		{"local name = 'f' redis.register_function(name, function(keys) return redis.call('get', keys[1]) end)", false},
		{"for i = 1, 2 do redis.register_function(i == 1 and 'f' or 'g', function(keys) return redis.call('get', 'k') end) end", false},
		{"local function f(keys) return redis.call('get', 'k') end redis.register_function('f', f)", false},
		{"do local function f(keys) return redis.call('get', 'k') end redis.register_function('f', f) end local function f(keys) return redis.call('get', keys[1]) end redis.register_function('g', f)", false},
	} {
		if got := n.doAs(n.client, "function", "load", "replace", "#!lua name=l\n"+c.library); got != "$1\r\nl\r\n" {
			t.Errorf("%s: %q", c.library, got)
		} else if f := n.d.engine.Libraries().Function("f"); f.Declared != c.want {
			t.Errorf("%s: declared %v, want %v", c.library, f.Declared, c.want)
		}
	}
}

// TestDeclaredFunctionWritesBesideOthers: as scripts do.
func TestDeclaredFunctionWritesBesideOthers(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.doAs(n.client, "function", "load", "#!lua name=l\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)")
	n.d.scripts.several.RLock() // as a command with several keys
	defer n.d.scripts.several.RUnlock()
	for _, want := range []string{":1\r\n", ":2\r\n"} {
		if got := n.doAs(n.client, "fcall", "f", "1", "k"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
