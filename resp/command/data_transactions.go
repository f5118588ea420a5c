package command

// transactionsCommands declares the transaction commands.
var transactionsCommands = []*Command{
	{
		Name: "discard", Group: GroupTransactions, Since: "2.0.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Drops the queued commands and leaves the transaction.",
		Complexity: "O(N), N commands queued",
	},
	{
		Name: "exec", Group: GroupTransactions, Since: "1.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | SkipSlowlog, Categories: CatTransaction,
		Summary:    "Runs the queued commands as one transaction.",
		Complexity: "that of all commands queued",
	},
	{
		Name: "multi", Group: GroupTransactions, Since: "1.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Begins a transaction: commands are queued until EXEC.",
		Complexity: "O(1)",
	},
	{
		Name: "unwatch", Group: GroupTransactions, Since: "2.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Forgets all watched keys.",
		Complexity: "O(1)",
	},
	{
		Name: "watch", Group: GroupTransactions, Since: "2.2.0", Arity: -2,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Lets the next EXEC fail if one of the keys changes before it.",
		Complexity: "O(N), N keys",
		KeySpecs:   []KeySpec{keyRange(1, -1, 1, RO)},
		Args:       []Arg{key("key", 0).many()},
	},
}
