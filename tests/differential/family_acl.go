package differential

// aclFamily changes users, who are named like keys, asks what they may do and logs
// in as them now and then. The rules themselves are compared more closely, and with
// commands that respkv lacks, by TestACLRulesEqualRedis; how the commands of a user
// are described depends on which commands there are, and is not compared here.
func aclFamily() Family {
	command := Words("get set mget mset del copy rename exists object publish subscribe psubscribe spublish ssubscribe " +
		"config client|list acl|whoami select hello auth lmove sinterstore zunionstore georadius getex bitfield lpush")
	category := Words("@read @write @string @list @set @hash @pubsub @fast @slow @connection @admin @dangerous @keyspace @all @nosuch")
	pattern := Texts("*", "{k}a", "{k}?", "{k}[ab]", "x*", "", "a b")
	prefixed := func(prefix, g Gen) Gen {
		return func(s *Source) []string { return []string{prefix(s)[0] + g(s)[0]} }
	}
	sign := Texts("+", "+", "-")
	rule := AnyOf(
		prefixed(sign, command), prefixed(sign, command), prefixed(sign, category),
		prefixed(Texts("~", "%R~", "%W~", "%RW~", "%~", "%Q~"), pattern),
		prefixed(Texts("~", "%R~", "%W~"), pattern),
		prefixed(Text("&"), pattern),
		prefixed(Texts(">", "<", "#", "!"), Texts("a", "b", "")),
		Words("on on off nopass resetpass reset clearselectors allkeys resetkeys allchannels resetchannels allcommands nocommands"),
		Words("sanitize-payload skip-sanitize-payload +select|0 +select|1 -select|0 +get|x +config|get|x +nosuch foo"),
		Texts("(+get ~{k}a)", "(%R~{k}b +@read)", "(+@all ~{k}c &x*)", "()", "(on)", "(~a", "~b)"),
	)
	channel := AnyOf(Key, Words("x x1 y"))
	try := AnyOf(
		Seq(Words("get del exists type ttl strlen incr getdel persist llen"), Key),
		Seq(Words("set append getset setnx lpush publish spublish"), Key, Value),
		Seq(Lit("set"), Key, Value, Lit("get")),
		Seq(Words("rename copy smove sinterstore sunionstore"), Key, Key, Opt(Key)),
		Seq(Words("mget del touch subscribe psubscribe ssubscribe"), Repeat(1, 3, channel)),
		Seq(Lit("zunionstore"), Key, Lit("2"), Key, Key),
		Seq(Lit("bitfield"), Key, Words("get set overflow"), Lit("u8 0 1")),
		Seq(Lit("georadius"), Key, Lit("1 1 1 m store"), Key),
		Seq(Lit("lmove"), Key, Key, Lit("left right")),
		Seq(Lit("select"), Words("0 1 x")),
		Lit("config get maxmemory"), Lit("client list"), Lit("client nosuch"), Lit("client"), Lit("nosuch"), Lit("ping"), Lit("flushall"),
	)
	// Nobody deletes the user that the connection is at times: that would end it.
	me := Text("me")
	reset := [][]string{append([]string{"ACL", "DELUSER", "me"}, Keys...), {"ACL", "LOG", "RESET"}}
	fields := Check{Kind: SameFields, Fields: []string{"flags", "passwords", "keys", "channels"}}
	return Family{
		Name:     "acl",
		Reset:    reset,
		NoEvents: true,
		Commands: []Template{
			Cmd("acl|setuser", Key, Repeat(0, 5, rule)).Times(6),
			Cmd("acl|setuser", Key, Lit("on nopass ~* +@all -@dangerous +acl")),
			Cmd("acl|deluser", Repeat(1, 2, Mostly(Key, 10, Words("default nosuch")))),
			Cmd("acl|dryrun", Mostly(Key, 5, Lit("nosuch")), try).Times(8),
			Cmd("acl|users"),
			Cmd("acl|whoami"),
			Cmd("acl|cat"),
			Cmd("acl|cat", Lit("nosuch"), Opt(Lit("x"))).Rarely(),
			Cmd("acl|genpass", Opt(Int)).With(sameShapes).Rarely(),
			Cmd("acl|log", Opt(Words("reset 1 x"))).With(sameShapes),
			Cmd("acl|setuser", me, Repeat(0, 5, rule)).Times(2),
			Cmd("acl|setuser", me, Lit("on nopass ~* &* +@all"), rule, rule),
			Cmd("auth", Mostly(me, 20, Lit("default nosuch")), Words("a b x")).Times(3),
			Cmd("auth", Lit("default x")).Times(3),
			Cmd("get", Key), Cmd("set", Key, Value), Cmd("mget", Repeat(1, 3, Key)), Cmd("publish", channel, Value),
			Cmd("multi"), Cmd("exec").With(sameShapes).Times(2), Cmd("discard").Rarely(),
			Cmd("acl|load").Rarely(), Cmd("acl|save").Rarely(), Cmd("acl").Rarely(), Cmd("acl|nosuch").Rarely(),
		},
		Probes: []Template{Cmd("acl|getuser").With(fields)},
	}
}
