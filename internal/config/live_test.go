package config

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

func glob(pattern, name string) bool {
	ok, _ := path.Match(strings.ToLower(pattern), name)
	return ok
}

func TestGet(t *testing.T) {
	l := NewLive(Default())
	for _, tc := range []struct {
		patterns []string
		want     []Pair
	}{
		{[]string{"PORT"}, []Pair{{"PORT", "6379"}}},
		{[]string{"maxclients", "maxc*ients", "maxclients"}, []Pair{{"maxclients", "10000"}}},
		{[]string{"lfu-*"}, []Pair{{"lfu-log-factor", "10"}, {"lfu-decay-time", "1"}}},
		{[]string{"bind"}, []Pair{{"bind", "127.0.0.1 -::1"}}},
		{[]string{"proto-max-bulk-len"}, []Pair{{"proto-max-bulk-len", "536870912"}}},
		{[]string{"loglevel"}, []Pair{{"loglevel", "notice"}}},
		{[]string{"client-output-buffer-limit"}, []Pair{{"client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"}}},
		{[]string{"cluster.replicas"}, []Pair{{"cluster.replicas", "auto"}}},
		{[]string{"save", "appendonly"}, []Pair{{"save", ""}, {"appendonly", "no"}}},
		{[]string{"list-compress-depth"}, []Pair{{"list-compress-depth", "0"}}},
		{[]string{"nope", "nope*"}, nil},
	} {
		if got := l.Get(tc.patterns, glob); !slices.Equal(got, tc.want) {
			t.Errorf("CONFIG GET %v: %v, want %v", tc.patterns, got, tc.want)
		}
	}
	dir := l.Get([]string{"dir"}, glob)
	if len(dir) != 1 || !filepath.IsAbs(dir[0].Value) {
		t.Errorf("dir is %v, want an absolute path", dir)
	}
}

func TestSetIsAllOrNothing(t *testing.T) {
	l := NewLive(Default())
	err := l.Set([]Pair{{"maxclients", "7"}, {"timeout", "x"}})
	var refused *SetError
	if !errors.As(err, &refused) || refused.Name != "timeout" {
		t.Fatalf("got %v", err)
	}
	if n := l.Config().Server.MaxClients; n != 10000 {
		t.Errorf("maxclients is %d after a refused call", n)
	}
	before := l.Config()
	if err := l.Set([]Pair{{"maxclients", "7"}, {"TIMEOUT", "9"}}); err != nil {
		t.Fatal(err)
	}
	if c := l.Config(); c.Server.MaxClients != 7 || c.Server.Timeout.Seconds() != 9 {
		t.Errorf("got %+v", c.Server)
	}
	if before.Server.MaxClients != 10000 {
		t.Error("a configuration that was handed out changed")
	}
}

func TestObservers(t *testing.T) {
	l := NewLive(Default())
	var calls []string
	l.Observe(func(old, new *Config) error {
		if l.Config() != new && l.Config() != old {
			t.Error("neither value is current")
		}
		calls = append(calls, "clients")
		return nil
	}, "server.maxclients")
	l.Observe(func(_, new *Config) error {
		calls = append(calls, "timeout")
		if new.Server.Timeout.Seconds() == 13 {
			return errors.New("unlucky")
		}
		return nil
	}, "server.timeout")
	l.Observe(func(_, _ *Config) error { calls = append(calls, "any"); return nil })
	for _, tc := range []struct {
		pairs []Pair
		err   string
		calls string
	}{
		{[]Pair{{"maxclients", "5"}}, "", "clients any"},
		{[]Pair{{"maxclients", "5"}}, "", ""},
		{[]Pair{{"timeout", "5"}, {"hz", "5"}}, "", "timeout any"},
		{[]Pair{{"maxclients", "6"}, {"timeout", "13"}}, "CONFIG SET failed (possibly related to argument 'timeout') - unlucky", "clients timeout clients"},
		{[]Pair{{"save", ""}}, "", ""},
	} {
		calls = nil
		err := l.Set(tc.pairs)
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || err.Error() != tc.err) {
			t.Errorf("%v: %v, want %q", tc.pairs, err, tc.err)
		}
		if got := strings.Join(calls, " "); got != tc.calls {
			t.Errorf("%v: observers called: %s; want %s", tc.pairs, got, tc.calls)
		}
	}
	if c := l.Config(); c.Server.MaxClients != 5 || c.Server.Timeout.Seconds() != 5 {
		t.Errorf("a refused change stayed: %+v", c.Server)
	}
}

func TestSetConcurrently(t *testing.T) {
	l := NewLive(Default())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				_ = l.Set([]Pair{{"maxclients", []string{"1", "2"}[i%2]}, {"maxmemory-samples", []string{"1", "2"}[i%2]}})
			}
		})
		wg.Go(func() {
			for range 200 {
				if c := l.Config(); c.Server.MaxClients != 10000 && c.Server.MaxClients != c.Store.MaxMemorySamples {
					t.Errorf("half a change is visible: %d and %d", c.Server.MaxClients, c.Store.MaxMemorySamples)
				}
				l.Get([]string{"max*"}, glob)
			}
		})
	}
	wg.Wait()
}

