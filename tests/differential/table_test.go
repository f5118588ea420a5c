package differential

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"respkv/resp/command"
)

// tableReply renders a reply of the command table.
func tableReply(t *testing.T, write func(w command.ReplyWriter)) Reply {
	t.Helper()
	var w wire
	write(&w)
	v, err := ParseReply(w.b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// differences lists where two replies differ, as paths. Sets compare without
// order, maps by key, sub-commands by name, and the fields of wordedFields as
// wordingDifferences says.
func differences(path string, want, got Reply) []string {
	if want.Kind != got.Kind || want.Text != got.Text || len(want.Elements) != len(got.Elements) {
		return []string{fmt.Sprintf("%s: redis %s, table %s", path, want, got)}
	}
	w, g := want.Elements, got.Elements
	switch {
	case want.Kind == '~' && (len(w) == 0 || w[0].Kind == '+' || w[0].Kind == '$'), isEntryList(want):
		w, g = sortedByText(w), sortedByText(g)
	case want.Kind == '%':
		var out []string
		for i := 0; i < len(w); i += 2 {
			key := w[i].Text
			j := slices.IndexFunc(g, func(v Reply) bool { return v.Text == key })
			for j >= 0 && j%2 == 1 { // a value of that text
				k := slices.IndexFunc(g[j+1:], func(v Reply) bool { return v.Text == key })
				if j += k + 1; k < 0 {
					j = -1
				}
			}
			if j < 0 {
				out = append(out, path+": table lacks "+key)
				continue
			}
			if i != j && !strings.HasSuffix(path, ".subcommands") {
				out = append(out, path+": field order at "+key)
			}
			compare := differences
			if slices.Contains(wordedFields, key) {
				compare = wordingDifferences
			}
			out = append(out, compare(path+"."+key, w[i+1], g[j+1])...)
		}
		return out
	}
	var out []string
	for i := range w {
		out = append(out, differences(path+"["+strconv.Itoa(i)+"]", w[i], g[i])...)
	}
	return out
}

// isEntryList says whether the reply is a list of COMMAND INFO entries.
func isEntryList(v Reply) bool {
	return v.Kind == '*' && len(v.Elements) > 0 && v.Elements[0].Kind == '*' && len(v.Elements[0].Elements) == 10
}

func sortedByText(list []Reply) []Reply {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Reply) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// known is the table of the commands that the oracle has.
func known(oracle map[string]bool) *command.Table {
	return command.NewTable(func(name string) bool { return oracle[name] })
}

func oracleConn(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(StartRedis(t, "redis").Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Protocol(3); err != nil {
		t.Fatal(err)
	}
	return c
}

func call(t *testing.T, c *Conn, args ...string) Reply {
	t.Helper()
	raw, err := c.Do(args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseReply(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// oracleTable is the part of the table that the oracle has too, with the names
// of all commands and sub-commands in it.
func oracleTable(t *testing.T, c *Conn) (*command.Table, []string) {
	t.Helper()
	has := map[string]bool{}
	var names []string
	for _, n := range call(t, c, "COMMAND", "LIST").Elements {
		has[n.Text] = true
		names = append(names, n.Text)
	}
	slices.Sort(names)
	return known(has), names
}

func TestTableEqualsRedis(t *testing.T) {
	c := oracleConn(t)
	table, names := oracleTable(t, c)
	if len(names) < 360 {
		t.Fatalf("the oracle has only %d commands", len(names))
	}
	for _, name := range names {
		if table.LookupName(name) == nil {
			t.Errorf("%s is not in the table", name)
			continue
		}
		arg := [][]byte{[]byte(name)}
		info := tableReply(t, func(w command.ReplyWriter) { table.ReplyInfo(w, arg) })
		docs := tableReply(t, func(w command.ReplyWriter) { table.ReplyDocs(w, arg) })
		diff := differences(name+" info", call(t, c, "COMMAND", "INFO", name), info)
		diff = append(diff, differences(name+" docs", call(t, c, "COMMAND", "DOCS", name), docs)...)
		for _, d := range diff {
			t.Error(d)
		}
	}
	if want, got := call(t, c, "COMMAND", "COUNT"), tableReply(t, func(w command.ReplyWriter) { table.ReplyCount(w) }); want.Text != got.Text {
		t.Errorf("COMMAND COUNT: redis %s, table %s", want, got)
	}
	for _, filter := range [][]string{
		{}, {"filterby", "pattern", "*x*"}, {"FILTERBY", "PATTERN", "config|*"}, {"filterby", "module", "m"},
		{"filterby", "aclcat", "nothing"}, {"filterby"}, {"filterby", "pattern"}, {"foo", "bar", "baz"},
		{"filterby", "foo", "x"}, {"filterby", "pattern", "a*", "filterby", "pattern", "b*"},
	} {
		compareList(t, c, table, filter)
	}
	for _, category := range command.AllCategories() {
		compareList(t, c, table, []string{"filterby", "aclcat", category})
	}
}

func compareList(t *testing.T, c *Conn, table *command.Table, filter []string) {
	t.Helper()
	want := call(t, c, append([]string{"COMMAND", "LIST"}, filter...)...)
	got := tableReply(t, func(w command.ReplyWriter) { table.ReplyList(w, byteArgs(filter), simpleGlob) })
	want.Elements, got.Elements = sortedByText(want.Elements), sortedByText(got.Elements)
	if want.String() != got.String() {
		t.Errorf("COMMAND LIST %v:\n redis %s\n table %s", filter, want, got)
	}
}

// simpleGlob knows "*" only, which is all that this test needs.
func simpleGlob(pattern, name []byte) bool {
	head, rest, star := bytes.Cut(pattern, []byte("*"))
	if !bytes.HasPrefix(name, head) || !star {
		return !star && bytes.Equal(pattern, name)
	}
	for name = name[len(head):]; ; name = name[1:] {
		if simpleGlob(rest, name) {
			return true
		}
		if len(name) == 0 {
			return false
		}
	}
}

func byteArgs(args []string) [][]byte {
	out := make([][]byte, len(args))
	for i, a := range args {
		out[i] = []byte(a)
	}
	return out
}

func TestGetKeysEqualsRedis(t *testing.T) {
	c := oracleConn(t)
	table, names := oracleTable(t, c)
	seed := uint64(*seedFlag)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	vectors := 0
	for _, name := range names {
		entry := table.LookupName(name)
		if entry.IsContainer() {
			continue
		}
		rounds := 3
		if entry.Flags&command.MovableKeys != 0 || len(entry.KeySpecs) > 1 || name == "set" || name == "bitfield" {
			rounds = 60
		}
		for range rounds {
			args := append(strings.Split(name, "|"), randomVector(r, entry)...)
			if redisMisreads(args) || len(args) == entry.LaterArity { // or does not know that form yet
				continue
			}
			vectors++
			for _, sub := range []string{"GETKEYS", "GETKEYSANDFLAGS"} {
				want := call(t, c, append([]string{"COMMAND", sub}, args...)...)
				got := tableReply(t, func(w command.ReplyWriter) {
					if sub == "GETKEYS" {
						table.ReplyGetKeys(w, byteArgs(args))
					} else {
						table.ReplyGetKeysAndFlags(w, byteArgs(args))
					}
				})
				if strings.HasPrefix(want.Text, "ERR wrong number") { // COMMAND's own arity
					continue
				}
				for _, d := range differences(fmt.Sprintf("%s %q", sub, args), want, got) {
					t.Error(d)
				}
			}
		}
	}
	t.Logf("%d argument vectors", vectors)
}

// redisMisreads tells vectors for which redis-server's COMMAND GETKEYS names
// other keys than the command itself would use.
func redisMisreads(args []string) bool {
	streams := 0
	for i, a := range args {
		switch strings.ToLower(a) {
		case "store": // SORT k STORE by: it looks at the destination again and takes it for an option
			if args[0] == "sort" && i+2 < len(args) && slices.Contains([]string{"store", "get", "by", "limit"}, strings.ToLower(args[i+1])) {
				return true
			}
		case "keys": // MIGRATE with a host, key... named KEYS: taken for the option
			if args[0] == "migrate" && i < 6 {
				return true
			}
		case "streams": // XREAD streams ... STREAMS: a malformed one falls back to another search
			streams++
		}
	}
	return streams > 1
}

// randomVector makes arguments that are mostly plausible: counts, keywords of
// all commands and plain words, around the command's arity.
func randomVector(r *rand.Rand, c *command.Command) []string {
	words := []string{
		"STREAMS", "streams", "KEYS", "STORE", "store", "STOREDIST", "GET", "get", "BY", "LIMIT", "AUTH", "AUTH2",
		"SET", "INCRBY", "OVERFLOW", "COUNT", "BLOCK", "GROUP", "NX", "EX", "COPY", "WEIGHTS", "u8", "", "",
		"a", "b", "c", "d", "e",
	}
	n := max(c.Arity, -c.Arity) - 1 + r.IntN(7)
	if c.Arity > 0 {
		n = c.Arity - 1
		if r.IntN(10) == 0 {
			n += r.IntN(3) - 1
		}
	}
	var args []string
	if c.Parent != nil {
		n--
	}
	for range n {
		switch r.IntN(4) {
		case 0:
			args = append(args, strconv.Itoa(r.IntN(4)))
		default:
			args = append(args, words[r.IntN(len(words))])
		}
	}
	return args
}
