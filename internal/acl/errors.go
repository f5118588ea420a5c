package acl

import (
	"errors"
	"fmt"
)

// What is wrong with a rule, in Redis's words.
var (
	errUnknownName      = errors.New("Unknown command or category name in ACL")
	errSyntax           = errors.New("Syntax error")
	errAfterAllKeys     = errors.New("Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns")
	errAfterAllChannels = errors.New("Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels")
	errNoSuchPassword   = errors.New("The password you are trying to remove from the user does not exist")
	errBadHash          = errors.New("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")
	errFirstArgOfSub    = errors.New("Allowing first-arg of a subcommand is not supported")
)

// RuleError is a rule that was refused.
type RuleError struct {
	Rule string
	Err  error
}

// Error implements error.
func (e *RuleError) Error() string {
	return fmt.Sprintf("Error in ACL SETUSER modifier '%s': %v", e.Rule, e.Err)
}

// Unwrap gives what is wrong with the rule.
func (e *RuleError) Unwrap() error { return e.Err }

// UnmatchedError is a selector that does not end.
type UnmatchedError struct{ Start string }

// Error implements error.
func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("Unmatched parenthesis in acl selector starting at '%s'.", e.Start)
}
