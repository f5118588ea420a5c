package command

// serverContainersCommands declares the CONFIG, LATENCY, MEMORY and SLOWLOG.
var serverContainersCommands = []*Command{
	{
		Name: "config", Group: GroupServer, Since: "2.0.0", Arity: -2,
		Summary:    "Groups the commands that show and change the configuration.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "config|get", Group: GroupServer, Since: "2.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns the parameters that match the patterns.",
				Complexity: "O(N), N names and patterns given",
				Args:       []Arg{block("parameter", str("parameter")).many()},
				History: []Change{
					{"7.0.0", "more than one pattern"},
				},
			},
			{
				Name: "config|help", Group: GroupServer, Since: "5.0.0", Arity: 2,
				Flags:      Loading | Stale,
				Summary:    "Lists the sub-commands of CONFIG.",
				Complexity: "O(1)",
			},
			{
				Name: "config|resetstat", Group: GroupServer, Since: "2.0.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Sets the counters of INFO back to zero.",
				Complexity: "O(1)",
			},
			{
				Name: "config|rewrite", Group: GroupServer, Since: "2.8.0", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Writes the running configuration back to its file.",
				Complexity: "O(1)",
			},
			{
				Name: "config|set", Group: GroupServer, Since: "2.0.0", Arity: -4,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Changes parameters while the server runs: all of them or none.",
				Complexity: "O(N), N parameters given",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
				Args: []Arg{
					block("parameter_value", str("parameter"), str("value")).many(),
				},
				History: []Change{
					{"7.0.0", "more than one parameter"},
				},
			},
		},
	},
	{
		Name: "latency", Group: GroupServer, Since: "2.8.13", Arity: -2,
		Summary:    "Groups the commands on latency events.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "latency|doctor", Group: GroupServer, Since: "2.8.13", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Interprets the latency events in plain words.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_nodes",
					"response_policy:special",
				},
			},
			{
				Name: "latency|graph", Group: GroupServer, Since: "2.8.13", Arity: 3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Draws the samples of one latency event with characters.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_nodes",
					"response_policy:special",
				},
				Args: []Arg{str("event")},
			},
			{
				Name: "latency|help", Group: GroupServer, Since: "2.8.13", Arity: 2,
				Flags:      Loading | Stale,
				Summary:    "Lists the sub-commands of LATENCY.",
				Complexity: "O(1)",
			},
			{
				Name: "latency|histogram", Group: GroupServer, Since: "7.0.0", Arity: -2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns how long commands took, as cumulative distributions.",
				Complexity: "O(N), N commands shown",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_nodes",
					"response_policy:special",
				},
				Args: []Arg{str("command").opt().many()},
			},
			{
				Name: "latency|history", Group: GroupServer, Since: "2.8.13", Arity: 3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns the samples of one latency event.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_nodes",
					"response_policy:special",
				},
				Args: []Arg{str("event")},
			},
			{
				Name: "latency|latest", Group: GroupServer, Since: "2.8.13", Arity: 2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns the latest sample of every latency event.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_nodes",
					"response_policy:special",
				},
			},
			{
				Name: "latency|reset", Group: GroupServer, Since: "2.8.13", Arity: -2,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Forgets the samples of latency events.",
				Complexity: "O(1)",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
				Args: []Arg{str("event").opt().many()},
			},
		},
	},
	{
		Name: "memory", Group: GroupServer, Since: "4.0.0", Arity: -2,
		Summary:    "Groups the commands on memory use.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "memory|doctor", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Summary:    "Interprets the memory statistics in plain words.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_shards",
					"response_policy:special",
				},
			},
			{
				Name: "memory|help", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Flags:      Loading | Stale,
				Summary:    "Lists the sub-commands of MEMORY.",
				Complexity: "O(1)",
			},
			{
				Name: "memory|malloc-stats", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Summary:    "Shows the allocator's own report.",
				Complexity: "slow: grows with the memory in use",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_shards",
					"response_policy:special",
				},
			},
			{
				Name: "memory|purge", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Summary:    "Asks the allocator to give unused pages back.",
				Complexity: "slow: grows with the memory in use",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:all_succeeded",
				},
			},
			{
				Name: "memory|stats", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Summary:    "Returns what uses the memory.",
				Complexity: "O(1)",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_shards",
					"response_policy:special",
				},
			},
			{
				Name: "memory|usage", Group: GroupServer, Since: "4.0.0", Arity: -3,
				Flags:      ReadOnly,
				Summary:    "Estimates the bytes that a key takes.",
				Complexity: "O(N), N elements sampled",
				KeySpecs:   []KeySpec{at(2, RO)},
				Args:       []Arg{key("key", 0), integer("count").token("SAMPLES").opt()},
			},
		},
	},
	{
		Name: "slowlog", Group: GroupServer, Since: "2.2.12", Arity: -2,
		Summary:    "Groups the commands on the slow log.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "slowlog|get", Group: GroupServer, Since: "2.2.12", Arity: -2,
				Flags:      Admin | Loading | Stale,
				Summary:    "Returns the newest entries of the slow log.",
				Complexity: "O(N), N entries returned",
				Tips:       []string{"request_policy:all_nodes", "nondeterministic_output"},
				Args:       []Arg{integer("count").opt()},
				History: []Change{
					{"4.0.0", "client's address and name in the entries"},
				},
			},
			{
				Name: "slowlog|help", Group: GroupServer, Since: "6.2.0", Arity: 2,
				Flags:      Loading | Stale,
				Summary:    "Lists the sub-commands of SLOWLOG.",
				Complexity: "O(1)",
			},
			{
				Name: "slowlog|len", Group: GroupServer, Since: "2.2.12", Arity: 2,
				Flags:      Admin | Loading | Stale,
				Summary:    "Counts the entries of the slow log.",
				Complexity: "O(1)",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:agg_sum",
					"nondeterministic_output",
				},
			},
			{
				Name: "slowlog|reset", Group: GroupServer, Since: "2.2.12", Arity: 2,
				Flags:      Admin | Loading | Stale,
				Summary:    "Clears the slow log.",
				Complexity: "O(N), N entries dropped",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
			},
		},
	},
}
