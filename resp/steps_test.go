package resp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"respkv/cluster/slotmap"
	"respkv/store"
)

// stepAll makes every command that can take pauses take them, as often as
// possible.
func (n *testNode) stepAll() {
	n.d.stepping.from, n.d.stepping.step = 1, 0
}

// bigElements is the size of the values in these tests.
const bigElements = 1000

// fillBig makes a large value of each type; all keys have one slot.
func (n *testNode) fillBig() {
	n.t.Helper()
	n.fill("{b}set", "SADD", bigElements, func(i int) []string { return []string{fmt.Sprintf("m%d", i)} })
	n.fill("{b}set2", "SADD", bigElements, func(i int) []string { return []string{fmt.Sprintf("m%d", i*2)} })
	n.fill("{b}zset", "ZADD", bigElements, func(i int) []string { return []string{fmt.Sprint(i % 100), fmt.Sprintf("m%d", i)} })
	n.fill("{b}hash", "HSET", bigElements, func(i int) []string { return []string{fmt.Sprintf("f%d", i), fmt.Sprint(i)} })
	n.fill("{b}list", "RPUSH", 4*bigElements, func(i int) []string { return []string{strings.Repeat("element", 20) + fmt.Sprint(i)} })
	n.smallBlocks()
	n.fill("{b}stream", "XADD", 1, func(int) []string { return []string{"0-1", "f", "v"} })
	for i := 2; i <= bigElements; i++ {
		n.do("XADD", "{b}stream", fmt.Sprintf("0-%d", i), "f", "v")
	}
	n.do("XGROUP", "CREATE", "{b}stream", "g", "0")
	n.do("XREADGROUP", "GROUP", "g", "ann", "COUNT", "500", "STREAMS", "{b}stream", ">")
	n.fill("{b}twice", "RPUSH", 16*bigElements, func(i int) []string { return []string{strings.Repeat("element", 10) + fmt.Sprint(i%7)} })
	n.do("SET", "{b}string", strings.Repeat("0123456789", 2*1<<20/10))
	n.do("SETRANGE", "{b}zeros", fmt.Sprint(1<<20), "\x01")
	n.fill("{b}geo", "GEOADD", 2*bigElements, func(i int) []string { return []string{fmt.Sprint(i % 50), fmt.Sprint(i / 50), fmt.Sprint(i)} })
	n.do("PEXPIREAT", "{b}zset", "99999999999999")
	n.do("PEXPIREAT", "{b}twice", "99999999999999")
	n.do("HPEXPIREAT", "{b}hash", "66666666666666", "FIELDS", "1", "f7")
	n.fill("{b}undated", "HSET", bigElements, func(i int) []string { return []string{fmt.Sprintf("f%d", i), fmt.Sprint(i)} })
}

// smallBlocks gives streams many blocks.
func (n *testNode) smallBlocks() {
	limits := store.DefaultLimits()
	limits.StreamNodeMaxEntries = 4
	n.store.SetLimits(limits)
}

// fill sends one command with the arguments for count elements.
func (n *testNode) fill(key, command string, count int, arguments func(i int) []string) {
	n.t.Helper()
	line := []string{command, key}
	for i := range count {
		line = append(line, arguments(i)...)
	}
	if reply := n.do(line...); strings.HasPrefix(reply, "-") {
		n.t.Fatalf("%s %s: %s", command, key, reply)
	}
}

// dumpHere is dump without what depends on when a stream was read.
func (n *testNode) dumpHere() []storedKey {
	all := n.dump()
	for i := range all {
		all[i].payload = ""
	}
	return all
}

