package resp

import (
	"fmt"
	"strings"
	"time"

	"respkv/resp/command"
)

func init() {
	handle(map[string]Handler{
		"latency|history":   latencyHistory,
		"latency|latest":    latencyLatest,
		"latency|reset":     latencyReset,
		"latency|graph":     latencyGraph,
		"latency|doctor":    latencyDoctor,
		"latency|histogram": latencyHistogram,
		"latency|help":      containerHelp,
	})
}

func latencyHistory(c *Ctx) {
	samples, _ := c.d.latency.history(string(c.Args[2]))
	c.W.Array(len(samples))
	for _, s := range samples {
		c.W.Array(2)
		c.W.Int(s.second)
		c.W.Int(s.millis)
	}
}

func latencyLatest(c *Ctx) {
	names := c.d.latency.events()
	c.W.Array(len(names))
	for _, name := range names {
		samples, highest := c.d.latency.history(name)
		var last latencySample // of an event that is reset just now
		if len(samples) > 0 {
			last = samples[len(samples)-1]
		}
		c.W.Array(4)
		c.W.BulkString(name)
		c.W.Int(last.second)
		c.W.Int(last.millis)
		c.W.Int(highest)
	}
}

func latencyReset(c *Ctx) {
	names := make([]string, 0, len(c.Args)-2)
	for _, arg := range c.Args[2:] {
		names = append(names, string(arg))
	}
	c.W.Int(int64(c.d.latency.reset(names...)))
}

// latencyHistogram: LATENCY HISTOGRAM [command ...]. A container stands for its
// sub-commands; what is unknown or was not called is left out.
func latencyHistogram(c *Ctx) {
	var found []*entry
	add := func(cmd *command.Command) {
		for _, cmd := range append([]*command.Command{cmd}, cmd.Subcommands...) {
			if e := c.d.entries[cmd.ID]; e != nil && e.stats.took.Load() != nil {
				found = append(found, e)
			}
		}
	}
	if len(c.Args) == 2 {
		for _, cmd := range c.d.table.Commands() {
			add(cmd)
		}
	}
	for _, name := range c.Args[2:] {
		if cmd := c.d.commandNamed(name); cmd != nil {
			add(cmd)
		}
	}
	type row struct {
		name string
		s    histogramSnapshot
	}
	rows := make([]row, 0, len(found))
	for _, e := range found {
		if h := e.stats.took.Load(); h != nil {
			rows = append(rows, row{e.cmd.Name, h.snapshot()})
		}
	}
	c.W.Map(len(rows))
	for _, r := range rows {
		c.W.BulkString(r.name)
		c.W.Map(2)
		c.W.BulkString("calls")
		c.W.Int(r.s.total)
		c.W.BulkString("histogram_usec")
		steps := r.s.steps()
		c.W.Map(len(steps))
		for _, step := range steps {
			c.W.Int(step.micros)
			c.W.Int(step.count)
		}
	}
}

// commandNamed finds a command by its full name, such as "config|set".
func (d *Dispatcher) commandNamed(name []byte) *command.Command {
	parent, sub, isSub := strings.Cut(string(name), "|")
	cmd := d.table.Lookup([]byte(parent))
	if cmd != nil && isSub {
		cmd = cmd.Subcommand([]byte(sub))
	}
	return cmd
}

func latencyGraph(c *Ctx) {
	name := string(c.Args[2])
	samples, highest := c.d.latency.history(name)
	if len(samples) == 0 {
		c.W.Error(errNoSamples(c.Args[2]))
		return
	}
	c.W.Verbatim("txt", drawLatency(name, samples, highest, time.Now()))
}

const (
	graphColumns = 80
	graphRows    = 4
)

// drawLatency draws samples as columns of characters, the age of each written
// below it from top to bottom.
func drawLatency(event string, samples []latencySample, highest int64, now time.Time) string {
	low, high := samples[0].millis, samples[0].millis
	for _, s := range samples {
		low, high = min(low, s.millis), max(high, s.millis)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s - high %d ms, low %d ms (all time high %d ms)\n", event, high, low, highest)
	b.WriteString(strings.Repeat("-", graphColumns) + "\n")
	for ; len(samples) > 0; samples = samples[min(len(samples), graphColumns):] {
		part := samples[:min(len(samples), graphColumns)]
		drawColumns(&b, part, low, high)
		ages := make([]string, len(part))
		for i, s := range part {
			ages[i] = shortAge(now.Unix() - s.second)
		}
		drawDownwards(&b, ages)
	}
	return b.String()
}

// drawColumns fills a column up to its value: a row has three levels, '_', 'o'
// and '#'; below the top of a column it is filled with '|'.
func drawColumns(b *strings.Builder, samples []latencySample, low, high int64) {
	const levels = "_o#"
	span := max(high-low, 1)
	for row := graphRows - 1; row >= 0; row-- {
		line := make([]byte, len(samples))
		for i, s := range samples {
			level := int((s.millis - low) * (graphRows*int64(len(levels)) - 1) / span)
			switch top := level / len(levels); {
			case top == row:
				line[i] = levels[level%len(levels)]
			case top > row:
				line[i] = '|'
			default:
				line[i] = ' '
			}
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	b.WriteByte('\n')
}

func drawDownwards(b *strings.Builder, labels []string) {
	for row, more := 0, true; more; row++ {
		more = false
		line := make([]byte, len(labels))
		for i, label := range labels {
			line[i] = ' '
			if row < len(label) {
				line[i] = label[row]
			}
			more = more || row+1 < len(label)
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
}

// shortAge is a time in the past in the largest unit that it fills.
func shortAge(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", max(seconds, 0))
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 24*3600:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/(24*3600))
}
