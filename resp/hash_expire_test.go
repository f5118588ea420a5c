package resp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHashFieldDeadlines shows the replies of the commands that redis-server
// 7.0.15, the oracle of the other tests, does not have.
func TestHashFieldDeadlines(t *testing.T) {
	const (
		position = "-" + errFieldsPosition + "\r\n"
		number   = "-" + errNumFields + "\r\n"
		match    = "-" + errNumFieldsArgs + "\r\n"
	)
	n := newTestNode(t, nil, nil)
	at := time.Now().Unix() + 1000
	for _, c := range []struct{ line, want string }{
		{"HSET h a 1 b 2 c 3", ":3\r\n"},
		{"HTTL nokey FIELDS 1 a", "*1\r\n:-2\r\n"},
		{"HTTL h FIELDS 2 a x", "*2\r\n:-1\r\n:-2\r\n"},
		{"OBJECT ENCODING h", "$8\r\nlistpack\r\n"},
		{fmt.Sprintf("HEXPIREAT h %d FIELDS 2 a x", at), "*2\r\n:1\r\n:-2\r\n"},
		{"OBJECT ENCODING h", "$10\r\nlistpackex\r\n"},
		{"HEXPIRETIME h FIELDS 2 a b", fmt.Sprintf("*2\r\n:%d\r\n:-1\r\n", at)},
		{"HPEXPIRETIME h FIELDS 1 a", fmt.Sprintf("*1\r\n:%d000\r\n", at)},
		{"HTTL h FIELDS 1 a", "*1\r\n:1000\r\n"},
		{"HGETALL h", "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
		{"HEXPIRE h 10 NX FIELDS 2 a b", "*2\r\n:0\r\n:1\r\n"},
		{"HEXPIRE h 5 GT FIELDS 3 a b c", "*3\r\n:0\r\n:0\r\n:0\r\n"},
		{"HEXPIRE h 5 LT FIELDS 3 a b c", "*3\r\n:1\r\n:1\r\n:1\r\n"},
		{"HEXPIRE h 50 XX FIELDS 2 a x", "*2\r\n:1\r\n:-2\r\n"},
		{"HPERSIST h FIELDS 3 a a x", "*3\r\n:1\r\n:-1\r\n:-2\r\n"},
		{"HSET h b new", ":0\r\n"},
		{"HTTL h FIELDS 1 b", "*1\r\n:-1\r\n"},
		{"HEXPIRE h 0 FIELDS 1 b", "*1\r\n:2\r\n"},
		{"HEXISTS h b", ":0\r\n"},
		{"HGETDEL h FIELDS 2 a x", "*2\r\n$1\r\n1\r\n$-1\r\n"},
		{"HGETDEL h FIELDS 1 c", "*1\r\n$1\r\n3\r\n"},
		{"EXISTS h", ":0\r\n"},
		{"HSETEX h EX 1000 FIELDS 2 a 1 b 2", ":1\r\n"},
		{"HTTL h FIELDS 2 a b", "*2\r\n:1000\r\n:1000\r\n"},
		{"HSETEX h FNX FIELDS 2 a 1 new 2", ":0\r\n"},
		{"HSETEX h FXX FIELDS 2 a 1 new 2", ":0\r\n"},
		{"HSETEX h FXX KEEPTTL FIELDS 1 a 5", ":1\r\n"},
		{"HTTL h FIELDS 1 a", "*1\r\n:1000\r\n"},
		{"HINCRBY h a 2", ":7\r\n"},
		{"HTTL h FIELDS 1 a", "*1\r\n:1000\r\n"},
		{"HGETEX h PERSIST FIELDS 2 a x", "*2\r\n$1\r\n7\r\n$-1\r\n"},
		{"HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"},
		{"HGETEX h EX 100 FIELDS 1 a", "*1\r\n$1\r\n7\r\n"},
		{"HTTL h FIELDS 1 a", "*1\r\n:100\r\n"},
		{"HGETEX h FIELDS 1 a", "*1\r\n$1\r\n7\r\n"},
		{"HTTL h FIELDS 1 a", "*1\r\n:100\r\n"},
		{"HSETEX h PXAT 1 FIELDS 2 a 1 b 1", ":1\r\n"},
		{"EXISTS h", ":0\r\n"},
		{"HGETEX nokey EX 10 FIELDS 1 a", "*1\r\n$-1\r\n"},

		{"HEXPIRE h 10 FOO 1 a", position},
		{"HEXPIRE h 10 NX XX FIELDS 1 a", position},
		{"HEXPIRE h 10 FIELDS 0 a", number},
		{"HEXPIRE h 10 FIELDS x a", number},
		{"HEXPIRE h 10 FIELDS 2 a", match},
		{"HEXPIRE h 10 FIELDS 1 a b", match},
		{"HEXPIRE h -1 FIELDS 1 a", "-" + errExpireNegative + "\r\n"},
		{"HEXPIRE h x FIELDS 1 a", "-" + errNotInteger + "\r\n"},
		{"HEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"},
		{"HPEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hpexpire' command\r\n"},
		{"HTTL h FOO 1 a", position},
		{"HGETEX h EX 10 PERSIST FIELDS 1 a", "-" + errSyntax + "\r\n"},
		{"HPEXPIREAT h 70368744177663 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command\r\n"}, // over 46 bits
		{"HEXPIRE h 70368744177 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"},
		{"HGETEX h PXAT 70368744177663 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command\r\n"},
		{"HGETEX h EX 0 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command\r\n"},
		{"HSETEX h FNX FXX FIELDS 1 a 1", "-" + errSyntax + "\r\n"},
		{"HSETEX h EX 10 KEEPTTL FIELDS 1 a 1", "-" + errSyntax + "\r\n"},
		{"HSETEX h FIELDS 1 a b c", match},
		{"HSETEX h EX FIELDS 1 a 1", "-" + errNotInteger + "\r\n"},
		{"SET str x", "+OK\r\n"},
		{"HEXPIRE str 10 FIELDS 1 a", "-" + errWrongType + "\r\n"},
		{"HTTL str FIELDS 1 a", "-" + errWrongType + "\r\n"},
		{"HPERSIST str FIELDS 1 a", "-" + errWrongType + "\r\n"},
		{"HGETDEL str FIELDS 1 a", "-" + errWrongType + "\r\n"},
		{"HGETEX str FIELDS 1 a", "-" + errWrongType + "\r\n"},
		{"HSETEX str FIELDS 1 a 1", "-" + errWrongType + "\r\n"},
	} {
		if !strings.HasPrefix(c.line, "HTTL") {
			n.expect(c.line, c.want)
		} else if got := n.do(strings.Fields(c.line)...); !nearTimes(got, c.want) {
			t.Errorf("%s: got %q, want %q or a little less", c.line, got, c.want)
		}
	}
}

// nearTimes compares replies with times to live, which have begun to run: those
// of a hundred seconds and more may be up to a minute less.
func nearTimes(got, want string) bool {
	a, b := strings.Split(got, "\r\n"), strings.Split(want, "\r\n")
	return slices.EqualFunc(a, b, func(a, b string) bool {
		var is, full int
		_, errIs := fmt.Sscanf(a, ":%d", &is)
		_, errFull := fmt.Sscanf(b, ":%d", &full)
		return a == b || errIs == nil && errFull == nil && full >= 100 && is <= full && is > full-60
	})
}

// TestHashFieldsExpire: fields past their deadline are gone for every command,
// packed or large, and removed in the background, which is replicated.
func TestHashFieldsExpire(t *testing.T) {
	for _, entries := range []int{4, 600} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			n := newTestNode(t, newRouting(t, everySlot), &effectLog{})
			replica := newTestNode(t, newRouting(t, everySlot), nil)
			args := []string{"HSET", "h"}
			for i := range entries {
				args = append(args, fmt.Sprintf("f%d", i), "v")
			}
			n.do(args...)
			n.prepare("EXPIRED h f0")
			n.prepare("EXPIRED h f1")
			n.expect("HTTL h FIELDS 1 f0", "*1\r\n:-2\r\n")
			for _, command := range []string{"HKEYS h", "HSCAN h 0 COUNT 10000 NOVALUES", "HRANDFIELD h 10000"} {
				reply := n.do(strings.Fields(command)...)
				if strings.Contains(reply, "f0\r\n") || !strings.Contains(reply, "f2\r\n") || strings.Contains(reply, "v\r\n") {
					t.Errorf("%s: %q", command, reply)
				}
			}
			k := n.keyOf("h")
			if r := n.d.expireShard(k.Shard(), time.Now().UnixMilli(), 1000); r.Expired != 2 || n.store.Stats().ExpiredFields != 2 {
				t.Errorf("%+v, %+v", r, n.store.Stats())
			}
			n.expect("HLEN h", fmt.Sprintf(":%d\r\n", entries-2))
			effects := n.log.take()
			last := effects[len(effects)-1].String()
			if last != "HDEL h f0 f1" && last != "HDEL h f1 f0" {
				t.Errorf("effect %q", last)
			}
			replica.apply(effects)
			if a, b := n.dump(), replica.dump(); fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("primary has %v, replica %v", a, b)
			}
			// The hash goes with its last field.
			for i := 2; i < entries; i++ {
				n.prepare(fmt.Sprintf("EXPIRED h f%d", i))
			}
			for range 10 {
				n.d.expireShard(k.Shard(), time.Now().UnixMilli(), 1000)
			}
			n.expect("EXISTS h", ":0\r\n")
			if n.store.Hinted(k.Shard()) {
				t.Error("a hint stays")
			}
			replica.apply(n.log.take())
			replica.expect("DBSIZE", ":0\r\n")
		})
	}
}

