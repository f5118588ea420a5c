package acl

import (
	"slices"
	"strings"
	"testing"

	"respkv/resp/command"
)

var all = NewCommands(command.Full())

// words splits a line into words as a client would send them.
func words(line string) []string { return strings.Fields(line) }

func vector(line string) [][]byte {
	var v [][]byte
	for _, w := range words(line) {
		v = append(v, []byte(w))
	}
	return v
}

// userOf is a new user changed by the rules of a line.
func userOf(t testing.TB, line string) *User {
	t.Helper()
	rules, err := MergeSelectors(words(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	u, err := all.Apply(NewUser(false), rules, Options{})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return u
}

func TestDescribe(t *testing.T) {
	for rules, want := range map[string]string{
		"":                                  "off resetchannels -@all",
		"on nopass allkeys +@all &*":        "on nopass ~* &* +@all",
		"~a %R~a":                           "off ~a resetchannels -@all",
		"%R~a %W~a":                         "off ~a resetchannels -@all",
		"%W~a %R~b":                         "off %W~a %R~b resetchannels -@all",
		"+@read +@write -@write":            "off resetchannels -@all +@read",
		"+@all -@admin":                     "off resetchannels +@all -@admin",
		"+@all -get +get":                   "off resetchannels +@all",
		"+config -config|get":               "off resetchannels -@all +config -config|get",
		"+config|get":                       "off resetchannels -@all +config|get",
		"+select|0 +select|1 +select|0":     "off resetchannels -@all +select|0 +select|1",
		"+select|0 +select":                 "off resetchannels -@all +select",
		"+select|0 -@connection":            "off resetchannels -@all",
		"(+get ~a) (&c )":                   "off resetchannels -@all (~a resetchannels -@all +get) (resetchannels &c -@all)",
		"(+get) clearselectors":             "off resetchannels -@all",
		"on >a nopass ~* +@all reset":       "off sanitize-payload resetchannels -@all",
		"on nopass #" + HashPassword(nil):   "on #" + HashPassword(nil) + " resetchannels -@all",
		"> skip-sanitize-payload resetpass": "off skip-sanitize-payload resetchannels -@all",
	} {
		u := userOf(t, rules)
		if got := all.Describe(u); got != want {
			t.Errorf("%s: %q, want %q", rules, got, want)
		}
		if again := userOf(t, all.Rules(u)); all.Rules(again) != all.Rules(u) {
			t.Errorf("%s: written %q, read back %q", rules, all.Rules(u), all.Rules(again))
		}
	}
	// Shown alike, but patterns may still be added to the one on the left.
	if u := userOf(t, "%RW~*"); all.Describe(u) != "off ~* resetchannels -@all" || all.Rules(u) != "off %RW~* resetchannels -@all" {
		t.Errorf("%s, %s", all.Describe(u), all.Rules(u))
	}
}

func TestRulesRefused(t *testing.T) {
	for rules, want := range map[string]error{
		"+nosuch": errUnknownName, "+@nosuch": errUnknownName, "-config|nosuch": errUnknownName, "-get|x": errUnknownName,
		"+config|get|x": errFirstArgOfSub, "+get|": errSyntax, "nosuch": errSyntax, "%~a": errSyntax, "%RR~a": errSyntax,
		"%X~a": errSyntax, "(on)": errSyntax, "(~a": errSyntax, "~* ~a": errAfterAllKeys, "&* &a": errAfterAllChannels,
		"<x": errNoSuchPassword, "#x": errBadHash, "!" + strings.Repeat("A", 64): errBadHash,
	} {
		_, err := all.Apply(NewUser(false), words(rules), Options{})
		if refused, ok := err.(*RuleError); !ok || refused.Err != want {
			t.Errorf("%s: %v, want %v", rules, err, want)
		}
	}
	for line, start := range map[string]string{"(+get": "(+get", "~a (+get ~b": "(+get", "(a (b": "(b"} {
		_, err := MergeSelectors(words(line))
		if e, ok := err.(*UnmatchedError); !ok || e.Start != start {
			t.Errorf("%s: %v", line, err)
		}
	}
	u, err := all.Apply(NewUser(false), []string{"+nosuch", "+@nosuch", "(+nosuch +get)", "+set"}, Options{SkipUnknown: true})
	if err != nil || all.Describe(u) != "off resetchannels -@all +set (resetchannels -@all +get)" {
		t.Errorf("unknown names not left out: %v", err)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		rules, line string
		reason      Reason
		arg         int
	}{
		{"~* &* +@all", "get x", Allowed, 0},
		{"", "get x", DeniedCommand, 0},
		{"", "auth x", Allowed, 0},
		{"+get", "get x", DeniedKey, 1},
		{"+get ~x", "get x", Allowed, 0},
		{"+mget ~a*", "mget a1 a2 b", DeniedKey, 3},
		{"+@all %R~r %W~w", "get w", DeniedKey, 1},
		{"+@all %R~r %W~w", "set w v", Allowed, 0},
		{"+@all %R~r %W~w", "set w v get", DeniedKey, 1},
		{"+@all %R~r %W~w", "copy r w", Allowed, 0},
		{"+@all %R~r %W~w", "copy w r", DeniedKey, 1},
		{"+@all %R~x %W~x", "getdel x", Allowed, 0},
		{"+@all %R~x %W~x*", "getdel x", DeniedKey, 1}, // no one pattern gives both
		{"+@all %W~w", "exists w", Allowed, 0},
		{"+@all %W~w", "exists x", DeniedKey, 1},
		{"+@all ~*", "publish c x", DeniedChannel, 1},
		{"+@all ~* &c*", "subscribe c1 d", DeniedChannel, 2},
		{"+@all ~* &c*", "psubscribe c*", Allowed, 0},
		{"+@all ~* &c*", "psubscribe c1", DeniedChannel, 1},
		{"+@all ~* &c*", "unsubscribe d", Allowed, 0},
		{"+@all ~* &c*", "spublish d x", DeniedChannel, 1},
		{"+select|0", "select 0", Allowed, 0},
		{"+select|0", "select 1", DeniedCommand, 0},
		{"+get|A ~*", "get a", Allowed, 0},
		{"+config|get", "config get x", Allowed, 0},
		{"+config|get", "config set x y", DeniedCommand, 0},
		{"(+get ~a) (+set ~b)", "get a", Allowed, 0},
		{"(+get ~a) (+set ~b)", "get b", DeniedKey, 1},
		{"(+get ~a) (+set ~b)", "del b", DeniedCommand, 0},
		{"(+mget ~a) (+mget ~b)", "mget a b", DeniedKey, 2},
	}
	for _, test := range tests {
		args := vector(test.line)
		cmd := command.Lookup(args[0])
		if cmd.IsContainer() {
			cmd = cmd.Subcommand(args[1])
		}
		got := userOf(t, test.rules).Check(cmd, args)
		if got.Reason != test.reason || got.Arg != test.arg {
			t.Errorf("user %q, %s: %v at %d, want %v at %d", test.rules, test.line, got.Reason, got.Arg, test.reason, test.arg)
		}
	}
}

func TestCheckAllKeys(t *testing.T) {
	args := vector("sort list by w_*")
	cmd := command.Lookup(args[0])
	for rules, want := range map[string]bool{
		"+sort ~*": true, "+@all ~* &*": true, "+sort %R~* ~list": true, "+sort ~list": false, "+sort ~list %W~*": false,
		"+sort ~list (+get ~*)": false, "+sort ~list (+sort %RW~*)": true, "~*": false,
	} {
		if got := userOf(t, rules).CheckAllKeys(cmd, args); got != want {
			t.Errorf("%s: %v, want %v", rules, got, want)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	u := userOf(t, "~a* ~b* %R~c* &x* +@all -flushall (+get ~d) (+sort ~*)")
	for _, line := range []string{"get b1", "get d", "mget a b c d", "set c v", "publish x y", "psubscribe x*", "zunionstore a 2 b c", "sort a by x"} {
		args := vector(line)
		cmd := command.Lookup(args[0])
		if n := testing.AllocsPerRun(100, func() { u.Check(cmd, args) }); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	u := userOf(b, "~a* ~b* +@all -@dangerous")
	args := vector("get b1")
	cmd := command.Lookup(args[0])
	b.ReportAllocs()
	for b.Loop() {
		u.Check(cmd, args)
	}
}

func TestPasswords(t *testing.T) {
	u := userOf(t, "on >a >b")
	for password, want := range map[string]bool{"a": true, "b": true, "": false, "c": false} {
		if u.Accepts([]byte(password)) != want {
			t.Errorf("password %q: %v", password, !want)
		}
	}
	for line, want := range map[string]bool{"on": false, "on nopass": true, "off nopass": false, "off >a": false} {
		if userOf(t, line).Accepts([]byte("a")) != want {
			t.Errorf("user %q: %v", line, !want)
		}
	}
	var nobody *User
	if nobody.Accepts(nil) {
		t.Error("nobody was let in")
	}
	for _, bits := range []int{1, 4, 5, 256, 4096} {
		if p := GeneratePassword(bits); len(p) != (bits+3)/4 {
			t.Errorf("%d bits: %q", bits, p)
		}
	}
}

func TestUsers(t *testing.T) {
	users := NewUsers(all, NewDefaultUser(""))
	if !users.Default().User().Unrestricted {
		t.Error("the default user is restricted")
	}
	created, err := users.Set("alice", []byte("on nopass ~a +get (+set ~b)"))
	if err != nil || created.Before != nil || users.Find([]byte("alice")) != created.Account {
		t.Fatalf("%+v, %v", created, err)
	}
	changed, _ := users.Set("alice", []byte("off"))
	if changed.Account != created.Account || changed.Before != created.After || created.Account.User().Enabled {
		t.Errorf("%+v", changed)
	}
	if _, err := users.Set("alice", []byte("on nonsense")); err == nil || created.Account.User().Enabled {
		t.Error("bad rules took effect")
	}
	deleted, _ := users.Set("alice", nil)
	if deleted.Account != created.Account || deleted.After != nil || users.Find([]byte("alice")) != nil {
		t.Errorf("%+v", deleted)
	}
	if u := created.Account.User(); u.Enabled || u.Check(command.LookupName("ping"), vector("ping")).OK() {
		t.Error("a deleted user may still do something")
	}
	if none, _ := users.Set(DefaultName, nil); none.Account != nil || users.Find([]byte(DefaultName)) == nil {
		t.Error("the default user was deleted")
	}
	users.SetDefaultPassword("x")
	if u := users.Default().User(); u.NoPassword || !u.Accepts([]byte("x")) || !u.Unrestricted {
		t.Error("requirepass does not hold")
	}
}

func TestLosesChannels(t *testing.T) {
	for _, test := range []struct {
		before, after string
		want          bool
	}{
		{"&*", "&*", false}, {"&a", "&*", false}, {"&*", "&a", true}, {"&a", "&a &b", false}, {"&a &b", "&a", true},
		{"&a", "(&a)", false}, {"(&a)", "", true}, {"(&*)", "&a", true}, {"&a", "(&*)", false}, {"", "", false},
	} {
		if got := userOf(t, test.before).LosesChannels(userOf(t, test.after)); got != test.want {
			t.Errorf("%q to %q: %v", test.before, test.after, got)
		}
	}
}

func TestFile(t *testing.T) {
	text := "\n  user alice on nopass  ~a   +get (+set\t~b) \r\nuser bob off\n"
	list, err := all.ParseFile("users.acl", text, Options{})
	if err != nil || len(list) != 2 || list[0].Name != "alice" || all.Describe(list[0].User) != "on nopass ~a resetchannels -@all +get (~b resetchannels -@all +set)" {
		t.Fatalf("%+v, %v", list, err)
	}
	users := NewUsers(all, NewDefaultUser("x"))
	for _, d := range list {
		if _, err := users.Set(d.Name, []byte(all.Rules(d.User))); err != nil {
			t.Fatal(err)
		}
	}
	again, err := all.ParseFile("", users.FormatFile(), Options{})
	if err != nil || len(again) != 3 {
		t.Fatalf("%s: %v", users.FormatFile(), err)
	}
	_, err = all.ParseFile("f", "# no comments\nuser\nuser a +nosuch\nuser b\nuser b on\nuser c (+get\n", Options{})
	want := "f:1 should start with user keyword followed by the username. f:2 should start with user keyword followed by the username. " +
		"f:3: Error in applying operation '+nosuch': Unknown command or category name in ACL. " +
		"WARNING: Duplicate user 'b' found on line 5. f:6: Unmatched parenthesis in acl selector starting at '(+get'."
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestLog(t *testing.T) {
	var l Log
	event := func(object string) Event {
		return Event{Reason: DeniedKey, Context: "toplevel", Object: object, User: "u"}
	}
	for i := range int64(3) {
		l.Add(event("a"), 1000+i, "first", 3)
	}
	l.Add(event("b"), 2000, "second", 3)
	l.Add(event("a"), 3000, "third", 3)
	l.Add(event("a"), 63_001, "fourth", 3) // more than a minute later: an entry of its own
	var got []string
	for _, e := range l.Latest(10) {
		got = append(got, e.Object+e.Client+strings.Repeat("+", int(e.Count)))
	}
	if want := []string{"afourth+", "athird++++", "bsecond+"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	l.Add(event(strings.Repeat("x", 2*maxObject)), 64_000, "", 2)
	if list := l.Latest(10); len(list) != 2 || len(list[0].Object) != maxObject {
		t.Errorf("%d entries", len(list))
	}
	if len(l.Latest(1)) != 1 {
		t.Error("more than asked for")
	}
	l.Reset()
	if len(l.Latest(10)) != 0 {
		t.Error("entries left")
	}
}
