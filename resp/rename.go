package resp

import (
	"fmt"
	"strings"

	"respkv/resp/command"
)

// renamedTable is the table of the commands as clients call them: rules are those
// of server.rename_commands, "CONFIG=other" and "FLUSHALL=".
func renamedTable(known *command.Table, rules []string) (*command.Table, error) {
	if len(rules) == 0 {
		return known, nil
	}
	names := make(map[string]string, len(rules))
	for _, rule := range rules {
		name, other, ok := strings.Cut(rule, "=")
		if _, twice := names[strings.ToLower(name)]; !ok || name == "" || twice {
			return nil, fmt.Errorf("server.rename_commands: %q: want COMMAND=NEWNAME, or COMMAND= to disable it, once for each command", rule)
		}
		names[strings.ToLower(name)] = other
	}
	t, err := known.Rename(names)
	if err != nil {
		return nil, fmt.Errorf("server.rename_commands: %w", err)
	}
	return t, nil
}

// noteRenamed makes the entries of renamed commands know their own names, which
// take the place of the names that clients send.
func (d *Dispatcher) noteRenamed() {
	if d.table == d.known {
		return
	}
	for _, cmd := range d.table.Commands() {
		if d.table.Lookup([]byte(cmd.Name)) == cmd {
			continue
		}
		name := []byte(strings.ToUpper(cmd.Name))
		d.entries[cmd.ID].renamed = name
		for _, sub := range cmd.Subcommands {
			d.entries[sub.ID].renamed = name
		}
	}
}

// findKnown is find by the commands' own names, as effects have them.
func (d *Dispatcher) findKnown(args [][]byte) *entry {
	cmd := d.known.Lookup(args[0])
	if cmd == nil {
		return nil
	}
	if cmd.IsContainer() && len(args) > 1 {
		if sub := cmd.Subcommand(args[1]); sub != nil {
			cmd = sub
		}
	}
	return d.entries[cmd.ID]
}
