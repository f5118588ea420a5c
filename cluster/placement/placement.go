// Package placement decides where the copies of slots belong. It is a pure
// function of the members, the current map and the replication factor: the
// same on every node, and when asked again after a part of its plan has been
// carried out, it asks for the rest.
package placement

import (
	"slices"

	"respkv/cluster/hashslot"
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
func Plan(members []Member, m *slotmap.Map, replicas int, rebalance bool) []Target {
	p := newPlan(members, m)
	p.primaries(rebalance)
	p.replicas(min(replicas, maxCopies), rebalance)
	return p.targets()
}

const none = int16(-1)

type plan struct {
	members []Member
	zone    []int
	// current state, by slot; primary none when it is no member
	wasPrimary []int16
	primary    []int16
	copies     [][maxCopies + 2]int16 // replicas wanted, first count[slot] used
	count      []uint8
	synced     [][]bool // member, by span of the map: in sync
	spanOf     []uint16
}

func newPlan(members []Member, m *slotmap.Map) *plan {
	p := &plan{
		members:    members,
		zone:       make([]int, len(members)),
		wasPrimary: make([]int16, hashslot.Count),
		primary:    make([]int16, hashslot.Count),
		copies:     make([][maxCopies + 2]int16, hashslot.Count),
		count:      make([]uint8, hashslot.Count),
		spanOf:     make([]uint16, hashslot.Count),
	}
	zones := map[string]int{}
	index := map[slotmap.NodeID]int16{}
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
	for k, s := range m.Spans() {
		synced := make([]bool, len(members))
		primary := none
		if i, ok := index[s.Primary]; ok {
			primary = i
		}
		var held [maxCopies + 2]int16
		n := uint8(0)
		for _, id := range s.Replicas {
			if i, ok := index[id]; ok && n < maxCopies+1 {
				held[n] = i
				n++
				synced[i] = s.IsInSync(id)
			}
		}
		p.synced = append(p.synced, synced)
		for slot := int(s.First); slot <= int(s.Last); slot++ {
			p.wasPrimary[slot], p.copies[slot], p.count[slot] = primary, held, n
			p.spanOf[slot] = uint16(k)
		}
	}
	copy(p.primary, p.wasPrimary)
	return p
}

func (p *plan) replicasOf(slot int) []int16 { return p.copies[slot][:p.count[slot]] }

func (p *plan) isSynced(slot int, i int16) bool { return p.synced[p.spanOf[slot]][i] }

func (p *plan) targets() []Target {
	var out []Target
	ids := func(list []int16) []slotmap.NodeID {
		var names []slotmap.NodeID
		for _, i := range list {
			names = append(names, p.members[i].ID)
		}
		return names
	}
	for slot := 0; slot < hashslot.Count; slot++ {
		if slot > 0 && p.primary[slot] == p.primary[slot-1] && slices.Equal(p.replicasOf(slot), p.replicasOf(slot-1)) {
			out[len(out)-1].Last = uint16(slot)
			continue
		}
		t := Target{Range: slotmap.Range{First: uint16(slot), Last: uint16(slot)}, Replicas: ids(p.replicasOf(slot))}
		if i := p.primary[slot]; i != none {
			t.Primary = p.members[i].ID
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
