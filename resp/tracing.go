package resp

import (
	"math"
	"sync/atomic"
	"time"

	"respkv/internal/config"
	"respkv/resp/command"
)

// tracing is what is recorded of commands as they run: the slow log, latency
// events, distributions. While nothing is slow it costs a batch two atomic
// loads, and a run of commands one addition to a distribution.
type tracing struct {
	// floor is the duration in nanoseconds from which a command concerns the
	// slow log or the latency monitor; maxInt64: none does.
	floor atomic.Int64
	// distributions: latency-tracking.
	distributions atomic.Bool

	slowerThan    atomic.Int64 // slow log, nanoseconds; maxInt64: off
	latencyFloor  atomic.Int64 // latency monitor, nanoseconds; maxInt64: off
	slowlogMaxLen atomic.Int64
}

// timedSingly is the floor below which commands are timed one by one, however
// short they are. Above it, those of a pipeline that are alike are timed together.
const timedSingly = int64(time.Millisecond)

// configure takes settings in.
func (t *tracing) configure(c *config.Config) {
	slower, latency := int64(math.MaxInt64), int64(math.MaxInt64)
	if n := int64(c.Server.SlowlogLogSlowerThan); n >= 0 {
		slower = saturated(n, time.Microsecond)
	}
	if n := int64(c.Server.LatencyMonitorThreshold); n > 0 {
		latency = saturated(n, time.Millisecond)
	}
	t.slowerThan.Store(slower)
	t.latencyFloor.Store(latency)
	t.floor.Store(min(slower, latency))
	t.slowlogMaxLen.Store(int64(c.Server.SlowlogMaxLen))
	t.distributions.Store(c.Server.LatencyTracking)
}

func saturated(n int64, unit time.Duration) int64 {
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64
	}
	return n * int64(unit)
}

// account notes that commands of e ran, the last one with args, and took so
// long together. client is nil for those of a script.
func (d *Dispatcher) account(e *entry, client *Client, args [][]byte, calls int, took time.Duration) {
	e.stats.add(calls, took)
	if d.tracing.distributions.Load() {
		e.stats.observe(calls, took/time.Duration(calls))
	}
	if int64(took) >= d.tracing.floor.Load() {
		d.noteSlow(e, client, args, took)
	}
}

// noteSlow records a command that took long.
func (d *Dispatcher) noteSlow(e *entry, client *Client, args [][]byte, took time.Duration) {
	if int64(took) >= d.tracing.latencyFloor.Load() {
		event := "command"
		if e.isFast() {
			event = "fast-command"
		}
		d.latency.add(event, time.Now(), took)
	}
	if int64(took) >= d.tracing.slowerThan.Load() && !e.skipsSlowlog() {
		d.addSlow(client, slowlogArguments(e, args), took)
	}
}

func (d *Dispatcher) addSlow(client *Client, args []string, took time.Duration) {
	entry := &slowEntry{at: time.Now(), took: took, args: args, addr: "?:0"} // as Redis shows scripts
	if client != nil {
		entry.addr, entry.client = client.Addr(), client.Name()
	}
	d.slowlog.add(entry, int(d.tracing.slowlogMaxLen.Load()))
}

// parkedCall is a command that goes on while its client is parked. What it took
// is recorded when it is done; waiting does not count.
type parkedCall struct {
	d      *Dispatcher
	entry  *entry
	client *Client
	spent  time.Duration
	args   []string // for the slow log; nil: it is off
}

// parkedCall begins one: the command of c is about to leave its client parked.
func (c *Ctx) parkedCall() parkedCall {
	c.waits = true
	p := parkedCall{d: c.d, entry: c.entry, client: c.Client, spent: time.Since(c.began)}
	if c.d.tracing.slowerThan.Load() != math.MaxInt64 && !p.entry.skipsSlowlog() {
		p.args = slowlogArguments(c.entry, c.Args)
	}
	return p
}

// answered records that the command was done within took more, with that reply.
func (p *parkedCall) answered(took time.Duration, reply []byte) {
	stats := &p.entry.stats
	stats.nanos.Add(int64(took)) // what was spent before is counted already
	p.d.latencyEvent("command-unblocking", took)
	took += p.spent
	if len(reply) > 0 && reply[0] == '-' {
		stats.failed.Add(1)
		p.d.stats.countError(reply[1:])
	}
	if p.d.tracing.distributions.Load() {
		stats.observe(1, took)
	}
	if p.args != nil && int64(took) >= p.d.tracing.slowerThan.Load() {
		p.d.addSlow(p.client, p.args, took)
	}
}

// isFast tells the latency event of a command.
func (e *entry) isFast() bool { return e.cmd.Has(command.Fast) }

func (e *entry) skipsSlowlog() bool { return e.cmd.Flags&command.SkipSlowlog != 0 }

// usesKeys says whether a command is kept from replicas and monitors.
func (e *entry) usesKeys() bool {
	return e.cmd.Flags&(command.Write|command.ReadOnly|command.MayReplicate) != 0
}
