package resp

import (
	"context"
	"time"
)

// errNotDurable tells a client that its write took place here and is on its way
// to the replicas, but that fewer of them than configured said in time that
// they hold it.
const errNotDurable = "NOREPLICAS The write was applied but not acknowledged by enough replicas in time."

// errLossBudget refuses a write whose slot's replicas are too far behind.
const errLossBudget = "NOREPLICAS The replicas of this slot are too far behind."

// durableWrite is a write whose reply waits for replicas.
type durableWrite struct {
	mark       Mark
	others     []Mark // of the other slots that a script wrote to
	replicas   int    // that must hold it
	start, end int    // of its reply in the writer
}

// noteDurable is called after a write, under its shard's lock, or those of scripts that wrote to
// others, too.
func (d *Dispatcher) noteDurable(c *Ctx, others ...uint16) {
	if c.inExec {
		return // EXEC does, for all
	}
	if n := d.repl.Durable(); n > 0 {
		c.pending = durableWrite{mark: d.repl.Mark(c.slot), replicas: n}
		for _, slot := range others {
			c.pending.others = append(c.pending.others, d.repl.Mark(slot))
		}
	}
}

// awaitDurable holds the replies of a batch back until enough replicas have
// acknowledged its writes: once for the whole batch, so that a pipeline pays
// for one round trip. No lock is held. Writes that were not acknowledged in
// time get an error in place of their reply.
func (d *Dispatcher) awaitDurable(c *Ctx) {
	d.broadcastPending(c)
	writes := c.durable
	marks := make([]Mark, 0, len(writes))
	need := 0
	for _, w := range writes {
		marks = append(append(marks, w.mark), w.others...)
		need = max(need, w.replicas)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.config.Config().Replication.AckTimeout)
	defer cancel()
	if d.repl.WaitAcked(ctx, marks, need) >= need {
		return
	}
	replies := append([]byte(nil), c.W.Bytes()[writes[0].start:]...)
	base := writes[0].start
	c.W.Truncate(base)
	at := base
	for _, w := range writes {
		c.W.Raw(replies[at-base : w.start-base])
		if d.repl.WaitAcked(ctx, append([]Mark{w.mark}, w.others...), w.replicas) >= w.replicas {
			c.W.Raw(replies[w.start-base : w.end-base])
		} else {
			c.W.Error(errNotDurable)
		}
		at = w.end
	}
	c.W.Raw(replies[at-base:])
}

// Writes that are over the loss budget are slowed down first: they wait for the
// replicas, in steps, before they are refused.
const (
	lossBudgetStep = time.Millisecond
	lossBudgetWait = 100 * time.Millisecond
)

// withinLossBudget says whether a write to slot may go ahead. No lock is held.
func (d *Dispatcher) withinLossBudget(slot uint16) bool {
	if d.repl.WithinLossBudget(slot) {
		return true
	}
	for waited := time.Duration(0); waited < lossBudgetWait; waited += lossBudgetStep {
		time.Sleep(lossBudgetStep)
		if d.repl.WithinLossBudget(slot) {
			return true
		}
	}
	return false
}
