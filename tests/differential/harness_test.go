package differential

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestCheckCompare(t *testing.T) {
	near := Check{Kind: Near, Tolerance: 2}
	for _, c := range []struct {
		name   string
		check  Check
		a, b   string
		agrees bool
	}{
		{"same bytes", Check{}, "+OK\r\n", "+OK\r\n", true},
		{"other type, same text", Check{}, "+OK\r\n", "$2\r\nOK\r\n", false},
		{"other order", Check{}, "*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n", false},
		{"ignored", Check{Kind: Ignore}, ":1\r\n", "-ERR x\r\n", true},
		{"unordered", anyOrder, "*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n", true},
		{"unordered, set for array", anyOrder, "*1\r\n:1\r\n", "~1\r\n:1\r\n", false},
		{"unordered, other element", anyOrder, "*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:2\r\n", false},
		{"unordered, inner order", anyOrder, "*1\r\n*2\r\n:1\r\n:2\r\n", "*1\r\n*2\r\n:2\r\n:1\r\n", false},
		{"unordered deep", Check{Kind: UnorderedDeep}, "*1\r\n*2\r\n:1\r\n:2\r\n", "*1\r\n*2\r\n:2\r\n:1\r\n", true},
		{"unordered deep, other value", Check{Kind: UnorderedDeep}, "*1\r\n*1\r\n:1\r\n", "*1\r\n*1\r\n:2\r\n", false},
		{"pairs", Check{Kind: UnorderedPair}, "*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "*4\r\n+b\r\n:2\r\n+a\r\n:1\r\n", true},
		{"pairs torn apart", Check{Kind: UnorderedPair}, "*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "*4\r\n+a\r\n:2\r\n+b\r\n:1\r\n", false},
		{"scan page", scanPage, "*2\r\n$1\r\n0\r\n*2\r\n+a\r\n+b\r\n", "*2\r\n$1\r\n7\r\n*2\r\n+b\r\n+a\r\n", true},
		{"scan page, element lost", scanPage, "*2\r\n$1\r\n0\r\n*1\r\n+a\r\n", "*2\r\n$1\r\n0\r\n*0\r\n", false},
		{"near", near, ":100\r\n", ":98\r\n", true},
		{"not near", near, ":100\r\n", ":97\r\n", false},
		{"near, but a code", near, ":1\r\n", ":-1\r\n", false},
		{"near, codes", near, ":-2\r\n", ":-1\r\n", false},
		{"near, error", near, ":1\r\n", "-ERR x\r\n", false},
		{"near, errors", near, "-ERR y\r\n", "-ERR x\r\n", false},
		{"shape", sameShapes, "*1\r\n:5\r\n", "*1\r\n:6\r\n", true},
		{"shape, null", sameShapes, "$1\r\nx\r\n", "$-1\r\n", false},
		{"error code", Check{Kind: SameErrorCode}, "-ERR a b\r\n", "-ERR c\r\n", true},
		{"other error code", Check{Kind: SameErrorCode}, "-ERR a b\r\n", "-WRONGTYPE c\r\n", false},
		{"error code, no error", Check{Kind: SameErrorCode}, "+OK\r\n", "-ERR c\r\n", false},
		{"like", Check{Kind: Like, Pattern: regexp.MustCompile(`^a\d$`)}, "$2\r\na1\r\n", "$2\r\na2\r\n", true},
		{"like, one not", Check{Kind: Like, Pattern: regexp.MustCompile(`^a\d$`)}, "$2\r\na1\r\n", "$2\r\nb2\r\n", false},
		{"like, verbatim", Check{Kind: Like, Pattern: regexp.MustCompile(`^a$`)}, "=5\r\ntxt:a\r\n", "=5\r\ntxt:a\r\n", true},
		{"fields", Check{Kind: SameFields, Fields: []string{"x"}}, "$7\r\nx:1 y:2\r\n", "$7\r\nx:1 y:3\r\n", true},
		{"fields differ", Check{Kind: SameFields, Fields: []string{"y"}}, "$7\r\nx:1 y:2\r\n", "$7\r\nx:1 y:3\r\n", false},
		{"field missing", Check{Kind: SameFields, Fields: []string{"y"}}, "$7\r\nx:1 y:2\r\n", "$3\r\nx:1\r\n", false},
		{"map fields", Check{Kind: SameFields, Fields: []string{"y"}}, "%1\r\n+y\r\n:1\r\n", "%1\r\n+y\r\n:2\r\n", false},
	} {
		if wrong := c.check.Compare([]byte(c.a), []byte(c.b)); (wrong == "") != c.agrees {
			t.Errorf("%s: %q and %q: %q", c.name, c.a, c.b, wrong)
		}
	}
}

func TestAppendReplyReadsExactly(t *testing.T) {
	for _, reply := range []string{
		"+OK\r\n", "-ERR x\r\n", ":5\r\n", "$-1\r\n", "$0\r\n\r\n", "$4\r\na\r\nb\r\n", "*-1\r\n", "*0\r\n", "_\r\n", "#t\r\n", ",1.5\r\n",
		"(123\r\n", "=5\r\ntxt:a\r\n", "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", "%1\r\n+a\r\n*1\r\n:1\r\n", "~1\r\n:1\r\n", ">1\r\n+x\r\n",
		"|1\r\n+a\r\n:1\r\n:5\r\n", "*1\r\n$-1\r\n",
	} {
		r := bufio.NewReader(strings.NewReader(reply + "+next\r\n"))
		got, err := appendReply(nil, r)
		rest, _ := io.ReadAll(r) // a strings.Reader does not fail
		if err != nil || string(got) != reply || string(rest) != "+next\r\n" {
			t.Errorf("%q: read %q, left %q, %v", reply, got, rest, err)
		}
		if _, err := appendReply(nil, bufio.NewReader(strings.NewReader(reply[:len(reply)-1]))); err == nil {
			t.Errorf("%q cut short: no error", reply)
		}
	}
	for _, bad := range []string{"x\r\n", "\r\n", "+a\n", "$x\r\n", "*x\r\n"} {
		if _, err := appendReply(nil, bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestQuotingRoundTrip(t *testing.T) {
	for _, args := range [][]string{
		{"a", "b"}, {""}, {"a b", "'", `"`, `\`, "\x00\xff\r\n\t"}, {"@sorted"}, {"#x"}, {"${x}"}, {"\xe4\xbd\xa0"},
	} {
		got, err := splitArgs(joinArgs(args))
		if err != nil || !slices.Equal(got, args) {
			t.Errorf("%q as %s becomes %q, %v", args, joinArgs(args), got, err)
		}
	}
	for _, bad := range []string{`"a`, `'a`, `"a"b`, `a "b`} {
		if got, err := splitArgs(bad); err == nil {
			t.Errorf("%s: split into %q", bad, got)
		}
	}
}

// TestTranscriptOfFailureParses: what a random run prints can be kept as a
// transcript.
func TestTranscriptOfFailureParses(t *testing.T) {
	var commands []Command
	for _, f := range Families() {
		commands = append(commands, f.sequence(newSource(1, 1))...)
	}
	file := filepath.Join(t.TempDir(), "t.txt")
	if err := os.WriteFile(file, []byte(transcriptOf(commands, 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := ParseTranscript(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Steps) != len(commands) || !slices.Equal(tr.Protocols, []int{3}) {
		t.Fatalf("%d steps of %d, protocols %v", len(tr.Steps), len(commands), tr.Protocols)
	}
	for i, s := range tr.Steps {
		if !slices.Equal(s.Args, commands[i].Args) || s.Check.Kind != commands[i].Check.Kind {
			t.Errorf("step %d is %q, want %q", i, s.Args, commands[i].Args)
		}
	}
}

func TestSequencesFollowFromTheSeed(t *testing.T) {
	for _, f := range Families() {
		a := transcriptOf(f.sequence(newSource(7, 3)), 2)
		b := transcriptOf(f.sequence(newSource(7, 3)), 2)
		if a != b {
			t.Errorf("family %s: two runs of one seed differ", f.Name)
		}
		if a == transcriptOf(f.sequence(newSource(8, 3)), 2) {
			t.Errorf("family %s: two seeds give one sequence", f.Name)
		}
	}
}

// TestMutantIsFound puts a faulty server in respkv's place: redis-server behind
// a proxy that turns one command into another of the same length. The random run
// must find it, and shrink it to the few commands that show it.
func TestMutantIsFound(t *testing.T) {
	// One seed: this is about the harness, and how short a failure gets depends
	// on the sequence it is found in, since shrinking ends where no single
	// command can be left out.
	const seed, shortest = 1, 5
	oracle := StartRedis(t, "redis")
	for _, mutant := range []struct{ from, to string }{
		{"$6\r\nincrby\r\n", "$6\r\ndecrby\r\n"},
		{"$7\r\npersist\r\n", "$7\r\npexpire\r\n"},
		{"$6\r\nexists\r\n", "$6\r\nunlink\r\n"},
	} {
		name := strings.Split(mutant.from, "\r\n")[1]
		t.Run(name, func(t *testing.T) {
			addr := mutantProxy(t, StartRedis(t, "mutant").Addr, mutant.from, mutant.to)
			pair := Pair{Redis: oracle, Respkv: &Server{Name: "mutant", Addr: addr}}
			for _, f := range Families() {
				result, err := Fuzz(pair, f, FuzzOptions{Version: 2, Seed: seed, Count: 20_000})
				if err != nil {
					t.Fatal(err)
				}
				if result.Failure == "" {
					continue
				}
				commands := 0
				for _, line := range strings.Split(result.Failure, "\n")[1:] {
					if line != "" && line[0] != '@' && line[0] != '#' {
						commands++
					}
				}
				if !strings.Contains(result.Failure, name) || commands > shortest {
					t.Errorf("seed %d: shrunk to %d commands:\n%s", seed, commands, result.Failure)
				}
				return
			}
			t.Errorf("seed %d: not found", seed)
		})
	}
}

// mutantProxy forwards connections to addr and replaces from by to, of the same
// length, in what clients send.
func mutantProxy(t *testing.T, addr, from, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed at the end of the test
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				return
			}
			go func() {
				_, _ = io.Copy(client, server) // ends with either connection
				client.Close()
			}()
			go func() {
				defer server.Close()
				buf := make([]byte, 256<<10)
				for {
					n, err := client.Read(buf)
					if _, werr := server.Write(bytes.ReplaceAll(buf[:n], []byte(from), []byte(to))); err != nil || werr != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
