package lua

import (
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Redis's log levels.
const (
	LogDebug = iota
	LogVerbose
	LogNotice
	LogWarning
)

// Where a command of a script is replicated to. There is no append-only file.
const (
	replicateAOF      = 1
	replicateReplicas = 2
)

// openRedis makes the global redis. Scripts have a little more than functions.
func (vm *VM) openRedis(functions bool) {
	members := map[string]lua.LGFunction{
		"call":          func(L *lua.LState) int { return vm.redisCall(L, true) },
		"pcall":         func(L *lua.LState) int { return vm.redisCall(L, false) },
		"log":           vm.redisLog,
		"setresp":       vm.redisSetResp,
		"sha1hex":       vm.redisSha1hex,
		"error_reply":   vm.redisErrorReply,
		"status_reply":  vm.redisStatusReply,
		"set_repl":      vm.redisSetRepl,
		"acl_check_cmd": vm.redisACLCheck,
	}
	if !functions {
		members["breakpoint"] = vm.redisBreakpoint
		members["debug"] = vm.redisDebug
		members["replicate_commands"] = func(L *lua.LState) int {
			L.Push(lua.LTrue) // they always are
			return 1
		}
	}
	t := vm.library("redis", members)
	vm.describeServer(t)
	for name, n := range map[string]int{
		"REPL_NONE": 0, "REPL_AOF": replicateAOF, "REPL_SLAVE": replicateReplicas, "REPL_REPLICA": replicateReplicas,
		"REPL_ALL": replicateAOF | replicateReplicas,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
}

// describeServer adds the constants that scripts have while they are loaded, too.
func (vm *VM) describeServer(t *lua.LTable) {
	version := vm.engine.options.Version
	t.RawSetString("REDIS_VERSION", lua.LString(version))
	t.RawSetString("REDIS_VERSION_NUM", lua.LNumber(versionNumber(version)))
	for name, n := range map[string]int{
		"LOG_DEBUG": LogDebug, "LOG_VERBOSE": LogVerbose, "LOG_NOTICE": LogNotice, "LOG_WARNING": LogWarning,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
}

// versionNumber is 0x00MMmmpp.
func versionNumber(version string) (n int) {
	for _, part := range strings.SplitN(version, ".", 3) {
		v, _ := strconv.Atoi(part)
		n = n<<8 | v
	}
	return n
}

// redisBreakpoint stops a script that is debugged at its next line.
func (vm *VM) redisBreakpoint(L *lua.LState) int {
	if vm.debugger != nil {
		vm.debugger.pause = true
	}
	L.Push(lua.LBool(vm.debugger != nil))
	return 1
}

// redisDebug shows values to who debugs the script.
func (vm *VM) redisDebug(L *lua.LState) int {
	if d := vm.debugger; d != nil {
		line := fmt.Appendf(nil, "<debug> line %d: ", d.line)
		for i := range L.GetTop() {
			if i > 0 {
				line = append(line, ", "...)
			}
			line = vm.appendShown(line, L.Get(i+1), 0)
		}
		d.show(string(line))
	}
	return 0
}

// errorValue is an error table as redis.call makes it: text may begin with "-"
// and an error code, else its code is ERR.
func (vm *VM) errorValue(text string) *lua.LTable {
	vm.debugger.logError(text)
	code := "ERR"
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		if before, after, found := strings.Cut(rest, " "); found {
			code, text = before, after
		} else {
			text = rest
		}
	}
	return vm.errorTable(code + " " + strings.Trim(text, "\r\n"))
}

// throwRedis raises an error table.
func (vm *VM) throwRedis(L *lua.LState, text string) {
	throw(L, vm.errorValue(text))
}

// arguments reads the arguments of redis.call into vm.argv. Numbers keep their
// precision. nil: an error, which it returns.
func (vm *VM) arguments(L *lua.LState) (args [][]byte, wrong string) {
	n := L.GetTop()
	if n == 0 {
		return nil, "Please specify at least one argument for this redis lib call"
	}
	buf := vm.argbuf[:0]
	vm.argv = vm.argv[:0]
	for i := 1; i <= n; i++ {
		start := len(buf)
		switch v := L.Get(i).(type) {
		case lua.LString:
			buf = append(buf, v...)
		case lua.LNumber:
			buf = appendNumber(buf, float64(v), 17)
		default:
			return nil, "Lua redis lib command arguments must be strings or integers"
		}
		vm.argv = append(vm.argv, buf[start:len(buf):len(buf)])
	}
	// While it grew, earlier arguments stayed in the buffers before: they keep them.
	vm.argbuf = buf
	return vm.argv, ""
}

func (vm *VM) redisCall(L *lua.LState, raise bool) int {
	if vm.run == nil {
		vm.throwRedis(L, "redis.call/pcall can only be called inside a script invocation")
	}
	var reply lua.LValue
	failed := false
	args, wrong := vm.arguments(L)
	if wrong != "" {
		reply, failed = vm.errorValue(wrong), true
	} else {
		vm.debugger.logCommand(args)
		raw, refused := vm.run.Host.Call(args, vm.resp)
		switch {
		case vm.run.Host.Unwound():
			vm.hook.stop("ERR unwound")
			panic(vm.stopError())
		case refused != "":
			t := vm.errorValue(refused)
			t.RawSetString("ignore_error_stats_update", lua.LTrue)
			reply, failed = t, true
		default:
			failed = raw[0] == '-'
			reply = vm.parseReply(raw)
			vm.debugger.logReply(raw)
		}
	}
	L.SetTop(0)
	if failed && raise {
		throw(L, reply)
	}
	L.Push(reply)
	return 1
}

func (vm *VM) redisSha1hex(L *lua.LState) int {
	if L.GetTop() != 1 {
		vm.throwRedis(L, "wrong number of arguments")
	}
	L.Push(lua.LString(Digest([]byte(stringOf(L.Get(1))))))
	return 1
}

func (vm *VM) redisErrorReply(L *lua.LState) int {
	text, ok := L.Get(1).(lua.LString)
	if !ok || L.GetTop() != 1 {
		L.Push(vm.errorValue("wrong number or type of arguments"))
		return 1
	}
	s := trimZero(string(text))
	if !strings.HasPrefix(s, "-") {
		s = "-" + s
	}
	L.Push(vm.errorValue(s))
	return 1
}

func (vm *VM) redisStatusReply(L *lua.LState) int {
	text, ok := L.Get(1).(lua.LString)
	if !ok || L.GetTop() != 1 {
		L.Push(vm.errorValue("wrong number or type of arguments"))
		return 1
	}
	t := L.CreateTable(0, 1)
	t.RawSetString("ok", text)
	L.Push(t)
	return 1
}

func (vm *VM) redisSetRepl(L *lua.LState) int {
	if vm.run == nil {
		vm.throwRedis(L, "redis.set_repl can only be called inside a script invocation")
	}
	if L.GetTop() != 1 {
		vm.throwRedis(L, "redis.set_repl() requires two arguments.")
	}
	f, _ := toNumber(L.Get(1))
	flags := int32(toInteger(f))
	if flags&^(replicateAOF|replicateReplicas) != 0 {
		vm.throwRedis(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	vm.run.Host.Replicate(flags&replicateReplicas != 0)
	return 0
}

func (vm *VM) redisACLCheck(L *lua.LState) int {
	if vm.run == nil {
		vm.throwRedis(L, "redis.acl_check_cmd can only be called inside a script invocation")
	}
	args, wrong := vm.arguments(L)
	if wrong != "" {
		vm.throwRedis(L, wrong)
	}
	allowed, known := vm.run.Host.Allowed(args)
	if !known {
		vm.throwRedis(L, "Invalid command passed to redis.acl_check_cmd()")
	}
	L.SetTop(0)
	L.Push(lua.LBool(allowed))
	return 1
}

func (vm *VM) redisLog(L *lua.LState) int {
	n := L.GetTop()
	if n < 2 {
		vm.throwRedis(L, "redis.log() requires two arguments or more.")
	}
	f, ok := toNumber(L.Get(1))
	if !ok {
		vm.throwRedis(L, "First argument must be a number (log level).")
	}
	level := int(toInteger(f))
	if level < LogDebug || level > LogWarning {
		vm.throwRedis(L, "Invalid debug level.")
	}
	var text strings.Builder
	for i := 2; i <= n; i++ {
		if v := L.Get(i); isString(v) {
			if i > 2 {
				text.WriteByte(' ')
			}
			text.WriteString(stringOf(v))
		}
	}
	vm.engine.logger(vm)(level, text.String())
	return 0
}

// logger is where redis.log writes: libraries may do so while they are loaded.
func (e *Engine) logger(vm *VM) func(level int, message string) {
	if vm.run != nil {
		return vm.run.Host.Log
	}
	return e.options.Log
}

func (vm *VM) redisSetResp(L *lua.LState) int {
	if vm.run == nil {
		vm.throwRedis(L, "redis.setresp can only be called inside a script invocation")
	}
	if L.GetTop() != 1 {
		vm.throwRedis(L, "redis.setresp() requires one argument.")
	}
	f, _ := toNumber(L.Get(1))
	version := int32(toInteger(f))
	if version != 2 && version != 3 {
		vm.throwRedis(L, "RESP version must be 2 or 3.")
	}
	vm.resp = int(version)
	return 0
}
