package command

// moduleCommands declares MODULE.
var moduleCommands = []*Command{
	{
		Name: "module", Group: GroupServer, Since: "4.0.0", Arity: -2,
		Flags:      Protected,
		Summary:    "Groups the commands that manage modules.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "module|help", Group: GroupServer, Since: "5.0.0", Arity: 2,
				Flags:      Loading | Stale | Protected,
				Summary:    "Lists the sub-commands of MODULE.",
				Complexity: "O(1)",
			},
			{
				Name: "module|list", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Flags:      Admin | NoScript | Protected,
				Summary:    "Lists the loaded modules.",
				Complexity: "O(N), N modules",
				Tips:       []string{"nondeterministic_output_order"},
			},
			{
				Name: "module|load", Group: GroupServer, Since: "4.0.0", Arity: -3,
				Flags:      Admin | NoScript | NoAsyncLoading | Protected,
				Summary:    "Loads a module.",
				Complexity: "O(1)",
				Args:       []Arg{str("path"), str("arg").opt().many()},
			},
			{
				Name: "module|loadex", Group: GroupServer, Since: "7.0.0", Arity: -3,
				Flags:      Admin | NoScript | NoAsyncLoading | Protected,
				Summary:    "Loads a module with configuration and arguments.",
				Complexity: "O(1)",
				Args: []Arg{
					str("path"),
					block("configs",
						str("name"),
						str("value"),
					).token("CONFIG").opt().manyTokens(),
					block("args", str("arg")).token("ARGS").opt().many(),
				},
			},
			{
				Name: "module|unload", Group: GroupServer, Since: "4.0.0", Arity: 3,
				Flags:      Admin | NoScript | NoAsyncLoading | Protected,
				Summary:    "Unloads a module.",
				Complexity: "O(1)",
				Args:       []Arg{str("name")},
			},
		},
	},
}
