package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func root(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join("..", "..", name)
}

func TestDefaults(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Fatalf("the defaults do not validate: %v", err)
	}
	for _, k := range Keys() {
		if got := k.Text(c); got != k.Default {
			t.Errorf("%s: the default %q reads back as %q", k.Name, k.Default, got)
		}
	}
}

// Every field of Config is set by one key, and by one only: a field that no
// key sets would be a setting that cannot be set.
func TestEveryFieldHasItsKey(t *testing.T) {
	users := make(map[uintptr][]string)
	c := new(Config)
	for _, k := range Keys() {
		v := reflect.ValueOf(k.value(c))
		p := v.FieldByName("p")
		users[p.Pointer()] = append(users[p.Pointer()], k.Name)
	}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		for i := range v.NumField() {
			f, name := v.Field(i), path+v.Type().Field(i).Name
			if name == "File" {
				continue
			}
			if names := users[f.Addr().Pointer()]; f.Kind() != reflect.Struct || len(names) > 0 {
				if len(names) != 1 {
					t.Errorf("Config.%s is set by %d keys: %v", name, len(names), names)
				}
				continue
			}
			walk(name+".", f)
		}
	}
	walk("", reflect.ValueOf(c).Elem())
}

func TestDeclarations(t *testing.T) {
	names, parameters := make(map[string]bool), make(map[string]bool)
	for _, k := range Keys() {
		if names[k.Name] {
			t.Errorf("%s is declared twice", k.Name)
		}
		names[k.Name] = true
		for _, p := range k.parameters() {
			if parameters[p] {
				t.Errorf("parameter %s is declared twice", p)
			}
			parameters[p] = true
		}
		if !strings.HasSuffix(k.What, ".") {
			t.Errorf("%s: no documentation, or not a sentence: %q", k.Name, k.What)
		}
		if (k.Raise == "") != (k.Lower == "") {
			t.Errorf("%s: says what raising or lowering does, not both", k.Name)
		}
	}
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	for name, want := range map[string][]byte{
		"config.yaml":           YAML(Default(), nil),
		"docs/configuration.md": Markdown(),
	} {
		got, err := os.ReadFile(root(t, name))
		if err != nil {
			t.Errorf("%v (run make generate)", err)
		} else if string(got) != string(want) {
			t.Errorf("%s differs from internal/config: run make generate", name)
		}
	}
}

func TestConfigYAMLGivesTheDefaults(t *testing.T) {
	settings, err := ReadFile(root(t, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(settings) != len(Keys()) {
		t.Errorf("config.yaml has %d settings, internal/config %d", len(settings), len(Keys()))
	}
	c, err := Load(settings)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("config.yaml gives %+v, want the defaults %+v", c, Default())
	}
}

func TestLoadRefusesWithKeyValueAndRange(t *testing.T) {
	for _, tc := range []struct{ key, text, want string }{
		{"server.port", "99999", `server.port: "99999" is not allowed; want an integer from 0 to 65535 (from here)`},
		{"server.port", "", `server.port: "" is not allowed; want an integer from 0 to 65535 (from here)`},
		{"server.maxclients", "0", `server.maxclients: "0" is not allowed; want an integer from 1 (from here)`},
		{"server.timeout", "1500ms", `server.timeout: "1500ms" is not allowed; want a duration in whole seconds (as 1500ms, 10s, 5m) from 0 (from here)`},
		{"cluster.node_timeout", "20", `cluster.node_timeout: "20" is not allowed; want a duration in whole milliseconds (as 1500ms, 10s, 5m) from 200ms to 1m (from here)`},
		{"store.maxmemory", "-1", `store.maxmemory: "-1" is not allowed; want a memory size (bytes, or with k, kb, m, mb, g, gb) from 0, or 1% to 100% of the memory of the machine or container (from here)`},
		{"store.maxmemory_policy", "lru", `store.maxmemory_policy: "lru" is not allowed; want one of volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction (from here)`},
		{"cluster.enabled", "maybe", `cluster.enabled: "maybe" is not allowed; want true or false (from here)`},
		{"replication.durability", "replicas=0", `replication.durability: "replicas=0" is not allowed; want async, replicas=N (N from 1 to 16) or quorum (from here)`},
		{"server.prot", "1", `server.prot: "1": there is no such setting; did you mean server.port? (from here)`},
		{"cluster.maxmemory", "1", `cluster.maxmemory: "1": there is no such setting; did you mean store.maxmemory? (from here)`},
		{"nonsense", "1", "nonsense: \"1\": there is no such setting; `respkv config print` lists all (from here)"},
		{"server.requirepas", "hunter2", `server.requirepas: "********": there is no such setting; did you mean server.requirepass? (from here)`},
		{"cluster.seeds", "a:1 b", `cluster.seeds: "a:1 b": "b": not host:port; want host:cluster-port`},
	} {
		settings := []Setting{{tc.key, tc.text, "here"}}
		if tc.key == "cluster.seeds" {
			settings = append(settings, Setting{"cluster.enabled", "true", "here"})
		}
		_, err := Load(settings)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s = %q\n got %v\nwant %s", tc.key, tc.text, err, tc.want)
		}
	}
}