// stepLines are commands on what fillBig made.
var stepLines = []string{
	"COPY {b}set {b}to", "COPY {b}set {b}dst REPLACE", "COPY {b}set {b}dst", "COPY {b}zset {b}to", "COPY {b}hash {b}to",
	"COPY {b}list {b}to", "COPY {b}stream {b}to",
	"SUNIONSTORE {b}dst {b}set {b}set2", "SUNIONSTORE {b}set {b}set {b}set2", "SINTERSTORE {b}dst {b}set {b}set2",
	"SDIFFSTORE {b}dst {b}set {b}set2", "SDIFFSTORE {b}dst {b}set {b}set", "SDIFFSTORE {b}new {b}set2 {b}set {b}none",
	"SUNIONSTORE {b}dst {b}set {b}zset", "SINTERSTORE {b}to {b}set {b}none",
	"ZUNIONSTORE {b}dst 2 {b}zset {b}set WEIGHTS 2 3 AGGREGATE MAX", "ZUNIONSTORE {b}zset 2 {b}zset {b}set",
	"ZINTERSTORE {b}dst 2 {b}zset {b}set2", "ZDIFFSTORE {b}dst 2 {b}zset {b}set2", "ZDIFFSTORE {b}dst 2 {b}zset {b}set",
	"ZRANGESTORE {b}dst {b}zset 0 -1", "ZRANGESTORE {b}dst {b}zset 10 5 BYSCORE REV LIMIT 3 400",
	"ZRANGESTORE {b}zset {b}zset 5 -5", "ZUNIONSTORE {b}dst 1 {b}zset WEIGHTS x",
	"COPY {b}string {b}to", "COPY {b}string {b}dst REPLACE",
	"LREM {b}twice 0 " + someElement, "LREM {b}twice 1500 " + someElement, "LREM {b}twice -1500 " + someElement,
	"LREM {b}twice 3 " + someElement, "LREM {b}twice -3 " + someElement, "LREM {b}list 0 none", "LREM {b}list 0 " + strings.Repeat("element", 20) + "3000",
	"ZREMRANGEBYRANK {b}zset 0 -400", "ZREMRANGEBYRANK {b}zset 100 700", "ZREMRANGEBYSCORE {b}zset 20 +inf",
	"ZREMRANGEBYSCORE {b}zset -inf +inf", "ZREMRANGEBYLEX {b}zset - [z", "ZREMRANGEBYRANK {b}zset 5 9",
	"LTRIM {b}twice 3000 9000", "LTRIM {b}twice 3 -3", "LTRIM {b}twice 15000 -1", "LTRIM {b}twice 0 100", "LTRIM {b}twice 5 4",
	"LPOP {b}twice 9000", "RPOP {b}twice 9000", "RPOP {b}twice 20000", "LPOP {b}twice 3",
	"SREM {b}set" + numbered(" m", 600), "SREM {b}set2" + numbered(" m", 999), "SREM {b}set" + numbered(" m", bigElements) + " m1", "SREM {b}set" + numbered(" none", 500),
	"ZREM {b}zset" + numbered(" m", 500) + numbered(" m", 400), "ZREM {b}zset" + numbered(" m", bigElements), "ZREM {b}zset" + numbered(" none", 500),
	"HDEL {b}undated" + numbered(" f", 700), "HDEL {b}undated" + numbered(" f", bigElements), "HDEL {b}hash" + numbered(" f", 700),
	"ZPOPMIN {b}zset 600", "ZPOPMAX {b}zset 990", "ZPOPMIN {b}zset 1000", "ZPOPMAX {b}zset 3",
	"GEOSEARCHSTORE {b}dst {b}geo FROMLONLAT 1 1 BYRADIUS 20000 km", "GEOSEARCHSTORE {b}dst {b}geo FROMLONLAT 1 1 BYRADIUS 3000 km ASC COUNT 500 STOREDIST",
	"GEORADIUS {b}geo 1 1 3000 km STORE {b}geo", "GEORADIUS {b}geo 1 1 20000 km DESC COUNT 3",
	"DUMP {b}list", "DUMP {b}set", "DUMP {b}zset", "DUMP {b}hash", "DUMP {b}string", "DUMP {b}zeros",
	"SORT {b}set ALPHA STORE {b}dst", "SORT {b}set ALPHA DESC LIMIT 10 300 STORE {b}set", "SORT {b}list ALPHA STORE {b}to",
	"SORT {b}zset BY nosort GET # STORE {b}to", "SORT {b}list STORE {b}to", "SORT {b}set ALPHA LIMIT 1 1",
	"HGETALL {b}hash", "HKEYS {b}hash", "HVALS {b}hash", "SMEMBERS {b}set", "LRANGE {b}list 5 -5", "LRANGE {b}list 0 -1",
	"ZRANGE {b}zset 0 -1 WITHSCORES", "ZREVRANGE {b}zset 3 -4", "ZRANGEBYSCORE {b}zset 3 90 WITHSCORES LIMIT 7 700", "ZRANGEBYLEX {b}zset - +",
	"XRANGE {b}stream - +", "XREVRANGE {b}stream + - COUNT 700", "XREAD STREAMS {b}stream {b}none {b}stream 0 0 0-300",
	"SUNION {b}set {b}set2", "SINTER {b}set {b}set2", "SDIFF {b}set {b}set2 {b}none", "SINTERCARD 2 {b}set {b}set2", "SINTERCARD 2 {b}set {b}set2 LIMIT 400",
	"ZUNION 2 {b}zset {b}set WITHSCORES", "ZINTER 2 {b}zset {b}set", "ZDIFF 2 {b}zset {b}set2", "ZINTERCARD 2 {b}zset {b}set", "ZUNION 2 {b}zset {b}set WEIGHTS 1",
	"LPOS {b}list none", "LPOS {b}twice " + someElement + " COUNT 0", "LPOS {b}twice " + someElement + " RANK -900 MAXLEN 9000", "LPOS {b}twice " + someElement,
	"LINSERT {b}list BEFORE none x", "LINSERT {b}list AFTER " + strings.Repeat("element", 20) + "3000 x",
	"GEOSEARCH {b}geo FROMLONLAT 1 1 BYRADIUS 20000 km ASC WITHDIST", "GEORADIUS_RO {b}geo 1 1 20000 km",
	"GET {b}string", "GETRANGE {b}string 10 -10", "SUBSTR {b}string 5 9", "GETDEL {b}string", "GETEX {b}string PXAT 99999999999999",
	"XTRIM {b}stream MAXLEN 300", "XTRIM {b}stream MAXLEN ~ 300", "XTRIM {b}stream MINID 0-700", "XTRIM {b}stream MINID ~ 0-700 LIMIT 250", "XTRIM {b}stream MAXLEN 0", "XTRIM {b}stream MINID 5-5", "XTRIM {b}stream MAXLEN ~ 0",
	"XADD {b}stream MAXLEN 450 0-2000 f v", "XADD {b}stream MINID ~ 0-900 0-2000 f v", "XADD {b}stream MAXLEN 0 0-2000 f v", "XADD {b}stream NOMKSTREAM MINID = 7-0 0-2000 f v",
	"XDEL {b}stream" + numbered(" 0-", 900) + " 0-5 0-777", "XDEL {b}stream" + numbered(" 0-", 2*bigElements), "XDEL {b}stream 0-999" + numbered(" 9-", 900), "XDEL {b}stream" + numbered(" 0-", 900) + " x", "XDEL {b}stream 0-1000 0-1 0-500",
	"GETSET {b}string x", "SET {b}string x GET", "BITCOUNT {b}string", "BITCOUNT {b}string 9 -9 BIT", "BITPOS {b}string 0 3", "BITPOS {b}zeros 1", "BITPOS {b}zeros 0",
	"SORT_RO {b}list ALPHA DESC", "SORT_RO {b}set ALPHA",
	"SET {b}dst " + largeValue, "SET {b}string " + largeValue + " KEEPTTL", "SET {b}zset " + largeValue + " XX PXAT 99999999999999", "SET {b}set " + largeValue + " NX",
	"SET {b}string " + largeValue + " GET", "SETNX {b}to " + largeValue, "GETSET {b}string " + largeValue,
	"BITOP NOT {b}dst {b}string", "BITOP AND {b}string {b}string {b}zeros", "BITOP OR {b}to {b}none {b}zeros {b}string", "BITOP XOR {b}string {b}string {b}zeros {b}string",
	"BITOP AND {b}dst {b}none {b}none", "MGET {b}string {b}set {b}none {b}zeros", "EXISTS {b}string {b}set",
}

