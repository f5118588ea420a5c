// Package lua runs the scripts and functions of clients, as Redis 7.0 runs them,
// on gopher-lua.
//
// An Engine keeps the compiled scripts, the function libraries and a pool of VMs;
// it knows no keys, locks or clients: what a script asks of the server goes
// through its Run's Host. The libraries that Redis gives to scripts (base,
// string, table, math, cjson, cmsgpack, struct, bit) are ours, one file each:
// gopher-lua's differ from Lua 5.1 in details that scripts depend on, take any
// amount of memory, and can't be interrupted. From gopher-lua come the compiler,
// the interpreter, tables and coroutines.
//
// A script can't harm the process: it is looked at every thousand instructions
// (hook.go), which is how it is killed and its memory bounded; strings are
// counted before they are made; nesting is limited wherever it recurses.
package lua
