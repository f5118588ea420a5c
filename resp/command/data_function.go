package command

// functionCommands declares FUNCTION.
var functionCommands = []*Command{
	{
		Name: "function", Group: GroupScripting, Since: "7.0.0", Arity: -2,
		Summary:    "Groups the commands that manage function libraries.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "function|delete", Group: GroupScripting, Since: "7.0.0", Arity: 3,
				Flags: Write | NoScript, Categories: CatScripting,
				Summary:    "Deletes a library with its functions.",
				Complexity: "O(1)",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:all_succeeded",
				},
				Args: []Arg{str("library-name")},
			},
			{
				Name: "function|dump", Group: GroupScripting, Since: "7.0.0", Arity: 2,
				Flags: NoScript, Categories: CatScripting,
				Summary:    "Serializes all libraries.",
				Complexity: "O(N), N libraries",
			},
			{
				Name: "function|flush", Group: GroupScripting, Since: "7.0.0", Arity: -2,
				Flags: Write | NoScript, Categories: CatScripting,
				Summary:    "Deletes all libraries.",
				Complexity: "O(N), N functions dropped",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:all_succeeded",
				},
				Args: []Arg{
					oneOf("async", word("async", "ASYNC"), word("sync", "SYNC")).opt(),
				},
			},
			{
				Name: "function|help", Group: GroupScripting, Since: "7.0.0", Arity: 2,
				Flags: Loading | Stale, Categories: CatScripting,
				Summary:    "Lists the sub-commands of FUNCTION.",
				Complexity: "O(1)",
			},
			{
				Name: "function|kill", Group: GroupScripting, Since: "7.0.0", Arity: 2,
				Flags: NoScript | AllowBusy, Categories: CatScripting,
				Summary:    "Stops the function that is running.",
				Complexity: "O(1)",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:one_succeeded",
				},
			},
			{
				Name: "function|list", Group: GroupScripting, Since: "7.0.0", Arity: -2,
				Flags: NoScript, Categories: CatScripting,
				Summary:    "Lists the libraries with their functions.",
				Complexity: "O(N), N functions",
				Tips:       []string{"nondeterministic_output_order"},
				Args: []Arg{
					str("library-name-pattern").token("LIBRARYNAME").opt(),
					word("withcode", "WITHCODE").opt(),
				},
			},
			{
				Name: "function|load", Group: GroupScripting, Since: "7.0.0", Arity: -3,
				Flags: Write | DenyOOM | NoScript, Categories: CatScripting,
				Summary:    "Loads a library from its source.",
				Complexity: "O(N), N bytes of code",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:all_succeeded",
				},
				Args: []Arg{word("replace", "REPLACE").opt(), str("function-code")},
			},
			{
				Name: "function|restore", Group: GroupScripting, Since: "7.0.0", Arity: -3,
				Flags: Write | DenyOOM | NoScript, Categories: CatScripting,
				Summary:    "Loads the libraries from a serialized payload.",
				Complexity: "O(N), N functions in the dump",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:all_succeeded",
				},
				Args: []Arg{
					str("serialized-value"),
					oneOf("policy",
						word("flush", "FLUSH"),
						word("append", "APPEND"),
						word("replace", "REPLACE"),
					).opt(),
				},
			},
			{
				Name: "function|stats", Group: GroupScripting, Since: "7.0.0", Arity: 2,
				Flags: NoScript | AllowBusy, Categories: CatScripting,
				Summary:    "Tells which function runs and which engines there are.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_shards",
					"response_policy:special",
				},
			},
		},
	},
}
