package acl

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"respkv/resp/command"
)

// Access is what a rule lets do with a key.
type access uint8

const (
	readKeys access = 1 << iota
	writeKeys
)

// selector is one set of permissions: a command must be allowed by one of them as
// a whole. Values are copied; slices and maps in them are never written after the
// selector is part of a User.
type selector struct {
	allCommands bool // every command, those of later versions included, without exception
	allKeys     bool
	allChannels bool
	// future says that +@all was given and commands were taken away since: a later
	// version's commands are allowed.
	future bool

	commands commandSet
	// firstArgs are, by command, the first arguments with which a command is
	// allowed that is not allowed as such.
	firstArgs map[int][]string
	keys      []keyPattern
	channels  []string
}

type keyPattern struct {
	pattern string
	access  access
}

func (s selector) clone() selector {
	s.keys, s.channels = slices.Clone(s.keys), slices.Clone(s.channels)
	s.firstArgs = maps.Clone(s.firstArgs)
	for id, args := range s.firstArgs {
		s.firstArgs[id] = slices.Clone(args)
	}
	return s
}

// apply changes the selector by one rule. After an error it is unchanged.
func (s *selector) apply(c *Commands, rule string) error {
	switch strings.ToLower(rule) {
	case "allkeys", "~*":
		s.allKeys, s.keys = true, nil
		return nil
	case "resetkeys":
		s.allKeys, s.keys = false, nil
		return nil
	case "allchannels", "&*":
		s.allChannels, s.channels = true, nil
		return nil
	case "resetchannels":
		s.allChannels, s.channels = false, nil
		return nil
	case "allcommands", "+@all":
		s.allCommands, s.future, s.firstArgs = true, true, nil
		for i := range s.commands {
			s.commands[i] = ^uint64(0)
		}
		return nil
	case "nocommands", "-@all":
		s.allCommands, s.future, s.firstArgs, s.commands = false, false, nil, commandSet{}
		return nil
	case "":
		return errSyntax
	}
	switch rule[0] {
	case '~', '%':
		return s.addKeys(rule)
	case '&':
		return s.addChannels(rule[1:])
	case '+', '-':
		if strings.HasPrefix(rule[1:], "@") {
			cat := c.category([]byte(rule[2:]))
			if cat == nil {
				return errUnknownName
			}
			s.change(&cat.reach, rule[0] == '+')
			return nil
		}
		return s.changeCommand(c, rule)
	}
	return errSyntax
}

func (s *selector) addKeys(rule string) error {
	if s.allKeys {
		return errAfterAllKeys
	}
	pattern, granted := rule[1:], readKeys|writeKeys
	if rule[0] == '%' {
		var letters string
		letters, pattern, _ = strings.Cut(rule[1:], "~")
		granted = 0
		for _, letter := range []byte(letters) {
			var a access
			switch letter {
			case 'R', 'r':
				a = readKeys
			case 'W', 'w':
				a = writeKeys
			}
			if a == 0 || granted&a != 0 {
				return errSyntax
			}
			granted |= a
		}
		if granted == 0 {
			return errSyntax
		}
	}
	if hasSpaces(pattern) {
		return errSyntax
	}
	if i := slices.IndexFunc(s.keys, func(k keyPattern) bool { return k.pattern == pattern }); i >= 0 {
		s.keys[i].access |= granted
		return nil
	}
	s.keys = append(s.keys, keyPattern{pattern, granted})
	return nil
}

func (s *selector) addChannels(pattern string) error {
	switch {
	case s.allChannels:
		return errAfterAllChannels
	case hasSpaces(pattern):
		return errSyntax
	case !slices.Contains(s.channels, pattern):
		s.channels = append(s.channels, pattern)
	}
	return nil
}

// changeCommand is a rule on one command: "+get", "-config|set", "+select|0".
func (s *selector) changeCommand(c *Commands, rule string) error {
	name, allow := []byte(rule[1:]), rule[0] == '+'
	at := bytes.LastIndexByte(name, '|')
	if allow && at >= 0 {
		cmd := c.lookup(name[:at])
		switch {
		case cmd == nil:
			return errUnknownName
		case cmd.Parent != nil:
			return errFirstArgOfSub
		case at+1 == len(name):
			return errSyntax
		case !cmd.IsContainer():
			s.allowFirstArg(cmd, string(name[at+1:]))
			return nil
		}
	}
	cmd := c.lookup(name)
	if cmd == nil {
		return errUnknownName
	}
	reach := reachOf(cmd)
	s.change(&reach, allow)
	return nil
}

// change allows or forbids commands as such: what was said of first arguments of
// theirs is void.
func (s *selector) change(reach *commandSet, allow bool) {
	if allow {
		s.commands.union(reach)
	} else {
		s.commands.subtract(reach)
		s.allCommands = false
	}
	maps.DeleteFunc(s.firstArgs, func(id int, _ []string) bool { return reach.has(id) })
}

func (s *selector) allowFirstArg(cmd *command.Command, arg string) {
	have := s.firstArgs[cmd.ID]
	if slices.ContainsFunc(have, func(a string) bool { return foldEqual(a, []byte(arg)) }) {
		return
	}
	if s.firstArgs == nil {
		s.firstArgs = make(map[int][]string)
	}
	s.firstArgs[cmd.ID] = append(have, arg)
}

// foldEqual compares words, not minding the case of ASCII letters. It does not
// allocate.
func foldEqual(a string, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// hasSpaces says whether a name or pattern could not stand in a line of rules.
func hasSpaces(s string) bool { return strings.ContainsAny(s, " \t\n\v\f\r\x00") }
