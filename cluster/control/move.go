package control

import (
	"fmt"
	"time"

	"respkv/cluster/slotmap"
)

// MoveState is the state of a handoff, seen by the controller that runs it.
//
//	            Begun            Paused              Confirmed            Decided
//	Beginning ---------> Pausing ---------> Confirming ---------> Committing ---------> Done
//	    |                   |  Failed           |  Failed            |  Failed
//	    | Failed            +-------------------+                    |  (proposal lost: ask again)
//	    v                   v                                        v
//	  Done               Aborting -----------------------------> Done (Decided)
//
// Failed is a refusal, a time-out, or a changed process of one of the two. The
// move itself is in the map: when the controller is lost, the next one aborts
// every move it finds. The primary stays paused until commit or abort is in
// the log, and only the first of them counts.
type MoveState uint8

// Move states.
const (
	MoveBeginning MoveState = iota
	MovePausing
	MoveConfirming
	MoveCommitting
	MoveAborting
	MoveDone
)

// String names the state.
func (s MoveState) String() string {
	return [...]string{"beginning", "pausing", "confirming", "committing", "aborting", "done"}[s]
}

// MoveEvent is what can happen to a move.
type MoveEvent uint8

// Move events.
const (
	MoveBegun     MoveEvent = iota // BeginMove is in the log
	MovePaused                     // the primary told its final positions
	MoveConfirmed                  // the target has applied them
	MoveFailed                     // refusal, time-out, new process
	MoveDecided                    // commit or abort is in the log
)

// String names the event.
func (e MoveEvent) String() string {
	return [...]string{"begun", "paused", "confirmed", "failed", "decided"}[e]
}

// moveTable lists every transition; events not listed leave the state alone.
var moveTable = map[MoveState]map[MoveEvent]MoveState{
	MoveBeginning:  {MoveBegun: MovePausing, MoveFailed: MoveDone},
	MovePausing:    {MovePaused: MoveConfirming, MoveFailed: MoveAborting, MoveDecided: MoveDone},
	MoveConfirming: {MoveConfirmed: MoveCommitting, MoveFailed: MoveAborting, MoveDecided: MoveDone},
	MoveCommitting: {MoveDecided: MoveDone},
	MoveAborting:   {MoveDecided: MoveDone},
}

// Next is the transition function.
func (s MoveState) Next(e MoveEvent) MoveState {
	if next, ok := moveTable[s][e]; ok {
		return next
	}
	return s
}

// move is one handoff that this controller runs.
type move struct {
	state     MoveState
	token     uint64
	from, to  slotmap.NodeID
	fromBoot  uint64
	toBoot    uint64
	slots     slotmap.Ranges
	version   uint64
	positions []slotmap.SlotPosition
	began     time.Duration
	deadline  time.Duration
	resend    time.Duration
	reason    string
}

func (c *Controller) moveEvent(mv *move, e MoveEvent, reason string) {
	next := mv.state.Next(e)
	if next == mv.state {
		return
	}
	mv.state = next
	mv.resend = 0
	if e == MoveFailed {
		mv.reason = reason
	}
}

// moveStep sends what a move needs and notices what went wrong. Proposals are
// made by decide.
func (c *Controller) moveStep(mv *move) {
	now := c.env.Now()
	if mv.state != MoveBeginning && len(c.m.Moving(mv.token)) == 0 {
		c.moveEvent(mv, MoveDecided, "")
	}
	if mv.state == MovePausing || mv.state == MoveConfirming {
		switch from, to := c.m.Node(mv.from), c.m.Node(mv.to); {
		case from == nil || from.Boot != mv.fromBoot || to == nil || to.Boot != mv.toBoot:
			c.moveEvent(mv, MoveFailed, "one of the nodes has restarted or left")
		case c.down(mv.from) || c.down(mv.to):
			c.moveEvent(mv, MoveFailed, "one of the nodes is down")
		case now >= mv.deadline:
			c.moveEvent(mv, MoveFailed, "timed out while "+mv.state.String())
		}
	}
	if now < mv.resend {
		return
	}
	mv.resend = now + c.timing.Probe
	switch mv.state {
	case MovePausing:
		c.env.Send(mv.from, &Pause{Token: mv.token, Version: mv.version})
	case MoveConfirming:
		c.env.Send(mv.to, &Confirm{Token: mv.token, Positions: mv.positions})
	}
}

func (c *Controller) onPauseDone(from slotmap.NodeID, d *PauseDone) {
	mv := c.moves[d.Token]
	if mv == nil || mv.state != MovePausing || from != mv.from || d.Boot != mv.fromBoot {
		return
	}
	if d.Err != "" {
		c.moveEvent(mv, MoveFailed, d.Err)
		return
	}
	// The positions must speak of every slot that is to change hands.
	var told slotmap.Ranges
	for _, p := range d.Positions {
		told = append(told, slotmap.Range{First: p.Slot, Last: p.Slot})
	}
	if missing := c.m.Moving(mv.token).Subtract(told.Normalize()); len(missing) > 0 {
		c.moveEvent(mv, MoveFailed, fmt.Sprintf("no positions of slots %v", missing))
		return
	}
	mv.positions = d.Positions
	c.moveEvent(mv, MovePaused, "")
	c.moveStep(mv)
}

func (c *Controller) onConfirmDone(from slotmap.NodeID, d *ConfirmDone) {
	mv := c.moves[d.Token]
	if mv == nil || mv.state != MoveConfirming || from != mv.to || d.Boot != mv.toBoot {
		return
	}
	if d.Err != "" {
		c.moveEvent(mv, MoveFailed, d.Err)
		return
	}
	c.moveEvent(mv, MoveConfirmed, "")
}
