package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// benchTests are redis-benchmark's whole default list, by the names that -t takes.
// Those of lrange are one name there, since they need its list.
var benchTests = []string{
	"ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop",
	"zadd", "zpopmin", "lrange", "mset",
}

// evalScript is what the row of EVALSHA runs, beside the default list.
const evalScript = "return redis.call('get',KEYS[1])"

const evalRow = "EVALSHA (GET)"

// commandGoal is what the throughput of a test is held against.
func commandGoal(test string, pipeline int) goal {
	switch {
	case test == evalRow:
		return ratioAtLeast(0.5)
	case pipeline == 1:
		return ratioAtLeast(0.9)
	}
	return ratioAtLeast(1.3)
}

// measureCommands: every test that redis-benchmark runs by default, at pipeline 1
// and 16.
func measureCommands(o *options) (string, error) {
	redis, respkv := versus(o)
	goals := make(map[string]goal)
	err := alternate(o.rounds, redis, respkv, func(c *contender) error { return c.commands(o, goals) })
	if err != nil {
		return "", err
	}
	seconds := o.commandSeconds()
	return fmt.Sprintf("redis-benchmark's default tests, and a script that reads a key: %d clients, %d keys, 3-byte values, medians of %d rounds of some %.1f s. CPU is the server's.\n\n",
		o.clients, o.keys, o.rounds, seconds) + compared(redis, respkv, goals), nil
}

// commandSeconds is the length of one measurement here, where there are many.
func (o *options) commandSeconds() float64 { return min(o.seconds, o.seconds/4+0.2) }

func (c *contender) commands(o *options, goals map[string]goal) error {
	s, err := startServer(c.binary)
	if err != nil {
		return err
	}
	defer s.stop()
	conn, err := dialClient(s.addr())
	if err != nil {
		return err
	}
	defer conn.close()
	sha, err := conn.ask("SCRIPT", "LOAD", evalScript)
	if err != nil {
		return err
	}
	script := []string{"EVALSHA", string(sha), "1", "key:__rand_int__"}
	for _, pipeline := range []int{1, 16} {
		for _, test := range append(benchTests[:len(benchTests):len(benchTests)], evalRow) {
			if interrupted.Load() {
				return errInterrupted
			}
			args := []string{"-t", test}
			if test == evalRow {
				args = script
			}
			results, err := s.benchmarkFor(o, args, pipeline)
			if err != nil {
				return err
			}
			for _, r := range results {
				if test == evalRow {
					r.test = evalRow
				}
				row := throughputRow(r.test, pipeline)
				c.add(row, "requests/s", r.perSecond)
				goals[row] = commandGoal(r.test, pipeline)
				if test != "lrange" { // several tests in one run: whose CPU it was is not known
					c.add(row+", CPU", "µs/request", r.micros)
				}
			}
			if err := conn.do("FLUSHALL"); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchResult is what redis-benchmark says of one test.
type benchResult struct {
	test              string
	perSecond, micros float64
}

// benchmarkFor runs a test of redis-benchmark for about the time of a measurement.
func (s *server) benchmarkFor(o *options, args []string, pipeline int) ([]benchResult, error) {
	least := o.clients * pipeline
	probe, err := s.benchmark(o, args, pipeline, max(least, int(5000*o.commandSeconds())))
	if err != nil {
		return nil, err
	}
	slowest := probe[0].perSecond
	for _, r := range probe {
		slowest = min(slowest, r.perSecond)
	}
	return s.benchmark(o, args, pipeline, max(least, int(slowest*o.commandSeconds())))
}

func (s *server) benchmark(o *options, args []string, pipeline, requests int) ([]benchResult, error) {
	before, err := cpuSeconds(s.pid())
	if err != nil {
		return nil, err
	}
	command := exec.Command("redis-benchmark", append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "--csv",
		"-c", strconv.Itoa(o.clients), "-r", strconv.Itoa(o.keys), "-P", strconv.Itoa(pipeline), "-n", strconv.Itoa(requests)}, args...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("redis-benchmark: %w\n%s", err, out)
	}
	after, err := cpuSeconds(s.pid())
	if err != nil {
		return nil, err
	}
	var results []benchResult
	r := csv.NewReader(strings.NewReader(string(out)))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("redis-benchmark printed no CSV: %w\n%s", err, out)
	}
	for _, line := range lines {
		if len(line) < 2 || line[0] == "test" || strings.HasPrefix(line[0], "LPUSH (needed") {
			continue
		}
		perSecond, err := strconv.ParseFloat(line[1], 64)
		if err != nil {
			return nil, fmt.Errorf("redis-benchmark printed %q", line)
		}
		results = append(results, benchResult{line[0], perSecond, (after - before) * 1e6 / float64(requests)})
	}
	if len(results) == 0 {
		return nil, errors.New("redis-benchmark printed no result: " + string(out))
	}
	return results, nil
}
