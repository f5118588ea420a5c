package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// Clusters made by hand, as redis-cli --cluster create does: nodes that expect
// nobody are given slots (ADDSLOTS), meet (MEET), and are made replicas
// (REPLICATE), in any order. What a node is given before there is a cluster it
// remembers, on disk, and tells the controller once there is one (see
// control.Formation).

// Errors of what is done by hand.
var (
	ErrFormsByItself = errors.New("the cluster shares out the slots by itself")
	ErrForming       = errors.New("the cluster is forming with the slots that its nodes were given: try again when it has")
	ErrEpochSet      = errors.New("node config epoch is already non-zero")
	ErrNotAlone      = errors.New("the node knows other nodes")
	ErrFollowSelf    = errors.New("a node cannot replicate itself")
	ErrFollowReplica = errors.New("a replica cannot be replicated")
	ErrNotEmpty      = errors.New("the node has slots")
)

// SlotError names a slot that is assigned already, or is not.
type SlotError struct {
	Slot     uint16
	Assigned bool
}

// Error says which slot it is.
func (e *SlotError) Error() string {
	if e.Assigned {
		return fmt.Sprintf("slot %d is assigned", e.Slot)
	}
	return fmt.Sprintf("slot %d is not assigned", e.Slot)
}

// givenFile holds what this node was given and the map does not know of.
const givenFile = "given-by-hand"

// byHand is what operators have given to this node; see control.Given.
type byHand struct {
	mu    sync.Mutex // guards all, and the file of given
	given control.Given
	// forgot are slots of others that DropSlots was told of, until when. In Redis a
	// node's own view has lost them then, and it may be given them at once.
	forgot slotmap.Ranges
	until  time.Time
	// dropped are slots that DropSlots was told of here when or just before nobody
	// had them, with the config epoch of who had them last: told again, it says so.
	// Others may hear of them once, as each has its view in Redis.
	dropped map[uint16]uint64
}

// shownRanges is how many ranges of slots a node tells the others, before there is
// a cluster: gossip has no room for more.
const shownRanges = 8

// shownGiven is what others are told of the slots that a node was given.
func shownGiven(slots slotmap.Ranges) string {
	return slots[:min(len(slots), shownRanges)].String()
}

