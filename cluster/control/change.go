package control

import (
	"time"

	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

// Shared values are changed by any node: its agent asks the controller, again
// until it is answered, whoever the controller is by then. An entry that gets
// into the log twice that way changes nothing the second time (shared.Entry).

// Change asks the controller to put an entry of shared values in the log.
type Change struct {
	Entry []byte `json:"entry"` // as shared.Encode gives it
	ID    uint64 `json:"id"`    // of the entry
}

// Changed answers Change: the values at Version have the entry, or Refused says
// why none has.
type Changed struct {
	ID      uint64 `json:"id"`
	Version uint64 `json:"version"`
	Refused string `json:"refused,omitempty"`
}

// maxChanging bounds the entries that a controller has under way.
const maxChanging = 64

// change is an entry that the agent waits for.
type change struct {
	entry []byte
	to    slotmap.NodeID // whom it was sent to; empty: nobody yet
	next  time.Duration  // when it is sent again
	pause time.Duration  // after that one
}

// Propose asks for a change of shared values, an encoded entry with that ID. It
// is answered through AgentEnv.Changed, unless withdrawn.
func (a *Agent) Propose(id uint64, entry []byte) {
	a.changes[id] = &change{entry: entry}
	a.sendChanges()
}

// Withdraw gives up waiting for a change. It may take effect nevertheless.
func (a *Agent) Withdraw(id uint64) { delete(a.changes, id) }

// changePauses is how many renewals pass at most until a change is sent again to
// the same controller: it may be large, and the cluster slow because of it.
const changePauses = 8

// sendChanges asks for what is not answered: of a new controller at once.
func (a *Agent) sendChanges() {
	now := a.env.Now()
	for _, id := range sortedKeys(a.changes) {
		c := a.changes[id]
		if a.controller == "" || c.to == a.controller && now < c.next {
			continue
		}
		if c.to != a.controller {
			c.pause = a.timing.Renew
		}
		c.to, c.next = a.controller, now+c.pause
		c.pause = min(2*c.pause, changePauses*a.timing.Renew)
		a.env.Send(a.controller, &Change{ID: id, Entry: c.entry})
	}
}

func (a *Agent) changed(m *Changed) {
	if a.changes[m.ID] == nil {
		return
	}
	delete(a.changes, m.ID)
	a.env.Changed(m.ID, m.Version, m.Refused)
}

// onChange has an entry put in the log. Changes of values wait for no decision
// about the map. When it is not known what became of one, there is no answer:
// the agent asks again.
func (c *Controller) onChange(from slotmap.NodeID, m *Change) {
	if c.m.Node(from) == nil || c.changing[m.ID] || len(c.changing) >= maxChanging {
		return
	}
	term := c.term
	c.changing[m.ID] = true
	c.env.Change(m.Entry, func(version uint64, refused string, err error) {
		if c.term == term {
			delete(c.changing, m.ID)
		}
		if err == nil {
			c.env.Send(from, &Changed{ID: m.ID, Version: version, Refused: refused})
		}
	})
}

// validateChange wants an entry of the message's own ID.
func validateChange(m *Change) error {
	e, err := shared.Decode(m.Entry)
	if err == nil && e.ID != m.ID {
		err = shared.ErrFormat
	}
	return err
}
