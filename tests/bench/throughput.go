package main

import (
	"fmt"
	"os/exec"
	"strings"
)

var throughputGoals = func() map[string]goal {
	goals := make(map[string]goal)
	for _, g := range []struct {
		pipeline        int
		throughput, cpu float64
	}{{1, 0.9, 1.05}, {16, 1.6, 0.6}, {128, 3, 0.4}} {
		for _, command := range []string{"GET", "SET"} {
			row := throughputRow(command, g.pipeline)
			goals[row+", throughput"] = ratioAtLeast(g.throughput)
			goals[row+", server CPU"] = ratioAtMost(g.cpu)
		}
	}
	return goals
}()

func throughputRow(command string, pipeline int) string {
	return fmt.Sprintf("%s, pipeline %d", command, pipeline)
}

// measureThroughput: GET and SET at three pipeline depths, each round on a
// fresh server that holds every key.
func measureThroughput(o *options) (string, error) {
	redis, respkv := versus(o)
	err := alternate(o.rounds, redis, respkv, func(c *contender) error { return c.throughput(o) })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d clients, %d keys of 16 bytes, %d-byte values, medians of %d rounds of %v s, load by %s.\n\n",
		o.clients, o.keys, o.valueSize, o.rounds, o.seconds, o.generator) + compared(redis, respkv, throughputGoals), nil
}

func (c *contender) throughput(o *options) error {
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
			if interrupted.Load() {
				return errInterrupted
			}
			// A short run tells how many requests fill the time.
			perSecond, _, err := s.load(o, command, pipeline, max(o.clients*pipeline, int(20_000*o.seconds)))
			if err != nil {
				return err
			}
			perSecond, micros, err := s.load(o, command, pipeline, max(o.clients*pipeline, int(perSecond*o.seconds)))
			if err != nil {
				return err
			}
			row := throughputRow(command, pipeline)
			c.add(row+", throughput", "requests/s", perSecond)
			c.add(row+", server CPU", "µs/request", micros)
		}
	}
	return nil
}

// load sends requests and returns how many were answered a second, and the
// server's CPU time for one in microseconds.
func (s *server) load(o *options, command string, pipeline, requests int) (perSecond, micros float64, err error) {
	before, err := cpuSeconds(s.pid())
	if err != nil {
		return 0, 0, err
	}
	if o.generator == "own" {
		l := loader{addr: s.addr(), clients: o.clients, pipeline: pipeline, set: command == "SET", keys: o.keys, valueSize: o.valueSize}
		perSecond, err = l.run(requests)
	} else {
		perSecond, err = s.redisBenchmark(o, command, pipeline, requests)
	}
	if err != nil {
		return 0, 0, err
	}
	after, err := cpuSeconds(s.pid())
	return perSecond, (after - before) * 1e6 / float64(requests), err
}

func (s *server) redisBenchmark(o *options, command string, pipeline, requests int) (perSecond float64, err error) {
	out, err := exec.Command("redis-benchmark", "-h", "127.0.0.1", "-p", fmt.Sprint(s.port), "--csv",
		"-t", strings.ToLower(command), "-c", fmt.Sprint(o.clients), "-d", fmt.Sprint(o.valueSize), "-r", fmt.Sprint(o.keys),
		"-P", fmt.Sprint(pipeline), "-n", fmt.Sprint(requests)).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) > 1 && strings.Trim(fields[0], `"`) == command {
			if _, err := fmt.Sscanf(strings.Trim(fields[1], `"`), "%g", &perSecond); err != nil {
				return 0, fmt.Errorf("redis-benchmark printed %q", line)
			}
			return perSecond, nil
		}
	}
	return 0, fmt.Errorf("redis-benchmark printed no %s:\n%s", command, out)
}