// numbered is the text n times, each followed by a number.
func numbered(text string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprint(&b, text, i)
	}
	return b.String()
}

// largeValue has a mapping of its own.
var largeValue = strings.Repeat("large", 1<<20/4)

// someElement is one of those that come again and again in a list of fillBig.
var someElement = strings.Repeat("element", 10) + "3"

// readsLittle says whether a line of stepLines is done before the first pause.
func readsLittle(line string) bool {
	return line == "COPY {b}set {b}dst" || strings.HasPrefix(line, "SINTER") && strings.HasSuffix(line, "none") ||
		strings.HasSuffix(line, "LIMIT 3 400") || strings.HasSuffix(line, "x") ||
		strings.HasPrefix(line, "HDEL {b}hash") || strings.HasPrefix(line, "LREM {b}twice 3") || strings.HasPrefix(line, "LREM {b}twice -3") ||
		strings.HasPrefix(line, "LTRIM {b}twice 3 ") || line == "LTRIM {b}twice 5 4" || line == "LPOP {b}twice 3" || line == "ZPOPMAX {b}zset 3" ||
		strings.HasPrefix(line, "SUBSTR") || strings.HasPrefix(line, "BITPOS {b}string") || strings.HasSuffix(line, "zeros 0") || line == "LPOS {b}twice "+someElement ||
		strings.HasPrefix(line, "BITOP AND {b}dst") || strings.HasPrefix(line, "EXISTS") ||
		line == "XDEL {b}stream 0-1000 0-1 0-500" || line == "ZREMRANGEBYSCORE {b}zset -inf +inf" || line == "ZREMRANGEBYLEX {b}zset - [z" || line == "ZREMRANGEBYRANK {b}zset 5 9"
}

// namesAll says whether the effects of a line name each of few elements, or do not read.
func namesAll(line string) bool {
	return strings.HasPrefix(line, "ZPOP") || strings.HasPrefix(line, "HDEL") || strings.HasPrefix(line, "GETDEL") || strings.HasPrefix(line, "GETEX") || strings.HasPrefix(line, "SET ") || strings.HasPrefix(line, "GEO") && strings.Contains(line, "3000 km")
}

// TestStepsLikePlain compares replies, data, effects and events of commands that
// take a pause wherever they can with those of the same commands in one go.
func TestStepsLikePlain(t *testing.T) {
	oneGoroutine(t)
	for _, line := range stepLines {
		t.Run(fmt.Sprintf("%.60s", line), func(t *testing.T) {
			var outcome [2]struct {
				reply, events string
				effects       []string
				data          []storedKey
				hits, misses  int64
			}
			for i := range outcome {
				o := &outcome[i]
				n := newTestNode(t, newRouting(t, everySlot), &effectLog{})
				n.do("SADD", "{b}dst", "old")
				n.fillBig()
				rests := 0
				if i == 1 {
					n.stepAll()
				}
				n.d.stepping.rest = func(int) { rests++ }
				n.do("CONFIG", "SET", "notify-keyspace-events", "KEAn")
				listener := n.newClient(2)
				n.doAs(listener, "PSUBSCRIBE", "__key*")
				n.log.take()
				o.hits, o.misses = n.d.stats.hits.Load(), n.d.stats.misses.Load()
				o.reply = n.do(strings.Fields(line)...)
				o.hits, o.misses = n.d.stats.hits.Load()-o.hits, n.d.stats.misses.Load()-o.misses
				for _, e := range n.log.take() {
					o.effects = append(o.effects, e.String())
				}
				o.data = n.dumpHere()
				o.events = string(listener.W.Take())
				if i == 1 && !strings.HasPrefix(o.reply, "-") && rests == 0 && !readsLittle(line) {
					t.Error("took no pause")
				}
				n.checkNoSteps()
			}
			if outcome[0].reply != outcome[1].reply || outcome[0].events != outcome[1].events {
				t.Errorf("replies %.90q and %.90q, events %.200q and %.200q", outcome[0].reply, outcome[1].reply, outcome[0].events, outcome[1].events)
			}
			if outcome[0].hits != outcome[1].hits || outcome[0].misses != outcome[1].misses {
				t.Errorf("%d hits and %d misses, in steps %d and %d", outcome[0].hits, outcome[0].misses, outcome[1].hits, outcome[1].misses)
			}
			if !slices.Equal(outcome[0].effects, outcome[1].effects) {
				t.Errorf("effects %.200q and %.200q", outcome[0].effects, outcome[1].effects)
			}
			if !slices.Equal(outcome[0].data, outcome[1].data) {
				t.Error("the data differ")
			}
		})
	}
}

// checkNoSteps fails when a command in steps has left something behind.
func (n *testNode) checkNoSteps() {
	n.t.Helper()
	if n.d.watches.used() {
		n.t.Error("a watch is left")
	}
	n.store.LockAll()
	defer n.store.UnlockAll()
	for i := range store.Shards {
		if n.store.Pinned(i) {
			n.t.Errorf("shard %d is still pinned", i)
		}
	}
}

