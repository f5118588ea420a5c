package resp

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// latencyDoctor reads the recorded events to people, with advice where there is
// some.
func latencyDoctor(c *Ctx) { c.W.Verbatim("txt", c.d.latencyReport(time.Now())) }

// latencyAdvice is what may be done about an event.
var latencyAdvice = map[string]string{
	"command":            "Look into SLOWLOG GET for the commands; those that go through many elements at once (KEYS, SMEMBERS, LRANGE, SORT, large DEL) can be replaced by SCAN and the like, by ranges, and by UNLINK.",
	"fast-command":       "Commands that do little took long: the machine is short of CPU, memory is swapped, or another command held the same keys. Compare with redis-cli --intrinsic-latency on this machine.",
	"command-unblocking": "Answers to clients that wait for keys are large or many.",
	"expire-cycle":       "Very large keys expire: lazyfree-lazy-expire yes frees them in the background; a smaller active-expire-effort makes rounds shorter.",
	"eviction-cycle":     "Eviction has much to do before writes: raise maxmemory, or set lazyfree-lazy-eviction yes if values are large.",
}

func (d *Dispatcher) latencyReport(now time.Time) string {
	threshold := d.config.Config().Server.LatencyMonitorThreshold
	names := d.latency.events()
	switch {
	case threshold == 0 && len(names) == 0:
		return "Latency is not monitored: CONFIG SET latency-monitor-threshold <milliseconds> begins to record what takes longer.\n"
	case len(names) == 0:
		return fmt.Sprintf("Nothing took %d ms or longer since the latency monitor was started or reset.\n", threshold)
	}
	var b, advice strings.Builder
	for i, name := range names {
		samples, highest := d.latency.history(name)
		if len(samples) == 0 {
			continue
		}
		millis := make([]int64, len(samples))
		sum := int64(0)
		for i, s := range samples {
			millis[i] = s.millis
			sum += s.millis
		}
		slices.Sort(millis)
		mean := sum / int64(len(millis))
		deviation := int64(0)
		for _, m := range millis {
			deviation += max(m-mean, mean-m)
		}
		fmt.Fprintf(&b, "%d. %s: %d times, mean %d ms, median %d ms, mean deviation %d ms, worst of all time %d ms, last %s ago.\n",
			i+1, name, len(samples), mean, millis[len(millis)/2], deviation/int64(len(millis)), highest,
			shortAge(now.Unix()-samples[len(samples)-1].second))
		if text := latencyAdvice[name]; text != "" {
			fmt.Fprintf(&advice, "- %s: %s\n", name, text)
		}
	}
	if slower := d.config.Config().Server.SlowlogLogSlowerThan; slower < 0 || slower/1000 > threshold && threshold > 0 {
		advice.WriteString("- The slow log does not record all that is recorded here: lower slowlog-log-slower-than to see which commands these are.\n")
	}
	if advice.Len() > 0 {
		b.WriteString("\nWhat can be done:\n" + advice.String())
	}
	return b.String()
}
