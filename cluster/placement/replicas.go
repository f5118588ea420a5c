package placement

import (
	"slices"

	"respkv/cluster/hashslot"
)

// slack is how far above its share of replicas, in percent, a member may be
// before copies are moved off it: a copy costs more than slight unevenness.
const slack = 3

// replicas chooses want copies beside the primary of every slot.
func (p *plan) replicas(want int, rebalance bool) {
	holders := 0
	for _, m := range p.members {
		if !m.Away {
			holders++
		}
	}
	load := p.keep()
	total := 0
	for slot := range p.primary {
		total += p.wanted(slot, want, holders)
	}
	quota := quotas(total, p.replicaWeights(), load)
	for slot := range p.primary {
		for int(p.count[slot]) > p.wanted(slot, want, holders) {
			p.dropWorst(slot, load, quota)
		}
	}
	for slot := range p.primary {
		for int(p.count[slot]) < p.wanted(slot, want, holders) && p.fill(slot, load, quota) {
		}
	}
	if rebalance {
		p.spread(load, quota)
	}
}

// wanted is how many replicas a slot can have: members in good standing
// without the primary, and members away that hold one now.
func (p *plan) wanted(slot, want, holders int) int {
	if p.primary[slot] == none {
		return 0
	}
	possible := holders
	if !p.members[p.primary[slot]].Away {
		possible--
	}
	for _, i := range p.replicasOf(slot) {
		if p.members[i].Away {
			possible++
		}
	}
	return min(want, possible)
}

// replicaWeights are the members' shares of replicas. One without primaries
// takes an average share, one that is away what it has.
func (p *plan) replicaWeights() []int {
	sum, n := 0, 0
	for _, m := range p.members {
		if m.Weight > 0 {
			sum, n = sum+m.Weight, n+1
		}
	}
	average := 1
	if n > 0 {
		average = max(1, sum/n)
	}
	weight := make([]int, len(p.members))
	for i, m := range p.members {
		weight[i] = m.Weight
		if m.Weight == 0 {
			weight[i] = average
		}
	}
	return weight
}

// keep starts from the copies there are: a replica that is to be primary is no
// replica, and a primary that is to be replaced is one, last in line.
func (p *plan) keep() (load []int) {
	load = make([]int, len(p.members))
	for slot := range p.primary {
		n := uint8(0)
		list := &p.copies[slot]
		for _, i := range p.replicasOf(slot) {
			if i != p.primary[slot] {
				list[n] = i
				n++
			}
		}
		if was := p.wasPrimary[slot]; was != none && was != p.primary[slot] && !slices.Contains(list[:n], was) {
			list[n] = was
			n++
		}
		p.count[slot] = n
		for _, i := range list[:n] {
			load[i]++
		}
	}
	return load
}

// conflicts counts the copies of slot in the zone of member i, other than its
// own.
func (p *plan) conflicts(slot int, i int16) int {
	n := 0
	if lead := p.primary[slot]; lead != i && p.zone[lead] == p.zone[i] {
		n++
	}
	for _, j := range p.replicasOf(slot) {
		if j != i && p.zone[j] == p.zone[i] {
			n++
		}
	}
	return n
}

// dropWorst removes the copy that is worth least: sharing a zone with another,
// then on the member that is most above its share, then the last in line.
func (p *plan) dropWorst(slot int, load, quota []int) {
	list := p.replicasOf(slot)
	worst, worstConflicts, worstOver := 0, -1, 0
	for k, i := range list {
		// Only whether a member is above its share counts, not by how much:
		// else two members near theirs would take turns, slot by slot.
		c, over := p.conflicts(slot, i), 0
		if load[i] > tolerated(quota[i]) {
			over = 1
		}
		if c > worstConflicts || c == worstConflicts && over >= worstOver {
			worst, worstConflicts, worstOver = k, c, over
		}
	}
	load[list[worst]]--
	copy(list[worst:], list[worst+1:])
	p.count[slot]--
}

// fill adds one copy: in a zone without one, on a member below its share,
// preferring the member after the primary so that ranges stay whole and
// replicas of different primaries spread.
func (p *plan) fill(slot int, load, quota []int) bool {
	n := len(p.members)
	best, bestConflicts, bestRoom := none, 0, 0
	for step := 1; step < n; step++ {
		i := int16((int(p.primary[slot]) + step) % n)
		if p.members[i].Away || slices.Contains(p.replicasOf(slot), i) {
			continue
		}
		c, room := p.conflicts(slot, i), 0
		if load[i] < tolerated(quota[i]) {
			room = 1
		}
		if best == none || c < bestConflicts || c == bestConflicts && room > bestRoom {
			best, bestConflicts, bestRoom = i, c, room
		}
	}
	if best == none {
		return false
	}
	p.copies[slot][p.count[slot]] = best
	p.count[slot]++
	load[best]++
	return true
}

// spread repairs zones and moves replicas off members far above their share.
func (p *plan) spread(load, quota []int) {
	last := 0 // the latest receiver goes on receiving while it has room: long ranges
	for slot := hashslot.Count - 1; slot >= 0; slot-- {
		for k, from := range p.replicasOf(slot) {
			crowded := p.conflicts(slot, from)
			above := load[from] > tolerated(quota[from])
			if crowded == 0 && !above || p.members[from].Away {
				continue
			}
			to := p.betterHome(slot, k, last, crowded, above, load, quota)
			if to == from {
				continue
			}
			p.copies[slot][k] = to
			load[from]--
			load[to]++
			last = int(to)
		}
	}
}

// betterHome returns where the k-th copy of slot should be: where it is, when
// there is nothing better. Members are tried from first on.
func (p *plan) betterHome(slot, k, first, crowded int, above bool, load, quota []int) int16 {
	from := p.copies[slot][k]
	best, bestConflicts, moved := from, crowded, false
	for step := range p.members {
		i := (first + step) % len(p.members)
		to := int16(i)
		if p.members[i].Away || to == p.primary[slot] || slices.Contains(p.replicasOf(slot), to) {
			continue
		}
		p.copies[slot][k] = to // counted as moved there
		c := p.conflicts(slot, to)
		p.copies[slot][k] = from
		if c < bestConflicts || c == bestConflicts && above && !moved && load[i] < quota[i] {
			best, bestConflicts, moved = to, c, true
		}
	}
	return best
}

// tolerated is the load up to which a member with that quota is left alone.
func tolerated(quota int) int { return quota + max(1, quota*slack/100) }
