// Package command is the declared command table: one entry per command with
// the facts that the server, clients and COMMAND need (arity, flags, keys, ACL
// categories, documentation), the lookup from a name as sent to its entry, the
// extraction of keys from an argument vector, and the replies of COMMAND.
//
// The package holds no handlers and says nothing of which commands a server
// runs: a server builds a [Table] of the entries it has handlers for.
//
// The facts are those of redis-server 7.0.15 (checked field by field by the
// differential test) and, for younger commands, of the version in Since.
package command

// Command is one entry of the table: a command or, where Parent is set, a
// sub-command. Entries are built once and never change afterwards, so that they
// may be read from any goroutine.
type Command struct {
	// Name is the full name in lower case: "get", or "config|set" for a
	// sub-command.
	Name string
	// Summary says in one sentence what the command does.
	Summary string
	// Group is the documentation group.
	Group Group
	// Since is the first Redis version with this command.
	Since string
	// Complexity is the time complexity; empty where none is stated.
	Complexity string

	// Arity is the exact number of arguments, the names of command and
	// sub-command included; a negative value -n means n or more.
	Arity int
	// LaterArity is an exact number of arguments that versions after 7.0.15 take, too,
	// and 0 if there is none. COMMAND does not show it.
	LaterArity int
	// Flags govern dispatch.
	Flags Flags
	// Categories are the ACL categories, the implied ones included.
	Categories Categories
	// KeySpecs tell where the keys are. Empty: the command takes none.
	KeySpecs []KeySpec
	// FirstKey, LastKey and KeyStep are the key range that clients older than
	// key specs understand; LastKey counts from the end when negative. All zero
	// when there are no keys at a fixed position.
	FirstKey, LastKey, KeyStep int
	// Tips are hints for clients and proxies.
	Tips []string

	// Args describe the arguments after the name.
	Args []Arg
	// History lists what changed after Since, oldest first.
	History []Change
	// DocFlags, DeprecatedSince and ReplacedBy are set on commands that are
	// deprecated or not meant for users.
	DocFlags        DocFlags
	DeprecatedSince string
	ReplacedBy      string

	// Subcommands of a container command, in the order declared.
	Subcommands []*Command
	// Parent is the container of a sub-command, nil otherwise.
	Parent *Command

	// ID numbers all commands and sub-commands of the package from 0 without
	// gaps, so that a server can keep what belongs to a command (handler,
	// counters) in a slice. It is the same in every Table.
	ID int

	keys keyPlan   // how keys are found, compiled from KeySpecs
	subs nameIndex // index of Subcommands by name
}

// Change is one line of a command's history.
type Change struct {
	Since string // Redis version
	Text  string
}

// Subcommand finds a sub-command by the name as sent, in any case. It returns
// nil when there is none. It does not allocate.
func (c *Command) Subcommand(name []byte) *Command {
	return c.subs.find(name)
}

// IsContainer says whether the command has sub-commands and therefore does
// nothing by itself.
func (c *Command) IsContainer() bool { return len(c.Subcommands) > 0 }

// ArityOK says whether argc arguments, names included, fit the arity.
func (c *Command) ArityOK(argc int) bool {
	if c.Arity >= 0 {
		return argc == c.Arity || argc == c.LaterArity
	}
	return argc >= -c.Arity
}

// BaseName is the last part of the name: "set" for "config|set".
func (c *Command) BaseName() string {
	if c.Parent == nil {
		return c.Name
	}
	return c.Name[len(c.Parent.Name)+1:]
}

// Has says whether all of the flags are set.
func (c *Command) Has(f Flags) bool { return c.Flags&f == f }
