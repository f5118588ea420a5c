package command

// aclCommands declares ACL.
var aclCommands = []*Command{
	{
		Name: "acl", Group: GroupServer, Since: "6.0.0", Arity: -2,
		Summary:    "",
		Complexity: "Depends on subcommand.",
		Subcommands: []*Command{
			{
				Name: "acl|cat", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(1) since the categories and commands are a fixed set.",
				Args:       []Arg{str("categoryname").opt()},
			},
			{
				Name: "acl|deluser", Group: GroupServer, Since: "6.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(1) amortized time considering the typical user.",
				Args:       []Arg{str("username").many()},
			},
			{
				Name: "acl|dryrun", Group: GroupServer, Since: "7.0.0", Arity: -4,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(1).",
				Args:       []Arg{str("username"), str("command"), str("arg").opt().many()},
			},
			{
				Name: "acl|genpass", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(1)",
				Args:       []Arg{integer("bits").opt()},
			},
			{
				Name: "acl|getuser", Group: GroupServer, Since: "6.0.0", Arity: 3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
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
				Summary:    "",
				Complexity: "O(1)",
			},
			{
				Name: "acl|list", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|load", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|log", Group: GroupServer, Since: "6.0.0", Arity: -2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(N) with N being the number of entries shown.",
				Args: []Arg{
					oneOf("operation", integer("count"), word("reset", "RESET")).opt(),
				},
			},
			{
				Name: "acl|save", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|setuser", Group: GroupServer, Since: "6.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "",
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
				Summary:    "",
				Complexity: "O(N). Where N is the number of configured users.",
			},
			{
				Name: "acl|whoami", Group: GroupServer, Since: "6.0.0", Arity: 2,
				Flags:      NoScript | Loading | Stale,
				Summary:    "",
				Complexity: "O(1)",
			},
		},
	},
}
