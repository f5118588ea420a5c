package command

// hyperloglogCommands declares the HyperLogLog commands.
var hyperloglogCommands = []*Command{
	{
		Name: "pfadd", Group: GroupHyperLogLog, Since: "2.8.9", Arity: -2,
		Flags: Write | DenyOOM | Fast, Categories: CatHyperLogLog,
		Summary:    "Adds elements to a HyperLogLog, which is created if need be.",
		Complexity: "O(1) to add every element.",
		KeySpecs:   []KeySpec{at(1, RW|KeyInsert)},
		Args:       []Arg{key("key", 0), str("element").opt().many()},
	},
	{
		Name: "pfcount", Group: GroupHyperLogLog, Since: "2.8.9", Arity: -2,
		Flags: ReadOnly | MayReplicate, Categories: CatHyperLogLog,
		Summary:    "Estimates how many distinct elements HyperLogLogs have seen.",
		Complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
		KeySpecs: []KeySpec{
			keyRange(1, -1, 1, RW|KeyAccess).note("RW because it may change the internal representation of the key, and propagate to replicas"),
		},
		Args: []Arg{key("key", 0).many()},
	},
	{
		Name: "pfdebug", Group: GroupHyperLogLog, Since: "2.8.9", Arity: 3,
		Flags: Write | DenyOOM | Admin, Categories: CatHyperLogLog,
		Summary:    "Shows or changes the internals of a HyperLogLog.",
		Complexity: "N/A",
		DocFlags:   SystemCommand,
		KeySpecs:   []KeySpec{at(2, RW|KeyAccess)},
		Args:       []Arg{str("subcommand"), key("key", 0)},
	},
	{
		Name: "pfmerge", Group: GroupHyperLogLog, Since: "2.8.9", Arity: -2,
		Flags: Write | DenyOOM, Categories: CatHyperLogLog,
		Summary:    "Merges HyperLogLogs into one.",
		Complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
		KeySpecs:   []KeySpec{at(1, RW|KeyAccess|KeyInsert), keyRange(2, -1, 1, RO|KeyAccess)},
		Args:       []Arg{key("destkey", 0), key("sourcekey", 1).many()},
	},
	{
		Name: "pfselftest", Group: GroupHyperLogLog, Since: "2.8.9", Arity: 1,
		Flags: Admin, Categories: CatHyperLogLog,
		Summary:    "Tests the HyperLogLog implementation.",
		Complexity: "N/A",
		DocFlags:   SystemCommand,
	},
}
