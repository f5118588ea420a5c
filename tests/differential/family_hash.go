package differential

import (
	"fmt"
	"strconv"
	"strings"
)

// Field is one of the few fields of a hash, or members of a set.
var Field = Mostly(Texts("a", "b", "c", "d", "1", "2", "-7", "300", "70000", "9223372036854775807"), 8, Value)

// manyFields are enough pairs to go past hash-max-listpack-entries, now and then.
func manyFields(s *Source) []string {
	var args []string
	first := s.IntN(300)
	for i := range 1 + s.IntN(300) {
		args = append(args, fmt.Sprintf("field:%d", first+i), strconv.Itoa(i*i))
	}
	return args
}

// manyNames are the fields of manyFields.
func manyNames(s *Source) []string {
	var args []string
	first := s.IntN(600)
	for i := range 1 + s.IntN(300) {
		args = append(args, fmt.Sprintf("field:%d", first+i))
	}
	return args
}

// storedFloat is a value to be added to, or to add.
var storedFloat = AnyOf(Float, Texts("3.0e3", "1e17", "-0.5", strings.Repeat("9", 30)))

func hashFamily() Family {
	pairs := Mostly(Repeat(1, 4, Field, Value), 6, manyFields)
	randomCount := Mostly(Range(-5, 8), 10, Texts("0", "600", "", "x", "9223372036854775807", "-9223372036854775808", "4611686018427387904"))
	scanOptions := Mostly(
		Seq(Lit("COUNT 10000"), Opt(Lit("MATCH"), Texts("*", "a", "field:1*", "[abc]", ""))), 8,
		AnyOf(Lit("COUNT 0"), Lit("COUNT x"), Lit("foo"), Lit("COUNT"), Lit("MATCH"), Lit("TYPE hash")))
	return Family{
		Name: "hash",
		Commands: []Template{
			Cmd("hset", Key, pairs).Times(5),
			Cmd("hset", Key, Repeat(1, 3, Field)),
			Cmd("hmset", Key, pairs),
			Cmd("hsetnx", Key, Field, Value).Times(2),
			Cmd("hget", Key, Field).Times(2),
			Cmd("hmget", Key, Repeat(1, 4, Field)),
			Cmd("hgetall", Key).With(anyPairs),
			Cmd("hkeys", Key).With(anyOrder),
			Cmd("hvals", Key).With(anyOrder),
			Cmd("hlen", Key).Times(2),
			Cmd("hstrlen", Key, Field),
			Cmd("hexists", Key, Field),
			Cmd("hdel", Key, Mostly(Repeat(1, 4, Field), 6, manyNames)).Times(4),
			Cmd("hincrby", Key, Field, Int).Times(3),
			Cmd("hset", Key, Field, AnyOf(Int, storedFloat)).Times(2),
			Cmd("hincrbyfloat", Key, Field, storedFloat).Times(3),
			Cmd("hrandfield", Key, Opt(randomCount, Opt(Mostly(Lit("WITHVALUES"), 10, Lit("foo"))))).With(sameShapes),
			Cmd("hscan", Key, Mostly(Lit("0"), 5, Texts("x", "")), scanOptions).With(scanPage),
			Cmd("object|encoding", Key).Times(2),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("persist", Key).Rarely(),
			Cmd("copy", Key, Key, Opt(Lit("REPLACE"))),
			Cmd("rename", Key, Key).Rarely(),
			Cmd("del", Key).Rarely(),
			Cmd("unlink", Key).Rarely(),
			Cmd("config|set", Words("hash-max-listpack-entries hash-max-ziplist-entries"), Words("0 3 512 512 512")).Rarely(),
			Cmd("config|set", Lit("hash-max-listpack-value"), Words("0 3 64 64 64")).Rarely(),
			Cmd("set", Key, Value).Rarely(),
			Cmd("zadd", Key, Lit("1"), Value).Rarely(),
			Cmd("sadd", Key, Value).Rarely(),
			Cmd("rpush", Key, Value).Rarely(),
		},
		Probes: []Template{
			Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis),
			Cmd("hgetall").With(anyPairs), Cmd("debug", Lit("digest-value")),
		},
	}
}
