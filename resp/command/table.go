package command

import (
	"bytes"
	"fmt"
	"strings"
)

// Table is a set of commands with their sub-commands: what a server runs, and
// what its COMMAND tells of. It never changes and may be used from any
// goroutine.
type Table struct {
	commands []*Command // without sub-commands, in declared order
	index    nameIndex
	renamed  map[string]*Command // by the name that clients use, in lower case
}

// full holds every command of the package.
var full = build(declared())

// count is the number of commands and sub-commands in full.
var count int

// Full is the table of all commands that the package knows.
func Full() *Table { return full }

// Count is one more than the highest Command.ID.
func Count() int { return count }

// Lookup finds a command by the name as sent, in any case, among all that the
// package knows. It returns nil when there is none. It does not allocate.
func Lookup(name []byte) *Command { return full.Lookup(name) }

// LookupName finds a command or sub-command by its full name, such as "get" or
// "config|set", in any case; nil when there is none.
func LookupName(name string) *Command { return full.LookupName(name) }

// NewTable makes a table of the commands for whose full name ("get",
// "config|set") has reports true. A container command is in the table when one
// of its sub-commands is, and then lists only those that are.
func NewTable(has func(name string) bool) *Table {
	t := &Table{}
	for _, c := range full.commands {
		if !c.IsContainer() {
			if has(c.Name) {
				t.commands = append(t.commands, c)
			}
			continue
		}
		container := *c
		container.Subcommands = nil
		for _, s := range c.Subcommands {
			if has(s.Name) {
				sub := *s
				sub.Parent = &container
				container.Subcommands = append(container.Subcommands, &sub)
			}
		}
		if len(container.Subcommands) > 0 || has(c.Name) {
			container.subs = newNameIndex(container.Subcommands)
			t.commands = append(t.commands, &container)
		}
	}
	t.index = newNameIndex(t.commands)
	return t
}

// Commands lists the commands, without sub-commands. The slice belongs to the
// table.
func (t *Table) Commands() []*Command { return t.commands }

// Lookup finds a command by the name as sent, in any case; nil when there is
// none. It does not allocate.
func (t *Table) Lookup(name []byte) *Command {
	if c := t.index.find(name); c != nil || t.renamed == nil {
		return c
	}
	return t.renamed[string(bytes.ToLower(name))]
}

// Rename returns a table in which commands, by their names, are found under
// other names only, or not at all where the new name is "". The entries are the
// same: a command keeps its own name.
func (t *Table) Rename(names map[string]string) (*Table, error) {
	next := &Table{renamed: make(map[string]*Command)}
	renamed := make(map[string]string, len(names))
	for old, name := range names {
		renamed[strings.ToLower(old)] = strings.ToLower(name)
	}
	var kept []*Command
	for _, c := range t.commands {
		name, ok := renamed[c.Name]
		switch {
		case !ok:
			kept = append(kept, c)
		case name == "":
			continue
		case next.renamed[name] != nil:
			return nil, fmt.Errorf("command: two commands renamed to %q", name)
		default:
			next.renamed[name] = c
		}
		next.commands = append(next.commands, c)
	}
	next.index = newNameIndex(kept)
	for name := range next.renamed {
		if next.index.find([]byte(name)) != nil {
			return nil, fmt.Errorf("command: there is a command %q already", name)
		}
	}
	for old := range renamed {
		if t.Lookup([]byte(old)) == nil {
			return nil, fmt.Errorf("command: there is no command %q to rename", old)
		}
	}
	return next, nil
}

// LookupName finds a command or sub-command by its full name, such as "get" or
// "config|set", in any case; nil when there is none.
func (t *Table) LookupName(name string) *Command {
	container, sub, isSub := bytes.Cut([]byte(name), []byte{'|'})
	c := t.Lookup(container)
	if c == nil || !isSub {
		return c
	}
	return c.Subcommand(sub)
}

// build completes the declared entries: numbers, parents, indexes and all that
// follows from what is declared.
func build(groups [][]*Command) *Table {
	t := &Table{}
	for _, g := range groups {
		for _, c := range g {
			c.complete()
			for _, s := range c.Subcommands {
				s.Parent = c
				s.complete()
			}
			c.subs = newNameIndex(c.Subcommands)
			t.commands = append(t.commands, c)
		}
	}
	t.index = newNameIndex(t.commands)
	return t
}

func (c *Command) complete() {
	c.ID = count
	count++
	c.Categories = impliedCategories(c.Flags, c.Categories)
	c.FirstKey, c.LastKey, c.KeyStep = legacyRange(c.KeySpecs)
	c.keys = compileKeys(c)
	if len(c.KeySpecs) == 0 && c.Flags&TouchesArbitraryKeys == 0 {
		c.Flags |= NoLock
	}
}
