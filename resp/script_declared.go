package resp

import (
	"slices"
	"strings"

	"respkv/internal/lua"
	"respkv/resp/command"
)

// keylessInScripts are commands without keys that need no locks.
var keylessInScripts = []string{"echo", "ping", "publish", "select", "spublish", "time"}

// staysDeclared says whether a command that the text of a script shows touches none but
// declared keys, whatever its other arguments are: where its keys are follows from their
// number. What can't run, for want of such a command or of arguments, touches none.
func (d *Dispatcher) staysDeclared(c lua.Call) bool {
	if len(c.Args) == 0 || !c.Args[0].Known {
		return false
	}
	cmd := d.table.Lookup([]byte(strings.ToLower(c.Args[0].Text)))
	if cmd == nil {
		return true
	}
	if len(cmd.Subcommands) > 0 {
		if len(c.Args) < 2 || !c.Args[1].Known {
			return false
		}
		if cmd = cmd.Subcommand([]byte(strings.ToLower(c.Args[1].Text))); cmd == nil {
			return true
		}
	}
	e := d.entries[cmd.ID]
	switch {
	case e == nil || e.handler == nil:
		return true
	case e.in.allLocks || cmd.Has(command.TouchesArbitraryKeys):
		return false
	case !e.keyed:
		return slices.Contains(keylessInScripts, cmd.Name)
	}
	for i := range cmd.KeySpecs {
		if !keysDeclared(&cmd.KeySpecs[i], c) {
			return false
		}
	}
	return true
}

// keysDeclared says whether the keys of a specification are declared ones.
func keysDeclared(spec *command.KeySpec, c lua.Call) bool {
	if spec.Begin != command.BeginIndex || spec.Find != command.FindRange || spec.Limit > 1 {
		return false
	}
	last := spec.Index + spec.LastKey
	if spec.LastKey < 0 {
		if c.More {
			return false
		}
		last = len(c.Args) + spec.LastKey
	}
	for i := spec.Index; i <= last; i += max(spec.KeyStep, 1) {
		switch {
		case i < len(c.Args):
			if !c.Args[i].Key {
				return false
			}
		case c.More:
			return false
		}
	}
	return true
}
