package differential

// sortFamily sorts lists, sets and sorted sets by themselves, by strings and by
// fields of hashes. What Redis leaves open does not occur: the order of a set,
// that of equal weights under ALPHA with LIMIT, and encodings of sorted sets,
// which Redis changes as it sorts them.
func sortFamily() Family {
	element := Mostly(AnyOf(Range(-3, 12), Texts("a", "b", "1.5", "-2e3", "")), 6, Value)
	number := Mostly(Range(-9, 9), 10, Texts("1.5", "0.5", "1e2", "-0", "0x10", " 7", "inf", "-inf", ""))
	weight := Texts("w1", "w2", "w3", "w4", "w-1", "wa", "w1.5")
	order := Seq(Opt(Words("ASC DESC desc")), Opt(Lit("ALPHA")))
	limit := Chance(30, Lit("LIMIT"), Mostly(Range(-2, 6), 8, Texts("x", "9223372036854775807", "-9223372036854775808", "")),
		Mostly(Range(-2, 6), 8, Texts("x", "9223372036854775807", "-9223372036854775808", "")))
	get := Repeat(0, 2, Lit("GET"), Texts("#", "w*", "w*", "{k}*", "h*->f", "h*->g", "h*->", "w*->f", "h*", "*", "fixed", "*->", "#*"))
	store := Chance(25, Lit("STORE"), Key)
	wrong := Chance(4, Texts("foo", "BY", "GET", "LIMIT", "STORE", "", "WITHSCORES"))
	return Family{
		Name:           "sort",
		EventsAnyOrder: true,
		Commands: []Template{
			Cmd("rpush", Texts("{k}a", "{k}b"), Repeat(1, 6, number)).Times(3),
			Cmd("rpush", Texts("{k}b", "{k}c"), Repeat(1, 6, element)).Times(2),
			Cmd("sadd", Key, Repeat(1, 6, number)).Times(2),
			Cmd("zadd", Key, Repeat(1, 4, Range(-5, 5), number)).Times(2),
			Cmd("set", weight, number).Times(3),
			Cmd("set", weight, element),
			Cmd("hset", Texts("h1", "h2", "h3", "h4", "ha"), Words("f g"), AnyOf(number, element)).Times(3),
			Cmd("lpush", weight, element).Rarely(),
			Cmd("del", AnyOf(Key, weight)).Times(2),
			Cmd("sort", Key, order, limit, get, store, wrong).Times(6),
			Cmd("sort", Key, Lit("BY"), Words("w* h*->f h*->g w*->f nokey:*"), Opt(Words("ASC DESC desc")), get, store, wrong).Times(3),
			Cmd("sort", Texts("{k}list"), Lit("BY"), Words("w* h*->f h*->g w*->f nokey:*"), order, get, store, wrong).Times(4),
			Cmd("sort", Key, Lit("BY"), Words("w* h*->f"), Opt(Words("ASC DESC")), limit, get, store).Times(3),
			Cmd("sort", Key, Lit("BY nosort"), order, limit, get, Lit("STORE"), Key).Times(2),
			Cmd("sort", Texts("{k}list"), Lit("BY"), Words("nosort # h->f"), order, limit, get).Times(3),
			Cmd("rpush", Texts("{k}list"), Repeat(1, 4, element)),
			Cmd("del", Texts("{k}list")).Rarely(),
			Cmd("sort_ro", Key, order, limit, get, store, wrong).Times(2),
			Cmd("sort_ro", Key, Lit("BY"), Words("w* h*->f"), Opt(Words("ASC DESC")), get),
			Cmd("expire", AnyOf(Key, weight), Seconds).Rarely(),
		},
		Probes: []Template{
			Cmd("type"), Cmd("pttl").With(nearMillis), Cmd("debug", Lit("digest-value")),
		},
	}
}
