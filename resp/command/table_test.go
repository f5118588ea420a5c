package command

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEntriesAreComplete(t *testing.T) {
	seen := map[int]string{}
	summaries := map[string]string{}
	eachCommand(func(c *Command) {
		bad := func(format string, args ...any) { t.Helper(); t.Errorf(c.Name+": "+format, args...) }
		if other, dup := seen[c.ID]; dup || c.ID < 0 || c.ID >= Count() {
			bad("ID %d is out of range or that of %q", c.ID, other)
		}
		seen[c.ID] = c.Name
		if c.Name != strings.ToLower(c.Name) {
			bad("name is not in lower case")
		}
		if c.Summary == "" || !strings.HasSuffix(c.Summary, ".") || len(c.Summary) > 100 {
			bad("summary %q", c.Summary)
		}
		if other, dup := summaries[c.Summary]; dup {
			bad("summary is that of %s", other)
		}
		summaries[c.Summary] = c.Name
		if c.Group.String() == "" || c.Since == "" || c.Arity == 0 {
			bad("group %q, since %q, arity %d", c.Group, c.Since, c.Arity)
		}
		if c.Has(Write | ReadOnly) {
			bad("both write and readonly")
		}
		if (c.DocFlags&Deprecated != 0) != (c.DeprecatedSince != "") {
			bad("deprecated without a version, or the reverse")
		}
		if c.IsContainer() && (len(c.KeySpecs) > 0 || c.Subcommand([]byte("help")) == nil) {
			bad("container with keys or without HELP")
		}
		for i, s := range c.KeySpecs {
			checkKeySpec(c, &s, func(format string, args ...any) {
				t.Helper()
				bad("key spec %d: "+format, append([]any{i}, args...)...)
			})
		}
		checkArgs(c, c.Args, bad)
		checkProse(c, bad)
	})
	if len(seen) != Count() {
		t.Errorf("%d entries, but Count is %d", len(seen), Count())
	}
}

func checkKeySpec(c *Command, s *KeySpec, bad func(string, ...any)) {
	const access = RO | RW | OW | RM
	if a := s.Flags & access; s.Flags&NotKey == 0 && (a == 0 || a&(a-1) != 0) {
		bad("flags %v need exactly one of RO, RW, OW, RM", s.Flags.Names())
	}
	// PFCOUNT, a read, keeps its result in the value and replicates that.
	if c.Flags&ReadOnly != 0 && c.Flags&MayReplicate == 0 && s.Flags&^(RO|KeyAccess|VariableFlags|Incomplete|NotKey) != 0 {
		bad("a read with flags %v", s.Flags.Names())
	}
	if s.Flags&RO != 0 && s.Flags&(KeyUpdate|KeyInsert|KeyDelete) != 0 {
		bad("RO with flags %v", s.Flags.Names())
	}
	if s.Begin == BeginIndex && (s.Index < 1 || c.Parent != nil && s.Index < 2) {
		bad("index %d", s.Index)
	}
	if s.Begin == BeginKeyword && s.Keyword == "" {
		bad("no keyword")
	}
	if s.Find != FindUnknown && s.KeyStep < 1 {
		bad("key step %d", s.KeyStep)
	}
}

func checkArgs(c *Command, args []Arg, bad func(string, ...any)) {
	for i := range args {
		a := &args[i]
		if a.KeySpec >= len(c.KeySpecs) || a.Type == TypeKey && a.KeySpec < 0 {
			bad("argument %s: key spec %d of %d", a.Name, a.KeySpec, len(c.KeySpecs))
		}
		if group := a.Type == TypeOneOf || a.Type == TypeBlock; group != (len(a.Args) > 0) {
			bad("argument %s: %s with %d parts", a.Name, a.Type, len(a.Args))
		}
		checkArgs(c, a.Args, bad)
	}
}

