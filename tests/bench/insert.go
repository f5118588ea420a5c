package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// measureInsert: the worst single insert while the store grows. It is the
// store's own benchmark, on the CPU time of its thread: what a client sees of
// single operations is the scheduler's noise.
func measureInsert(o *options) (string, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkInsert$",
		"-benchtime", strconv.Itoa(o.inserts)+"x", "-count", strconv.Itoa(o.rounds), "-timeout", "1h", "./store")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	c := &contender{name: "insert"}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "BenchmarkInsert") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return "", fmt.Errorf("go test printed %q", line)
			}
			c.add(fields[i+1], "", value)
		}
	}
	if len(c.results) == 0 {
		return "", fmt.Errorf("go test printed no result:\n%s", out)
	}
	rows := []struct {
		metric, name string
		of           func(c *contender, metric string) float64
		scale        float64 // to µs
		goal         goal
	}{
		{"ns/op", "mean", (*contender).median, 1e-3, goal{}},
		{"µs-p99.99", "99.99 % below", (*contender).median, 1, goal{}},
		{"µs-worst", "worst", (*contender).max, 1, goal{"< 5000", func(_, value float64) bool { return value < 5000 }}},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d keys of 16 bytes with 64-byte values inserted into an empty store, CPU time of each insert, medians of %d rounds; the worst of all rounds.\n\n", o.inserts, o.rounds)
	b.WriteString("| Insert | µs | Goal | Reached |\n|---|---:|---|---|\n")
	for _, r := range rows {
		value := r.of(c, r.metric) * r.scale
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, number(value), r.goal.cells(0, value))
	}
	return b.String(), nil
}
