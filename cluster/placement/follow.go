package placement

import "slices"

// elsewhere reports whether member i follows another primary than that of r.
func (p *plan) elsewhere(r *run, i int16) bool {
	return p.follows[i] != none && p.follows[i] != r.primary
}

// takes reports whether member i, which follows another, may have that one's
// primaries, and keeps those it has.
func (p *plan) takes(i int16) bool {
	m := &p.members[i]
	return m.Takes && p.follows[i] != none && !m.Away && !m.NoPrimary
}

// followed reports whether any member follows member i.
func (p *plan) followed(i int16) bool { return i != none && slices.Contains(p.follows, i) }

// followers is how many members are to have a copy of r since they follow its
// primary: those in good standing, and those that have one.
func (p *plan) followers(r *run) int {
	n := 0
	for i, to := range p.follows {
		if to == r.primary && r.primary != none && (!p.members[i].Away || slices.Contains(r.replicas(), int16(i))) {
			n++
		}
	}
	return min(n, maxCopies)
}

// addFollowers puts the members that follow r's primary behind its first n
// copies, and returns how many copies there are then.
func (p *plan) addFollowers(r *run, n int) int {
	for i, to := range p.follows {
		if to == r.primary && r.primary != none && !p.members[i].Away && n < maxCopies && !slices.Contains(r.copies[:n], int16(i)) {
			r.copies[n] = int16(i)
			n++
		}
	}
	return n
}

// findUnused notes the members of a cluster made by hand that operators have
// given nothing to do. Primaries have been chosen.
func (p *plan) findUnused() {
	p.unused = make([]bool, len(p.members))
	for i, to := range p.follows {
		p.unused[i] = p.byHand && to == none
	}
	for i := range p.runs {
		if primary := p.runs[i].primary; primary != none {
			p.unused[primary] = false
		}
	}
}
