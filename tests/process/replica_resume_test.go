package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// followed makes a redis-server that follows the node, and waits until it does.
func followed(t *testing.T, n *harness.Node, args ...string) *redisServer {
	t.Helper()
	replica := startRedis(t, "", args...)
	must(t, replica.Client, "replicaof", n.Host, n.Port)
	linkUp(t, replica)
	return replica
}

func linkUp(t *testing.T, replica *redisServer) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		if status := info(t, replica.Client, "master_link_status"); status != "up" {
			return errors.New(status)
		}
		return nil
	})
}

func sameData(t *testing.T, c *redis.Client, replica *redisServer) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		a, b := digestOf(t, c), digestOf(t, replica.Client)
		if a != b {
			return errors.New(a + " here, there " + b)
		}
		return nil
	})
}

// TestRedisReplicaResumes: a redis-server whose connection is cut under writes goes on where
// it was; one that the backlog does not reach back to, or that names another stream, begins anew.
func TestRedisReplicaResumes(t *testing.T) {
	n, c := standalone(t, "--replication.log_size=1mb")
	fillKeyspace(t, c, 2000)
	if active, first := info(t, c, "repl_backlog_active"), info(t, c, "repl_backlog_first_byte_offset"); active != "0" || first != "0" {
		t.Errorf("before the first replica: repl_backlog_active:%s, first byte %s", active, first)
	}
	replica := followed(t, n)
	stop, ended := make(chan struct{}), make(chan struct{})
	writer := redis.NewClient(&redis.Options{Addr: n.Addr(), Protocol: 2})
	defer writer.Close()
	go func() {
		defer close(ended)
		for i, ctx := 0, context.Background(); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			writer.Incr(ctx, "counter")
			writer.SPop(ctx, "large set")
			pipe := writer.TxPipeline()
			pipe.Do(ctx, "select", i%3)
			pipe.Incr(ctx, "in a transaction")
			pipe.Do(ctx, "select", 0)
			_, _ = pipe.Exec(ctx)
		}
	}()
	const cuts = 5
	for cut := range cuts {
		if killed := must(t, c, "client", "kill", "type", "replica"); killed == int64(0) {
			t.Fatal("no replica was there to be cut off")
		}
		harness.Eventually(t, time.Minute, func() error {
			if ok := number(t, c, "sync_partial_ok"); ok <= cut {
				return fmt.Errorf("sync_partial_ok:%d", ok)
			}
			return nil
		})
	}
	close(stop)
	<-ended
	linkUp(t, replica)
	sameData(t, c, replica)
	if full, failed := info(t, c, "sync_full"), info(t, c, "sync_partial_err"); full != "1" || failed != "1" { // it begins by asking for the stream that it was itself
		t.Errorf("sync_full:%s sync_partial_err:%s", full, failed)
	}
	if here, there := info(t, c, "master_replid"), info(t, replica.Client, "master_replid"); here != there {
		t.Errorf("the stream is %s here and %s there", here, there)
	}

	// More than the backlog holds.
	value := strings.Repeat("v", 10_000)
	for i := range 200 {
		must(t, c, "set", fmt.Sprint("large", i), value)
	}
	sameData(t, c, replica)
	id := info(t, c, "master_replid")
	first, history := number(t, c, "repl_backlog_first_byte_offset"), number(t, c, "repl_backlog_histlen")
	if end := number(t, c, "master_repl_offset"); first+history != end+1 || history < 1<<20 || history > 1<<20+64<<10 {
		t.Errorf("the backlog holds %d bytes from %d on, the stream has %d", history, first, end)
	}
	for position, want := range map[int]string{first: "+CONTINUE", first - 1: "+FULLRESYNC " + id, first + history + 1_000_000: "+FULLRESYNC " + id} {
		if head, _ := psync(t, n, id, fmt.Sprint(position)); !strings.HasPrefix(head, want) {
			t.Errorf("from %d on: %q, want %s", position, head, want)
		}
	}

	must(t, c, "debug", "change-repl-id")
	must(t, c, "client", "kill", "type", "replica")
	harness.Eventually(t, time.Minute, func() error {
		if full := info(t, c, "sync_full"); full != "4" {
			return errors.New("another stream: sync_full:" + full)
		}
		return nil
	})
	linkUp(t, replica)
	sameData(t, c, replica)
}

