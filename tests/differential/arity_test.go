package differential

import (
	"slices"
	"strings"
	"testing"

	"respkv/resp/command"
)

// TestArityErrors sends every command that both servers have with too few and
// too many arguments, and every container with an unknown sub-command.
func TestArityErrors(t *testing.T) {
	pair := StartPair(t)
	var conns [2]*Conn
	for i, s := range []*Server{pair.Redis, pair.Respkv} {
		c, err := Dial(s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	compared := 0
	check := func(args []string) {
		t.Helper()
		var replies [2][]byte
		for i, c := range conns {
			var err error
			if replies[i], err = c.Do(args...); err != nil {
				t.Fatalf("%s: %s: %v", joinArgs(args), [2]string{"redis", "respkv"}[i], err)
			}
		}
		if wrong := (Check{}).Compare(replies[0], replies[1]); wrong != "" {
			t.Errorf("%s: %s\n  redis:  %s\n  respkv: %s", joinArgs(args), wrong, show(replies[0]), show(replies[1]))
		}
		compared++
	}
	list, err := conns[1].Call("COMMAND", "LIST")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list.Elements {
		names = append(names, e.Text)
	}
	slices.Sort(names)
	for _, name := range names {
		entry := command.LookupName(name)
		if has, err := pair.Redis.Has(name); err != nil {
			t.Fatal(err)
		} else if !has || entry == nil {
			continue
		}
		base := strings.Split(name, "|")
		// With -n as arity, too many can't be; with exactly the names, too few.
		least := max(entry.Arity, -entry.Arity)
		for n := len(base); n < least; n++ {
			check(append(slices.Clone(base), slices.Repeat([]string{"x"}, n-len(base))...))
		}
		if entry.Arity > 0 {
			check(append(slices.Clone(base), slices.Repeat([]string{"x"}, least-len(base)+1)...))
		}
		if entry.IsContainer() {
			check([]string{name, "nosuch"})
			check([]string{strings.ToUpper(name), "NoSuch", "arg"})
			check([]string{name, ""})
		}
	}
	t.Logf("%d commands, %d replies compared", len(names), compared)
}
