package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// trace is a sequence of accesses to keys numbered from 0.
type trace struct {
	name     string
	accesses []int32
	keys     int
}

// traceFormats are the files looked for in the directory of traces, and what a
// line of each means.
var traceFormats = []struct {
	file   string
	ranges bool // first, number, ...: accesses to first, first+1, ...; else one key
}{
	{"oltp.gz", true},
	{"cloudphysics-io.gz", false},
}

// readTraces reads those that are in dir. Error: there is none, or one is
// malformed.
func readTraces(dir string) ([]*trace, error) {
	if dir == "" {
		return nil, errors.New("no directory of traces given (-traces, or TRACES in the environment)")
	}
	var traces []*trace
	for _, f := range traceFormats {
		t, err := readTrace(filepath.Join(dir, f.file), f.ranges)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		traces = append(traces, t)
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("no traces in %s", dir)
	}
	return traces, nil
}

func readTrace(file string, ranges bool) (*trace, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	t := &trace{name: strings.TrimSuffix(filepath.Base(file), ".gz")}
	numbers := make(map[string]int32)
	access := func(key string) {
		n, known := numbers[key]
		if !known {
			n = int32(len(numbers))
			numbers[key] = n
		}
		t.accesses = append(t.accesses, n)
	}
	lines := bufio.NewScanner(z)
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
		case !ranges:
			access(fields[0])
		case len(fields) < 2:
			return nil, fmt.Errorf("%s: line %d is no range", file, number)
		default:
			first, err1 := strconv.ParseUint(fields[0], 10, 63)
			count, err2 := strconv.ParseUint(fields[1], 10, 20)
			if err := errors.Join(err1, err2); err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", file, number, err)
			}
			for block := first; block < first+count; block++ {
				access(strconv.FormatUint(block, 10))
			}
		}
	}
	t.keys = len(numbers)
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}
