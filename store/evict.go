package store

import (
	"math"
	"math/rand/v2"
)

// EvictBy is the order in which keys are given up.
type EvictBy uint8

// Orders.
const (
	EvictIdle     EvictBy = iota // longest without access first, see idleScore
	EvictRare                    // least often used first
	EvictRandom                  // any
	EvictDeadline                // next to expire first
)

// EvictPolicy says which keys may be given up, and in which order.
type EvictPolicy struct {
	By       EvictBy
	Volatile bool // only keys with a deadline
}

// Candidate is a key found by Sample. It is no promise: Evict looks whether the
// key still is what it was.
type Candidate struct {
	Score  uint64 // the higher the sooner to be evicted
	DB     int32
	tag    uint32
	ref    ref
	access uint32
	shard  uint16
}

// Same says whether both are the same key.
func (c *Candidate) Same(o *Candidate) bool {
	return c.ref == o.ref && c.tag == o.tag && c.shard == o.shard && c.DB == o.DB
}

// Shard returns the shard of the key.
func (c *Candidate) Shard() int { return int(c.shard) }

// Population returns the number of keys of a database in shard i that a policy
// may choose from. No lock is needed.
func (s *Store) Population(i, db int, p EvictPolicy) int64 {
	ix := s.shards[i].dbs[db].Load()
	if ix == nil {
		return 0
	}
	if p.Volatile {
		return ix.expires.Load()
	}
	return ix.count.Load()
}

// AllSlots is the mask of all slots of a shard.
const AllSlots = math.MaxUint64

// Sample appends up to n random keys of a database in shard i, and of the slots
// in the mask (bit 0 is the shard's first), to out. A key may come twice. The
// caller holds the lock of the shard. 5 keys take some 300 ns.
func (s *Store) Sample(i, db int, slots uint64, p EvictPolicy, now int64, n int, out []Candidate) []Candidate {
	sh := &s.shards[i]
	ix := sh.dbs[db].Load()
	if ix == nil || slots == 0 {
		return out
	}
	found := sh.draw(ix, slots, p.Volatile, n, sh.scratch[:0])
	sh.each(found, func(e entry, rec *record) {
		out = append(out, Candidate{
			Score: s.score(rec, p, now), DB: int32(db), shard: uint16(i), tag: tagOf(e), ref: refOf(e), access: rec.access(),
		})
	})
	sh.scratch = found[:0]
	return out
}

// score is how much a key asks to be evicted. One past its deadline is gone for
// everybody, so nothing is lost with it.
func (s *Store) score(rec *record, p EvictPolicy, now int64) uint64 {
	if rec.hasDeadline() && now > rec.deadline() {
		return math.MaxUint64
	}
	access := rec.access()
	switch p.By {
	case EvictIdle:
		return idleScore(s.clock.idle(tickOf(access), now), usesOf(access))
	case EvictRare:
		// Of two that are used as little, the one left alone for longer.
		counter := lfuCounter(access, now, s.policy.Load().DecayTime)
		return uint64(255-counter)<<16 | uint64((lfuMinutes(now)-access>>8)&0xffff)
	case EvictDeadline:
		return math.MaxInt64 - uint64(rec.deadline())
	default:
		return 0
	}
}

// idleScore is how much a key asks to be evicted that is idle for so many ticks.
// Time alone would let each scan of the data replace all that is used again and
// again, and would have a loop over a little more than fits miss each time. So a
// key used more often is given up later; and of those never used since they were
// made, which in a scan are most of them, chance takes its part: then some of a
// loop stay until it comes by again. The factors were chosen by the hit ratios
// with real traces (docs/benchmarks.md).
func idleScore(idle, uses uint32) uint64 {
	const unit = 12 // divides by 2, 3 and 4
	if uses == 0 {
		return uint64(idle) * uint64(rand.Uint32N(16*unit))
	}
	return uint64(idle) * uint64(unit/(1+uses))
}

// drawTries bounds the segments looked into for one sample before the index is
// searched in order.
const drawTries = 4

