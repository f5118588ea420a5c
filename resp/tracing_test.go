package resp

import (
	"fmt"
	"math/rand"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"respkv/internal/config"
	"respkv/store"
)

// tracedLines are run where MONITOR and the slow log look.
var tracedLines = []string{
	"set a b\x01\"\\\xff\a\b\t", "SET  A  v", "get a", "select 3", "set x 1", "auth foo", "auth foo bar", "auth a b c",
	"hello 3 auth default x setname zz", "hello 2 auth default x", "hello 2", "multi", "set x 1", "get x", "foo", "exec",
	"multi", "set x 1", "incr x", "select 2", "exec", "config get maxmemory", "config set requirepass secret", "auth secret",
	"config set requirepass \"\" maxmemory-samples 5", "client setname me", "client getname", "debug sleep 0", "get", "get a b",
	"rpush list a", "blpop list 0.1", "blpop none 0.01", "ping", "echo hello", "command count", "multi", "discard",
	"watch a", "unwatch", "sadd s 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31",
	"sadd s 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30",
	"set long " + strings.Repeat("x", 128), "set long " + strings.Repeat("x", 129), "spop s 10", "info server", "lpush list b",
	"eval return{redis.call('incr','n'),redis.call('get',KEYS[1])} 1 n", "eval return{redis.call('get',KEYS[1])} 1 n",
	"eval_ro return{redis.call('get',KEYS[1])} 1 n", "evalsha " + strings.Repeat("f", 40) + " 0", "eval return 2", "eval oops( 0",
	"eval return{redis.call('get',KEYS[1])} x", "script load return{redis.call('get',KEYS[1])}",
	"evalsha 32c3194c6b491a051924d4f29ae5e16aaaea3803 1 n", "evalsha 32c3194c6b491a051924d4f29ae5e16aaaea3803 1 n", "fcall none 0",
	"multi", "eval return{redis.call('get',KEYS[1])} 1 n", "evalsha " + strings.Repeat("f", 40) + " 0", "exec", "del n",
	"incr a", "del a list long s x", "select 0", "swapdb 0 1", "swapdb 0 1",
}

// run runs a line; "" is an empty argument.
func (c *testConn) run(line string) string {
	args := strings.Fields(line)
	if strings.ContainsAny(line, "\t") {
		args = strings.SplitN(line, " ", 3)
	}
	for i, arg := range args {
		if arg == `""` {
			args[i] = ""
		}
	}
	return c.call(args...)
}

var monitorTime = regexp.MustCompile(`^\+\d{10}\.\d{6} \[(\d+) \S+\]`)

// monitorLines reads what a monitor sees until the line that has mark.
func (c *testConn) monitorLines(mark string) (lines []string) {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", lines, err)
		}
		if strings.Contains(line, mark) {
			return lines
		}
		if !monitorTime.MatchString(line) {
			c.t.Errorf("monitor line %q", line)
		}
		lines = append(lines, monitorTime.ReplaceAllString(line, "[$1]"))
	}
}

func TestMonitorSameAsRedis(t *testing.T) {
	redis, ours := redisAddr(t), serveNode(t, servedOptions{}).addr
	var seen [2][]string
	for i, addr := range []string{redis, ours} {
		m, c := dial(t, "tcp", addr), dial(t, "tcp", addr)
		m.check("monitor", "+OK\r\n")
		for _, line := range tracedLines {
			c.run(line)
		}
		c.call("echo", "the end")
		seen[i] = m.monitorLines("the end")
	}
	for i := range max(len(seen[0]), len(seen[1])) {
		var want, got string
		if i < len(seen[0]) {
			want = seen[0][i]
		}
		if i < len(seen[1]) {
			got = seen[1][i]
		}
		if got != want {
			t.Fatalf("line %d:\n got %q\nwant %q", i, got, want)
		}
	}
}

// What a client in MONITOR may do itself, and how it leaves.
func TestMonitorState(t *testing.T) {
	redis, ours := redisAddr(t), serveNode(t, servedOptions{}).addr
	var seen [2][]string
	for i, addr := range []string{redis, ours} {
		m, other := dial(t, "tcp", addr), dial(t, "tcp", addr)
		note := func(s string) { seen[i] = append(seen[i], monitorTime.ReplaceAllString(s, "[$1]")) }
		note(m.call("multi"))
		note(m.call("monitor"))
		note(m.call("exec"))
		note(m.call("monitor"))
		for _, line := range []string{"get a", "set a b", "publish a b", "config get hz"} {
			note(m.call(strings.Fields(line)...))
		}
		m.send(wireCommand("monitor") + wireCommand("ping"))
		note(m.wire())
		note(m.wire())
		if list := other.call("client", "list"); !strings.Contains(list, " flags=O ") {
			t.Errorf("%s: no monitor in %q", addr, list)
		}
		note(m.call("reset"))
		other.call("echo", "unseen")
		note(m.call("get", "a"))
	}
	if !slices.Equal(seen[0], seen[1]) {
		t.Errorf("\n got %q\nwant %q", seen[1], seen[0])
	}
}

