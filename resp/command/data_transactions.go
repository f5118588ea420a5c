package command

// transactionsCommands declares the transaction commands.
var transactionsCommands = []*Command{
	{
		Name: "discard", Group: GroupTransactions, Since: "2.0.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "",
		Complexity: "O(N), when N is the number of queued commands",
	},
	{
		Name: "exec", Group: GroupTransactions, Since: "1.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | SkipSlowlog, Categories: CatTransaction,
		Summary:    "",
		Complexity: "Depends on commands in the transaction",
	},
	{
		Name: "multi", Group: GroupTransactions, Since: "1.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "",
		Complexity: "O(1)",
	},
	{
		Name: "unwatch", Group: GroupTransactions, Since: "2.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "",
		Complexity: "O(1)",
	},
	{
		Name: "watch", Group: GroupTransactions, Since: "2.2.0", Arity: -2,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "",
		Complexity: "O(1) for every key.",
		KeySpecs:   []KeySpec{keyRange(1, -1, 1, RO)},
		Args:       []Arg{key("key", 0).many()},
	},
}
