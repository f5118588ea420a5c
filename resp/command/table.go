package command

import "bytes"

// Table is a set of commands with their sub-commands: what a server runs, and
// what its COMMAND tells of. It never changes and may be used from any
// goroutine.
type Table struct {
	commands []*Command // without sub-commands, in declared order
	index    nameIndex
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
func (t *Table) Lookup(name []byte) *Command { return t.index.find(name) }

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