// All monitors see the same lines, and those of one key in the order in which
// its commands ran.
func TestMonitorsSeeOneOrder(t *testing.T) {
	n := serveNode(t, servedOptions{})
	monitors := []*testConn{n.dial(t), n.dial(t)}
	for _, m := range monitors {
		m.check("monitor", "+OK\r\n")
	}
	const clients, each = 4, 200
	done := make(chan bool)
	for i := range clients {
		c := n.dial(t)
		go func() {
			for j := range each {
				c.call("append", "log", fmt.Sprintf("%d:%d;", i, j))
			}
			done <- true
		}()
	}
	for range clients {
		<-done
	}
	c := n.dial(t)
	log := c.call("get", "log")
	c.call("echo", "the end")
	first := monitors[0].monitorLines("the end")
	if second := monitors[1].monitorLines("the end"); !slices.Equal(first, second) {
		t.Error("two monitors saw different lines")
	}
	var told strings.Builder
	for _, line := range first {
		if fields := strings.Split(line, `"`); len(fields) > 5 && fields[1] == "append" {
			told.WriteString(fields[5])
		}
	}
	if !strings.Contains(log, "\r\n"+told.String()+"\r\n") {
		t.Errorf("the value is %.200q, the monitors saw %.200q", log, told.String())
	}
}

// A monitor that does not read is closed, and nobody waits for it.
func TestSlowMonitorIsCutOff(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) { c.Server.ClientOutputBufferLimit.PubSub.Hard = 1 << 20 }})
	m, c := n.dial(t), n.dial(t)
	m.Conn.(*net.TCPConn).SetReadBuffer(4096)
	m.check("monitor", "+OK\r\n")
	value := strings.Repeat("x", 100<<10)
	eventually(t, "the monitor is closed", func() bool {
		c.call("set", "k", value)
		return n.d.server.Stats().OutputBufferDisconnects == 1
	})
	eventually(t, "nothing is shown any more", func() bool { return !n.d.monitors.used() })
	c.check("ping", "+PONG\r\n")
}

// slowEntries are arguments and client names of the slow log, oldest first.
func (c *testConn) slowEntries() (entries []string) {
	c.t.Helper()
	c.send(wireCommand("slowlog", "get", "-1"))
	header, _ := c.r.ReadString('\n')
	var n int
	fmt.Sscanf(header, "*%d", &n)
	for range n {
		if line, _ := c.r.ReadString('\n'); line != "*6\r\n" {
			c.t.Fatalf("entry begins with %q", line)
		}
		id := c.wire()
		c.wire() // time
		c.wire() // duration
		args := c.wire()
		c.wire() // address
		entries = append(entries, id+args+c.wire())
	}
	slices.Reverse(entries)
	return entries
}

func TestSlowlogOfBlocked(t *testing.T) {
	redis, ours := redisAddr(t), serveNode(t, servedOptions{}).addr
	var seen [2][]string
	for i, addr := range []string{redis, ours} {
		c, waiting := dial(t, "tcp", addr), dial(t, "tcp", addr)
		c.check("slowlog reset", "+OK\r\n")
		waiting.check("ping", "+PONG\r\n")
		c.check("config set slowlog-log-slower-than 0 slowlog-max-len 1000", "+OK\r\n")
		// What blocks is there once it was served, with its own arguments.
		waiting.send(wireCommand("blpop", "q", "0"))
		eventually(t, "blocked", func() bool { return strings.Contains(c.call("info", "clients"), "blocked_clients:1\r") })
		c.check("slowlog reset", "+OK\r\n")
		c.call("rpush", "q", "v")
		waiting.wire()
		c.check("config set slowlog-log-slower-than -1", "+OK\r\n")
		seen[i] = c.slowEntries()
		c.check("slowlog reset", "+OK\r\n")
		c.check("slowlog len", ":0\r\n")
	}
	ids := regexp.MustCompile(`^:\d+`) // how often INFO was asked differs
	for i := range seen {
		for j := range seen[i] {
			seen[i][j] = ids.ReplaceAllString(seen[i][j], "")
		}
		// Who is served is recorded before the command that served, not after it.
		slices.Sort(seen[i])
	}
	if !slices.Equal(seen[0], seen[1]) {
		t.Errorf("\n got %q\nwant %q", seen[1], seen[0])
	}
}

