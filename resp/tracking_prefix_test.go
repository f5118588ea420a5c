package resp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestPrefixConflict compares with a look at all pairs, in the order of Redis.
func TestPrefixConflict(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	overlap := func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
	naive := func(has, given []string) string {
		for i, p := range given {
			for _, other := range has {
				if overlap(p, other) {
					return errPrefixOverlap(p, "an existing", other)
				}
			}
			for _, other := range given[i+1:] {
				if overlap(p, other) {
					return errPrefixOverlap(p, "another provided", other)
				}
			}
		}
		return ""
	}
	prefixes := func() (list []string) {
		for range r.IntN(5) {
			p := make([]byte, r.IntN(6))
			for i := range p {
				p[i] = "abc"[r.IntN(3)]
			}
			list = append(list, string(p))
		}
		return list
	}
	conflicts := 0
	for range 20000 {
		has, given := prefixes(), prefixes()
		if prefixConflict(nil, has) != "" {
			continue // it cannot have these
		}
		if r.IntN(4) == 0 {
			has = append([]string{""}, has...) // all keys: from CLIENT TRACKING ON BCAST
		}
		want := naive(has, given)
		if want != "" {
			conflicts++
		}
		if got := prefixConflict(has, given); got != want {
			t.Fatalf("has %q, given %q: got %q, want %q", has, given, got, want)
		}
	}
	if conflicts == 0 {
		t.Error("there were no conflicts")
	}
}

// TestManyPrefixes: a hundred thousand prefixes in one command take no long time.
func TestManyPrefixes(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	args := []string{"client", "tracking", "on", "bcast"}
	for i := range 100000 {
		args = append(args, "prefix", fmt.Sprintf("%06d", i))
	}
	c.call("hello", "3")
	for range 2 {
		if got := c.call(args...); got != "+OK\r\n" && !strings.Contains(got, "overlaps with an existing prefix") {
			t.Fatal(got)
		}
	}
	if got := n.d.tracking.prefixes.count.Load(); got != 100000 {
		t.Errorf("%d prefixes", got)
	}
	n.dial(t).check("set 012345x 1", "+OK\r\n")
	c.expect(invalidated("012345x"))
	c.Close()
	eventually(t, "end", func() bool { return n.trackingSizes() == [4]int64{} })
}
