package resp

import (
	"runtime/metrics"
	"sync/atomic"

	"respkv/store"
)

// memorySample is where the memory of the process is, in bytes.
type memorySample struct {
	store store.MemoryStats
	// Of the Go runtime, which holds connections, buffers, the replication log
	// and everything else that is not the keyspace.
	goUsed     int64 // objects, stacks, the runtime's own structures
	goActive   int64 // with what is free inside the spans in use
	goResident int64 // with free spans not given back to the system
	rss        int64 // resident set of the process; 0 where the system does not tell
}

// used is used_memory: what the data and the server occupy, without what is
// free inside the memory held for them.
func (m *memorySample) used() int64 { return m.store.Data + m.store.Index + m.goUsed }

// overhead is all of used but the data.
func (m *memorySample) overhead() int64 { return m.store.Index + m.goUsed }

func (m *memorySample) active() int64 {
	return m.store.Data + m.store.Index + m.store.Free + m.goActive
}

func (m *memorySample) resident() int64 { return m.store.Resident + m.goResident }

// memorySampler keeps the last sample, the peak and the first. Safe for
// concurrent use.
type memorySampler struct {
	last    atomic.Pointer[memorySample]
	peak    atomic.Int64
	startup atomic.Int64
}

// sample looks at the memory now. The caller holds no shard lock, unless it holds
// all and says so.
func (s *memorySampler) sample(d *Dispatcher, allLocked bool) store.MemoryStats {
	m := &memorySample{store: d.store.Memory(allLocked), rss: residentSet()}
	m.readRuntime()
	s.last.Store(m)
	used := m.used()
	s.startup.CompareAndSwap(0, used)
	for peak := s.peak.Load(); used > peak && !s.peak.CompareAndSwap(peak, used); peak = s.peak.Load() {
	}
	return m.store
}

// resetPeak makes the present use the peak (CONFIG RESETSTAT).
func (s *memorySampler) resetPeak() {
	if m := s.last.Load(); m != nil {
		s.peak.Store(m.used())
	}
}

func (m *memorySample) readRuntime() {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	m.goResident = value(0) - value(1)
	m.goActive = m.goResident - value(2)
	m.goUsed = m.goActive - value(3)
}
