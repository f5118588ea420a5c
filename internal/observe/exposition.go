package observe

import (
	"bytes"
	"math"
	"strconv"
	"strings"
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
	m, series := e.metric, e.metric.series(labels)
	if e.series[series] {
		return
	}
	if !e.headed {
		e.headed, e.series = true, make(map[string]bool)
		e.b.WriteString("# HELP " + m.Name + " " + escapeHelp(m.Help) + "\n# TYPE " + m.Name + " " + m.Type() + "\n")
	}
	e.series[series] = true
	e.b.WriteString(series)
	e.b.WriteByte(' ')
	e.b.WriteString(number(v))
	e.b.WriteByte('\n')
}

// series is the metric's name with its labels.
func (m *Metric) series(labels []string) string {
	if len(labels) == 0 {
		return m.Name
	}
	pairs := make([]string, len(labels))
	for i, name := range m.Labels {
		pairs[i] = name + `="` + escapeLabel(labels[i]) + `"`
	}
	return m.Name + "{" + strings.Join(pairs, ",") + "}"
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
