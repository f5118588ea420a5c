package resp

import (
	"math"
	"sync/atomic"
	"time"

	"respkv/store"
)

// memoryGate compares what is in use with maxmemory. What keys and values take
// is known at any moment; what the rest of the process takes is measured by the
// cron and subtracted from the limit beforehand.
type memoryGate struct {
	// room is how many bytes keys, values and index may use: maxmemory without
	// what else counts as used memory.
	room atomic.Int64
	// heldRoom is how many bytes the system may hold for them, so that the
	// process as a whole stays near maxmemory.
	heldRoom atomic.Int64

	rest atomic.Int64 // resident bytes of all but the data, as counted last
	flow flow         // of the cron's goroutine
}

const (
	// heldShare is how much the process may be larger than maxmemory, in
	// percent, before free memory is collected and, if that does not help,
	// keys are evicted.
	heldShare = 2
	// leastHeld is what the data may hold in any case: the server's own size
	// does not count against a limit that is hardly larger than that.
	leastHeld = 40 << 20
	// goSlack is how much the Go runtime may grow before it counts: garbage
	// comes and goes.
	goSlack = 8 << 20
	// leastSpare is what garbage has to be, at least, to be looked for.
	leastSpare = 1 << 20
	// restShare: what is not data is forgotten by its part 1/64 a measurement,
	// half of it in some 5 seconds.
	restShare = 6
	// marginShare: eviction goes on to limit/4096 below the limit.
	marginShare = 12
	// farShare: over by limit/128, commands wait for eviction, and over by
	// limit/32 until it is done.
	farShare     = 7
	veryFarShare = 5
)

func (g *memoryGate) init() {
	g.room.Store(math.MaxInt64)
	g.heldRoom.Store(math.MaxInt64)
}

// fits says that another write may be done without looking any further.
func (g *memoryGate) fits(s *store.Store) bool {
	return s.Used() <= g.room.Load() && s.Held() <= g.heldRoom.Load()
}

// exceeded says that writes are to be refused, if nothing can be evicted.
func (g *memoryGate) exceeded(s *store.Store) bool { return s.Used() > g.room.Load() }

// overBy says that a limit is missed by more than its part 1/2^share.
func (g *memoryGate) overBy(s *store.Store, share int) bool {
	room, held := g.room.Load(), g.heldRoom.Load()
	return s.Used()-room > room>>share || s.Held()-held > held>>share
}

type overKind uint8

const (
	overNot  overKind = iota
	overUsed          // the data is too large
	overHeld          // the data is not, the memory held for it is
)

// over says what is to be done. With margin it asks for a little more.
func (g *memoryGate) over(s *store.Store, margin bool) overKind {
	room, held := g.room.Load(), g.heldRoom.Load()
	if margin {
		room -= room >> marginShare
	}
	switch {
	case s.Used() > room:
		return overUsed
	case s.Held() > held:
		return overHeld
	}
	return overNot
}

// update takes a new measurement, or limit, in.
func (g *memoryGate) update(limit int64, m *memorySample, startup int64) {
	if limit <= 0 {
		g.init()
		return
	}
	room, heldRoom, rest := g.rooms(limit, m, startup)
	g.room.Store(room)
	g.rest.Store(rest)
	g.heldRoom.Store(heldRoom)
}

// rooms is what update makes of a measurement. What is queued for replicas is left out:
// what evictions remove is queued, too, so that one would lead to the next.
func (g *memoryGate) rooms(limit int64, m *memorySample, startup int64) (room, heldRoom, rest int64) {
	// What does not belong to the data counts up to half of the limit: the rest
	// is for the data, however many clients there are. The empty store counts as a
	// whole, as it does in used_memory: a limit of some bytes leaves no room at all.
	room = limit - min(max(m.goGrowth(startup)-m.replicas, 0), limit/2) - ownSize
	if m.rss == 0 {
		return room, math.MaxInt64, 0 // unknown on this system
	}
	// Peaks count for some time: the next one will come.
	old := g.rest.Load()
	rest = max(m.rss-m.held-m.replicas, old-old>>restShare, 0)
	return room, max(limit+limit/100*heldShare-rest, leastHeld), rest
}

// collect says whether to look for garbage before a measurement is taken in: keys would be
// evicted by it, and much of what it counts may be none that is used.
func (g *memoryGate) collect(s *store.Store, limit int64, m *memorySample, startup int64) bool {
	if limit <= 0 || m.spare < max(leastSpare, limit>>farShare) {
		return false
	}
	room, heldRoom, _ := g.rooms(limit, m, startup)
	return s.Used() > room || s.Held() > heldRoom
}

// flow measures how fast data is written, to tell the life of a key that nobody
// reads.
type flow struct {
	last    time.Time
	used    int64
	evicted int64
	rate    float64 // bytes a second
}

// life returns how long it takes to write as much as there is room for, in
// milliseconds.
func (f *flow) life(now time.Time, used, evicted, keys, room int64) int64 {
	elapsed := now.Sub(f.last).Seconds()
	if !f.last.IsZero() && elapsed > 0 {
		size := float64(0)
		if keys > 0 {
			size = float64(used) / float64(keys)
		}
		written := max(float64(used-f.used)+float64(evicted-f.evicted)*size, 0)
		rate := written / elapsed
		// Up at once, down slowly: a pause does not make keys older.
		f.rate = max(rate, f.rate*math.Exp(-elapsed/60))
	}
	f.last, f.used, f.evicted = now, used, evicted
	if f.rate < 1 {
		return math.MaxInt64
	}
	return int64(min(float64(room)/f.rate*1000, math.MaxInt64/2))
}
