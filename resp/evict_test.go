package resp

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"respkv/internal/config"
	"respkv/store"
)

// limited gives the data of a test node, which has no cron, that many bytes more
// than it uses now.
func (n *testNode) limited(policy string, more int64) {
	n.t.Helper()
	if err := n.d.config.Set([]config.Pair{{Name: "maxmemory-policy", Value: policy}}); err != nil {
		n.t.Fatal(err)
	}
	n.d.configureStore(n.d.config.Config())
	n.store.Watch(1)
	n.d.memory.room.Store(n.store.Used() + more)
}

func (n *testNode) evicted() int64 { return n.store.Stats().Evicted }

func (n *testNode) keysLeft(prefix string, count int) (left int) {
	for i := range count {
		if n.do("EXISTS", prefix+strconv.Itoa(i)) == ":1\r\n" {
			left++
		}
	}
	return left
}

const oomReply = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

func TestNoEviction(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.expect("SET k v", "+OK\r\n")
	n.limited("noeviction", -1)
	n.expect("SET k w", oomReply)
	n.expect("GET k", "$1\r\nv\r\n")
	n.expect("DEL k", ":1\r\n")
	n.d.memory.room.Store(1 << 40)
	n.expect("SET k w", "+OK\r\n")
	if n.evicted() != 0 {
		t.Errorf("%d keys evicted", n.evicted())
	}
}

// TestEvictionMakesRoom writes far more than fits, by each policy.
func TestEvictionMakesRoom(t *testing.T) {
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu", "allkeys-random",
		"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		t.Run(policy, func(t *testing.T) {
			log := &effectLog{}
			n := newTestNode(t, nil, log)
			value := strings.Repeat("v", 1000)
			for i := range 100 {
				n.do("SET", fmt.Sprint("keep", i), value)
			}
			const room = 200 << 10
			n.limited(policy, room)
			limit := n.d.memory.room.Load()
			for i := range 1000 {
				if got := n.do("SET", fmt.Sprint("new", i), value, "EX", "1000"); got != "+OK\r\n" {
					t.Fatalf("key %d: %q", i, got)
				}
				if used := n.store.Used(); used > limit+32<<10 {
					t.Fatalf("%d bytes over after key %d", used-limit, i)
				}
			}
			kept, fresh := n.keysLeft("keep", 100), n.keysLeft("new", 1000)
			if volatile := policy[0] == 'v'; volatile != (kept == 100) {
				t.Errorf("%d of 100 keys without a deadline are left", kept)
			}
			if int64(kept+fresh) != 1100-n.evicted() || fresh < 100 {
				t.Errorf("%d+%d keys left, %d evicted", kept, fresh, n.evicted())
			}
			deleted := int64(0)
			for _, e := range log.effects {
				if string(e.args[0]) == "DEL" {
					deleted++
				}
			}
			if deleted != n.evicted() {
				t.Errorf("%d deletions logged, %d keys evicted", deleted, n.evicted())
			}
		})
	}
}

// TestVolatileRunsDry: where no key has a deadline, there is nothing to evict.
func TestVolatileRunsDry(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.expect("SET k v", "+OK\r\n")
	n.expect("SET dated v EX 1000", "+OK\r\n")
	n.limited("volatile-lru", -1)
	n.expect("SET k w", "+OK\r\n")
	n.limited("volatile-lru", -1)
	n.expect("SET k x", oomReply)
	n.expect("EXISTS k dated", ":1\r\n")
	n.expect("GET k", "$1\r\nw\r\n")
}

