package differential

func genericFamily() Family {
	condition := Mostly(Opt(Words("NX XX GT LT nx gt")), 6, Repeat(1, 3, Words("NX XX GT LT foo")))
	database := Mostly(Range(0, 3), 8, Texts("-1", "16", "x", "", "1.5", "9223372036854775807"))
	glob := Texts("*", "{k}*", "*a", "{k}?", "{k}[ab]", "{k}[^ab]", "{k}[a-c]", "\\{k\\}a", "nothing", "", "[", "**b", "*[")
	return Family{
		Name: "generic",
		Commands: append([]Template{
			Cmd("set", Key, Value).Times(5),
			Cmd("set", Key, Value, Lit("EX"), Seconds).Times(2),
			Cmd("get", Key).Times(2),
			Cmd("mset", Repeat(1, 3, Key, Value)),
			Cmd("del", Repeat(1, 3, Key)),
			Cmd("unlink", Repeat(1, 3, Key)),
			Cmd("exists", Repeat(1, 4, Key)).Times(2),
			Cmd("touch", Repeat(1, 4, Key)),
			Cmd("type", Key),
			Cmd("keys", glob).With(anyOrder),
			Cmd("scan", Lit("0 COUNT 1000"), Opt(Lit("MATCH"), glob), Opt(Lit("TYPE"), Words("string list STRING foo hash set"))).With(scanPage),
			Cmd("scan", Texts("0", "x", "1.5", ""), Words("COUNT MATCH TYPE foo"), Texts("0", "-1", "x", "")).With(scanPage).Rarely(),
			Cmd("randomkey").With(sameShapes),
			Cmd("dbsize").Times(2),
			Cmd("rename", Key, Key).Times(2),
			Cmd("renamenx", Key, Key).Times(2),
			Cmd("copy", Key, Key, Mostly(Seq(Opt(Lit("DB"), database), Opt(Lit("REPLACE"))), 6, AnyOf(Lit("DB"), Lit("foo")))).Times(2),
			Cmd("move", Key, database).Times(2),
			Cmd("select", database),
			Cmd("swapdb", database, database),
			Cmd("flushdb", Mostly(Seq(), 30, Words("ASYNC SYNC foo"))).Rarely(),
			Cmd("flushall", Mostly(Seq(), 30, Words("ASYNC SYNC foo"))).Rarely(),
			Cmd("expire", Key, Seconds, condition).Times(2),
			Cmd("pexpire", Key, Millis, condition).Times(2),
			Cmd("expireat", Key, UnixSeconds, condition).Times(2),
			Cmd("pexpireat", Key, UnixMillis, condition).Times(2),
			Cmd("persist", Key),
			Cmd("ttl", Key).With(nearSecs),
			Cmd("pttl", Key).With(nearMillis),
			Cmd("expiretime", Key).With(nearSecs),
			Cmd("pexpiretime", Key).With(nearMillis),
			Cmd("object|encoding", Key),
			// Whether a small number is the shared object depends on its history.
			Cmd("object|refcount", Key).With(sameShapes),
			Cmd("echo", Value),
			Cmd("ping", Opt(Value)),
			Cmd("append", Key, Value).Rarely(),
			Cmd("incr", Key).Rarely(),
			Cmd("hset", Key, manyFields),
			Cmd("sadd", Key, Mostly(Range(0, 20), 30, manyNames)),
		}, otherTypes()...),
		Probes: keyProbes(),
	}
}
