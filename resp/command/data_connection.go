package command

// connectionCommands declares the connection commands, cluster redirection included.
var connectionCommands = []*Command{
	{
		Name: "asking", Group: GroupCluster, Since: "3.0.0", Arity: 1,
		Flags: Fast, Categories: CatConnection,
		Summary:    "Lets the next command use a slot that is being imported.",
		Complexity: "O(1)",
	},
	{
		Name: "auth", Group: GroupConnection, Since: "1.0.0", Arity: -2,
		Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy, Categories: CatConnection,
		Summary:    "Authenticates the connection.",
		Complexity: "O(N), N passwords of the user",
		Args:       []Arg{str("username").opt().since("6.0.0"), str("password")},
		History:    []Change{{"6.0.0", "optional user name before the password"}},
	},
	{
		Name: "echo", Group: GroupConnection, Since: "1.0.0", Arity: 2,
		Flags: Loading | Stale | Fast, Categories: CatConnection,
		Summary:    "Returns its argument.",
		Complexity: "O(1)",
		Args:       []Arg{str("message")},
	},
	{
		Name: "hello", Group: GroupConnection, Since: "6.0.0", Arity: -1,
		Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy, Categories: CatConnection,
		Summary:    "Switches the protocol version, with login and name if asked, and describes the server.",
		Complexity: "O(1)",
		Args: []Arg{
			block("arguments",
				integer("protover"),
				block("username_password",
					str("username"),
					str("password"),
				).token("AUTH").opt(),
				str("clientname").token("SETNAME").opt(),
			).opt(),
		},
		History: []Change{
			{"6.2.0", "without arguments: properties of the connection, protocol unchanged"},
		},
	},
	{
		Name: "ping", Group: GroupConnection, Since: "1.0.0", Arity: -1,
		Flags: Fast, Categories: CatConnection,
		Summary:    "Checks that the server answers.",
		Complexity: "O(1)",
		Tips:       []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		Args:       []Arg{str("message").opt()},
	},
	{
		Name: "quit", Group: GroupConnection, Since: "1.0.0", Arity: -1,
		Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy, Categories: CatConnection,
		Summary:    "Closes the connection.",
		Complexity: "O(1)",
	},
	{
		Name: "readonly", Group: GroupCluster, Since: "3.0.0", Arity: 1,
		Flags: Loading | Stale | Fast, Categories: CatConnection,
		Summary:    "Allows reads from a replica on this connection.",
		Complexity: "O(1)",
	},
	{
		Name: "readwrite", Group: GroupCluster, Since: "3.0.0", Arity: 1,
		Flags: Loading | Stale | Fast, Categories: CatConnection,
		Summary:    "Ends what READONLY allowed.",
		Complexity: "O(1)",
	},
	{
		Name: "reset", Group: GroupConnection, Since: "6.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy, Categories: CatConnection,
		Summary:    "Puts the connection back into the state of a new one.",
		Complexity: "O(1)",
	},
	{
		Name: "select", Group: GroupConnection, Since: "1.0.0", Arity: 2,
		Flags: Loading | Stale | Fast, Categories: CatConnection,
		Summary:    "Changes the database of this connection.",
		Complexity: "O(1)",
		Args:       []Arg{integer("index")},
	},
}
