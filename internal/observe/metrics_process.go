package observe

import (
	"os"
	"runtime/metrics"
	"syscall"
)

// process is what the system and the Go runtime tell.
type process struct {
	user, system          float64 // CPU seconds
	descriptors, limit    float64 // 0 where the system does not tell
	goroutines, heap      float64
	gcCycles, gcPause     float64
	gcCPU, heapAllocBytes float64
}

func readProcess() process {
	var p process
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
		p.user, p.system = seconds(r.Utime), seconds(r.Stime)
	}
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		names, _ := dir.Readdirnames(-1) // what was read counts
		_ = dir.Close()
		p.descriptors = float64(max(0, len(names)-1)) // without dir itself
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		p.limit = float64(limit.Cur)
	}
	samples := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/pause:cpu-seconds"},
	}
	metrics.Read(samples)
	value := func(i int) float64 {
		switch v := samples[i].Value; v.Kind() {
		case metrics.KindUint64:
			return float64(v.Uint64())
		case metrics.KindFloat64:
			return v.Float64()
		}
		return 0 // this version of Go has no such number
	}
	p.goroutines, p.heap, p.gcCycles, p.heapAllocBytes = value(0), value(1), value(2), value(3)
	p.gcCPU, p.gcPause = value(4), value(5)
	return p
}

var processMetrics = []*Metric{
	{Name: "respkv_process_cpu_seconds_total", Labels: []string{"mode"}, Help: "CPU time in `user` and `system` mode.",
		collect: func(s *sample, e *exposition) {
			e.value(s.process.user, "user")
			e.value(s.process.system, "system")
		}},
	single("respkv_process_open_fds", "File descriptors in use.", func(s *sample) float64 { return s.process.descriptors }),
	single("respkv_process_max_fds", "Most file descriptors.", func(s *sample) float64 { return s.process.limit }),
	single("respkv_go_goroutines", "Goroutines.", func(s *sample) float64 { return s.process.goroutines }),
	single("respkv_go_heap_bytes", "Objects on the Go heap.", func(s *sample) float64 { return s.process.heap }),
	single("respkv_go_allocated_bytes_total", "Bytes ever allocated on the Go heap.",
		func(s *sample) float64 { return s.process.heapAllocBytes }),
	single("respkv_go_gc_cycles_total", "Garbage collections.", func(s *sample) float64 { return s.process.gcCycles }),
	single("respkv_go_gc_cpu_seconds_total", "CPU time of the garbage collector.",
		func(s *sample) float64 { return s.process.gcCPU }),
	single("respkv_go_gc_pause_cpu_seconds_total", "Of it, while the program stood still.",
		func(s *sample) float64 { return s.process.gcPause }),
}
