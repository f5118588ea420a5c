package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

const sentinelName = "mymaster"

// startSentinel starts a Redis Sentinel that watches a primary with a quorum of two.
func startSentinel(t *testing.T, primary *harness.Node) (addr string) {
	t.Helper()
	binary := harness.Tool(t, "redis-server")
	port := harness.FreePorts(t, 1)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	conf := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %d 2\nsentinel down-after-milliseconds %s 2000\n"+
		"sentinel failover-timeout %s 10000\n", port, dir, sentinelName, primary.Port, sentinelName, sentinelName)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, file, "--sentinel")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("sentinel:\n%s", text)
		}
	})
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// TestSentinel: Redis Sentinel finds the replicas of a node, makes one the primary by hand
// and when the primary is killed or hangs, and the old one a replica; a client that asks the
// sentinels goes on each time.
func TestSentinel(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	nodes := make([]*harness.Node, 3)
	byPort := make(map[string]*harness.Node)
	for i := range nodes {
		args := []string{}
		if i > 0 {
			args = append(args, fmt.Sprintf("--replication.primary=127.0.0.1 %d", nodes[0].Port))
		}
		nodes[i] = harness.StartStandalone(t, args...)
		byPort[strconv.Itoa(nodes[i].Port)] = nodes[i]
	}
	var sentinels []string
	for range 3 {
		sentinels = append(sentinels, startSentinel(t, nodes[0]))
	}
	ask := redis.NewSentinelClient(&redis.Options{Addr: sentinels[0], Protocol: 2})
	defer ask.Close()
	settled := func() error { // it may have to begin anew, which takes twice failover-timeout
		master, err := ask.Master(ctx, sentinelName).Result()
		if err != nil {
			return err
		}
		if master["num-slaves"] != "2" || master["num-other-sentinels"] != "2" || master["flags"] != "master" {
			return fmt.Errorf("%v", master)
		}
		replicas, err := ask.Replicas(ctx, sentinelName).Result()
		if err != nil {
			return err
		}
		for _, r := range replicas {
			if r["flags"] != "slave" || r["master-link-status"] != "ok" || r["master-port"] != master["port"] {
				return fmt.Errorf("%v", r)
			}
		}
		return nil
	}
	primary := func() *harness.Node {
		t.Helper()
		addr, err := ask.GetMasterAddrByName(ctx, sentinelName).Result()
		if err != nil {
			t.Fatal(err)
		}
		return byPort[addr[1]]
	}
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: sentinelName, SentinelAddrs: sentinels, MaxRetries: -1})
	defer client.Close()
	writes := 0
	write := func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		writes++
		return client.Set(ctx, "k"+strconv.Itoa(writes), writes, 0).Err()
	}
	changed := func(old *harness.Node) {
		t.Helper()
		harness.Eventually(t, harness.Patience, func() error {
			if primary() == old {
				return errors.New("no other primary yet")
			}
			return write()
		})
	}
	harness.Eventually(t, harness.Patience, settled)
	harness.Eventually(t, harness.Patience, write)

	old := primary()
	if err := ask.Failover(ctx, sentinelName).Err(); err != nil {
		t.Fatal(err)
	}
	changed(old)
	harness.Eventually(t, harness.Patience, settled)

	old = primary()
	old.Kill()
	changed(old)
	old.Start()
	old.WaitReady()
	harness.Eventually(t, harness.Patience, settled)

	old = primary()
	old.Freeze()
	changed(old)
	old.Thaw()
	harness.Eventually(t, harness.Patience, settled)

	// All have what the last primary has.
	if err := client.Set(ctx, "last", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	size, err := client.DBSize(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		c := n.Client()
		harness.Eventually(t, harness.Patience, func() error {
			switch got, err := c.DBSize(ctx).Result(); {
			case err != nil:
				return err
			case got != size:
				return fmt.Errorf("%s has %d keys of %d", n.Addr(), got, size)
			}
			return nil
		})
	}
}
