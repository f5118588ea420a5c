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
		func() []string { return []string{"SETBIT", key(), fmt.Sprint(rng.IntN(99)), pick("0", "1")} },
		func() []string { return []string{"BITOP", pick("AND", "OR", "XOR"), key(), key(), key()} },
		func() []string {
			return []string{"BITFIELD", key(), "OVERFLOW", pick("WRAP", "FAIL"), pick("SET", "INCRBY"), pick("u2", "i7"), pick("3", "60"), "9"}
		},
		func() []string {
			return []string{"PFADD", "{t}h" + pick("1", "2"), pick("a", "b", "c"), pick("d", "e")}
		},
		func() []string { return []string{"PFCOUNT", "{t}h" + pick("1", "2")} },
		func() []string { return []string{"PFMERGE", "{t}h1", "{t}h2"} },
		func() []string { return []string{"PFDEBUG", pick("TODENSE", "ENCODING"), "{t}h2"} },
		func() []string { return []string{"COPY", "{t}h1", key(), "REPLACE"} },
		func() []string { return []string{"PEXPIRE", "{t}h" + pick("1", "2"), millis()} },
		func() []string { return []string{pick("FLUSHDB", "SCAN", "RANDOMKEY")} },
	}
	templates = append(templates, streamTemplates(rng, pick)...)
	primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	replica := newTestNode(t, newRouting(t, everySlot), nil)
	applied := 0
	for i := range 30_000 {
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

// streamTemplates are commands on two streams, with IDs so few that they meet.
func streamTemplates(rng *rand.Rand, pick func(words ...string) string) []func() []string {
	key := func() string { return "{t}s" + pick("1", "2") }
	id := func() string { return fmt.Sprintf("%d-%d", 1+rng.IntN(40), rng.IntN(3)) }
	group := func() string { return pick("g", "h") }
	consumer := func() string { return pick("ann", "bob", "eve") }
	count := func() string { return fmt.Sprint(rng.IntN(5)) }
	next := 0
	added := func() string {
		next++
		return pick("*", fmt.Sprintf("%d-*", next/4), fmt.Sprintf("%d-%d", next/4, rng.IntN(9)))
	}
	templates := []func() []string{
		func() []string {
			return []string{"XADD", key(), added(), pick("a", "b"), strings.Repeat("v", rng.IntN(90))}
		},
		func() []string {
			return []string{"XADD", key(), pick("MAXLEN", "MINID"), pick("=", "~"), count(), added(), "a", "b"}
		},
		func() []string { return []string{"XTRIM", key(), "MAXLEN", pick("=", "~"), fmt.Sprint(rng.IntN(200))} },
		func() []string { return []string{"XTRIM", key(), "MINID", pick("=", "~"), id()} },
		func() []string { return []string{"XDEL", key(), id(), id(), id()} },
		func() []string { return []string{"XSETID", key(), id()} },
		func() []string { return []string{"XGROUP", "CREATE", key(), group(), pick("$", id()), "MKSTREAM"} },
		func() []string { return []string{"XGROUP", "SETID", key(), group(), id()} },
		func() []string {
			return []string{"XGROUP", pick("CREATECONSUMER", "DELCONSUMER"), key(), group(), consumer()}
		},
		func() []string {
			return []string{"XREADGROUP", "GROUP", group(), consumer(), "COUNT", count(), "STREAMS", key(), pick(">", id())}
		},
		func() []string {
			return []string{"XREADGROUP", "GROUP", group(), consumer(), "NOACK", "STREAMS", "{t}s1", "{t}s2", ">", pick(">", id())}
		},
		func() []string { return []string{"XACK", key(), group(), id(), id(), id()} },
		func() []string {
			return []string{"XCLAIM", key(), group(), consumer(), pick("0", "1"), id(), id(), pick("FORCE", "JUSTID")}
		},
		func() []string {
			return []string{"XAUTOCLAIM", key(), group(), consumer(), pick("0", "2"), id(), "COUNT", "3"}
		},
	}
	rare := []func() []string{
		func() []string { return []string{"XGROUP", "DESTROY", key(), group()} },
		func() []string { return []string{"COPY", "{t}s1", "{t}s2", "REPLACE"} },
		func() []string { return []string{"PEXPIRE", key(), "3"} },
	}
	return append(templates, func() []string {
		if rng.IntN(8) > 0 {
			return []string{"EXISTS", key()}
		}
		return rare[rng.IntN(len(rare))]()
	})
}
