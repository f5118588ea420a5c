package resp

import (
	"context"
	"time"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// Moving slots by hand. A slot moves as a whole: what Redis does in three steps
// and key by key is one move here, so that `redis-cli --cluster reshard` and
// `rebalance` work.

// moveSlotTimeout is how long SETSLOT waits for a move: the copy of a slot
// included.
const moveSlotTimeout = 10 * time.Minute

// parseSlot reads a slot as CLUSTER's sub-commands do, or replies with the error.
func (c *Ctx) parseSlot(arg []byte) (uint16, bool) {
	slot, ok := parseLong(arg)
	if !ok || slot < 0 || slot >= hashslot.Count {
		c.W.Error(errSlotRange)
		return 0, false
	}
	return uint16(slot), true
}

// slotArgs reads slots, or first and last of ranges of them, or replies with the
// error. Each slot is named once.
func (c *Ctx) slotArgs(args [][]byte, ranges bool) (slots []uint16, ok bool) {
	if ranges && len(args)%2 != 0 {
		c.W.Error(errArity(c.Cmd.Name))
		return nil, false
	}
	step := 1
	if ranges {
		step = 2
	}
	var seen [hashslot.Count]bool
	for i := 0; i < len(args); i += step {
		first, ok := c.parseSlot(args[i])
		if !ok {
			return nil, false
		}
		last := first
		if ranges {
			if last, ok = c.parseSlot(args[i+1]); !ok {
				return nil, false
			}
			if first > last {
				c.W.Error(errSlotOrder(first, last))
				return nil, false
			}
		}
		for slot := int(first); slot <= int(last); slot++ {
			if seen[slot] {
				c.W.Error(errSlotTwice(uint16(slot)))
				return nil, false
			}
			seen[slot] = true
			slots = append(slots, uint16(slot))
		}
	}
	return slots, true
}

// clusterSetSlot: CLUSTER SETSLOT slot MIGRATING|IMPORTING|NODE node, or STABLE.
//
//	IMPORTING, on the node that is to have the slot: its move begins. Nothing if
//	nobody has it: there is nothing to move.
//	MIGRATING, on the node that has it: it moves; OK when it has.
//	NODE, anywhere: the same; OK at once when the slot is there already. A slot
//	that nobody has, in a cluster made by hand, is given to the node.
//	STABLE, anywhere: a move that was asked for and has not come to its end is
//	given up.
func clusterSetSlot(c *Ctx) {
	slot, ok := c.parseSlot(c.Args[2])
	if !ok {
		return
	}
	routing := c.d.routing
	slots := slotmap.Ranges{{First: slot, Last: slot}}
	switch action := c.Args[3]; {
	case isWord(action, "stable") && len(c.Args) == 4:
		c.changeCluster(adminTimeout, "SETSLOT", func(ctx context.Context) error { return routing.KeepSlots(ctx, slots) })
		return
	case len(c.Args) != 5 || !isWord(action, "migrating") && !isWord(action, "importing") && !isWord(action, "node"):
		c.W.Error(errSetSlot)
		return
	}
	m, self, node := routing.Map(), routing.ID(), slotmap.NodeID(c.Args[4])
	owner, known := m.Slot(slot).Primary, m.Node(node) != nil
	to, wait := node, true
	switch action := c.Args[3]; {
	case isWord(action, "node"):
		if !known {
			c.W.Error(errUnknownNode(c.Args[4]))
			return
		}
	case isWord(action, "migrating"):
		if owner != self && owner != node {
			c.W.Error(errNotSlotOwner(slot))
			return
		}
		if !known {
			c.W.Error(errNoSuchNode(c.Args[4]))
			return
		}
	default: // importing: the node named is the one that has the slot
		if owner == self {
			c.W.Error(errSlotOwner(slot))
			return
		}
		if !known {
			c.W.Error(errNoSuchNode(c.Args[4]))
			return
		}
		to, wait = self, false
	}
	if owner == to || owner == "" && !wait {
		c.W.OK()
		return
	}
	c.changeCluster(moveSlotTimeout, "SETSLOT", func(ctx context.Context) error {
		return routing.MoveSlots(ctx, slots, to, wait)
	})
}

// clusterMigrateSlots: CLUSTER MIGRATESLOTS SLOTSRANGE first last ... NODE node.
// Many slots in few moves, from wherever they are; OK when they have moved.
func clusterMigrateSlots(c *Ctx) {
	last := len(c.Args) - 2
	if !isWord(c.Args[2], "slotsrange") || !isWord(c.Args[last], "node") || last < 5 {
		c.W.Error(errSyntax)
		return
	}
	list, ok := c.slotArgs(c.Args[3:last], true)
	if !ok {
		return
	}
	to, routing := slotmap.NodeID(c.Args[last+1]), c.d.routing
	if routing.Map().Node(to) == nil {
		c.W.Error(errUnknownNode(c.Args[last+1]))
		return
	}
	var slots slotmap.Ranges
	for _, slot := range list {
		slots = append(slots, slotmap.Range{First: slot, Last: slot})
	}
	slots = slots.Normalize()
	c.changeCluster(0, "MIGRATESLOTS", func(ctx context.Context) error {
		return routing.MoveSlots(ctx, slots, to, true)
	})
}
