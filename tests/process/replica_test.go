package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// TestRedisReplica: a redis-server follows a standalone node under writes, and has the
// same data in the end.
func TestRedisReplica(t *testing.T) {
	t.Parallel()
	n, c := standalone(t)
	fillKeyspace(t, c, 5000)
	replica := startRedis(t, "")
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
			writer.Set(ctx, fmt.Sprint("short", i), i, 30*time.Millisecond)
			writer.LPop(ctx, "large list")
			writer.ZIncrBy(ctx, "large zset", 1.5, fmt.Sprint("member ", i%5000))
			writer.HIncrByFloat(ctx, "large hash", "number", 0.1)
			pipe := writer.TxPipeline()
			pipe.Do(ctx, "select", i%3)
			pipe.Incr(ctx, "in a transaction")
			pipe.Do(ctx, "select", 0)
			_, _ = pipe.Exec(ctx)
		}
	}()
	must(t, replica.Client, "replicaof", n.Host, n.Port)
	harness.Eventually(t, harness.Patience, func() error {
		if status := info(t, replica.Client, "master_link_status"); status != "up" {
			return errors.New(status)
		}
		return nil
	})
	before := info(t, replica.Client, "slave_repl_offset")
	harness.Eventually(t, harness.Patience, func() error {
		if now := info(t, replica.Client, "slave_repl_offset"); now == before {
			return errors.New("no effect came")
		}
		return nil
	})
	close(stop)
	<-ended
	harness.Eventually(t, harness.Patience, func() error {
		a, b := digestOf(t, c), digestOf(t, replica.Client)
		if a != b {
			return errors.New(a + " here, there " + b)
		}
		return nil
	})
	for _, line := range []string{
		"xadd s 1-1 a 1", "xadd s 2-1 a 2", "xadd s 3-1 a 3", "xadd s 4-1 a 4", "xgroup create s g 0",
		"xreadgroup group g one count 2 streams s >", "xreadgroup group g two count 1 noack streams s >",
		"xreadgroup group g idle streams s 0", "xclaim s g two 0 1-1 lastid 3-1", "xclaim s g none 0 9-9",
		"xautoclaim s g three 0 0 count 1", "xack s g 2-1", "xreadgroup group g one streams s >",
		"function load #!lua_name=l;redis.register_function('f',function(keys)redis.call('incr',keys[1])redis.call('incr',keys[1])end)",
		"fcall f 1 n",
	} {
		words := strings.Fields(line)
		args := make([]any, len(words))
		for i, word := range words {
			args[i] = strings.NewReplacer("_name", " name", ";", "\n").Replace(word)
		}
		must(t, c, args...)
	}
	harness.Eventually(t, harness.Patience, func() error {
		for _, question := range [][]any{
			{"xpending", "s", "g", "-", "+", "10"}, {"xinfo", "groups", "s"}, {"get", "n"}, {"function", "list"},
		} {
			there, err := replica.Client.Do(context.Background(), question...).Result()
			if err != nil {
				return fmt.Errorf("%v: %w", question, err) // it is not there yet
			}
			a, b := fmt.Sprint(must(t, c, question...)), fmt.Sprint(there)
			if question[0] == "xpending" { // how long ago is by the clock of each
				a, b = withoutIdle(a), withoutIdle(b)
			}
			if a != b {
				return fmt.Errorf("%v: %s here, there %s", question, a, b)
			}
		}
		return nil
	})
	if got := info(t, c, "connected_slaves"); got != "1" {
		t.Errorf("connected_slaves:%s", got)
	}
	if got := info(t, c, "slave0"); !strings.Contains(got, "state=online") || !strings.Contains(got, "port="+strconv.Itoa(replica.port)) {
		t.Errorf("slave0:%s", got)
	}
	must(t, c, "flushall")
	harness.Eventually(t, harness.Patience, func() error {
		if size := must(t, replica.Client, "dbsize"); size != int64(0) {
			return fmt.Errorf("%v keys after FLUSHALL", size)
		}
		return nil
	})
}

var idleTime = regexp.MustCompile(` \d+ (\d+\])`)

// withoutIdle is what XPENDING replied without the times since delivery.
func withoutIdle(pending string) string { return idleTime.ReplaceAllString(pending, " $1") }

