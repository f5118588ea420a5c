package differential

import (
	"fmt"
	"strconv"
)

// member is one of the few members of a sorted set.
var member = Mostly(Texts("a", "b", "c", "d", "e", "ab", "1", "2", "-7", "300", "70000", "9223372036854775807"), 8, Value)

// score is a number in one of many notations, sometimes none.
var score = Mostly(
	AnyOf(Range(-5, 9), Texts("0", "-0", "0.1", "-2.5", "3.14159", "1e17", "1e-7", "inf", "-inf", "+inf", "1e300",
		"4503599627370497.5", "9223372036854775807", "123456789012345678", "0x1p-3", "4.9e-324")),
	5, Texts("nan", "1e400", "1e-400", "x", "", " 1", "1 ", "0x10", "0X.8p2", "1e", "+3", "Infinity", "-iNf", "1_0", "0x", "1.5.2", "--1"))

// scoreLimit is an end of a range of scores.
var scoreLimit = Mostly(
	Texts("-inf", "+inf", "inf", "-3", "0", "(0", "1", "(1", "2", "3", "(3", "5", "(8", "0.1", "(0.1", "-2.5", "(-inf", "(+inf", "1e17"),
	8, Texts("", "(", "((1", "x", "nan", "(nan", " 1", "1 ", "( 2", "1e400", "-1e400", "[1", "0x10"))

// lexLimit is an end of a range of members.
var lexLimit = Mostly(Texts("-", "+", "[a", "(a", "[b", "(b", "[c", "(d", "[e", "[aa", "(ab", "[", "(", "[1", "(300"), 8,
	Texts("", "a", "++", "-x", "*", "[\x00", "(\xff"))

var rankLimit = Mostly(Range(-8, 8), 8, Texts("", "x", "1.5", "200", "-200", "9223372036854775807", "-9223372036854775808"))

// manyScored are enough members to go past zset-max-listpack-entries.
func manyScored(s *Source) []string {
	var args []string
	first, factor := s.IntN(150), s.IntN(5)
	for i := range 1 + s.IntN(150) {
		args = append(args, strconv.Itoa((first+i)*factor%37), fmt.Sprintf("member:%d", first+i))
	}
	return args
}

// manyMembers are members of manyScored.
func manyMembers(s *Source) []string {
	var args []string
	first := s.IntN(300)
	for i := range 1 + s.IntN(150) {
		args = append(args, fmt.Sprintf("member:%d", first+i))
	}
	return args
}

