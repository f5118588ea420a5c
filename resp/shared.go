package resp

import (
	"context"
	"errors"
	"time"

	"respkv/cluster"
	"respkv/internal/config"
	"respkv/resp/proto"
)

// Shared are the values that all nodes of a cluster have in common, through the
// log of the slot map. Satisfied by cluster.Node. A standalone node has none.
type Shared interface {
	// Propose changes one value, nil deletes it, and returns once the observers
	// of this node know. ProposeAll changes several, all or none. They keep the
	// bytes.
	Propose(ctx context.Context, kind, name string, value []byte) error
	ProposeAll(ctx context.Context, changes []cluster.ValueChange) error
	// Observe has fn called for every value of a kind that is there, then for
	// each change, in the order of the log, one call at a time; nil: deleted. fn
	// must return soon, must not propose or observe, and must not change value.
	Observe(kind string, fn func(name string, value []byte))
}

// sharedConfig is the kind of settings; names are path names.
const sharedConfig = "config"

// shareTimeouts is how many cluster.node_timeout a change of shared values may
// take: an election in between included.
const shareTimeouts = 5

// share changes values of the whole cluster and replies OK, or with an error.
// The client is parked meanwhile; within EXEC that is refused. applied, if not
// nil, runs once the change holds here and writes the reply.
func (c *Ctx) share(changes []cluster.ValueChange, applied func(w *proto.Writer)) {
	d := c.d
	timeout := shareTimeouts * d.config.Config().Cluster.NodeTimeout
	c.background(max(timeout, time.Second), nil, func(ctx context.Context, w *proto.Writer) {
		switch err := d.shared.ProposeAll(ctx, changes); {
		case err != nil:
			d.log.Warn("a change of what the cluster shares failed", "kind", changes[0].Kind, "error", err)
			w.Error(sharedErrorText(err))
		case applied != nil:
			applied(w)
		default:
			w.OK()
		}
	})
}

func sharedErrorText(err error) string {
	if errors.Is(err, cluster.ErrNotConfirmed) {
		return errNotConfirmed
	}
	return errOf(err)
}

// configSetShared is CONFIG SET on a member of a cluster. Settings of the whole
// cluster go through its log, then those of this node follow. Before there is a
// cluster, all are this node's.
func (c *Ctx) configSetShared(pairs []config.Pair) {
	shared, own, err := c.d.config.Plan(pairs)
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	if len(shared) == 0 || !c.d.routing.Map().Formed() {
		c.configSetOwn(pairs)
		return
	}
	changes := make([]cluster.ValueChange, len(shared))
	for i, s := range shared {
		changes[i] = cluster.ValueChange{Kind: sharedConfig, Name: s.Name, Value: []byte(s.Text)}
	}
	for _, s := range shared {
		if s.Name == "server.requirepass" {
			changes = append(changes, c.d.passwordChange(s.Text))
		}
	}
	live := c.d.config
	c.share(changes, func(w *proto.Writer) {
		if err := live.Set(own); err != nil {
			w.Error(errOf(err))
			return
		}
		w.OK()
	})
}

// observeShared makes the settings of the cluster hold on this node.
func (d *Dispatcher) observeShared() {
	if d.shared == nil {
		return
	}
	d.shared.Observe(sharedConfig, func(name string, value []byte) {
		var text *string
		if value != nil {
			s := string(value)
			text = &s
		}
		if err := d.config.SetShared(name, text); err != nil {
			d.log.Error("a setting of the cluster cannot hold on this node", "setting", name, "error", err)
			return
		}
		if d.config.Overridden(name) {
			d.log.Warn("the cluster's value of a setting holds, not the one that this node was started with", "setting", name)
		}
	})
}