// TestStepsAgain changes a source in a pause: the command starts again, and the
// result has the change. One that changes all the time does not keep it from
// ending.
func TestStepsAgain(t *testing.T) {
	oneGoroutine(t)
	changes := map[string][]string{
		"SUNIONSTORE {b}dst {b}set {b}none":                    {"SADD {b}set new", "SREM {b}set m1", "SADD {b}none x", "DEL {b}set", "PEXPIREAT {b}set 1", "RENAME {b}set2 {b}set", "SPOP {b}set 3", "FLUSHDB"},
		"SINTERSTORE {b}dst {b}set {b}set2":                    {"SADD {b}set new", "DEL {b}set2", "SET {b}set2 x", "SMOVE {b}set {b}set2 m999"},
		"SDIFFSTORE {b}dst {b}set {b}set2":                     {"SADD {b}set new", "DEL {b}set2", "FLUSHALL"},
		"ZUNIONSTORE {b}dst 2 {b}zset {b}set":                  {"ZADD {b}zset 7 new", "SREM {b}set m4", "ZPOPMIN {b}zset 10"},
		"ZINTERSTORE {b}dst 2 {b}zset {b}set":                  {"ZADD {b}zset 7 m4", "UNLINK {b}zset"},
		"ZDIFFSTORE {b}dst 2 {b}zset {b}set2":                  {"ZADD {b}zset 7 new", "DEL {b}set2"},
		"ZRANGESTORE {b}dst {b}zset 0 -1":                      {"ZREMRANGEBYRANK {b}zset 0 10", "ZINCRBY {b}zset 1 m5"},
		"COPY {b}hash {b}dst":                                  {"HSET {b}hash f1 x", "HDEL {b}hash f7", "HPEXPIREAT {b}hash 1 FIELDS 1 f3", "PEXPIREAT {b}hash 99999999999999"},
		"COPY {b}list {b}dst":                                  {"LPUSH {b}list x", "LTRIM {b}list 1 10", "LSET {b}list 5 x"},
		"COPY {b}string {b}dst":                                {"APPEND {b}string x", "SETRANGE {b}string 5 x", "DEL {b}string", "SET {b}string x"},
		"LREM {b}twice 0 " + someElement:                       {"LPUSH {b}twice " + someElement, "LTRIM {b}twice 1 10", "LSET {b}twice 5 x", "UNLINK {b}twice", "RENAME {b}twice {b}to"},
		"ZREMRANGEBYRANK {b}zset 3 -400":                       {"ZADD {b}zset 7 new", "ZINCRBY {b}zset 1 m5", "DEL {b}zset", "PERSIST {b}zset"},
		"SORT {b}set ALPHA STORE {b}dst":                       {"SADD {b}set new", "SREM {b}set m1", "DEL {b}set", "SET {b}set x"},
		"LTRIM {b}twice 15900 16100":                           {"LPUSH {b}twice x", "RPOP {b}twice", "LTRIM {b}twice 1 10", "UNLINK {b}twice", "PERSIST {b}twice"},
		"LPOP {b}twice 9000":                                   {"LPUSH {b}twice x", "RPOP {b}twice", "LSET {b}twice 5 x", "SET {b}twice x"},
		"ZPOPMIN {b}zset 900":                                  {"ZADD {b}zset 0 new", "ZPOPMIN {b}zset 950", "DEL {b}zset"},
		"GEORADIUS {b}geo 1 1 9999 km STORE {b}dst":            {"ZREM {b}geo 5", "GEOADD {b}geo 1 1 new", "DEL {b}geo"},
		"DUMP {b}set":                                          {"SADD {b}set new", "DEL {b}set", "RENAME {b}set2 {b}set"},
		"DUMP {b}list":                                         {"LPUSH {b}list x", "LTRIM {b}list 1 10"},
		"XTRIM {b}stream MAXLEN 300":                           {"XADD {b}stream 5-5 a b", "XDEL {b}stream 0-3", "XTRIM {b}stream MAXLEN 700", "DEL {b}stream", "SET {b}stream x", "RENAME {b}set {b}stream"},
		"XADD {b}stream MINID 0-900 7-7 a b":                   {"XADD {b}stream 5-5 a b", "XTRIM {b}stream MAXLEN 100", "UNLINK {b}stream"},
		"XDEL {b}stream" + numbered(" 0-", 900):                {"XADD {b}stream 5-5 a b", "XTRIM {b}stream MAXLEN 300", "XDEL {b}stream 0-1 0-900", "DEL {b}stream"},
		"DUMP {b}string":                                       {"APPEND {b}string x", "DEL {b}string", "RENAME {b}set {b}string"},
		"HGETALL {b}hash":                                      {"HDEL {b}hash f7", "HPEXPIREAT {b}hash 1 FIELDS 1 f3", "SET {b}hash x"},
		"SMEMBERS {b}set":                                      {"SREM {b}set m3", "RENAME {b}set2 {b}set"},
		"LRANGE {b}list 0 -1":                                  {"LPUSH {b}list x", "UNLINK {b}list"},
		"ZRANGE {b}zset 0 -1 WITHSCORES":                       {"ZREMRANGEBYRANK {b}zset 3 -400"},
		"ZRANGEBYSCORE {b}zset 3 90":                           {"ZINCRBY {b}zset 1 m5"},
		"XRANGE {b}stream - +":                                 {"XADD {b}stream 5-5 a b", "XTRIM {b}stream MAXLEN 3"},
		"XREAD STREAMS {b}stream 0":                            {"DEL {b}stream", "SET {b}stream x"},
		"SUNION {b}set {b}set2":                                {"SMOVE {b}set {b}set2 m999"},
		"SINTER {b}set {b}set2":                                {"DEL {b}set2"},
		"SINTERCARD 2 {b}set {b}set2":                          {"SREM {b}set m0"},
		"ZUNION 2 {b}zset {b}set":                              {"SREM {b}set m4"},
		"ZINTERCARD 2 {b}zset {b}set":                          {"ZREM {b}zset m4"},
		"LPOS {b}list none":                                    {"RPUSH {b}list none"},
		"LINSERT {b}list BEFORE none x":                        {"RPUSH {b}list none", "DEL {b}list"},
		"GEOSEARCH {b}geo FROMLONLAT 1 1 BYRADIUS 9999 km ASC": {"ZREM {b}geo 5"},
		"GET {b}string":                                        {"SETRANGE {b}string 5 x", "DEL {b}string", "RENAME {b}set {b}string"},
		"GETDEL {b}string":                                     {"APPEND {b}string x"},
		"GETSET {b}string x":                                   {"DEL {b}string"},
		"SET {b}none " + largeValue + " NX":                    {"SADD {b}none x"},
		"SET {b}string " + largeValue + " XX":                  {"DEL {b}string"},
		"SET {b}string " + largeValue + " GET":                 {"APPEND {b}string x", "DEL {b}string", "RENAME {b}set {b}string"},
		"SETNX {b}none " + largeValue:                          {"SET {b}none x"},
		"GETSET {b}string " + largeValue:                       {"SETRANGE {b}string 5 x"},
		"BITOP XOR {b}dst {b}string {b}zeros":                  {"SETBIT {b}zeros 7 1", "DEL {b}string", "SET {b}dst x", "RENAME {b}set {b}string"},
		"BITOP NOT {b}string {b}string":                        {"UNLINK {b}string"},
		"BITCOUNT {b}string":                                   {"SETBIT {b}string 7 1"},
		"BITPOS {b}zeros 1":                                    {"SETBIT {b}zeros 7 1"},
		"SORT_RO {b}list ALPHA DESC":                           {"LPUSH {b}list x"},
		"COPY {b}stream {b}dst":                                {"XADD {b}stream * a b", "XTRIM {b}stream MAXLEN 3", "XACK {b}stream g 0-1", "XGROUP DESTROY {b}stream g"},
	}
	for line, all := range changes {
		for _, change := range all {
			for _, always := range []bool{false, true} {
				t.Run(fmt.Sprintf("%.60s/%s/%v", line, change, always), func(t *testing.T) {
					n, plain := newTestNode(t, nil, nil), newTestNode(t, nil, nil)
					n.fillBig()
					plain.fillBig()
					n.stepAll()
					other := n.newClient(2)
					rests, changed, changing := 0, 0, false
					n.d.stepping.rest = func(int) {
						if changing {
							return
						}
						if rests++; rests != 3 && !(always && rests > 3) {
							return
						}
						changing = true // which may pause, too
						n.doAs(other, strings.Fields(change)...)
						changing = false
						changed++
					}
					reply := n.do(strings.Fields(line)...)
					for range changed {
						plain.do(strings.Fields(change)...)
					}
					if want := plain.do(strings.Fields(line)...); reply != want {
						t.Errorf("reply %.200q, want %.200q", reply, want)
					}
					if !strings.HasPrefix(change, "SPOP") && !strings.HasPrefix(change, "XADD") && !slices.Equal(n.dumpHere(), plain.dumpHere()) {
						t.Error("not what the command gives after the change")
					}
					if always && strings.HasPrefix(change, "ZINCRBY") && changed != n.d.stepping.tries {
						t.Errorf("ended after %d changes", changed)
					}
					if changed == 0 {
						t.Errorf("%d pauses, no change", rests)
					}
					n.checkNoSteps()
				})
			}
		}
	}
}