func zsetFamily() Family {
	scored := Mostly(Repeat(1, 4, score, member), 6, manyScored)
	zaddOptions := Mostly(
		Seq(Chance(15, Words("NX XX xx")), Chance(15, Words("GT LT")), Chance(20, Lit("CH"))),
		5, Repeat(1, 3, Words("NX XX GT LT CH INCR foo")))
	limit := Chance(25, Lit("LIMIT"), rankLimit, Mostly(Range(-2, 6), 8, Texts("x", "", "1000")))
	withScores := Mostly(Chance(50, Lit("WITHSCORES")), 4, Words("foo LIMIT withscore REV BYLEX"))
	anyRange := AnyOf(
		Seq(rankLimit, rankLimit, Chance(30, Lit("REV"))),
		Seq(scoreLimit, scoreLimit, Lit("BYSCORE"), Chance(30, Lit("REV")), limit),
		Seq(scoreLimit, scoreLimit, Chance(30, Lit("REV")), limit, Lit("byscore")),
		Seq(rankLimit, rankLimit, Mostly(Seq(), 20, Lit("LIMIT 0 -1"))))
	numKeys := Counted(1, 3, Key)
	combining := Mostly(
		Seq(Chance(25, Lit("AGGREGATE"), Words("SUM MIN MAX min")), Chance(5, Words("foo AGGREGATE LIMIT"))),
		30, Seq(Lit("WEIGHTS"), Repeat(1, 3, Mostly(score, 30, Texts("2", "0", "-1", "0.5", "inf"))), Chance(20, Lit("AGGREGATE MAX"))))
	scanOptions := Mostly(
		Seq(Lit("COUNT 10000"), Opt(Lit("MATCH"), Texts("*", "a", "member:1*", "[abc]", ""))), 8,
		AnyOf(Lit("COUNT 0"), Lit("COUNT x"), Lit("foo"), Lit("COUNT"), Lit("MATCH"), Lit("TYPE zset"), Lit("NOVALUES")))
	popCount := Mostly(Opt(Range(0, 5)), 8, Texts("-1", "x", "", "200", "9223372036854775807", "1 2"))
	randomCount := Mostly(Range(-5, 8), 10, Texts("0", "200", "", "x", "9223372036854775807", "-9223372036854775808", "4611686018427387904"))
	return Family{
		Name: "zset",
		Commands: []Template{
			Cmd("zadd", Key, zaddOptions, scored).Times(8),
			Cmd("zadd", Key, Chance(30, Words("NX XX GT LT CH")), Lit("INCR"), score, member).Times(2),
			Cmd("zincrby", Key, score, member).Times(3),
			Cmd("zrem", Key, Mostly(Repeat(1, 4, member), 6, manyMembers)).Times(3),
			Cmd("zcard", Key).Times(2),
			Cmd("zscore", Key, member).Times(2),
			Cmd("zmscore", Key, Repeat(1, 4, member)),
			Cmd("zrank", Key, member).Times(2),
			Cmd("zrevrank", Key, member),
			Cmd("zcount", Key, scoreLimit, scoreLimit).Times(2),
			Cmd("zrange", Key, anyRange, withScores).Times(4),
			Cmd("zrangestore", Key, Key, anyRange, Chance(4, Lit("WITHSCORES"))).Times(3),
			Cmd("zrevrange", Key, rankLimit, rankLimit, withScores),
			Cmd("zrangebyscore", Key, scoreLimit, scoreLimit, withScores, limit).Times(2),
			Cmd("zrevrangebyscore", Key, scoreLimit, scoreLimit, limit, withScores).Times(2),
			Cmd("zremrangebyrank", Key, rankLimit, rankLimit),
			Cmd("zremrangebyscore", Key, scoreLimit, scoreLimit),
			Cmd("zpopmin", Key, popCount),
			Cmd("zpopmax", Key, popCount),
			Cmd("zmpop", numKeys, Mostly(Words("MIN MAX min"), 8, Words("foo COUNT")), Mostly(Chance(50, Lit("COUNT"), Range(-1, 5)), 8, Texts("COUNT", "foo", "1"))),
			Cmd("bzpopmin", Repeat(1, 3, Key), soon).Rarely(),
			Cmd("bzpopmax", Repeat(1, 3, Key), soon).Rarely(),
			Cmd("bzmpop", soon, numKeys, Mostly(Words("MIN MAX min"), 8, Words("foo COUNT")), Opt(Lit("COUNT"), Range(-1, 5))).Rarely(),
			Cmd("zrandmember", Key, Opt(randomCount, Chance(40, Mostly(Lit("WITHSCORES"), 10, Lit("foo"))))).With(sameShapes),
			Cmd("zscan", Key, Mostly(Lit("0"), 5, Texts("x", "")), scanOptions).With(Check{Kind: ScanPage}),
			Cmd("zunion", numKeys, combining, withScores).Times(2),
			Cmd("zinter", numKeys, combining, withScores).Times(2),
			Cmd("zdiff", numKeys, withScores).Times(2),
			Cmd("zdiff", numKeys, combining).Rarely(),
			Cmd("zunionstore", Key, numKeys, combining).Times(2),
			Cmd("zinterstore", Key, numKeys, combining).Times(2),
			Cmd("zdiffstore", Key, numKeys, Chance(5, Lit("WITHSCORES"))).Times(2),
			Cmd("zintercard", numKeys, Mostly(Opt(Lit("LIMIT"), Range(-1, 4)), 8, AnyOf(Lit("foo"), Lit("LIMIT"), Lit("LIMIT x")))),
			Cmd("sadd", Key, Repeat(1, 4, member)),
			Cmd("config|set", Words("zset-max-listpack-entries zset-max-ziplist-entries"), Words("0 3 128 128 128")).Rarely(),
			Cmd("config|set", Lit("zset-max-listpack-value"), Words("0 3 64 64 64")).Rarely(),
			Cmd("object|encoding", Key).Times(2),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("copy", Key, Key, Opt(Lit("REPLACE"))),
			Cmd("rename", Key, Key).Rarely(),
			Cmd("del", Key).Rarely(),
			Cmd("set", Key, Value).Rarely(),
			Cmd("hset", Key, Value, Value).Rarely(),
			Cmd("rpush", Key, Value).Rarely(),
		},
		Probes: zsetProbes(),
	}
}

// zlexFamily are ranges by member, which are defined where all scores are equal.
func zlexFamily() Family {
	members := Mostly(Repeat(1, 4, Lit("0"), member), 8, func(s *Source) []string {
		args := manyScored(s)
		for i := 0; i < len(args); i += 2 {
			args[i] = "0"
		}
		return args
	})
	limit := Chance(25, Lit("LIMIT"), rankLimit, Mostly(Range(-2, 6), 8, Texts("x", "", "1000")))
	return Family{
		Name: "zlex",
		Commands: []Template{
			Cmd("zadd", Key, Lit("NX"), members).Times(6),
			Cmd("zrem", Key, Mostly(Repeat(1, 4, member), 6, manyMembers)).Times(2),
			Cmd("zrangebylex", Key, lexLimit, lexLimit, limit).Times(3),
			Cmd("zrevrangebylex", Key, lexLimit, lexLimit, limit).Times(3),
			Cmd("zrange", Key, lexLimit, lexLimit, Lit("BYLEX"), Chance(40, Lit("REV")), limit, Chance(5, Lit("WITHSCORES"))).Times(3),
			Cmd("zrangestore", Key, Key, lexLimit, lexLimit, Lit("BYLEX"), Chance(40, Lit("REV")), limit).Times(2),
			Cmd("zlexcount", Key, lexLimit, lexLimit).Times(3),
			Cmd("zremrangebylex", Key, lexLimit, lexLimit),
			Cmd("zrank", Key, member),
			Cmd("object|encoding", Key),
			Cmd("set", Key, Value).Rarely(),
			Cmd("del", Key).Rarely(),
		},
		Probes: zsetProbes(),
	}
}

func zsetProbes() []Template {
	return []Template{
		Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis),
		Cmd("zcard"), Cmd("debug", Lit("digest-value")),
	}
}
