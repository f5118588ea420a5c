// Package placement decides where the copies of slots belong. It is a pure
// function of the members, the current map and the replication factor: the
// same on every node, and when asked again after a part of its plan has been
// carried out, it asks for the rest.
package placement

import (
	"slices"

	"respkv/cluster/slotmap"
)

// maxCopies bounds the replicas of one slot in a plan.
const maxCopies = 6

// Member is a node that may hold copies. Nodes of the map that are not among
// the members are to be emptied.
type Member struct {
	ID     slotmap.NodeID
	Zone   string // failure domain; empty: its own
	Weight int    // share of primaries; 0: replicas only
	// Away says that the node is expected back: it keeps its replicas, and is
	// given nothing.
	Away bool
	// NoPrimary says that primaries are to be handed to others, replicas stay.
	NoPrimary bool
	// Follows is the member whose slots this one is to replicate, and nothing
	// else; empty: whatever fits.
	Follows slotmap.NodeID
	// Takes says that it is taking over from the one it follows, which stops, or
	// since an operator wants it.
	Takes bool
}

// Target is what a plan wants for a range of slots.
type Target struct {
	slotmap.Range
	Primary  slotmap.NodeID // empty: nobody can be primary
	Replicas []slotmap.NodeID
}

// Plan returns targets for all slots, in order, neighbours differing. Members
// are given in the order in which the first formation shares out the slots.
// Without rebalance, a primary that is a member in good standing keeps its
// slots, however uneven that is: while a node is expected back, moving slots
// to others would only have to be undone.
//
// In a cluster made by hand, slots without a primary are left alone, and nodes
// that nobody has given anything get nothing.
func Plan(members []Member, m *slotmap.Map, replicas int, rebalance bool) []Target {
	p := newPlan(members, m)
	p.primaries(rebalance)
	p.replicas(min(replicas, maxCopies), rebalance)
	return p.targets()
}

const none = int16(-1)

// plan is worked out on runs, not on slots: a map has few spans, and whatever
// is decided for one slot of a run holds for its neighbours until somebody's
// quota is reached. There the run is split.
type plan struct {
	members []Member
	follows []int16 // by member: whom it follows; none: nobody here
	zone    []int
	runs    []run
	byHand  bool
	unused  []bool // by member: it gets nothing
}

// run is a range of slots with one state.
type run struct {
	first, last int
	idle        bool  // nobody has been given it
	wasPrimary  int16 // none when it is no member
	primary     int16
	count       int // of copies
	copies      [maxCopies + 2]int16
	synced      []bool // by member: in sync; shared, not changed
}

func (r *run) len() int { return r.last - r.first + 1 }

func (r *run) replicas() []int16 { return r.copies[:r.count] }

func newPlan(members []Member, m *slotmap.Map) *plan {
	p := &plan{members: members, zone: make([]int, len(members)), byHand: m.ByHand()}
	zones := map[string]int{}
	index := make(map[slotmap.NodeID]int16, len(members))
	for i, mem := range members {
		index[mem.ID] = int16(i)
		name := "zone " + mem.Zone
		if mem.Zone == "" {
			name = "node " + string(mem.ID)
		}
		if _, ok := zones[name]; !ok {
			zones[name] = len(zones)
		}
		p.zone[i] = zones[name]
	}
	for _, mem := range members {
		to, ok := index[mem.Follows]
		if !ok {
			to = none
		}
		p.follows = append(p.follows, to)
	}
	p.runs = make([]run, 0, len(m.Spans())+len(members))
	for _, s := range m.Spans() {
		r := run{first: int(s.First), last: int(s.Last), wasPrimary: none, synced: make([]bool, len(members)),
			idle: p.byHand && s.Primary == ""}
		if i, ok := index[s.Primary]; ok {
			r.wasPrimary = i
		}
		r.primary = r.wasPrimary
		for _, id := range s.Replicas {
			if i, ok := index[id]; ok && r.count < maxCopies+1 {
				r.copies[r.count] = i
				r.count++
				r.synced[i] = s.IsInSync(id)
			}
		}
		p.runs = append(p.runs, r)
	}
	return p
}

// ascending calls decide for the runs in slot order. decide changes the run it
// is given, for its first n slots (0: for all of them); the others come next.
func (p *plan) ascending(decide func(r *run) (n int)) {
	for i := 0; i < len(p.runs); i++ {
		before := p.runs[i]
		if n := decide(&p.runs[i]); n > 0 && n < before.len() {
			p.runs[i].last = before.first + n - 1
			before.first += n
			p.runs = slices.Insert(p.runs, i+1, before)
		}
	}
}

// descending is the same from the highest slot down: decide changes the last n
// slots of its run.
func (p *plan) descending(decide func(r *run) (n int)) {
	for i := len(p.runs) - 1; i >= 0; i-- {
		before := p.runs[i]
		if n := decide(&p.runs[i]); n > 0 && n < before.len() {
			p.runs[i].first = before.last - n + 1
			before.last -= n
			p.runs = slices.Insert(p.runs, i, before)
			i++
		}
	}
}

func (p *plan) targets() []Target {
	var out []Target
	for i := range p.runs {
		r := &p.runs[i]
		if i > 0 && r.primary == p.runs[i-1].primary && slices.Equal(r.replicas(), p.runs[i-1].replicas()) {
			out[len(out)-1].Last = uint16(r.last)
			continue
		}
		t := Target{Range: slotmap.Range{First: uint16(r.first), Last: uint16(r.last)}}
		if r.primary != none {
			t.Primary = p.members[r.primary].ID
		}
		for _, k := range r.replicas() {
			t.Replicas = append(t.Replicas, p.members[k].ID)
		}
		out = append(out, t)
	}
	return out
}

// quotas shares total over the members by weight; the rounding rest goes to
// those that hold most already, so that an even state asks for no change.
func quotas(total int, weight, held []int) []int {
	sum := 0
	for _, w := range weight {
		sum += w
	}
	q := make([]int, len(weight))
	if sum == 0 {
		return q
	}
	rest := total
	var order []int
	for i, w := range weight {
		q[i] = total * w / sum
		rest -= q[i]
		if w > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return (held[b] - q[b]) - (held[a] - q[a]) })
	for k := 0; k < rest; k++ {
		q[order[k%len(order)]]++
	}
	return q
}
