package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Markers of the part of docs/benchmarks.md that is written.
const (
	beginMarker = "<!-- bench: begin -->"
	endMarker   = "<!-- bench: end -->"
)

// goals are the ratios to redis-server that the project holds itself to.
var goals = map[string]string{
	"GET, pipeline 1, throughput":            "≥ 0.9",
	"SET, pipeline 1, throughput":            "≥ 0.9",
	"GET, pipeline 1, server CPU":            "≤ 1.05",
	"SET, pipeline 1, server CPU":            "≤ 1.05",
	"GET, pipeline 16, throughput":           "≥ 1.6",
	"SET, pipeline 16, throughput":           "≥ 1.6",
	"GET, pipeline 16, server CPU":           "≤ 0.6",
	"SET, pipeline 16, server CPU":           "≤ 0.6",
	"GET, pipeline 128, throughput":          "≥ 3",
	"SET, pipeline 128, throughput":          "≥ 3",
	"GET, pipeline 128, server CPU":          "≤ 0.4",
	"SET, pipeline 128, server CPU":          "≤ 0.4",
	"64-byte values, resident":               "≤ 0.65",
	"64-byte values, all with TTL, resident": "≤ 0.55",
	"10-byte values, resident":               "≤ 0.5",
	"empty server, resident":                 "< 30 MB",
}

// report is the table, with what is needed to run it again.
func report(o options, base, subject *contender) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %s, %d cores, %s, client and server on the same machine.\n",
		time.Now().UTC().Format("2006-01-02"), cpuModel(), runtime.NumCPU(), kernel())
	fmt.Fprintf(&b, "Compared: %s and %s, in alternating runs, medians of %d; %d clients, %d keys, %d-byte values; memory with %d keys of 16 bytes.\n",
		versionOf(base.binary), versionOf(subject.binary), o.rounds, o.clients, o.keys, o.valueSize, o.memoryKeys)
	fmt.Fprintf(&b, "Command: `%s`.\n\n", commandLine())
	b.WriteString("| Measurement | Unit | redis-server | respkv | Ratio | Goal |\n|---|---|---:|---:|---:|---:|\n")
	for _, r := range base.results {
		x, y := base.median(r.name), subject.median(r.name)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f | %s |\n", r.name, r.unit, number(x), number(y), y/x, goals[r.name])
	}
	return b.String()
}

func number(x float64) string {
	switch {
	case x >= 1000:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// commandLine is how to repeat the run: "make bench" builds first.
func commandLine() string {
	return strings.Join(append([]string{"go run ./tests/bench"}, os.Args[1:]...), " ")
}

func versionOf(binary string) string {
	for _, flag := range []string{"--version"} {
		if out, err := exec.Command(binary, flag).Output(); err == nil {
			words := strings.Fields(string(out))
			for _, w := range words {
				if v, ok := strings.CutPrefix(w, "v="); ok {
					return "redis-server " + v
				}
			}
			return strings.Join(words, " ")
		}
	}
	return binary
}

func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(model)
			}
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(data))
}

func writeBetweenMarkers(file, table string) error {
	return writeBetween(file, beginMarker, endMarker, table)
}

// writeBetween replaces what lies between two markers in a file.
func writeBetween(file, begin, end, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: no markers %s and %s", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+text+end+after), 0o644)
}
