package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// ParseMemory reads a size as Redis writes it: digits, then nothing or b, k
// (1000), kb (1024), m, mb, g, gb in any case. Like Redis it takes no digits
// for 0 and what does not fit for the largest number.
func ParseMemory(s string) (uint64, error) {
	digits := len(s)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			digits = i
			break
		}
	}
	var unit uint64
	switch strings.ToLower(s[digits:]) {
	case "", "b":
		unit = 1
	case "k":
		unit = 1000
	case "kb":
		unit = 1 << 10
	case "m":
		unit = 1000 * 1000
	case "mb":
		unit = 1 << 20
	case "g":
		unit = 1000 * 1000 * 1000
	case "gb":
		unit = 1 << 30
	default:
		return 0, errNotMemory
	}
	if digits == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(s[:digits], 10, 64)
	if err != nil || n > math.MaxUint64/unit {
		return math.MaxUint64, nil // digits only, so the error is the range
	}
	return n * unit, nil
}

// formatMemory writes the largest power-of-two unit that keeps the size whole.
func formatMemory(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "gb"}, {1 << 20, "mb"}, {1 << 10, "kb"}} {
		if n != 0 && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// memory is a number of bytes.
type memory struct {
	p         *int64
	low, high int64
	percent   bool // also "40%" of what this process may use
}

func memoryValue(field func(*Config) *int64, low, high int64) func(*Config) value {
	return func(c *Config) value { return memory{p: field(c), low: low, high: high} }
}

func memoryOrPercentValue(field func(*Config) *int64) func(*Config) value {
	return func(c *Config) value { return memory{p: field(c), high: math.MaxInt64, percent: true} }
}

func (v memory) setRedis(s string) error {
	if share, ok := strings.CutSuffix(s, "%"); ok && v.percent {
		return v.setShare(share)
	}
	n, err := ParseMemory(s)
	if err != nil {
		return err
	}
	if v.percent {
		n = min(n, math.MaxInt64) // maxmemory is unsigned in Redis; no machine has so much
	}
	if n < uint64(v.low) || n > uint64(v.high) {
		return errNotBetween(v.low, v.high)
	}
	*v.p = int64(n)
	return nil
}

func (v memory) setShare(share string) error {
	n, err := strconv.ParseUint(share, 10, 8)
	if err != nil || n < 1 || n > 100 {
		return errors.New("argument must be a memory or percent value")
	}
	total, err := memoryLimit(os.ReadFile)
	if err != nil {
		return fmt.Errorf("a percent value needs the size of this machine's memory: %w", err)
	}
	*v.p = total / 100 * int64(n)
	return nil
}

// set is stricter than CONFIG SET: an empty value in a file is a mistake.
func (v memory) set(s string) error {
	s = strings.TrimSpace(s)
	if s == "" || s[0] < '0' || s[0] > '9' {
		return errNotMemory
	}
	return v.setRedis(s)
}
func (v memory) text() string  { return formatMemory(*v.p) }
func (v memory) redis() string { return strconv.FormatInt(*v.p, 10) }
func (v memory) kind() string  { return "memory size" }

func (v memory) allowed() string {
	s := "a memory size (bytes, or with k, kb, m, mb, g, gb) from " + formatMemory(v.low)
	if v.high < math.MaxInt64 {
		s += " to " + formatMemory(v.high)
	}
	if v.percent {
		s += ", or 1% to 100% of the memory of the machine or container"
	}
	return s
}

// memoryLimit is what this process may use: the container's limit where there
// is one below the machine's memory, else the machine's memory.
func memoryLimit(readFile func(string) ([]byte, error)) (int64, error) {
	info, err := readFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for line := range strings.Lines(string(info)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("MemTotal in /proc/meminfo: %w", err)
			}
			total = kilobytes << 10
		}
	}
	if total == 0 {
		return 0, errors.New("no MemTotal in /proc/meminfo")
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := readFile(file)
		if err != nil {
			continue // that cgroup version is not mounted here
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && n < total {
			total = n
		}
	}
	return total, nil
}
