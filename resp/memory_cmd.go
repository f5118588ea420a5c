package resp

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"memory|stats":        memoryStats,
		"memory|doctor":       memoryDoctor,
		"memory|purge":        memoryPurge,
		"memory|malloc-stats": memoryMallocStats,
		"memory|help":         containerHelp,
	})
}

// memoryReport is a sample of the memory with what MEMORY STATS derives from it.
type memoryReport struct {
	*memorySample
	peak, used, overhead, active  int64
	backlog, replicas, normal     int64
	links, keys, dataset, startup int64
}

func (c *Ctx) memoryReport() memoryReport {
	d := c.d
	m := d.cron.memory.sample(d, c.Tx.AllLocked)
	startup := d.cron.memory.startup.Load()
	r := memoryReport{memorySample: m, startup: ownSize, peak: d.cron.memory.peak.Load(),
		used: m.used(startup), overhead: m.overhead(startup), active: m.active(startup)}
	r.backlog = d.backlogMemory()
	r.replicas, r.normal = d.clientMemory()
	r.links = d.linkMemory()
	for db := range d.store.Databases() {
		r.keys += d.store.DBSize(db)
	}
	r.dataset = r.used - r.overhead
	return r
}

// linkMemory is what messages to other nodes take.
func (d *Dispatcher) linkMemory() (n int64) {
	if d.routing != nil {
		for _, l := range d.routing.Info().Links {
			n += l.SendBufferBytes
		}
	}
	return n
}

// memoryStats has Redis's fields. The index of a database is counted as a whole,
// not by database, so that the fields db.N are missing.
func memoryStats(c *Ctx) {
	r := c.memoryReport()
	perKey := int64(0)
	if r.keys > 0 {
		perKey = max(r.used-r.startup, 0) / r.keys
	}
	ints, floats := fieldWriter[int64]{c.W, (*proto.Writer).Int}, fieldWriter[float64]{c.W, (*proto.Writer).Double}
	c.W.Map(27)
	ints.put("peak.allocated", r.peak)
	ints.put("total.allocated", r.used)
	ints.put("startup.allocated", r.startup)
	ints.put("replication.backlog", r.backlog)
	ints.put("clients.slaves", r.replicas)
	ints.put("clients.normal", r.normal)
	ints.put("cluster.links", r.links)
	ints.put("aof.buffer", 0)
	ints.put("lua.caches", 0)
	ints.put("functions.caches", 0)
	ints.put("overhead.total", r.overhead)
	ints.put("keys.count", r.keys)
	ints.put("keys.bytes-per-key", perKey)
	ints.put("dataset.bytes", r.dataset)
	floats.put("dataset.percentage", 100*ratio(r.dataset, max(r.used-r.startup, r.dataset)))
	floats.put("peak.percentage", 100*ratio(r.used, r.peak))
	ints.put("allocator.allocated", r.used)
	ints.put("allocator.active", r.active)
	ints.put("allocator.resident", r.resident())
	floats.put("allocator-fragmentation.ratio", ratio(r.active, r.used))
	ints.put("allocator-fragmentation.bytes", r.active-r.used)
	floats.put("allocator-rss.ratio", ratio(r.resident(), r.active))
	ints.put("allocator-rss.bytes", r.resident()-r.active)
	floats.put("rss-overhead.ratio", ratio(r.rss, r.resident()))
	ints.put("rss-overhead.bytes", r.rss-r.resident())
	floats.put("fragmentation", ratio(r.rss, r.used))
	ints.put("fragmentation.bytes", r.rss-r.used)
}

// fieldWriter writes named values of one type.
type fieldWriter[T any] struct {
	w     *proto.Writer
	value func(*proto.Writer, T)
}

func (f fieldWriter[T]) put(name string, value T) {
	f.w.BulkString(name)
	f.value(f.w, value)
}

