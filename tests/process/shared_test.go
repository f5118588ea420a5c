package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// requireSetting waits until CONFIG GET gives the value on each of the nodes.
func requireSetting(t *testing.T, nodes []*harness.Node, name, want string) {
	t.Helper()
	for _, n := range nodes {
		client := n.Client()
		harness.Eventually(t, harness.Patience, func() error {
			got, err := client.ConfigGet(context.Background(), name).Result()
			if err == nil && got[name] != want {
				err = fmt.Errorf("node %s has %s = %q, want %q", n.Addr(), name, got[name], want)
			}
			return err
		})
	}
}

// TestSharedSettings sets what concerns the whole cluster on one node: all have
// it, also one that joins later, and also after the end of all processes, although
// they are started with other flags.
func TestSharedSettings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := harness.StartCluster(t, 3, 1, "--store.maxmemory_policy=volatile-ttl")
	set := func(i int, pairs ...string) {
		t.Helper()
		args := []any{"config", "set"}
		for _, p := range pairs {
			args = append(args, p)
		}
		if err := c.Nodes[i].Client().Do(ctx, args...).Err(); err != nil {
			t.Fatalf("CONFIG SET %v: %v", pairs, err)
		}
	}
	for i := range c.Nodes { // the controller is one of them
		set(i, "hash-max-listpack-entries", fmt.Sprint(100+i))
		requireSetting(t, c.Nodes[i:i+1], "hash-max-listpack-entries", fmt.Sprint(100+i))
		requireSetting(t, c.Nodes, "hash-max-listpack-entries", fmt.Sprint(100+i))
	}
	set(1, "maxmemory-policy", "allkeys-lfu", "maxmemory", "123mb", "replication.durability", "quorum")
	requireSetting(t, c.Nodes, "maxmemory-policy", "allkeys-lfu")
	requireSetting(t, c.Nodes, "replication.durability", "quorum")
	requireSetting(t, c.Nodes[1:2], "maxmemory", "128974848")
	requireSetting(t, c.Nodes[2:], "maxmemory", "0") // of that node alone

	fourth := c.Add()
	c.WaitComplete(harness.FormLimit)
	requireSetting(t, []*harness.Node{fourth}, "maxmemory-policy", "allkeys-lfu")

	set(3, "cluster.replicas", "2")
	c.Replicas = 2
	c.WaitComplete(harness.FormLimit)

	harness.Kill(c.Nodes)
	for _, n := range c.Nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	requireSetting(t, c.Nodes, "maxmemory-policy", "allkeys-lfu")
	requireSetting(t, c.Nodes, "hash-max-listpack-entries", "102")
	requireSetting(t, c.Nodes, "cluster.replicas", "2")
	harness.Eventually(t, harness.Patience, func() error {
		if log := c.Nodes[0].LogTail(1000); !strings.Contains(log, "not the one that this node was started with\" setting=store.maxmemory_policy") {
			return errors.New("nothing in the log says that the flag does not hold")
		}
		return nil
	})
}

// TestSharedPassword: a password that was set on one node is asked by a node that
// was killed and starts alone, from its first client on; without a majority the
// password cannot be changed.
func TestSharedPassword(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := harness.StartCluster(t, 3, 1)
	if err := c.Nodes[0].Client().ConfigSet(ctx, "requirepass", "secret").Err(); err != nil {
		t.Fatal(err)
	}
	requirePassword := func(n *harness.Node) {
		t.Helper()
		harness.Eventually(t, harness.Patience, func() error {
			// A new connection each time: one that was let in before stays so.
			err := n.Client().Ping(ctx).Err()
			if err == nil {
				return fmt.Errorf("node %s asks for no password", n.Addr())
			}
			if !strings.HasPrefix(err.Error(), "NOAUTH") {
				return err
			}
			return nil
		})
	}
	for _, n := range c.Nodes {
		requirePassword(n)
	}
	victim := c.Nodes[2]
	harness.Eventually(t, harness.Patience, func() error { return saved(victim, "server.requirepass") })
	harness.Kill(c.Nodes)
	victim.Start()
	client := victim.Client()
	harness.Eventually(t, harness.Patience, func() error {
		err := client.Ping(ctx).Err()
		if err == nil {
			return harness.Final(fmt.Errorf("a node that starts alone let a client in without the password"))
		}
		if !strings.HasPrefix(err.Error(), "NOAUTH") {
			return err
		}
		return nil
	})
	known := redis.NewClient(&redis.Options{Addr: victim.Addr(), Password: "secret", MaxRetries: -1, ReadTimeout: harness.Patience})
	defer known.Close()
	err := known.ConfigSet(ctx, "requirepass", "other").Err()
	if err == nil || !strings.HasPrefix(err.Error(), "CLUSTERDOWN The cluster did not confirm") {
		t.Fatalf("CONFIG SET requirepass without a majority: %v", err)
	}
	if err := known.Ping(ctx).Err(); err != nil {
		t.Fatalf("with the old password: %v", err)
	}
}

// saved says what is missing for the node's newest snapshot of the log to hold a
// text.
func saved(n *harness.Node, text string) error {
	files, err := filepath.Glob(filepath.Join(n.Dir, "data", "raft", "snapshots", "*", "state.bin"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && !strings.Contains(file, ".tmp") && bytes.Contains(data, []byte(text)) {
			return nil
		}
	}
	return fmt.Errorf("none of %d snapshots of node %s has %s", len(files), n.Addr(), text)
}
