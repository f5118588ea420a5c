package acl

import (
	"slices"
	"unsafe"

	"respkv/internal/glob"
	"respkv/resp/command"
)

// Reason says why something was denied, in the order in which Redis prefers one
// over another when several selectors deny it.
type Reason uint8

// The reasons.
const (
	Allowed Reason = iota
	DeniedCommand
	DeniedKey
	DeniedAuth
	DeniedChannel
)

// String is the word of ACL LOG.
func (r Reason) String() string {
	switch r {
	case DeniedCommand:
		return "command"
	case DeniedKey:
		return "key"
	case DeniedAuth:
		return "auth"
	case DeniedChannel:
		return "channel"
	}
	return "allowed"
}

// Denial is the outcome of a check.
type Denial struct {
	Reason Reason
	// Arg is the argument that is the key or channel which was denied.
	Arg int
}

// OK says that nothing was denied.
func (d Denial) OK() bool { return d.Reason == Allowed }

// Check says whether the user may run cmd with args, the name first. The arity
// has been checked. It does not allocate for commands with up to maxStackKeys keys.
func (u *User) Check(cmd *command.Command, args [][]byte) Denial {
	if u.Unrestricted {
		return Denial{}
	}
	var space [maxStackKeys]command.KeyRef
	keys := u.keysOf(space[:0], cmd, args)
	worst := Denial{Reason: DeniedCommand}
	for i := range u.selectors {
		denial := u.selectors[i].check(cmd, args, keys)
		switch {
		case denial.OK():
			return denial
		case denial.Reason > worst.Reason, denial.Reason == worst.Reason && denial.Arg > worst.Arg:
			worst = denial
		}
	}
	return worst
}

// CheckAllKeys is Check for a command that reads keys which its arguments don't
// name: one selector must allow it and the reading of every key.
func (u *User) CheckAllKeys(cmd *command.Command, args [][]byte) bool {
	if u.Unrestricted {
		return true
	}
	var space [maxStackKeys]command.KeyRef
	keys := u.keysOf(space[:0], cmd, args)
	for i := range u.selectors {
		s := &u.selectors[i]
		if s.readsAllKeys() && s.check(cmd, args, keys).OK() {
			return true
		}
	}
	return false
}

// maxStackKeys is how many keys commands seldom have more of.
const maxStackKeys = 16

// keysOf appends the keys of a command, unless no selector asks for them. Of a
// malformed vector no key is known: the command will refuse it, and touches none
// before.
func (u *User) keysOf(dst []command.KeyRef, cmd *command.Command, args [][]byte) []command.KeyRef {
	if !cmd.TakesKeys() || u.allKeys {
		return dst
	}
	keys, _ := cmd.AppendKeyRefs(dst, args)
	return keys
}

func (s *selector) readsAllKeys() bool {
	if s.allKeys {
		return true
	}
	for i := range s.keys {
		if s.keys[i].pattern == "*" && s.keys[i].access&readKeys != 0 {
			return true
		}
	}
	return false
}

func (s *selector) check(cmd *command.Command, args [][]byte, keys []command.KeyRef) Denial {
	if !s.allCommands && !s.commands.has(cmd.ID) && cmd.Flags&command.NoAuth == 0 && !s.allowsFirstArg(cmd, args) {
		return Denial{Reason: DeniedCommand}
	}
	if !s.allKeys {
		for _, ref := range keys {
			if ref.Flags&command.NotKey == 0 && !s.allowsKey(args[ref.Pos], ref.Flags) {
				return Denial{DeniedKey, ref.Pos}
			}
		}
	}
	if !s.allChannels && cmd.Flags&command.PubSub != 0 {
		first, last, literal := channelArgs(cmd.Name, len(args))
		for i := first; i <= last; i++ {
			if !matchesChannel(s.channels, args[i], literal) {
				return Denial{DeniedChannel, i}
			}
		}
	}
	return Denial{}
}

func (s *selector) allowsFirstArg(cmd *command.Command, args [][]byte) bool {
	if len(s.firstArgs) == 0 || len(args) < 2 {
		return false
	}
	for _, allowed := range s.firstArgs[cmd.ID] {
		if foldEqual(allowed, args[1]) {
			return true
		}
	}
	return false
}

// allowsKey says whether one pattern gives all that the command does with the
// key. A command that neither reads nor changes user data (EXISTS, TYPE) needs
// any pattern that matches.
func (s *selector) allowsKey(key []byte, flags command.KeyFlags) bool {
	var needs access
	if flags&command.KeyAccess != 0 {
		needs |= readKeys
	}
	if flags&(command.KeyInsert|command.KeyDelete|command.KeyUpdate) != 0 {
		needs |= writeKeys
	}
	for i := range s.keys {
		k := &s.keys[i]
		if k.access&needs == needs && glob.Match(bytesOf(k.pattern), key) {
			return true
		}
	}
	return false
}

// channelArgs tells which arguments of a command are channels that the user must
// have access to; last < first: none. literal: they are patterns, which must be
// among the user's as they are. Whoever may not subscribe may still unsubscribe.
func channelArgs(name string, argc int) (first, last int, literal bool) {
	switch name {
	case "subscribe", "ssubscribe":
		return 1, argc - 1, false
	case "psubscribe":
		return 1, argc - 1, true
	case "publish", "spublish":
		return 1, min(1, argc-1), false
	}
	return 1, 0, false
}

func matchesChannel(patterns []string, channel []byte, literal bool) bool {
	for _, p := range patterns {
		if literal && p == string(channel) || !literal && glob.Match(bytesOf(p), channel) {
			return true
		}
	}
	return false
}

// bytesOf is s without a copy; for callees that only read.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// MaySubscribe says whether the user has access to a channel or, with literal,
// to a pattern as it is.
func (u *User) MaySubscribe(name string, literal bool) bool {
	for i := range u.selectors {
		s := &u.selectors[i]
		if s.allChannels || matchesChannel(s.channels, bytesOf(name), literal) {
			return true
		}
	}
	return false
}

// LosesChannels says whether next may lack access to a channel that u has.
func (u *User) LosesChannels(next *User) bool {
	for i := range next.selectors {
		if next.selectors[i].allChannels {
			return false
		}
	}
	for i := range u.selectors {
		s := &u.selectors[i]
		lost := func(pattern string) bool {
			return !slices.ContainsFunc(next.selectors, func(n selector) bool { return slices.Contains(n.channels, pattern) })
		}
		if s.allChannels || slices.ContainsFunc(s.channels, lost) {
			return true
		}
	}
	return false
}
