package resp

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"respkv/cluster/slotmap"
)

// Every primary is named as primary before it is named as replica, and but for
// single slots every entry has the holders that it had.
func TestSlotsOrderForRoles(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewSource(seed))
	for range 300 {
		members, replicas := 1+rng.Intn(8), rng.Intn(4)
		var groups []slotGroup
		holders := make(map[uint16][]slotmap.NodeID)
		for slot := 0; slot < 200; {
			last := min(slot+rng.Intn(40), 199)
			var nodes []slotmap.NodeID
			for _, n := range rng.Perm(members)[:min(1+replicas, members)] {
				nodes = append(nodes, slotmap.NodeID(fmt.Sprint(n)))
			}
			if rng.Intn(8) > 0 { // else a hole
				groups = append(groups, slotGroup{ranges: slotmap.Ranges{{First: uint16(slot), Last: uint16(last)}}, nodes: nodes})
				for s := slot; s <= last; s++ {
					holders[uint16(s)] = nodes
				}
			}
			slot = last + 1
		}
		before := fmt.Sprint(groups)
		ordered := orderForRoles(groups)
		if fmt.Sprint(groups) != before {
			t.Fatalf("%s became %v", before, groups)
		}
		role, primaries := make(map[slotmap.NodeID]string), make(map[slotmap.NodeID]bool)
		slots, lies := 0, 0
		for _, g := range ordered {
			r := g.ranges[0]
			for s := int(r.First); s <= int(r.Last); s++ {
				slots++
				want := holders[uint16(s)]
				if slices.Equal(g.nodes, want) {
					continue
				}
				if lies++; r.First != r.Last || len(g.nodes) != len(want) || g.nodes[0] != want[0] {
					t.Fatalf("%v: slot %d has %v, want %v", ordered, s, g.nodes, want)
				}
			}
			primaries[g.nodes[0]] = true
			for i, id := range g.nodes {
				if role[id] == "" {
					role[id] = map[bool]string{true: "primary", false: "replica"}[i == 0]
				}
			}
		}
		if slots != len(holders) || lies >= max(members, 1) {
			t.Fatalf("%v: %d slots, want %d, %d without their replicas", ordered, slots, len(holders), lies)
		}
		for id := range primaries {
			if role[id] != "primary" {
				t.Fatalf("%v: %s is first named as a %s", ordered, id, role[id])
			}
		}
	}
}

// Nothing changes where nodes have one role, as in Redis.
func TestSlotsOrderOfOneRole(t *testing.T) {
	group := func(first, last uint16, nodes ...slotmap.NodeID) slotGroup {
		return slotGroup{ranges: slotmap.Ranges{{First: first, Last: last}}, nodes: nodes}
	}
	groups := []slotGroup{group(0, 9, "a", "x"), group(10, 19, "a", "y"), group(20, 29, "b", "x"), group(30, 39, "a", "x")}
	if ordered := orderForRoles(groups); fmt.Sprint(ordered) != fmt.Sprint(groups) {
		t.Errorf("%v became %v", groups, ordered)
	}
}
