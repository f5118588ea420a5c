package command

// aclCommands declares ACL.
var aclCommands = []*Command{
	{
		Name: "acl", Group: GroupServer, Since: "6.0.0", Arity: -2,
		Summary:    "Groups the commands that manage users and their rights.",
		Complexity: "Depends on subcommand.",
		Subcommands: []*Command{
			{
				Name: "acl|cat", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "Lists the command categories, or the commands of one.",
				Complexity: "O(1) since the categories and commands are a fixed set.",
				Args:       []Arg{str("categoryname").opt()},
			},
			{
				Name: "acl|deluser", Group: GroupServer, Since: "6.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Deletes users and closes their connections.",
				Complexity: "O(1) amortized time considering the typical user.",
				Args:       []Arg{str("username").many()},
			},
			{
				Name: "acl|dryrun", Group: GroupServer, Since: "7.0.0", Arity: -4,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Tells whether a user may run a command, without running it.",
				Complexity: "O(1).",
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
				Complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
				Args:       []Arg{str("username")},
				History: []Change{
					{"6.2.0", "Added Pub/Sub channel patterns."},
					{"7.0.0", "Added selectors and changed the format of key and channel patterns from a list to their rule representation."},
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
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|load", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Replaces the users by those in the ACL file.",
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|log", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Shows or clears the latest denials.",
				Complexity: "O(N) with N being the number of entries shown.",
				Args: []Arg{
					oneOf("operation", integer("count"), word("reset", "RESET")).opt(),
				},
			},
			{
				Name: "acl|save", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Writes the users to the ACL file.",
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|setuser", Group: GroupServer, Since: "6.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Creates a user or changes what it may do.",
				Complexity: "O(N). Where N is the number of rules provided.",
				Args:       []Arg{str("username"), str("rule").opt().many()},
				History: []Change{
					{"6.2.0", "Added Pub/Sub channel patterns."},
					{"7.0.0", "Added selectors and key based permissions."},
				},
			},
			{
				Name: "acl|users", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Lists the user names.",
				Complexity: "O(N). Where N is the number of configured users.",
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
