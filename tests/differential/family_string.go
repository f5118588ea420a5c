package differential

func stringFamily() Family {
	expiry := AnyOf(
		Seq(Words("EX ex"), Seconds), Seq(Lit("PX"), Millis),
		Seq(Lit("EXAT"), UnixSeconds), Seq(Lit("PXAT"), UnixMillis))
	setOptions := Mostly(
		Seq(Chance(25, Words("NX XX nx")), Chance(25, Lit("GET")), Chance(30, AnyOf(expiry, Lit("KEEPTTL")))),
		6, Repeat(1, 3, AnyOf(Words("NX XX GET KEEPTTL PERSIST EX foo"), expiry)))
	offset := Mostly(Range(-12, 12), 8, Texts("", "x", "536870911", "536870912", "9223372036854775807", "-9223372036854775808", "1.5"))
	// An offset near the limit would allocate 512 MB on both servers.
	smallOffset := Mostly(Range(0, 80), 10, Texts("-1", "x", "", "536870912", "9223372036854775807"))
	return Family{
		Name: "string",
		Commands: append([]Template{
			Cmd("set", Key, Value, setOptions).Times(4),
			Cmd("get", Key).Times(2),
			Cmd("getset", Key, Value),
			Cmd("getdel", Key),
			Cmd("getex", Key, Mostly(Opt(AnyOf(expiry, Lit("PERSIST"))), 6, AnyOf(Lit("PERSIST EX 10"), Lit("foo"), Lit("EX"), Lit("KEEPTTL")))),
			Cmd("append", Key, Value).Times(2),
			Cmd("strlen", Key),
			Cmd("getrange", Key, offset, offset).Times(2),
			Cmd("substr", Key, offset, offset),
			Cmd("setrange", Key, smallOffset, Value).Times(2),
			Cmd("incr", Key).Times(2),
			Cmd("decr", Key),
			Cmd("incrby", Key, Int),
			Cmd("decrby", Key, Int),
			Cmd("incrbyfloat", Key, Float).Times(2),
			Cmd("mget", Repeat(1, 4, Key)),
			Cmd("mset", Repeat(1, 3, Key, Value)),
			Cmd("msetnx", Repeat(1, 3, Key, Value)),
			Cmd("setnx", Key, Value),
			Cmd("setex", Key, Seconds, Value),
			Cmd("psetex", Key, Millis, Value),
			Cmd("lcs", Key, Key, Mostly(
				AnyOf(Seq(), Lit("LEN"), Seq(Lit("IDX"), Opt(Lit("MINMATCHLEN"), Range(-1, 5)), Opt(Lit("WITHMATCHLEN")))),
				8, AnyOf(Lit("LEN IDX"), Lit("foo"), Lit("MINMATCHLEN x"), Lit("IDX MINMATCHLEN")))),
			Cmd("del", Key).Rarely(),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("persist", Key).Rarely(),
			Cmd("ttl", Key).With(nearSecs),
			Cmd("object|encoding", Key).Times(2),
		}, otherTypes()...),
		Probes: keyProbes(),
	}
}

// otherTypes create keys of the types that the server has, for a family of
// another one.
func otherTypes() []Template {
	return []Template{
		Cmd("rpush", Key, Value).Rarely(),
		Cmd("hset", Key, Field, Value).Rarely(),
		Cmd("sadd", Key, AnyOf(Range(0, 20), Value)).Rarely(),
	}
}