// TestStepsDestination changes the destination in a pause.
func TestStepsDestination(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.fillBig()
	n.stepAll()
	other := n.newClient(2)
	during := func(line, seen string, change string) {
		rests := 0
		n.d.stepping.rest = func(int) {
			if rests++; rests != 2 {
				return
			}
			if got := n.doAs(other, "TYPE", "{b}dst"); got != seen {
				t.Errorf("%s: others see the destination as %q", line, got)
			}
			n.doAs(other, strings.Fields(change)...)
		}
		defer func() { n.d.stepping.rest = func(int) {} }()
		n.do(strings.Fields(line)...)
	}
	during("COPY {b}set {b}dst", "+none\r\n", "SET {b}dst mine")
	n.expect("GET {b}dst", "$4\r\nmine\r\n")
	during("COPY {b}set {b}dst REPLACE", "+string\r\n", "SET {b}dst yours")
	n.expect("SCARD {b}dst", ":1000\r\n")
	during("SINTERSTORE {b}dst {b}set {b}none", "+set\r\n", "DEL {b}dst")
	n.expect("EXISTS {b}dst", ":0\r\n")
	// A destination that comes in a pause and goes with the command's end: who
	// watched it in between is told.
	watcher := n.newClient(2)
	rests := 0
	n.d.stepping.rest = func(int) {
		if rests++; rests == 2 {
			n.doAs(other, "SET", "{b}dst", "x")
			n.doAs(watcher, "WATCH", "{b}dst")
		}
	}
	n.expect("SDIFFSTORE {b}dst {b}set {b}set", ":0\r\n")
	n.doAs(watcher, "MULTI")
	if got := n.doAs(watcher, "EXEC"); got != "*-1\r\n" {
		t.Errorf("EXEC of the watcher: %q", got)
	}
	n.checkNoSteps()
}

// TestStepsRefused has the slot go away, memory run out or the client be killed
// in a pause: the command is refused and nothing is left of it.
func TestStepsRefused(t *testing.T) {
	run := func(name, want string, during func(n *testNode, r *testRouting)) {
		t.Run(name, func(t *testing.T) {
			r := newRouting(t, everySlot)
			n := newTestNode(t, r, &effectLog{})
			n.fillBig()
			n.stepAll()
			before := n.dump()
			n.log.take()
			rests := 0
			n.d.stepping.rest = func(int) {
				if rests++; rests == 3 {
					during(n, r)
				}
			}
			if got := n.do("COPY", "{b}set", "{b}to"); got != want {
				t.Errorf("reply %q, want %q", got, want)
			}
			if effects := n.log.take(); len(effects) > 0 {
				t.Errorf("effects %q", effects)
			}
			if !slices.Equal(before, n.dump()) {
				t.Error("the data changed")
			}
			n.checkNoSteps()
		})
	}
	slot := n0slot("{b}set")
	run("moved", fmt.Sprintf("-MOVED %d 127.0.0.1:7001\r\n", slot), func(_ *testNode, r *testRouting) {
		r.setMap(testMap(t, []slotmap.Span{{Range: slotmap.Range{First: 0, Last: 16383},
			Assignment: &slotmap.Assignment{Primary: other, Epoch: 2, Replicas: []slotmap.NodeID{self}}}}))
	})
	run("memory", "-"+errOOM+"\r\n", func(n *testNode, _ *testRouting) { n.limited("noeviction", -1) })
	run("killed", "", func(n *testNode, _ *testRouting) { n.client.state.Store(stateKilled) })
}

