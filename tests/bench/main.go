// Command bench measures respkv beside redis-server, on the same machine, in
// alternating runs, and writes the table of docs/benchmarks.md. "make bench"
// runs it. Each run starts a fresh server; what is reported is the median of
// the runs.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

type options struct {
	redis, respkv, write string
	rounds               int
	keys                 int // keyspace of the speed runs
	seconds              float64
	memoryKeys           int
	clients, valueSize   int
	speed, memory        bool
	hitRatios            bool
	hitRatio             hitRatioOptions
}

func main() {
	var o options
	flag.StringVar(&o.redis, "redis", "redis-server", "redis-server binary to compare with")
	flag.StringVar(&o.respkv, "respkv", "bin/respkv", "respkv binary; a redis-server measures the noise")
	flag.StringVar(&o.write, "write", "", "file to write the table into, between its markers; empty prints it only")
	flag.IntVar(&o.rounds, "rounds", 3, "runs of each server, alternating")
	flag.IntVar(&o.keys, "keys", 1_000_000, "keys of the speed runs")
	flag.Float64Var(&o.seconds, "seconds", 8, "length of one measurement, about")
	flag.IntVar(&o.memoryKeys, "memory-keys", 5_000_000, "keys of the memory runs")
	flag.IntVar(&o.clients, "clients", 50, "client connections")
	flag.IntVar(&o.valueSize, "value-size", 64, "bytes of a value in the speed runs")
	flag.BoolVar(&o.speed, "speed", true, "measure throughput and CPU time")
	flag.BoolVar(&o.memory, "memory", true, "measure memory")
	flag.BoolVar(&o.hitRatios, "hitratio", false, "measure hit ratios of eviction on traces, and nothing else")
	flag.StringVar(&o.hitRatio.traces, "traces", tracesDirectory(), "directory of traces")
	flag.StringVar(&o.hitRatio.policies, "policies", "allkeys-lru,allkeys-lfu,allkeys-random", "eviction policies")
	flag.StringVar(&o.hitRatio.shares, "shares", "1,5,10,25", "percentages of a trace's keys that fit")
	flag.IntVar(&o.hitRatio.valueSize, "trace-value-size", 512, "bytes of a value")
	flag.IntVar(&o.hitRatio.window, "window", 16, "requests of a trace sent at once")
	flag.Parse()
	do := run
	if o.hitRatios {
		do = measureHitRatios
	}
	if err := do(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	for _, tool := range []string{o.redis, o.respkv, "redis-benchmark"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	// A signal must not leave servers behind: end through the usual way out.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(interrupted)

	contenders := []*contender{{name: "redis-server", binary: o.redis}, {name: "respkv", binary: o.respkv}}
	for round := range o.rounds {
		for _, c := range contenders {
			select {
			case <-interrupted:
				return fmt.Errorf("interrupted")
			default:
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, c.name)
			if err := c.measure(o); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	table := report(o, contenders[0], contenders[1])
	fmt.Println(table)
	if o.write != "" {
		return writeBetweenMarkers(o.write, table)
	}
	return nil
}

// contender is one of the two servers and what was measured of it.
type contender struct {
	name, binary string
	results      []result // one for each row, in the order of measurement
}

// result is one row: a measured quantity, with a value for each round.
type result struct {
	name   string
	unit   string
	values []float64
}

func (c *contender) add(name, unit string, value float64) {
	for i := range c.results {
		if c.results[i].name == name {
			c.results[i].values = append(c.results[i].values, value)
			return
		}
	}
	c.results = append(c.results, result{name, unit, []float64{value}})
}

// median of a row; the row must exist.
func (c *contender) median(name string) float64 {
	for _, r := range c.results {
		if r.name == name {
			values := slices.Sorted(slices.Values(r.values))
			if n := len(values); n%2 == 0 {
				return (values[n/2-1] + values[n/2]) / 2
			}
			return values[len(values)/2]
		}
	}
	panic("bench: no row " + name) // both servers run through the same code
}

// measure runs everything once.
func (c *contender) measure(o options) error {
	if o.speed {
		if err := c.measureSpeed(o); err != nil {
			return err
		}
	}
	if o.memory {
		return c.measureMemory(o)
	}
	return nil
}

func (c *contender) measureSpeed(o options) error {
	s, err := startServer(c.binary)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.fill(o.keys, o.valueSize, 0); err != nil {
		return err
	}
	for _, pipeline := range []int{1, 16, 128} {
		for _, command := range []string{"GET", "SET"} {
			// A short run tells how many requests fill the time.
			perSecond, _, err := s.benchmark(o, command, pipeline, max(o.clients*pipeline, int(20_000*o.seconds)))
			if err != nil {
				return err
			}
			requests := max(o.clients*pipeline, int(perSecond*o.seconds))
			perSecond, micros, err := s.benchmark(o, command, pipeline, requests)
			if err != nil {
				return err
			}
			row := fmt.Sprintf("%s, pipeline %d", command, pipeline)
			c.add(row+", throughput", "requests/s", perSecond)
			c.add(row+", server CPU", "µs/request", micros)
		}
	}
	return nil
}

// benchmark runs redis-benchmark and returns requests a second and the server's
// CPU time for one request in microseconds.
func (s *server) benchmark(o options, command string, pipeline, requests int) (perSecond, micros float64, err error) {
	before, err := s.cpuSeconds()
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.Command("redis-benchmark", "-h", "127.0.0.1", "-p", fmt.Sprint(s.port), "--csv",
		"-t", strings.ToLower(command), "-c", fmt.Sprint(o.clients), "-d", fmt.Sprint(o.valueSize), "-r", fmt.Sprint(o.keys),
		"-P", fmt.Sprint(pipeline), "-n", fmt.Sprint(requests)).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("redis-benchmark: %w\n%s", err, out)
	}
	after, err := s.cpuSeconds()
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) > 1 && strings.Trim(fields[0], `"`) == command {
			if _, err := fmt.Sscanf(strings.Trim(fields[1], `"`), "%g", &perSecond); err != nil {
				return 0, 0, fmt.Errorf("redis-benchmark printed %q", line)
			}
			return perSecond, (after - before) * 1e6 / float64(requests), nil
		}
	}
	return 0, 0, fmt.Errorf("redis-benchmark printed no %s:\n%s", command, out)
}

func (c *contender) measureMemory(o options) error {
	for _, m := range []struct {
		name      string
		valueSize int
		expire    int // seconds; 0 none
	}{
		{"64-byte values", 64, 0},
		{"64-byte values, all with TTL", 64, 1_000_000},
		{"10-byte values", 10, 0},
	} {
		if err := c.measureFill(o, m.name, m.valueSize, m.expire); err != nil {
			return err
		}
	}
	return nil
}

func (c *contender) measureFill(o options, name string, valueSize, expire int) error {
	s, err := startServer(c.binary)
	if err != nil {
		return err
	}
	defer s.stop()
	empty, err := s.residentBytes()
	if err != nil {
		return err
	}
	if err := s.fill(o.memoryKeys, valueSize, expire); err != nil {
		return err
	}
	full, err := s.residentBytes()
	if err != nil {
		return err
	}
	if expire == 0 && valueSize == 64 {
		c.add("empty server, resident", "MB", empty/1e6)
	}
	c.add(name+", resident", "bytes/key", (full-empty)/float64(o.memoryKeys))
	return nil
}
