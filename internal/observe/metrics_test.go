package observe

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"respkv/resp"
)

func root(name string) string { return filepath.Join("..", "..", name) }

// fullSample has a value for every metric, with texts that need escaping.
func fullSample() *sample {
	latency := resp.Distribution{Calls: 3, Took: time.Second + 1500*time.Microsecond}
	for i, bound := range resp.LatencyBounds { // one took 250 µs, one 1.25 ms, one longer than a second
		switch {
		case bound >= 2500*time.Microsecond:
			latency.Within[i] = 2
		case bound >= 250*time.Microsecond:
			latency.Within[i] = 1
		}
	}
	return &sample{
		now: time.UnixMilli(2000), ready: true, cluster: testView(), expiry: time.Unix(4000, 0),
		resp: resp.Statistics{
			Version: `1.0 "x\y"`, Started: time.UnixMilli(500), Mode: "cluster",
			Databases: []resp.DatabaseStatistics{{DB: 0, Keys: 3, Expires: 1}},
			Commands:  []resp.CommandStatistics{{Name: "config|get", Calls: 2, Took: 1500 * time.Microsecond, Failed: 1, Latency: latency}},
			Errors:    []resp.ErrorStatistics{{Prefix: "A\nB\"\\", Count: 1}, {Prefix: "bad\xff", Count: 2}, {Prefix: "bad\xfe", Count: 3}},
		},
		process: readProcess(),
	}
}

// series is what the samples of one name have in common.
type series struct {
	metric, metricType string
	labels             []string
	grows              bool // only rate or increase say anything
}

