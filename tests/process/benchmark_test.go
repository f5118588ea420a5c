package process

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"respkv/tests/process/harness"
)

var perSecond = regexp.MustCompile(`(?m)^([A-Z_]+).*?: ([0-9.]+) requests per second`)

// runBenchmark runs a short redis-benchmark and fails if any of its tests gave
// no result. The speed itself is for make bench.
func runBenchmark(t *testing.T, n *harness.Node, tests int, args ...string) {
	t.Helper()
	args = append([]string{"-h", n.Host, "-p", strconv.Itoa(n.Port), "-q", "-c", "20", "-r", "10000"}, args...)
	out := harness.Run(t, 2*harness.Patience, "", harness.Tool(t, "redis-benchmark"), args...)
	out = strings.ReplaceAll(out, "\r", "\n") // progress is drawn over
	results := perSecond.FindAllStringSubmatch(out, -1)
	if len(results) != tests {
		t.Errorf("%d results, want %d:\n%s", len(results), tests, out)
	}
}

func TestRedisBenchmark(t *testing.T) {
	n := harness.StartStandalone(t)
	for name, args := range map[string][]string{
		"plain":        {"-n", "10000", "-t", "ping_inline,ping_mbulk,set,get,incr"},
		"pipelined":    {"-n", "50000", "-P", "16", "-t", "ping_inline,ping_mbulk,set,get,incr"},
		"two threads":  {"-n", "20000", "--threads", "2", "-t", "ping_inline,ping_mbulk,set,get,incr"},
		"large values": {"-n", "2000", "-d", "100000", "-t", "ping_inline,ping_mbulk,set,get,incr"},
	} {
		t.Run(name, func(t *testing.T) { runBenchmark(t, n, 5, args...) })
	}
}

func TestRedisBenchmarkCluster(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	runBenchmark(t, c.Nodes[0], 3, "-n", "20000", "--cluster", "-t", "set,get,incr")
	runBenchmark(t, c.Nodes[0], 3, "-n", "20000", "--cluster", "--threads", "2", "-P", "16", "-t", "set,get,incr")
}
