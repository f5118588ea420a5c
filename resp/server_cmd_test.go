package resp

import (
	"strings"
	"testing"

	"respkv/internal/config"
)

// TestSameAsRedis compares replies, errors included, with a redis-server. What
// is one line here goes to both, over connections that last.
func TestSameAsRedis(t *testing.T) {
	redis := redisAddr(t)
	ours := serveNode(t, servedOptions{}).addr
	lines := []string{
		"ping", "ping a", "ping a b", "foo", "foo bar", "get", "client", "client foo", "config foo", "command foo", "debug",
		"hello 4", "hello abc", "hello 3 foo", "hello 2 auth a", "hello 2 auth a b", "hello 99999999999999999999", "hello 2 setname \x01",
		"auth", "auth a", "auth a b", "auth a b c", "auth default x",
		"client id a", "client getname", "client setname a", "client getname", "client setname a\x7f", "client getredir", "client setname a b",
		"client kill", "client kill id", "client kill id abc", "client kill id 0", "client kill id -5", "client kill id 999",
		"client kill type foo", "client kill addr 1", "client kill laddr 1", "client kill laddr", "client kill 1.2.3.4:4", "client kill id 1 foo",
		"client kill foo bar", "client kill user foo", "client kill skipme maybe", "client kill addr a skipme no id 5",
		"client list type foo", "client list type normal foo", "client list id", "client list id abc", "client list foo", "client list id 0",
		"client list type replica", "client list type master", "client list type pubsub",
		"client no-evict foo", "client no-evict on", "client no-evict off", "client reply", "client reply foo", "client reply on",
		"client unblock abc", "client unblock 1", "client unblock 1 foo", "client unblock 1 timeout", "client unblock 1 error",
		"client pause", "client pause abc", "client pause -1", "client pause 1 foo", "client pause 0", "client pause 9223372036854775808", "client unpause", "client unpause a",
		"config get", "config get nosuch", "config get maxmemory-policy", "config get MaxMemory-Policy", "config set a", "config set a b c", "config set foo bar",
		"config set maxmemory-policy foo", "config set timeout -1", "config set timeout 1 timeout 2", "config rewrite", "config resetstat", "config resetstat a",
		"config set requirepass secret", "client getname", "auth wrong", "auth secret", "config set requirepass \"\"",
		"wait a b", "wait 1 a", "wait 1 -1", "wait -1 1", "wait 0 0", "role", "readonly", "readwrite", "asking",
		"replicaof no one", "slaveof NO ONE", "replicaof a b", "replicaof a 70000",
		"shutdown foo", "shutdown save nosave", "shutdown abort", "shutdown abort now",
		"lolwut", "lolwut version", "lolwut version foo", "lolwut foo",
		"debug foo", "debug sleep", "debug sleep a", "debug sleep 0", "debug object", "debug object nokey", "debug set-active-expire",
		"debug set-active-expire a", "debug set-active-expire 1", "debug digest", "debug digest-value a b", "debug digest-value", "debug error foo", "debug log", "debug log a",
		"debug protocol string", "debug protocol integer", "debug protocol double", "debug protocol bignum", "debug protocol null",
		"debug protocol array", "debug protocol set", "debug protocol map", "debug protocol attrib", "debug protocol push",
		"debug protocol verbatim", "debug protocol true", "debug protocol false", "debug protocol foo",
		"command count x", "command getkeys get", "command getkeys set a b", "command getkeysandflags set a b", "command list filterby foo", "command info nosuch",
		"info nosuch", "info modules", "info cluster", "info keyspace nosuch",
		"set k v", "debug digest-value k", "debug digest", "del k", "reset", "client getname", "quit a",
	}
	for _, version := range []string{"2", "3"} {
		a, b := dial(t, "tcp", redis), dial(t, "tcp", ours)
		a.call("hello", version)
		b.call("hello", version)
		for _, line := range lines {
			args := strings.Fields(line)
			for i, arg := range args {
				if arg == `""` {
					args[i] = ""
				}
			}
			want, got := a.call(args...), b.call(args...)
			if line == "reset" {
				a.call("hello", version)
				b.call("hello", version)
			}
			if got != want {
				t.Errorf("RESP%s %q:\n got %q\nwant %q", version, line, got, want)
			}
		}
	}
}

// TestUnauthenticated: what a client may do before it gave the password.
func TestUnauthenticated(t *testing.T) {
	redis, ours := dial(t, "tcp", redisAddr(t)), serveNode(t, servedOptions{}).dial(t)
	for _, c := range []*testConn{redis, ours} {
		c.check("config set requirepass secret", "+OK\r\n")
	}
	a, b := dial(t, "tcp", redis.RemoteAddr().String()), dial(t, "tcp", ours.RemoteAddr().String())
	for _, line := range []string{"ping", "foo", "get", "get a", "hello", "hello 3", "hello 3 auth default wrong", "auth wrong",
		"auth nobody secret", "auth Default secret", "client id x", "reset", "hello 3 auth default secret setname me", "client getname",
		"reset", "ping", "auth secret", "ping", "reset", "hello 2 auth default secret", "get a"} {
		want, got := hideID(a.call(strings.Fields(line)...)), hideID(b.call(strings.Fields(line)...))
		if got != want {
			t.Errorf("%q:\n got %q\nwant %q", line, got, want)
		}
	}
	// Without a password everybody is let in, those who had failed too.
	late := dial(t, "tcp", ours.RemoteAddr().String())
	late.check("get a", "-NOAUTH Authentication required.\r\n")
	ours.call("config", "set", "requirepass", "")
	late.check("get a", "$-1\r\n")
}

