package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// evictStore returns a store with n keys k0.., each made a second after the one
// before, and the Tx after the last.
func evictStore(t *testing.T, n int, deadline func(i int) int64) (*Store, *Tx) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1_700_000_000_000}
	for i := range n {
		at := int64(0)
		if deadline != nil {
			at = deadline(i)
		}
		mustSet(t, tx, fmt.Sprint("k", i), "value", at)
		tx.Now += 1000
	}
	return s, tx
}

// sampleAll draws until every key that a policy may choose has come up.
func sampleAll(t *testing.T, s *Store, p EvictPolicy, now int64, slots uint64, want int) map[string]uint64 {
	t.Helper()
	scores := make(map[string]uint64)
	for range 2000 {
		for i := range Shards {
			for _, c := range s.Sample(i, 0, slots, p, now, 5, nil) {
				rec := s.arena.parse(c.ref)
				scores[string(rec.key())] = c.Score
			}
		}
		if len(scores) == want {
			return scores
		}
	}
	t.Fatalf("%d keys of %d were ever sampled", len(scores), want)
	return nil
}

// ordered returns the keys by score, the first to go first.
func ordered(scores map[string]uint64) []string {
	names := make([]string, 0, len(scores))
	for name := range scores {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if scores[a] > scores[b] {
			return -1
		}
		return 1
	})
	return names
}

func TestEvictionOrder(t *testing.T) {
	s, tx := evictStore(t, 20, func(i int) int64 {
		if i%2 == 0 {
			return 1_800_000_000_000 - int64(i)*1000 // later keys sooner
		}
		return 0
	})
	// All used once, so that time alone decides; the first one as the last.
	for i := range 20 {
		tx.Now += 1000
		_, _, _ = tx.Get(MakeKey(fmt.Appendf(nil, "k%d", (i+1)%20)))
	}
	tx.Now += 1000

	oldest := ordered(sampleAll(t, s, EvictPolicy{By: EvictIdle}, tx.Now, AllSlots, 20))
	if oldest[0] != "k1" || oldest[1] != "k2" || oldest[19] != "k0" {
		t.Errorf("by idle time: %v", oldest)
	}
	volatile := ordered(sampleAll(t, s, EvictPolicy{By: EvictIdle, Volatile: true}, tx.Now, AllSlots, 10))
	if volatile[0] != "k2" || volatile[9] != "k0" {
		t.Errorf("with a deadline, by idle time: %v", volatile)
	}
	soonest := ordered(sampleAll(t, s, EvictPolicy{By: EvictDeadline, Volatile: true}, tx.Now, AllSlots, 10))
	if soonest[0] != "k18" || soonest[1] != "k16" || soonest[9] != "k0" {
		t.Errorf("by deadline: %v", soonest)
	}
	past := 1_800_000_000_000 - int64(17000)
	gone := ordered(sampleAll(t, s, EvictPolicy{By: EvictIdle}, past, AllSlots, 20))
	if gone[0] != "k18" {
		t.Errorf("a key past its deadline does not go first: %v", gone)
	}

	s.SetAccessPolicy(AccessPolicy{LFU: true, DecayTime: 1})
	for i := range 20 {
		k := mustSet(t, tx, fmt.Sprint("f", i), "v", 0)
		for range i {
			_, _, _ = tx.Get(k)
		}
	}
	for i := range 20 {
		tx.Delete(MakeKey([]byte(fmt.Sprint("k", i))))
	}
	rare := ordered(sampleAll(t, s, EvictPolicy{By: EvictRare}, tx.Now, AllSlots, 20))
	for i, name := range rare {
		if name != fmt.Sprint("f", i) {
			t.Fatalf("by frequency: %v", rare)
		}
	}
}

// TestIdleScore has keys given up the later the more often they were used, and of
// those not used the older ones sooner, but not all of them.
func TestIdleScore(t *testing.T) {
	if a, b, c := idleScore(100, 1), idleScore(100, 2), idleScore(100, 3); !(a > b && b > c && c > 0) {
		t.Errorf("used 1, 2, 3 times: %d, %d, %d", a, b, c)
	}
	if a, b := idleScore(50, 2), idleScore(100, 2); a*2 != b {
		t.Errorf("idle for 50 and 100: %d, %d", a, b)
	}
	const draws = 10000
	once, older, unused := idleScore(100, 1), 0, 0
	for range draws {
		if idleScore(100, 0) > once {
			unused++
		}
		if idleScore(100, 0) > idleScore(25, 0) {
			older++
		}
	}
	if unused < draws*9/10 || unused == draws {
		t.Errorf("a key never used goes before one used once in %d of %d draws", unused, draws)
	}
	if older < draws*8/10 || older == draws {
		t.Errorf("the older one of two never used goes first in %d of %d draws", older, draws)
	}
}

