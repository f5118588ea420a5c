package resp

import (
	"slices"

	"respkv/cluster/slotmap"
)

// orderForRoles puts the entries of CLUSTER SLOTS into an order that client libraries
// understand.
//
// redis-py and node-redis keep one role for each node, the one it has where they first
// read of it, and send what concerns all primaries (FLUSHALL, SCAN, DBSIZE, KEYS) to those
// whose role is primary. A node that is first named as someone's replica would be passed
// over, with all its keys. So each primary comes as primary first, and as replica of
// other slots afterwards.
//
// Where everyone is a replica of someone else, that takes one lie: an entry of one slot comes
// first that names the primary in the place of its replicas too. They are not left out, since
// whoever waits for all slots to have replicas counts them. The rest is in ascending order.
func orderForRoles(groups []slotGroup) []slotGroup {
	primary := make(map[slotmap.NodeID]bool) // true once it is in first
	for i := range groups {
		primary[groups[i].nodes[0]] = false
	}
	// hidden is a node that is not to be named as a replica yet.
	hidden := func(id slotmap.NodeID) bool {
		seen, is := primary[id]
		return is && !seen
	}
	plain := true
	for i := range groups {
		nodes := groups[i].nodes
		primary[nodes[0]] = true
		plain = plain && !slices.ContainsFunc(nodes[1:], hidden)
	}
	if plain {
		return groups
	}
	for id := range primary {
		primary[id] = false
	}

	var first []slotGroup
	rest := slices.Clone(groups)
	take := func(i int, g slotGroup) {
		primary[g.nodes[0]] = true
		first = append(first, g)
		if r := rest[i].ranges[0]; r.Last > g.ranges[0].Last {
			rest[i].ranges = slotmap.Ranges{{First: g.ranges[0].Last + 1, Last: r.Last}}
			return
		}
		rest = slices.Delete(rest, i, i+1)
	}
	for len(first) < len(primary) {
		i := slices.IndexFunc(rest, func(g slotGroup) bool {
			return hidden(g.nodes[0]) && !slices.ContainsFunc(g.nodes[1:], hidden)
		})
		if i >= 0 {
			take(i, rest[i])
			continue
		}
		i = slices.IndexFunc(rest, func(g slotGroup) bool { return hidden(g.nodes[0]) })
		alone := rest[i]
		slot := alone.ranges[0].First
		alone.ranges = slotmap.Ranges{{First: slot, Last: slot}}
		alone.nodes = slices.Clone(alone.nodes)
		for j, id := range alone.nodes {
			if hidden(id) {
				alone.nodes[j] = alone.nodes[0]
			}
		}
		take(i, alone)
	}
	return append(first, rest...)
}
