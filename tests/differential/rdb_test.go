package differential

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/internal/rdb"
)

func clientOf(t *testing.T, s *Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, Protocol: 2})
	t.Cleanup(func() { c.Close() })
	return c
}

// farAway is a deadline, in Unix milliseconds, that no test lives to see.
const farAway = 4102444800000

// fillTypes makes keys of every type and encoding, small ones, those at the limits of
// the small encodings, and large ones.
func fillTypes(t *testing.T, c *redis.Client, random *rand.Rand) {
	t.Helper()
	ctx := context.Background()
	pipe := c.Pipeline()
	pipe.FlushAll(ctx)
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	for i, v := range []string{"", "0", "12", "-129", "70000", "2147483648", "-9223372036854775808", "007", "x",
		strings.Repeat("x", 100), strings.Repeat("abc", 1000), strings.Repeat("z", 300000), string(noise)} {
		pipe.Set(ctx, fmt.Sprintf("string%d", i), v, 0)
	}
	for i := range 100 {
		pipe.PFAdd(ctx, "hll", i)
	}
	pipe.GeoAdd(ctx, "geo", &redis.GeoLocation{Name: "Palermo", Longitude: 13.361389, Latitude: 38.115556})
	pipe.PExpireAt(ctx, "string1", time.UnixMilli(farAway))
	element := func(i int) any {
		switch random.IntN(6) {
		case 0:
			return i
		case 1:
			return -i * 1000
		case 2:
			return int64(i) << random.IntN(50)
		case 3:
			return fmt.Sprintf("element %d", i)
		case 4:
			return strings.Repeat("y", random.IntN(80)) + fmt.Sprint(i)
		}
		return fmt.Sprint("n", i)
	}
	scores := []float64{0, 1, -1, 0.1, 1e300, -1e-300, math.Inf(1), math.Inf(-1), 3.25, 1 << 52}
	for _, n := range []int{1, 2, 127, 129, 512, 514, 3000} {
		for i := range n {
			pipe.RPush(ctx, fmt.Sprintf("list%d", n), element(i))
			pipe.SAdd(ctx, fmt.Sprintf("ints%d", n), int64(i)<<(random.IntN(3)*16))
			pipe.SAdd(ctx, fmt.Sprintf("set%d", n), element(i))
			pipe.ZAdd(ctx, fmt.Sprintf("zset%d", n), redis.Z{Score: scores[random.IntN(len(scores))] * float64(1+i%7), Member: element(i)})
			pipe.HSet(ctx, fmt.Sprintf("hash%d", n), fmt.Sprint("f", i), element(i))
		}
	}
	for _, n := range []int{0, 1, 50, 3000} {
		key := fmt.Sprintf("stream%d", n)
		pipe.XGroupCreateMkStream(ctx, key, "readers", "0")
		pipe.XGroupCreate(ctx, key, "idle", "$")
		for i := range n {
			values := []any{"field", element(i), "other", i}
			if i%50 == 7 {
				values = append(values, "more", "x")
			}
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: fmt.Sprintf("%d-%d", 1000+i/3, i%3+1), Values: values})
		}
		if n > 0 {
			pipe.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "readers", Consumer: "ann", Streams: []string{key, ">"}, Count: 20, Block: -1})
			pipe.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "readers", Consumer: "bob", Streams: []string{key, ">"}, Count: 10, Block: -1})
			pipe.XDel(ctx, key, "1000-1", "1005-2")
			pipe.XAck(ctx, key, "readers", "1000-2", "1001-1")
		}
	}
	for range 20 {
		pipe.RPush(ctx, "wide list", strings.Repeat("q", 20000))
	}
	pipe.HSet(ctx, "wide hash", "f", strings.Repeat("w", 200000), "g", 1)
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
		t.Fatal(err)
	}
}

