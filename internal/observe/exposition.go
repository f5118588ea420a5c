package observe

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"respkv/resp"
)

// exposition writes Prometheus's text format, version 0.0.4. It is small enough
// to be ours: the numbers exist already, and all that a client library would
// add is a second place that counts.
type exposition struct {
	b      bytes.Buffer
	metric *Metric
	headed bool            // HELP and TYPE of the metric are written
	series map[string]bool // of the metric
}

// value writes one sample of the present metric; labels are the values of its
// labels, in their order. A series that is there already is left out: Prometheus
// refuses a whole scrape for one that comes twice, and two links of one peer may
// overlap for a moment.
func (e *exposition) value(v float64, labels ...string) {
	e.line(e.metric.Name, e.metric.pairs(labels), v)
}

// distribution writes the samples of a histogram; labels as for value.
func (e *exposition) distribution(d *resp.Distribution, labels ...string) {
	name, pairs := e.metric.Name, e.metric.pairs(labels)
	bucket := func(bound string, n int64) {
		e.line(name+"_bucket", append(pairs[:len(labels):len(labels)], `le="`+bound+`"`), float64(n))
	}
	for i, bound := range resp.LatencyBounds {
		bucket(strconv.FormatFloat(bound.Seconds(), 'f', -1, 64), d.Within[i])
	}
	bucket("+Inf", d.Calls)
	e.line(name+"_sum", pairs, d.Took.Seconds())
	e.line(name+"_count", pairs, float64(d.Calls))
}

// line writes a sample, after HELP and TYPE of the present metric.
func (e *exposition) line(name string, pairs []string, v float64) {
	series := name
	if len(pairs) > 0 {
		series += "{" + strings.Join(pairs, ",") + "}"
	}
	if e.series[series] {
		return
	}
	if m := e.metric; !e.headed {
		e.headed, e.series = true, make(map[string]bool)
		e.b.WriteString("# HELP " + m.Name + " " + escapeHelp(m.Help) + "\n# TYPE " + m.Name + " " + m.Type() + "\n")
	}
	e.series[series] = true
	e.b.WriteString(series)
	e.b.WriteByte(' ')
	e.b.WriteString(number(v))
	e.b.WriteByte('\n')
}

// pairs are the labels as the format wants them.
func (m *Metric) pairs(values []string) []string {
	pairs := make([]string, len(values))
	for i, name := range m.Labels[:len(values)] {
		pairs[i] = name + `="` + escapeLabel(values[i]) + `"`
	}
	return pairs
}

// number prints counters as integers, which is how people read them.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func escapeHelp(s string) string { return helpEscapes.Replace(s) }

// escapeLabel also replaces what is no UTF-8: error prefixes and names may be
// made up by clients.
func escapeLabel(s string) string {
	return labelEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD"))
}