func TestSlowlogSameAsRedis(t *testing.T) {
	redis, ours := redisAddr(t), serveNode(t, servedOptions{}).addr
	var seen [2][]string
	for i, addr := range []string{redis, ours} {
		c := dial(t, "tcp", addr)
		c.check("config set slowlog-log-slower-than 0 slowlog-max-len 1000", "+OK\r\n")
		c.check("slowlog reset", "+OK\r\n")
		for _, line := range tracedLines {
			c.run(line)
		}
		c.send(strings.Repeat(wireCommand("incr", "n"), 50))
		for range 50 {
			c.wire()
		}
		c.check("config set slowlog-log-slower-than -1", "+OK\r\n")
		seen[i] = c.slowEntries()
	}
	for i := range max(len(seen[0]), len(seen[1])) {
		if i >= len(seen[0]) || i >= len(seen[1]) || seen[0][i] != seen[1][i] {
			t.Fatalf("entry %d of %d, %d:\n got %q\nwant %q", i, len(seen[1]), len(seen[0]), seen[1][min(i, len(seen[1])-1)], seen[0][min(i, len(seen[0])-1)])
		}
	}
}

// Above a millisecond, alike commands of a pipeline are timed together: what is
// slow shows all the same.
func TestSlowPipeline(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.check("config set slowlog-log-slower-than 50000 latency-monitor-threshold 50", "+OK\r\n")
	client, shard := n.d.server.Clients().All()[0], store.MakeKey([]byte("k")).Shard()
	n.store.LockShard(shard)
	c.send(strings.Repeat(wireCommand("get", "k"), 10))
	eventually(t, "GET waits for the lock", func() bool { return strings.Contains(string(client.AppendInfo(nil, time.Now())), " cmd=get ") })
	time.Sleep(60 * time.Millisecond) // how slow it is
	n.store.UnlockShard(shard)
	for range 10 {
		c.wire()
	}
	if all := strings.Join(c.slowEntries(), ""); !strings.Contains(all, "get") {
		t.Errorf("slow log %q", all)
	}
	if got := c.call("latency", "latest"); !strings.Contains(got, "fast-command") {
		t.Errorf("latency events %q", got)
	}
}

