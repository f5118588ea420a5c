package command

// commandCommands declares COMMAND.
var commandCommands = []*Command{
	{
		Name: "command", Group: GroupServer, Since: "2.8.13", Arity: -1,
		Flags: Loading | Stale, Categories: CatConnection,
		Summary:    "Describes all commands; groups the commands that do so in part.",
		Complexity: "O(N), N commands of the server",
		Tips:       []string{"nondeterministic_output_order"},
		Subcommands: []*Command{
			{
				Name: "command|count", Group: GroupServer, Since: "2.8.13", Arity: 2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Counts the commands of the server.",
				Complexity: "O(1)",
			},
			{
				Name: "command|docs", Group: GroupServer, Since: "7.0.0", Arity: -2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Returns the documentation of the named commands, or of all.",
				Complexity: "O(N), N commands named",
				Tips:       []string{"nondeterministic_output_order"},
				Args:       []Arg{str("command-name").opt().many()},
			},
			{
				Name: "command|getkeys", Group: GroupServer, Since: "2.8.13", Arity: -4,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Picks the key names out of a full command.",
				Complexity: "O(N), N arguments",
			},
			{
				Name: "command|getkeysandflags", Group: GroupServer, Since: "7.0.0", Arity: -4,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Picks the key names out of a full command, with what it does to each.",
				Complexity: "O(N), N arguments",
			},
			{
				Name: "command|help", Group: GroupServer, Since: "5.0.0", Arity: 2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Lists the sub-commands of COMMAND.",
				Complexity: "O(1)",
			},
			{
				Name: "command|info", Group: GroupServer, Since: "2.8.13", Arity: -2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Describes the named commands, or all.",
				Complexity: "O(N), N commands named",
				Tips:       []string{"nondeterministic_output_order"},
				Args:       []Arg{str("command-name").opt().many()},
				History: []Change{
					{"7.0.0", "all commands when none is named"},
				},
			},
			{
				Name: "command|list", Group: GroupServer, Since: "7.0.0", Arity: -2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "Lists command names, filtered if asked.",
				Complexity: "O(N), N commands of the server",
				Tips:       []string{"nondeterministic_output_order"},
				Args: []Arg{
					oneOf("filterby",
						str("module-name").token("MODULE"),
						str("category").token("ACLCAT"),
						pattern("pattern").token("PATTERN"),
					).token("FILTERBY").opt(),
				},
			},
		},
	},
}
