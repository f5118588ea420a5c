// Command bench measures respkv, most of it beside redis-server on the same
// machine in alternating runs, and writes what it found into
// docs/benchmarks.md. "make bench" runs it. Each part of that document is a
// section here, with the goal that the project holds itself to, and can be
// measured alone: -only failover,memory.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// section is one part of docs/benchmarks.md. measure returns its text, Markdown
// without a heading; errSkip says that it cannot be measured here.
type section struct {
	name    string
	measure func(o *options) (string, error)
}

var sections = []section{
	{"throughput", measureThroughput},
	{"commands", measureCommands},
	{"memory", measureMemory},
	{"types", measureTypes},
	{"idle", measureIdle},
	{"replication", measureReplication},
	{"failover", measureFailover},
	{"insert", measureInsert},
	{"hitratio", measureHitRatios},
	{"bigkeys", measureBigKeys},
}

// errSkip is wrapped by the reasons for which a section is left as it is.
var errSkip = errors.New("not measured")

type options struct {
	redis, respkv, write, only string
	quick                      bool
	rounds                     int
	seconds                    float64
	keys, clients, valueSize   int
	generator                  string
	memoryKeys, idleClients    int
	kills, cuts                int
	seed                       uint64
	inserts                    int
	bigElements                int
	typeMegabytes              int
	hitRatio                   hitRatioOptions
}

// quickValues try the tool out in a minute.
var quickValues = map[string]string{
	"rounds": "1", "seconds": "0.3", "keys": "20000", "memory-keys": "50000", "idle-clients": "200",
	"kills": "2", "cuts": "1", "inserts": "200000", "policies": "allkeys-lru", "shares": "1", "trace-requests": "20000",
	"big-elements": "50000", "type-megabytes": "1",
}

func parse() (*options, error) {
	o := new(options)
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	flag.StringVar(&o.redis, "redis", "redis-server", "redis-server binary to compare with")
	flag.StringVar(&o.respkv, "respkv", "bin/respkv", "respkv binary; a redis-server measures the noise of throughput, memory and idle")
	flag.StringVar(&o.write, "write", "", "`file` to write the results into, between their markers; empty prints them only")
	flag.StringVar(&o.only, "only", "", "`sections` to measure, comma-separated: "+strings.Join(names, ", ")+"; empty: all")
	flag.BoolVar(&o.quick, "quick", false, "tiny counts for every number that is not given: to try the tool, not to measure")
	flag.IntVar(&o.rounds, "rounds", 3, "runs of each side, alternating, where throughput is measured")
	flag.Float64Var(&o.seconds, "seconds", 8, "length of one measurement of throughput, about")
	flag.IntVar(&o.keys, "keys", 1_000_000, "keys where throughput is measured")
	flag.IntVar(&o.clients, "clients", 50, "client connections where throughput is measured")
	flag.IntVar(&o.valueSize, "value-size", 64, "bytes of a value where throughput is measured")
	flag.StringVar(&o.generator, "load", "redis-benchmark", "load generator of throughput: redis-benchmark, or own, which costs the machine less at high pipelines")
	flag.IntVar(&o.memoryKeys, "memory-keys", 5_000_000, "keys of the memory runs")
	flag.IntVar(&o.idleClients, "idle-clients", 5000, "idle connections")
	flag.IntVar(&o.kills, "kills", 30, "rounds of kill -9")
	flag.IntVar(&o.cuts, "cuts", 30, "rounds of a cut network")
	flag.Uint64Var(&o.seed, "seed", 0, "chooses the nodes that are harmed; 0: by the clock")
	flag.IntVar(&o.inserts, "inserts", 10_000_000, "keys inserted one by one into the store")
	flag.IntVar(&o.bigElements, "big-elements", 10_000_000, "elements of each key where big keys are measured")
	flag.IntVar(&o.typeMegabytes, "type-megabytes", 64, "megabytes of collections of each shape where memory by type is measured, about")
	flag.StringVar(&o.hitRatio.traces, "traces", tracesDirectory(), "`directory` of traces")
	flag.StringVar(&o.hitRatio.policies, "policies", "allkeys-lru,allkeys-lfu,allkeys-random", "eviction policies")
	flag.StringVar(&o.hitRatio.shares, "shares", "1,5,10,25", "percentages of a trace's keys that fit")
	flag.IntVar(&o.hitRatio.valueSize, "trace-value-size", 512, "bytes of a value")
	flag.IntVar(&o.hitRatio.window, "window", 16, "requests of a trace sent at once")
	flag.IntVar(&o.hitRatio.requests, "trace-requests", 0, "requests of a trace that are replayed; 0: all")
	flag.Parse()
	if flag.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	if o.quick {
		given := make(map[string]bool)
		flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, value := range quickValues {
			if !given[name] {
				if err := flag.Set(name, value); err != nil {
					return nil, err
				}
			}
		}
	}
	if o.generator != "redis-benchmark" && o.generator != "own" {
		return nil, fmt.Errorf("-load %q: want redis-benchmark or own", o.generator)
	}
	for name := range strings.SplitSeq(o.only, ",") {
		if name != "" && !slices.Contains(names, name) {
			return nil, fmt.Errorf("-only %q: the sections are %s", name, strings.Join(names, ", "))
		}
	}
	return o, nil
}

func (o *options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

// interrupted is looked at between measurements: a signal must not leave
// servers behind, so the program ends through its usual way out.
var interrupted atomic.Bool

var errInterrupted = errors.New("interrupted")

func main() {
	o, err := parse()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	for _, tool := range []string{o.redis, o.respkv, "redis-benchmark"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	absolute, err := filepath.Abs(o.respkv)
	if err != nil {
		return err
	}
	if err := os.Setenv("PROCESS_TEST_BINARY", absolute); err != nil { // for the harness of tests/process
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		for range signals {
			interrupted.Store(true)
			progress("interrupted: ending after this measurement")
		}
	}()
	for _, s := range sections {
		if !o.wants(s.name) {
			continue
		}
		progress("== %s", s.name)
		text, err := s.measure(o)
		switch {
		case errors.Is(err, errSkip):
			progress("%s: %v", s.name, err)
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", s.name, err)
		}
		text = header(o) + "\n" + text
		fmt.Printf("## %s\n\n%s\n", s.name, text)
		if o.write != "" {
			if err := writeBetween(o.write, s.name, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// progress tells the person at the terminal what goes on.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
