package placement

import "slices"

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
	p.findUnused()
	total := 0
	for i := range p.runs {
		r := &p.runs[i]
		total += r.len() * p.wanted(r, want, holders)
	}
	quota := quotas(total, p.replicaWeights(), load)
	p.ascending(func(r *run) int {
		n := r.len()
		var changed [maxCopies + 2]int16
		k := 0
		for ; r.count > p.wanted(r, want, holders); k++ {
			changed[k], n = p.dropWorst(r, n, load, quota)
		}
		for _, i := range changed[:k] {
			load[i] -= n
		}
		return n
	})
	p.ascending(func(r *run) int {
		n, before := r.len(), r.count
		for r.count < p.wanted(r, want, holders) {
			k := p.fill(r, n, load, quota)
			if k == 0 {
				break
			}
			n = k
		}
		for _, i := range r.copies[before:r.count] {
			load[i] += n
		}
		return n
	})
	if rebalance {
		p.spread(load, quota)
	}
}

// wanted is how many replicas the slots of r can have: members in good standing
// without the primary, and members away that hold one now.
func (p *plan) wanted(r *run, want, holders int) int {
	if r.primary == none {
		return 0
	}
	possible := holders
	if !p.members[r.primary].Away {
		possible--
	}
	for _, i := range r.replicas() {
		if p.members[i].Away {
			possible++
		}
	}
	return max(min(want, possible), p.followers(r))
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
	for k := range p.runs {
		r := &p.runs[k]
		n := 0
		for _, i := range r.replicas() {
			if i != r.primary && !p.elsewhere(r, i) {
				r.copies[n] = i
				n++
			}
		}
		if was := r.wasPrimary; was != none && was != r.primary && !p.elsewhere(r, was) && !slices.Contains(r.copies[:n], was) {
			r.copies[n] = was
			n++
		}
		n = p.addFollowers(r, n)
		r.count = n
		for _, i := range r.replicas() {
			load[i] += r.len()
		}
	}
	return load
}

// conflicts counts the copies of r's slots in the zone of member i, other than
// its own.
func (p *plan) conflicts(r *run, i int16) int {
	n := 0
	if r.primary != i && p.zone[r.primary] == p.zone[i] {
		n++
	}
	for _, j := range r.replicas() {
		if j != i && p.zone[j] == p.zone[i] {
			n++
		}
	}
	return n
}

// dropWorst removes the copy that is worth least from up to n slots of r:
// sharing a zone with another, then on a member that is above its share, then
// the last in line. It returns whose copy that is, and for how many slots that
// holds.
func (p *plan) dropWorst(r *run, n int, load, quota []int) (int16, int) {
	worst, worstConflicts, worstOver := 0, -1, 0
	for k, i := range r.replicas() {
		if p.follows[i] == r.primary && p.followers(r) < r.count {
			continue
		}
		// Only whether a member is above its share counts, not by how much:
		// else two members near theirs would take turns, slot by slot.
		c, over := p.conflicts(r, i), 0
		if load[i] > tolerated(quota[i]) {
			over = 1
		}
		if c > worstConflicts || c == worstConflicts && over >= worstOver {
			worst, worstConflicts, worstOver = k, c, over
		}
	}
	i := r.copies[worst]
	if worstOver == 1 {
		n = min(n, load[i]-tolerated(quota[i]))
	}
	copy(r.copies[worst:r.count], r.copies[worst+1:r.count])
	r.count--
	return i, n
}

// fill adds one copy to up to n slots of r: in a zone without one, on a member
// below its share, preferring the member after the primary so that ranges stay
// whole and replicas of different primaries spread. It returns to how many
// slots; 0: nobody can hold one.
func (p *plan) fill(r *run, n int, load, quota []int) int {
	best, bestConflicts, bestRoom := none, 0, 0
	for step := 1; step < len(p.members); step++ {
		i := int16((int(r.primary) + step) % len(p.members))
		if p.members[i].Away || slices.Contains(r.replicas(), i) || p.elsewhere(r, i) || p.unused[i] {
			continue
		}
		c, room := p.conflicts(r, i), 0
		if load[i] < tolerated(quota[i]) {
			room = 1
		}
		if best == none || c < bestConflicts || c == bestConflicts && room > bestRoom {
			best, bestConflicts, bestRoom = i, c, room
		}
	}
	if best == none {
		return 0
	}
	if bestRoom == 1 {
		n = min(n, tolerated(quota[best])-load[best])
	}
	r.copies[r.count] = best
	r.count++
	return n
}

// spread repairs zones and moves replicas off members far above their share.
func (p *plan) spread(load, quota []int) {
	last := 0 // the latest receiver goes on receiving while it has room: long ranges
	p.descending(func(r *run) int {
		before, n := r.copies, r.len()
		for k, from := range before[:r.count] {
			crowded := p.conflicts(r, from)
			above := load[from] > tolerated(quota[from])
			if crowded == 0 && !above || p.members[from].Away || p.follows[from] == r.primary {
				continue
			}
			to, better := p.betterHome(r, k, last, crowded, above, load, quota)
			if to == from {
				continue
			}
			if !better {
				n = min(n, load[from]-tolerated(quota[from]), quota[to]-load[to])
			}
			r.copies[k] = to
			last = int(to)
		}
		for k, from := range before[:r.count] {
			load[from] -= n
			load[r.copies[k]] += n
		}
		return n
	})
}

// betterHome returns where the k-th copy of r should be: where it is, when
// there is nothing better; better says that it is so for the sake of zones.
// Members are tried from first on.
func (p *plan) betterHome(r *run, k, first, crowded int, above bool, load, quota []int) (best int16, better bool) {
	from := r.copies[k]
	best, bestConflicts := from, crowded
	for step := range p.members {
		i := (first + step) % len(p.members)
		to := int16(i)
		if p.members[i].Away || to == r.primary || slices.Contains(r.replicas(), to) || p.elsewhere(r, to) {
			continue
		}
		r.copies[k] = to // counted as moved there
		c := p.conflicts(r, to)
		r.copies[k] = from
		switch {
		case c < bestConflicts:
			best, bestConflicts, better = to, c, true
		case c == bestConflicts && above && best == from && load[i] < quota[i]:
			best = to
		}
	}
	return best, better
}

// tolerated is the load up to which a member with that quota is left alone.
func tolerated(quota int) int { return quota + max(1, quota*slack/100) }
