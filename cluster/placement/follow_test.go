package placement

import (
	"slices"
	"testing"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// byHand is a cluster of four nodes, of which the first two were given half of the
// slots each.
func byHand(t *testing.T) *slotmap.Map {
	m := apply(t, slotmap.New(), &slotmap.Form{ClusterID: string(id(99)), Replicas: 1, ByHand: true})
	for n := range 4 {
		m = apply(t, m, &slotmap.Register{Node: slotmap.Node{ID: id(n), Host: "h", ClientPort: 1, ClusterPort: 1, Weight: 100, Boot: 1}})
	}
	return apply(t, m, &slotmap.Assign{List: []slotmap.Assigned{
		{Slots: slotmap.Ranges{{First: 0, Last: 8191}}, To: id(0)}, {Slots: slotmap.Ranges{{First: 8192, Last: 16383}}, To: id(1)}}})
}

func require(t *testing.T, targets []Target, want ...Target) {
	t.Helper()
	if !slices.EqualFunc(targets, want, func(a, b Target) bool {
		return a.Range == b.Range && a.Primary == b.Primary && slices.Equal(a.Replicas, b.Replicas)
	}) {
		t.Fatalf("got %v\nwant %v", targets, want)
	}
}

func target(first, last uint16, primary int, replicas ...int) Target {
	out := Target{Range: slotmap.Range{First: first, Last: last}, Primary: id(primary)}
	for _, r := range replicas {
		out.Replicas = append(out.Replicas, id(r))
	}
	return out
}

func TestByHand(t *testing.T) {
	mem := members(4)
	// Who was given nothing gets nothing: copies lie on the others.
	require(t, Plan(mem, byHand(t), 1, false), target(0, 8191, 0, 1), target(8192, 16383, 1, 0))
	// Slots that nobody was given stay so.
	idle := apply(t, slotmap.New(), &slotmap.Form{ClusterID: string(id(99)), Replicas: 1, ByHand: true})
	require(t, Plan(mem, idle, 1, false), Target{Range: slotmap.All()})

	// A replica by name has what its primary has, and nothing else, though more are
	// wanted, or fewer.
	mem[2].Follows, mem[3].Follows = id(0), id(0)
	require(t, Plan(mem, byHand(t), 1, false), target(0, 8191, 0, 2, 3), target(8192, 16383, 1, 0))
	require(t, Plan(mem, byHand(t), 0, false), target(0, 8191, 0, 2, 3), Target{Range: slotmap.Range{First: 8192, Last: 16383}, Primary: id(1)})
	mem[3].Follows = id(1)
	m := settle(t, byHand(t), mem, 1, hashslot.Count)
	require(t, Plan(mem, m, 1, false), target(0, 8191, 0, 2), target(8192, 16383, 1, 3))

	// A primary that stops is followed by its replica, not by another one.
	stopping := slices.Clone(mem)
	stopping[0].Away, stopping[0].NoPrimary, stopping[2].Takes = true, true, true
	in := apply(t, m, &slotmap.InSync{Node: id(2), Boot: 1, Add: slotmap.Ranges{slotmap.All()}})
	require(t, Plan(stopping, in, 1, false), target(0, 8191, 2, 0), target(8192, 16383, 1, 3))
	// While that one is away as well, the slots wait.
	stopping[2].Away = true
	require(t, Plan(stopping, m, 1, false), target(0, 8191, 0, 2), target(8192, 16383, 1, 3))
}

// TestFollowWhereSlotsAreShared: where placement shares out the slots, a replica
// by name gives its own to the others.
func TestFollowWhereSlotsAreShared(t *testing.T) {
	mem := members(3)
	m := settle(t, empty(t, 3), mem, 1, hashslot.Count)
	mem[2].Follows = id(0)
	m = settle(t, m, mem, 1, hashslot.Count)
	if n := m.PrimaryOf(id(2)).Len(); n > 0 {
		t.Errorf("it still has %d slots", n)
	}
	if own, copies := m.PrimaryOf(id(0)), m.ReplicaOf(id(2)); !slices.Equal(own, copies) {
		t.Errorf("it has copies of %v, its primary has %v", copies, own)
	}
}