// allSeries are the names of samples: those of the metrics, and three for each histogram.
func allSeries() map[string]series {
	all := make(map[string]series)
	for _, m := range Metrics() {
		s := series{metric: m.Name, metricType: m.Type(), labels: m.Labels, grows: m.Type() != "gauge"}
		if s.metricType != "histogram" {
			all[m.Name] = s
			continue
		}
		all[m.Name+"_sum"], all[m.Name+"_count"] = s, s
		s.labels = append(slices.Clone(m.Labels), "le")
		all[m.Name+"_bucket"] = s
	}
	return all
}

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+)(\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)$`)
	labelName  = regexp.MustCompile(`([a-z_]+)="(?:[^"\\\n]|\\["\\n])*"`)
)

// TestExposition reads the text back by the rules of the format.
func TestExposition(t *testing.T) {
	text := string(fullSample().write())
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	declared := allSeries()
	seen, helped, typed := make(map[string]bool), make(map[string]bool), make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, _, _ := strings.Cut(rest, " ")
			if helped[name] {
				t.Errorf("%s is in two places", name)
			}
			helped[name] = true
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			typed[name] = kind
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("malformed line %q", line)
			continue
		}
		metric, known := declared[m[1]]
		if !known || typed[metric.metric] != metric.metricType || !helped[metric.metric] {
			t.Errorf("%s comes without HELP and TYPE in front", m[1])
			continue
		}
		var labels []string
		for _, l := range labelName.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		if !slices.Equal(labels, metric.labels) {
			t.Errorf("%s has labels %v, declared are %v", m[1], labels, metric.labels)
		}
		if _, err := strconv.ParseFloat(m[4], 64); err != nil {
			t.Errorf("value of %q: %v", line, err)
		}
		if seen[m[1]+m[2]] {
			t.Errorf("series %s comes twice", m[1]+m[2])
		}
		seen[m[1]+m[2]] = true
	}
	for _, m := range Metrics() {
		if !helped[m.Name] {
			t.Errorf("%s has no value in a full sample", m.Name)
		}
	}
	for _, want := range []string{
		`respkv_build_info{version="1.0 \"x\\y\"",`, "respkv_uptime_seconds 1.5\n", `respkv_keys{db="0"} 3` + "\n",
		`respkv_command_seconds_total{command="config|get"} 0.0015` + "\n", `respkv_error_replies_total{error="A\nB\"\\"} 1` + "\n",
		`respkv_command_duration_seconds_bucket{command="config|get",le="0.000001"} 0` + "\n",
		`respkv_command_duration_seconds_bucket{command="config|get",le="0.00025"} 1` + "\n",
		`respkv_command_duration_seconds_bucket{command="config|get",le="0.5"} 2` + "\n",
		`respkv_command_duration_seconds_bucket{command="config|get",le="+Inf"} 3` + "\n",
		`respkv_command_duration_seconds_sum{command="config|get"} 1.0015` + "\n",
		`respkv_command_duration_seconds_count{command="config|get"} 3` + "\n",
		`respkv_slots{role="primary"} 8192` + "\n", `respkv_replica_lag_seconds{peer="bbbbbbbb"} 0.25` + "\n",
		`respkv_primary_link_up{peer="bbbbbbbb"} 1` + "\n", `respkv_raft_term 7` + "\n", `respkv_lease 1` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

// TestStandaloneHasNoClusterMetrics: a standalone node shows no zeros that look
// like a cluster in trouble.
func TestStandaloneHasNoClusterMetrics(t *testing.T) {
	s := fullSample()
	s.cluster = nil
	text := string(s.write())
	for _, group := range [][]*Metric{clusterMetrics, replicationMetrics} {
		for _, m := range group {
			if strings.Contains(text, m.Name+" ") || strings.Contains(text, m.Name+"{") {
				t.Errorf("a standalone node has %s", m.Name)
			}
		}
	}
}

var metricName = regexp.MustCompile(`^respkv(_[a-z]+)+$`)

func TestDeclarations(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range Metrics() {
		if !metricName.MatchString(m.Name) || seen[m.Name] || m.Help == "" || !strings.HasSuffix(m.Help, ".") || strings.Contains(m.Help, "|") && !strings.Contains(m.Help, "`config|get`") {
			t.Errorf("declaration of %q", m.Name)
		}
		seen[m.Name] = true
	}
}

func TestDocumentIsCurrent(t *testing.T) {
	written, err := os.ReadFile(root("docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, Markdown()) {
		t.Error("docs/metrics.md is not what internal/observe declares: make generate")
	}
}

var (
	usedMetric = regexp.MustCompile(`respkv_[a-z_]+`)
	usedLabels = regexp.MustCompile(`(?:by|without) \(([^)]*)\)|\{\{([a-z_]+)\}\}|[{,]([a-z_]+)=`)
)

// TestDashboard holds every query of the dashboard against the declarations.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(root("docs/grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	type target struct{ Expr, LegendFormat string }
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []target
		}
		Templating struct {
			List []struct{ Query any }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	declared := allSeries()
	queries, ids := 0, make(map[int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("panel %q: ID %d comes twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, q := range p.Targets {
			queries++
			labels := []string{"job", "instance"} // Prometheus adds them
			names := usedMetric.FindAllString(q.Expr, -1)
			for _, name := range names {
				m, known := declared[name]
				if !known {
					t.Errorf("panel %q asks for %s, which does not exist", p.Title, name)
				}
				labels = append(labels, m.labels...)
			}
			if len(names) == 0 || strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") {
				t.Errorf("panel %q: query %q", p.Title, q.Expr)
			}
			for _, found := range usedLabels.FindAllStringSubmatch(q.Expr+" "+q.LegendFormat, -1) {
				for _, l := range strings.Split(found[1]+found[2]+found[3], ",") {
					if !slices.Contains(labels, strings.TrimSpace(l)) {
						t.Errorf("panel %q: no metric of %q has the label %q", p.Title, q.Expr, l)
					}
				}
			}
			for _, name := range names {
				if declared[name].grows && !regexp.MustCompile(`(rate|increase)\(`+name+`[^)]*\[`).MatchString(q.Expr) {
					t.Errorf("panel %q shows the counter %s without rate or increase", p.Title, name)
				}
			}
		}
	}
	if queries < 30 {
		t.Errorf("only %d queries were found", queries)
	}
	variables, _ := json.Marshal(dashboard.Templating)
	for _, name := range usedMetric.FindAllString(string(variables), -1) {
		if _, known := declared[name]; !known {
			t.Errorf("a variable asks for %s, which does not exist", name)
		}
	}
}