func loadGiven(dir string) (g control.Given, err error) {
	path := filepath.Join(dir, givenFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err == nil {
		if err = json.Unmarshal(data, &g); err == nil {
			err = g.Validate()
		}
	}
	if err != nil {
		return g, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// Given is what this node was given by hand before the map knew of it.
func (n *Node) Given() control.Given {
	n.hand.mu.Lock()
	defer n.hand.mu.Unlock()
	return n.hand.given
}

// changeGiven changes what this node was given: on disk first.
func (n *Node) changeGiven(change func(*control.Given) error) error {
	n.hand.mu.Lock()
	defer n.hand.mu.Unlock()
	next := n.hand.given
	if err := change(&next); err != nil {
		return err
	}
	path := filepath.Join(n.cfg.DataDir, givenFile)
	if len(next.Slots) == 0 && next.Epoch == 0 && next.Follows == "" {
		if err := removeIfThere(path); err != nil {
			return err
		}
	} else {
		data, err := json.Marshal(next)
		if err == nil {
			err = writeDurable(path, append(data, '\n'))
		}
		if err != nil {
			return err
		}
	}
	n.hand.given = next
	n.post(func() { n.agent.SetGiven(next) })
	return nil
}

// Forgotten are the slots of others that DropSlots was told of a moment ago: their
// owners may be about to give them up, and AddSlots waits for that.
func (n *Node) Forgotten() slotmap.Ranges {
	n.hand.mu.Lock()
	defer n.hand.mu.Unlock()
	if time.Now().After(n.hand.until) {
		return nil
	}
	return n.hand.forgot
}

// forget is DropSlots of slots of others, which changes nothing but what AddSlots
// waits for: only their owners can give them up.
func (n *Node) forget(slots slotmap.Ranges) {
	known := n.Forgotten()
	n.hand.mu.Lock()
	defer n.hand.mu.Unlock()
	n.hand.forgot = append(known.Normalize(), slots...).Normalize()
	n.hand.until = time.Now().Add(n.cfg.NodeTimeout)
}

// dropFree takes note that slots without a primary were dropped here; err names one
// that was before.
func (n *Node) dropFree(m *slotmap.Map, slots slotmap.Ranges) error {
	n.hand.mu.Lock()
	defer n.hand.mu.Unlock()
	for _, r := range slots {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			if epoch, was := n.hand.dropped[uint16(slot)]; was && epoch == m.Slot(uint16(slot)).Epoch {
				return &SlotError{uint16(slot), false}
			}
		}
	}
	n.noteDropped(m, slots)
	return nil
}

// noteDropped takes note of slots without a primary. The caller holds hand.mu.
func (n *Node) noteDropped(m *slotmap.Map, slots slotmap.Ranges) {
	if n.hand.dropped == nil {
		n.hand.dropped = map[uint16]uint64{}
	}
	for _, r := range slots {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			n.hand.dropped[uint16(slot)] = m.Slot(uint16(slot)).Epoch
		}
	}
}

// waitGivenUp returns when nobody has slots any more that this node was told to forget.
func (n *Node) waitGivenUp(ctx context.Context, slots slotmap.Ranges) error {
	some, cancel := context.WithTimeout(ctx, n.cfg.NodeTimeout)
	defer cancel()
	err := n.waitMap(some, func(m *slotmap.Map) bool { return len(slots.Subtract(free(m))) == 0 })
	if err == nil || ctx.Err() != nil || n.ctx.Err() != nil {
		return err
	}
	if slot, some := first(slots.Subtract(free(n.Map()))); some {
		return &SlotError{slot, true}
	}
	return nil
}

// AddSlots gives slots that nobody has to this node. Before there is a cluster they are
// remembered; in one that was made by hand it returns when they are this node's.
func (n *Node) AddSlots(ctx context.Context, slots slotmap.Ranges) error {
	m := n.Map()
	if m.Formed() && !m.ByHand() || !m.Formed() && n.cfg.Expect > 0 {
		return ErrFormsByItself
	}
	if waits := slots.Intersect(n.Forgotten()); m.Formed() && len(waits) > 0 {
		if err := n.waitGivenUp(ctx, waits); err != nil {
			return err
		}
	}
	err := n.changeGiven(func(g *control.Given) error {
		if slot, some := first(slots.Intersect(g.Slots)); some {
			return &SlotError{slot, true}
		}
		g.Slots = append(g.Slots.Normalize(), slots...).Normalize()
		return nil
	})
	if err != nil || !m.Formed() {
		return err
	}
	if err := n.waitMap(ctx, func(m *slotmap.Map) bool { return len(slots.Intersect(free(m))) == 0 }); err != nil {
		return err
	}
	if slot, some := first(slots.Subtract(n.Map().PrimaryOf(n.id))); some {
		return &SlotError{slot, true}
	}
	return nil
}

// DropSlots takes back slots that this node was given, before there is a cluster;
// none named: all. In one that was made by hand it gives them up, and returns when it
// has; that waits for a controller. Their keys stay, for when they are given to this
// node again. Of slots that others have it only takes note, as they do not hear of it
// in Redis either.
func (n *Node) DropSlots(slots slotmap.Ranges) error {
	m := n.Map()
	if m.Formed() && !m.ByHand() || !m.Formed() && n.cfg.Expect > 0 {
		return ErrFormsByItself
	}
	if m.Formed() {
		return n.free(slots)
	}
	n.gossipMu.Lock()
	voted := n.myMeta.Vote != ""
	n.gossipMu.Unlock()
	if voted {
		return ErrForming
	}
	return n.changeGiven(func(g *control.Given) error {
		if len(slots) == 0 {
			g.Slots = nil
			return nil
		}
		if slot, some := first(slots.Subtract(g.Slots)); some {
			return &SlotError{slot, false}
		}
		g.Slots = g.Slots.Subtract(slots)
		return nil
	})
}

// free gives up slots of this node.
func (n *Node) free(slots slotmap.Ranges) error {
	m := n.Map()
	own := m.PrimaryOf(n.id)
	if len(slots) == 0 {
		slots = own
	}
	slots = slots.Normalize()
	nobodys := slots.Intersect(free(m))
	if err := n.dropFree(m, nobodys); err != nil {
		return err
	}
	if others := slots.Subtract(own).Subtract(nobodys); len(others) > 0 {
		n.forget(others)
	}
	if slots = slots.Intersect(own); len(slots) == 0 {
		return nil
	}
	err := n.changeGiven(func(g *control.Given) error {
		g.Slots = g.Slots.Subtract(slots) // given a moment ago: not to be had again
		return nil
	})
	if err != nil {
		return err
	}
	if err := n.request(n.ctx, control.OpFree, n.id, slots...); err != nil {
		return err
	}
	err = n.waitMap(n.ctx, func(m *slotmap.Map) bool { return len(m.PrimaryOf(n.id).Intersect(slots)) == 0 })
	if err != nil {
		return err
	}
	n.hand.mu.Lock()
	defer n.hand.mu.Unlock()
	n.noteDropped(m, slots)
	return nil
}

// SetConfigEpoch says in which order nodes get their first config epoch, while
// this one is alone.
func (n *Node) SetConfigEpoch(epoch uint64) error {
	if n.Map().Formed() || len(n.members()) > 0 {
		return ErrNotAlone
	}
	return n.changeGiven(func(g *control.Given) error {
		if g.Epoch != 0 {
			return ErrEpochSet
		}
		g.Epoch = epoch
		return nil
	})
}

// Replicate makes this node a replica of another and of nobody else. Before there
// is a cluster it is remembered.
func (n *Node) Replicate(ctx context.Context, primary slotmap.NodeID) error {
	if primary == n.id {
		return ErrFollowSelf
	}
	m := n.Map()
	if !m.Formed() {
		return n.changeGiven(func(g *control.Given) error {
			if len(g.Slots) > 0 {
				return ErrNotEmpty
			}
			g.Follows = primary
			return nil
		})
	}
	// Both may be known by gossip only so far: the controller is about to register them.
	registered := func(m *slotmap.Map) bool { return m.Node(n.id) != nil && m.Node(primary) != nil }
	if err := n.waitMap(ctx, registered); err != nil {
		return fmt.Errorf("one of the nodes is no member yet: %w", err)
	}
	switch err := n.ask(ctx, &control.Request{Op: control.OpFollow, Node: n.id, Primary: primary}); {
	case err == nil:
	case errors.Is(err, ErrRefused) && err.Error() == refusal(control.OnlyPrimaryText).Error():
		return ErrFollowReplica
	case errors.Is(err, ErrRefused) && err.Error() == refusal(control.NotEmptyText).Error():
		return ErrNotEmpty
	default:
		return err
	}
	return n.waitMap(ctx, func(m *slotmap.Map) bool {
		self := m.Node(n.id)
		return self == nil || self.Follows == primary
	})
}

// settleGiven forgets what has become true, or cannot. That comes after the vote
// of this node has been forgotten: with the vote left and nothing given, its next
// process would not know that the nodes it voted with are enough.
func (n *Node) settleGiven(m *slotmap.Map) error {
	self := m.Node(n.id)
	if given := n.Given(); self == nil || len(given.Slots) == 0 && given.Epoch == 0 && given.Follows == "" {
		return nil
	}
	return n.changeGiven(func(g *control.Given) error {
		g.Slots = g.Slots.Intersect(free(m))
		if !m.ByHand() {
			*g = control.Given{}
		}
		if to := m.Node(g.Follows); self.Follows == g.Follows || to != nil && to.Follows != "" || len(m.PrimaryOf(n.id)) > 0 {
			g.Follows = ""
		}
		if len(g.Slots) == 0 && g.Follows == "" {
			g.Epoch = 0
		}
		return nil
	})
}

// free are the slots without a primary.
func free(m *slotmap.Map) slotmap.Ranges {
	return m.Where(func(a *slotmap.Assignment) bool { return a.Primary == "" })
}

func first(slots slotmap.Ranges) (slot uint16, some bool) {
	if len(slots) == 0 {
		return 0, false
	}
	return slots[0].First, true
}
