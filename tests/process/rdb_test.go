package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// redisServer is a redis-server, begun with the file at load, if any.
type redisServer struct {
	*redis.Client
	port int
	file string // what it saves to
}

func startRedis(t *testing.T, load string, args ...string) *redisServer {
	t.Helper()
	binary := harness.Tool(t, "redis-server")
	dir, port := t.TempDir(), harness.FreePorts(t, 1)
	file := filepath.Join(dir, "dump.rdb")
	if load != "" {
		content, err := os.ReadFile(load)
		if err == nil {
			err = os.WriteFile(file, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "",
		"--dir", dir, "--enable-debug-command", "yes", "--repl-diskless-load", "disabled"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &redisServer{redis.NewClient(&redis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), MaxRetries: -1, Protocol: 2, ReadTimeout: time.Minute}), port, file}
	t.Cleanup(func() {
		s.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("redis-server:\n%s", log.String())
		}
	})
	harness.Eventually(t, harness.Patience, func() error { return s.Ping(context.Background()).Err() })
	return s
}

func digestOf(t *testing.T, c *redis.Client) string {
	t.Helper()
	digest, err := c.Do(context.Background(), "debug", "digest").Text()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func must(t *testing.T, c *redis.Client, args ...any) any {
	t.Helper()
	reply, err := c.Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}

func info(t *testing.T, c *redis.Client, field string) string {
	t.Helper()
	text := must(t, c, "info", "everything").(string)
	_, rest, _ := strings.Cut(text, "\r\n"+field+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// fillKeyspace makes n keys of each of several types in three databases, and large ones.
func fillKeyspace(t *testing.T, c *redis.Client, n int) {
	t.Helper()
	ctx := context.Background()
	for db := range 3 {
		pipe := c.Pipeline()
		pipe.Do(ctx, "select", db)
		for i := range n {
			pipe.Set(ctx, fmt.Sprint("s", i), strings.Repeat(fmt.Sprint("v", i), 10), 0)
			pipe.HSet(ctx, fmt.Sprint("h", i%500), fmt.Sprint("f", i), i)
			pipe.RPush(ctx, "large list", fmt.Sprint("element ", i))
			pipe.SAdd(ctx, "large set", fmt.Sprint("member ", i))
			pipe.ZAdd(ctx, "large zset", redis.Z{Score: float64(i) / 3, Member: fmt.Sprint("member ", i)})
			pipe.HSet(ctx, "large hash", fmt.Sprint("field ", i), strings.Repeat("w", 50))
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: "large stream", ID: fmt.Sprint(i+1, "-1"), Values: []any{"field", i, "other", "text"}})
			pipe.SAdd(ctx, fmt.Sprint("ints", i%100), i)
			pipe.ZAdd(ctx, fmt.Sprint("z", i%100), redis.Z{Score: float64(i), Member: i})
			pipe.RPush(ctx, fmt.Sprint("l", i%100), i, "text")
			if i%10 == 0 {
				pipe.Expire(ctx, fmt.Sprint("s", i), 1000*time.Hour)
			}
		}
		pipe.XGroupCreate(ctx, "large stream", "readers", "0")
		pipe.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "readers", Consumer: "ann", Streams: []string{"large stream", ">"}, Count: 100, Block: -1})
		pipe.Set(ctx, "large string", strings.Repeat("0123456789abcdef", 100000), 0)
		pipe.Do(ctx, "select", 0)
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// standalone is a node with DEBUG, on one connection, so that SELECT holds.
func standalone(t *testing.T, args ...string) (*harness.Node, *redis.Client) {
	t.Helper()
	n := harness.StartStandalone(t, append([]string{"--server.enable_debug_command=yes"}, args...)...)
	return n, clientOfNode(t, n)
}

func clientOfNode(t *testing.T, n *harness.Node) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: n.Addr(), MaxRetries: -1, Protocol: 2, PoolSize: 1, ReadTimeout: time.Minute})
	t.Cleanup(func() { c.Close() })
	return c
}

func savedFile(n *harness.Node) string { return filepath.Join(n.Dir, "data", "dump.rdb") }

// TestFilesBothWays: redis-server loads what we save, and the reverse.
func TestFilesBothWays(t *testing.T) {
	n, c := standalone(t)
	fillKeyspace(t, c, 3000)
	want := digestOf(t, c)
	must(t, c, "save")
	theirs := startRedis(t, savedFile(n))
	if got := digestOf(t, theirs.Client); got != want {
		t.Errorf("redis-server loads %s, saved was %s", got, want)
	}
	must(t, theirs.Client, "save")
	_, again := standalone(t, "--rdb="+theirs.file)
	if got := digestOf(t, again); got != want {
		t.Errorf("loaded from redis-server: %s, want %s", got, want)
	}
	if keys := info(t, again, "rdb_last_load_keys_loaded"); keys == "0" {
		t.Error("INFO tells of no key loaded")
	}
}

