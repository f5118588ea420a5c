package resp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEffectsConverge runs random commands, many of them on keys about to
// expire, and applies their effects to a second node: both hold the same.
func TestEffectsConverge(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	pick := func(words ...string) string { return words[rng.IntN(len(words))] }
	key := func() string { return "{t}" + pick("a", "b", "c", "d") }
	value := func() string { return pick("1", "-7", "2.5", "text", strings.Repeat("long", 20), "") }
	millis := func() string { return fmt.Sprint(rng.IntN(4) + 1) } // most expire while this runs
	templates := []func() []string{
		func() []string { return []string{"SET", key(), value()} },
		func() []string { return []string{"SET", key(), value(), "PX", millis()} },
		func() []string { return []string{"SET", key(), value(), "PXAT", millis()} }, // long ago
		func() []string { return []string{"SET", key(), value(), pick("NX", "XX", "GET", "KEEPTTL")} },
		func() []string { return []string{"SETNX", key(), value()} },
		func() []string { return []string{"PSETEX", key(), millis(), value()} },
		func() []string { return []string{"GETSET", key(), value()} },
		func() []string { return []string{"GETDEL", key()} },
		func() []string { return []string{"GETEX", key(), "PX", millis()} },
		func() []string { return []string{"GETEX", key(), "PERSIST"} },
		func() []string { return []string{"GET", key()} },
		func() []string { return []string{"APPEND", key(), value()} },
		func() []string { return []string{"SETRANGE", key(), fmt.Sprint(rng.IntN(50)), value()} },
		func() []string { return []string{pick("INCR", "DECR"), key()} },
		func() []string { return []string{"INCRBYFLOAT", key(), "0.1"} },
		func() []string { return []string{pick("MSET", "MSETNX"), key(), value(), key(), value()} },
		func() []string { return []string{pick("DEL", "UNLINK", "EXISTS", "TOUCH"), key(), key()} },
		func() []string { return []string{pick("RENAME", "RENAMENX", "COPY"), key(), key()} },
		func() []string { return []string{"COPY", key(), key(), "REPLACE"} },
		func() []string { return []string{"PEXPIRE", key(), millis(), pick("NX", "XX", "GT", "LT")} },
		func() []string { return []string{"PEXPIRE", key(), pick("-1", "100000", millis())} },
		func() []string { return []string{"PERSIST", key()} },
		func() []string { return []string{pick("FLUSHDB", "SCAN", "RANDOMKEY")} },
	}
	primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	replica := newTestNode(t, newRouting(t, everySlot), nil)
	applied := 0
	for i := range 20_000 {
		line := templates[rng.IntN(len(templates))]()
		if line[0] == "FLUSHDB" && rng.IntN(20) > 0 {
			continue
		}
		reply := primary.do(line...)
		effects := primary.log.take()
		applied += len(effects)
		replica.apply(effects)
		if i%100 != 0 {
			continue
		}
		if a, b := primary.dump(), replica.dump(); !slices.Equal(a, b) {
			t.Fatalf("after %q with reply %q, effects %q: primary has %v, replica %v", line, reply, effects, a, b)
		}
	}
	if a, b := primary.dump(), replica.dump(); !slices.Equal(a, b) {
		t.Fatalf("primary has %v, replica %v", a, b)
	}
	expired := primary.store.Stats().Expired
	t.Logf("%d effects, %d keys expired", applied, expired)
	if expired == 0 {
		t.Error("no key expired on the primary")
	}
	if expired := replica.store.Stats().Expired; expired != 0 {
		t.Errorf("%d keys expired on the replica by themselves", expired)
	}
}
