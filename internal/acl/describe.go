package acl

import (
	"strings"

	"respkv/resp/command"
)

// Flags lists the flags of the user as ACL GETUSER does.
func (u *User) Flags() []string {
	flags := []string{"off"}
	if u.Enabled {
		flags[0] = "on"
	}
	if u.NoPassword {
		flags = append(flags, "nopass")
	}
	switch u.sanitize {
	case sanitizeSkip:
		flags = append(flags, "skip-sanitize-payload")
	case sanitizeAlways:
		flags = append(flags, "sanitize-payload")
	}
	return flags
}

// Passwords lists the hashes of the user's passwords. It is the user's own slice.
func (u *User) Passwords() []string { return u.passwords }

// Permissions is one selector as ACL GETUSER shows it.
type Permissions struct{ Commands, Keys, Channels string }

// Permissions lists what the user's own rules and its selectors allow, the
// former first.
func (c *Commands) Permissions(u *User) []Permissions {
	list := make([]Permissions, len(u.selectors))
	for i := range u.selectors {
		s := &u.selectors[i]
		list[i] = Permissions{c.describeCommands(s), s.describeKeys(false), s.describeChannels()}
	}
	return list
}

// Describe is the line of ACL LIST after the user's name: rules that give a user
// who may do the same.
func (c *Commands) Describe(u *User) string { return c.describe(u, false) }

// Rules returns rules that make the same user of any that NewUser returns, in one
// line. Unlike those of Describe they also tell the pattern * from all keys, which
// matters to rules that follow.
func (c *Commands) Rules(u *User) string { return c.describe(u, true) }

func (c *Commands) describe(u *User, exact bool) string {
	words := u.Flags()
	for _, hash := range u.passwords {
		words = append(words, "#"+hash)
	}
	for i := range u.selectors {
		rules := c.describeSelector(&u.selectors[i], exact)
		if i > 0 {
			rules = "(" + rules + ")"
		}
		words = append(words, rules)
	}
	return strings.Join(words, " ")
}

func (c *Commands) describeSelector(s *selector, exact bool) string {
	var words []string
	if keys := s.describeKeys(exact); keys != "" {
		words = append(words, keys)
	}
	if !s.allChannels {
		words = append(words, "resetchannels")
	}
	if channels := s.describeChannels(); channels != "" {
		words = append(words, channels)
	}
	return strings.Join(append(words, c.describeCommands(s)), " ")
}

func (s *selector) describeKeys(exact bool) string {
	if s.allKeys {
		return "~*"
	}
	words := make([]string, len(s.keys))
	for i, k := range s.keys {
		prefix := "~"
		switch {
		case k.access == readKeys:
			prefix = "%R~"
		case k.access == writeKeys:
			prefix = "%W~"
		case exact && k.pattern == "*":
			prefix = "%RW~"
		}
		words[i] = prefix + k.pattern
	}
	return strings.Join(words, " ")
}

func (s *selector) describeChannels() string {
	if s.allChannels {
		return "&*"
	}
	words := make([]string, len(s.channels))
	for i, pattern := range s.channels {
		words[i] = "&" + pattern
	}
	return strings.Join(words, " ")
}

// describeCommands finds few rules that give exactly the commands of s: all or
// none, then the categories that fit best, then single commands.
//
// A category fits when more of its commands are wanted than not. The one with
// the fewest that are not wanted is taken first, of those the one with the most
// that are; what it brings needs no other category.
func (c *Commands) describeCommands(s *selector) string {
	words := []string{"-@all"}
	sign := "-"
	var said commandSet // the commands that words allow
	rest := s.commands  // what is still to be said: commands to add, or to leave
	if s.future {
		words[0] = "+@all"
		for i := range said {
			said[i] = ^uint64(0)
		}
	} else {
		sign = "+"
	}
	used := make([]bool, len(c.categories))
	for {
		best, fewest, most := -1, maxCommands, 0
		for i := range c.categories {
			if used[i] {
				continue
			}
			members := &c.categories[i].members
			wanted := rest.common(members)
			not := members.len() - wanted
			if s.future {
				wanted, not = not, wanted
			}
			if wanted > not && (not < fewest || not == fewest && wanted > most) {
				best, fewest, most = i, not, wanted
			}
		}
		if best < 0 {
			break
		}
		cat := &c.categories[best]
		used[best] = true
		words = append(words, sign+"@"+cat.name)
		if s.future {
			said.subtract(&cat.reach)
			rest.union(&cat.reach)
		} else {
			said.union(&cat.reach)
			rest.subtract(&cat.reach)
		}
	}
	for cmd := range c.each {
		words = s.describeCommand(words, cmd, &said)
	}
	return strings.Join(words, " ")
}

// describeCommand adds what the words before leave unsaid of one command.
func (s *selector) describeCommand(words []string, cmd *command.Command, said *commandSet) []string {
	allowed := s.commands.has(cmd.ID)
	if allowed != said.has(cmd.ID) {
		reach := reachOf(cmd)
		if allowed {
			said.union(&reach)
			words = append(words, "+"+cmd.Name)
		} else {
			said.subtract(&reach)
			words = append(words, "-"+cmd.Name)
		}
	}
	if !allowed {
		for _, arg := range s.firstArgs[cmd.ID] {
			words = append(words, "+"+cmd.Name+"|"+arg)
		}
	}
	return words
}