// TestUses counts those in other ticks than the one before: a burst is one.
func TestUses(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1_700_000_000_000}
	uses := func(want uint32) {
		t.Helper()
		k := MakeKey([]byte("k"))
		it := tx.look(k)
		if got := usesOf(it.rec.access()); got != want {
			t.Errorf("%d uses, want %d", got, want)
		}
	}
	k := mustSet(t, tx, "k", "v", 0)
	_, _, _ = tx.Get(k)
	if ok, err := tx.SetDeadline(k, 1<<50); !ok || err != nil {
		t.Fatal(ok, err)
	}
	uses(0)
	for _, want := range []uint32{1, 2, 3, 3} {
		tx.Now += 1000
		_, _, _ = tx.Get(k)
		_, _, _ = tx.Get(k)
		uses(want)
	}
	tx.Now += 1000
	mustSet(t, tx, "k", "w", 0)
	uses(3)
	tx.Delete(k)
	mustSet(t, tx, "k", "v", 0)
	uses(0)
	tx.Now += 1000
	mustSet(t, tx, "k", "w", 0)
	uses(1)
}

// TestSampleIsEven draws many times from a shard whose keys lie at random.
func TestSampleIsEven(t *testing.T) {
	for _, p := range []EvictPolicy{{By: EvictRandom}, {By: EvictDeadline, Volatile: true}} {
		s := openStore(t, Options{})
		tx := &Tx{Store: s, Now: 1}
		const keys = 300
		for i := range keys {
			deadline := int64(0)
			if p.Volatile {
				deadline = 1 << 40
			}
			mustSet(t, tx, fmt.Sprintf("{tag}%d", i), "v", deadline)
		}
		shard := MakeKey([]byte("{tag}")).Shard()
		counts := make(map[ref]int)
		const draws = 300 * keys
		for range draws / 5 {
			for _, c := range s.Sample(shard, 0, AllSlots, p, 1, 5, nil) {
				counts[c.ref]++
			}
		}
		if len(counts) != keys {
			t.Errorf("%+v: %d keys of %d sampled", p, len(counts), keys)
		}
		// 300 times each on average, less where segments are fuller.
		for _, n := range counts {
			if n < 100 || n > 900 {
				t.Errorf("%+v: a key came %d times, 300 is even", p, n)
			}
		}
	}
}

func TestSampleSlots(t *testing.T) {
	s, tx := evictStore(t, 5000, nil)
	for i := range Shards {
		mask := uint64(0xff00ff)
		for _, c := range s.Sample(i, 0, mask, EvictPolicy{}, tx.Now, 20, nil) {
			rec := s.arena.parse(c.ref)
			if slot := MakeKey(rec.key()).Slot; mask>>(slot%SlotsPerShard)&1 == 0 {
				t.Fatalf("slot %d is not in the mask", slot)
			}
		}
		if c := s.Sample(i, 0, AllSlots, EvictPolicy{Volatile: true}, tx.Now, 5, nil); len(c) > 0 {
			t.Fatalf("keys without a deadline sampled")
		}
	}
}

// TestEvictOnlyWhatIsStillRight changes a key between Sample and Evict.
func TestEvictOnlyWhatIsStillRight(t *testing.T) {
	idle := EvictPolicy{By: EvictIdle}
	for name, change := range map[string]func(tx *Tx, k Key){
		"read":    func(tx *Tx, k Key) { _, _, _ = tx.Get(k) },
		"deleted": func(tx *Tx, k Key) { tx.Delete(k) },
		"":        func(*Tx, Key) {},
	} {
		s, tx := evictStore(t, 1, nil)
		k := MakeKey([]byte("k0"))
		tx.Now += 5000
		found := s.Sample(k.Shard(), 0, AllSlots, idle, tx.Now, 1, nil)
		if len(found) != 1 {
			t.Fatal("no candidate")
		}
		change(tx, k)
		var evicted []string
		done := s.Evict(&found[0], idle, tx.Now, false, nil, func(_ int, k Key) { evicted = append(evicted, string(k.Name)) })
		if want := name == ""; done != want || (len(evicted) == 1) != want {
			t.Errorf("key %s: evicted %v %v", name, done, evicted)
		}
		if s.Stats().Evicted != int64(len(evicted)) {
			t.Errorf("evicted counts %d", s.Stats().Evicted)
		}
		checkStore(t, s)
	}
	s, tx := evictStore(t, 1, nil)
	k := MakeKey([]byte("k0"))
	found := s.Sample(k.Shard(), 0, AllSlots, idle, tx.Now, 1, nil)
	if s.Evict(&found[0], idle, tx.Now, false, func(slot uint16) bool { return slot == k.Slot }, nil) {
		t.Error("a key of a slot to keep was evicted")
	}
}

