package command

import (
	"strings"
	"testing"
)

// eachCommand runs fn for every command and sub-command of the package.
func eachCommand(fn func(c *Command)) {
	for _, c := range Full().Commands() {
		fn(c)
		for _, s := range c.Subcommands {
			fn(s)
		}
	}
}

func TestLookupFindsEveryName(t *testing.T) {
	eachCommand(func(c *Command) {
		for _, name := range []string{c.Name, strings.ToUpper(c.Name), strings.ToUpper(c.Name[:1]) + c.Name[1:]} {
			if got := LookupName(name); got != c {
				t.Errorf("LookupName(%q) = %v", name, got)
			}
		}
	})
}

func TestLookupFindsNothingElse(t *testing.T) {
	for _, name := range []string{
		"", "g", "ge", "gett", "get\x00", "\x00get", "g\x45t\x00", "g\x05t", "restore\rasking",
		"config|", "config|nothing", "get|set", "a name longer than any command has",
		"georadiusbymember_rp", "georadiusbyXember_ro", "\xc7\xc5\xd4",
	} {
		if c := LookupName(name); c != nil {
			t.Errorf("LookupName(%q) found %s", name, c.Name)
		}
	}
	// Any single byte changed, other than in case, is another name.
	eachCommand(func(c *Command) {
		name := []byte(c.BaseName())
		for i := range name {
			for b := 0; b < 256; b++ {
				changed := append([]byte(nil), name...)
				changed[i] = byte(b)
				if equalFold(changed, string(name)) || changed[i] == '|' {
					continue
				}
				var got *Command
				if c.Parent == nil {
					got = Lookup(changed)
				} else {
					got = c.Parent.Subcommand(changed)
				}
				if got == c {
					t.Fatalf("%q found %s", changed, c.Name)
				}
			}
		}
	})
}

func TestLookupDoesNotAllocate(t *testing.T) {
	get, config, set := []byte("GeT"), []byte("CONFIG"), []byte("set")
	if n := testing.AllocsPerRun(100, func() {
		_ = Lookup(get)
		_ = Lookup(config).Subcommand(set)
	}); n != 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	names := [][]byte{[]byte("GET"), []byte("set"), []byte("ZRANGEBYSCORE"), []byte("incrby")}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if Lookup(names[i&3]) == nil {
			b.Fatal("not found")
		}
	}
}
