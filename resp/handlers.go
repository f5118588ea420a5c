package resp

import (
	"fmt"
	"slices"

	"respkv/resp/command"
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
	d.known = command.NewTable(func(name string) bool { return handlers[name] != nil })
	var err error
	if d.table, err = renamedTable(d.known, d.config.Config().Server.RenameCommands); err != nil {
		return err
	}
	d.entries = make([]*entry, command.Count())
	var bindErr error
	bind := func(cmd *command.Command) {
		e := &entry{cmd: cmd, handler: handlers[cmd.Name]}
		e.write = cmd.Has(command.Write)
		e.grows = cmd.Has(command.DenyOOM)
		// SET is not "fast" for Redis, where freeing the old value may take long;
		// here it is timed in runs like the commands that are.
		e.fast = cmd.Has(command.Fast) || cmd.Name == "set"
		e.keyed = len(cmd.KeySpecs) > 0
		e.single = cmd.FirstKey == 1 && cmd.LastKey == 1 && len(cmd.KeySpecs) == 1
		if e.write && cmd.Has(command.ReadOnly) {
			bindErr = fmt.Errorf("resp: %s is both read-only and a write", cmd.Name)
		}
		e.steps = slices.Contains(stepwise, cmd.Name)
		e.in = specialOf(cmd)
		d.entries[cmd.ID] = e
	}
	for _, cmd := range d.known.Commands() {
		bind(cmd)
		for _, sub := range cmd.Subcommands {
			bind(sub)
		}
	}
	d.noteRenamed()
	return bindErr
}