// TestEvictionTakesTheRightKeys reads half of the keys: those stay.
func TestEvictionTakesTheRightKeys(t *testing.T) {
	value := strings.Repeat("v", 1000)
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu", "volatile-ttl"} {
		t.Run(policy, func(t *testing.T) {
			n := newTestNode(t, nil, nil)
			if err := n.d.config.Set([]config.Pair{{Name: "lfu-log-factor", Value: "0"}}); err != nil {
				t.Fatal(err)
			}
			n.limited(policy, 1<<40)
			past := time.Now().Add(-time.Hour).UnixMilli()
			set := func(name string, ttl int64) {
				tx := store.Tx{Store: n.store, Now: past}
				k := store.MakeKey([]byte(name))
				if _, err := tx.Set(k, []byte(value), store.SetOptions{Deadline: past + ttl}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 200 {
				set(fmt.Sprint("hot", i), 1<<40)
				set(fmt.Sprint("cold", i), 1<<39)
			}
			for i := range 200 {
				n.do("GET", fmt.Sprint("hot", i))
			}
			n.limited(policy, -150_000)
			n.expect("SET one more", "+OK\r\n")
			for n.d.evictStep() == evictMore {
			}
			hot, cold := n.keysLeft("hot", 200), n.keysLeft("cold", 200)
			if hot < 195 || cold > 80 {
				t.Errorf("%d hot and %d cold keys of 200 each are left", hot, cold)
			}
		})
	}
}

// TestReplicasDoNotEvict: a node evicts keys of slots that it is primary of.
func TestReplicasDoNotEvict(t *testing.T) {
	log := &effectLog{}
	n := newTestNode(t, newRouting(t, func(slot uint16) bool { return slot < 3000 }), log)
	value := []byte(strings.Repeat("v", 500))
	mine, others := 0, 0
	for i := range 2000 {
		k := store.MakeKey(fmt.Append(nil, "k", i))
		if k.Slot < 3000 {
			mine++
		} else {
			others++
		}
		if err := n.d.Apply(k.Slot, 0, [][]byte{[]byte("SET"), k.Name, value}, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	n.limited("allkeys-lru", -50_000)
	for n.d.evictStep() == evictMore {
	}
	if n.evicted() == 0 || n.evicted() > int64(mine)/2 {
		t.Errorf("%d of %d keys evicted", n.evicted(), mine)
	}
	n.limited("allkeys-lru", -1<<40)
	result := evictMore
	for result == evictMore {
		result = n.d.evictStep()
	}
	if result != evictFailed {
		t.Errorf("with nothing left to evict: %d", result)
	}
	if left := int(n.store.DBSize(0)); left != others || n.evicted() != int64(mine) {
		t.Errorf("%d keys left of the %d of others, %d evicted of %d", left, others, n.evicted(), mine)
	}
	for _, e := range log.effects {
		if e.slot >= 3000 {
			t.Fatalf("effect %q for slot %d of another node", e.args, e.slot)
		}
	}
	// A key of another node is sent there, however full it is here.
	name := "k0"
	for i := 0; store.MakeKey([]byte(name)).Slot < 3000; i++ {
		name = fmt.Sprint("k", i)
	}
	if got := n.do("SET", name, "v"); !strings.HasPrefix(got, "-MOVED ") {
		t.Errorf("SET of another node's key: %q", got)
	}
}

// TestFlushedKeysGoFirst: memory of a FLUSHALL ASYNC is room.
func TestFlushedKeysGoFirst(t *testing.T) {
	n := newTestNode(t, nil, nil)
	for i := range 2000 {
		n.do("SET", fmt.Sprint("old", i), "value")
	}
	n.limited("allkeys-lru", -1000)
	// No command in between: it would start to free what was flushed.
	n.store.LockAll()
	n.store.FlushDB(0)
	n.store.UnlockAll()
	n.expect("SET l v", "+OK\r\n")
	if n.evicted() != 0 {
		t.Errorf("%d keys evicted while flushed ones took the memory", n.evicted())
	}
}

// TestFlood writes without end from several connections: the process stays
// within a tenth of maxmemory.
func TestFlood(t *testing.T) {
	if testing.Short() || raceEnabled || residentSet() == 0 {
		t.Skip("needs a process without race detector whose size the system tells")
	}
	// Clients and the garbage of earlier tests are in the same process: the limit
	// is large enough for a tenth of it to hold them.
	const limit = 160 << 20
	// The writers' garbage is not the server's.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	debug.FreeOSMemory()
	n := serveNode(t, servedOptions{change: func(c *config.Config) {
		c.Store.MaxMemory, c.Store.MaxMemoryPolicy = limit, "allkeys-lru"
	}})
	stop := make(chan struct{})
	peak := make(chan int64, 1)
	go func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		most := int64(0)
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-ticker.C:
				most = max(most, residentSet())
			}
		}
	}()
	var writers sync.WaitGroup
	for _, size := range []int{60, 700, 20, 5000} {
		for w := range 4 {
			c := n.dial(t)
			writers.Go(func() {
				random := rand.New(rand.NewPCG(uint64(size), uint64(w)))
				value := strings.Repeat("v", size)
				const batch = 100
				for range (64 << 20) / 4 / batch / (size + 60) {
					var b strings.Builder
					for range batch {
						b.WriteString(wireCommand("SET", strconv.Itoa(random.IntN(1<<24)), value))
					}
					c.send(b.String())
					for range batch {
						if got := c.wire(); got != "+OK\r\n" {
							t.Errorf("SET: %q", got)
							return
						}
					}
				}
			})
		}
		writers.Wait()
	}
	close(stop)
	if most := <-peak; most > limit*11/10 {
		t.Errorf("%d MB resident at most, %d MB allowed", most>>20, limit>>20)
	} else {
		t.Logf("%d MB resident at most of %d MB, %d keys evicted, process %d", most>>20, limit>>20, n.store.Stats().Evicted, os.Getpid())
	}
	if n.store.Stats().Evicted == 0 {
		t.Error("nothing was evicted")
	}
	if used := n.store.Used(); used < limit/2 {
		t.Errorf("only %d MB are used", used>>20)
	}
}

