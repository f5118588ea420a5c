package resp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTransactionsConcurrently has several clients move amounts between accounts
// in transactions, while others look at all of them, flush another database and
// do what takes all locks. The sum never changes, and nobody waits for ever.
func TestTransactionsConcurrently(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	n := newTestNode(t, nil, nil)
	const accounts, movers, rounds = 16, 4, 300
	for i := range accounts {
		n.run(n.client, fmt.Sprintf("set acc:%d 100", i))
	}
	var wg, background sync.WaitGroup
	stop := make(chan struct{})
	for i := range movers {
		client := n.newClient(2)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range rounds {
				from, to, amount := r.IntN(accounts), r.IntN(accounts), r.IntN(10)
				lines := []string{
					fmt.Sprintf("watch acc:%d", from), "multi",
					fmt.Sprintf("decrby acc:%d %d", from, amount), fmt.Sprintf("incrby acc:%d %d", to, amount),
				}
				if r.IntN(4) == 0 {
					lines = append(lines, []string{"dbsize", "info memory", "config get maxmemory", "config set maxmemory 0", "keys x*", "publish c x", "debug sleep 0"}[r.IntN(7)])
				}
				n.run(client, append(lines, "exec")...)
			}
		})
	}
	all := "mget"
	for i := range accounts {
		all += fmt.Sprintf(" acc:%d", i)
	}
	for range 2 {
		client := n.newClient(2)
		background.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sum := 0
				for i, field := range strings.Split(n.run(client, all), "\r\n") {
					if i > 0 && i%2 == 0 {
						var v int
						fmt.Sscan(field, &v)
						sum += v
					}
				}
				if sum != accounts*100 {
					t.Errorf("a reader saw a sum of %d", sum)
					return
				}
			}
		})
	}
	client := n.newClient(2)
	background.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			n.run(client, "select 1", "set other 1 px 1", "watch other acc:1", "swapdb 2 3", "flushdb", "unwatch")
		}
	})
	done := make(chan struct{})
	go func() { wg.Wait(); close(stop); background.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("transactions wait for each other")
	}
	if n.d.watches.used() {
		t.Errorf("%d watches are left", n.d.watches.count.Load())
	}
}
