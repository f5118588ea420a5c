package config

import (
	"math"
	"os"
	"time"
)

var serverKeys = []*Key{
	{
		Name: "server.bind", Redis: []string{"bind"}, Default: "127.0.0.1 -::1", Mutable: true,
		value: listValue(func(c *Config) *[]string { return &c.Server.Bind }, 16),
		What:  "Addresses to listen on, for clients and for the other nodes. `*` is every IPv4 and `::*` every IPv6 interface; a leading `-` means that the node starts even if the address does not exist here. A member of a cluster takes it at the start only.",
	},
	{
		Name: "server.port", Redis: []string{"port"}, Default: "6379", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.Port }, 0, 65535),
		What:  "TCP port for clients. 0 opens none; then tls.port or server.unixsocket is needed. A member of a cluster takes it at the start only.",
	},
	{
		Name: "server.unixsocket", Redis: []string{"unixsocket"}, Default: "",
		value: stringValue(func(c *Config) *string { return &c.Server.UnixSocket }, 107),
		What:  "Path of a unix socket for clients, beside the TCP port. Empty opens none.",
	},
	{
		Name: "server.unixsocketperm", Redis: []string{"unixsocketperm"}, Default: "0",
		value: octalValue(func(c *Config) *os.FileMode { return &c.Server.UnixSocketPerm }),
		What:  "File mode of the unix socket, octal. 0 leaves what the umask gives.",
	},
	{
		Name: "server.maxclients", Redis: []string{"maxclients"}, Default: "10000", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.MaxClients }, 1, math.MaxUint32),
		What:  "Client connections at once; one more is refused with an error.",
		Raise: "More clients fit; each costs some 7 KB while idle and one file descriptor.",
		Lower: "Less memory and fewer descriptors at the worst; clients are refused earlier.",
	},
	{
		Name: "server.timeout", Redis: []string{"timeout"}, Default: "0", Mutable: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Server.Timeout }, time.Second, 0, math.MaxInt32),
		What:  "Clients that sent nothing for this long are disconnected; not those that subscribe or wait in a blocking command. 0: never.",
		Raise: "Forgotten connections stay longer.",
		Lower: "Connection pools of applications lose idle connections sooner.",
	},
	{
		Name: "server.tcp_keepalive", Redis: []string{"tcp-keepalive"}, Default: "5m", Mutable: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Server.TCPKeepAlive }, time.Second, 0, math.MaxInt32),
		What:  "Time without traffic after which the kernel asks whether the client is still there. 0: it never asks. A change holds for new connections.",
		Raise: "Vanished clients keep their connection longer.",
		Lower: "More probe packets; connections through network equipment that forgets idle ones survive.",
	},
	{
		Name: "server.tcp_backlog", Redis: []string{"tcp-backlog"}, Default: "511",
		value: intValue(func(c *Config) *int { return &c.Server.TCPBacklog }, 1, math.MaxInt32),
		What:  "Connections that may wait to be accepted. The kernel caps it at net.core.somaxconn.",
		Raise: "Bursts of new connections are absorbed.",
		Lower: "Bursts are refused earlier.",
	},
	{
		Name: "server.protected_mode", Redis: []string{"protected-mode"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Server.ProtectedMode }),
		What:  "true: while the default user has no password, clients from other machines are refused.",
	},
	{
		Name: "server.requirepass", Redis: []string{"requirepass"}, Default: "", Mutable: true, Shared: true, Secret: true,
		value: bytesValue(func(c *Config) *string { return &c.Server.RequirePass }, 512),
		What:  "Password of the default user, which clients give with AUTH or HELLO. Empty: none is asked. Setting it replaces whatever passwords ACL SETUSER gave that user.",
	},
	{
		Name: "server.users", Default: "", Secret: true, Private: true,
		value: linesValue(func(c *Config) *[]string { return &c.Server.Users }, 10000),
		What:  "Users, each as a name and its rules: `alice on >secret ~cache:* +@read`. CONFIG REWRITE writes those of the moment here, passwords hashed, where there is neither server.aclfile nor a cluster. In flags and variables they are separated by line ends.",
	},
	{
		Name: "server.aclfile", Redis: []string{"aclfile"}, Default: "",
		value: stringValue(func(c *Config) *string { return &c.Server.ACLFile }, 4096),
		What:  "File with the users, a line `user <name> <rules>` each, read at start and by ACL LOAD and written by ACL SAVE. Not together with server.users. If it does not name the default user, server.requirepass holds for that.",
	},
	{
		Name: "server.acl_pubsub_default", Redis: []string{"acl-pubsub-default"}, Default: "resetchannels", Mutable: true, Shared: true,
		value: enumValue(func(c *Config) *string { return &c.Server.ACLPubSubDefault }, "allchannels", "resetchannels"),
		What:  "Channels that a new user has access to: `resetchannels` none, `allchannels` all.",
	},
	{
		Name: "server.acllog_max_len", Redis: []string{"acllog-max-len"}, Default: "128", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.ACLLogMaxLen }, 0, math.MaxInt64),
		What:  "Entries of ACL LOG that are kept.",
		Raise: "More history of what was denied; a KB or so each.",
		Lower: "The log forgets sooner.",
	},
	{
		Name: "server.rename_commands", Default: "", Secret: true, Private: true,
		value: listValue(func(c *Config) *[]string { return &c.Server.RenameCommands }, 1000),
		What:  "Commands that clients call by another name, `CONFIG=b840fc02`, or can't call at all, `FLUSHALL=` (Redis: rename-command). Rules of users, COMMAND and what is replicated keep the command's own name. ACL rules are the better way to keep commands from clients.",
	},
	{
		Name: "server.proto_max_bulk_len", Redis: []string{"proto-max-bulk-len"}, Default: "512mb", Mutable: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Server.ProtoMaxBulkLen }, 1<<20, math.MaxInt64),
		What:  "Largest single argument of a command, and largest string value. More ends the connection with an error.",
		Raise: "Larger values fit; one client may make the node hold that much.",
		Lower: "Less memory at one client's command.",
	},
	{
		Name: "server.client_query_buffer_limit", Redis: []string{"client-query-buffer-limit"}, Default: "1gb", Mutable: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Server.ClientQueryBufferLimit }, 1<<20, math.MaxInt64),
		What:  "Bytes of commands, not yet executed, that one client may have in the node. More ends the connection.",
		Raise: "Longer commands fit.",
		Lower: "Less memory at one client's command.",
	},
	{
		Name: "server.client_output_buffer_limit", Redis: []string{"client-output-buffer-limit"}, Mutable: true,
		Default: "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
		value:   outputLimitsValue(func(c *Config) *OutputLimits { return &c.Server.ClientOutputBufferLimit }),
		What:    "Replies that may wait for a client that does not read them: class, hard limit, soft limit, seconds. Above the hard limit, or above the soft limit for that many seconds, the client is disconnected. 0: no limit. Classes not named keep their limits.",
		Raise:   "Slow readers survive longer and cost more memory.",
		Lower:   "Slow readers are cut off sooner.",
	},
	{
		Name: "server.maxmemory_clients", Redis: []string{"maxmemory-clients"}, Default: "0", Mutable: true,
		value: clientMemoryValue(func(c *Config) *int64 { return &c.Server.MaxMemoryClients }),
		What:  "Memory that all client connections together may take, as bytes or as a percentage of store.maxmemory: above it those that take most are closed, other than replicas and those with CLIENT NO-EVICT. 128 KB at least. 0: no limit.",
		Raise: "Clients with large commands, transactions and unread replies survive.",
		Lower: "Less memory for clients; the largest are closed sooner.",
	},
	{
		Name: "server.enable_debug_command", Redis: []string{"enable-debug-command"}, Default: "no",
		value: accessValue(func(c *Config) *LocalAccess { return &c.Server.EnableDebugCommand }),
		What:  "Who may call DEBUG: `no` nobody, `local` clients on this machine, `yes` every client.",
	},
	{
		Name: "server.notify_keyspace_events", Redis: []string{"notify-keyspace-events"}, Default: "", Mutable: true, Shared: true,
		value: keyspaceEventsValue(func(c *Config) *string { return &c.Server.NotifyKeyspaceEvents }),
		What:  "Which changes of keys are published, to channels `__keyspace@<db>__:<key>` (K) and `__keyevent@<db>__:<event>` (E) of this node: `g` generic commands, `$` strings, `l` lists, `s` sets, `h` hashes, `z` sorted sets, `t` streams, `d` modules, `x` expired keys, `e` evicted keys, all these: `A`; `n` new keys, `m` keys that were asked for and do not exist. Nothing is published without K or E.",
	},
	{
		Name: "server.busy_reply_threshold", Redis: []string{"busy-reply-threshold", "lua-time-limit"}, Default: "5000", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.BusyReplyMillis }, 0, math.MaxInt64),
		What:  "Milliseconds that a script or function may run before clients get BUSY, in a cluster those that need what it holds, and it may be ended with SCRIPT KILL or FUNCTION KILL. 0: never.",
		Raise: "Long scripts keep other clients waiting, without an error.",
		Lower: "Clients learn sooner that a script runs too long.",
	},
	{
		Name: "server.lua_memory_limit", Default: "256mb", Mutable: true,
		value: memoryValue(func(c *Config) *int64 { return &c.Server.LuaMemoryLimit }, 1<<20, math.MaxInt64),
		What:  "Memory that the process may grow by while a script or function runs, and longest string that a script may make. More ends the script with an error that it can't catch. Measured from time to time: it may be missed by some hundred megabytes.",
		Raise: "Scripts may build larger tables and strings.",
		Lower: "A script that takes ever more memory is ended earlier.",
	},
	{
		Name: "server.hz", Redis: []string{"hz"}, Default: "10", Mutable: true,
		value: intValue(func(c *Config) *int { return &c.Server.Hz }, 1, 500),
		What:  "Rounds of background work a second: active expiry and closing idle clients.",
		Raise: "Expired keys free their memory sooner, in shorter steps; more CPU while idle.",
		Lower: "Less CPU while idle; expired keys that nobody reads stay longer.",
	},
	{
		Name: "server.threads", Default: "0",
		value: intValue(func(c *Config) *int { return &c.Server.Threads }, 0, 1024),
		What:  "Threads that may run commands at the same time. 0: as many as serve the present load best, found by trial, from one to all cores that the process may use (or the GOMAXPROCS of the environment).",
		Raise: "Pipelined and heavy commands of many clients get more cores.",
		Lower: "Fewer wake-ups of threads: on few cores, shared with clients, single commands cost less.",
	},
	{
		Name: "server.shutdown_timeout", Redis: []string{"shutdown-timeout"}, Default: "10s", Mutable: true,
		value: durationValue(func(c *Config) *time.Duration { return &c.Server.ShutdownTimeout }, time.Second, 0, math.MaxInt32),
		What:  "Longest time that SIGTERM, SIGINT and SHUTDOWN spend handing this node's primaries over before the process ends anyway. 0: no hand-over.",
		Raise: "A hand-over to a slow replica still finishes.",
		Lower: "The process ends sooner; what was not handed over fails over.",
	},
}

var dataKeys = []*Key{
	{
		Name: "data_dir", Redis: []string{"dir"}, Default: "data",
		value: pathValue(func(c *Config) *string { return &c.DataDir }),
		What:  "Directory for the node's identity and the cluster's state. A node started with the same directory is the same node; one with an empty directory is a new one. Two nodes never share one. A standalone node writes nothing there but what is saved (persistence.dbfilename).",
	},
}

var logKeys = []*Key{
	{
		Name: "log.level", Redis: []string{"loglevel"}, Default: "info", Mutable: true,
		value: levelValue(logLevelField),
		What:  "Least important message that is logged: debug, info, warn, error. CONFIG calls them debug, notice, warning, warning.",
	},
	{
		Name: "log.format", Default: "text",
		value: enumValue(func(c *Config) *string { return &c.Log.Format }, "text", "json"),
		What:  "Form of the log lines on standard error: `text` is key=value, `json` one object a line.",
	},
}
