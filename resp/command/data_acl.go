package command

// aclCommands declares ACL.
var aclCommands = []*Command{
	{
		Name: "acl", Group: GroupServer, Since: "6.0.0", Arity: -2,
		Summary:    "Groups the commands that manage users and their rights.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "acl|cat", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "Lists the command categories, or the commands of one.",
				Complexity: "O(N), N commands of the server",
				Args:       []Arg{str("categoryname").opt()},
			},
			{
				Name: "acl|deluser", Group: GroupServer, Since: "6.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Deletes users and closes their connections.",
				Complexity: "O(N*M), N users named, M connections",
				Args:       []Arg{str("username").many()},
			},
			{
				Name: "acl|dryrun", Group: GroupServer, Since: "7.0.0", Arity: -4,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Tells whether a user may run a command, without running it.",
				Complexity: "O(1)",
				Args:       []Arg{str("username"), str("command"), str("arg").opt().many()},
			},
			{
				Name: "acl|genpass", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "Makes a random password.",
				Complexity: "O(1)",
				Args:       []Arg{integer("bits").opt()},
			},
			{
				Name: "acl|getuser", Group: GroupServer, Since: "6.0.0", Arity: 3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns the rules of one user.",
				Complexity: "O(N), N passwords and rules of the user",
				Args:       []Arg{str("username")},
				History: []Change{
					{"6.2.0", "channel patterns in the reply"},
					{"7.0.0", "selectors in the reply; key and channel patterns as one rule string each"},
				},
			},
			{
				Name: "acl|help", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Loading | Stale,
				Summary:    "Lists the sub-commands of ACL.",
				Complexity: "O(1)",
			},
			{
				Name: "acl|list", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns the rules of all users as ACL file lines.",
				Complexity: "O(N), N rules of all users",
			},
			{
				Name: "acl|load", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Replaces the users by those in the ACL file.",
				Complexity: "O(N), N rules of all users",
			},
			{
				Name: "acl|log", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Shows or clears the latest denials.",
				Complexity: "O(N), N entries returned",
				Args: []Arg{
					oneOf("operation", integer("count"), word("reset", "RESET")).opt(),
				},
			},
			{
				Name: "acl|save", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Writes the users to the ACL file.",
				Complexity: "O(N), N rules of all users",
			},
			{
				Name: "acl|setuser", Group: GroupServer, Since: "6.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Creates a user or changes what it may do.",
				Complexity: "O(N), N rules given",
				Args:       []Arg{str("username"), str("rule").opt().many()},
				History: []Change{
					{"6.2.0", "rules for channel patterns"},
					{"7.0.0", "selectors; separate rules to read and to write keys"},
				},
			},
			{
				Name: "acl|users", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Lists the user names.",
				Complexity: "O(N), N users",
			},
			{
				Name: "acl|whoami", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "Names the user of this connection.",
				Complexity: "O(1)",
			},
		},
	},
}