// memoryDoctor looks for what wastes memory. Its limits are Redis's: under 5 MB
// ratios say nothing.
func memoryDoctor(c *Ctx) {
	const small = 5 << 20
	r := c.memoryReport()
	var found []string
	add := func(format string, args ...any) { found = append(found, "* "+fmt.Sprintf(format, args...)+"\n") }
	clients := int64(c.d.server.Clients().Len())
	switch {
	case r.used < small:
		c.W.Verbatim("txt", "Too little memory is in use to say anything about it.\n")
		return
	case ratio(r.peak, r.used) > 1.5:
		add("Peak: at some time %s were in use, now it is %s. What was used then and is not given back shows as fragmentation; MEMORY PURGE gives back what it can.", humanBytes(r.peak), humanBytes(r.used))
	}
	if free := r.active - r.used; ratio(r.active, r.used) > 1.1 && free > 10<<20 {
		add("Fragmentation: %s are held in partly used blocks. They are closed in the background; MEMORY PURGE does it at once.", humanBytes(free))
	}
	if spare := r.resident() - r.active; ratio(r.resident(), r.active) > 1.1 && spare > 10<<20 {
		add("Unused: %s are held for what comes. MEMORY PURGE gives them back to the system.", humanBytes(spare))
	}
	if more := r.rss - r.resident(); ratio(r.rss, r.resident()) > 1.1 && more > 10<<20 {
		add("Process: %s of the resident set belong neither to data nor to the Go heap, such as the program itself and mapped files.", humanBytes(more))
	}
	if clients > 0 && r.normal/clients > 200<<10 {
		add("Clients: they take %s each on average: replies that are not read, or very long commands. CLIENT LIST shows tot-mem of each.", humanBytes(r.normal/clients))
	}
	if r.replicas > 10<<20 {
		add("Replicas: their buffers take %s.", humanBytes(r.replicas))
	}
	if len(found) == 0 {
		c.W.Verbatim("txt", "No problem with memory was found.\n")
		return
	}
	c.W.Verbatim("txt", "What was found:\n\n"+strings.Join(found, "\n"))
}

// memoryPurge closes the holes of the heap, collects garbage and gives all free
// memory back to the system, in the background of its client and in short steps.
func memoryPurge(c *Ctx) {
	if c.inExec {
		// Under locks: what can be done without moving anything.
		c.d.releaseMemory(context.Background())
		c.W.OK()
		return
	}
	d := c.d
	c.background(0, nil, func(ctx context.Context, w *proto.Writer) {
		for shard := 0; shard < store.Shards && ctx.Err() == nil; shard++ {
			for more := true; more && ctx.Err() == nil; {
				_, more = d.compactStep(shard, compactStep)
			}
		}
		d.releaseMemory(ctx)
		w.OK()
	})
}

// releaseMemory gives free memory back to the system, until ctx ends.
func (d *Dispatcher) releaseMemory(ctx context.Context) {
	for ctx.Err() == nil && d.store.ReleaseStep(releaseStep) > 0 {
	}
	debug.FreeOSMemory()
}

// memoryMallocStats reports on the two that hold memory: the store's arena and
// the Go runtime.
func memoryMallocStats(c *Ctx) {
	r := c.memoryReport()
	var b strings.Builder
	line := func(name string, bytes int64) { fmt.Fprintf(&b, "%-32s %16d %10s\n", name, bytes, humanBytes(bytes)) }
	b.WriteString("Store (anonymous mappings)\n")
	line("  records and values", r.store.Data)
	line("  index", r.store.Index)
	line("  free in blocks in use", r.store.Free)
	line("  resident", r.store.Resident)
	line("  mapped", r.store.Mapped)
	b.WriteString("Go runtime\n")
	line("  in use", r.goUsed)
	line("  with free space in spans in use", r.goActive)
	line("  resident", r.goResident)
	b.WriteString("Process\n")
	line("  resident set", r.rss)
	c.W.Verbatim("txt", b.String())
}
