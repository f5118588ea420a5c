package resp

import (
	"sync"
	"sync/atomic"

	"respkv/resp/command"
	"respkv/store"
)

// changeGate is what a write passes before it changes its keys, with their locks
// held. Two kinds of work stand there: a cut, which wants to see each key before it
// changes (RDB files, replicas of Redis's own protocol), and MIGRATE, whose keys stay
// as they are while they travel. Both may send the write back to wait, without its
// locks.
type changeGate struct {
	used atomic.Int32 // of both kinds; 0, as nearly always, is all that a write looks at
	cut  atomic.Pointer[store.Cut]

	mu   sync.Mutex // guards held; a leaf
	held map[store.CutKey]chan struct{}
}

// mayChange is asked by a command with its keys, at the arguments pos, under their
// locks. again: give the locks up, wait, and ask again.
func (d *Dispatcher) mayChange(c *Ctx, pos ...int) (wait <-chan struct{}, again bool) {
	if d.gate.used.Load() == 0 || !c.entry.pausedByWrites() {
		return nil, false
	}
	for _, p := range pos {
		if wait := d.before(c.Cmd, c.Tx.DB, c.Key(p)); wait != nil {
			return wait, true
		}
	}
	return nil, false
}

// mayChange is asked for all commands of a transaction. SELECT may be one of them.
func (x *execution) mayChange(d *Dispatcher, db int) (wait <-chan struct{}, again bool) {
	if d.gate.used.Load() == 0 {
		return nil, false
	}
	var buf [16]int
	for i := range x.commands {
		q := &x.commands[i]
		if q.entry.cmd.Name == "select" && len(q.args) == 2 {
			if n, ok := parseLong(q.args[1]); ok && n >= 0 && n < int64(d.store.Databases()) {
				db = int(n)
			}
		}
		if !q.entry.pausedByWrites() {
			continue
		}
		pos, err := q.entry.cmd.AppendKeys(buf[:0], q.args)
		if err != nil {
			continue // nothing will be changed
		}
		for _, p := range pos {
			if wait := d.before(q.entry.cmd, db, store.MakeKey(q.args[p])); wait != nil {
				return wait, true
			}
		}
	}
	return nil, false
}

// before is mayChange for one key. COPY and MOVE change it in another database, which
// their handlers find out; all are asked.
func (d *Dispatcher) before(cmd *command.Command, first int, k store.Key) <-chan struct{} {
	g, end := &d.gate, first+1
	if cmd.Name == "copy" || cmd.Name == "move" {
		first, end = 0, d.store.Databases()
	}
	for db := first; db < end; db++ {
		if wait := g.heldUntil(db, k); wait != nil {
			return wait
		}
		if cut := g.cut.Load(); cut != nil {
			if wait := cut.Before(db, k, false); wait != nil {
				return wait
			}
		}
	}
	return nil
}

// willChange says that a key is going to change whose command cannot wait any more:
// one that is served after another's, or that was not named before.
func (d *Dispatcher) willChange(db int, k store.Key) {
	if d.gate.used.Load() == 0 {
		return
	}
	if cut := d.gate.cut.Load(); cut != nil {
		cut.Before(db, k, true)
	}
}

// keysLost ends a cut, since keys go without being asked for one by one.
func (d *Dispatcher) keysLost() {
	if cut := d.gate.cut.Load(); cut != nil {
		cut.Cancel()
	}
}

// begin makes a cut the one that writes see. All locks are held.
func (g *changeGate) begin(cut *store.Cut) {
	g.cut.Store(cut)
	g.used.Add(1)
}

func (g *changeGate) end() {
	g.cut.Store(nil)
	g.used.Add(-1)
}

// hold keeps a key from being changed until release; once, however often it is held.
// The caller holds the lock of its shard.
func (g *changeGate) hold(key store.CutKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held[key] != nil {
		return
	}
	if g.held == nil {
		g.held = make(map[store.CutKey]chan struct{})
	}
	g.held[key] = make(chan struct{})
	g.used.Add(1)
}

func (g *changeGate) release(key store.CutKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if released := g.held[key]; released != nil {
		close(released)
		delete(g.held, key)
		g.used.Add(-1)
	}
}

func (g *changeGate) heldUntil(db int, k store.Key) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.held) == 0 {
		return nil
	}
	return g.held[store.CutKey{DB: db, Name: string(k.Name)}]
}
