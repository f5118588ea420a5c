package acl

import (
	"slices"
	"strings"
)

// User is what one user may do. It never changes.
type User struct {
	// Unrestricted says that every command on everything is allowed, so that
	// nothing need be checked.
	Unrestricted bool
	// Enabled says that clients may log in. Those that have stay logged in when a
	// user is switched off.
	Enabled bool
	// NoPassword says that any password is right.
	NoPassword bool

	allKeys   bool // every selector has all keys
	sanitize  sanitizing
	passwords []string   // SHA-256 in lower-case hexadecimal
	selectors []selector // the first one is the user's own, and always there
}

// sanitizing is what was said of payloads of RESTORE. It is kept because it is
// shown; payloads are always looked at.
type sanitizing uint8

const (
	sanitizeUnset sanitizing = iota
	sanitizeSkip
	sanitizeAlways
)

// NewUser returns a user that may do nothing and can't log in. allChannels is
// acl-pubsub-default: whether a user, and each selector, begins with access to
// all channels.
func NewUser(allChannels bool) *User {
	return &User{selectors: []selector{{allChannels: allChannels}}}
}

// NewDefaultUser returns the default user of a server that was told nothing: it
// may do everything, and needs no password unless one is given.
func NewDefaultUser(password string) *User {
	all := selector{allCommands: true, allKeys: true, allChannels: true, future: true}
	for i := range all.commands {
		all.commands[i] = ^uint64(0)
	}
	u := &User{Enabled: true, NoPassword: password == "", selectors: []selector{all}}
	if password != "" {
		u.passwords = []string{HashPassword([]byte(password))}
	}
	return u.finish()
}

// WithPassword returns the user with this password alone, none for "". It is what
// requirepass does to the default user.
func (u *User) WithPassword(password string) *User {
	next := u.clone()
	next.NoPassword, next.passwords = password == "", nil
	if password != "" {
		next.passwords = []string{HashPassword([]byte(password))}
	}
	return next
}

func (u *User) clone() *User {
	next := *u
	next.passwords = slices.Clone(u.passwords)
	next.selectors = make([]selector, len(u.selectors))
	for i := range u.selectors {
		next.selectors[i] = u.selectors[i].clone()
	}
	return &next
}

// finish derives what checks ask first.
func (u *User) finish() *User {
	u.Unrestricted = slices.ContainsFunc(u.selectors, func(s selector) bool {
		return s.allCommands && s.allKeys && s.allChannels
	})
	u.allKeys = !slices.ContainsFunc(u.selectors, func(s selector) bool { return !s.allKeys })
	return u
}

// Options are what rules depend on beside themselves.
type Options struct {
	// AllChannels is acl-pubsub-default: see NewUser.
	AllChannels bool
	// SkipUnknown leaves out rules on commands and categories that this version
	// does not know, instead of refusing them.
	SkipUnknown bool
}

// Apply returns the user changed by rules, in order. They are those of ACL
// SETUSER, a selector in one piece. An error is a *RuleError.
func (c *Commands) Apply(u *User, rules []string, o Options) (*User, error) {
	next := u.clone()
	for _, rule := range rules {
		if err := next.apply(c, rule, o); err != nil {
			return nil, &RuleError{Rule: rule, Err: err}
		}
	}
	return next.finish(), nil
}

func (u *User) apply(c *Commands, rule string, o Options) error {
	switch strings.ToLower(rule) {
	case "":
		return nil
	case "on":
		u.Enabled = true
		return nil
	case "off":
		u.Enabled = false
		return nil
	case "nopass":
		u.NoPassword, u.passwords = true, nil
		return nil
	case "resetpass":
		u.NoPassword, u.passwords = false, nil
		return nil
	case "sanitize-payload":
		u.sanitize = sanitizeAlways
		return nil
	case "skip-sanitize-payload":
		u.sanitize = sanitizeSkip
		return nil
	case "clearselectors":
		u.selectors = u.selectors[:1]
		return nil
	case "reset":
		*u = *NewUser(o.AllChannels)
		u.sanitize = sanitizeAlways
		return nil
	}
	switch rule[0] {
	case '>', '#', '<', '!':
		return u.changePassword(rule)
	case '(':
		if strings.HasSuffix(rule, ")") {
			return u.addSelector(c, rule[1:len(rule)-1], o)
		}
	}
	return u.selectors[0].applyOr(c, rule, o)
}

// applyOr is apply with what SkipUnknown asks for.
func (s *selector) applyOr(c *Commands, rule string, o Options) error {
	err := s.apply(c, rule)
	if err == errUnknownName && o.SkipUnknown {
		return nil
	}
	return err
}

func (u *User) changePassword(rule string) error {
	hash := rule[1:]
	switch rule[0] {
	case '>', '<':
		hash = HashPassword([]byte(hash))
	default:
		if !isHash(hash) {
			return errBadHash
		}
	}
	i := slices.Index(u.passwords, hash)
	if rule[0] == '>' || rule[0] == '#' {
		if i < 0 {
			u.passwords = append(u.passwords, hash)
		}
		u.NoPassword = false
		return nil
	}
	if i < 0 {
		return errNoSuchPassword
	}
	u.passwords = slices.Delete(u.passwords, i, i+1)
	return nil
}

func (u *User) addSelector(c *Commands, rules string, o Options) error {
	s := selector{allChannels: o.AllChannels}
	for _, rule := range strings.Fields(rules) {
		if err := s.applyOr(c, rule, o); err != nil {
			return err
		}
	}
	u.selectors = append(u.selectors, s)
	return nil
}

// MergeSelectors joins the words of a selector that was given as several
// arguments, "(+get" "~a)", into one rule. As in Redis, one that begins before the
// last one ended takes its place. An error is an *UnmatchedError.
func MergeSelectors(words []string) ([]string, error) {
	rules := make([]string, 0, len(words))
	open, selector := "", "" // the word that began the selector, and its words
	for _, word := range words {
		switch ends := strings.HasSuffix(word, ")"); {
		case strings.HasPrefix(word, "(") && !ends:
			open, selector = word, word
		case open == "":
			rules = append(rules, word)
		default:
			selector += " " + word
			if ends {
				rules = append(rules, selector)
				open = ""
			}
		}
	}
	if open != "" {
		return nil, &UnmatchedError{Start: open}
	}
	return rules, nil
}
