package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"

	"respkv/cluster/control"
	"respkv/cluster/shared"
)

// ValueChange is the new value of one shared name; see shared.Change.
type ValueChange = shared.Change

// Errors of changing shared values.
var (
	ErrNotFormed    = errors.New("this node belongs to no cluster yet")
	ErrNotConfirmed = errors.New("no majority of the cluster confirmed the change in time: it may still take effect")
)

// Propose changes a value that all nodes share; nil deletes it. It returns when
// this node's observers know. Errors: ErrNotFormed and shared.ErrLimit, nothing
// was changed; ErrRefused, the same, by the state that the cluster is in;
// ErrNotConfirmed when ctx ended first.
func (n *Node) Propose(ctx context.Context, kind, name string, value []byte) error {
	return n.ProposeAll(ctx, []ValueChange{{Kind: kind, Name: name, Value: value}})
}

// ProposeAll is Propose for several values, all or none. The changes belong to
// the cluster afterwards.
func (n *Node) ProposeAll(ctx context.Context, changes []ValueChange) error {
	if !n.fsm.latest.Load().Formed() {
		return ErrNotFormed
	}
	e := &shared.Entry{ID: rand.Uint64(), Changes: changes}
	data, err := shared.Encode(e)
	if err != nil {
		return err
	}
	select { // each holds up to 2 MB here and at the controller
	case n.proposing <- struct{}{}:
		defer func() { <-n.proposing }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotConfirmed, context.Cause(ctx))
	case <-n.ctx.Done():
		return ErrClosed
	}
	answer := make(chan valueAnswer, 1)
	n.post(func() {
		n.valueAnswers[e.ID] = answer
		n.agent.Propose(e.ID, data)
	})
	select {
	case a := <-answer:
		if a.refused != "" {
			return fmt.Errorf("%w: %s", ErrRefused, a.refused)
		}
		err = n.feed.wait(ctx, a.version)
	case <-ctx.Done():
		n.post(func() {
			delete(n.valueAnswers, e.ID)
			n.agent.Withdraw(e.ID)
		})
		err = context.Cause(ctx)
	case <-n.ctx.Done():
		return ErrClosed
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotConfirmed, err)
	}
	return nil
}

// maxProposing bounds the changes of shared values that a node has under way.
const maxProposing = 16

type valueAnswer struct {
	version uint64
	refused string
}

// Observe has fn called for every shared value of a kind, now and whenever one
// changes; nil: it was deleted. Calls come one at a time, for all kinds
// together, in the order of the log. fn must not call Propose or Observe, and
// must not keep the cluster waiting: slots are not opened meanwhile. Values
// belong to the cluster: fn must not change them.
//
// Observers that are there before Start know, when it returns, what this node
// had on disk.
func (n *Node) Observe(kind string, fn func(name string, value []byte)) { n.feed.observe(kind, fn) }

// Changed is what the agent heard of a proposal.
func (e *nodeEnv) Changed(id, version uint64, refused string) {
	if c := e.valueAnswers[id]; c != nil {
		delete(e.valueAnswers, id)
		c <- valueAnswer{version, refused}
	}
}

// Change puts an entry of shared values in the log for the controller.
func (e *nodeEnv) Change(entry []byte, done func(version uint64, refused string, err error)) {
	e.goRun(func() {
		answer, err := e.raft.apply(entry)
		res, ok := answer.(shared.Result)
		if err == nil && !ok {
			err = fmt.Errorf("%w: the log answered %v", control.ErrUndecided, answer)
		}
		if err != nil {
			e.log.Debug("change of shared values not accepted", "error", err)
		}
		e.post(func() { done(res.Version, res.Refused, err) })
	})
}

// saveValuesPause is between snapshots that changes of values ask for.
const saveValuesPause = time.Second

// runSaveValues takes a snapshot of the log after values have changed, so that
// a node which restarts has them before it has found the others: passwords must
// hold from the first client on. Without it, what came after the last snapshot is
// applied only when a leader says that it is committed.
func (n *Node) runSaveValues() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	saved := uint64(0)
	for {
		state, advanced := n.feed.current()
		if state.Version() == saved {
			select {
			case <-advanced:
			case <-n.ctx.Done():
				return
			}
			continue
		}
		select {
		case <-pause.C:
		case <-n.ctx.Done():
			return
		}
		pause.Reset(saveValuesPause)
		r, err := n.raft.get()
		if err == nil {
			err = r.Snapshot().Error()
		}
		if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			n.log.Debug("shared values not saved yet", "error", err)
			continue
		}
		saved = state.Version()
	}
}
