package differential

import (
	"fmt"
	"testing"
)

// TestRandomEvents is TestRandomSequences with keyspace events and counted
// lookups compared as well.
func TestRandomEvents(t *testing.T) {
	pair := StartPair(t)
	for _, f := range Families() {
		if *familyFlag != "" && *familyFlag != f.Name || f.NoEvents {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			result, err := Fuzz(pair, f, FuzzOptions{
				Version: 2, Seed: uint64(*seedFlag), Duration: *durationFlag, Count: *countFlag, Events: true,
			})
			t.Logf("seed %d, %d commands", *seedFlag, result.Commands)
			result.report(t, err)
		})
	}
}

// report fails the test if the sequences have not all run alike.
func (r *FuzzResult) report(t *testing.T, err error) {
	t.Helper()
	switch {
	case err != nil:
		t.Fatal(err)
	case r.Failure != "":
		t.Fatal(r.Failure)
	case r.Skipped:
		t.Skip("respkv has no command of this family")
	}
}

func TestMissingEventIsFound(t *testing.T) {
	pair := Pair{Redis: StartRedis(t, "redis"), Respkv: StartRedis(t, "mutant")}
	fz := &fuzzer{pair: pair, version: 2}
	defer fz.close()
	if err := fz.dial(); err != nil {
		t.Fatal(err)
	}
	var err error
	if fz.events, err = listen(pair); err != nil {
		t.Fatal(err)
	}
	commands := []Command{{Args: []string{"SET", "a", "1"}}, {Args: []string{"APPEND", "b", "1"}}, {Args: []string{"GET", "c"}}}
	if bad, err := fz.replay(commands); bad != nil || err != nil {
		t.Fatal(bad, err)
	}
	for _, classes := range []string{"KEAn", "KEAm", "KEgm$"} {
		t.Run(fmt.Sprint(classes), func(t *testing.T) {
			if _, err := fz.conns[1].Call("CONFIG", "SET", "notify-keyspace-events", classes); err != nil {
				t.Fatal(err)
			}
			bad, err := fz.replay(commands)
			if err != nil || bad == nil || bad.index != len(commands)-1 {
				t.Fatal(bad, err)
			}
		})
	}
}