// TestRedisCLIReplica: redis-cli --rdb takes a snapshot, --replica shows the stream.
func TestRedisCLIReplica(t *testing.T) {
	cli := harness.Tool(t, "redis-cli")
	n, c := standalone(t)
	fillKeyspace(t, c, 500)
	file := filepath.Join(t.TempDir(), "taken.rdb")
	out, err := exec.Command(cli, "-p", strconv.Itoa(n.Port), "--rdb", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, want := digestOf(t, startRedis(t, file).Client), digestOf(t, c); got != want {
		t.Errorf("--rdb took %s, want %s", got, want)
	}
	cmd := exec.Command(cli, "-p", strconv.Itoa(n.Port), "--replica")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	harness.Eventually(t, harness.Patience, func() error {
		if state := info(t, c, "slave0"); !strings.Contains(state, "state=online") {
			return errors.New("slave0:" + state)
		}
		return nil
	})
	// redis-cli writes to a pipe in blocks: one of them must become full.
	for range 200 {
		must(t, c, "set", "seen", strings.Repeat("here", 10))
	}
	for lines := bufio.NewScanner(pipe); ; {
		if !lines.Scan() {
			t.Fatal("--replica ended before it showed an effect")
		}
		if strings.Contains(lines.Text(), `"seen","here`) {
			return
		}
	}
}

// TestMigrate moves keys to redis-server and back.
func TestMigrate(t *testing.T) {
	n, c := standalone(t)
	theirs := startRedis(t, "")
	must(t, theirs.Client, "config", "set", "requirepass", "secret")
	there := redis.NewClient(&redis.Options{Addr: theirs.Options().Addr, Password: "secret", Protocol: 2})
	defer there.Close()
	ctx := context.Background()
	fillKeyspace(t, c, 300)
	want := digestOf(t, c)
	move := func(from *redis.Client, to int, options ...any) error {
		var names []any
		for _, key := range from.Keys(ctx, "*").Val() {
			names = append(names, key)
		}
		args := append([]any{"migrate", "127.0.0.1", to, "", 0, 5000}, options...)
		return from.Do(ctx, append(append(args, "keys"), names...)...).Err()
	}
	one := func(options ...any) error {
		return c.Do(ctx, append([]any{"migrate", "127.0.0.1", theirs.port, "s0", 0, 5000}, options...)...).Err()
	}
	if err := one(); err == nil || !strings.HasPrefix(err.Error(), "ERR Target instance replied with error: NOAUTH") {
		t.Errorf("without a password: %v", err)
	}
	if err := one("auth", "wrong"); err == nil || !strings.HasPrefix(err.Error(), "ERR Target instance replied with error: WRONGPASS") {
		t.Errorf("with a wrong password: %v", err)
	}
	if got := digestOf(t, c); got != want {
		t.Fatal("a MIGRATE that failed has changed keys")
	}
	must(t, c, "select", 1)
	must(t, c, "flushdb")
	must(t, c, "select", 2)
	must(t, c, "flushdb")
	must(t, c, "select", 0)
	want = digestOf(t, c)
	if err := move(c, theirs.port, "copy", "auth", "secret"); err != nil {
		t.Fatal(err)
	}
	if a, b := digestOf(t, c), digestOf(t, there); a != want || b != want {
		t.Errorf("after COPY %s here, %s there, want %s", a, b, want)
	}
	if err := move(c, theirs.port, "auth", "secret"); err == nil || !strings.Contains(err.Error(), "BUSYKEY") {
		t.Errorf("onto keys that are there: %v", err)
	}
	if err := move(c, theirs.port, "replace", "auth2", "default", "secret"); err != nil {
		t.Fatal(err)
	}
	if size := must(t, c, "dbsize"); size != int64(0) {
		t.Errorf("%v keys stayed", size)
	}
	if err := move(there, n.Port); err != nil {
		t.Fatal(err)
	}
	if got := digestOf(t, c); got != want {
		t.Errorf("back again: %s, want %s", got, want)
	}
	if sockets := info(t, c, "migrate_cached_sockets"); sockets == "0" {
		t.Error("no connection was kept")
	}
}

// TestMigrateToSlowServer: while the target does not answer, keys that travel can be
// read and others be written; a write to one that travels waits and is not lost.
func TestMigrateToSlowServer(t *testing.T) {
	n, c := standalone(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	must(t, c, "set", "k", "1")
	moved, written := make(chan error, 1), make(chan error, 1)
	mover, writer := clientOfNode(t, n), clientOfNode(t, n)
	ctx := context.Background()
	must(t, writer, "ping")
	go func() { moved <- mover.Do(ctx, "migrate", "127.0.0.1", port, "k", 0, 1500).Err() }()
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { written <- writer.Incr(ctx, "k").Err() }()
	if got := must(t, c, "get", "k"); got != "1" {
		t.Errorf("meanwhile k is %v", got)
	}
	for i := range 500 {
		must(t, c, "set", fmt.Sprint("other", i), i) // in all shards, nearly
	}
	select {
	case err := <-written:
		t.Errorf("the key was written while it travelled: %v", err)
	case err := <-moved:
		t.Errorf("MIGRATE ended before its time: %v", err)
	default:
	}
	if err := <-moved; err == nil || err.Error() != "IOERR error or timeout reading to target instance" {
		t.Errorf("MIGRATE: %v", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if got := must(t, c, "get", "k"); got != "2" {
		t.Errorf("k is %v: the write is lost", got)
	}
}
