package differential

// serverFamily mixes what administrators change and look at with a few commands on
// keys: configuration, slow log, latency events, DEBUG. Replies that depend on time
// are compared by their shape.
func serverFamily() Family {
	parameter := Words("slowlog-max-len slowlog-log-slower-than latency-monitor-threshold latency-tracking " +
		"latency-tracking-info-percentiles maxmemory-clients maxmemory-samples timeout hz lfu-log-factor nosuch SLOWLOG-MAX-LEN")
	value := Texts("0", "1", "-1", "10", "128", "10000", "1000000000", "yes", "no", "50 99", "101", "x", "", "10%", "1gb", "9223372036854775808")
	return Family{
		Name:     "server",
		NoEvents: true, // lookups of DEBUG are not compared
		// What is slow on a busy machine is not compared either.
		Reset: [][]string{{"CONFIG", "SET", "slowlog-log-slower-than", "1000000000"}, {"SLOWLOG", "RESET"}},
		Commands: []Template{
			Cmd("config|get", Repeat(1, 3, parameter)).With(anyPairs).Times(2),
			Cmd("config|set", Words("slowlog-log-slower-than"), Texts("-1", "1000000000", "-2", "x")).Times(2),
			Cmd("config|set", Words("slowlog-max-len latency-monitor-threshold"), Texts("1000000000", "-2", "x", "1000")),
			Cmd("config|set", Words("maxmemory-clients"), Texts("0", "1gb", "5%", "101%", "-1", "x")),
			Cmd("config|set", Words("latency-tracking-info-percentiles"), value),
			Cmd("config|set", Words("latency-tracking"), Texts("yes", "no", "maybe")),
			Cmd("config|set", Repeat(2, 2, Words("nosuch timeout slowlog-max-len"), Texts("x", "-5"))).With(Check{Kind: SameErrorCode}),
			Cmd("slowlog|len"),
			Cmd("slowlog|get", Opt(Texts("0", "1", "-1", "-2", "x"))).With(sameShapes),
			Cmd("slowlog|reset"),
			Cmd("slowlog|nosuch"),
			Cmd("latency|latest"),
			Cmd("latency|history", Words("command nosuch")),
			Cmd("latency|reset", Repeat(0, 2, Words("command nosuch"))),
			Cmd("latency|graph", Words("nosuch")),
			Cmd("latency|histogram", Words("nosuch nosuch|x")).With(Check{Kind: Ignore}),
			Cmd("debug", Lit("populate"), Range(0, 3), Opt(Key)),
			Cmd("debug", Words("populate htstats htstats-key listpack quicklist object"), Texts("x", "-1", "nokey")).With(Check{Kind: SameErrorCode}),
			Cmd("debug", Lit("digest-value"), Key),
			Cmd("client|setname", Texts("a", "b", "", "with blank")),
			Cmd("client|getname"),
			Cmd("client|list", Lit("ID"), Texts("0", "x", "999999999")),
			Cmd("client|kill", Words("ID ADDR LADDR TYPE USER SKIPME MAXAGE"), Texts("x", "0", "1:1", "pubsub")).With(Check{Kind: SameErrorCode}),
			Cmd("memory|nosuch"),
			Cmd("info", Words("modules cluster nosuch")).With(Check{Kind: SameFields, Fields: []string{"cluster_enabled"}}),
			Cmd("get", Key),
			Cmd("set", Key, Value),
			Cmd("del", Key),
			Cmd("dbsize"),
		},
		Probes: keyProbes(),
	}
}
