package resp

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"respkv/store"
)

// raceMembers is how many different elements the values of these tests have.
const raceMembers = 600

// raceLines are commands on a few keys of one slot that read, make, change and drop large
// values of all types: %d is an element, or a number of them.
var raceLines = []string{
	// In steps.
	"COPY {b}s {b}t REPLACE", "COPY {b}z {b}y REPLACE", "COPY {b}h {b}i REPLACE", "COPY {b}l {b}m REPLACE", "COPY {b}x {b}w REPLACE",
	"SUNIONSTORE {b}t {b}s {b}u", "SINTERSTORE {b}u {b}s {b}t", "SDIFFSTORE {b}t {b}s {b}u", "SUNIONSTORE {b}s {b}s {b}t",
	"ZUNIONSTORE {b}y 2 {b}z {b}s", "ZINTERSTORE {b}z 2 {b}z {b}y", "ZDIFFSTORE {b}y 2 {b}z {b}u", "ZRANGESTORE {b}y {b}z 5 -5",
	"LREM {b}l 0 m%d", "LTRIM {b}l 10 -10", "LPOP {b}m 300", "RPOP {b}l 200", "ZREMRANGEBYRANK {b}y 0 -200", "ZREMRANGEBYSCORE {b}z 90 +inf",
	"ZPOPMIN {b}z 150", "ZPOPMAX {b}y 150", "SORT {b}s ALPHA STORE {b}m", "SORT {b}l ALPHA LIMIT 3 400 STORE {b}l",
	"GETDEL {b}g", "GETSET {b}g v%d", "SPOP {b}u 9999", "SPOP {b}s 200", "LINSERT {b}l BEFORE m%d x",
	"HGETALL {b}h", "SMEMBERS {b}s", "LRANGE {b}l 0 -1", "ZRANGE {b}z 0 -1 WITHSCORES", "ZRANGEBYSCORE {b}z 3 90", "XRANGE {b}x - +",
	"XREAD STREAMS {b}x {b}w 0 0", "SUNION {b}s {b}t", "SINTER {b}s {b}t {b}u", "SDIFF {b}s {b}u", "SINTERCARD 2 {b}s {b}t",
	"ZUNION 2 {b}z {b}s", "ZINTER 2 {b}z {b}y WITHSCORES", "ZINTERCARD 2 {b}z {b}s", "LPOS {b}l none", "SRANDMEMBER {b}s 300",
	"HRANDFIELD {b}h -300", "ZRANDMEMBER {b}z 100", "SORT_RO {b}l ALPHA", "GET {b}g", "BITCOUNT {b}g", "BITPOS {b}g 0", "BITOP NOT {b}j {b}g", "BITOP XOR {b}g {b}g {b}j",
	"SET {b}g " + raceLarge, "SET {b}j " + raceLarge + " NX", "SET {b}g " + raceLarge + " GET", "GETSET {b}j " + raceLarge, "MGET {b}g {b}j {b}s {b}k1", raceKeys("MGET"), raceKeys("EXISTS"),
	"DUMP {b}s", "DUMP {b}l", "KEYS *",
	// One by one.
	"SREM {b}s" + raceNames, "ZREM {b}z" + raceNames, "HDEL {b}h" + raceNames, "HMGET {b}h" + raceNames, raceKeys("DEL"), raceKeys("MSET"), "DEL {b}k%d {b}k%d", "SET {b}k%d v%d", "SET {b}k%d v PX 1", "INCR {b}k%d", "RENAME {b}k%d {b}j",
	"SADD {b}s m%d new%d", "SREM {b}s m%d", "SMOVE {b}s {b}t m%d", "SPOP {b}t 3", "ZADD {b}z 50 m%d", "ZINCRBY {b}y 1 m%d", "ZREM {b}z m%d",
	"HSET {b}h m%d v%d", "HDEL {b}h m%d", "HPEXPIRE {b}h 3 FIELDS 1 m%d", "HINCRBY {b}i n%d 2", "LPUSH {b}l m%d", "RPUSH {b}m m%d", "LSET {b}l 7 m%d",
	"XADD {b}x * f v%d", "XTRIM {b}x MAXLEN 300", "XADD {b}w MAXLEN 200 * f v%d", "APPEND {b}g x%d", "SETRANGE {b}g 300000 x%d", "SETBIT {b}g 77 1",
	"RENAME {b}t {b}u", "RENAME {b}m {b}l", "DEL {b}y", "UNLINK {b}m", "SET {b}t x", "DEL {b}t", "PEXPIRE {b}y 2", "PEXPIRE {b}i 1", "PERSIST {b}i",
	"DEL {b}i", "FLUSHALL", "FLUSHALL ASYNC",
	"MULTI; SADD {b}s a%d; SUNION {b}s {b}t; HSET {b}h a%d v; EXEC", "MULTI; COPY {b}s {b}t REPLACE; SREM {b}s m%d; EXEC",
}

// raceLarge is a string with a mapping of its own.
var raceLarge = strings.Repeat("x", 1<<20+1<<10)

// raceNames are many elements.
var raceNames = func() (names string) {
	for i := range raceMembers / 2 {
		names += fmt.Sprint(" m", i*2)
	}
	return names
}()

// raceKeys is a command on many keys.
func raceKeys(command string) string {
	words := []string{command}
	for i := range raceMembers {
		if words = append(words, fmt.Sprint("{b}k", i)); command == "MSET" {
			words = append(words, "v")
		}
	}
	return strings.Join(words, " ")
}

