package command

// hyperloglogCommands declares the HyperLogLog commands.
var hyperloglogCommands = []*Command{
	{
		Name: "pfadd", Group: GroupHyperLogLog, Since: "2.8.9", Arity: -2,
		Flags: Write | DenyOOM | Fast, Categories: CatHyperLogLog,
		Summary:    "Adds elements to a HyperLogLog, which is created if need be.",
		Complexity: "O(N), N elements given",
		KeySpecs:   []KeySpec{at(1, RW|KeyInsert)},
		Args:       []Arg{key("key", 0), str("element").opt().many()},
	},
	{
		Name: "pfcount", Group: GroupHyperLogLog, Since: "2.8.9", Arity: -2,
		Flags: ReadOnly | MayReplicate, Categories: CatHyperLogLog,
		Summary:    "Estimates how many distinct elements HyperLogLogs have seen.",
		Complexity: "O(N), N keys; one key is mostly answered from its cached count, several are slow",
		KeySpecs: []KeySpec{
			keyRange(1, -1, 1, RW|KeyAccess).note("the cached count in the value is renewed and replicated"),
		},
		Args: []Arg{key("key", 0).many()},
	},
	{
		Name: "pfdebug", Group: GroupHyperLogLog, Since: "2.8.9", Arity: 3,
		Flags: Write | DenyOOM | Admin, Categories: CatHyperLogLog,
		Summary:    "Shows or changes the internals of a HyperLogLog.",
		Complexity: "bounded by the fixed number of registers",
		DocFlags:   SystemCommand,
		KeySpecs:   []KeySpec{at(2, RW|KeyAccess)},
		Args:       []Arg{str("subcommand"), key("key", 0)},
	},
	{
		Name: "pfmerge", Group: GroupHyperLogLog, Since: "2.8.9", Arity: -2,
		Flags: Write | DenyOOM, Categories: CatHyperLogLog,
		Summary:    "Merges HyperLogLogs into one.",
		Complexity: "O(N), N keys, each a slow pass over all registers",
		KeySpecs:   []KeySpec{at(1, RW|KeyAccess|KeyInsert), keyRange(2, -1, 1, RO|KeyAccess)},
		Args:       []Arg{key("destkey", 0), key("sourcekey", 1).many()},
	},
	{
		Name: "pfselftest", Group: GroupHyperLogLog, Since: "2.8.9", Arity: 1,
		Flags: Admin, Categories: CatHyperLogLog,
		Summary:    "Tests the HyperLogLog implementation.",
		Complexity: "bounded by the fixed number of trials, and slow",
		DocFlags:   SystemCommand,
	},
}
