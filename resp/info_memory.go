package resp

import (
	"runtime/metrics"
	"sync/atomic"
	"unsafe"

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
	spare      int64 // garbage, and free spans: what a collection may give back, at most
	replicas   int64 // queued for replicas of Redis's own protocol, which does not count for eviction
	held       int64 // by the store when rss was read
	rss        int64 // resident set of the process; 0 where the system does not tell
}

// used is used_memory, which is compared with maxmemory: what data and index
// occupy, without what is free inside the memory held for them, and by how much
// the Go runtime has grown since the start. Its size at the start is in
// used_memory_rss only: it would make a small limit mean nothing. The index that a
// few keys need is there from the start: a limit hardly above what is used then
// is to leave room for data.
func (m *memorySample) used(startup int64) int64 {
	return ownSize + m.store.Data + max(m.store.Index, leastIndex) + m.goGrowth(startup)
}

// goGrowth is what connections, buffers and the like take beyond what the
// runtime took at the start. Garbage comes and goes, so that some is not counted.
func (m *memorySample) goGrowth(startup int64) int64 {
	return max(m.goUsed-startup-goSlack, 0)
}

// ownSize is what the store takes while it is empty.
const ownSize = int64(unsafe.Sizeof(store.Store{}))

// leastIndex is what the index takes when each shard has a few keys.
const leastIndex = store.Shards * 512

// overhead is all of used but the data.
func (m *memorySample) overhead(startup int64) int64 { return m.used(startup) - m.store.Data }

func (m *memorySample) active(startup int64) int64 { return m.used(startup) + m.store.Free }

func (m *memorySample) resident() int64 { return m.store.Resident + m.goResident }

// memorySampler keeps the last sample, the peak and the first. Safe for
// concurrent use.
type memorySampler struct {
	last    atomic.Pointer[memorySample]
	peak    atomic.Int64
	startup atomic.Int64 // goUsed of the first sample
}

// sample looks at the memory now. The caller holds no shard lock, unless it holds
// all and says so.
func (s *memorySampler) sample(d *Dispatcher, allLocked bool) *memorySample {
	m := &memorySample{store: d.store.Memory(allLocked), held: d.store.Held(), rss: residentSet()}
	m.readRuntime()
	if d.feed.used.Load() > 0 {
		m.replicas = d.feed.queued()
	}
	s.last.Store(m)
	s.startup.CompareAndSwap(0, m.goUsed)
	used := m.used(s.startup.Load())
	for peak := s.peak.Load(); used > peak && !s.peak.CompareAndSwap(peak, used); peak = s.peak.Load() {
	}
	return m
}

// resetPeak makes the present use the peak (CONFIG RESETSTAT).
func (s *memorySampler) resetPeak() {
	if m := s.last.Load(); m != nil {
		s.peak.Store(m.used(s.startup.Load()))
	}
}

func (m *memorySample) readRuntime() {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	m.goResident = value(0) - value(1)
	m.goActive = m.goResident - value(2)
	m.goUsed = m.goActive - value(3)
	m.spare = max(value(4)-value(5), 0) + value(2)
}
