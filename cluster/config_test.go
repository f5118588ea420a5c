package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	good := func() Config {
		c := DefaultConfig()
		c.DataDir, c.ClientPort = "x", 7000
		return c
	}
	if c := good(); c.Validate() != nil {
		t.Fatal(c.Validate())
	}
	for name, change := range map[string]func(*Config){
		"data_dir":               func(c *Config) { c.DataDir = "" },
		"client port":            func(c *Config) { c.ClientPort = 0 },
		"cluster.port":           func(c *Config) { c.BindPort = 70000 },
		"cluster.replicas":       func(c *Config) { c.Replicas = 6 },
		"cluster.expect":         func(c *Config) { c.Expect = -1 },
		"cluster.node_timeout":   func(c *Config) { c.NodeTimeout = time.Millisecond },
		"cluster.return_timeout": func(c *Config) { c.ReturnTimeout = -1 },
		"cluster.seeds":          func(c *Config) { c.Seeds = []string{"host"} },
		"cluster.zone":           func(c *Config) { c.Zone = strings.Repeat("z", 65) },
	} {
		c := good()
		change(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
