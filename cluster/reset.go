package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

// CLUSTER RESET. A Node is a member of one cluster at most; what goes on in the
// same process is another one, with the same data directory (see Options.Former).
//
//	Depart     the cluster moves everything away from the node and forgets it
//	Hold       nothing is written any more: now or never
//	Dissolve   closed, and its state gone

// departTimeouts is how many node timeouts a member that is reset waits for its
// cluster to forget it. It has no keys, so there is little to move.
const departTimeouts = 10

// Depart makes a member leave its cluster, without closing it. An error says that
// the cluster could not be asked, or did not do it in time.
func (n *Node) Depart(ctx context.Context) error {
	if n.ctx.Err() != nil || n.Map().IsForgotten(n.id) {
		return nil
	}
	if m := n.Map(); !m.Formed() || m.Node(n.id) == nil || len(m.Nodes()) == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(departTimeouts*n.cfg.NodeTimeout, 5*time.Second))
	defer cancel()
	return n.leave(ctx)
}

// Hold closes the gates of all slots that this node is primary of: whoever writes
// waits. Release opens them again.
func (n *Node) Hold(ctx context.Context) (release func(), err error) {
	return n.hold(ctx, n.Map().PrimaryOf(n.id))
}

func (n *Node) hold(ctx context.Context, slots slotmap.Ranges) (release func(), err error) {
	token := rand.Uint64() | 1<<63 // no move's: those count up from 1
	n.router.pause(token, slots)
	release = func() { n.router.resume(token) }
	if _, err = n.plane.Pause(ctx, slots); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Dissolve closes the node and removes what it knows of its cluster. Its ID stays
// if keepID says so and no cluster can count on that ID: one that has raft state of
// a cluster which has not forgotten it must not come back without that state.
func (n *Node) Dissolve(keepID bool) error {
	begun, err := n.raft.begun()
	if err != nil {
		begun = true
	}
	return errors.Join(n.Close(), wipe(n.cfg.DataDir, keepID && !begun))
}

// Known are the shared values that the observers have been told of: they hold
// until this process belongs to another cluster.
func (n *Node) Known() *shared.State { return n.feed.known() }

// Primary reports whether this node is primary of any slot.
func (n *Node) Primary() bool { return len(n.Map().PrimaryOf(n.id)) > 0 }