// raceFill are commands that make values large again.
func raceFill(r *rand.Rand) []string {
	words := [][]string{{"SADD", "{b}s"}, {"SADD", "{b}u"}, {"ZADD", "{b}z"}, {"HSET", "{b}h"}, {"RPUSH", "{b}l"}, {"SETRANGE", "{b}g", "400000", "end"}, {"XADD", "{b}x", "*"}}[r.IntN(7)]
	if words[0] == "SETRANGE" {
		return words
	}
	for i := range raceMembers {
		switch words[0] {
		case "ZADD":
			words = append(words, fmt.Sprint(i%100))
		case "HSET", "XADD":
			words = append(words, fmt.Sprint("m", i))
		}
		words = append(words, fmt.Sprint("m", i))
	}
	return words
}

// TestStepsRace runs all commands that take pauses at once, and changes of the same keys,
// expiry, eviction, FLUSHALL, transactions and pauses of their slot, while a replica
// applies their effects and is read: it must hold the same in the end.
func TestStepsRace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	routing := newRouting(t, everySlot)
	primary := newTestNode(t, routing, &effectLog{})
	replica := newTestNode(t, newRouting(t, func(uint16) bool { return false }), nil)
	var rests atomic.Int64
	for _, n := range []*testNode{primary, replica} {
		n.d.stepping.from, n.d.stepping.step = 50, 0
		n.d.stepping.rest = func(step int) {
			rests.Add(1)
			if step%4 == 3 {
				time.Sleep(20 * time.Microsecond)
			} else {
				runtime.Gosched()
			}
		}
	}
	for _, s := range []string{"lazyfree-lazy-server-del", "lazyfree-lazy-user-del"} {
		primary.do("CONFIG", "SET", s, "yes")
	}
	primary.limited("allkeys-random", 1<<40)
	slot := n0slot("{b}s")
	stop := time.Now().Add(2 * time.Second)
	var clients, others sync.WaitGroup
	var ran atomic.Int64
	for i := range 6 {
		client := primary.newClient(2 + i%2)
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for time.Now().Before(stop) {
				if r.IntN(6) == 0 {
					primary.doAs(client, raceFill(r)...)
					continue
				}
				line := raceLines[r.IntN(len(raceLines))]
				if strings.HasPrefix(line, "FLUSH") && r.IntN(8) > 0 {
					continue
				}
				for part := range strings.SplitSeq(line, "; ") {
					for strings.Contains(part, "%d") {
						part = strings.Replace(part, "%d", fmt.Sprint(r.IntN(raceMembers)), 1)
					}
					reply := primary.doAs(client, strings.Fields(part)...)
					if strings.HasPrefix(reply, "-") && !strings.HasPrefix(reply, "-WRONGTYPE") && !strings.HasPrefix(reply, "-ERR no such key") &&
						!strings.HasPrefix(reply, "-ERR index out of range") && !strings.HasPrefix(reply, "-ERR value is not an integer") && !strings.HasPrefix(reply, "-EXECABORT") && !strings.HasPrefix(reply, "-OOM") {
						t.Errorf("%.90s: %s", part, reply)
					}
				}
				ran.Add(1)
			}
		})
	}
	var done atomic.Bool
	others.Go(func() { // the replica follows
		for last := false; ; {
			replica.apply(primary.log.take())
			if last {
				return
			}
			last = done.Load()
			time.Sleep(time.Millisecond)
		}
	})
	for i := range 2 { // and is read
		client := replica.newClient(2)
		replica.doAs(client, "READONLY")
		others.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(10+i)))
			for !done.Load() {
				line := []string{"HGETALL {b}h", "SMEMBERS {b}s", "ZRANGE {b}z 0 -1", "LRANGE {b}l 0 -1", "SUNION {b}s {b}t", "GET {b}g", "KEYS *"}[r.IntN(7)]
				replica.doAs(client, strings.Fields(line)...)
			}
		})
	}
	others.Go(func() { // handoffs that do not come about, expiry, eviction, what is freed
		r := rand.New(rand.NewPCG(seed, 20))
		for !done.Load() {
			switch r.IntN(4) {
			case 0:
				routing.pause(slot)
				time.Sleep(time.Duration(r.IntN(500)) * time.Microsecond)
				routing.resume(slot)
			case 1:
				primary.d.expireShard(store.ShardOf(slot), time.Now().UnixMilli(), 20)
			case 2:
				primary.d.memory.room.Store(primary.store.Used() - 50<<10)
				time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond)
				primary.d.memory.room.Store(1 << 40)
			case 3:
				for _, n := range []*testNode{primary, replica} {
					n.store.LockShard(store.ShardOf(slot))
					n.store.FreeStep(store.ShardOf(slot), 500)
					n.store.UnlockShard(store.ShardOf(slot))
				}
			}
			time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
		}
	})
	clients.Wait()
	done.Store(true)
	others.Wait()
	if !slices.Equal(primary.dump(), replica.dump()) {
		t.Error("the replica differs")
	}
	t.Logf("%d commands, %d pauses", ran.Load(), rests.Load())
	if rests.Load() < ran.Load()/10 {
		t.Error("few pauses")
	}
	primary.checkNoSteps()
	replica.checkNoSteps()
}