// TestSnapshotIsOfOneMoment: what is written while BGSAVE runs is not in the file.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	t.Parallel()
	n, c := standalone(t)
	fillKeyspace(t, c, 20000)
	want := digestOf(t, c)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	must(t, c, "bgsave")
	stop, ended := make(chan struct{}), make(chan int)
	for w := range 2 {
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		writer := redis.NewClient(&redis.Options{Addr: n.Addr(), Protocol: 2})
		t.Cleanup(func() { writer.Close() })
		go func() {
			ops := 0
			for ctx := context.Background(); ; ops++ {
				select {
				case <-stop:
					ended <- ops
					return
				default:
				}
				i := random.IntN(20000)
				writer.Set(ctx, fmt.Sprint("s", i), "new", 0)
				writer.Del(ctx, fmt.Sprint("s", random.IntN(20000)))
				writer.Set(ctx, fmt.Sprint("new", i), 1, 0)
				writer.Rename(ctx, fmt.Sprint("h", i%500), fmt.Sprint("h", (i+1)%500))
				writer.SAdd(ctx, "large set", fmt.Sprint("new ", i))
				writer.LPop(ctx, "large list")
				writer.ZIncrBy(ctx, "large zset", 1, fmt.Sprint("member ", i))
				writer.Append(ctx, "large string", "x")
				writer.XDel(ctx, "large stream", fmt.Sprint(i+1, "-1"))
				writer.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "readers", Consumer: "bob", Streams: []string{"large stream", ">"}, Count: 1, Block: -1})
				pipe := writer.TxPipeline()
				pipe.Incr(ctx, "a")
				pipe.HSet(ctx, "large hash", "new", i)
				_, _ = pipe.Exec(ctx)
			}
		}()
	}
	harness.Eventually(t, harness.Patience, func() error {
		if info(t, c, "rdb_bgsave_in_progress") != "0" {
			return errors.New("still saving")
		}
		return nil
	})
	close(stop)
	t.Logf("%d and %d rounds of writes meanwhile", <-ended, <-ended)
	if status := info(t, c, "rdb_last_bgsave_status"); status != "ok" {
		t.Fatalf("status %s", status)
	}
	if got := digestOf(t, startRedis(t, savedFile(n)).Client); got != want {
		t.Errorf("the file has %s, at its moment it was %s", got, want)
	}
}

// TestKillDuringSave: the file of before stays whole.
func TestKillDuringSave(t *testing.T) {
	for range 10 {
		if killDuringSave(t) {
			return
		}
	}
	t.Error("each save was over before the kill: the test shows nothing")
}

// killDuringSave reports whether the kill came before the save had ended.
func killDuringSave(t *testing.T) bool {
	t.Helper()
	n, c := standalone(t)
	must(t, c, "set", "k", "old")
	must(t, c, "save")
	before, err := os.ReadFile(savedFile(n))
	if err != nil {
		t.Fatal(err)
	}
	unfinished := func() bool {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(n.Dir, "data", "temp-*.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found) > 0
	}
	fillKeyspace(t, c, 20000)
	must(t, c, "bgsave")
	harness.Eventually(t, harness.Patience, func() error {
		if !unfinished() && info(t, c, "rdb_bgsave_in_progress") == "1" {
			return errors.New("nothing is written yet")
		}
		return nil
	})
	n.Kill()
	if !unfinished() {
		return false
	}
	after, err := os.ReadFile(savedFile(n))
	if err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the old file is not what it was: %v", err)
	}
	n.Start()
	n.WaitReady()
	if size := must(t, clientOfNode(t, n), "dbsize"); size != int64(1) {
		t.Errorf("%v keys after a start, the last file that was whole has one", size)
	}
	if unfinished() {
		t.Error("what the killed process had written is still there")
	}
	return true
}

