package process

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// requireEqualCopies waits until every node that holds a key of the writers,
// which have stopped, has the same value for it.
func requireEqualCopies(t *testing.T, c *harness.Cluster, writers *harness.Writers) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error { return compareCopies(c, writers.Keys()) })
}

func compareCopies(c *harness.Cluster, keys []string) error {
	ctx := context.Background()
	values := make(map[string]string) // as the first holder has them
	held := make(map[string]int)
	for _, n := range c.Nodes {
		client := redis.NewClient(&redis.Options{Addr: n.Addr(), MaxRetries: -1})
		defer client.Close()
		conn := client.Conn()
		if err := conn.ReadOnly(ctx).Err(); err != nil {
			return err
		}
		pipe := conn.Pipeline()
		gets := make([]*redis.StringCmd, len(keys))
		for i, key := range keys {
			gets[i] = pipe.Get(ctx, key)
		}
		_, _ = pipe.Exec(ctx) // each reply is looked at
		for i, key := range keys {
			got, err := gets[i].Result()
			if redis.HasErrorPrefix(err, "MOVED") {
				continue // held by others
			}
			if err != nil && err != redis.Nil {
				return fmt.Errorf("%s on %s: %w", key, n.Addr(), err)
			}
			if first, ok := values[key]; ok && first != got {
				return fmt.Errorf("%s is %q on %s and %q elsewhere", key, got, n.Addr(), first)
			}
			values[key] = got
			held[key]++
		}
	}
	for _, key := range keys {
		if held[key] != c.Replicas+1 {
			return fmt.Errorf("%s is on %d nodes, want %d", key, held[key], c.Replicas+1)
		}
	}
	return nil
}
