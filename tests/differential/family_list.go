package differential

import "strconv"

// manyElements go past a node of a list, now and then.
func manyElements(s *Source) []string {
	var args []string
	for i := range 1 + s.IntN(700) {
		args = append(args, strconv.Itoa(i))
	}
	return args
}

// soon is a timeout of commands that block: keys may be missing, and they give up
// soon.
var soon = Mostly(Texts("0.001", "1e-3", "0.0005"), 6, Texts("-1", "x", "", "inf", "nan", "-0.5"))

func listFamily() Family {
	element := Mostly(AnyOf(Range(-3, 12), Words("a b c d")), 15, Value)
	elements := Mostly(Repeat(1, 5, element), 4, manyElements)
	index := Mostly(Range(-12, 12), 8, Texts(badInts...))
	end := Mostly(Words("LEFT RIGHT left"), 4, Texts("foo", ""))
	count := Mostly(Range(0, 5), 10, Texts(badInts...))
	popCount := Opt(count)
	someKeys := Counted(1, 3, Key)
	limit := Opt(Lit("COUNT"), Mostly(Range(1, 6), 8, Texts("0", "-1", "x", "9223372036854775807")))
	lposOptions := Mostly(
		Seq(Chance(40, Lit("RANK"), Range(-3, 3)), Chance(40, Lit("COUNT"), Range(0, 4)), Chance(30, Lit("MAXLEN"), Range(0, 20))),
		8, Repeat(1, 2, AnyOf(Lit("RANK"), Lit("foo"), Seq(Words("RANK COUNT MAXLEN"), Texts(badInts...)))))
	return Family{
		Name: "list",
		Commands: []Template{
			Cmd("rpush", Key, elements).Times(4),
			Cmd("lpush", Key, elements).Times(4),
			Cmd("rpushx", Key, elements),
			Cmd("lpushx", Key, elements),
			Cmd("lpop", Key, popCount).Times(2),
			Cmd("rpop", Key, popCount).Times(2),
			Cmd("llen", Key),
			Cmd("lindex", Key, index).Times(2),
			Cmd("lrange", Key, index, index).Times(2),
			Cmd("linsert", Key, Mostly(Words("BEFORE AFTER before"), 4, Lit("foo")), element, element).Times(3),
			Cmd("lrem", Key, Mostly(Range(-3, 3), 6, Texts(badInts...)), element).Times(3),
			Cmd("lset", Key, index, element).Times(3),
			Cmd("ltrim", Key, index, index),
			Cmd("lpos", Key, element, lposOptions).Times(3),
			Cmd("lmove", Key, Key, end, end).Times(2),
			Cmd("rpoplpush", Key, Key).Times(2),
			Cmd("lmpop", someKeys, end, limit).Times(2),
			Cmd("blpop", Repeat(1, 3, Key), soon).Rarely(),
			Cmd("brpop", Repeat(1, 3, Key), soon).Rarely(),
			Cmd("blmove", Key, Key, end, end, soon).Rarely(),
			Cmd("brpoplpush", Key, Key, soon).Rarely(),
			Cmd("blmpop", soon, someKeys, end, limit).Rarely(),
			Cmd("object|encoding", Key),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("persist", Key).Rarely(),
			Cmd("copy", Key, Key, Opt(Lit("REPLACE"))),
			Cmd("rename", Key, Key).Rarely(),
			Cmd("del", Key).Rarely(),
			Cmd("config|set", Words("list-max-listpack-size list-max-ziplist-size"), Words("-2 -2 -1 -5 0 1 2 7 128")).Rarely(),
			Cmd("set", Key, Value).Rarely(),
			Cmd("zadd", Key, Lit("1"), Value).Rarely(),
			Cmd("sadd", Key, Value).Rarely(),
		},
		Probes: []Template{
			Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis),
			Cmd("lrange", Lit("0 -1")), Cmd("debug", Lit("digest-value")),
		},
	}
}
