package differential

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"respkv/internal/acl"
	"respkv/resp/command"
)

// aclRules draws rules of ACL SETUSER.
type aclRules struct {
	*Source
	commands []string // full names
}

var aclPatterns = []string{"*", "a", "a*", "b", "[ab]", "{k}?", "", "x:*", "\\*", "a b", "a~b"}

func pick[T any](s *Source, list ...T) T { return list[s.IntN(len(list))] }

// rule is one rule, mostly a valid one.
func (r *aclRules) rule(inSelector bool) string {
	name := pick(r.Source, r.commands...)
	container, _, _ := strings.Cut(name, "|")
	sign := pick(r.Source, "+", "+", "-")
	switch r.IntN(24) {
	case 0, 1, 2, 3:
		return sign + name
	case 4, 5:
		return sign + pick(r.Source, container, strings.ToUpper(name))
	case 6, 7, 8, 9:
		return sign + "@" + pick(r.Source, command.AllCategories()...)
	case 10:
		return pick(r.Source, "+@all", "-@all", "allcommands", "nocommands", "+@ALL")
	case 11:
		return sign + pick(r.Source, name, container, "get", "select") + "|" + pick(r.Source, "0", "a", "A", "get", "", "b|c")
	case 12, 13:
		return "~" + pick(r.Source, aclPatterns...)
	case 14, 15:
		return "%" + pick(r.Source, "R", "W", "RW", "rw", "WR", "", "X", "RR") + "~" + pick(r.Source, aclPatterns...)
	case 16:
		return "&" + pick(r.Source, aclPatterns...)
	case 17:
		return pick(r.Source, "allkeys", "resetkeys", "allchannels", "resetchannels", "ALLKEYS")
	case 18:
		return pick(r.Source, "", "x", "+", "-", "+@", "-@x", "+nosuch", "-nosuch|x", "%R", "&", "~", "#12", "|", "+|", "(", ")")
	}
	if inSelector {
		return "~" + pick(r.Source, aclPatterns...)
	}
	switch r.IntN(8) {
	case 0:
		return pick(r.Source, "on", "off", "nopass", "resetpass", "ON")
	case 1:
		return pick(r.Source, ">a", ">b", "<a", "<b", "#"+acl.HashPassword([]byte("a")), "!"+acl.HashPassword([]byte("b")), "!x")
	case 2:
		return pick(r.Source, "clearselectors", "sanitize-payload", "skip-sanitize-payload")
	case 3:
		return "reset"
	}
	var rules []string
	for range r.IntN(4) {
		rules = append(rules, r.rule(true))
	}
	return "(" + strings.Join(rules, " ") + ")"
}

// sortedWords is a description with its words in order, those of each selector on
// their own: Redis lists single commands in the order of a hash table.
func sortedWords(text string) string {
	own, selectors, _ := strings.Cut(text, " (")
	sorted := func(s string) string {
		words := strings.Fields(s)
		slices.Sort(words)
		return strings.Join(words, " ")
	}
	out := sorted(own)
	for _, s := range strings.Split(selectors, " (") {
		out += " (" + sorted(strings.TrimSuffix(s, ")"))
	}
	return out
}

