package resp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// manyKeys is how many keys the commands of these tests name, or look up.
const manyKeys = 600

// manyLines are commands that read many keys in steps.
func manyLines() map[string][]string {
	keys := func(command string) []string {
		line := []string{command}
		for i := range manyKeys {
			line = append(line, fmt.Sprint("k_", i))
		}
		return line
	}
	return map[string][]string{
		"MGET": keys("MGET"), "EXISTS": keys("EXISTS"), "TOUCH": keys("TOUCH"),
		"SORT GET":            strings.Fields("SORT list BY nosort GET k_* GET h_*->f"),
		"SORT BY":             strings.Fields("SORT list BY k_* GET #"),
		"SORT BY hash, ALPHA": strings.Fields("SORT_RO list BY h_*->f ALPHA"),
		"SORT BY GET STORE":   strings.Fields("SORT list BY k_* GET k_* GET # STORE to"),
	}
}

func (n *testNode) fillMany() {
	n.t.Helper()
	line := []string{"MSET"}
	for i := range manyKeys {
		line = append(line, fmt.Sprint("k_", i), "100")
		n.do("HSET", fmt.Sprint("h_", i), "f", fmt.Sprint(i*7%manyKeys), "g", "x")
	}
	n.do(line...)
	n.fill("list", "RPUSH", manyKeys, func(i int) []string { return []string{fmt.Sprint(i)} })
}

// TestManyKeysAgain changes keys in a pause, some that were read before and some that are
// still to be: the result is what the command gives after the change. Changes that go on
// do not keep it from ending.
func TestManyKeysAgain(t *testing.T) {
	oneGoroutine(t)
	changes := []string{
		"SET k_3 7", "SET k_599 7", "DEL k_3", "UNLINK k_598", "PEXPIREAT k_3 1", "RENAME k_3 k_4", "HSET h_3 f 5", "HDEL h_3 f", "HSET h_3 new x",
		"RENAME k_new k_3", "MSET k_0 1 k_599 2", "FLUSHDB", "FLUSHALL ASYNC", "SWAPDB 0 1", "MOVE k_3 1", "SET other x", "LPUSH list 5", "INCR k_3",
	}
	for name, line := range manyLines() {
		for i, change := range changes {
			for _, always := range []bool{false, true} {
				if always && i%4 > 0 {
					continue
				}
				n, plain := newTestNode(t, nil, nil), newTestNode(t, nil, nil)
				for _, node := range []*testNode{n, plain} {
					node.fillMany()
					node.do("SET", "k_new", "9")
				}
				n.stepAll()
				other := n.newClient(2)
				rests, changed, changing := 0, 0, false
				n.d.stepping.rest = func(int) {
					if changing {
						return
					}
					if rests++; rests == 2 || always && rests > 2 {
						changing = true
						n.doAs(other, strings.Fields(change)...)
						changing = false
						changed++
					}
				}
				reply := n.do(line...)
				for range changed {
					plain.do(strings.Fields(change)...)
				}
				if want := plain.do(line...); reply != want {
					t.Errorf("%s, %s, %v: reply %.60q, want %.60q", name, change, always, reply, want)
				}
				if got, want := n.do("LRANGE", "to", "0", "-1"), plain.do("LRANGE", "to", "0", "-1"); got != want {
					t.Errorf("%s, %s, %v: stored %.60q, want %.60q", name, change, always, got, want)
				}
				if changed == 0 {
					t.Errorf("%s, %s: %d pauses, no change", name, change, rests)
				}
				n.checkNoSteps()
			}
		}
	}
}

// TestManyKeysAmongWriters reads many keys while transactions move amounts from one to
// another, or take one away and put it back: the sum stays.
func TestManyKeysAmongWriters(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	n := newTestNode(t, nil, nil)
	n.fillMany()
	n.stepAll()
	pauses := 0 // by the only reader
	n.d.stepping.rest = func(int) { pauses++; time.Sleep(50 * time.Microsecond) }
	stop := make(chan struct{})
	var writers sync.WaitGroup
	client := n.newClient(2)
	writers.Go(func() {
		r := rand.New(rand.NewPCG(seed, 1))
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.IntN(2000)) * time.Microsecond):
			}
			a, b, by := fmt.Sprint("k_", r.IntN(manyKeys)), fmt.Sprint("k_", r.IntN(manyKeys)), r.IntN(9)
			if r.IntN(2) == 0 {
				n.run(client, "multi", fmt.Sprintf("incrby %s %d", a, by), fmt.Sprintf("decrby %s %d", b, by), "exec")
			} else {
				n.run(client, "multi", "rename "+a+" away", "rename away "+a, "exec")
			}
		}
	})
	lines := manyLines()
	for range 30 {
		n.sumIs(interleaved(bulks(t, n.do(lines["MGET"]...))), manyKeys*100)
		n.sumIs(bulks(t, n.do(strings.Fields("SORT list BY k_* GET # GET k_*")...)), manyKeys*100)
		if got := n.do(lines["EXISTS"]...); got != fmt.Sprintf(":%d\r\n", manyKeys) {
			t.Fatalf("EXISTS: %q", got)
		}
	}
	close(stop)
	writers.Wait()
	if t.Logf("%d pauses", pauses); pauses < 60 {
		t.Error("few pauses")
	}
	n.checkNoSteps()
}

// interleaved puts nothing before each text, for sumIs.
func interleaved(texts []string) (pairs []string) {
	for _, text := range texts {
		pairs = append(pairs, "", text)
	}
	return pairs
}
