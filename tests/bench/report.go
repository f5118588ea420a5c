package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// header says when, where and of what a section was measured, and how to do it
// again.
func header(o *options) string {
	var b strings.Builder
	if o.quick {
		b.WriteString("**A quick run, to try the tool: the numbers mean nothing.**\n")
	}
	fmt.Fprintf(&b, "Measured %s on %s, %d cores, %s, clients and servers on the same cores.\n",
		time.Now().UTC().Format("2006-01-02"), cpuModel(), runtime.NumCPU(), kernel())
	fmt.Fprintf(&b, "%s at revision %s, %s, %s.\n", versionOf(o.respkv), revision(), runtime.Version(), versionOf(o.redis))
	fmt.Fprintf(&b, "Command: `%s`.\n", commandLine())
	return b.String()
}

// commandLine is how to repeat the run: "make bench" builds first.
func commandLine() string {
	return strings.Join(append([]string{"go run ./tests/bench"}, os.Args[1:]...), " ")
}

func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func versionOf(binary string) string {
	out, err := exec.Command(binary, "--version").Output()
	if err != nil {
		return binary
	}
	words := strings.Fields(string(out))
	for _, w := range words {
		if v, ok := strings.CutPrefix(w, "v="); ok {
			return "redis-server " + v
		}
	}
	return strings.Join(words, " ")
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

// writeBetween replaces what lies between the two markers of a section.
func writeBetween(file, section, text string) error {
	begin, end := "<!-- bench "+section+": begin -->", "<!-- bench "+section+": end -->"
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
