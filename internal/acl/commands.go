// Package acl decides which user may run which command on which keys and
// channels: users and their rules, the language in which rules are written, the
// check of one command, and the log of what was denied. The rules are those of
// redis-server 7.0.15.
//
// A [User] never changes: a rule makes a new one. An [Account] is the name that
// clients are logged in under, and points to the user of the moment; [Users] holds
// all accounts. So whoever checks a command takes no lock.
//
// The package knows nothing of connections and configuration.
package acl

import (
	"bytes"
	"fmt"
	"math/bits"

	"respkv/resp/command"
)

// maxCommands bounds the commands and sub-commands that a rule can tell apart.
const maxCommands = 1024

// commandSet is a set of commands by their ID.
type commandSet [maxCommands / 64]uint64

func (s *commandSet) has(id int) bool { return s[id/64]>>(id%64)&1 != 0 }

func (s *commandSet) add(id int) { s[id/64] |= 1 << (id % 64) }

func (s *commandSet) union(o *commandSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s *commandSet) subtract(o *commandSet) {
	for i := range s {
		s[i] &^= o[i]
	}
}

// common counts the commands in both sets.
func (s *commandSet) common(o *commandSet) (n int) {
	for i := range s {
		n += bits.OnesCount64(s[i] & o[i])
	}
	return n
}

func (s *commandSet) len() int { return s.common(s) }

// Commands is what rules can name: the commands of a server and their categories.
// It never changes.
type Commands struct {
	table      *command.Table
	categories []category // in the order of ACL CAT
}

type category struct {
	name    string
	members commandSet // the commands that belong to it
	// reach is what a rule on the category changes: the members and, where a
	// container is one, all of its sub-commands.
	reach commandSet
}

// NewCommands prepares the rules for the commands of a table. Names in rules are
// those that the table was declared with, whatever a server calls them.
func NewCommands(table *command.Table) *Commands {
	if command.Count() > maxCommands {
		panic(fmt.Sprintf("acl: more than %d commands", maxCommands))
	}
	c := &Commands{table: table}
	for _, name := range command.AllCategories() {
		flag, _ := command.ParseCategory([]byte(name))
		cat := category{name: name}
		for _, cmd := range table.Commands() {
			whole := cmd.Categories&flag != 0
			if whole {
				cat.members.add(cmd.ID)
				cat.reach.add(cmd.ID)
			}
			for _, sub := range cmd.Subcommands {
				if sub.Categories&flag != 0 {
					cat.members.add(sub.ID)
				}
				if whole || sub.Categories&flag != 0 {
					cat.reach.add(sub.ID)
				}
			}
		}
		c.categories = append(c.categories, cat)
	}
	return c
}

// lookup finds a command by the name in a rule, "config|get" for a sub-command.
func (c *Commands) lookup(name []byte) *command.Command {
	container, sub, isSub := bytes.Cut(name, []byte{'|'})
	cmd := c.table.Lookup(container)
	if cmd == nil || !isSub {
		return cmd
	}
	return cmd.Subcommand(sub)
}

func (c *Commands) category(name []byte) *category {
	for i := range c.categories {
		if bytes.EqualFold(name, []byte(c.categories[i].name)) {
			return &c.categories[i]
		}
	}
	return nil
}

// InCategory lists the full names of the commands of a category, given without
// "@". ok is false when there is no such category.
func (c *Commands) InCategory(name []byte) (names []string, ok bool) {
	cat := c.category(name)
	if cat == nil {
		return nil, false
	}
	for cmd := range c.each {
		if cat.members.has(cmd.ID) {
			names = append(names, cmd.Name)
		}
	}
	return names, true
}

// each calls yield for every command, its sub-commands following it.
func (c *Commands) each(yield func(*command.Command) bool) {
	for _, cmd := range c.table.Commands() {
		if !yield(cmd) {
			return
		}
		for _, sub := range cmd.Subcommands {
			if !yield(sub) {
				return
			}
		}
	}
}

// reachOf is what a rule on one command changes: it and its sub-commands.
func reachOf(cmd *command.Command) (s commandSet) {
	s.add(cmd.ID)
	for _, sub := range cmd.Subcommands {
		s.add(sub.ID)
	}
	return s
}
