package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/push"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

// cachingConn is a connection of go-redis in tracking mode.
type cachingConn struct {
	*redis.Conn
	mu   sync.Mutex
	told map[string]int // guarded by mu; messages by key
}

// HandlePushNotification is called while go-redis reads a reply.
func (c *cachingConn) HandlePushNotification(_ context.Context, _ push.NotificationHandlerContext, message []any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys, ok := message[1].([]any)
	if !ok {
		return fmt.Errorf("message %v", message)
	}
	for _, key := range keys {
		c.told[key.(string)]++
	}
	return nil
}

// waitTold waits until the connection was told n times of a key.
func (c *cachingConn) waitTold(t *testing.T, key string, n int) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error {
		c.Ping(context.Background())
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.told[key] != n {
			return fmt.Errorf("told %d times of %s, want %d", c.told[key], key, n)
		}
		return nil
	})
}

func cachingConnTo(t *testing.T, n *harness.Node) *cachingConn {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: n.Addr(), MaxRetries: -1, PoolSize: 1, Protocol: 3})
	t.Cleanup(func() { client.Close() })
	c := &cachingConn{told: make(map[string]int)}
	if err := client.RegisterPushNotificationHandler("invalidate", c, true); err != nil {
		t.Fatal(err)
	}
	c.Conn = client.Conn()
	t.Cleanup(func() { c.Conn.Close() })
	for _, command := range [][]any{{"readonly"}, {"client", "tracking", "on"}} {
		if err := c.Do(context.Background(), command...).Err(); err != nil {
			t.Fatalf("%v: %v", command, err)
		}
	}
	return c
}

// TestCachingInCluster: clients that cache are told by the primary they read from, and
// by a replica; and when the slot goes to another node, so that they never keep what
// was changed there.
func TestCachingInCluster(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	ctx := context.Background()
	const key = "cached"
	slot := hashslot.Slot([]byte(key))
	client := c.Client(nil)
	defer client.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.Set(ctx, key, "1", 0).Err())
	waitReplicated(t, c)
	primary := slices.IndexFunc(c.Nodes, func(n *harness.Node) bool { return slices.Contains(n.PrimarySlots(n), int(slot)) })
	if primary < 0 {
		t.Fatal("nobody has the slot")
	}

	var holders []*cachingConn // primary and replica: the third answers MOVED
	var other *harness.Node
	for i, n := range c.Nodes {
		conn := cachingConnTo(t, n)
		value, err := conn.Get(ctx, key).Result()
		switch {
		case err == nil && value == "1":
			holders = append(holders, conn)
		case i == primary:
			t.Fatal(err)
		default:
			other = n
		}
	}
	if len(holders) != 2 || other == nil {
		t.Fatalf("%d nodes have the slot, want 2", len(holders))
	}
	must(client.Set(ctx, key, "2", 0).Err())
	for _, conn := range holders {
		conn.waitTold(t, key, 1)
		if value, err := conn.Get(ctx, key).Result(); err != nil || value != "2" {
			t.Errorf("after the message: %q, %v", value, err)
		}
	}

	must(other.Client().Do(ctx, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", other.ID()).Err())
	harness.Eventually(t, harness.Patience, func() error {
		if !slices.Contains(other.PrimarySlots(other), int(slot)) {
			return errors.New("the slot has not moved")
		}
		return nil
	})
	must(client.Set(ctx, key, "3", 0).Err())
	for _, conn := range holders {
		conn.waitTold(t, key, 2)
	}
}
