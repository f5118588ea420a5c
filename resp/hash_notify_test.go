package resp

import (
	"strings"
	"testing"
	"time"

	"respkv/store"
)

// TestHashFieldEvents: what the commands of Redis 7.4 and 8.0 on deadlines of
// fields tell, as their pages say.
func TestHashFieldEvents(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c, listener := n.dial(t), n.dial(t)
	c.check("hset h a 1 b 2 c 3 d 4", ":4\r\n")
	c.check("config set notify-keyspace-events", "-ERR wrong number of arguments for 'config|set' command\r\n")
	c.check("config set notify-keyspace-events KAn", "+OK\r\n")
	listener.call("psubscribe", "*")
	expire := func() {
		k := store.MakeKey([]byte("h"))
		n.store.LockShard(k.Shard())
		defer n.store.UnlockShard(k.Shard())
		n.store.ExpireFields(k.Shard(), time.Now().UnixMilli()+10_000, 1000, nil)
	}
	for _, s := range []struct{ line, want string }{
		{"hexpire h 100 fields 2 a nosuch", "hexpire"},
		{"hexpire h 100 nx fields 1 a", ""},
		{"hpersist h fields 3 a b nosuch", "hpersist"},
		{"hpersist h fields 1 a", ""},
		{"hpexpireat h 66666666666666 fields 1 a", "hexpire"},
		{"hgetex h fields 1 a", ""},
		{"hgetex h persist fields 2 a b", "hpersist"},
		{"hgetex h ex 100 fields 1 b", "hexpire"},
		{"hgetex h pxat 1 fields 1 b", "hdel"},
		{"hgetdel h fields 1 c", "hdel"},
		{"hgetdel h fields 1 c", ""},
		{"hsetex h fields 1 b 1", "hset"},
		{"hsetex h ex 100 fields 1 b 1", "hset hexpire"},
		{"hsetex h pxat 1 fields 1 b 1", "hdel"},
		{"hsetex h pxat 1 fields 1 b 1", ""},
		{"hexpire h 0 fields 1 d", "hdel"},
		{"hexpire h 0 fields 1 a", "hdel del"},
		{"hsetex h fields 1 a 1", "new hset"},
		{"hgetdel h fields 1 a", "hdel del"},
		{"hset h a 1 b 2", "new hset"},
		{"hpexpire h 1000 fields 1 a", "hexpire"},
		{"expired", "hexpired"},
		{"hpexpire h 1000 fields 1 b", "hexpire"},
		{"expired", "hexpired del"},
	} {
		if s.line == "expired" {
			expire()
		} else {
			c.call(strings.Fields(s.line)...)
		}
		c.check("publish end x", ":1\r\n")
		var got []string
		for {
			message := strings.Split(listener.wire(), "\r\n")
			channel, text := message[6], message[8]
			if channel == "end" {
				break
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != s.want {
			t.Errorf("%s: %q, want %q", s.line, got, s.want)
		}
	}
}