// A command that asks for a field past its deadline removes it, and tells: also where
// no round of the background comes by.
func TestAskedForFieldsExpire(t *testing.T) {
	for _, packed := range []string{"512", "0"} {
		log := &effectLog{}
		n := newTestNode(t, nil, log)
		n.expect("CONFIG SET hash-max-listpack-entries "+packed, "+OK\r\n")
		expired := func(fields ...string) {
			t.Helper()
			for _, field := range fields {
				n.prepare("EXPIRED h " + field)
			}
			log.take()
		}
		effects := func(want string) {
			t.Helper()
			if got := fmt.Sprint(log.take()); got != want {
				t.Errorf("at most %s packed: effects %s, want %s", packed, got, want)
			}
		}
		n.expect("HSET h a 1 b 2 c 3 d 4 e 5", ":5\r\n")
		expired("a", "b")
		n.expect("HMGET h a c b a nosuch", "*5\r\n$-1\r\n$1\r\n3\r\n$-1\r\n$-1\r\n$-1\r\n")
		effects("[HDEL h a b]")
		n.expect("HGET h a", "$-1\r\n")
		effects("[]")
		expired("c")
		n.expect("HSTRLEN h c", ":0\r\n")
		effects("[HDEL h c]")
		expired("d")
		n.expect("HEXISTS h d", ":0\r\n")
		effects("[HDEL h d]")
		expired("e")
		n.expect("HGET h e", "$-1\r\n")
		effects("[HDEL h e]")
		n.expect("EXISTS h", ":0\r\n")
		if got := n.store.Stats().ExpiredFields; got != 5 {
			t.Errorf("%d fields expired, want 5", got)
		}
	}
}
