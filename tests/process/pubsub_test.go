package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

// nodeClient is a client of one node, which knows nothing of the cluster.
func nodeClient(t *testing.T, n *harness.Node) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: n.Addr(), ReadTimeout: harness.Patience})
	t.Cleanup(func() { c.Close() })
	return c
}

// receive waits for a message.
func receive(t *testing.T, s *redis.PubSub, channel, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	m, err := s.ReceiveMessage(ctx)
	if err != nil {
		t.Fatalf("waiting for %q: %v", text, err)
	}
	if m.Channel != channel || m.Payload != text {
		t.Fatalf("got %s, want %q on %s", m, text, channel)
	}
}

// TestPubSubAcrossNodes publishes on each node, in turn, to subscribers on all.
func TestPubSubAcrossNodes(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1)
	ctx := context.Background()
	var subscribers []*redis.PubSub
	for i, n := range c.Nodes {
		client := nodeClient(t, n)
		var s *redis.PubSub
		if i == 1 {
			s = client.PSubscribe(ctx, "n?ws")
		} else {
			s = client.Subscribe(ctx, "news")
		}
		t.Cleanup(func() { s.Close() })
		if _, err := s.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		subscribers = append(subscribers, s)
	}
	for i, n := range c.Nodes {
		client := nodeClient(t, n)
		for j := range 100 {
			text := fmt.Sprintf("%d from node %d", j, i)
			if got := client.Publish(ctx, "news", text).Val(); got != 1 {
				t.Fatalf("PUBLISH found %d subscribers on its node, want 1", got)
			}
		}
		for _, s := range subscribers {
			for j := range 100 {
				receive(t, s, "news", fmt.Sprintf("%d from node %d", j, i))
			}
		}
	}

	// A node that was restarted hears again.
	c.Nodes[2].Kill()
	c.Nodes[2].Start()
	c.WaitComplete(harness.FormLimit)
	s := nodeClient(t, c.Nodes[2]).Subscribe(ctx, "news")
	t.Cleanup(func() { s.Close() })
	if _, err := s.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	client := nodeClient(t, c.Nodes[0])
	harness.Eventually(t, harness.Patience, func() error {
		client.Publish(ctx, "news", "again")
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, err := s.ReceiveMessage(short)
		return err
	})
}

// TestShardChannels: a shard channel is heard on the primary and the replica of
// its slot; other nodes send clients on.
func TestShardChannels(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	ctx := context.Background()
	const channel = "orders"
	slot := int(hashslot.Slot([]byte(channel)))
	var subscribers []*redis.PubSub
	moved := 0
	var primary *harness.Node
	for _, n := range c.Nodes {
		client := nodeClient(t, n)
		s := client.SSubscribe(ctx, channel)
		t.Cleanup(func() { s.Close() })
		if _, err := s.Receive(ctx); err != nil {
			if !strings.HasPrefix(err.Error(), fmt.Sprint("MOVED ", slot, " ")) {
				t.Fatal(err)
			}
			moved++
			continue
		}
		subscribers = append(subscribers, s)
		if slices.Contains(n.PrimarySlots(n), slot) {
			primary = n
		}
	}
	if moved != 1 || len(subscribers) != 2 || primary == nil {
		t.Fatalf("%d nodes took SSUBSCRIBE, %d sent on", len(subscribers), moved)
	}
	client := c.Client(nil)
	for i := range 100 {
		if err := client.SPublish(ctx, channel, fmt.Sprint(i)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range subscribers {
		for i := range 100 {
			receive(t, s, channel, fmt.Sprint(i))
		}
	}
}

// TestTransactionsInCluster: counters that are incremented with WATCH by several
// clients lose nothing, and readers on a replica never see half a transaction.
func TestTransactionsInCluster(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	ctx := context.Background()
	client := c.Client(nil)
	replicas := c.Client(func(o *redis.ClusterOptions) { o.ReadOnly = true })

	const clients, rounds = 4, 50
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range rounds {
				for {
					err := client.Watch(ctx, func(tx *redis.Tx) error {
						n, err := tx.Get(ctx, "{tx}count").Int()
						if err != nil && !errors.Is(err, redis.Nil) {
							return err
						}
						_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
							p.Set(ctx, "{tx}count", n+1, 0)
							p.Set(ctx, "{tx}copy", n+1, 0)
							return nil
						})
						return err
					}, "{tx}count")
					if err == nil {
						break
					}
					if !errors.Is(err, redis.TxFailedErr) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	reads := 0
	for running := true; running; reads++ {
		select {
		case <-done:
			running = false
		default:
		}
		values, err := replicas.MGet(ctx, "{tx}count", "{tx}copy").Result()
		if err != nil {
			t.Fatal(err)
		}
		if values[0] != values[1] {
			t.Fatalf("a reader saw half a transaction: %v", values)
		}
	}
	t.Logf("%d reads", reads)
	for _, key := range []string{"{tx}count", "{tx}copy"} {
		if got, err := client.Get(ctx, key).Int(); err != nil || got != clients*rounds {
			t.Errorf("%s: %d, %v, want %d", key, got, err, clients*rounds)
		}
	}
}