func n0slot(name string) uint16 { return store.MakeKey([]byte(name)).Slot }

// TestStepsHeldBack has a handoff and CLIENT PAUSE come in a pause: the command
// ends after them.
func TestStepsHeldBack(t *testing.T) {
	r := newRouting(t, everySlot)
	n := newTestNode(t, r, &effectLog{})
	n.fillBig()
	n.stepAll()
	slot := n0slot("{b}set")
	rests := 0
	n.d.stepping.rest = func(int) {
		switch rests++; rests {
		case 2:
			r.pause(slot)
			go func() {
				<-r.asked
				r.resume(slot)
			}()
		case 4:
			n.d.server.Pause(PauseWrite, time.Now().Add(30*time.Millisecond))
		case 6: // as of MIGRATE
			key := store.CutKey{DB: 0, Name: "{b}to"}
			n.d.gate.hold(key)
			time.AfterFunc(30*time.Millisecond, func() { n.d.gate.release(key) })
		}
	}
	n.expect("COPY {b}set {b}to", ":1\r\n")
	if n.d.server.Paused() != PauseOff {
		t.Error("ended within CLIENT PAUSE")
	}
	if n.d.gate.used.Load() != 0 {
		t.Error("changed a key that was held")
	}
	n.expect("SCARD {b}to", ":1000\r\n")
}

// TestStepsNotInExec: a transaction is one.
func TestStepsNotInExec(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.fillBig()
	n.stepAll()
	n.d.stepping.rest = func(int) { t.Error("a pause within EXEC") }
	n.do("MULTI")
	n.do("COPY", "{b}set", "{b}to")
	if got := n.do("EXEC"); got != "*1\r\n:1\r\n" {
		t.Errorf("EXEC: %q", got)
	}
}

// TestStepsReplayed applies effects in steps on a replica, where a change of what
// is read can only come from a copy of the slot.
func TestStepsReplayed(t *testing.T) {
	oneGoroutine(t)
	for _, line := range stepLines {
		primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
		replica := newTestNode(t, newRouting(t, func(uint16) bool { return false }), nil)
		replica.smallBlocks()
		primary.do("SADD", "{b}dst", "old")
		primary.fillBig()
		replica.apply(primary.log.take())
		replica.stepAll()
		rests := 0
		replica.d.stepping.rest = func(int) {
			if rests++; rests == 3 {
				shard := store.ShardOf(n0slot("{b}set"))
				replica.store.LockShard(shard)
				replica.d.SlotReplaced(n0slot("{b}set"))
				replica.store.UnlockShard(shard)
			}
		}
		primary.do(strings.Fields(line)...)
		effects := primary.log.take()
		replica.apply(effects)
		if len(effects) > 0 && rests == 0 && !readsLittle(line) && !namesAll(line) {
			t.Errorf("%s: no pause", line)
		}
		if !slices.Equal(primary.dump(), replica.dump()) {
			t.Errorf("%s: the replica differs", line)
		}
		replica.checkNoSteps()
	}
}

// TestStepsRestore has RESTORE of large values of each type take pauses, in which the
// key comes, goes, or the client is killed, here and as an effect.
func TestStepsRestore(t *testing.T) {
	oneGoroutine(t)
	for _, name := range []string{"set", "zset", "hash", "list", "twice", "stream", "string", "noise"} {
		primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
		replica := newTestNode(t, newRouting(t, func(uint16) bool { return false }), nil)
		replica.smallBlocks()
		primary.fillBig()
		primary.do("HPEXPIREAT", "{b}hash", "9999999999999", "FIELDS", "1", "f7")
		primary.do("SET", "{b}noise", noise(3<<20))
		replica.apply(primary.log.take())
		reply := primary.do("DUMP", "{b}"+name)
		payload := strings.TrimSuffix(reply[strings.Index(reply, "\r\n")+2:], "\r\n")
		primary.stepAll()
		replica.stepAll()
		rests := 0
		replica.d.stepping.rest = func(int) { rests++ }
		primary.d.stepping.rest = func(int) { rests++ }
		other := primary.newClient(2)
		primary.do("SET", "{b}over", noise(2<<20))
		if got := primary.do("RESTORE", "{b}over", "0", payload, "REPLACE"); got != "+OK\r\n" {
			t.Errorf("%s: %q", name, got)
		}
		if got := primary.do("RESTORE", "{b}to", "99999999999999", payload, "ABSTTL"); got != "+OK\r\n" {
			t.Errorf("%s: %q", name, got)
		}
		here := rests
		replica.apply(primary.log.take())
		if here == 0 || rests == here {
			t.Errorf("%s: %d pauses, %d with those of the replica", name, here, rests)
		}
		if got, want := primary.do("DEBUG", "DIGEST-VALUE", "{b}to"), primary.do("DEBUG", "DIGEST-VALUE", "{b}"+name); got != want {
			t.Errorf("%s: restored %q, was %q", name, got, want)
		}
		if !slices.Equal(primary.dump(), replica.dump()) {
			t.Errorf("%s: the replica differs", name)
		}
		set := false
		primary.d.stepping.rest = func(int) {
			if !set {
				set = true
				primary.doAs(other, "SET", "{b}new", "mine")
			}
		}
		if got := primary.do("RESTORE", "{b}new", "0", payload); got != "-"+errBusyKey+"\r\n" {
			t.Errorf("%s: a key that came in a pause: %q", name, got)
		}
		primary.expect("GET {b}new", "$4\r\nmine\r\n")
		set = false
		if got := primary.do("RESTORE", "{b}new", "0", payload, "REPLACE"); got != "+OK\r\n" {
			t.Errorf("%s: with REPLACE: %q", name, got)
		}
		damaged := payload[:len(payload)-1] + string(payload[len(payload)-1]^1)
		if got := primary.do("RESTORE", "{b}gone", "0", damaged); got != "-"+errDumpFooter+"\r\n" {
			t.Errorf("%s: damaged: %q", name, got)
		}
		primary.d.stepping.rest = func(int) { primary.client.state.Store(stateKilled) }
		if got := primary.do("RESTORE", "{b}gone", "0", payload); got != "" {
			t.Errorf("%s: killed: %q", name, got)
		}
		if got := primary.doAs(other, "EXISTS", "{b}gone"); got != ":0\r\n" {
			t.Errorf("%s: stored by a killed client: %q", name, got)
		}
		primary.checkNoSteps()
		replica.checkNoSteps()
	}
}

