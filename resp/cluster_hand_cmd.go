package resp

import (
	"context"
	"errors"
	"strconv"

	"respkv/cluster"
	"respkv/cluster/slotmap"
)

// Putting a cluster together by hand, as redis-cli --cluster create does.

// What says that a cluster does not need it, or a slot its owner.
const (
	sharesByItself = "the cluster shares out the slots by itself once cluster.expect nodes have met"
	alwaysOwned    = "slots always have an owner here; SETSLOT slot NODE id moves one, CLUSTER LEAVE all of a node"
)

// rangesOf are slots as ranges.
func rangesOf(list []uint16) slotmap.Ranges {
	slots := make(slotmap.Ranges, 0, len(list))
	for _, slot := range list {
		slots = append(slots, slotmap.Range{First: slot, Last: slot})
	}
	return slots.Normalize()
}

// clusterAddSlots: CLUSTER ADDSLOTS slot ..., ADDSLOTSRANGE first last ....
func clusterAddSlots(c *Ctx) {
	name := c.Cmd.BaseName()
	list, ok := c.slotArgs(c.Args[2:], name == "addslotsrange")
	if !ok {
		return
	}
	slots, routing := rangesOf(list), c.d.routing
	m, forgotten := routing.Map(), routing.Forgotten()
	for _, slot := range list {
		if m.Slot(slot).Primary != "" && !forgotten.Contains(slot) {
			c.W.Error(errSlotBusy(slot))
			return
		}
	}
	c.changeByHand(name, sharesByItself, func(ctx context.Context) error { return routing.AddSlots(ctx, slots) })
}

// clusterDelSlots: CLUSTER DELSLOTS slot ..., DELSLOTSRANGE first last ....
func clusterDelSlots(c *Ctx) {
	name := c.Cmd.BaseName()
	list, ok := c.slotArgs(c.Args[2:], name == "delslotsrange")
	if !ok {
		return
	}
	c.dropSlots(name, rangesOf(list))
}

// dropSlots gives slots up, none named: all of this node.
func (c *Ctx) dropSlots(name string, slots slotmap.Ranges) {
	routing := c.d.routing
	c.changeByHand(name, alwaysOwned, func(context.Context) error { return routing.DropSlots(slots) })
}

// clusterFlushSlots: CLUSTER FLUSHSLOTS.
func clusterFlushSlots(c *Ctx) {
	if c.d.store.DBSize(0) > 0 {
		c.W.Error(errFlushSlotsKeys)
		return
	}
	c.dropSlots(c.Cmd.BaseName(), nil)
}

// clusterBumpEpoch: CLUSTER BUMPEPOCH. A node whose epoch is the greatest keeps it,
// as in Redis; new ones are given by the controller, with the slots.
func clusterBumpEpoch(c *Ctx) {
	info := c.d.routing.Info()
	if info.MyEpoch > 0 && info.MyEpoch == info.Map.CurrentEpoch() {
		c.W.Simple("STILL " + strconv.FormatUint(info.MyEpoch, 10))
		return
	}
	c.W.Error(errClusterNotBuilt(c.Cmd.BaseName(), "config epochs are given by the cluster's controller"))
}

// clusterReplicate: CLUSTER REPLICATE node.
func clusterReplicate(c *Ctx) {
	info := c.d.routing.Info()
	if c.member(&info, c.Args[2]) == nil {
		return
	}
	primary, routing := slotmap.NodeID(c.Args[2]), c.d.routing
	c.changeByHand(c.Cmd.BaseName(), "", func(ctx context.Context) error { return routing.Replicate(ctx, primary) })
}

// clusterSetConfigEpoch: CLUSTER SET-CONFIG-EPOCH epoch.
func clusterSetConfigEpoch(c *Ctx) {
	epoch, ok := parseLong(c.Args[2])
	switch {
	case !ok:
		c.W.Error(errNotInteger)
		return
	case epoch < 0:
		c.W.Error(errConfigEpoch(epoch))
		return
	}
	routing := c.d.routing
	c.changeByHand(c.Cmd.BaseName(), "", func(context.Context) error { return routing.SetConfigEpoch(uint64(epoch)) })
}

// changeByHand is changeCluster for what clusters that form by themselves refuse,
// with what they have instead.
func (c *Ctx) changeByHand(name, instead string, change func(ctx context.Context) error) {
	c.changeCluster(adminTimeout, name, func(ctx context.Context) error {
		err := change(ctx)
		if errors.Is(err, cluster.ErrFormsByItself) {
			return notBuiltError{errClusterNotBuilt(name, instead)}
		}
		return err
	})
}

// notBuiltError is a refusal, with its text as the client is to see it.
type notBuiltError struct{ text string }

func (e notBuiltError) Error() string { return e.text }
