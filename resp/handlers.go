package resp

import (
	"fmt"
	"sync/atomic"

	"respkv/resp/command"
	"respkv/store"
)

// handlers binds full command names ("get", "config|set") to what runs them.
// Each command family adds its own in an init function of its file.
var handlers = map[string]Handler{}

// handle registers the handlers of a command family. A name that is taken or
// that the command table does not know is a mistake in this package.
func handle(family map[string]Handler) {
	for name, h := range family {
		if _, taken := handlers[name]; taken {
			panic("resp: two handlers for " + name)
		}
		if command.LookupName(name) == nil {
			panic("resp: no table entry for " + name)
		}
		handlers[name] = h
	}
}

// bind makes the table of the commands that have handlers, and their entries.
func (d *Dispatcher) bind() error {
	d.table = command.NewTable(func(name string) bool { return handlers[name] != nil })
	d.entries = make([]*entry, command.Count())
	var bindErr error
	bind := func(cmd *command.Command) {
		e := &entry{cmd: cmd, handler: handlers[cmd.Name]}
		e.write = cmd.Has(command.Write)
		e.fast = cmd.Has(command.Fast)
		e.keyed = len(cmd.KeySpecs) > 0
		e.single = cmd.FirstKey == 1 && cmd.LastKey == 1 && len(cmd.KeySpecs) == 1
		if e.write && cmd.Has(command.ReadOnly) {
			bindErr = fmt.Errorf("resp: %s is both read-only and a write", cmd.Name)
		}
		e.in = specialOf(cmd)
		d.entries[cmd.ID] = e
	}
	for _, cmd := range d.table.Commands() {
		bind(cmd)
		for _, sub := range cmd.Subcommands {
			bind(sub)
		}
	}
	return bindErr
}

// memoryGate answers, for every command that may add data, whether maxmemory is
// exceeded. What the store uses is summed up by the cron; between two sums the
// last answer holds.
type memoryGate struct {
	full atomic.Bool
}

func (g *memoryGate) exceeded() bool { return g.full.Load() }

func (g *memoryGate) update(limit int64, m store.MemoryStats) {
	g.full.Store(limit > 0 && m.Data+m.Index > limit)
}
