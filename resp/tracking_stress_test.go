package resp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cachingClient keeps what it reads until it is told to drop it.
type cachingClient struct {
	*testConn
	values  map[string]string // by key, in wire format
	told    int
	noLoop  bool
	partial bool // it is told of key:1... and key:2... only, and reads no others
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
	if c.partial {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k[4] != '1' && k[4] != '2' })
	}
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

// write changes a key. Of its own writes it is told, too, but with NOLOOP.
func (c *cachingClient) write(key, value string) {
	c.send("multi\r\n" + wireCommand("set", key, value) + "exec\r\n")
	for range 3 {
		c.next()
	}
	if c.noLoop {
		delete(c.values, key)
	}
}

// TestCachesHoldNothingStale has clients cache what they read while others change it
// in every way, and the table overflows. Whenever all is quiet, what is cached is what
// is stored.
func TestCachesHoldNothingStale(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	n := serveNode(t, servedOptions{})
	main := n.dial(t)
	main.check("config set tracking-table-max-keys 12", "+OK\r\n")
	var caches []*cachingClient
	for _, options := range [][]string{{}, {}, {"optout"}, {"bcast"}, {"noloop"}, {"bcast", "prefix", "key:1", "prefix", "key:2"}} {
		caches = append(caches, &cachingClient{
			testConn: n.tracking(t, options...), values: make(map[string]string),
			noLoop: slices.Contains(options, "noloop"), partial: len(options) == 5,
		})
	}
	writers := []*testConn{n.dial(t), n.dial(t), n.dial(t)}
	all := make([]string, stressKeys)
	for i := range all {
		all[i] = fmt.Sprintf("key:%d", i)
	}
	// What is done to all that has been read, in the end.
	ends := []func(){
		func() {},
		func() { main.check("flushall", "+OK\r\n") },
		func() { main.check("swapdb 0 1", "+OK\r\n") },
		func() {
			for _, name := range all {
				main.call("pexpire", name, "30")
			}
		},
		func() { main.call(append([]string{"del"}, all...)...) },
	}
	for phase := range 3 * len(ends) {
		stress(caches, writers, seed+uint64(phase)*1000)
		r := rand.New(rand.NewPCG(seed, uint64(phase)))
		for _, name := range all {
			main.call("set", name, "last")
		}
		for _, c := range caches {
			c.read(r, all[r.IntN(stressKeys):])
		}
		ends[phase%len(ends)]()
		eventually(t, "expiry", func() bool { return n.store.Expires(0) == 0 })
		compareCaches(t, n, caches)
	}
	for i, c := range caches {
		if c.told == 0 {
			t.Errorf("client %d was told nothing", i)
		}
	}
	checkTrackingCounts(t, n)
}

const stressKeys = 24

func stressKey(r *rand.Rand) string { return fmt.Sprintf("key:%d", r.IntN(stressKeys)) }

// stress has the writers write while the caches read, and write a little themselves.
func stress(caches []*cachingClient, writers []*testConn, seed uint64) {
	var writing, reading sync.WaitGroup
	var stop atomic.Bool
	for i, c := range caches {
		reading.Go(func() {
			for r := rand.New(rand.NewPCG(seed, uint64(i))); !stop.Load(); {
				c.read(r, []string{stressKey(r), stressKey(r), stressKey(r)}[:1+r.IntN(3)])
				if r.IntN(8) == 0 {
					c.write(stressKey(r), fmt.Sprint("own ", r.IntN(1000)))
				}
			}
		})
	}
	for i, c := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for round := range 60 {
				c.changeSomething(r, fmt.Sprint(i, ":", round))
			}
		})
	}
	writing.Wait()
	stop.Store(true)
	reading.Wait()
}

// changeSomething changes keys in one of many ways.
func (c *testConn) changeSomething(r *rand.Rand, value string) {
	switch r.IntN(10) {
	case 0:
		c.call("del", stressKey(r), stressKey(r))
	case 1:
		c.call("mset", stressKey(r), value, stressKey(r), value)
	case 2:
		c.call("set", stressKey(r), value, "px", fmt.Sprint(1+r.IntN(10)))
	case 3:
		c.call("rename", stressKey(r), stressKey(r))
	case 4:
		c.call("eval", "return redis.call('set', KEYS[1], ARGV[1])", "1", stressKey(r), value)
	case 5:
		c.send("multi\r\n" + wireCommand("set", stressKey(r), value) + wireCommand("append", stressKey(r), value) + "exec\r\n")
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
		c.call("set", stressKey(r), value)
	}
}

// compareCaches compares what is cached with what is stored. All is quiet.
func compareCaches(t *testing.T, n *servedNode, caches []*cachingClient) {
	t.Helper()
	reader := n.dial(t)
	defer reader.Close()
	reader.call("hello", "3")
	for i, c := range caches {
		c.send("ping\r\n") // whatever was pushed comes before
		c.next()
		for k, value := range c.values {
			if stored := reader.call("get", k); stored != value {
				t.Errorf("client %d keeps %q of %s, stored is %q", i, value, k, stored)
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
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
