package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// notWired are the settings that no code reads yet. A setting that is wired
// must leave the list, and no release has one in it: a setting that does
// nothing is a lie in config.yaml.
var notWired = []string{
	"server.unixsocket",
	"server.unixsocketperm",
	"server.maxclients",
	"server.timeout",
	"server.tcp_keepalive",
	"server.tcp_backlog",
	"server.protected_mode",
	"server.requirepass",
	"server.proto_max_bulk_len",
	"server.client_query_buffer_limit",
	"server.client_output_buffer_limit",
	"server.enable_debug_command",
	"server.hz",
	"data_dir",
	"store.databases",
	"store.maxmemory",
	"store.maxmemory_policy",
	"store.maxmemory_samples",
	"store.lfu_log_factor",
	"store.lfu_decay_time",
	"store.active_expire_effort",
	"store.lazyfree_lazy_eviction",
	"store.lazyfree_lazy_expire",
	"store.lazyfree_lazy_server_del",
	"store.lazyfree_lazy_user_del",
	"store.lazyfree_lazy_user_flush",
	"cluster.port",
	"cluster.seeds",
	"cluster.expect",
	"cluster.replicas",
	"cluster.node_timeout",
	"cluster.return_timeout",
	"cluster.move_concurrency",
	"cluster.move_slots",
	"cluster.move_timeout",
	"cluster.trust_refused",
	"cluster.secret",
	"cluster.announce_ip",
	"cluster.announce_port",
	"cluster.announce_cluster_port",
	"cluster.announce_hostname",
	"cluster.preferred_endpoint_type",
	"cluster.zone",
	"cluster.weight",
	"cluster.require_full_coverage",
	"cluster.allow_reads_when_down",
	"cluster.replica_max_lag_ms",
	"cluster.routing",
	"replication.log_size",
	"replication.link_timeout",
	"replication.copy_rate",
	"replication.max_lag_ms",
	"replication.max_lag_bytes",
	"replication.durability",
}

// TestEverySettingIsRead looks for a use of every field of Config in the files
// that import this package.
func TestEverySettingIsRead(t *testing.T) {
	used := make(map[string]bool)
	err := filepath.WalkDir(root(t, ""), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || path == root(t, "internal/config")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"respkv/internal/config"` }) {
			return nil
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				used[s.Sel.Name] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := new(Config)
	fields := make(map[uintptr]string)
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			// A section and its first field share an address; the field, met later, stays.
			fields[v.Field(i).Addr().Pointer()] = v.Type().Field(i).Name
			if f := v.Field(i); f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[OutputLimits]() && f.Type() != reflect.TypeFor[Durability]() {
				walk(f)
			}
		}
	}
	walk(reflect.ValueOf(c).Elem())
	for _, k := range Keys() {
		field := fields[reflect.ValueOf(k.value(c)).FieldByName("p").Pointer()]
		switch listed := slices.Contains(notWired, k.Name); {
		case used[field] && listed:
			t.Errorf("%s is read now: take it off the list notWired", k.Name)
		case !used[field] && !listed:
			t.Errorf("%s: no code outside this package reads Config field %s", k.Name, field)
		}
	}
}