func TestRewrite(t *testing.T) {
	const before = `# my node
server:
  port: 7000   # not the usual one
  bind:        # both
    - 127.0.0.1
    - ::1
  requirepass: 'it''s # secret'

# limits
store: {maxmemory: 1gb}
cluster:
    # nothing yet
log:
    level: "info" # quiet
`
	const after = `# my node
server:
  port: 7000   # not the usual one
  bind:        # both
    - 127.0.0.1
    - ::1
  requirepass: "new \\ \" pass" # !
  maxclients: 55

# limits
store: {maxmemory: 2gb}
cluster:
    # nothing yet
log:
    level: debug # quiet
`
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(before, "secret'", "secret' # !", 1)), 0o640); err != nil {
		t.Fatal(err)
	}
	settings, err := ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start, err := Load(settings)
	if err != nil {
		t.Fatal(err)
	}
	start.File = file
	l := NewLive(start)
	if err := l.Rewrite(); err != nil {
		t.Fatal(err)
	}
	if err := l.Set([]Pair{{"maxclients", "55"}, {"maxmemory", "2gb"}, {"loglevel", "debug"}, {"requirepass", `new \ " pass`}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Rewrite(); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(file)
	if string(got) != after {
		t.Errorf("got:\n%s\nwant:\n%s", got, after)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v", info.Mode())
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left behind: %v", files)
	}
}

func TestRewriteAddsSections(t *testing.T) {
	for _, before := range []string{"", "# only a comment\n", "server:\n  # port: 1\nstore:\n  databases: 4\n", "server.port: 9\n", "cluster:\n  seeds:\n    - a:1\n    - b:2\n  enabled: true\n"} {
		want, err := effective([]byte(before))
		if err != nil {
			t.Fatal(err)
		}
		want.Server.Port, want.Store.LFUDecayTime, want.DataDir = 7001, 9, "/srv/with \"quotes\""
		want.Cluster.Seeds = []string{"x:1", "y:2"}
		got, err := rewriteYAML([]byte(before), want)
		if err != nil {
			t.Errorf("%q: %v", before, err)
			continue
		}
		for line := range strings.Lines(before) {
			if strings.HasPrefix(strings.TrimSpace(line), "#") && !strings.Contains(string(got), line) {
				t.Errorf("%q lost the comment %q:\n%s", before, line, got)
			}
		}
	}
}

func TestRewriteWithoutFile(t *testing.T) {
	if err := NewLive(Default()).Rewrite(); err != ErrNoFile {
		t.Errorf("got %v", err)
	}
	gone := Default()
	gone.File = filepath.Join(t.TempDir(), "gone.yaml")
	if err := NewLive(gone).Rewrite(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestAgainstRedis sends the same CONFIG SET and GET to redis-server and to
// Live and compares every answer.
func TestAgainstRedis(t *testing.T) {
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is needed for the comparison")
	}
	socket := filepath.Join(t.TempDir(), "s")
	process := exec.Command(server, "--port", "0", "--unixsocket", socket, "--save", "", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb", "--daemonize", "no")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	t.Cleanup(func() { _ = client.Close() })
	ctx := t.Context()
	waitUntil(t, "redis-server answers", func() bool { return client.Ping(ctx).Err() == nil })
	configSet := func(args []string) string {
		call := []any{"config", "set"}
		for _, a := range args {
			call = append(call, a)
		}
		if err := client.Do(ctx, call...).Err(); err != nil {
			return err.Error()
		}
		return "OK"
	}
	l := NewLive(Default())
	ours := func(args []string) string {
		var pairs []Pair
		for i := 0; i < len(args); i += 2 {
			pairs = append(pairs, Pair{args[i], args[i+1]})
		}
		if err := l.Set(pairs); err != nil {
			return "ERR " + err.Error()
		}
		return "OK"
	}
	var calls [][]string
	// Keys whose limits differ on purpose, or that are protected in Redis.
	special := map[string]bool{"dir": true, "hz": true, "bind": true, "port": true, "requirepass": true,
		"tls-protocols": true, "tls-ciphers": true}
	for _, k := range Keys() {
		for _, name := range k.Redis {
			if special[name] || !k.Mutable {
				continue
			}
			for _, value := range []string{"", "0", "1", "-1", "10", "abc", "yes", "NO", "1.5", " 1", "1 ", "007", "+1", "1k", "2KB", "3Mb", "4gB", "1tb", "5%",
				"2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616",
				"noeviction", "Allkeys-LRU", "ip", "verbose", "NOTICE", "normal 1 2 3", "slave 1mb 1k 60 pubsub 0 0 0", "normal 1 2", "foo 1 2 3", "normal a 2 3", "normal 1 2 -3"} {
				if name == "loglevel" && value == "verbose" {
					continue // no level of its own here
				}
				calls = append(calls, []string{name, value})
			}
		}
	}
	calls = append(calls,
		[]string{"nope", "1"}, []string{"databases", "3"}, []string{"maxclients", "50", "nope", "1"},
		[]string{"databases", "3", "nope", "1"}, []string{"maxclients", "50", "MAXCLIENTS", "51"},
		[]string{"timeout", "5", "MaxClients", "x"}, []string{"timeout", "x", "databases", "5"},
		[]string{"save", ""}, []string{"maxclients", "100", "timeout", "3"}, []string{"unixsocket", "x"}, []string{"Unixsocketperm", "700"})
	for _, args := range calls {
		if args[0] == "maxclients" && len(args) == 2 && len(args[1]) > 5 {
			continue // redis-server also looks at the file descriptors it may open
		}
		if args[0] == "maxmemory" && (strings.HasSuffix(args[1], "%") || len(args[1]) > 18) {
			continue // ours takes a percentage and is signed
		}
		if want, got := configSet(args), ours(args); got != want {
			t.Errorf("CONFIG SET %q\n got %s\nwant %s", args, got, want)
		}
		want := client.ConfigGet(ctx, args[0]).Val()[args[0]]
		got := ""
		if pairs := l.Get(args[:1], glob); len(pairs) > 0 {
			got = pairs[0].Value
		}
		if got != want && !slices.Contains([]string{"unixsocket", "Unixsocketperm"}, args[0]) {
			t.Errorf("CONFIG GET %s after SET %q: %q, want %q", args[0], args, got, want)
		}
	}
}