// TestUsage compares the counters kept current with the sums.
func TestUsage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := openStore(t, Options{})
	s.Watch(1 << 10) // grains of a byte: exact
	tx := &Tx{Store: s, Now: 1_700_000_000_000}
	check := func() {
		t.Helper()
		m := s.Memory(false)
		directories := int64(0)
		for i := range s.shards {
			if ix := s.shards[i].dbs[0].Load(); ix != nil {
				directories += int64(len(ix.dir.Load().segs) * 8)
			}
		}
		// Headers of runs are held, not used, for the heaps as well.
		if got, want := s.Used(), m.Data+m.Index-directories; got != want {
			t.Errorf("used %d, the sum is %d", got, want)
		}
	}
	big := make([]byte, 3<<20)
	for round := range 20 {
		for range 2000 {
			k := MakeKey(fmt.Appendf(nil, "k%d", random.IntN(5000)))
			switch random.IntN(4) {
			case 0:
				tx.Delete(k)
			case 1:
				if random.IntN(100) == 0 {
					_, _ = tx.Set(k, big, SetOptions{})
				}
			default:
				_, _ = tx.Set(k, big[:random.IntN(1<<random.IntN(18))], SetOptions{})
			}
		}
		if round == 10 {
			s.LockAll()
			s.FlushAll()
			s.UnlockAll()
			for i := s.Flushed(); i >= 0; i = s.Flushed() {
				s.FreeStep(i, 1000)
			}
		}
		check()
	}
}

func TestLazyFreeing(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1_700_000_000_000}
	big := string(make([]byte, 5<<20))
	set := func(deadline int64) Key { return mustSet(t, tx, "big", big, deadline) }
	pending := func(want int64) {
		t.Helper()
		if n, _ := s.LazyValues(); n != want {
			t.Errorf("%d values pending, want %d", n, want)
		}
	}
	k := set(0)
	tx.Delete(k)
	pending(0)
	k = set(0)
	used := s.Used()
	tx.Unlink(k)
	pending(1)
	if s.Used() > used-5<<20 || s.Held() < 5<<20 {
		t.Errorf("unlinked: %d used, %d held", s.Used(), s.Held())
	}
	k = set(0)
	set(0)
	pending(1)
	s.SetLazyFreeing(LazyFreeing{Expired: true, Replaced: true})
	mustSet(t, tx, "big", "small", 0)
	pending(2)
	set(tx.Now + 10)
	tx.Now += 1000
	if tx.Exists(k) {
		t.Error("exists past its deadline")
	}
	pending(3)
	steps := 0
	for s.FreeLazily(1 << 20) {
		steps++
	}
	if _, freed := s.LazyValues(); freed != 3 || steps < 10 {
		t.Errorf("%d freed in %d steps", freed, steps)
	}
	if s.Held() > 5<<20 {
		t.Errorf("%d held after all was freed", s.Held())
	}
	checkStore(t, s)
}

// signedSeconds is a difference of seconds of 24 bits as a number.
func signedSeconds(d uint32) int64 { return int64(int32(d<<8) >> 8) }

// TestAccessClock lets ticks get shorter and longer again: age stays order, idle
// times stay right, and what other nodes are told stays in seconds.
func TestAccessClock(t *testing.T) {
	var c accessClock
	c.init()
	now := int64(1_700_000_000_000)
	type access struct {
		at   int64
		tick uint32
	}
	var all []access
	for _, per := range []int64{1000, 16, 1, 64, 1000} {
		c.setSpeed(now, per)
		for range 200 {
			all = append(all, access{now, c.at(now)})
			now += 40
		}
	}
	for i, a := range all {
		if i > 0 && c.idle(a.tick, now) > c.idle(all[i-1].tick, now) {
			t.Fatalf("access %d is older than the one before", i)
		}
		if got, want := c.idleSeconds(a.tick, now), (now-a.at)/1000; got < want-1 || got > want+1 {
			t.Errorf("access %d: idle for %d s, want %d", i, got, want)
		}
		seconds := c.seconds(a.tick, now)
		if want := uint32(a.at/1000) & accessMask; signedSeconds(seconds-want) > 1 || signedSeconds(seconds-want) < -1 {
			t.Errorf("access %d: at second %d, want %d", i, seconds, want)
		}
		if back := c.seconds(c.fromSeconds(seconds, now), now); signedSeconds(back-seconds) > 1 || signedSeconds(back-seconds) < -1 {
			t.Errorf("access %d: second %d became %d", i, seconds, back)
		}
	}
}
