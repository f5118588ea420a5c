package resp

import (
	"fmt"
	"strconv"
	"strings"
)

// eachEntry calls fn for all commands and sub-commands that are there.
func (d *Dispatcher) eachEntry(fn func(e *entry)) {
	for _, cmd := range d.table.Commands() {
		if e := d.entries[cmd.ID]; e != nil {
			fn(e)
		}
		for _, sub := range cmd.Subcommands {
			if e := d.entries[sub.ID]; e != nil {
				fn(e)
			}
		}
	}
}

func (d *Dispatcher) infoCommandStats(w *infoWriter) {
	d.eachEntry(func(e *entry) {
		calls, rejected, failed := e.stats.calls.Load(), e.stats.rejected.Load(), e.stats.failed.Load()
		if calls+rejected+failed == 0 {
			return
		}
		micros := e.stats.nanos.Load() / 1000
		w.str("cmdstat_"+e.cmd.Name, fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			calls, micros, ratio(micros, calls), rejected, failed))
	})
}

func (d *Dispatcher) infoErrorStats(w *infoWriter) {
	names, counts := d.stats.errorCounts()
	for i, name := range names {
		w.str("errorstat_"+name, "count="+strconv.FormatInt(counts[i], 10))
	}
}

// infoLatencyStats shows the percentiles that latency-tracking-info-percentiles
// names, in microseconds.
func (d *Dispatcher) infoLatencyStats(w *infoWriter) {
	percentiles := d.config.Config().Server.LatencyTrackingInfoPercentiles
	if !d.tracing.distributions.Load() {
		return
	}
	d.eachEntry(func(e *entry) {
		h := e.stats.took.Load()
		if h == nil {
			return
		}
		s := h.snapshot()
		values := make([]string, len(percentiles))
		for i, p := range percentiles {
			values[i] = fmt.Sprintf("p%s=%.3f", strconv.FormatFloat(p, 'f', -1, 64), float64(s.percentile(p))/1000)
		}
		w.str("latency_percentiles_usec_"+e.cmd.Name, strings.Join(values, ","))
	})
}
