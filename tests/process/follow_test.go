package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/tests/process/harness"
)

// follow makes a node the replica of the primary at a port, and waits until it is.
func follow(t *testing.T, c *redis.Client, port int) {
	t.Helper()
	must(t, c, "replicaof", "127.0.0.1", port)
	upstreamUp(t, c)
}

func upstreamUp(t *testing.T, c *redis.Client) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		if status := info(t, c, "master_link_status"); status != "up" {
			return errors.New("master_link_status:" + status)
		}
		return nil
	})
}

// equal waits until all have the same data.
func equal(t *testing.T, first *redis.Client, others ...*redis.Client) {
	t.Helper()
	for i, other := range others {
		harness.Eventually(t, time.Minute, func() error {
			if a, b := digestOf(t, first), digestOf(t, other); a != b {
				return fmt.Errorf("copy %d: %s, there %s", i, b, a)
			}
			return nil
		})
	}
}

// writing writes to a server until it is told to stop.
func writing(t *testing.T, addr string) (stop func()) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, MaxRetries: -1})
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		defer c.Close()
		for i, ctx := 0, context.Background(); ; i++ {
			select {
			case <-done:
				return
			default:
			}
			c.Incr(ctx, "counter")
			c.SPop(ctx, "large set")
			c.Set(ctx, fmt.Sprint("short", i), i, 30*time.Millisecond)
			c.LPop(ctx, "large list")
			c.Eval(ctx, "redis.call('incr', KEYS[1]) redis.call('rpush', KEYS[2], ARGV[1])", []string{"by script", "list"}, i)
			pipe := c.TxPipeline()
			pipe.Do(ctx, "select", i%3)
			pipe.Incr(ctx, "in a transaction")
			pipe.MSet(ctx, "several", i, "keys", i)
			pipe.Do(ctx, "select", 0)
			_, _ = pipe.Exec(ctx)
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

// TestFollowsRedis: a node copies a redis-server under writes, another node follows that
// one, and both have what it has; they go on where they were after the connection is cut;
// promoted, the first one keeps the second without another copy.
func TestFollowsRedis(t *testing.T) {
	t.Parallel()
	primary := startRedis(t, "", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "200mb")
	fillKeyspace(t, primary.Client, 2000)
	must(t, primary.Client, "function", "load", "#!lua name=lib\nredis.register_function{function_name='f', callback=function() return 1 end, flags={'no-writes'}}")
	n, c := standalone(t)
	must(t, c, "set", "of its own", 1)
	must(t, c, "function", "load", "#!lua name=old\nredis.register_function('g', function() return 1 end)")
	stop := writing(t, fmt.Sprint("127.0.0.1:", primary.port))
	follow(t, c, primary.port)
	m, d := standalone(t, fmt.Sprint("--replication.primary=127.0.0.1 ", n.Port))
	upstreamUp(t, d)
	for range 3 {
		must(t, primary.Client, "client", "kill", "type", "replica")
		before := info(t, primary.Client, "master_repl_offset")
		harness.Eventually(t, time.Minute, func() error {
			if now := info(t, d, "slave_repl_offset"); len(now) < len(before) || len(now) == len(before) && now <= before {
				return fmt.Errorf("at %s, the primary was at %s", now, before)
			}
			return nil
		})
	}
	stop()
	equal(t, primary.Client, c, d)
	if again := info(t, primary.Client, "sync_full"); again != "1" {
		t.Errorf("the primary sent its data %s times", again)
	}
	if again := info(t, c, "sync_full"); again != "1" {
		t.Errorf("the first replica sent its data %s times", again)
	}
	if got := fmt.Sprint(must(t, d, "fcall", "f", 0), must(t, d, "function", "list")); !strings.HasPrefix(got, "1 ") || strings.Contains(got, "old") {
		t.Errorf("the function says, and functions are, %s", got)
	}
	harness.Eventually(t, time.Minute, func() error {
		if acked := must(t, primary.Client, "wait", 1, 1000); acked != int64(1) {
			return fmt.Errorf("WAIT: %v", acked)
		}
		return nil
	})

	must(t, c, "replicaof", "no", "one")
	if role := info(t, c, "role"); role != "master" {
		t.Errorf("role:%s after REPLICAOF NO ONE", role)
	}
	must(t, c, "set", "after", "promotion")
	must(t, c, "select", 2)
	must(t, c, "set", "after", "promotion")
	must(t, c, "select", 0)
	upstreamUp(t, d)
	equal(t, c, d)
	if again := info(t, c, "sync_full"); again != "1" {
		t.Errorf("the promoted node sent its data %s times", again)
	}
	if partial := info(t, c, "sync_partial_ok"); partial == "0" {
		t.Error("the promoted node let nobody go on")
	}
	// The old primary comes back as a replica of the new one.
	must(t, primary.Client, "replicaof", "127.0.0.1", n.Port)
	linkUp(t, primary)
	equal(t, c, primary.Client, d)
	_ = m
}

// TestFollowsNode: standalone nodes follow each other as Redis's servers do; what clients
// of a replica are told is what Redis says.
func TestFollowsNode(t *testing.T) {
	t.Parallel()
	n := harness.StartStandalone(t, "--server.enable_debug_command=yes")
	must(t, n.Client(), "config", "set", "requirepass", "secret")
	c := redis.NewClient(&redis.Options{Addr: n.Addr(), Password: "secret", Protocol: 2, ReadTimeout: time.Minute})
	defer c.Close()
	fillKeyspace(t, c, 500)
	must(t, c, "set", "gone", 1, "px", 1)
	must(t, c, "debug", "set-active-expire", 0)
	m, d := standalone(t)
	blocked := clientOfNode(t, m)
	waiting := make(chan error, 1)
	go func() { waiting <- blocked.BLPop(context.Background(), 0, "nothing").Err() }()
	harness.Eventually(t, time.Minute, func() error {
		if info(t, d, "blocked_clients") != "1" {
			return errors.New("nobody is blocked")
		}
		return nil
	})
	must(t, d, "config", "set", "masterauth", "wrong")
	must(t, d, "replicaof", "localhost", n.Port)
	if err := <-waiting; err == nil || !strings.HasPrefix(err.Error(), "UNBLOCKED force unblock from blocking operation, instance state changed") {
		t.Errorf("a client that was blocked when the node became a replica: %v", err)
	}
	refused := func(want string, args ...any) {
		t.Helper()
		if err := d.Do(context.Background(), args...).Err(); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
	const readOnly = "READONLY You can't write against a read only replica."
	refused(readOnly, "set", "a", 1)
	refused("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.", "wait", 0, 0)
	must(t, d, "config", "set", "replica-serve-stale-data", "no")
	refused("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "get", "a")
	refused("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "eval", "return 1", 0)
	if got := must(t, d, "replicaof", "LOCALHOST", n.Port); got != "OK Already connected to specified master" {
		t.Errorf("the same primary again: %v", got)
	}
	must(t, d, "config", "set", "masterauth", "secret")
	upstreamUp(t, d)
	equal(t, c, d)
	if got := must(t, d, "get", "gone"); got != nil {
		t.Errorf("a key past its deadline is %v on the replica", got)
	}
	if got := fmt.Sprint(must(t, d, "role")); !strings.HasPrefix(got, fmt.Sprintf("[slave localhost %d connected ", n.Port)) {
		t.Errorf("ROLE: %s", got)
	}
	for _, script := range []string{"return redis.call('set', 'a', 1)", "#!lua\nreturn 1"} {
		if err := d.Do(context.Background(), "eval", script, 0).Err(); err == nil || !strings.HasPrefix(err.Error(), readOnly) {
			t.Errorf("script %q: %v", script, err)
		}
	}
	must(t, d, "config", "set", "replica-read-only", "no")
	must(t, d, "set", "of the replica", 1)
	must(t, d, "del", "of the replica")
	equal(t, c, d)

	// What is rewritten is whom it follows now.
	refused("ERR CONFIG SET failed (possibly related to argument 'replicaof') - can't set immutable config", "config", "set", "replicaof", "no one")
	if got := fmt.Sprint(must(t, d, "config", "get", "replicaof")); got != fmt.Sprintf("[replicaof localhost %d]", n.Port) {
		t.Errorf("CONFIG GET replicaof: %s", got)
	}
	must(t, d, "replicaof", "no", "one")
	if got := fmt.Sprint(must(t, d, "config", "get", "replicaof")); got != "[replicaof ]" {
		t.Errorf("CONFIG GET replicaof: %s", got)
	}
	must(t, d, "set", "a", 1)
	if left, err := filepath.Glob(filepath.Join(m.Dir, "data", "sync-*")); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// TestFollowsThroughDamage: a snapshot that cannot be loaded leaves an empty replica that
// tries again, not one with half of the data, and not one that ends.
func TestFollowsThroughDamage(t *testing.T) {
	t.Parallel()
	primary := startRedis(t, "", "--repl-diskless-sync-delay", "0", "--databases", "32")
	must(t, primary.Client, "debug", "populate", 1000)
	in := redis.NewClient(&redis.Options{Addr: fmt.Sprint("127.0.0.1:", primary.port), DB: 31, Protocol: 2})
	defer in.Close()
	must(t, in, "set", "in a database that", "the replica lacks")
	n, c := standalone(t)
	must(t, c, "set", "of its own", 1)
	must(t, c, "replicaof", "127.0.0.1", primary.port)
	harness.Eventually(t, time.Minute, func() error {
		if !strings.Contains(n.LogTail(1000), "loading the primary's snapshot") {
			return errors.New("nothing in the log")
		}
		return nil
	})
	if size := must(t, c, "dbsize"); size != int64(0) && size != int64(1) {
		t.Errorf("%v keys of half a snapshot", size)
	}
	must(t, in, "del", "in a database that")
	upstreamUp(t, c)
	equal(t, primary.Client, c)
	if _, err := os.Stat(n.Dir); err != nil {
		t.Error(err)
	}
}

// fakePrimary speaks the primary's side of replication, for faults that a real one does not
// show when asked.
type fakePrimary struct {
	t  *testing.T
	in net.Listener
}

const fakeID = "0123456789012345678901234567890123456789"

func newFakePrimary(t *testing.T) *fakePrimary {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return &fakePrimary{t, in}
}

// accept goes through the handshake of the next connection and returns what PSYNC asked for.
func (p *fakePrimary) accept() (conn net.Conn, in *bufio.Reader, psync []string) {
	p.t.Helper()
	_ = p.in.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	conn, err := p.in.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	in = bufio.NewReader(conn)
	for {
		args := p.command(in)
		switch strings.ToLower(args[0]) {
		case "ping":
			p.send(conn, "+PONG\r\n")
		case "replconf":
			p.send(conn, "+OK\r\n")
		case "psync":
			return conn, in, args
		default:
			p.t.Fatalf("the replica sent %q", args)
		}
	}
}

func (p *fakePrimary) send(conn net.Conn, text string) {
	p.t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// command reads a command that the replica sends.
func (p *fakePrimary) command(in *bufio.Reader) (args []string) {
	p.t.Helper()
	line := func() string {
		text, err := in.ReadString('\n')
		if err != nil {
			p.t.Fatal(err)
		}
		return strings.TrimRight(text, "\r\n")
	}
	n, err := strconv.Atoi(strings.TrimPrefix(line(), "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for range n {
		line()
		args = append(args, line())
	}
	return args
}

// awaitAck waits until the replica has acknowledged a position.
func (p *fakePrimary) awaitAck(in *bufio.Reader, offset int) {
	p.t.Helper()
	for {
		args := p.command(in)
		if len(args) != 3 || !strings.EqualFold(args[0], "replconf") || !strings.EqualFold(args[1], "ack") {
			p.t.Fatalf("the replica sent %q", args)
		}
		if args[2] == strconv.Itoa(offset) {
			return
		}
	}
}

func commands(lines ...string) string {
	var all strings.Builder
	for _, line := range lines {
		words := strings.Fields(line)
		fmt.Fprintf(&all, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&all, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	return all.String()
}

// TestFollowsFromTheRightPlace: a connection that ends within a transaction, or within a
// command, loses nothing and does nothing twice: the replica asks for what comes after
// the last whole one.
func TestFollowsFromTheRightPlace(t *testing.T) {
	t.Parallel()
	p := newFakePrimary(t)
	_, c := standalone(t)
	must(t, c, "replicaof", "127.0.0.1", p.in.Addr().(*net.TCPAddr).Port)
	conn, in, _ := p.accept()
	empty := "REDIS0010\xff" + strings.Repeat("\x00", 8)
	p.send(conn, fmt.Sprintf("+FULLRESYNC %s 1000\r\n\n\n$%d\r\n%s", fakeID, len(empty), empty))
	whole := commands("SELECT 0", "INCR before")
	within := commands("MULTI", "INCR within", "SELECT 3", "INCR within")
	p.send(conn, whole+within)
	p.awaitAck(in, 1000+len(whole))
	conn.Close()

	conn, in, psync := p.accept()
	if want := fmt.Sprint("PSYNC ", fakeID, " ", 1000+len(whole)+1); strings.Join(psync, " ") != want {
		t.Fatalf("the replica asks for %q, want %q", psync, want)
	}
	p.send(conn, "+CONTINUE\r\n")
	rest := within + commands("EXEC", "INCR after")
	half := commands("INCR half")
	p.send(conn, rest+half[:len(half)-3])
	p.awaitAck(in, 1000+len(whole)+len(rest))
	conn.Close()

	conn, in, psync = p.accept()
	if want := fmt.Sprint("PSYNC ", fakeID, " ", 1000+len(whole)+len(rest)+1); strings.Join(psync, " ") != want {
		t.Fatalf("the replica asks for %q, want %q", psync, want)
	}
	p.send(conn, "+CONTINUE "+strings.Repeat("b", 40)+"\r\n"+half+commands("REPLCONF GETACK *"))
	p.awaitAck(in, 1000+len(whole)+len(rest)+len(half))
	if id := info(t, c, "master_replid"); id != strings.Repeat("b", 40) {
		t.Errorf("master_replid:%s", id)
	}
	if id := info(t, c, "master_replid2"); id != fakeID {
		t.Errorf("master_replid2:%s", id)
	}
	must(t, c, "replicaof", "no", "one")
	for _, want := range []string{"0 before 1", "0 within 1", "3 within 1", "3 after 1", "3 half 1", "0 after <nil>"} {
		words := strings.Fields(want)
		must(t, c, "select", words[0])
		if got := fmt.Sprint(must(t, c, "get", words[1])); got != words[2] {
			t.Errorf("%s in database %s is %s, want %s", words[1], words[0], got, words[2])
		}
	}
}

// TestFailoverOfStandalone: a primary and its replica, a redis-server in one round, change
// places under writes and back; no write that was answered is lost.
func TestFailoverOfStandalone(t *testing.T) {
	t.Parallel()
	n, c := standalone(t)
	theirs := startRedis(t, "", "--repl-diskless-sync-delay", "0")
	m, d := standalone(t)
	refused := func(c *redis.Client, want string, args ...any) {
		t.Helper()
		if err := c.Do(context.Background(), args...).Err(); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
	refused(c, "ERR FAILOVER requires connected replicas.", "failover")
	refused(c, "ERR No failover in progress.", "failover", "abort")
	must(t, theirs.Client, "replicaof", "127.0.0.1", n.Port)
	linkUp(t, theirs)
	follow(t, d, n.Port)
	refused(c, "ERR FAILOVER target HOST and PORT is not a replica.", "failover", "to", "127.0.0.1", 1)
	refused(c, "ERR FAILOVER with force option requires both a timeout and target HOST and IP.", "failover", "force")
	refused(d, "ERR FAILOVER is not valid when server is a replica.", "failover")

	done, written := make(chan struct{}), make(chan int)
	go func() { // writes to whoever is the primary
		all := []*redis.Client{clientOfNode(t, n), redis.NewClient(&redis.Options{Addr: fmt.Sprint("127.0.0.1:", theirs.port), Protocol: 2, MaxRetries: -1, ReadTimeout: time.Minute}), clientOfNode(t, m)}
		defer all[1].Close()
		i, at := 0, 0
		for {
			select {
			case <-done:
				written <- i
				return
			default:
			}
			if err := all[at].RPush(context.Background(), "log", i).Err(); err != nil {
				at = (at + 1) % len(all)
				continue
			}
			i++
		}
	}()
	change := func(from, to *redis.Client, port int) {
		t.Helper()
		harness.Eventually(t, time.Minute, func() error {
			return from.Do(context.Background(), "failover", "to", "127.0.0.1", port).Err()
		})
		harness.Eventually(t, time.Minute, func() error {
			if role, state := info(t, to, "role"), info(t, from, "master_failover_state"); role != "master" || state != "no-failover" {
				return fmt.Errorf("the target is a %s, %s", role, state)
			}
			if status := info(t, from, "master_link_status"); status != "up" {
				return errors.New("master_link_status:" + status)
			}
			return nil
		})
	}
	change(c, theirs.Client, theirs.port)
	change(theirs.Client, c, n.Port)
	must(t, d, "replicaof", "127.0.0.1", n.Port) // as it was: FAILOVER tells the other two only
	upstreamUp(t, d)
	change(c, d, m.Port)
	change(d, c, n.Port)
	close(done)
	count := <-written
	got, err := c.LRange(context.Background(), "log", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	// One whose answer was lost may be there twice.
	next := 0
	for _, v := range got {
		if v == strconv.Itoa(next) {
			next++
		}
	}
	if next < count {
		t.Errorf("of %d writes that were answered, the first %d are there", count, next)
	}
	equal(t, c, d)
}

// TestEndWaitsForReplicas: a primary that is asked to end waits for a replica that is
// behind, so that nothing that was answered is lost; with NOW it does not wait.
func TestEndWaitsForReplicas(t *testing.T) {
	t.Parallel()
	for _, now := range []bool{false, true} {
		n, c := standalone(t)
		replica := startRedis(t, "", "--repl-diskless-sync-delay", "0")
		must(t, replica.Client, "replicaof", "127.0.0.1", n.Port)
		linkUp(t, replica)
		slept := make(chan error, 1)
		go func() { slept <- replica.Do(context.Background(), "debug", "sleep", 2).Err() }()
		value := strings.Repeat("x", 1<<20)
		for i := range 64 {
			must(t, c, "set", fmt.Sprint("k", i), value)
		}
		if now {
			_ = c.Do(context.Background(), "shutdown", "now").Err()
		} else {
			_ = c.Do(context.Background(), "shutdown").Err()
		}
		harness.Eventually(t, time.Minute, func() error {
			conn, err := net.Dial("tcp", n.Addr())
			if err == nil {
				conn.Close()
				return errors.New("the node still accepts connections")
			}
			return nil
		})
		if err := <-slept; err != nil {
			t.Fatal(err)
		}
		if waited := strings.Contains(n.LogTail(1000), "the replicas are waited for"); waited == now {
			t.Errorf("SHUTDOWN NOW: %v, the replicas were waited for: %v", now, waited)
		}
		if now {
			continue
		}
		if size := must(t, replica.Client, "dbsize"); size != int64(64) {
			t.Errorf("the replica has %v of 64 keys", size)
		}
	}
}
