package differential

import (
	"strconv"
	"strings"
)

// manyPairs go past a block of a stream, now and then.
func manyPairs(s *Source) []string {
	var args []string
	for i := range 1 + s.IntN(60) {
		args = append(args, "f"+strconv.Itoa(i), strings.Repeat("v", s.IntN(40)))
	}
	return args
}

// badIDs are arguments that are no ID where an ID is asked for, or a rare one. No
// sequence number is the highest below the highest milliseconds: how Redis refuses
// ms-* after that depends on the errno that some earlier call left.
var badIDs = []string{
	"", "x", "1-", "-1", "1-x", "-", "+", "(", "(1", "$", ">", "1-*", "5-*", "0-0", "0", "0-*", "1-2-3", "+5", " 5", "05-01", "1--1",
	"18446744073709551615-18446744073709551615", "(18446744073709551615-18446744073709551615", "18446744073709551616-0", "18446744073709551615",
	"(0-0", "5-0\x00x", strings.Repeat("1", 127), strings.Repeat("0", 128) + "1",
}

func streamFamily() Family {
	// Few IDs, so that commands meet; no entry has the time of the clock.
	id := Mostly(func(s *Source) []string {
		text := strconv.Itoa(1 + s.IntN(30))
		if s.IntN(3) > 0 {
			text += "-" + strconv.Itoa(s.IntN(4))
		}
		return []string{text}
	}, 6, Texts(badIDs...))
	newID := Mostly(AnyOf(
		func(s *Source) []string {
			return []string{strconv.FormatInt(s.Unique()/4, 10) + "-" + strconv.Itoa(s.IntN(8))}
		},
		func(s *Source) []string { return []string{strconv.FormatInt(s.Unique()/4, 10) + "-*"} },
	), 10, id)
	bound := Mostly(AnyOf(id, id, Texts("-", "+"), func(s *Source) []string { return []string{"(" + id(s)[0]} }), 3, Texts(badIDs...))
	count := Mostly(Range(0, 6), 10, Texts(badInts...))
	group := Mostly(Words("g1 g2"), 5, Texts("g3", "", "g\x00x"))
	consumer := Words("alice bob carol")
	fields := Mostly(AnyOf(
		Seq(Lit("a"), Value), Seq(Lit("a"), Value, Lit("b"), Value), Seq(Value, Value), Seq(Lit("1"), Range(-5, 5)),
	), 3, manyPairs)
	trim := Mostly(AnyOf(
		Seq(Lit("MAXLEN"), AnyOf(Lit("="), Lit("~"), Lit("")), Range(0, 40)),
		Seq(Lit("MINID"), AnyOf(Lit("="), Lit("~"), Lit("")), id),
		Seq(Lit("MAXLEN ~"), Range(0, 20), Lit("LIMIT"), Range(0, 30)),
	), 8, Repeat(1, 2, AnyOf(
		Seq(Words("MAXLEN MINID LIMIT"), Words("= ~"), Texts(badInts...)), Lit("LIMIT 5"), Lit("foo"), Lit("MAXLEN 5"),
	)))
	someIDs := Repeat(1, 4, id)
	readID := Mostly(id, 15, Lit("$"))
	groupID := Mostly(AnyOf(Lit(">"), Lit(">"), id), 3, Texts("$", ""))
	opts := Seq(Chance(40, Lit("COUNT"), count), Chance(3, Lit("BLOCK"), Texts("1", "-1", "x", "2")))
	claimOptions := Seq(
		Chance(20, Lit("IDLE"), Mostly(Range(0, 100000), 8, Texts(badInts...))), Chance(10, Lit("TIME"), Mostly(Range(0, 100000), 8, Texts(badInts...))),
		Chance(30, Lit("RETRYCOUNT"), count), Chance(40, Lit("FORCE")), Chance(40, Lit("JUSTID")), Chance(10, Lit("LASTID"), id), Chance(2, Lit("foo")))
	// Idle times are far apart, whatever a sequence takes.
	minIdle := Mostly(Texts("0", "0", "3600000"), 4, Texts(badInts...))
	groupOptions := Seq(Chance(50, Lit("MKSTREAM")), Chance(30, Lit("ENTRIESREAD"), Mostly(Range(-1, 20), 8, Texts(badInts...))))
	return Family{
		Name: "stream",
		Commands: []Template{
			Cmd("xadd", Key, Chance(5, Lit("NOMKSTREAM")), Chance(15, trim), newID, fields).Times(8),
			Cmd("xtrim", Key, trim).Times(1),
			Cmd("xdel", Key, someIDs).Times(2),
			Cmd("xlen", Key),
			Cmd("xrange", Key, bound, bound, Chance(40, Lit("COUNT"), count)),
			Cmd("xrevrange", Key, bound, bound, Chance(40, Lit("COUNT"), count)),
			Cmd("xsetid", Key, id, Chance(40, Lit("ENTRIESADDED"), count), Chance(40, Lit("MAXDELETEDID"), id)),
			Cmd("xread", opts, Lit("STREAMS"), Key, readID),
			Cmd("xread", opts, Lit("STREAMS"), Key, Key, readID, readID),
			Cmd("xgroup|create", Key, group, AnyOf(id, Lit("$"), Lit("0")), groupOptions).Times(3),
			Cmd("xgroup|setid", Key, group, AnyOf(id, Lit("$")), Chance(30, Lit("ENTRIESREAD"), count)),
			Cmd("xgroup|destroy", Key, group).Rarely(),
			Cmd("xgroup|createconsumer", Key, group, consumer),
			Cmd("xgroup|delconsumer", Key, group, consumer).Rarely(),
			Cmd("xreadgroup", Lit("GROUP"), group, consumer, opts, Chance(20, Lit("NOACK")), Lit("STREAMS"), Key, groupID).Times(6),
			Cmd("xreadgroup", Lit("GROUP"), group, consumer, opts, Lit("STREAMS"), Key, Key, groupID, groupID),
			Cmd("xack", Key, group, someIDs).Times(2),
			Cmd("xpending", Key, group),
			Cmd("xpending", Key, group, Chance(30, Lit("IDLE"), minIdle), bound, bound, count, Opt(consumer)).With(streamReply).Times(2),
			Cmd("xclaim", Key, group, consumer, minIdle, someIDs, claimOptions).Times(3),
			Cmd("xautoclaim", Key, group, consumer, minIdle, bound, Chance(60, Lit("COUNT"), count), Chance(30, Lit("JUSTID"))).Times(2),
			Cmd("xinfo|stream", Key, Chance(60, Lit("FULL"), Chance(50, Lit("COUNT"), count))).With(streamReply),
			Cmd("xinfo|groups", Key),
			Cmd("xinfo|consumers", Key, group).With(streamReply),
			// What it sets stays for the sequences after this one, on both servers.
			Cmd("config|set", Lit("stream-node-max-entries"), Words("1 2 5 100")),
			Cmd("config|set", Lit("stream-node-max-bytes"), Words("0 90 4096")).Rarely(),
			Cmd("copy", Key, Key, Opt(Lit("REPLACE"))),
			Cmd("rename", Key, Key).Rarely(),
			Cmd("del", Key).Rarely(),
			Cmd("set", Key, Value).Rarely(),
			Cmd("expire", Key, Seconds).Rarely(),
		},
		Probes: []Template{
			Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis), Cmd("debug", Lit("digest-value")), Cmd("xinfo|stream").With(streamReply),
		},
	}
}
