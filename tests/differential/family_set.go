package differential

import "strconv"

// manyInts are enough members to go past set-max-intset-entries, now and then.
func manyInts(s *Source) []string {
	var args []string
	first := s.IntN(400) - 100
	for i := range 1 + s.IntN(300) {
		args = append(args, strconv.Itoa(first+i))
	}
	return args
}

func setFamily() Family {
	member := AnyOf(Field, Range(-3, 12))
	members := Mostly(Repeat(1, 5, member), 8, AnyOf(manyInts, manyNames))
	randomCount := Mostly(Range(-5, 8), 10, Texts("0", "600", "", "x", "9223372036854775807", "-9223372036854775808"))
	scanOptions := Mostly(
		Seq(Lit("COUNT 10000"), Opt(Lit("MATCH"), Texts("*", "a", "1*", "[abc]", ""))), 8,
		AnyOf(Lit("COUNT 0"), Lit("COUNT x"), Lit("foo"), Lit("COUNT"), Lit("MATCH"), Lit("TYPE set")))
	return Family{
		Name: "set",
		Commands: []Template{
			Cmd("sadd", Key, members).Times(6),
			Cmd("srem", Key, members).Times(4),
			Cmd("smembers", Key).With(anyOrder),
			Cmd("sismember", Key, member).Times(2),
			Cmd("smismember", Key, Repeat(1, 4, member)),
			Cmd("scard", Key).Times(2),
			Cmd("smove", Key, Key, member).Times(3),
			// Other counts would choose at random.
			Cmd("spop", Key, Texts("0", "100000", "-1", "x", "")).With(anyOrder),
			Cmd("spop", Key, Lit("1 2")).Rarely(),
			Cmd("srandmember", Key, Opt(randomCount)).With(sameShapes),
			Cmd("srandmember", Key, Lit("1 2")).With(sameShapes).Rarely(),
			Cmd("sinter", Repeat(1, 3, Key)).With(anyOrder).Times(2),
			Cmd("sunion", Repeat(1, 3, Key)).With(anyOrder).Times(2),
			Cmd("sdiff", Repeat(1, 3, Key)).With(anyOrder).Times(2),
			Cmd("sinterstore", Key, Repeat(1, 3, Key)).Times(2),
			Cmd("sunionstore", Key, Repeat(1, 3, Key)).Times(2),
			Cmd("sdiffstore", Key, Repeat(1, 3, Key)).Times(2),
			Cmd("sintercard", Counted(1, 3, Key), Mostly(Opt(Lit("LIMIT"), Range(-1, 4)), 8, AnyOf(Lit("foo"), Lit("LIMIT"), Lit("LIMIT x"), Lit("LIMIT 1 LIMIT 2")))).Times(2),
			Cmd("sscan", Key, Mostly(Lit("0"), 5, Texts("x", "")), scanOptions).With(scanPage),
			Cmd("object|encoding", Key).Times(2),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("persist", Key).Rarely(),
			Cmd("copy", Key, Key, Opt(Lit("REPLACE"))),
			Cmd("rename", Key, Key).Rarely(),
			Cmd("del", Key).Rarely(),
			Cmd("config|set", Lit("set-max-intset-entries"), Words("0 3 512 512 512")).Rarely(),
			Cmd("set", Key, Value).Rarely(),
			Cmd("zadd", Key, Lit("1"), Value).Rarely(),
			Cmd("hset", Key, Value, Value).Rarely(),
			Cmd("rpush", Key, Value).Rarely(),
		},
		Probes: []Template{
			Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis),
			Cmd("smembers").With(anyOrder), Cmd("debug", Lit("digest-value")),
		},
	}
}