// noise is text that cannot be compressed, the same each time.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(r.Uint32())
	}
	return string(text)
}

// TestStepsOfMigrate: the payloads that MIGRATE sends are those of DUMP, also of values that
// are read in steps. A key that goes in a pause is not sent, and one that is replaced as what
// it is then.
func TestStepsOfMigrate(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.fillBig()
	n.do("SET", "{b}noise", noise(3<<20))
	r := &migrateRequest{d: n.d}
	other := n.newClient(2)
	dumped := func(name string) string {
		reply := n.do("DUMP", name)
		return strings.TrimSuffix(reply[strings.Index(reply, "\r\n")+2:], "\r\n")
	}
	for _, name := range []string{"{b}set", "{b}zset", "{b}hash", "{b}list", "{b}stream", "{b}string", "{b}noise"} {
		want, k := dumped(name), store.MakeKey([]byte(name))
		n.stepAll()
		rests := 0
		n.d.stepping.rest = func(int) {
			if rests++; rests == 2 {
				n.doAs(other, "GET", "{b}none") // others get at the shard
			}
		}
		payload, _, ok := r.payload(k)
		if !ok || string(payload) != want || rests < 3 {
			t.Errorf("%s: found %v, %d bytes, want %d, %d pauses", name, ok, len(payload), len(want), rests)
		}
		rests = 0
		n.d.stepping.rest = func(int) {
			if rests++; rests == 2 {
				n.doAs(other, "COPY", "{b}set2", name, "REPLACE")
			}
		}
		if payload, _, _ = r.payload(k); string(payload) != dumped("{b}set2") {
			t.Errorf("%s: replaced in a pause: not the new value", name)
		}
		n.d.stepping.rest = func(int) { n.doAs(other, "DEL", name) }
		if _, _, ok = r.payload(k); ok {
			t.Errorf("%s: sent, though it went in a pause", name)
		}
		changes := 0
		n.doAs(other, "COPY", "{b}set2", name)
		n.d.stepping.rest = func(int) { changes++; n.doAs(other, "SADD", name, fmt.Sprint("new", changes)) }
		if _, _, ok = r.payload(k); !ok || changes != n.d.stepping.tries {
			t.Errorf("%s: changed all the time: found %v after %d changes", name, ok, changes)
		}
		n.d.stepping = defaultStepping
		n.checkNoSteps()
	}
}

// TestStepsOfKeys: KEYS and SCAN of many rest between steps, without a lock, and not
// within EXEC or a script.
func TestStepsOfKeys(t *testing.T) {
	n := newTestNode(t, nil, nil)
	var line []string
	for i := range 2000 {
		line = append(line, fmt.Sprint("key:", i), "v")
	}
	n.do(append([]string{"MSET"}, line...)...)
	n.d.stepping.step = 0
	rests := 0
	other := n.newClient(2)
	n.d.stepping.rest = func(int) {
		rests++
		n.doAs(other, "SET", "key:7", "w")
	}
	n.do("MULTI")
	n.do("KEYS", "*")
	n.do("SCAN", "0", "COUNT", "3000")
	n.do("EXEC")
	n.do("EVAL", "return redis.call('keys', '*')", "0")
	if rests > 0 {
		t.Errorf("%d rests within EXEC and a script", rests)
	}
	n.do("PING")
	if reply := n.do("KEYS", "key:*"); !strings.HasPrefix(reply, "*2000\r\n") || strings.Count(reply, "\r\n") != 4001 || rests == 0 {
		t.Errorf("KEYS: %d lines, %.20q..., %d rests", strings.Count(reply, "\r\n"), reply, rests)
	}
	rests = 0
	if reply := n.do("SCAN", "0", "COUNT", "3000"); strings.Count(reply, "\r\n") != 4004 || rests == 0 {
		t.Errorf("SCAN: %d lines, %.40q..., %d rests", strings.Count(reply, "\r\n"), reply, rests)
	}
}