func TestHistogram(t *testing.T) {
	for nanos := int64(0); nanos < int64(time.Second); nanos = nanos*9/8 + 1 {
		b := bucketOf(nanos)
		if high := highestIn(b); high < nanos || high-nanos > max(nanos/128, 0) || bucketOf(high) != b || b > 0 && highestIn(b-1) >= nanos {
			t.Fatalf("%d ns: bucket %d ends at %d", nanos, b, highestIn(b))
		}
	}
	if b := bucketOf(int64(time.Hour)); b != bucketOf(histogramMax) || b >= histogramBuckets {
		t.Errorf("an hour is in bucket %d of %d", b, histogramBuckets)
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	h := new(histogram)
	values := make([]int64, 10000)
	for i := range values {
		values[i] = int64(r.ExpFloat64() * 50000)
		h.add(1, time.Duration(values[i]))
	}
	slices.Sort(values)
	s := h.snapshot()
	if s.total != int64(len(values)) {
		t.Errorf("%d values, want %d", s.total, len(values))
	}
	for _, p := range []float64{0, 1, 50, 99, 99.9, 100} {
		want := highestIn(bucketOf(values[max(int(p/100*float64(len(values))+0.5), 1)-1]))
		if got := s.percentile(p); got != want {
			t.Errorf("p%v: %d, want %d", p, got, want)
		}
	}
	last := histogramStep{}
	for _, step := range s.steps() {
		if step.micros <= last.micros || step.count <= last.count {
			t.Errorf("step %v after %v", step, last)
		}
		below := int64(0)
		for _, v := range values {
			if v/1000 <= step.micros {
				below++
			}
		}
		// Values of the same microsecond may lie above the bucket's end.
		if step.count > below || below-step.count > int64(len(values))/20 {
			t.Errorf("step %v, but %d values are as short", step, below)
		}
		last = step
	}
	if last.count != s.total {
		t.Errorf("the last step is %v of %d", last, s.total)
	}
}

// The steps are those that Redis prints.
func TestHistogramSteps(t *testing.T) {
	h := new(histogram)
	for us := time.Duration(1); us < 600000; us *= 2 {
		h.add(1, us*1024)
	}
	var micros []int64
	s := h.snapshot()
	for _, step := range s.steps() {
		micros = append(micros, step.micros)
	}
	want := []int64{1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633, 135266, 270532, 541065}
	if !slices.Equal(micros, want) {
		t.Errorf("steps %v, want %v", micros, want)
	}
}

func TestLatencyEvents(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.check("latency latest", "*0\r\n")
	c.check("debug sleep 0.02", "+OK\r\n")
	c.check("latency latest", "*0\r\n")
	c.check("config set latency-monitor-threshold 10", "+OK\r\n")
	c.check("debug sleep 0.02", "+OK\r\n")
	if got := c.call("latency", "latest"); !strings.HasPrefix(got, "*1\r\n*4\r\n$7\r\ncommand\r\n:") {
		t.Errorf("LATENCY LATEST %q", got)
	}
	if got := c.call("latency", "history", "command"); !strings.HasPrefix(got, "*1\r\n*2\r\n:") {
		t.Errorf("LATENCY HISTORY %q", got)
	}
	for _, sub := range []string{"graph command", "doctor"} {
		if got := c.call(append([]string{"latency"}, strings.Fields(sub)...)...); !strings.Contains(got, "command") {
			t.Errorf("LATENCY %s: %q", sub, got)
		}
	}
	c.check("latency reset nosuch command", ":1\r\n")
	c.check("latency reset", ":0\r\n")

	var l latencyEvents
	start := time.Unix(1000, 0)
	for i := range 200 {
		l.add("e", start.Add(time.Duration(i)*time.Second), time.Duration(i%7+1)*time.Millisecond)
	}
	l.add("e", start.Add(199*time.Second), time.Second)
	samples, highest := l.history("e")
	if len(samples) != latencySamples || samples[0].second != 1040 || samples[latencySamples-1] != (latencySample{1199, 1000}) || highest != 1000 {
		t.Errorf("%d samples from %v to %v, highest %d", len(samples), samples[0], samples[len(samples)-1], highest)
	}
	graph := drawLatency("e", samples, highest, start.Add(5*time.Minute))
	if lines := strings.Split(graph, "\n"); len(lines[1]) != graphColumns || !strings.Contains(graph, "e - high 1000 ms, low 1 ms (all time high 1000 ms)") {
		t.Errorf("graph:\n%s", graph)
	}
}

func TestLatencyHistogramAndInfo(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	c.check("config resetstat", "+OK\r\n")
	for range 3 {
		c.call("set", "a", "b")
	}
	c.call("client", "id")
	if got := c.call("latency", "histogram", "set", "nosuch", "get"); !strings.HasPrefix(got, "*2\r\n$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n") {
		t.Errorf("LATENCY HISTOGRAM %q", got)
	}
	for _, name := range []string{"client", "client|id"} {
		if got := c.call("latency", "histogram", name); !strings.HasPrefix(got, "*2\r\n$9\r\nclient|id\r\n") {
			t.Errorf("LATENCY HISTOGRAM %s: %q", name, got)
		}
	}
	c.check("config set latency-tracking-info-percentiles 50 latency-tracking no", "+OK\r\n")
	c.call("set", "a", "b")
	c.check("info latencystats", "$16\r\n# Latencystats\r\n\r\n")
	c.check("config set latency-tracking yes", "+OK\r\n")
	if got := c.call("info", "latencystats"); !regexp.MustCompile(`latency_percentiles_usec_set:p50=\d+\.\d{3}\r\n`).MatchString(got) {
		t.Errorf("INFO latencystats %q", got)
	}
	// The four calls and the one that was not observed.
	if got := c.infoField("cmdstat_set", "info", "commandstats"); !strings.HasPrefix(got, "calls=4,") {
		t.Errorf("cmdstat_set %q", got)
	}
}

func TestClientEviction(t *testing.T) {
	n := serveNode(t, servedOptions{})
	c := n.dial(t)
	big, safe, small := n.dial(t), n.dial(t), n.dial(t)
	small.check("ping", "+PONG\r\n")
	safe.check("client no-evict on", "+OK\r\n")
	c.check("config set maxmemory-clients 1mb", "+OK\r\n")
	for _, victim := range []*testConn{big, safe} {
		victim.send("*2\r\n$3\r\nGET\r\n$2000000\r\n" + strings.Repeat("x", 1500000))
	}
	big.expectEOF()
	if got := c.infoField("evicted_clients", "info", "stats"); got != "1" {
		t.Errorf("%s clients evicted", got)
	}
	small.check("ping", "+PONG\r\n")
	safe.send(strings.Repeat("x", 500000) + "\r\n")
	if got := safe.wire(); got != "$-1\r\n" {
		t.Errorf("the client with NO-EVICT got %q", got)
	}
	// A transaction counts, and the limit acts at once when it is set.
	c.check("config set maxmemory-clients 0", "+OK\r\n")
	small.check("multi", "+OK\r\n")
	small.call("set", "k", strings.Repeat("x", 1<<20))
	c.check("config set maxmemory-clients 300kb", "+OK\r\n")
	small.expectEOF()
}
