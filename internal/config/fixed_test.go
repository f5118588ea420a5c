package config

import (
	"errors"
	"strings"
	"testing"
)

func TestFixedParameters(t *testing.T) {
	l := NewLive(Default())
	for name, p := range fixed {
		if byParameter[name] != nil {
			t.Errorf("%s is both fixed and a setting", name)
		}
		got := l.Get([]string{name}, nil)
		if len(got) != 1 || got[0] != (Pair{name, p.Value}) {
			t.Errorf("CONFIG GET %s: %v, want %q", name, got, p.Value)
		}
		if err := l.Set([]Pair{{name, strings.ToUpper(p.Value)}}); err != nil {
			t.Errorf("CONFIG SET %s to what it is: %v", name, err)
		}
		err := l.Set([]Pair{{name, p.Value + "other"}})
		var refused *SetError
		if !errors.As(err, &refused) || refused.Reason != p.refusal() {
			t.Errorf("CONFIG SET %s to something else: %v", name, err)
		}
	}
}

func TestMaxMemoryClients(t *testing.T) {
	for _, c := range []struct {
		text, maxmemory string
		want            int64
	}{
		{"0", "0", 0}, {"10mb", "0", 10 << 20}, {"1", "0", 128 << 10},
		{"10%", "0", 0}, {"10%", "100mb", 10485760}, {"1%", "1mb", 128 << 10},
	} {
		l := NewLive(Default())
		if err := l.Set([]Pair{{"maxmemory-clients", c.text}, {"maxmemory", c.maxmemory}}); err != nil {
			t.Fatal(err)
		}
		if got := l.Config().MaxMemoryClients(); got != c.want {
			t.Errorf("maxmemory-clients %s with maxmemory %s: %d, want %d", c.text, c.maxmemory, got, c.want)
		}
	}
	for _, text := range []string{"-1", "x", "101%", "-5%", "%"} {
		if err := NewLive(Default()).Set([]Pair{{"maxmemory-clients", text}}); err == nil {
			t.Errorf("maxmemory-clients %q was taken", text)
		}
	}
}
