package differential

// transactionFamily mixes MULTI, EXEC and WATCH with commands that change keys
// and with such that fail when they are queued, or when they run. The replies of
// EXEC are compared byte for byte, so nothing here depends on time or chance.
func transactionFamily() Family {
	database := Mostly(Range(0, 2), 12, Texts("-1", "16", "x"))
	return Family{
		Name: "transaction",
		Commands: []Template{
			Cmd("multi").Times(3),
			Cmd("exec").Times(4),
			Cmd("discard").Rarely(),
			Cmd("watch", Repeat(1, 3, Key)).Times(3),
			Cmd("unwatch").Rarely(),
			Cmd("nosuch", Key).Rarely(),
			Cmd("client|nosuch").Rarely(),
			Cmd("set", Key, Value, Opt(Words("NX XX GET KEEPTTL foo"))).Times(4),
			Cmd("get", Key).Times(2),
			Cmd("getdel", Key),
			Cmd("append", Key, Value),
			Cmd("incr", Key).Times(2),
			Cmd("incrbyfloat", Key, Float),
			Cmd("setrange", Key, Range(0, 20), Value),
			Cmd("mget", Repeat(1, 3, Key)),
			Cmd("mset", Repeat(1, 3, Key, Value)),
			Cmd("msetnx", Repeat(1, 3, Key, Value)),
			Cmd("setnx", Key, Value),
			Cmd("del", Repeat(1, 3, Key)).Times(2),
			Cmd("unlink", Repeat(1, 3, Key)),
			Cmd("exists", Repeat(1, 3, Key)),
			Cmd("rename", Key, Key),
			Cmd("renamenx", Key, Key),
			Cmd("copy", Key, Key, Opt(Lit("DB"), database), Opt(Lit("REPLACE"))),
			Cmd("move", Key, database),
			Cmd("expire", Key, Texts("1000", "-1", "0", "x"), Opt(Words("NX XX"))),
			// GT and LT with a time: the same number of seconds may be later by a millisecond.
			Cmd("expireat", Key, UnixSeconds, Words("GT LT")),
			Cmd("persist", Key),
			Cmd("getex", Key, Opt(Lit("PERSIST"))),
			Cmd("type", Key),
			Cmd("object|encoding", Key),
			Cmd("select", database),
			Cmd("swapdb", database, database),
			Cmd("flushdb").Rarely(),
			Cmd("flushall").Rarely(),
			Cmd("dbsize"),
			Cmd("echo", Value),
			Cmd("ping", Opt(Value)),
			Cmd("sadd", Key, Value).Rarely(),
		},
		Probes: keyProbes(),
	}
}