// TestStepsOfChance: commands that draw elements take pauses, and draw from what is there
// at their end.
func TestStepsOfChance(t *testing.T) {
	oneGoroutine(t)
	n := newTestNode(t, nil, nil)
	n.fillBig()
	n.stepAll()
	other := n.newClient(2)
	for _, line := range []string{
		"SRANDMEMBER {b}set 100", "SRANDMEMBER {b}set 900", "SRANDMEMBER {b}set 2000", "SRANDMEMBER {b}set -3000",
		"ZRANDMEMBER {b}zset 300", "ZRANDMEMBER {b}zset 999", "ZRANDMEMBER {b}zset -700 WITHSCORES",
		"HRANDFIELD {b}hash 300", "HRANDFIELD {b}hash 999", "HRANDFIELD {b}hash 1000 WITHVALUES", "HRANDFIELD {b}hash -500",
	} {
		words := strings.Fields(line)
		removed, rests := "", 0
		n.d.stepping.rest = func(int) {
			if rests++; rests > 1 {
				return
			}
			first := bulks(t, n.doAs(other, map[string]string{"{b}set": "SRANDMEMBER", "{b}zset": "ZRANDMEMBER", "{b}hash": "HRANDFIELD"}[words[1]], words[1], "1"))
			removed = first[0]
			n.doAs(other, map[string]string{"{b}set": "SREM", "{b}zset": "ZREM", "{b}hash": "HDEL"}[words[1]], words[1], removed)
		}
		got := bulks(t, n.do(words...))
		if rests == 0 {
			t.Errorf("%s: no pause", line)
		}
		width := 1
		if len(words) > 3 {
			width = 2
		}
		seen := map[string]bool{}
		for i := 0; i < len(got); i += width {
			if got[i] == removed {
				t.Errorf("%s: drew %s, which was removed", line, removed)
			}
			if seen[got[i]] && !strings.Contains(line, " -") {
				t.Errorf("%s: drew %s twice", line, got[i])
			}
			seen[got[i]] = true
		}
		count, err := strconv.Atoi(strings.TrimPrefix(words[2], "-"))
		if err != nil {
			t.Fatal(err)
		}
		have, err := strconv.Atoi(strings.Trim(n.do(map[string]string{"{b}set": "SCARD", "{b}zset": "ZCARD", "{b}hash": "HLEN"}[words[1]], words[1]), ":\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if want := min(count, have); !strings.Contains(line, " -") && len(got)/width != want {
			t.Errorf("%s: drew %d, want %d", line, len(got)/width, want)
		} else if strings.Contains(line, " -") && len(got)/width != count {
			t.Errorf("%s: drew %d", line, len(got)/width)
		}
	}
	rests := 0
	n.d.stepping.rest = func(int) { rests++ }
	have := n.do("SCARD", "{b}set")
	if got := len(bulks(t, n.do("SPOP", "{b}set", "5000"))); fmt.Sprintf(":%d\r\n", got) != have || rests == 0 {
		t.Errorf("SPOP of all: %d of %s with %d pauses", got, have, rests)
	}
	n.expect("EXISTS {b}set", ":0\r\n")

	// Some of them are drawn in steps, and drawn again if the set changes meanwhile.
	rests = 0
	n.d.stepping.rest = func(int) {
		if rests++; rests == 2 {
			n.doAs(n.newClient(2), "SREM", "{b}set2", "m0", "m2", "m4")
		}
	}
	drawn := bulks(t, n.do("SPOP", "{b}set2", "900"))
	slices.Sort(drawn)
	if len(slices.Compact(drawn)) != 900 || rests < 3 {
		t.Errorf("SPOP of 900: %d with %d pauses", len(drawn), rests)
	}
	n.expect("SCARD {b}set2", fmt.Sprintf(":%d\r\n", bigElements-3-900))
	for _, m := range drawn {
		n.expect("SISMEMBER {b}set2 "+m, ":0\r\n")
		if m == "m0" || m == "m2" || m == "m4" {
			t.Errorf("drew %s, which was gone", m)
		}
	}
	n.checkNoSteps()
}

// TestStepsEntryMoves adds keys in a pause, so that the entry of what is being changed is
// somewhere else in its shard's index afterwards.
func TestStepsEntryMoves(t *testing.T) {
	oneGoroutine(t)
	for _, line := range []string{
		"LPOP {b}twice 99999", "RPOP {b}list 4000", "ZPOPMIN {b}zset 9999", "ZPOPMAX {b}zset 999", "LTRIM {b}twice 3 5", "LREM {b}twice 0 " + someElement,
		"ZREMRANGEBYRANK {b}zset 3 -400", "SPOP {b}set 9999", "LINSERT {b}few BEFORE none x", "LINSERT {b}few BEFORE m299 x", "GETDEL {b}string",
		"GETSET {b}string x", "SET {b}string x GET", "SUNIONSTORE {b}set {b}set {b}set2", "COPY {b}hash {b}set REPLACE", "SORT {b}set ALPHA STORE {b}set",
	} {
		n := newTestNode(t, nil, nil)
		n.fillBig()
		n.fill("{b}few", "RPUSH", 300, func(i int) []string { return []string{fmt.Sprint("m", i)} })
		n.stepAll()
		const added = 3000
		other := n.newClient(2)
		rests := 0
		n.d.stepping.rest = func(int) {
			if rests++; rests > 1 {
				return
			}
			for i := range added {
				n.doAs(other, "SET", fmt.Sprint("{b}new:", i), "v")
			}
		}
		if reply := n.do(strings.Fields(line)...); strings.HasPrefix(reply, "-") || rests == 0 {
			t.Errorf("%s: %.40q with %d pauses", line, reply, rests)
		}
		for i := range added {
			if got := n.do("GET", fmt.Sprint("{b}new:", i)); got != "$1\r\nv\r\n" {
				t.Errorf("%s: key %d is %.40q", line, i, got)
				break
			}
		}
		n.do("DEL", "{b}set", "{b}few", "{b}string", "{b}list", "{b}twice", "{b}zset")
		if left := n.do("DBSIZE"); left != fmt.Sprintf(":%d\r\n", added+6) && left != fmt.Sprintf(":%d\r\n", added+5) {
			t.Errorf("%s: %s keys are left", line, left)
		}
		n.checkNoSteps()
	}
}

// TestStepsDestinationWatched: a destination that comes in the pause that ends the last
// try, and goes with the command, which then takes no pause: who watches it is told.
func TestStepsDestinationWatched(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.fillBig()
	n.stepAll()
	n.d.stepping.tries = 1
	watcher, other := n.newClient(2), n.newClient(2)
	rests := 0
	n.d.stepping.rest = func(int) {
		if rests++; rests == 3 {
			n.doAs(other, "SET", "{b}dst", "x")
			n.doAs(watcher, "WATCH", "{b}dst")
			n.doAs(other, "SADD", "{b}set", "new")
			n.doAs(other, "DEL", "{b}set2")
		}
	}
	n.expect("SINTERSTORE {b}dst {b}set {b}set2", ":0\r\n")
	n.doAs(watcher, "MULTI")
	if got := n.doAs(watcher, "EXEC"); got != "*-1\r\n" || rests != 3 {
		t.Errorf("EXEC of the watcher: %q, %d pauses", got, rests)
	}
	n.checkNoSteps()
}