// TestBacklogEnds: a backlog that nobody came back for is freed, and its stream ends with it.
func TestBacklogEnds(t *testing.T) {
	n, c := standalone(t)
	must(t, c, "config", "set", "repl-backlog-ttl", 1)
	replica := followed(t, n)
	must(t, c, "set", "k", "v")
	id := info(t, c, "master_replid")
	must(t, replica.Client, "replicaof", "no", "one")
	harness.Eventually(t, time.Minute, func() error {
		if active := info(t, c, "repl_backlog_active"); active != "0" {
			return errors.New("repl_backlog_active:" + active)
		}
		return nil
	})
	if now := info(t, c, "master_replid"); now == id {
		t.Error("the stream that nobody can resume has kept its name")
	}
}

// TestWaitForRedisReplicas: WAIT counts redis-servers that follow.
func TestWaitForRedisReplicas(t *testing.T) {
	n, c := standalone(t)
	first, second := followed(t, n), followed(t, n)
	for i := range 20 {
		must(t, c, "set", "k", i)
		if got := must(t, c, "wait", 2, 60_000); got != int64(2) {
			t.Fatalf("WAIT: %v", got)
		}
		for _, r := range []*redisServer{first, second} {
			if got := must(t, r.Client, "get", "k"); got != fmt.Sprint(i) {
				t.Fatalf("acknowledged, and the replica has %v instead of %d", got, i)
			}
		}
	}
	must(t, second.Client, "replicaof", "no", "one")
	harness.Eventually(t, time.Minute, func() error {
		if replicas := info(t, c, "connected_slaves"); replicas != "1" {
			return errors.New("connected_slaves:" + replicas)
		}
		return nil
	})
	must(t, c, "set", "k", "last")
	if got := must(t, c, "wait", 2, 300); got != int64(1) {
		t.Errorf("one of two is there, and WAIT says %v", got)
	}
}

// TestSnapshotLength: a replica that can't tell the end of a snapshot of unknown length gets one
// of known length.
func TestSnapshotLength(t *testing.T) {
	n, c := standalone(t)
	must(t, c, "set", "k", "v")
	for _, capable := range []bool{false, true} {
		var options []string
		if capable {
			options = []string{"capa", "eof"}
		}
		head, body := psync(t, n, "?", "-1", options...)
		if id := info(t, c, "master_replid"); !strings.HasPrefix(head, "+FULLRESYNC "+id) {
			t.Errorf("%q in the stream %s", head, id)
		}
		if !strings.HasPrefix(body, "$") || strings.HasPrefix(body, "$EOF:") != capable {
			t.Errorf("capa eof %v: %q", capable, body)
		}
	}
}

// psync asks for the stream, and returns the first two lines of the answer; of +CONTINUE the first.
func psync(t *testing.T, n *harness.Node, id, position string, options ...string) (head, body string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", n.Addr(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewReader(conn)
	line := func() string {
		for {
			text, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if text = strings.TrimSpace(text); text != "" { // empty ones say that it lives
				return text
			}
		}
	}
	if len(options) > 0 {
		fmt.Fprintf(conn, "REPLCONF %s\r\n", strings.Join(options, " "))
		if ok := line(); ok != "+OK" {
			t.Fatal(ok)
		}
	}
	fmt.Fprintf(conn, "PSYNC %s %s\r\n", id, position)
	if head = line(); strings.HasPrefix(head, "+FULLRESYNC") {
		body = line()
	}
	return head, body
}

func number(t *testing.T, c *redis.Client, field string) int {
	t.Helper()
	n, err := strconv.Atoi(info(t, c, field))
	if err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	return n
}