// checkProse holds the texts other than the summary to their form: a phrase that
// is no sentence, and a complexity that begins with its formula, where it has
// one.
func checkProse(c *Command, bad func(string, ...any)) {
	phrase := func(field, text string) {
		if text == "" || len(text) > 110 || strings.HasSuffix(text, ".") || strings.TrimSpace(text) != text {
			bad("%s %q", field, text)
		}
	}
	if c.Complexity != "" {
		phrase("complexity", c.Complexity)
		if at := strings.Index(c.Complexity, "O("); at > 0 && !strings.HasPrefix(c.Complexity, "that of ") {
			bad("complexity %q does not begin with the formula", c.Complexity)
		}
		if strings.Count(c.Complexity, "(") != strings.Count(c.Complexity, ")") {
			bad("complexity %q is not balanced", c.Complexity)
		}
	}
	for i, h := range c.History {
		phrase("history", h.Text)
		if i > 0 && slices.Compare(versionOf(h.Since), versionOf(c.History[i-1].Since)) < 0 {
			bad("history: %s after %s", h.Since, c.History[i-1].Since)
		}
	}
	for _, s := range c.KeySpecs {
		if s.Notes != "" {
			phrase("notes", s.Notes)
		}
	}
}

// versionOf splits a version into its numbers; one that is none sorts first.
func versionOf(version string) []int {
	var numbers []int
	for _, part := range strings.Split(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// TestWritesAreMarked names commands by what they do, so that a flag lost in
// the table shows.
func TestWritesAreMarked(t *testing.T) {
	for _, name := range strings.Fields("set append incr getdel getex del unlink expire persist rename copy move " +
		"restore migrate flushall flushdb swapdb lpush hset sadd zadd xadd xgroup|create setbit pfadd geoadd sort " +
		"hexpire hsetex hgetdel hgetex hpersist") {
		if c := LookupName(name); !c.Has(Write) || c.Categories&CatWrite == 0 {
			t.Errorf("%s is not marked as a write", name)
		}
	}
	for _, name := range strings.Fields("get mget strlen exists ttl type scan keys dump object|encoding lrange hget " +
		"smembers zrange xrange getbit bitcount geosearch lcs touch sort_ro httl dbsize") {
		if c := LookupName(name); !c.Has(ReadOnly) || c.Has(Write) {
			t.Errorf("%s is not marked as a read", name)
		}
	}
	for _, name := range strings.Fields("ping echo client|id config|get auth hello select multi time command|docs") {
		if c := LookupName(name); !c.Has(NoLock) {
			t.Errorf("%s would take shard locks", name)
		}
	}
	for _, name := range strings.Fields("get keys flushall eval exists sort dbsize") {
		if c := LookupName(name); c.Has(NoLock) {
			t.Errorf("%s would run without shard locks", name)
		}
	}
}

func TestNewTableFilters(t *testing.T) {
	has := map[string]bool{"get": true, "config|get": true, "config|help": true}
	table := NewTable(func(name string) bool { return has[name] })
	if n := len(table.Commands()); n != 2 {
		t.Fatalf("%d commands, want get and config", n)
	}
	if table.Lookup([]byte("SET")) != nil || table.LookupName("config|set") != nil || table.LookupName("CONFIG|Get") == nil {
		t.Error("lookup does not follow the filter")
	}
	get := table.LookupName("config|get")
	if get.ID != LookupName("config|get").ID || get.Parent != table.Lookup([]byte("config")) {
		t.Error("the sub-command's ID or parent is wrong")
	}
	if n := len(LookupName("config").Subcommands); n != 5 {
		t.Errorf("filtering changed the full table: CONFIG has %d sub-commands", n)
	}
}

func TestSyntax(t *testing.T) {
	for name, want := range map[string]string{
		"expire":       "EXPIRE <key> <seconds> [NX|XX|GT|LT]",
		"mset":         "MSET <key> <value> [<key> <value> ...]",
		"config|set":   "SET <parameter> <value> [<parameter> <value> ...]",
		"client|reply": "REPLY ON|OFF|SKIP",
		"sort_ro":      "SORT_RO <key> [BY <pattern>] [LIMIT <offset> <count>] [GET <pattern> [GET <pattern> ...]] [ASC|DESC] [ALPHA]",
	} {
		if got := LookupName(name).Syntax(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}
