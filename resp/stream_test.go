package resp

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"respkv/internal/config"
	"respkv/store"
)

// TestStreamLost: whatever removes a stream tells those who wait as consumers of
// its groups, and nobody else.
func TestStreamLost(t *testing.T) {
	for _, s := range []struct {
		name string
		lose func(n *servedNode, c *testConn)
	}{
		{"DEL", func(_ *servedNode, c *testConn) { c.call("DEL", "s") }},
		{"FLUSHALL", func(_ *servedNode, c *testConn) { c.call("FLUSHALL") }},
		{"expiry", func(_ *servedNode, c *testConn) { c.call("PEXPIRE", "s", "2") }},
		{"an access to an expired key", func(n *servedNode, c *testConn) {
			c.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
			c.call("PEXPIRE", "s", "1")
			eventually(t, "the key is found to be gone", func() bool { return c.call("EXISTS", "s") == ":0\r\n" })
		}},
		{"eviction", func(n *servedNode, c *testConn) {
			k := store.MakeKey([]byte("s"))
			n.store.LockShard(k.Shard())
			defer n.store.UnlockShard(k.Shard())
			tx := store.Tx{Store: n.store}
			tx.Delete(k)
			n.d.evicted(0, k)
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			n := serveNode(t, servedOptions{})
			c, consumer, reader := n.dial(t), n.dial(t), n.dial(t)
			c.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
			c.call("XGROUP", "CREATE", "s2", "g", "$", "MKSTREAM")
			consumer.send(wireCommand("XREADGROUP", "GROUP", "g", "ann", "BLOCK", "0", "STREAMS", "s2", "s", ">", ">"))
			n.awaitBlocked(t, 1)
			reader.send(wireCommand("XREAD", "BLOCK", "0", "STREAMS", "s", "$"))
			n.awaitBlocked(t, 2)
			s.lose(n, c)
			if got := consumer.wire(); got != "-UNBLOCKED the stream key no longer exists\r\n" {
				t.Errorf("got %q", got)
			}
			n.awaitBlocked(t, 1)
			c.call("XADD", "s", "1-1", "a", "b")
			if got := reader.wire(); !strings.Contains(got, "1-1") {
				t.Errorf("got %q", got)
			}
			n.awaitUnused(t)
		})
	}
}

// What those who waited read is replicated after what gave it to them.
func TestBlockedStreamEffects(t *testing.T) {
	log := &effectLog{}
	n := serveNode(t, servedOptions{routing: newRouting(t, everySlot), repl: log})
	giver := n.dial(t)
	giver.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
	giver.call("XGROUP", "CREATECONSUMER", "s", "g", "bob")
	for i, consumer := range []string{"ann", "bob"} {
		n.dial(t).send(wireCommand("XREADGROUP", "GROUP", "g", consumer, "COUNT", "1", "BLOCK", "0", "STREAMS", "s", ">"))
		n.awaitBlocked(t, int64(i+1))
	}
	n.dial(t).send(wireCommand("XREAD", "BLOCK", "0", "STREAMS", "s", "$"))
	n.awaitBlocked(t, 3)
	log.take()
	giver.call("XADD", "s", "1-1", "a", "b")
	n.awaitBlocked(t, 1)
	giver.call("XADD", "s", "MAXLEN", "1", "2-1", "a", "b")
	n.awaitBlocked(t, 0)
	effects := log.take()
	checkEffects(t, "", effects, []string{
		"XADD s 1-1 a b", "XREADGROUP GROUP g ann COUNT 1 AT NOW+0 STREAMS s >",
		"XADD s MINID = 2-1 2-1 a b", "XREADGROUP GROUP g bob COUNT 1 AT NOW+0 STREAMS s >",
	})
	n.awaitUnused(t)
}

// TestConsumersShareStream: of many entries, written and read at the same time, each
// reaches one consumer of each group, and every reader without a group.
func TestConsumersShareStream(t *testing.T) {
	const producers, consumers, each = 3, 4, 300
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Store.StreamNodeMaxEntries = 7 }})
	admin := n.dial(t)
	for _, group := range []string{"g", "h"} {
		admin.call("XGROUP", "CREATE", "s", group, "$", "MKSTREAM")
	}
	var mu sync.Mutex
	var written atomic.Bool
	got := map[string]int{}
	var reading, writing sync.WaitGroup
	for i := range 2 * consumers {
		c, group := n.dial(t), []string{"g", "h"}[i%2]
		reading.Go(func() {
			for {
				last := written.Load() // then what is there now is all
				reply := c.call("XREADGROUP", "GROUP", group, fmt.Sprint("c", i), "COUNT", "5", "BLOCK", "10", "STREAMS", "s", ">")
				if reply == "*-1\r\n" && last {
					return
				}
				mu.Lock()
				for _, line := range strings.Split(reply, "\r\n") {
					if strings.HasPrefix(line, "entry:") {
						got[group+" "+line]++
					}
				}
				mu.Unlock()
			}
		})
	}
	for p := range producers {
		c := n.dial(t)
		writing.Go(func() {
			for i := range each {
				c.call("XADD", "s", "*", "f", fmt.Sprintf("entry:%d:%d", p, i))
			}
		})
	}
	writing.Wait()
	written.Store(true)
	reading.Wait()
	if want := 2 * producers * each; len(got) != want {
		t.Errorf("%d entries reached their groups, want %d", len(got), want)
	}
	for entry, times := range got {
		if times != 1 {
			t.Errorf("%s came %d times", entry, times)
		}
	}
	n.awaitUnused(t)
}

// TestStreamBelowTombstones: XSETID lets a stream give IDs below those of deleted
// entries; copies of it hold the same.
func TestStreamBelowTombstones(t *testing.T) {
	primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	replica := newTestNode(t, newRouting(t, everySlot), nil)
	for _, line := range []string{
		"XADD s 1-0 a b", "XADD s 5-0 a b", "XADD s 9-0 a b", "XDEL s 9 5", "XSETID s 4-0",
		"XADD s 4-5 c d", "XADD s 9-0 c d", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >", "COPY s {s}2", "XTRIM s MINID 9-0",
	} {
		if reply := primary.do(strings.Fields(line)...); reply[0] == '-' {
			t.Fatalf("%s: %s", line, reply)
		}
	}
	replica.apply(primary.log.take())
	if a, b := primary.dump(), replica.dump(); !slices.Equal(a, b) {
		t.Errorf("primary has %v, replica %v", a, b)
	}
	if got := primary.do("XRANGE", "{s}2", "-", "9"); strings.Count(got, "-0\r\n")+strings.Count(got, "-5\r\n") != 3 {
		t.Errorf("got %q", got)
	}
}

func TestParseStreamID(t *testing.T) {
	for text, want := range map[string]string{
		"5": "5-7", "5-3": "5-3", "0": "0-7", "18446744073709551615-18446744073709551615": store.MaxStreamID.String(),
		" 5": "5-7", "+5-03": "5-3", "5\x006": "5-7", "5-1\x00-": "5-1", "1--01": "1-18446744073709551615",
		"": "", "-": "", "+": "", "*": "", "5-": "", "-5": "", "5-*": "", "5-1-1": "", "x": "", "5x": "", "1--1": "",
		"18446744073709551616": "", strings.Repeat("0", 127): "0-7", strings.Repeat("0", 128): "",
	} {
		id, ok := parseStreamID([]byte(text), 7)
		if ok != (want != "") || ok && id.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, id, ok, want)
		}
	}
}
