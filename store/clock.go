package store

import (
	"sync"
	"sync/atomic"
)

// accessClock is the clock of last accesses: ticks of 22 bits. At rest a tick
// is a second, as in Redis. Where a cache is so busy that all of it is replaced
// within seconds, seconds would make all keys look alike, so ticks get shorter
// then; they go on from where they were, so that an older access always is an
// older tick.
type accessClock struct {
	pieces atomic.Pointer[[]clockPiece] // newest first; never empty, never changed
	mu     sync.Mutex                   // one change at a time; a leaf
}

// clockPiece is a time of constant speed.
type clockPiece struct {
	start int64 // Unix milliseconds
	tick  int64 // the tick then, not reduced to tickBits
	per   int64 // milliseconds of a tick
}

const (
	tickBits    = 22
	tickMask    = 1<<tickBits - 1
	slowestTick = 1000 // milliseconds, as Redis
	// clockPieces bounds what is remembered of former speeds; before that, the
	// oldest one is taken for all time.
	clockPieces = 64
)

func (c *accessClock) init() {
	c.pieces.Store(&[]clockPiece{{per: slowestTick}})
}

func (p *clockPiece) at(now int64) int64 { return p.tick + max(now-p.start, 0)/p.per }

// at is the tick of a time.
func (c *accessClock) at(now int64) uint32 {
	return uint32((*c.pieces.Load())[0].at(now) & tickMask)
}

// idle is the number of ticks since that of an access.
func (c *accessClock) idle(tick uint32, now int64) uint32 {
	return (c.at(now) - tick) & tickMask
}

// when is the time of the tick of an access, in Unix milliseconds. The clock wraps:
// after 48 days, or sooner while its ticks are short.
func (c *accessClock) when(tick uint32, now int64) int64 {
	pieces := *c.pieces.Load()
	full := pieces[0].at(now)
	full -= (full - int64(tick)) & tickMask
	p := &pieces[0]
	for _, older := range pieces[1:] {
		if full >= p.tick {
			break
		}
		p = &older
	}
	return p.start + (full-p.tick)*p.per
}

// idleSeconds is the time since the tick of an access.
func (c *accessClock) idleSeconds(tick uint32, now int64) int64 {
	if p := &(*c.pieces.Load())[0]; p.per == slowestTick {
		if idle := int64(c.idle(tick, now)); p.at(now)-idle >= p.tick {
			return idle // whole seconds of the clock, as Redis counts
		}
	}
	return max(now-c.when(tick, now), 0) / 1000
}

// seconds is the time of a tick in seconds, 24 bits of it, as Redis's clock has it
// at all times.
func (c *accessClock) seconds(tick uint32, now int64) uint32 {
	return uint32(c.when(tick, now)/1000) & accessMask
}

// fromSeconds is the reverse of seconds. What is so long ago that the clock has
// wrapped since gets the oldest tick, and the future is now.
func (c *accessClock) fromSeconds(seconds uint32, now int64) uint32 {
	idle := max(int64(int32((uint32(now/1000)-seconds)<<8)>>8), 0)
	at := now - idle*1000
	pieces := *c.pieces.Load()
	p := &pieces[0]
	for _, older := range pieces[1:] {
		if at >= p.start {
			break
		}
		p = &older
	}
	return uint32(max(p.at(at), pieces[0].at(now)-tickMask) & tickMask)
}

// setSpeed makes a tick last per milliseconds from now on.
func (c *accessClock) setSpeed(now, per int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.pieces.Load()
	if old[0].per == per || now <= old[0].start {
		return
	}
	// The next tick starts now, so that none before is as late.
	pieces := []clockPiece{{start: now, tick: old[0].at(now) + 1, per: per}}
	pieces = append(pieces, old[:min(len(old), clockPieces-1)]...)
	c.pieces.Store(&pieces)
}

// Turnover tells how long it takes, in milliseconds, until as much was written
// as the store may hold: the life of a key that nobody reads. Access times are
// kept fine enough to tell some hundred ages apart in that time. Call it now and
// then where keys are evicted by age.
func (s *Store) Turnover(now, life int64) {
	const ages = 1024
	per := int64(1)
	for per*ages*2 <= life && per < slowestTick {
		per *= 4
	}
	per = min(per, slowestTick)
	current := (*s.clock.pieces.Load())[0].per
	// Slower only when it clearly may be.
	if per > current && per < slowestTick && life < 4*per*ages {
		return
	}
	s.clock.setSpeed(now, per)
}
