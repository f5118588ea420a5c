package resp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cachingClient keeps what it reads until it is told to drop it.
type cachingClient struct {
	*testConn
	values map[string]string // by key, in wire format
	told   int
}

// next reads one reply. Messages before it are heeded.
func (c *cachingClient) next() string {
	for {
		first, err := c.r.Peek(1)
		if err != nil {
			c.t.Error(err)
			return ""
		}
		if first[0] != '>' {
			return c.wire()
		}
		c.heed(c.push())
	}
}

func (c *cachingClient) heed(message string) {
	c.told++
	if message == invalidatedAll {
		clear(c.values)
		return
	}
	for i, line := range strings.Split(message, "\r\n") {
		if i >= 5 && i%2 == 1 { // >2, $10, invalidate, *n, then $n and a name each
			delete(c.values, line)
		}
	}
}

// read gets keys in one of several ways, in a pipeline, and keeps the values.
func (c *cachingClient) read(r *rand.Rand, keys []string) {
	ways := make([]int, len(keys))
	for i, key := range keys {
		ways[i] = r.IntN(3)
		switch ways[i] {
		case 0:
			c.send(wireCommand("get", key))
		case 1:
			c.send(wireCommand("eval_ro", "return redis.call('get', KEYS[1])", "1", key))
		case 2:
			c.send("multi\r\n" + wireCommand("get", key) + "exec\r\n")
		}
	}
	for i, key := range keys {
		if ways[i] == 2 {
			c.next()
			c.next()
			c.values[key] = strings.TrimPrefix(c.next(), "*1\r\n")
		} else {
			c.values[key] = c.next()
		}
	}
}

// TestCachesHoldNothingStale has clients cache what they read while others change it
// in every way, and the table overflows. When all is quiet, what is cached is what is
// stored.
func TestCachesHoldNothingStale(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	n := serveNode(t, servedOptions{})
	n.dial(t).check("config set tracking-table-max-keys 12", "+OK\r\n")
	const names = 24
	key := func(r *rand.Rand) string { return fmt.Sprintf("key:%d", r.IntN(names)) }

	var writing, reading sync.WaitGroup
	var stop atomic.Bool
	caches := make([]*cachingClient, 0, 6)
	for i, options := range [][]string{{}, {}, {"noloop"}, {"bcast"}, {"bcast", "prefix", "key:1", "prefix", "key:2"}, {"optout"}} {
		c := &cachingClient{testConn: n.tracking(t, options...), values: make(map[string]string)}
		caches = append(caches, c)
		partial := len(options) == 5
		reading.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for !stop.Load() {
				keys := make([]string, 0, 3)
				for range 1 + r.IntN(3) {
					if k := key(r); !partial || k[4] == '1' || k[4] == '2' {
						keys = append(keys, k)
					}
				}
				c.read(r, keys)
				if k := key(r); r.IntN(8) == 0 { // its own writes it is told of, but with NOLOOP
					c.send(wireCommand("set", k, "own"))
					c.next()
					delete(c.values, k)
				}
			}
		})
	}
	for i := range 3 {
		c := n.dial(t)
		writing.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for round := range 400 {
				value := fmt.Sprint(i, ":", round)
				switch r.IntN(10) {
				case 0:
					c.call("del", key(r), key(r))
				case 1:
					c.call("mset", key(r), value, key(r), value)
				case 2:
					c.call("set", key(r), value, "px", "1")
				case 3:
					c.call("rename", key(r), key(r))
				case 4:
					c.call("eval", "return redis.call('set', KEYS[1], ARGV[1])", "1", key(r), value)
				case 5:
					c.send("multi\r\n" + wireCommand("set", key(r), value) + wireCommand("append", key(r), value) + "exec\r\n")
					for range 4 {
						c.wire()
					}
				case 6:
					if r.IntN(10) == 0 {
						c.call([]string{"flushall", "flushdb"}[r.IntN(2)])
					} else if r.IntN(10) == 0 {
						c.call("swapdb", "0", "1")
					}
				default:
					c.call("set", key(r), value)
				}
			}
		})
	}
	writing.Wait()
	stop.Store(true)
	reading.Wait()
	eventually(t, "expiry", func() bool { return n.store.Expires(0) == 0 })

	reader := n.dial(t)
	reader.call("hello", "3")
	kept := 0
	for i, c := range caches {
		c.send("ping\r\n") // whatever was pushed comes before
		c.next()
		for k, value := range c.values {
			kept++
			if stored := reader.call("get", k); stored != value {
				t.Errorf("client %d keeps %q of %s, stored is %q", i, value, k, stored)
			}
		}
		if c.told == 0 {
			t.Errorf("client %d was told nothing", i)
		}
	}
	t.Logf("%d values were kept", kept)
	checkTrackingCounts(t, n)
}

// checkTrackingCounts compares what the table counts with what it holds.
func checkTrackingCounts(t *testing.T, n *servedNode) {
	t.Helper()
	keys, items := 0, 0
	n.store.LockAll()
	for _, slot := range n.d.tracking.table {
		keys += len(slot)
		for _, key := range slot {
			items += len(key.ids)
		}
	}
	n.store.UnlockAll()
	if got := n.trackingSizes(); got[0] != int64(keys) || got[1] != int64(items) {
		t.Errorf("counted %d keys and %d items, there are %d and %d", got[0], got[1], keys, items)
	}
}
