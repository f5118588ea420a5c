package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
)

type hitRatioOptions struct {
	traces    string // directory
	policies  string // comma-separated
	shares    string // percent of the keys that fit, comma-separated
	valueSize int
	window    int // requests sent at once
	requests  int // replayed; 0: all
}

// measureHitRatios replays the traces on both servers: GET, and SET on a miss.
// maxmemory is set, on each server, so that the same number of keys fits.
func measureHitRatios(o *options) (string, error) {
	traces, err := readTraces(o.hitRatio.traces)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSkip, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d-byte values, %d requests at a time. Goal: no worse anywhere.\n\n", o.hitRatio.valueSize, o.hitRatio.window)
	b.WriteString("| Trace | Policy | Keys that fit | redis-server, hits | respkv, hits | Difference |\n|---|---|---:|---:|---:|---:|\n")
	for _, t := range traces {
		if n := o.hitRatio.requests; n > 0 && n < len(t.accesses) {
			t.accesses = t.accesses[:n]
		}
		for policy := range strings.SplitSeq(o.hitRatio.policies, ",") {
			for share := range strings.SplitSeq(o.hitRatio.shares, ",") {
				row, err := o.hitRatioRow(t, policy, share)
				if err != nil {
					return "", err
				}
				progress("%s", strings.TrimSpace(row))
				b.WriteString(row)
			}
		}
	}
	return b.String(), nil
}

func (o *options) hitRatioRow(t *trace, policy, share string) (string, error) {
	percent, err := strconv.ParseFloat(share, 64)
	if err != nil || percent <= 0 {
		return "", fmt.Errorf("share %q is no percentage", share)
	}
	fit := max(1, int(float64(t.keys)*percent/100))
	var ratios [2]float64
	for i, binary := range []string{o.redis, o.respkv} {
		if interrupted.Load() {
			return "", errInterrupted
		}
		if ratios[i], err = o.hitRatio.measure(binary, t, policy, fit); err != nil {
			return "", fmt.Errorf("%s, %s, %s: %w", binary, t.name, policy, err)
		}
	}
	return fmt.Sprintf("| %s | %s | %d (%s %%) | %.2f %% | %.2f %% | %+.2f |\n",
		t.name, policy, fit, share, 100*ratios[0], 100*ratios[1], 100*(ratios[1]-ratios[0])), nil
}

func (o *hitRatioOptions) measure(binary string, t *trace, policy string, fit int) (ratio float64, err error) {
	s, err := startServer(binary)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	r, err := s.replayer(o.valueSize, o.window)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if err := r.fitKeys(fit, policy); err != nil {
		return 0, err
	}
	hits, err := r.replay(t)
	if err != nil {
		return 0, err
	}
	keys, err := r.number("DBSIZE")
	if err != nil {
		return 0, err
	}
	if keys < fit*9/10 || keys > fit*11/10 {
		progress("%s: %d keys fit at the end, %d were meant to", binary, keys, fit)
	}
	return float64(hits) / float64(len(t.accesses)), nil
}

// replayer is a connection that replays traces.
type replayer struct {
	*client
	value  []byte
	window int
}

func (s *server) replayer(valueSize, window int) (*replayer, error) {
	c, err := dialClient(s.addr())
	if err != nil {
		return nil, err
	}
	return &replayer{client: c, value: bytes.Repeat([]byte("v"), valueSize), window: max(window, 1)}, nil
}

func (r *replayer) sendSet(key string) {
	fmt.Fprintf(r.out, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(r.value), r.value)
}

// fitKeys sets policy and maxmemory so that fit keys fit: what they take without
// a limit is the first guess, corrected by how many stay.
func (r *replayer) fitKeys(fit int, policy string) error {
	if err := r.do("CONFIG", "SET", "maxmemory-policy", policy); err != nil {
		return err
	}
	empty, err := r.usedMemory()
	if err != nil {
		return err
	}
	if err := r.setKeys(0, fit); err != nil {
		return err
	}
	full, err := r.usedMemory()
	if err != nil {
		return err
	}
	limit := full
	const corrections = 4
	for n := range corrections {
		if err := r.do("CONFIG", "SET", "maxmemory", strconv.Itoa(limit)); err != nil {
			return err
		}
		if err := r.setKeys((n+1)*2*fit, 2*fit); err != nil {
			return err
		}
		keys, err := r.number("DBSIZE")
		if err != nil {
			return err
		}
		limit += (fit - keys) * (full - empty) / fit
	}
	if err := r.do("CONFIG", "SET", "maxmemory", strconv.Itoa(limit)); err != nil {
		return err
	}
	return r.do("FLUSHALL", "SYNC")
}

func (r *replayer) usedMemory() (int, error) {
	r.send("INFO", "memory")
	text, err := r.reply()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "used_memory:"); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("no used_memory in INFO")
}

// setKeys sets count keys that are in no trace.
func (r *replayer) setKeys(first, count int) error {
	for done := 0; done < count; {
		n := min(r.window, count-done)
		for i := range n {
			r.sendSet("f" + strconv.Itoa(first+done+i))
		}
		for range n {
			if _, err := r.reply(); err != nil {
				return err
			}
		}
		done += n
	}
	return nil
}

// replay returns the number of hits. A window of requests never names a key
// twice, so that the result is that of one request after the other.
func (r *replayer) replay(t *trace) (hits int, err error) {
	names := make([]string, 0, r.window)
	seen := make(map[int32]bool, r.window)
	for at := 0; at < len(t.accesses); {
		names = names[:0]
		clear(seen)
		for ; at < len(t.accesses) && len(names) < r.window && !seen[t.accesses[at]]; at++ {
			seen[t.accesses[at]] = true
			names = append(names, "k"+strconv.Itoa(int(t.accesses[at])))
			r.send("GET", names[len(names)-1])
		}
		missed := names[:0]
		for _, name := range names {
			text, err := r.reply()
			switch {
			case err != nil:
				return 0, err
			case text == nil:
				missed = append(missed, name)
			default:
				hits++
			}
		}
		for _, name := range missed {
			r.sendSet(name)
		}
		for range missed {
			if _, err := r.reply(); err != nil {
				return 0, err
			}
		}
	}
	return hits, nil
}

// tracesDirectory is the default of -traces.
func tracesDirectory() string { return cmp.Or(os.Getenv("TRACES"), "../shared/traces") }