// draw appends up to n random entries of the slots in the mask to out.
func (sh *shard) draw(ix *index, slots uint64, volatile bool, n int, out []entry) []entry {
	for range drawTries {
		out = sh.drawSegment(ix, randomTag(slots), slots, volatile, n, out)
		if len(out) >= n {
			return out
		}
	}
	if len(out) > 0 {
		return out
	}
	// Few segments have any: take the next ones from a random place on.
	pos := randomTag(slots)
	limits := walkLimits{entries: n, segments: 1 << tagBits, deadline: volatile}
	for range 2 {
		for at := pos; at < tagEnd; {
			first := len(out)
			out, at = sh.collect(ix, at, tagEnd, limits, out)
			kept := out[:first]
			for _, e := range out[first:] {
				if slots>>(tagOf(e)>>hashBits)&1 != 0 {
					kept = append(kept, e)
				}
			}
			if out = kept; len(out) > 0 {
				return out[:min(n, len(out))]
			}
		}
		pos = 0
	}
	return out
}

// randomTag is a random position in the slots of the mask.
func randomTag(slots uint64) uint32 {
	r := rand.Uint64()
	tag := uint32(r) & (tagEnd - 1)
	if slots != AllSlots {
		slot := uint32(r>>32) % SlotsPerShard
		for slots>>slot&1 == 0 {
			slot = (slot + 1) % SlotsPerShard
		}
		tag = tag&(1<<hashBits-1) | slot<<hashBits
	}
	return tag
}

// drawSegment appends random entries of the segment that holds tag to out,
// until it has n.
func (sh *shard) drawSegment(ix *index, tag uint32, slots uint64, volatile bool, n int, out []entry) []entry {
	w := ix.dir.Load().word(tag)
	cells := sh.cellsOf(w)
	count := int(uint32(cells[0]))
	if volatile {
		count = int(cells[0] >> 32)
	}
	if count == 0 {
		return out
	}
	fits := func(e entry) bool {
		return e != 0 && (!volatile || e&deadlineBit != 0) && slots>>(tagOf(e)>>hashBits)&1 != 0
	}
	if count*8 >= len(cells) {
		// Drawing places until one is taken gives every entry the same chance.
		for tries := 16 * n; tries > 0 && len(out) < n; tries-- {
			if e := cells[1+rand.IntN(len(cells)-1)]; fits(e) {
				out = append(out, e)
			}
		}
		return out
	}
	// Mostly empty: count up to a random one, and take those after it.
	skip := rand.IntN(count)
	for round := range 2 {
		for _, e := range cells[1:] {
			if !fits(e) {
				continue
			}
			if skip > 0 && round == 0 {
				skip--
				continue
			}
			if out = append(out, e); len(out) >= n {
				return out
			}
		}
	}
	return out
}

// Evict removes the key of a candidate, unless it is gone, or was used or
// changed since, so that it is no longer the one to be chosen. keep decides at
// last (nil: nothing is kept); it and evicted are called with the key, whose
// name is valid during the call only, and must not call into the store. A key
// past its deadline is removed as such, and told to the hooks instead. The
// caller holds the lock of the shard.
func (s *Store) Evict(c *Candidate, p EvictPolicy, now int64, lazily bool, keep func(slot uint16) bool, evicted func(db int, k Key)) bool {
	sh := &s.shards[c.shard]
	ix := sh.dbs[c.DB].Load()
	if ix == nil {
		return false
	}
	at, found := sh.findRef(ix, c.tag, c.ref)
	if !found {
		return false
	}
	e := at.cells[at.at]
	if p.Volatile && e&deadlineBit == 0 || keep != nil && keep(sh.slotOf(e)) {
		return false
	}
	it := item{sh: sh, ix: ix, place: at, rec: s.arena.parse(c.ref), found: true, live: true}
	switch {
	case it.rec.hasDeadline() && now > it.rec.deadline():
		sh.expireEntry(int(c.DB), ix, e)
		return true
	case p.By == EvictDeadline && s.score(&it.rec, p, now) < c.Score, it.rec.access() != c.access:
		return false
	}
	evicted(int(c.DB), sh.keyOf(e, &it.rec))
	if lazily {
		sh.detachValue(&it.rec)
	}
	sh.removeItem(&it)
	s.stats.evicted.Add(1)
	return true
}
