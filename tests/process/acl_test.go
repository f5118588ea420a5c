package process

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// asUser is a client of one node that logs in.
func asUser(t *testing.T, n *harness.Node, name, password string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: n.Addr(), Username: name, Password: password, MaxRetries: -1, DialTimeout: 5 * time.Second, ReadTimeout: harness.Patience})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func requireError(t *testing.T, what string, err error, prefix string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), prefix) {
		t.Fatalf("%s: %v, want %s", what, err, prefix)
	}
}

// TestUsersOfCluster: users made on one node are the same on all, on one that
// joins, on one that was killed and starts alone; wrong passwords and what they
// may not do is refused everywhere; what nodes replicate is nobody's.
func TestUsersOfCluster(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := harness.StartCluster(t, 3, 1, "--cluster.secret=between nodes", "--server.users=op on >op ~* &* +@all")
	admin := asUser(t, c.Nodes[0], "op", "op")
	for _, rules := range []string{
		"app on >secret ~app:* &news* +@read +@write +@connection +@pubsub +cluster +command",
		"reader on >r %R~app:* +@read +@connection +cluster +command",
	} {
		args := []any{"ACL", "SETUSER"}
		for _, word := range strings.Fields(rules) {
			args = append(args, word)
		}
		if err := admin.Do(ctx, args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// Each node knows them, and what they may do.
	check := func(n *harness.Node) {
		t.Helper()
		app := asUser(t, n, "app", "secret")
		harness.Eventually(t, harness.Patience, func() error { return app.Ping(ctx).Err() })
		reader := asUser(t, n, "reader", "r")
		harness.Eventually(t, harness.Patience, func() error { return reader.Ping(ctx).Err() })
		requireError(t, "wrong password", asUser(t, n, "app", "wrong").Ping(ctx).Err(), "WRONGPASS")
		requireError(t, "no such user", asUser(t, n, "nobody", "secret").Ping(ctx).Err(), "WRONGPASS")
		requireError(t, "other keys", app.Get(ctx, "other").Err(), "NOPERM this user has no permissions to access one of the keys")
		requireError(t, "other commands", app.ConfigGet(ctx, "*").Err(), "NOPERM this user has no permissions to run the 'config|get' command")
		requireError(t, "other channels", app.Publish(ctx, "secret", "x").Err(), "NOPERM this user has no permissions to access one of the channels")
		if err := app.Publish(ctx, "news", "x").Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range c.Nodes {
		check(n)
	}

	// A cluster client works as a user, and its writes reach the replicas.
	app := c.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = "app", "secret" })
	reader := c.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = "reader", "r" })
	for i := range 100 {
		if err := app.Set(ctx, fmt.Sprintf("app:%d", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.Get(ctx, fmt.Sprintf("app:%d", i)).Result(); err != nil || got != fmt.Sprint(i) {
			t.Fatalf("app:%d is %q: %v", i, got, err)
		}
	}
	requireError(t, "a reader writes", reader.Set(ctx, "app:1", "x", 0).Err(), "NOPERM")
	requireError(t, "another's key", app.Set(ctx, "other", "x", 0).Err(), "NOPERM")

	// Where the default user may do nothing, the nodes still replicate and fail over.
	waitReplicated(t, c)
	if err := admin.Do(ctx, "ACL", "SETUSER", "default", "off", "resetpass", "-@all").Err(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.Patience, func() error {
		// A new connection each time: one that was let in before stays so.
		if err := c.Nodes[1].Client().Ping(ctx).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
			return fmt.Errorf("without a password: %v", err)
		}
		return nil
	})
	victim := c.Nodes[2]
	harness.Eventually(t, harness.Patience, func() error { return saved(victim, "default") })
	victim.Kill()
	harness.Eventually(t, harness.Patience, func() error {
		reader.ReloadState(ctx)
		app.ReloadState(ctx)
		for i := range 100 {
			if got, err := reader.Get(ctx, fmt.Sprintf("app:%d", i)).Result(); err != nil || got != fmt.Sprint(i) {
				return fmt.Errorf("app:%d is %q after the failover: %v", i, got, err)
			}
		}
		return app.Set(ctx, "app:1", "1", 0).Err()
	})
	victim.Start()
	check(victim)
	requireError(t, "without a password", victim.Client().Ping(ctx).Err(), "NOAUTH")
	joined := c.Add()
	check(joined)

	// A user that is deleted is gone everywhere, its connections with it.
	kept := asUser(t, c.Nodes[1], "reader", "r")
	subscriber := asUser(t, c.Nodes[1], "app", "secret").Subscribe(ctx, "news")
	defer subscriber.Close()
	if _, err := subscriber.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	if err := kept.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Do(ctx, "ACL", "DELUSER", "app").Err(); err != nil {
		t.Fatal(err)
	}
	for _, n := range append(c.Nodes[:3:3], joined) {
		harness.Eventually(t, harness.Patience, func() error {
			if err := asUser(t, n, "app", "secret").Ping(ctx).Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGPASS") {
				return fmt.Errorf("the deleted user: %v", err)
			}
			return nil
		})
	}
	if err := kept.Ping(ctx).Err(); err != nil {
		t.Fatalf("another user's connection: %v", err)
	}
}
