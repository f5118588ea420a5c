package store

import "math/rand/v2"

// AccessPolicy says what lookups record in a value, in 24 bits as Redis does:
// the time of the last access (22 bits, see accessClock) and how often there was
// one (2 bits), or (LFU) the minute of the last decrement (16 bits) and a
// logarithmic counter (8 bits).
type AccessPolicy struct {
	LFU       bool // frequency instead of time of last access
	LogFactor int  // Redis's lfu-log-factor: higher counts slower
	DecayTime int  // Redis's lfu-decay-time: minutes per decrement, 0 never
}

const (
	accessMask = 1<<24 - 1
	lfuInitial = 5

	// mostUses is where uses are no longer counted: those of a value in other
	// ticks than the one before. A SET with an EXPIRE after it is one.
	mostUses = 1<<(24-tickBits) - 1
)

// timedAccess is the access information of a value used at a tick.
func timedAccess(tick, uses uint32) uint32 { return tick<<(24-tickBits) | uses }

// tickOf is the tick of the last access, usesOf how often there was one after the
// value was made, where AccessPolicy is not LFU.
func tickOf(access uint32) uint32 { return access >> (24 - tickBits) }
func usesOf(access uint32) uint32 { return access & mostUses }

// SetAccessPolicy changes what lookups record. Safe at any time.
func (s *Store) SetAccessPolicy(p AccessPolicy) { s.policy.Store(&p) }

func lfuMinutes(now int64) uint32 { return uint32(now/60000) & 0xffff }

// newAccess is the access information of a value just made.
func (tx *Tx) newAccess() uint32 {
	if tx.Store.policy.Load().LFU {
		return lfuMinutes(tx.Now)<<8 | lfuInitial
	}
	return timedAccess(tx.Store.clock.at(tx.Now), 0)
}

// touch records an access. The record is written only if that changes it.
func (tx *Tx) touch(rec *record) {
	old := rec.access()
	var access uint32
	if p := tx.Store.policy.Load(); p.LFU {
		counter := lfuCounter(old, tx.Now, p.DecayTime)
		if counter < 255 {
			base := max(float64(counter)-lfuInitial, 0)
			if rand.Float64() < 1/(base*float64(p.LogFactor)+1) {
				counter++
			}
		}
		access = lfuMinutes(tx.Now)<<8 | counter
	} else if tick := tx.Store.clock.at(tx.Now); tick == tickOf(old) {
		return
	} else {
		access = timedAccess(tick, min(usesOf(old)+1, mostUses))
	}
	if access != old {
		rec.setAccess(access)
	}
}

// lfuCounter returns the counter, less one for each decay time gone by.
func lfuCounter(access uint32, now int64, decayTime int) uint32 {
	counter := access & 255
	if decayTime <= 0 {
		return counter
	}
	periods := (lfuMinutes(now) - access>>8) & 0xffff / uint32(decayTime)
	if periods > counter {
		return 0
	}
	return counter - periods
}

// plainAccess is access information as it means the same on every node: times
// are the seconds of Redis's clock.
func (s *Store) plainAccess(access uint32, now int64) uint32 {
	if s.policy.Load().LFU {
		return access
	}
	return s.clock.seconds(tickOf(access), now)
}

// ownAccess is the reverse of plainAccess.
func (s *Store) ownAccess(plain uint32, now int64) uint32 {
	if s.policy.Load().LFU {
		return plain
	}
	return timedAccess(s.clock.fromSeconds(plain, now), 0)
}
