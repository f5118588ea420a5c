package resp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStepsAmongWriters runs commands in steps while others change what they
// read, each time keeping a law that holds for the keys at any one moment; so it
// must hold for every result.
func TestStepsAmongWriters(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	n := newTestNode(t, nil, nil)
	const size, rounds = 400, 60
	for i := range size {
		n.do("SADD", fmt.Sprintf("{b}s%d", i%2), fmt.Sprint("m", i))
		n.do("ZADD", "{b}z", "100", fmt.Sprint("m", i))
		n.do("HSET", "{b}h", fmt.Sprint("f", i), "100")
		n.do("XADD", "{b}x", fmt.Sprintf("0-%d", i+1), "f", strings.Repeat("v", 100))
	}
	for i := range 8 * size {
		n.do("RPUSH", "{b}l", strconv.Itoa(i))
	}
	n.stepAll()
	pauses := 0 // by the only reader
	n.d.stepping.rest = func(int) { pauses++; time.Sleep(50 * time.Microsecond) }
	stop := make(chan struct{})
	var writers sync.WaitGroup
	entry := size
	write := func(r *rand.Rand, client *Client) {
		a, b, by := r.IntN(size), r.IntN(size), r.IntN(9)-4
		switch r.IntN(5) {
		case 0:
			from := r.IntN(2)
			n.doAs(client, "SMOVE", fmt.Sprintf("{b}s%d", from), fmt.Sprintf("{b}s%d", 1-from), fmt.Sprint("m", a))
		case 1:
			n.run(client, "multi", fmt.Sprintf("zincrby {b}z %d m%d", by, a), fmt.Sprintf("zincrby {b}z %d m%d", -by, b), "exec")
		case 2:
			n.run(client, "multi", fmt.Sprintf("hincrby {b}h f%d %d", a, by), fmt.Sprintf("hincrby {b}h f%d %d", b, -by), "exec")
		case 3:
			n.doAs(client, "LMOVE", "{b}l", "{b}l", "LEFT", "RIGHT")
		case 4:
			entry++
			n.doAs(client, "XADD", "{b}x", "MAXLEN", "=", fmt.Sprint(size), fmt.Sprintf("0-%d", entry), "f", strings.Repeat("w", 100))
		}
	}
	client := n.newClient(2)
	writers.Go(func() {
		r := rand.New(rand.NewPCG(seed, 1))
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.IntN(600)) * time.Microsecond):
				write(r, client)
			}
		}
	})
	r := rand.New(rand.NewPCG(seed, 2))
	for range rounds {
		switch law := r.IntN(8); law {
		case 0:
			n.expect("SUNIONSTORE {b}to {b}s0 {b}s1", fmt.Sprintf(":%d\r\n", size))
		case 1:
			n.expect("SINTERSTORE {b}to {b}s0 {b}s1", ":0\r\n")
		case 2:
			n.do("SDIFFSTORE", "{b}to", "{b}s0", "{b}s1")
			n.expect("ZUNIONSTORE {b}to 2 {b}s0 {b}s1 AGGREGATE SUM", fmt.Sprintf(":%d\r\n", size))
			for _, text := range bulks(t, n.do("ZRANGE", "{b}to", "-1", "-1", "WITHSCORES"))[1:] {
				if text != "1" {
					t.Fatalf("a member of both sets at once: score %s", text)
				}
			}
		case 3, 4:
			n.do([][]string{{"ZRANGESTORE", "{b}to", "{b}z", "0", "-1"}, {"COPY", "{b}z", "{b}to", "REPLACE"}}[law-3]...)
			n.sumIs(bulks(t, n.do("ZRANGE", "{b}to", "0", "-1", "WITHSCORES")), size*100)
		case 5:
			n.do("COPY", "{b}h", "{b}to", "REPLACE")
			n.sumIs(bulks(t, n.do("HGETALL", "{b}to")), size*100)
		case 6:
			n.do("COPY", "{b}l", "{b}to", "REPLACE")
			got := bulks(t, n.do("LRANGE", "{b}to", "0", "-1"))
			i := slices.Index(got, "0")
			for at := range got {
				if got[(i+at)%len(got)] != strconv.Itoa(at) {
					t.Fatalf("not a turn of the list: %q at %d", got[(i+at)%len(got)], at)
				}
			}
		case 7:
			n.do("COPY", "{b}x", "{b}to", "REPLACE")
			first := bulks(t, n.do("XRANGE", "{b}to", "-", "+", "COUNT", "1"))[0]
			last := bulks(t, n.do("XREVRANGE", "{b}to", "+", "-", "COUNT", "1"))[0]
			var from, to int
			fmt.Sscanf(first, "0-%d", &from)
			fmt.Sscanf(last, "0-%d", &to)
			if to-from != size-1 {
				t.Fatalf("a stream from %s to %s", first, last)
			}
		}
		n.do("DEL", "{b}to")
	}
	close(stop)
	writers.Wait()
	t.Logf("%d pauses", pauses)
	if pauses < rounds {
		t.Errorf("%d pauses only", pauses)
	}
	n.checkNoSteps()
}

// sumIs adds every second text up.
func (n *testNode) sumIs(texts []string, want int) {
	n.t.Helper()
	sum := 0
	for i := 1; i < len(texts); i += 2 {
		v, err := strconv.Atoi(texts[i])
		if err != nil {
			n.t.Fatal(err)
		}
		sum += v
	}
	if sum != want {
		n.t.Fatalf("the sum is %d, not %d", sum, want)
	}
}