// TestFullDisk: a save that cannot be written says so, the old file stays, and with
// save points writes are refused until a save succeeds.
func TestFullDisk(t *testing.T) {
	harness.Tool(t, "prlimit")
	n := harness.NewNodeAt(t, "127.0.0.1", harness.FreePorts(t, 1), []string{"prlimit", "--fsize=200000:unlimited"}, "--persistence.save=3600 1")
	n.Start()
	n.WaitReady()
	c := clientOfNode(t, n)
	must(t, c, "set", "k", "v")
	must(t, c, "save")
	before, err := os.ReadFile(savedFile(n))
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 500000)
	for i := range random {
		random[i] = byte(rand.IntN(256))
	}
	must(t, c, "set", "much", random)
	must(t, c, "bgsave")
	harness.Eventually(t, harness.Patience, func() error {
		if status := info(t, c, "rdb_last_bgsave_status"); status != "err" {
			return errors.New("status " + status)
		}
		return nil
	})
	ctx := context.Background()
	for _, args := range [][]any{{"set", "k", "w"}, {"ping"}} {
		if err := c.Do(ctx, args...).Err(); err == nil || !strings.HasPrefix(err.Error(), "MISCONF ") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if got := must(t, c, "get", "k"); got != "v" {
		t.Errorf("reading gives %v", got)
	}
	if err := c.Do(ctx, "save").Err(); err == nil || err.Error() != "ERR" {
		t.Errorf("SAVE: %v", err)
	}
	if err := c.Do(ctx, "shutdown").Err(); err == nil || err.Error() != "ERR Errors trying to SHUTDOWN. Check logs." {
		t.Errorf("SHUTDOWN: %v", err)
	}
	if after, err := os.ReadFile(savedFile(n)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file is not what it was: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(n.Dir, "data", "temp-*.rdb")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if !strings.Contains(n.LogTail(100), "file too large") {
		t.Errorf("the log does not say why:\n%s", n.LogTail(20))
	}
	must(t, c, "config", "set", "stop-writes-on-bgsave-error", "no")
	must(t, c, "del", "much")
	must(t, c, "config", "set", "stop-writes-on-bgsave-error", "yes")
	must(t, c, "bgsave")
	harness.Eventually(t, harness.Patience, func() error { return c.Set(ctx, "k", "w", 0).Err() })
}

// TestDamagedFile: a file that is cut or changed ends the start, with the offset.
func TestDamagedFile(t *testing.T) {
	n, c := standalone(t)
	fillKeyspace(t, c, 200)
	must(t, c, "save")
	whole, err := os.ReadFile(savedFile(n))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(whole)/2] ^= 0x10
	for name, content := range map[string][]byte{
		"cut": whole[:len(whole)/2], "flipped": flipped, "empty": nil, "text": []byte("hello, world: no data at all"),
		"version": append([]byte("REDIS0099"), whole[9:]...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "damaged.rdb")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(harness.Binary(t), "serve", "--server.port="+strconv.Itoa(harness.FreePorts(t, 1)),
				"--data_dir="+t.TempDir(), "--rdb", path)
			if name == "cut" { // where it would have been saved
				cmd = exec.Command(harness.Binary(t), "serve", "--server.port="+strconv.Itoa(harness.FreePorts(t, 1)),
					"--data_dir="+filepath.Dir(path), "--persistence.dbfilename=damaged.rdb")
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !bytes.Contains(out, []byte("at offset ")) {
				t.Errorf("it ends with %v:\n%s", err, out)
			}
		})
	}
}

// TestSaveAtEnd: with save points, SIGTERM saves, with all that was answered; SHUTDOWN
// does as it is told.
func TestSaveAtEnd(t *testing.T) {
	n, c := standalone(t, "--persistence.save=3600 1")
	load := func() *redis.Client {
		_, again := standalone(t, "--rdb="+savedFile(n))
		return again
	}
	for i := range 1000 {
		must(t, c, "set", fmt.Sprint("k", i), i)
	}
	n.Terminate(harness.Patience)
	if got := must(t, load(), "dbsize"); got != int64(1000) {
		t.Errorf("SIGTERM saved %v keys", got)
	}
	n.Start()
	n.WaitReady()
	if got := must(t, c, "dbsize"); got != int64(1000) {
		t.Errorf("started again with its directory it has %v keys", got)
	}
	must(t, c, "set", "other", 1)
	c.Do(context.Background(), "shutdown", "nosave")
	n.WaitEnd(harness.Patience)
	if got := must(t, load(), "dbsize"); got != int64(1000) {
		t.Errorf("after SHUTDOWN NOSAVE the file has %v keys", got)
	}
	n.Start()
	n.WaitReady()
	must(t, c, "config", "set", "save", "")
	must(t, c, "set", "other", 1)
	c.Do(context.Background(), "shutdown", "save")
	n.WaitEnd(harness.Patience)
	if got := must(t, load(), "dbsize"); got != int64(1001) {
		t.Errorf("SHUTDOWN SAVE saved %v keys", got)
	}
}

// TestSavePoints: changes make it save by itself.
func TestSavePoints(t *testing.T) {
	n, c := standalone(t, "--persistence.save=1 5")
	for i := range 10 {
		must(t, c, "set", fmt.Sprint("k", i), i)
	}
	harness.Eventually(t, harness.Patience, func() error {
		_, err := os.Stat(savedFile(n))
		return err
	})
	harness.Eventually(t, harness.Patience, func() error {
		if changes := info(t, c, "rdb_changes_since_last_save"); changes != "0" {
			return errors.New(changes + " changes since")
		}
		return nil
	})
}
