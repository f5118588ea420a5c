package command

// commandCommands declares COMMAND.
var commandCommands = []*Command{
	{
		Name: "command", Group: GroupServer, Since: "2.8.13", Arity: -1,
		Flags: Loading | Stale, Categories: CatConnection,
		Summary:    "",
		Complexity: "O(N) where N is the total number of Redis commands",
		Tips:       []string{"nondeterministic_output_order"},
		Subcommands: []*Command{
			{
				Name: "command|count", Group: GroupServer, Since: "2.8.13", Arity: 2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(1)",
			},
			{
				Name: "command|docs", Group: GroupServer, Since: "7.0.0", Arity: -2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(N) where N is the number of commands to look up",
				Tips:       []string{"nondeterministic_output_order"},
				Args:       []Arg{str("command-name").opt().many()},
			},
			{
				Name: "command|getkeys", Group: GroupServer, Since: "2.8.13", Arity: -4,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(N) where N is the number of arguments to the command",
			},
			{
				Name: "command|getkeysandflags", Group: GroupServer, Since: "7.0.0", Arity: -4,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(N) where N is the number of arguments to the command",
			},
			{
				Name: "command|help", Group: GroupServer, Since: "5.0.0", Arity: 2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(1)",
			},
			{
				Name: "command|info", Group: GroupServer, Since: "2.8.13", Arity: -2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(N) where N is the number of commands to look up",
				Tips:       []string{"nondeterministic_output_order"},
				Args:       []Arg{str("command-name").opt().many()},
				History: []Change{
					{"7.0.0", "Allowed to be called with no argument to get info on all commands."},
				},
			},
			{
				Name: "command|list", Group: GroupServer, Since: "7.0.0", Arity: -2,
				Flags: Loading | Stale, Categories: CatConnection,
				Summary:    "",
				Complexity: "O(N) where N is the total number of Redis commands",
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