// TestDumpBothWays restores here what redis-server dumps, and the reverse, for every
// type and encoding.
func TestDumpBothWays(t *testing.T) {
	pair := StartPair(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx := context.Background()
	theirs, ours := clientOf(t, pair.Redis), clientOf(t, pair.Respkv)
	for name, way := range map[string][2]*redis.Client{"from redis": {theirs, ours}, "to redis": {ours, theirs}} {
		t.Run(name, func(t *testing.T) {
			from, to := way[0], way[1]
			fillTypes(t, from, rand.New(rand.NewPCG(seed, 0)))
			to.FlushAll(ctx)
			for _, key := range from.Keys(ctx, "*").Val() {
				payload := from.Dump(ctx, key).Val()
				ttl := max(from.PExpireTime(ctx, key).Val(), 0)
				if err := to.Do(ctx, "restore", key, ttl.Milliseconds(), payload, "absttl").Err(); err != nil {
					t.Errorf("%s: %v", key, err)
					continue
				}
				for _, look := range [][]any{{"debug", "digest-value", key}, {"object", "encoding", key}, {"pexpiretime", key},
					{"xinfo", "stream", key, "full", "count", 0}, {"xpending", key, "readers", "-", "+", 100}} {
					if look[0].(string)[0] == 'x' && !strings.HasPrefix(key, "stream") {
						continue
					}
					if a, b := lookAt(from, look), lookAt(to, look); a != b {
						t.Errorf("%s, then %s", a, b)
					}
				}
			}
			a, b := from.Do(ctx, "debug", "digest").String(), to.Do(ctx, "debug", "digest").String()
			if a != b {
				t.Errorf("digest: %s, then %s", a, b)
			}
		})
	}
}

// idleTimes are what differs from one moment to the next.
var idleTimes = regexp.MustCompile(`(seen-time|radix-tree-nodes|idle)[ :]\d+| active-time \d+|\d{13} (\d+\])| \d+ (1\])`)

func lookAt(c *redis.Client, look []any) string {
	return idleTimes.ReplaceAllString(c.Do(context.Background(), look...).String(), "$1$2$3")
}

// ziplist makes a ziplist, of integers where e is one.
func ziplist(entries ...any) []byte {
	b, previous, last := make([]byte, 10), 0, 10
	for _, e := range entries {
		last = len(b)
		if previous < 254 {
			b = append(b, byte(previous))
		} else {
			b = binary.LittleEndian.AppendUint32(append(b, 254), uint32(previous))
		}
		switch e := e.(type) {
		case string:
			switch {
			case len(e) < 64:
				b = append(b, byte(len(e)))
			case len(e) < 1<<14:
				b = append(b, 0x40|byte(len(e)>>8), byte(len(e)))
			default:
				b = binary.BigEndian.AppendUint32(append(b, 0x80), uint32(len(e)))
			}
			b = append(b, e...)
		case int:
			switch {
			case e >= 0 && e <= 12:
				b = append(b, 0xF1+byte(e))
			case e == int(int8(e)):
				b = append(b, 0xFE, byte(e))
			case e == int(int16(e)):
				b = append(b, 0xC0, byte(e), byte(e>>8))
			case e >= -1<<23 && e < 1<<23:
				b = append(b, 0xF0, byte(e), byte(e>>8), byte(e>>16))
			case e == int(int32(e)):
				b = binary.LittleEndian.AppendUint32(append(b, 0xD0), uint32(e))
			default:
				b = binary.LittleEndian.AppendUint64(append(b, 0xE0), uint64(e))
			}
		}
		previous = len(b) - last
	}
	b = append(b, 0xFF)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], uint32(last))
	binary.LittleEndian.PutUint16(b[8:], uint16(len(entries)))
	return b
}

func zipmap(pairs ...string) []byte {
	b := []byte{byte(len(pairs) / 2)}
	for i, s := range pairs {
		if len(s) < 254 {
			b = append(b, byte(len(s)))
		} else {
			b = binary.LittleEndian.AppendUint32(append(b, 254), uint32(len(s)))
		}
		if i%2 == 1 {
			b = append(b, 0) // free bytes
		}
		b = append(b, s...)
	}
	return append(b, 0xFF)
}

// payload makes a payload of type t: numbers are lengths, strings are strings, bytes
// are as they are.
func payload(version uint16, t rdb.Type, parts ...any) []byte {
	b := []byte{byte(t)}
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = rdb.AppendLen(b, uint64(p))
		case string:
			b = rdb.AppendString(b, []byte(p), true)
		case []byte:
			b = append(b, p...)
		case float64:
			b = rdb.AppendScore(b, p)
		}
	}
	return rdb.AppendFooter(b, 0, version)
}

// oldPayloads are of the encodings that redis-server 7.0 reads and does not write.
func oldPayloads() map[string][]byte {
	long, longer := strings.Repeat("l", 300), strings.Repeat("m", 20000)
	entries := []any{"a", 0, 12, 13, -1, 300, -40000, 100000, 1 << 30, 1 << 40, math.MinInt64, long, longer, "z"}
	list := string(ziplist(entries...))
	var many []any
	for i := range 600 {
		many = append(many, i, fmt.Sprint("v", i))
	}
	return map[string][]byte{
		"list":          payload(1, rdb.TypeList, 3, "a", "12", long),
		"set":           payload(6, rdb.TypeSet, 3, "a", "12", long),
		"set of ints":   payload(6, rdb.TypeSet, 3, "1", "12", "70000"),
		"zset":          payload(6, rdb.TypeZSet, 4, "a", []byte{3, '1', '.', '5'}, "b", []byte{254}, "c", []byte{255}, "d", []byte{2, '-', '7'}),
		"zset2":         payload(9, rdb.TypeZSet2, 2, "b", 2.5, "a", -1.0),
		"hash":          payload(6, rdb.TypeHash, 2, "f", "1", "g", long),
		"zipmap":        payload(6, rdb.TypeHashZipmap, string(zipmap("f", "1", "g", long, "", ""))),
		"list ziplist":  payload(6, rdb.TypeListZiplist, list),
		"zset ziplist":  payload(6, rdb.TypeZSetZiplist, string(ziplist("a", 1, "b", "1.5", "c", 7))),
		"hash ziplist":  payload(6, rdb.TypeHashZiplist, string(ziplist("f", 1, "g", long[:60], 5, "five"))),
		"large ziplist": payload(6, rdb.TypeHashZiplist, string(ziplist(many...))),
		"quicklist":     payload(7, rdb.TypeListQuicklist, 3, list, string(ziplist()), string(ziplist("end", 5))),
		"intset":        payload(9, rdb.TypeSetIntset, "\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00"),
	}
}

