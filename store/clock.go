package store

import (
	"sync"
	"sync/atomic"
)

// accessClock is the clock of last accesses: ticks of 24 bits. At rest a tick
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
	start int64  // Unix milliseconds
	tick  uint32 // the tick then, not reduced to 24 bits
	per   int64  // milliseconds of a tick
}

const (
	slowestTick = 1000 // milliseconds, as Redis
	// clockPieces bounds what is remembered of former speeds; before that, the
	// oldest one is taken for all time.
	clockPieces = 64
)

func (c *accessClock) init() {
	c.pieces.Store(&[]clockPiece{{per: slowestTick}})
}

func (p *clockPiece) at(now int64) uint32 {
	return p.tick + uint32(max(now-p.start, 0)/p.per)
}

// at is the tick of a time.
func (c *accessClock) at(now int64) uint32 {
	return (*c.pieces.Load())[0].at(now) & accessMask
}

// idle is the number of ticks since an access.
func (c *accessClock) idle(access uint32, now int64) uint32 {
	return (c.at(now) - access) & accessMask
}

// idleSeconds is the time since an access. The clock wraps: after 194 days, or
// sooner while its ticks are short.
func (c *accessClock) idleSeconds(access uint32, now int64) int64 {
	pieces := *c.pieces.Load()
	tick := pieces[0].at(now)
	access = tick - (tick-access)&accessMask
	for i := range pieces {
		p := &pieces[i]
		if i+1 < len(pieces) && int32(access-p.tick) < 0 {
			continue
		}
		then := p.start + int64(int32(access-p.tick))*p.per
		if p.per == slowestTick && i == 0 {
			return int64(tick - access)
		}
		return max(now-then, 0) / 1000
	}
	return 0 // there is a last piece
}

// signed24 is a difference of 24 bits as a number.
func signed24(d uint32) int64 { return int64(int32(d<<8) >> 8) }

// seconds is the time of an access in seconds, 24 bits of it, as Redis's clock
// has it at all times.
func (c *accessClock) seconds(access uint32) uint32 {
	pieces := *c.pieces.Load()
	for i := range pieces {
		p := &pieces[i]
		if d := signed24(access - p.tick); d >= 0 || i+1 == len(pieces) {
			return uint32((p.start+d*p.per)/1000) & accessMask
		}
	}
	return 0 // there is a last piece
}

// fromSeconds is the reverse of seconds.
func (c *accessClock) fromSeconds(seconds uint32) uint32 {
	pieces := *c.pieces.Load()
	for i := range pieces {
		p := &pieces[i]
		if d := signed24(seconds - uint32(p.start/1000)); d >= 0 || i+1 == len(pieces) {
			return (p.tick + uint32(d*1000/p.per)) & accessMask
		}
	}
	return 0 // there is a last piece
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