func TestLoadReportsEveryMistake(t *testing.T) {
	_, err := Load([]Setting{{"server.port", "x", ""}, {"nope", "1", ""}, {"log.level", "loud", ""}})
	for _, name := range []string{"server.port", "nope", "log.level"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

func TestLaterSettingsWin(t *testing.T) {
	c, err := Load([]Setting{{"server.port", "1", ""}, {"server.port", "2", ""}})
	if err != nil || c.Server.Port != 2 {
		t.Fatalf("port %v, %v", c, err)
	}
}

func TestTextForms(t *testing.T) {
	c := Default()
	for _, tc := range []struct {
		key, text string
		got       func() any
		want      any
	}{
		{"cluster.node_timeout", "2500", func() any { return c.Cluster.NodeTimeout }, 2500 * time.Millisecond},
		{"cluster.node_timeout", "2s", func() any { return c.Cluster.NodeTimeout }, 2 * time.Second},
		{"server.tcp_keepalive", "60", func() any { return c.Server.TCPKeepAlive }, time.Minute},
		{"cluster.seeds", "a:1,b:2 , c:3", func() any { return c.Cluster.Seeds }, []string{"a:1", "b:2", "c:3"}},
		{"cluster.enabled", "yes", func() any { return c.Cluster.Enabled }, true},
		{"cluster.enabled", "Off", func() any { return c.Cluster.Enabled }, false},
		{"store.maxmemory", "10kb", func() any { return c.Store.MaxMemory }, int64(10240)},
		{"store.maxmemory", "3G", func() any { return c.Store.MaxMemory }, int64(3e9)},
		{"server.unixsocketperm", "770", func() any { return c.Server.UnixSocketPerm }, os.FileMode(0o770)},
		{"replication.durability", "replicas=2", func() any { return c.Replication.Durability }, Durability{"replicas", 2}},
		{"server.client_output_buffer_limit", "replica 1mb 1k 5", func() any { return c.Server.ClientOutputBufferLimit.Replica },
			OutputLimit{1 << 20, 1000, 5 * time.Second}},
		{"server.enable_debug_command", "local", func() any { return c.Server.EnableDebugCommand }, AccessLocal},
	} {
		if err := Lookup(tc.key).Set(c, tc.text); err != nil {
			t.Errorf("%s = %q: %v", tc.key, tc.text, err)
		} else if got := tc.got(); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s = %q gives %v, want %v", tc.key, tc.text, got, tc.want)
		}
	}
}

func TestYAMLForms(t *testing.T) {
	settings, err := parseYAML([]byte("server:\n  bind: [a, \"-::1\"]\n  port: 7000\n  requirepass: 1234\ncluster:\n  enabled: yes\n  seeds:\n    - h1:1\n    - h2:2\nstore:\nserver.hz: 20\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(settings)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Server.Bind) != 2 || c.Server.Bind[1] != "-::1" || c.Server.Port != 7000 || c.Server.RequirePass != "1234" ||
		!c.Cluster.Enabled || len(c.Cluster.Seeds) != 2 || c.Server.Hz != 20 {
		t.Errorf("got %+v", c)
	}
	for _, bad := range []string{
		"server:\n  port:\n", "server:\n  port: [1]\n", "server:\n  unixsocketperm: 0700\n",
		"cluster:\n  seeds: [[a]]\n", "cluster:\n  seeds: [\"a b\"]\n", "server: 5\n", "- a\n", "server:\n  port: 1\n  port: 2\n",
		"server:\n  port: {a: 1}\n",
	} {
		settings, err := parseYAML([]byte(bad), "f")
		if err == nil {
			_, err = Load(settings)
		}
		if err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestValidateAcrossKeys(t *testing.T) {
	on := Setting{"cluster.enabled", "true", ""}
	for _, tc := range []struct {
		settings []Setting
		names    string // "" accepted
	}{
		{[]Setting{on}, ""},
		{[]Setting{on, {"server.port", "60000", ""}}, "server.port"},
		{[]Setting{on, {"server.port", "60000", ""}, {"cluster.port", "60001", ""}}, ""},
		{[]Setting{on, {"cluster.port", "6379", ""}}, "cluster.port"},
		{[]Setting{on, {"cluster.expect", "3", ""}}, "cluster.expect"},
		{[]Setting{on, {"cluster.expect", "1", ""}}, ""},
		{[]Setting{on, {"cluster.announce_ip", "example", ""}}, "cluster.announce_ip"},
		{[]Setting{on, {"cluster.preferred_endpoint_type", "hostname", ""}}, ""},
		{[]Setting{{"cluster.seeds", "a:1", ""}}, "cluster.seeds"},
		{[]Setting{{"server.port", "0", ""}}, "server.port"},
		{[]Setting{{"server.port", "0", ""}, {"server.unixsocket", "/tmp/s", ""}}, ""},
	} {
		_, err := Load(tc.settings)
		if tc.names == "" && err != nil || tc.names != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.names+":")) {
			t.Errorf("%v: %v, want a violation of %q", tc.settings, err, tc.names)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	files := map[string]string{"/proc/meminfo": "MemTotal:  1000 kB\nMemFree: 5 kB\n"}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}
	check := func(want int64) {
		t.Helper()
		if got, err := memoryLimit(read); err != nil || got != want {
			t.Errorf("limit %d, %v; want %d", got, err, want)
		}
	}
	check(1000 << 10)
	files["/sys/fs/cgroup/memory.max"] = "max\n"
	check(1000 << 10)
	files["/sys/fs/cgroup/memory.max"] = "500000\n"
	check(500000)
	files["/proc/meminfo"] = "nothing"
	if _, err := memoryLimit(read); err == nil {
		t.Error("no error without MemTotal")
	}
}

func TestPrintedSecretsAreMasked(t *testing.T) {
	c, err := Load([]Setting{{"server.requirepass", "hunter2", ""}})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(YAML(c, func(string) string { return "********" })); strings.Contains(text, "hunter2") || !strings.Contains(text, `requirepass: "********"`) {
		t.Error("the password is shown, or not masked where it stands")
	}
}