// TestACLRulesEqualRedis draws rules for one user and compares what becomes of
// it: the error of a refused rule, the description, and what the user may do.
func TestACLRulesEqualRedis(t *testing.T) {
	c := oracleConn(t)
	table, names := oracleTable(t, c)
	commands := acl.NewCommands(table)
	deadline := time.Now().Add(*durationFlag)
	rounds := 0
	for n := 0; *countFlag > 0 && n < *countFlag || *countFlag == 0 && time.Now().Before(deadline); n++ {
		r := &aclRules{newSource(uint64(*seedFlag), n), names}
		call(t, c, "ACL", "DELUSER", "u")
		user := acl.NewUser(false)
		var history []string
		for range 1 + r.IntN(8) {
			var rules []string
			for range 1 + r.IntN(4) {
				rules = append(rules, r.rule(false))
			}
			history = append(history, joinArgs(rules))
			fail := func(format string, args ...any) {
				t.Helper()
				t.Fatalf("seed %d, round %d\nACL SETUSER u %s\n%s", *seedFlag, n, strings.Join(history, "\nACL SETUSER u "), fmt.Sprintf(format, args...))
			}
			reply := call(t, c, append([]string{"ACL", "SETUSER", "u"}, rules...)...)
			merged, err := acl.MergeSelectors(rules)
			if err == nil {
				var next *acl.User
				if next, err = commands.Apply(user, merged, acl.Options{}); err == nil {
					user = next
				}
			}
			want := ""
			if reply.IsError() {
				want = strings.TrimPrefix(reply.Text, "ERR ")
			}
			if got := errorText(err); got != want {
				fail("redis: %q\nrespkv: %q", want, got)
			}
			if reply.IsError() {
				continue
			}
			for _, line := range call(t, c, "ACL", "LIST").Elements {
				if text, ok := strings.CutPrefix(line.Text, "user u "); ok {
					if got := commands.Describe(user); sortedWords(got) != sortedWords(text) {
						fail("redis:  %s\nrespkv: %s", text, got)
					}
				}
			}
			words, err := acl.MergeSelectors(strings.Fields(commands.Rules(user)))
			if err != nil {
				fail("%s: %v", commands.Rules(user), err)
			}
			again, err := commands.Apply(acl.NewUser(r.IntN(2) == 0), words, acl.Options{})
			if err != nil || commands.Rules(again) != commands.Rules(user) {
				fail("written as %s\nwhich gives  %s", commands.Rules(user), commands.Rules(again))
			}
			for range 30 {
				args := r.command(table)
				cmd := table.LookupName(strings.ToLower(args[0]))
				if cmd != nil && cmd.IsContainer() && len(args) > 1 {
					cmd = cmd.Subcommand([]byte(args[1]))
				}
				if cmd == nil || !cmd.ArityOK(len(args)) {
					continue
				}
				if _, err := cmd.AppendKeyRefs(nil, vector(args)); err != nil {
					continue // no such command runs; what Redis takes for its keys is chance
				}
				want := call(t, c, append([]string{"ACL", "DRYRUN", "u"}, args...)...).Text
				if got := dryRun(user, cmd, args); got != want {
					fail("ACL DRYRUN u %s\nredis:  %s\nrespkv: %s\nuser: %s", joinArgs(args), want, got, commands.Describe(user))
				}
			}
		}
		rounds++
	}
	t.Logf("seed %d, %d users", *seedFlag, rounds)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// command is a command as a client could send it.
func (r *aclRules) command(table *command.Table) []string {
	name := pick(r.Source, r.commands...)
	args := strings.Split(name, "|")
	cmd := table.LookupName(name)
	arity := max(cmd.Arity, -cmd.Arity)
	for i := len(args); i < arity || i < arity+3 && cmd.Arity < 0 && r.IntN(2) == 0; i++ {
		args = append(args, pick(r.Source, "a", "b", "{k}a", "x:1", "1", "2", "0", "a*", "streams", "get", "store", "by"))
	}
	return args
}

func vector(args []string) [][]byte {
	v := make([][]byte, len(args))
	for i, arg := range args {
		v[i] = []byte(arg)
	}
	return v
}

func dryRun(u *acl.User, cmd *command.Command, args []string) string {
	denial := u.Check(cmd, vector(args))
	switch denial.Reason {
	case acl.Allowed:
		return "OK"
	case acl.DeniedKey:
		return "This user has no permissions to access the '" + args[denial.Arg] + "' key"
	case acl.DeniedChannel:
		return "This user has no permissions to access the '" + args[denial.Arg] + "' channel"
	}
	return "This user has no permissions to run the '" + cmd.Name + "' command"
}

// TestACLCategoriesEqualRedis compares the commands of each category.
func TestACLCategoriesEqualRedis(t *testing.T) {
	c := oracleConn(t)
	table, _ := oracleTable(t, c)
	commands := acl.NewCommands(table)
	for _, category := range command.AllCategories() {
		var want []string
		for _, v := range call(t, c, "ACL", "CAT", category).Elements {
			want = append(want, v.Text)
		}
		got, ok := commands.InCategory([]byte(category))
		slices.Sort(want)
		slices.Sort(got)
		if !ok || !slices.Equal(got, want) {
			t.Errorf("@%s:\nredis:  %v\nrespkv: %v", category, want, got)
		}
	}
	if _, ok := commands.InCategory([]byte("nosuch")); ok {
		t.Error("a category that does not exist has commands")
	}
}
