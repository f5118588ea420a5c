package resp

import (
	"fmt"
	"testing"
	"time"

	"respkv/internal/config"
	"respkv/store"
)

func TestActiveExpiry(t *testing.T) {
	repl := &fakeReplicator{}
	n := serveNode(t, servedOptions{repl: repl, change: func(c *config.Config) { c.Server.Hz = 100 }})
	c := n.dial(t)
	c.check("debug set-active-expire 0", "+OK\r\n")
	const keys = 500
	for i := range keys {
		c.check(fmt.Sprintf("set key:%d v px 1", i), "+OK\r\n")
	}
	c.check("set stays v px 1000000", "+OK\r\n")
	// Nobody reads the keys, and nothing removes them.
	time.Sleep(30 * time.Millisecond) // several rounds: that they do nothing can't be waited for
	if got := n.store.DBSize(0); got != keys+1 {
		t.Fatalf("%d keys while expiry is off, want %d", got, keys+1)
	}
	repl.take()
	c.check("debug set-active-expire 1", "+OK\r\n")
	logged := 0
	eventually(t, "expired keys are removed", func() bool { logged += len(repl.take()); return n.store.DBSize(0) == 1 && logged >= keys })
	if logged += len(repl.take()); logged != keys {
		t.Errorf("%d removals logged, want %d", logged, keys)
	}
	if got := c.infoField("expired_keys", "info", "stats"); got != itoa(keys) {
		t.Errorf("expired_keys %s", got)
	}
}

// TestExpiryOfFew: where few keys have a deadline, a round finds one that is past
// its own in whatever shard it is, though it is the turn of others.
func TestExpiryOfFew(t *testing.T) {
	n := serveNode(t, servedOptions{})
	n.dial(t).check("debug set-active-expire 0", "+OK\r\n") // the server's own rounds
	var k store.Key
	for i := 0; k.Shard() < store.Shards/2+1; i++ {
		k = store.MakeKey(fmt.Appendf(nil, "key:%d", i))
	}
	eventually(t, "a round to which the machine leaves its 5 ms finds it", func() bool {
		n.store.LockShard(k.Shard())
		tx := store.Tx{Store: n.store, Now: 1000}
		_, err := tx.Set(k, []byte("v"), store.SetOptions{Deadline: 2000})
		n.store.UnlockShard(k.Shard())
		if err != nil {
			t.Fatal(err)
		}
		var round cron // it is the turn of the first half
		round.memory.sample(n.d, false)
		round.expire(n.d, 500*time.Millisecond)
		return n.store.DBSize(0) == 0
	})
}

// TestExpiryOfOwnSlotsOnly: replicas, and primaries in a handoff, leave expired
// keys alone.
func TestExpiryOfOwnSlotsOnly(t *testing.T) {
	routing := newAdminRouting(t, firstHalf)
	n := serveNode(t, servedOptions{routing: routing, repl: &fakeReplicator{}, change: func(c *config.Config) { c.Server.Hz = 1 }})
	put := func(name string) uint16 {
		k := store.MakeKey([]byte(name))
		n.store.LockShard(k.Shard())
		defer n.store.UnlockShard(k.Shard())
		tx := store.Tx{Store: n.store, Now: 1000}
		if ok, err := tx.Set(k, []byte("v"), store.SetOptions{Deadline: 2000}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		return k.Slot
	}
	mine, paused, theirs := put("b"), put("{c}"), put("a")
	if mine >= 8192 || paused >= 8192 || theirs < 8192 || mine == paused {
		t.Fatalf("slots %d, %d, %d: choose other keys", mine, paused, theirs)
	}
	routing.pause(paused)
	var idle cron
	idle.memory.sample(n.d, false)
	for range 3 {
		idle.expire(n.d, time.Second)
	}
	// A round ends when its time is up.
	eventually(t, "the own key expires", func() bool { idle.expire(n.d, time.Second); return countSlot(n.d.store, mine) == 0 })
	for slot, want := range map[uint16]int{mine: 0, paused: 1, theirs: 1} {
		if got := countSlot(n.d.store, slot); got != want {
			t.Errorf("slot %d has %d keys, want %d", slot, got, want)
		}
	}
	routing.resume(paused)
	eventually(t, "it expires after the handoff", func() bool { idle.expire(n.d, time.Second); return countSlot(n.d.store, paused) == 0 })
}

func TestEffort(t *testing.T) {
	for effort, want := range map[int]expiryEffort{
		1:  {keys: 20, limit: 25 * time.Millisecond},
		10: {keys: 65, limit: 43 * time.Millisecond},
	} {
		if got := effortOf(effort, 100*time.Millisecond); got.keys != want.keys || (got.limit-want.limit).Abs() > time.Microsecond {
			t.Errorf("effort %d: %+v, want %+v", effort, got, want)
		}
	}
}

// TestUnusedMemoryGoesBack: what a large data set leaves behind when most of it
// is deleted is compacted and given back.
func TestUnusedMemoryGoesBack(t *testing.T) {
	oneGoroutine(t)
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.Hz = 1 }})
	const keys = 400_000
	value := make([]byte, 200)
	n.store.LockAll()
	tx := store.Tx{Store: n.store}
	key := func(i int) store.Key { return store.MakeKey(fmt.Appendf(nil, "key:%d", i)) }
	for i := range keys {
		if _, err := tx.Set(key(i), value, store.SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range keys {
		if i%10 != 0 {
			tx.Delete(key(i))
		}
	}
	n.store.UnlockAll()
	var c cron
	before := c.memory.sample(n.d, false)
	for range 200 {
		c.nextUpkeep, c.nextCompact = time.Time{}, time.Time{}
		c.upkeep(n.d, time.Now(), time.Second)
		c.memory.sample(n.d, false)
	}
	after := c.memory.last.Load().store
	if after.Resident > before.store.Resident/2 {
		t.Errorf("resident %d MB before, %d MB after; data %d MB", before.store.Resident>>20, after.Resident>>20, after.Data>>20)
	}
	if got := n.store.DBSize(0); got != keys/10 {
		t.Errorf("%d keys, want %d", got, keys/10)
	}
}

// BenchmarkIdleRound is what a round costs while there is nothing to do.
func BenchmarkIdleRound(b *testing.B) {
	n := serveNode(b, servedOptions{change: func(c *config.Config) { c.Server.Hz = 1 }})
	var c cron
	c.memory.sample(n.d, false)
	now := time.Now()
	for b.Loop() {
		now = now.Add(100 * time.Millisecond)
		c.round(n.d, now, 100*time.Millisecond)
	}
}
