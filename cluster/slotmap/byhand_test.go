package slotmap

import "testing"

// TestFollow: who takes all that its primary had changes places with it, the other
// replicas go along, in failovers and handoffs; one that is forgotten has none.
// TestFree takes slots from their primary, in a cluster made by hand.
func TestFree(t *testing.T) {
	m := build(t, New(), &Form{ClusterID: string(id(9)), Replicas: 1, ByHand: true},
		&Register{Node: testNode(1, 1)}, &Register{Node: testNode(2, 1)},
		&Assign{List: []Assigned{{Slots: Ranges{All()}, To: id(1), Replicas: []NodeID{id(2)}}}},
		&InSync{Node: id(2), Boot: 1, Add: Ranges{All()}},
		&BeginMove{Slots: Ranges{{5, 9}}, From: id(1), To: id(2)})
	stale(t, m, &Free{Node: id(2), Boot: 1, Slots: Ranges{{0, 9}}})
	stale(t, m, &Free{Node: id(1), Boot: 2, Slots: Ranges{{0, 9}}})
	m = build(t, m, &Free{Node: id(1), Boot: 1, Slots: Ranges{{0, 9}}})
	if a := m.Slot(5); a.Primary != "" || len(a.Replicas) > 0 || a.Move != nil {
		t.Fatalf("a slot that was given up: %+v", a)
	}
	if n := m.Node(id(1)); n.Fence != m.Version() || m.PrimaryOf(id(1)).Len() != All().Len()-10 {
		t.Fatalf("its node: %+v, primary of %v", n, m.PrimaryOf(id(1)))
	}
	m = build(t, m, &Assign{List: []Assigned{{Slots: Ranges{{0, 9}}, To: id(2)}}})
	if m.Slot(5).Primary != id(2) || m.LostSlots() != 0 {
		t.Fatalf("%+v, %d slots lost", m.Slot(5), m.LostSlots())
	}
}

func TestFollow(t *testing.T) {
	all := Ranges{All()}
	m := build(t, New(), &Form{ClusterID: string(id(99)), Replicas: 1, ByHand: true})
	for n := range 4 {
		m = build(t, m, &Register{Node: testNode(n+1, 1)})
	}
	m = build(t, m, &Assign{List: []Assigned{{Slots: all, To: id(1)}}},
		&Follow{Node: id(2), Primary: id(1)}, &Follow{Node: id(3), Primary: id(1)},
		&Place{List: []Placement{{Slots: all, Add: []NodeID{id(2), id(3)}}}},
		&InSync{Node: id(2), Boot: 1, Add: all}, &InSync{Node: id(3), Boot: 1, Add: all})
	stale(t, m, &Follow{Node: id(4), Primary: id(2)}) // a replica
	stale(t, m, &Follow{Node: id(4), Primary: id(4)})
	stale(t, m, &Follow{Node: id(4), Primary: id(9)})
	stale(t, m, &Follow{Node: id(2), Primary: id(1)}) // as it is
	require := func(m *Map, want ...int) {
		t.Helper()
		for i, w := range want {
			follows := NodeID("")
			if w > 0 {
				follows = id(w)
			}
			if n := m.Node(id(i + 1)); n.Follows != follows {
				t.Errorf("node %d follows %q, want %q", i+1, n.Follows.Short(), follows.Short())
			}
		}
	}
	require(m, 0, 1, 1, 0)

	// A part of the slots changes nothing yet.
	m = build(t, m, &BeginMove{Slots: Ranges{{0, 99}}, From: id(1), To: id(2)})
	m = build(t, m, &CommitMove{Token: m.Slot(0).Move.Token})
	require(m, 0, 1, 1, 0)
	m = build(t, m, &BeginMove{Slots: all, From: id(1), To: id(2)})
	m = build(t, m, &CommitMove{Token: m.Slot(100).Move.Token})
	require(m, 2, 0, 2, 0)

	// A failover that two replicas share: the one that got more leads.
	failed := build(t, m, &Promote{From: id(2), Boot: 1, Fail: true, List: []Promotion{
		{Slots: Ranges{{0, 9}}, To: id(1)}, {Slots: Ranges{{10, 16383}}, To: id(3)}}})
	require(failed, 3, 3, 0, 0)
	again := build(t, failed, &Register{Node: testNode(2, 2), PrevBoot: 1})
	require(again, 3, 3, 0, 0)

	// Its replicas go with a primary that becomes one; forgotten, it has none.
	m = build(t, m, &Assign{From: id(2), List: []Assigned{{Slots: all, To: id(4)}}})
	require(m, 2, 0, 2, 0)
	m = build(t, m, &Follow{Node: id(2), Primary: id(4)})
	require(m, 4, 4, 4, 0)
	require(build(t, m, &Assign{From: id(4), List: []Assigned{{Slots: all, To: id(1)}}}, &Forget{Node: id(4), Boot: 1}), 0, 0, 0)
}