// What INFO shows as used_memory is what maxmemory bounds, also where the limit is
// hardly more than the server's own size.
func TestUsedMemoryStaysBelowTheLimit(t *testing.T) {
	for _, policy := range []string{"noeviction", "volatile-ttl", "allkeys-lru"} {
		n := newTestNode(t, nil, nil)
		n.limited(policy, 1<<30)
		sampler := &n.d.cron.memory
		sampler.startup.Store(1 << 40) // the test's own garbage is not the server's
		sample := func() (m *memorySample, used int64) {
			m = sampler.sample(n.d, false)
			return m, m.used(sampler.startup.Load())
		}
		_, used := sample()
		limit := used + 100<<10
		n.store.Watch(limit)
		m, _ := sample()
		n.d.memory.update(limit, m, sampler.startup.Load())
		refused := 0
		for i := range 10000 {
			if n.do("SET", "key"+strconv.Itoa(i), "x") == oomReply {
				refused++
			}
		}
		if _, used = sample(); used > limit+4096 {
			t.Errorf("%s: %d bytes in use, the limit is %d", policy, used, limit)
		}
		if evicts := policy == "allkeys-lru"; evicts == (refused > 0) || evicts != (n.evicted() > 0) {
			t.Errorf("%s: %d writes refused, %d keys evicted", policy, refused, n.evicted())
		}
	}
}

// What is queued for a replica that does not read evicts no keys: their removal would be
// queued, too.
func TestSlowReplicaEvictsNothing(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, stuck := n.dial(t), n.dial(t)
	for i := range 100 {
		c.check("SETRANGE key"+strconv.Itoa(i)+" 100000 x", ":100001\r\n")
	}
	c.check("CONFIG SET maxmemory-policy allkeys-random repl-backlog-size 16384", "+OK\r\n")
	c.call("CONFIG", "SET", "client-output-buffer-limit", "replica 0 0 0")
	stuck.follow("PSYNC", "?", "-1")
	eventually(t, "the replica is online", func() bool {
		n.d.feed.mu.Lock()
		defer n.d.feed.mu.Unlock()
		return n.d.feed.replicas[0].state == "online"
	})
	used, _ := strconv.Atoi(c.infoField("used_memory", "INFO", "memory"))
	c.call("CONFIG", "SET", "maxmemory", strconv.Itoa(used+16<<20)) // room for garbage
	write := wireCommand("SETRANGE", "key0", "0", strings.Repeat("A", 64<<10))
	for range 1000 {
		c.send(write)
		c.expect(":100001\r\n")
	}
	c.call("INFO", "memory") // takes a measurement
	eventually(t, "the cron takes one, too", func() bool { return n.d.cron.memory.last.Load().replicas > 50<<20 })
	c.check("SET other x", "+OK\r\n")
	c.check("DBSIZE", ":101\r\n")
	if left, _ := strconv.Atoi(c.infoField("mem_not_counted_for_evict", "INFO", "memory")); left < 50<<20 {
		t.Errorf("mem_not_counted_for_evict is %d", left)
	}
	c.check("CLIENT KILL TYPE replica", ":1\r\n")
	eventually(t, "the queue is gone", func() bool {
		left := c.infoField("mem_not_counted_for_evict", "INFO", "memory")
		return left == "0"
	})
	c.check("SET other y", "+OK\r\n")
	c.check("DBSIZE", ":101\r\n")
}
