package process

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// TestLargeValues has a node lose its data and get large values of all types from
// its primary while they are written to, read by commands that take pauses, and
// their slot is moved. In the end both nodes hold the same.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	const elements, batch = 30_000, 500
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	ctx := context.Background()
	c := harness.StartCluster(t, 2, 1, "--server.enable_debug_command=yes")
	client := c.Client(nil)
	for from := 0; from < elements; from += batch {
		pipe := client.Pipeline()
		for i := from; i < from+batch; i++ {
			member := fmt.Sprint("member:", i)
			pipe.SAdd(ctx, fmt.Sprint("{b}set", i%2), member)
			pipe.ZAdd(ctx, "{b}zset", redis.Z{Score: float64(i % 1000), Member: member})
			pipe.HSet(ctx, "{b}hash", member, i)
			pipe.RPush(ctx, "{b}list", member)
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: "{b}stream", ID: fmt.Sprintf("1-%d", i+1), Values: []any{"field", member}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var writers sync.WaitGroup
	stop := make(chan struct{})
	var unions, failed int
	writers.Go(func() { // each time one or two of the values, so that others stand still
		r := rand.New(rand.NewPCG(seed, 1))
		for id := elements + 1; ; id++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.IntN(20)) * time.Millisecond):
			}
			member := fmt.Sprint("member:", r.IntN(elements))
			switch r.IntN(6) {
			case 0:
				client.SMove(ctx, "{b}set0", "{b}set1", member)
			case 1:
				client.ZIncrBy(ctx, "{b}zset", 1, member)
			case 2:
				client.HIncrBy(ctx, "{b}hash", member, 1)
			case 3:
				client.LMove(ctx, "{b}list", "{b}list", "left", "right")
			case 4:
				client.XAdd(ctx, &redis.XAddArgs{Stream: "{b}stream", ID: fmt.Sprintf("1-%d", id), Values: []any{"f", "v"}})
			}
		}
	})
	writers.Go(func() { // members only change sets, so the union is all of them
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, err := client.SUnionStore(ctx, "{b}union", "{b}set0", "{b}set1").Result()
			unions++
			if err != nil {
				failed++
				time.Sleep(10 * time.Millisecond)
			} else if n != elements {
				t.Errorf("SUNIONSTORE: %d members of %d", n, elements)
				return
			}
			client.Copy(ctx, "{b}list", "{b}copy", 0, true)
		}
	})
	c.WaitComplete(harness.FormLimit)
	slot := client.ClusterKeySlot(ctx, "{b}").Val()
	primary := 0
	if slices.Contains(c.Nodes[1].PrimarySlots(c.Nodes[0]), int(slot)) {
		primary = 1
	}
	c.Nodes[1-primary].Kill()
	c.Nodes[1-primary].Start()
	c.WaitComplete(harness.FormLimit)
	if err := c.Nodes[primary].Client().Do(ctx, "cluster", "setslot", slot, "node", c.Nodes[1-primary].ID()).Err(); err != nil {
		t.Logf("SETSLOT: %v", err) // it may have moved by itself
	}
	c.WaitComplete(harness.FormLimit)
	close(stop)
	writers.Wait()
	t.Logf("%d unions, %d of them failed", unions, failed)
	if failed == unions {
		t.Error("no SUNIONSTORE succeeded")
	}
	keys := []any{"debug", "digest-value", "{b}set0", "{b}set1", "{b}zset", "{b}hash", "{b}list", "{b}stream", "{b}union", "{b}copy"}
	harness.Eventually(t, harness.Patience, func() error {
		var digests [2]string
		for i, n := range c.Nodes {
			conn := n.Client().Conn()
			defer conn.Close()
			if err := conn.ReadOnly(ctx).Err(); err != nil {
				return err
			}
			got, err := conn.Do(ctx, keys...).Result()
			if err != nil {
				return err
			}
			digests[i] = fmt.Sprint(got)
		}
		if digests[0] != digests[1] {
			return fmt.Errorf("digests %s and %s", digests[0], digests[1])
		}
		return nil
	})
}
