package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"respkv/internal/config"
)

func loadWith(t *testing.T, file string, environ []string, args ...string) (*config.Config, error) {
	t.Helper()
	cmd := &cobra.Command{Use: "x"}
	s := addSettings(cmd)
	if file != "" {
		path := filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return s.load(environ)
}

func TestPrecedence(t *testing.T) {
	const file = "server:\n  port: 1\n  maxclients: 1\n  hz: 1\n"
	c, err := loadWith(t, file, []string{"RESPKV_SERVER_PORT=2", "RESPKV_SERVER_MAXCLIENTS=2", "HOME=/"}, "--server.port", "3")
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Port != 3 || c.Server.MaxClients != 2 || c.Server.Hz != 1 || c.Store.Databases != 16 {
		t.Errorf("port %d (flag 3), maxclients %d (variable 2), hz %d (file 1), databases %d (default 16)",
			c.Server.Port, c.Server.MaxClients, c.Server.Hz, c.Store.Databases)
	}
	if c.File == "" {
		t.Error("the file is not known for CONFIG REWRITE")
	}
}

func TestListsAndSwitches(t *testing.T) {
	c, err := loadWith(t, "", []string{"RESPKV_SERVER_BIND=10.0.0.1 10.0.0.2"}, "--cluster.enabled", "--cluster.seeds", "a:1,b:2", "--cluster.seeds=c:3")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Cluster.Seeds, " "); !c.Cluster.Enabled || got != "a:1 b:2 c:3" || len(c.Server.Bind) != 2 {
		t.Errorf("enabled %v, seeds %s, bind %v", c.Cluster.Enabled, got, c.Server.Bind)
	}
}

// TestSwitchesWithValues: the value of a switch may be an argument of its own.
func TestSwitchesWithValues(t *testing.T) {
	args := []string{"--server.protected_mode", "no", "--cluster.enabled", "--metrics.pprof", "true", "--server.bind", "no", "--", "--metrics.pprof", "no"}
	want := []string{"--server.protected_mode=no", "--cluster.enabled", "--metrics.pprof=true", "--server.bind", "no", "--", "--metrics.pprof", "no"}
	got := joinSwitches(args)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c, err := loadWith(t, "", nil, got[:3]...)
	if err != nil || c.Server.ProtectedMode || !c.Cluster.Enabled || !c.Metrics.PProf {
		t.Errorf("%+v %v", c, err)
	}
}

func TestMistakesAreRefused(t *testing.T) {
	for _, tc := range []struct {
		file string
		env  []string
		args []string
		want []string
	}{
		{file: "server:\n  prot: 1\n", want: []string{"server.prot", `"1"`, "server.port", "node.yaml"}},
		{file: "server:\n  port: 99999\n", want: []string{"server.port", `"99999"`, "0 to 65535", "node.yaml"}},
		{file: "server:\n  port:\n", want: []string{"server.port", "no value"}},
		{file: "sever:\n  port: 5\n", want: []string{"sever.port", "server.port"}},
		{file: "server:\n  port: 1\n  port: 2\n", want: []string{"already defined"}},
		{file: "server: [\n", want: []string{"reading the configuration"}},
		{env: []string{"RESPKV_SERVER_PROT=5"}, want: []string{"server.prot", "RESPKV_SERVER_PROT"}},
		{env: []string{"RESPKV_DATA_DIRS=5"}, want: []string{"RESPKV_DATA_DIRS"}},
		{env: []string{"RESPKV_LOG_LEVEL=loud"}, want: []string{"log.level", `"loud"`, "debug, info, warn, error", "RESPKV_LOG_LEVEL"}},
		{env: []string{"RESPKV_SERVER_PORT="}, want: []string{"server.port", `""`}},
		{args: []string{"--server.port="}, want: []string{"server.port", `""`}},
		{args: []string{"--server.port=x", "--log.level=y"}, want: []string{"--server.port", "--log.level"}},
	} {
		t.Run(strings.Join(tc.want, " "), func(t *testing.T) {
			_, err := loadWith(t, tc.file, tc.env, tc.args...)
			var usage usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a usageError", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		})
	}
	if _, err := loadWith(t, "server:\n  # port: 1\nstore:\n", nil); err != nil {
		t.Errorf("sections without values: %v", err)
	}
}
