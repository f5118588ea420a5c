package placement

import (
	"respkv/cluster/hashslot"
)

// mayLead reports whether member i may be given primaries.
func (p *plan) mayLead(i int16) bool {
	m := &p.members[i]
	return !m.Away && !m.NoPrimary && m.Weight > 0 && p.follows[i] == none
}

// primaries chooses the primary of every slot.
func (p *plan) primaries(rebalance bool) {
	weight := make([]int, len(p.members))
	leaders := 0
	for i := range p.members {
		if p.mayLead(int16(i)) {
			weight[i] = p.members[i].Weight
			leaders++
		}
	}
	if leaders == 0 {
		// Only nodes with weight 0 are left: better they than nobody.
		for i, m := range p.members {
			if !m.Away && !m.NoPrimary {
				weight[i] = 1
				leaders++
			}
		}
		if leaders == 0 {
			return
		}
	}
	held := make([]int, len(p.members))
	assigned, waiting := 0, 0
	for i := range p.runs {
		r := &p.runs[i]
		if r.primary == none {
			continue
		}
		assigned += r.len()
		m := &p.members[r.primary]
		switch {
		case weight[r.primary] > 0:
			held[r.primary] += r.len()
		case p.takes(r.primary):
			waiting += r.len()
		case m.Away && !m.NoPrimary:
			// Failed without a copy elsewhere: the slots wait for it.
			waiting += r.len()
		default:
			r.primary = none
		}
	}
	if assigned == 0 {
		if !p.byHand {
			p.share(weight)
		}
		return
	}
	quota := quotas(hashslot.Count-waiting, weight, held)
	p.adopt(quota, held, weight)
	if rebalance {
		p.level(quota, held, weight)
	}
}

// share is the first formation: contiguous ranges in the order of the members,
// with the boundaries that redis-cli --cluster create computes.
func (p *plan) share(weight []int) {
	sum := 0
	for _, w := range weight {
		sum += w
	}
	cum, i := weight[0], 0
	p.ascending(func(r *run) int {
		for {
			end := (2*hashslot.Count*cum + sum) / (2 * sum) // rounded to nearest
			if end > r.first {
				r.primary = int16(i)
				return end - r.first
			}
			i++
			cum += weight[i]
		}
	})
}

// adopt gives slots without a primary to a member: one that has a copy in
// sync, one that has a copy, the one furthest below its quota.
func (p *plan) adopt(quota, held, weight []int) {
	room := func(i int16) int { return quota[i] - held[i] }
	last := none
	p.ascending(func(r *run) int {
		if r.primary != none || r.idle {
			return 0
		}
		best, bestRank := none, 0
		for _, i := range r.replicas() {
			if weight[i] == 0 && !p.takes(i) {
				continue
			}
			rank := 1
			if r.synced[i] {
				rank = 2
			}
			if p.takes(i) {
				rank += 2
			}
			if rank > bestRank || rank == bestRank && room(i) > room(best) {
				best, bestRank = i, rank
			}
		}
		if best == none && p.followed(r.wasPrimary) {
			r.primary = r.wasPrimary // its own replicas are away: it is back when they are
			return 0
		}
		if best == none {
			// Stay with the receiver of the slots before while it has room:
			// long ranges.
			if last != none && room(last) > 0 {
				best = last
			} else {
				for i := range p.members {
					if weight[i] > 0 && (best == none || room(int16(i)) > room(best)) {
						best = int16(i)
					}
				}
			}
			last = best
		}
		n := r.len()
		if room(best) > 0 {
			n = min(n, room(best)) // then look again
		}
		r.primary = best
		held[best] += n
		return n
	})
}

// level moves slots from members above their quota to members below: first
// those of which the receiver has a copy (a move begun earlier, or one that
// costs nothing), then whole ends of ranges.
func (p *plan) level(quota, held, weight []int) {
	move := func(r *run, to int16) int {
		from := r.primary
		n := min(r.len(), held[from]-quota[from], quota[to]-held[to])
		held[from] -= n
		held[to] += n
		r.primary = to
		return n
	}
	above := func(r *run) bool {
		return r.primary != none && weight[r.primary] > 0 && held[r.primary] > quota[r.primary]
	}
	for _, needSync := range []bool{true, false} {
		p.ascending(func(r *run) int {
			if !above(r) {
				return 0
			}
			for _, to := range r.replicas() {
				if weight[to] > 0 && held[to] < quota[to] && (!needSync || r.synced[to]) {
					return move(r, to)
				}
			}
			return 0
		})
	}
	to := 0
	p.descending(func(r *run) int {
		if !above(r) {
			return 0
		}
		for to < len(held) && (weight[to] == 0 || held[to] >= quota[to]) {
			to++
		}
		if to == len(held) {
			return 0
		}
		return move(r, int16(to))
	})
}