// hideID takes the client's number out of the reply of HELLO.
func hideID(reply string) string {
	before, after, found := strings.Cut(reply, "id\r\n:")
	if !found {
		return reply
	}
	_, after, _ = strings.Cut(after, "\r\n")
	return before + after
}

// TestInfoFields: sections, fields and their order are Redis's; what is ours
// has a name of its own and comes at the end of its section.
func TestInfoFields(t *testing.T) {
	redis, ours := dial(t, "tcp", redisAddr(t)), serveNode(t, servedOptions{}).dial(t)
	for _, line := range []string{"info", "info all", "info everything", "info default", "info server memory", "info cpu nosuch STATS",
		"info commandstats", "info replication", "info clients", "info persistence", "info latencystats errorstats"} {
		want, got := infoNames(redis.call(strings.Fields(line)...)), infoNames(ours.call(strings.Fields(line)...))
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", line, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if got := ours.infoField("respkv_version", "info", "server"); got != "1.2.3" {
		t.Errorf("respkv_version %q", got)
	}
	ours.check("set a b", "+OK\r\n")
	ours.check("select 3", "+OK\r\n")
	ours.check("set a b ex 100", "+OK\r\n")
	ours.check("get a", "$1\r\nb\r\n")
	ours.check("get nosuch", "$-1\r\n")
	ours.check("incr a", "-ERR value is not an integer or out of range\r\n")
	ours.check("get", "-ERR wrong number of arguments for 'get' command\r\n")
	for field, want := range map[string]string{
		"db0": "keys=1,expires=0,avg_ttl=0", "keyspace_hits": "1", "keyspace_misses": "1", "total_error_replies": "2",
		"errorstat_ERR": "count=2", "connected_clients": "1", "rdb_changes_since_last_save": "2", "role": "master",
	} {
		if got := ours.infoField(field, "info", "everything"); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if got := ours.infoField("cmdstat_get", "info", "commandstats"); !strings.HasPrefix(got, "calls=2,usec=") || !strings.HasSuffix(got, ",rejected_calls=1,failed_calls=0") {
		t.Errorf("cmdstat_get is %q", got)
	}
	if got := ours.infoField("cmdstat_incr", "info", "commandstats"); !strings.HasSuffix(got, ",rejected_calls=0,failed_calls=1") {
		t.Errorf("cmdstat_incr is %q", got)
	}
	ours.check("object", "-ERR wrong number of arguments for 'object' command\r\n")
	ours.call("object", "nosuch") // of no command
	if got := ours.infoField("cmdstat_object", "info", "commandstats"); !strings.HasPrefix(got, "calls=0,") || !strings.HasSuffix(got, ",rejected_calls=1,failed_calls=0") {
		t.Errorf("cmdstat_object is %q", got)
	}
	ours.check("config resetstat", "+OK\r\n")
	if got := ours.infoField("keyspace_hits", "info", "stats"); got != "0" {
		t.Errorf("keyspace_hits is %q after CONFIG RESETSTAT", got)
	}
}

// infoNames are the section titles and field names of a reply of INFO, without
// those of our own and of single commands, errors and databases.
func infoNames(reply string) (names []string) {
	for line := range strings.Lines(reply) {
		name, _, isField := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		own := strings.HasPrefix(name, "respkv_") || name == "go_version" ||
			name == "expired_subkeys" || name == "client_query_buffer_limit_disconnections" || name == "client_output_buffer_limit_disconnections"
		single := strings.HasPrefix(name, "cmdstat_") || strings.HasPrefix(name, "errorstat_") || strings.HasPrefix(name, "latency_percentiles") ||
			len(name) == 3 && strings.HasPrefix(name, "db")
		if (isField || strings.HasPrefix(name, "#")) && !own && !single {
			names = append(names, name)
		}
	}
	return names
}

func TestHumanBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1.00K", 916280: "894.80K", 25276502016: "23.54G", 1 << 62: "4096.00P", -5: "-5B"} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestShutdownCommand(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.send(wireCommand("shutdown", "nosave", "NOW", "force"))
	if o := <-n.shutdown; !o.Now || !o.Force {
		t.Errorf("options %+v", o)
	}
	n.dial(t).check("shutdown abort", "-ERR the shutdown in progress can't be aborted\r\n")
}

func TestDebugIsGuarded(t *testing.T) {
	for access, allowed := range map[config.LocalAccess]bool{config.AccessNo: false, config.AccessLocal: true, config.AccessYes: true} {
		c := serveNode(t, servedOptions{change: func(cfg *config.Config) { cfg.Server.EnableDebugCommand = access }}).dial(t)
		got := c.call("debug", "digest")
		if allowed && !strings.HasPrefix(got, "+") || !allowed && got != "-"+errDebugDisabled+"\r\n" {
			t.Errorf("enable-debug-command %s: %q", access, got)
		}
	}
	if isLoopback("10.0.0.1:5") || isLoopback("127.0.0.10:5") || !isLoopback("[::1]:5") {
		t.Error("loopback addresses are not told from others")
	}
}