func TestOldPayloads(t *testing.T) {
	pair := StartPair(t)
	ctx := context.Background()
	theirs, ours := clientOf(t, pair.Redis), clientOf(t, pair.Respkv)
	for name, p := range oldPayloads() {
		a, b := theirs.Do(ctx, "restore", name, 0, p).String(), ours.Do(ctx, "restore", name, 0, p).String()
		if a != b || !strings.HasSuffix(a, "OK") {
			t.Errorf("%s: redis %.200s, respkv %.200s", name, a, b)
			continue
		}
		for _, look := range [][]any{{"debug", "digest-value", name}, {"object", "encoding", name}} {
			if a, b := theirs.Do(ctx, look...).String(), ours.Do(ctx, look...).String(); a != b {
				t.Errorf("redis %s, respkv %s", a, b)
			}
		}
	}
}

// newPayloads are of encodings that came after Redis 7.0, and what reading them gives.
func newPayloads() map[string]struct {
	payload []byte
	look    []any
	want    string
} {
	lp := func(entries ...string) string {
		b := make([]byte, 6)
		for _, e := range entries {
			b = append(append(append(b, 0x80|byte(len(e))), e...), byte(len(e)+1))
		}
		b = append(b, 0xFF)
		binary.LittleEndian.PutUint32(b, uint32(len(b)))
		binary.LittleEndian.PutUint16(b[4:], uint16(len(entries)))
		return string(b)
	}
	millis := func(at uint64) []byte { return binary.LittleEndian.AppendUint64(nil, at) }
	far := append(append([]byte{0xF4}, millis(farAway)...), 9) // an entry of a listpack
	dated := []byte(lp("f", "v"))
	dated = append(append(dated[:len(dated)-1:len(dated)-1], far...), 0xFF)
	binary.LittleEndian.PutUint32(dated, uint32(len(dated)))
	dated[4] = 3
	type sample = struct {
		payload []byte
		look    []any
		want    string
	}
	return map[string]sample{
		"set listpack":         {payload(11, rdb.TypeSetListpack, lp("a", "b")), []any{"scard"}, "2"},
		"hash metadata":        {payload(12, rdb.TypeHashMetadata, millis(farAway-999), 2, 1000, "f", "v", 0, "g", "w"), []any{"hpexpiretime", "fields", "2", "f", "g"}, "[4102444800000 -1]"},
		"hash metadata pre-GA": {payload(12, rdb.TypeHashMetadataPreGA, 2, farAway, "f", "v", 0, "g", "w"), []any{"hpexpiretime", "fields", "2", "f", "g"}, "[4102444800000 -1]"},
		"hash listpack ex":     {payload(12, rdb.TypeHashListpackEx, millis(farAway), string(dated)), []any{"hpexpiretime", "fields", "1", "f"}, "[4102444800000]"},
		"hash listpack pre-GA": {payload(12, rdb.TypeHashListpackExPreGA, string(dated)), []any{"hpexpiretime", "fields", "1", "f"}, "[4102444800000]"},
	}
}

func TestNewPayloads(t *testing.T) {
	ours := clientOf(t, StartPair(t).Respkv)
	ctx := context.Background()
	for name, s := range newPayloads() {
		if err := ours.Do(ctx, "restore", name, 0, s.payload).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		look := append([]any{s.look[0], name}, s.look[1:]...)
		if got := fmt.Sprint(ours.Do(ctx, look...).Val()); got != s.want {
			t.Errorf("%s: %v is %s, want %s", name, look, got, s.want)
		}
		// What is written of it is read again.
		p := ours.Dump(ctx, name).Val()
		if err := ours.Do(ctx, "restore", "again", 0, p, "replace").Err(); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
		look[1] = "again"
		if got := fmt.Sprint(ours.Do(ctx, look...).Val()); got != s.want {
			t.Errorf("%s again: %v is %s, want %s", name, look, got, s.want)
		}
	}
}

