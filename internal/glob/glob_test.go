package glob

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", false}, // as Redis
		{"**", "a", true},
		{"*", "a", true},
		{"a*", "a", true},
		{"a**", "a", true},
		{"a*?", "a", false},
		{"*a", "bab", false},
		{"*a*", "bab", true},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "aXcYb", false},
		{"*ab*ab", "abab", true},
		{"*ab*ab", "abaab", true},
		{"*aab", "aaaab", true},
		{"?", "", false},
		{"?", "a", true},
		{"??", "a", false},
		{"h?llo", "hello", true},
		{"h[ae]llo", "hallo", true},
		{"h[ae]llo", "hillo", false},
		{"h[^e]llo", "hallo", true},
		{"h[^e]llo", "hello", false},
		{"h[a-c]llo", "hbllo", true},
		{"h[c-a]llo", "hbllo", true},
		{"h[a-c]llo", "hdllo", false},
		{"[a-]", "a", true}, // not closed: a range up to ]
		{"[a-]", "]", true},
		{"[-a]", "-", true},
		{"[]a]", "a]", false}, // closed at once
		{"[]", "]", false},
		{"[^]", "x", true},
		{"[", "[", false},
		{"[^", "x", true},
		{"[abc", "b", true},
		{"[a\\", "\\", true},
		{"[\\]]", "]", true},
		{"[\\a-c]", "b", false}, // \a, then - and c
		{"[\\a-c]", "-", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"a\\", "a\\", true},
		{"\\a", "a", true},
		{"A", "a", false},
		{"[A-Z]", "a", false},
		{"\x80*", "\x80\x00", true},
		{"[\x80-a]", "\xff", true}, // bytes are signed
		{"[\x80-a]", "b", false},
	}
	for _, test := range tests {
		if got := Match([]byte(test.pattern), []byte(test.name)); got != test.want {
			t.Errorf("Match(%q, %q) = %v", test.pattern, test.name, got)
		}
	}
}

func TestMatchFold(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"MAX*", "maxmemory", true},
		{"max*", "MAXMEMORY", true},
		{"[A-C]x", "bX", true},
		{"[ABC]x", "bX", true},
		{"\\A", "a", true},
		{"[\\A]", "a", false},
		{"[\\A]", "A", true},
	}
	for _, test := range tests {
		if got := MatchFold([]byte(test.pattern), []byte(test.name)); got != test.want {
			t.Errorf("MatchFold(%q, %q) = %v", test.pattern, test.name, got)
		}
	}
}

// slowMatch says what a pattern means, element by element, trying everything.
func slowMatch(pattern, name []byte) bool {
	if len(pattern) == 0 || len(name) == 0 {
		return len(bytes.Trim(pattern, "*")) == 0 && len(name) == 0
	}
	if pattern[0] == '*' {
		return slowMatch(pattern[1:], name) || slowMatch(pattern, name[1:])
	}
	next, ok := element(pattern, 0, name[0], false)
	return ok && slowMatch(pattern[next:], name[1:])
}

func TestMatchRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	random := func(alphabet string, n int) []byte {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = alphabet[rng.IntN(len(alphabet))]
		}
		return b
	}
	matched := 0
	for range 200_000 {
		pattern, name := random("ab*?[]\\^-", 10), random("ab]-", 8)
		if len(name) == 0 {
			continue
		}
		want := slowMatch(pattern, name)
		if want {
			matched++
		}
		if got := Match(pattern, name); got != want {
			t.Fatalf("Match(%q, %q) = %v", pattern, name, got)
		}
	}
	if matched < 1000 {
		t.Errorf("only %d patterns matched", matched)
	}
}

// TestMatchBounded matches patterns that take a backtracking matcher for ever.
func TestMatchBounded(t *testing.T) {
	name := []byte(strings.Repeat("a", 20_000))
	for _, pattern := range []string{
		strings.Repeat("a*", 5_000) + "b",
		strings.Repeat("*a", 5_000) + "b",
		strings.Repeat("*?", 5_000) + "b",
		strings.Repeat("*", 1_000_000) + "b",
	} {
		start := time.Now()
		if Match([]byte(pattern), name) {
			t.Errorf("%.8q... matches", pattern)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.8q... took %v", pattern, took)
		}
	}
}
