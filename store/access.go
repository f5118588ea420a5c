package store

import "math/rand/v2"

// AccessPolicy says what lookups record in a value, in 24 bits as Redis does:
// the second of the last access, or (LFU) the minute of the last decrement (16
// bits) and a logarithmic counter (8 bits).
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

func lruClock(now int64) uint32   { return uint32(now/1000) & accessMask }
func lfuMinutes(now int64) uint32 { return uint32(now/60000) & 0xffff }

// newAccess is the access information of a value just made.
func (tx *Tx) newAccess() uint32 {
	if tx.Store.policy.Load().LFU {
		return lfuMinutes(tx.Now)<<8 | lfuInitial
	}
	return lruClock(tx.Now)
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
		access = lruClock(tx.Now)
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

// idleSeconds is the time since the access that the clock value tells; the
// clock wraps after 194 days.
func idleSeconds(access uint32, now int64) int64 {
	return int64((lruClock(now) - access) & accessMask)
}
