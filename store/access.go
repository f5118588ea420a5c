package store

import "math/rand/v2"

// AccessPolicy says what lookups record in a value, in 24 bits as Redis does:
// the time of the last access (see accessClock), or (LFU) the minute of the
// last decrement (16 bits) and a logarithmic counter (8 bits).
type AccessPolicy struct {
	LFU       bool // frequency instead of time of last access
	LogFactor int  // Redis's lfu-log-factor: higher counts slower
	DecayTime int  // Redis's lfu-decay-time: minutes per decrement, 0 never
}

const (
	accessMask = 1<<24 - 1
	lfuInitial = 5
)

// SetAccessPolicy changes what lookups record. Safe at any time.
func (s *Store) SetAccessPolicy(p AccessPolicy) { s.policy.Store(&p) }

func lfuMinutes(now int64) uint32 { return uint32(now/60000) & 0xffff }

// newAccess is the access information of a value just made.
func (tx *Tx) newAccess() uint32 {
	if tx.Store.policy.Load().LFU {
		return lfuMinutes(tx.Now)<<8 | lfuInitial
	}
	return tx.Store.clock.at(tx.Now)
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
	} else {
		access = tx.Store.clock.at(tx.Now)
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
func (s *Store) plainAccess(access uint32) uint32 {
	if s.policy.Load().LFU {
		return access
	}
	return s.clock.seconds(access)
}

// ownAccess is the reverse of plainAccess.
func (s *Store) ownAccess(plain uint32) uint32 {
	if s.policy.Load().LFU {
		return plain
	}
	return s.clock.fromSeconds(plain)
}
