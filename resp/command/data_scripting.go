package command

// scriptingCommands declares the scripting commands.
var scriptingCommands = []*Command{
	{
		Name: "eval", Group: GroupScripting, Since: "2.6.0", Arity: -3,
		Flags: NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys | MayReplicate, Categories: CatScripting,
		Summary:    "Runs a Lua script.",
		Complexity: "that of the script",
		KeySpecs: []KeySpec{
			keyNum(2, RW|KeyAccess|KeyUpdate).note("the code may do anything with its keys: taken as read and updated"),
		},
		Args: []Arg{
			str("script"),
			integer("numkeys"),
			key("key", 0).opt().many(),
			str("arg").opt().many(),
		},
	},
	{
		Name: "eval_ro", Group: GroupScripting, Since: "7.0.0", Arity: -3,
		Flags: ReadOnly | NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys, Categories: CatScripting,
		Summary:    "Runs a Lua script that writes nothing.",
		Complexity: "that of the script",
		KeySpecs: []KeySpec{
			keyNum(2, RO|KeyAccess).note("the code may read any of its keys: taken as read"),
		},
		Args: []Arg{
			str("script"),
			integer("numkeys"),
			key("key", 0).opt().many(),
			str("arg").opt().many(),
		},
	},
	{
		Name: "evalsha", Group: GroupScripting, Since: "2.6.0", Arity: -3,
		Flags: NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys | MayReplicate, Categories: CatScripting,
		Summary:    "Runs a cached Lua script, named by its SHA1 digest.",
		Complexity: "that of the script",
		KeySpecs:   []KeySpec{keyNum(2, RW|KeyAccess|KeyUpdate)},
		Args: []Arg{
			str("sha1"),
			integer("numkeys"),
			key("key", 0).opt().many(),
			str("arg").opt().many(),
		},
	},
	{
		Name: "evalsha_ro", Group: GroupScripting, Since: "7.0.0", Arity: -3,
		Flags: ReadOnly | NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys, Categories: CatScripting,
		Summary:    "Runs a cached Lua script that writes nothing, named by its SHA1 digest.",
		Complexity: "that of the script",
		KeySpecs:   []KeySpec{keyNum(2, RO|KeyAccess)},
		Args: []Arg{
			str("sha1"),
			integer("numkeys"),
			key("key", 0).opt().many(),
			str("arg").opt().many(),
		},
	},
	{
		Name: "fcall", Group: GroupScripting, Since: "7.0.0", Arity: -3,
		Flags: NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys | MayReplicate, Categories: CatScripting,
		Summary:    "Calls a function of a loaded library.",
		Complexity: "that of the function",
		KeySpecs: []KeySpec{
			keyNum(2, RW|KeyAccess|KeyUpdate).note("the code may do anything with its keys: taken as read and updated"),
		},
		Args: []Arg{
			str("function"),
			integer("numkeys"),
			key("key", 0).opt().many(),
			str("arg").opt().many(),
		},
	},
	{
		Name: "fcall_ro", Group: GroupScripting, Since: "7.0.0", Arity: -3,
		Flags: ReadOnly | NoScript | Stale | SkipMonitor | NoMandatoryKeys | MovableKeys, Categories: CatScripting,
		Summary:    "Calls a function that writes nothing.",
		Complexity: "that of the function",
		KeySpecs: []KeySpec{
			keyNum(2, RO|KeyAccess).note("the code may read any of its keys: taken as read"),
		},
		Args: []Arg{
			str("function"),
			integer("numkeys"),
			key("key", 0).opt().many(),
			str("arg").opt().many(),
		},
	},
	{
		Name: "script", Group: GroupScripting, Since: "2.6.0", Arity: -2,
		Summary:    "Groups the commands on cached Lua scripts.",
		Complexity: "that of the sub-command",
		Subcommands: []*Command{
			{
				Name: "script|debug", Group: GroupScripting, Since: "3.2.0", Arity: 3,
				Flags: NoScript, Categories: CatScripting,
				Summary:    "Sets how scripts of this connection are debugged.",
				Complexity: "O(1)",
				Args: []Arg{
					oneOf("mode",
						word("yes", "YES"),
						word("sync", "SYNC"),
						word("no", "NO"),
					),
				},
			},
			{
				Name: "script|exists", Group: GroupScripting, Since: "2.6.0", Arity: -3,
				Flags: NoScript, Categories: CatScripting,
				Summary:    "Tells which digests are those of cached scripts.",
				Complexity: "O(N), N digests",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:agg_logical_and",
				},
				Args: []Arg{str("sha1").many()},
			},
			{
				Name: "script|flush", Group: GroupScripting, Since: "2.6.0", Arity: -2,
				Flags: NoScript, Categories: CatScripting,
				Summary:    "Empties the script cache.",
				Complexity: "O(N), N scripts cached",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
				Args: []Arg{
					oneOf("async",
						word("async", "ASYNC"),
						word("sync", "SYNC"),
					).opt().since("6.2.0"),
				},
				History: []Change{
					{"6.2.0", "ASYNC, SYNC"},
				},
			},
			{
				Name: "script|help", Group: GroupScripting, Since: "5.0.0", Arity: 2,
				Flags: Loading | Stale, Categories: CatScripting,
				Summary:    "Lists the sub-commands of SCRIPT.",
				Complexity: "O(1)",
			},
			{
				Name: "script|kill", Group: GroupScripting, Since: "2.6.0", Arity: 2,
				Flags: NoScript | AllowBusy, Categories: CatScripting,
				Summary:    "Stops the script that is running.",
				Complexity: "O(1)",
				Tips: []string{
					"request_policy:all_shards",
					"response_policy:one_succeeded",
				},
			},
			{
				Name: "script|load", Group: GroupScripting, Since: "2.6.0", Arity: 3,
				Flags: NoScript | Stale, Categories: CatScripting,
				Summary:    "Caches a script and returns its SHA1 digest.",
				Complexity: "O(N), N bytes of script",
				Tips: []string{
					"request_policy:all_nodes",
					"response_policy:all_succeeded",
				},
				Args: []Arg{str("script")},
			},
		},
	},
}
