package placement

import (
	"respkv/cluster/hashslot"
)

// mayLead reports whether member i may be given primaries.
func (p *plan) mayLead(i int16) bool {
	m := &p.members[i]
	return !m.Away && !m.NoPrimary && m.Weight > 0
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
	assigned := 0
	for slot, i := range p.primary {
		if i == none {
			continue
		}
		assigned++
		m := &p.members[i]
		switch {
		case weight[i] > 0:
			held[i]++
		case m.Away && !m.NoPrimary:
			// Failed without a copy elsewhere: the slots wait for it.
		default:
			p.primary[slot] = none
		}
	}
	if assigned == 0 {
		p.share(weight)
		return
	}
	waiting := 0
	for _, i := range p.primary {
		if i != none && weight[i] == 0 {
			waiting++
		}
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
	cum, slot := 0, 0
	for i, w := range weight {
		cum += w
		end := (2*hashslot.Count*cum + sum) / (2 * sum) // rounded to nearest
		for ; slot < end; slot++ {
			p.primary[slot] = int16(i)
		}
	}
}

// adopt gives slots without a primary to a member: one that has a copy in
// sync, one that has a copy, the one furthest below its quota.
func (p *plan) adopt(quota, held, weight []int) {
	last := none
	for slot := range p.primary {
		if p.primary[slot] != none {
			continue
		}
		best, bestRank := none, 0
		for _, i := range p.replicasOf(slot) {
			if weight[i] == 0 {
				continue
			}
			rank := 1
			if p.isSynced(slot, i) {
				rank = 2
			}
			if rank > bestRank || rank == bestRank && held[i]*weight[best] < held[best]*weight[i] {
				best, bestRank = i, rank
			}
		}
		if best == none {
			// Stay with the receiver of the slot before while it has room:
			// long ranges.
			if last != none && held[last] < quota[last] {
				best = last
			} else {
				for i := range p.members {
					if weight[i] > 0 && (best == none || quota[i]-held[i] > quota[best]-held[best]) {
						best = int16(i)
					}
				}
			}
			last = best
		}
		p.primary[slot] = best
		held[best]++
	}
}

// level moves slots from members above their quota to members below: first
// those of which the receiver has a copy (a move begun earlier, or one that
// costs nothing), then whole ends of ranges.
func (p *plan) level(quota, held, weight []int) {
	move := func(slot int, to int16) {
		held[p.primary[slot]]--
		held[to]++
		p.primary[slot] = to
	}
	for _, needSync := range []bool{true, false} {
		for slot, from := range p.primary {
			if from == none || weight[from] == 0 || held[from] <= quota[from] {
				continue
			}
			for _, to := range p.replicasOf(slot) {
				if weight[to] > 0 && held[to] < quota[to] && (!needSync || p.isSynced(slot, to)) {
					move(slot, to)
					break
				}
			}
		}
	}
	to := 0
	for slot := hashslot.Count - 1; slot >= 0; slot-- {
		from := p.primary[slot]
		if from == none || weight[from] == 0 || held[from] <= quota[from] {
			continue
		}
		for to < len(held) && (weight[to] == 0 || held[to] >= quota[to]) {
			to++
		}
		if to == len(held) {
			return
		}
		move(slot, int16(to))
	}
}
