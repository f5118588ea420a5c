package resp

import "respkv/store"

// EffectGroup is the flag of an effect that is followed by another one of the
// same transaction, for replicas to apply them as one. It is
// replication.FlagGroup.
const EffectGroup uint8 = 1

// effectGroups are the transactions being run, by the shard of their slot. Each
// is guarded by the lock of that shard, which the transaction holds.
type effectGroups [store.Shards]*effectGroup

// effectGroup passes the effects of a transaction on to the log, each when the
// next one comes, since only then it is known that one follows.
type effectGroup struct {
	repl Replicator
	slot uint16
	held bool
	db   int
	text []byte   // of args
	args [][]byte // the effect held back: a copy
}

// begin makes the effects of slot one unit until end. The caller holds the lock
// of its shard and keeps it.
func (g *effectGroups) begin(repl Replicator, slot uint16) *effectGroup {
	group := &effectGroup{repl: repl, slot: slot}
	g[store.ShardOf(slot)] = group
	return group
}

// end completes the unit.
func (g *effectGroups) end(group *effectGroup) {
	g[store.ShardOf(group.slot)] = nil
	group.pass(0)
}

// appendEffect logs one effect of slot. The caller holds the lock of its shard.
func (d *Dispatcher) appendEffect(slot uint16, db int, args [][]byte) {
	if group := d.groups[store.ShardOf(slot)]; group != nil && group.slot == slot {
		group.add(db, args)
		return
	}
	d.repl.Append(slot, db, 0, args)
}

func (g *effectGroup) add(db int, args [][]byte) {
	g.pass(EffectGroup)
	g.held, g.db, g.text, g.args = true, db, g.text[:0], g.args[:0]
	total := 0
	for _, arg := range args {
		total += len(arg)
	}
	if cap(g.text) < total {
		g.text = make([]byte, 0, total)
	}
	for _, arg := range args {
		start := len(g.text)
		g.text = append(g.text, arg...)
		g.args = append(g.args, g.text[start:len(g.text):len(g.text)])
	}
}

func (g *effectGroup) pass(flags uint8) {
	if g.held {
		g.repl.Append(g.slot, g.db, flags, g.args)
		g.held = false
	}
}