// hostileReads are run on whatever a payload made: each must be answered.
var hostileReads = []string{
	"type K", "object encoding K", "debug digest-value K", "memory usage K", "dump K", "strlen K", "getrange K 0 -1", "get K",
	"bitcount K", "pfcount K", "llen K", "lrange K 0 -1", "lindex K -1", "lpos K a rank -1", "scard K", "smembers K", "srandmember K 5",
	"sscan K 0 count 1000", "sismember K a", "zcard K", "zrange K 0 -1 withscores", "zrange K -inf +inf byscore", "zrange K - + bylex", "zscan K 0 count 1000",
	"zrank K a", "hlen K", "hgetall K", "hscan K 0 count 1000", "hpttl K fields 1 f", "hrandfield K 3 withvalues", "sort_ro K alpha",
	"xrange K - +", "xrevrange K + -", "xlen K", "xinfo stream K full", "xread streams K 0", "copy K K2 replace", "rename K K3", "debug digest-value K2",
	"rpush K3 a", "sadd K3 new 5", "zadd K3 5 new", "hset K3 new 1", "append K3 x", "xadd K3 * f v", "lpop K3", "spop K3", "zpopmin K3", "hdel K3 f", "xtrim K3 maxlen 1",
	"object encoding K3", "dump K3", "ping",
}

// TestHostilePayloads restores payloads with flipped, cut and repeated bytes, and a
// right checksum, and runs commands on those that are accepted.
func TestHostilePayloads(t *testing.T) {
	pair := StartPair(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ctx := context.Background()
	theirs, ours := clientOf(t, pair.Redis), clientOf(t, pair.Respkv)
	fillTypes(t, theirs, random)
	var payloads [][]byte
	for _, key := range theirs.Keys(ctx, "*").Val() {
		if p := theirs.Dump(ctx, key).Val(); len(p) < 4000 {
			payloads = append(payloads, []byte(p))
		}
	}
	for _, p := range oldPayloads() {
		payloads = append(payloads, p)
	}
	for _, s := range newPayloads() {
		payloads = append(payloads, s.payload)
	}
	accepted, rounds := 0, 6000
	if testing.Short() {
		rounds = 600
	}
	for range rounds {
		p := payloads[random.IntN(len(payloads))]
		body := slices.Clone(p[:len(p)-10])
		for range 1 + random.IntN(3) {
			body = mutatePayload(random, body)
		}
		body = rdb.AppendFooter(body, 0, rdb.MaxVersion)
		err := ours.Do(ctx, "restore", "K", 0, body, "replace").Err()
		switch {
		case err == nil:
			accepted++
		case err.Error() == "ERR Bad data format":
			continue
		default:
			t.Fatalf("restore of %q: %v", body, err)
		}
		pipe := ours.Pipeline()
		for _, line := range hostileReads {
			words := strings.Fields(line)
			args := make([]any, len(words))
			for i, w := range words {
				args[i] = w
			}
			pipe.Do(ctx, args...)
		}
		if cmds, _ := pipe.Exec(ctx); cmds[len(cmds)-1].Err() != nil {
			t.Fatalf("after the restore of %q: %v", body, cmds[len(cmds)-1].Err())
		}
		// A payload that we accept and Redis does not would not travel.
		if p := ours.Dump(ctx, "K2").Val(); p != "" && p[len(p)-10] == rdb.Version {
			if err := theirs.Do(ctx, "restore", "K", 0, p, "replace").Err(); err != nil {
				t.Fatalf("redis refuses what was made of %q: %v", body, err)
			}
		}
		ours.Del(ctx, "K", "K2", "K3")
	}
	t.Logf("%d of %d accepted", accepted, rounds)
	if accepted == 0 {
		t.Error("no mutated payload was accepted: nothing was tested")
	}
}

// mutatePayload changes a byte or bit, cuts, repeats or inserts some.
func mutatePayload(random *rand.Rand, b []byte) []byte {
	if len(b) < 2 {
		return append(b, byte(random.IntN(256)))
	}
	at := random.IntN(len(b))
	if random.IntN(2) == 0 {
		at = random.IntN(min(len(b), 12)) // where lengths are
	}
	n := 1 + random.IntN(8)
	end := min(at+n, len(b))
	switch random.IntN(6) {
	case 0:
		b[at] ^= 1 << random.IntN(8)
	case 1:
		b[at] = byte(random.IntN(256))
	case 2:
		b = slices.Delete(b, at, end)
	case 3:
		b = slices.Insert(b, at, slices.Clone(b[at:end])...)
	case 4:
		b[at] += byte(random.IntN(3)) - 1
	default:
		b = b[:max(at, 1)]
	}
	return b
}
