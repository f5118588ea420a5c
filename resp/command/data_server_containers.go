package command

// serverContainersCommands declares the CONFIG, LATENCY, MEMORY and SLOWLOG.
var serverContainersCommands = []*Command{
	{
		Name: "config", Group: GroupServer, Since: "2.0.0", Arity: -2,
		Summary:    "Groups the commands that show and change the configuration.",
		Complexity: "Depends on subcommand.",
		Subcommands: []*Command{
			{
				Name: "config|get", Group: GroupServer, Since: "2.0.0", Arity: -3,
				Flags:      Admin | NoScript | Loading | Stale,
				Summary:    "Returns the parameters that match the patterns.",
				Complexity: "O(N) when N is the number of configuration parameters provided",
				Args:       []Arg{block("parameter", str("parameter")).many()},
				History: []Change{
					{"7.0.0", "Added the ability to pass multiple pattern parameters in one call"},
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
				Complexity: "O(N) when N is the number of configuration parameters provided",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
				Args: []Arg{
					block("parameter_value", str("parameter"), str("value")).many(),
				},
				History: []Change{
					{"7.0.0", "Added the ability to set multiple parameters in one call."},
				},
			},
		},
	},
	{
		Name: "latency", Group: GroupServer, Since: "2.8.13", Arity: -2,
		Summary:    "Groups the commands on latency events.",
		Complexity: "Depends on subcommand.",
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
				Complexity: "O(N) where N is the number of commands with latency information being retrieved.",
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
		Complexity: "Depends on subcommand.",
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
				Complexity: "Depends on how much memory is allocated, could be slow",
				Tips: []string{
					"nondeterministic_output",
					"request_policy:all_shards",
					"response_policy:special",
				},
			},
			{
				Name: "memory|purge", Group: GroupServer, Since: "4.0.0", Arity: 2,
				Summary:    "Asks the allocator to give unused pages back.",
				Complexity: "Depends on how much memory is allocated, could be slow",
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
				Complexity: "O(N) where N is the number of samples.",
				KeySpecs:   []KeySpec{at(2, RO)},
				Args:       []Arg{key("key", 0), integer("count").token("SAMPLES").opt()},
			},
		},
	},
	{
		Name: "slowlog", Group: GroupServer, Since: "2.2.12", Arity: -2,
		Summary:    "Groups the commands on the slow log.",
		Complexity: "Depends on subcommand.",
		Subcommands: []*Command{
			{
				Name: "slowlog|get", Group: GroupServer, Since: "2.2.12", Arity: -2,
				Flags:      Admin | Loading | Stale,
				Summary:    "Returns the newest entries of the slow log.",
				Complexity: "O(N) where N is the number of entries returned",
				Tips:       []string{"request_policy:all_nodes", "nondeterministic_output"},
				Args:       []Arg{integer("count").opt()},
				History: []Change{
					{"4.0.0", "Added client IP address, port and name to the reply."},
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
				Complexity: "O(N) where N is the number of entries in the slowlog",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
			},
		},
	},
}
