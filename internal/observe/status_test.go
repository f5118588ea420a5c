package observe

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"respkv/cluster"
)

func statusOf(t *testing.T, src *source) *Status {
	t.Helper()
	o := New(src, "127.0.0.1:6379", slog.New(slog.DiscardHandler))
	t.Cleanup(o.Close)
	s := new(Status)
	if err := json.Unmarshal(o.statuses.get(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatusShowsTheCluster(t *testing.T) {
	src := &source{view: testView()}
	src.gauges.OpsPerSecond = 5
	src.fetch = func(context.Context) ([]byte, error) {
		return encode(Report{Ops: 7, Lease: true, Events: []EventReport{{At: 2000, Kind: "lease-lost", Node: nodeB}}}), nil
	}
	s := statusOf(t, src)
	if s.State != "ok" || s.Mode != "cluster" || s.Self != nodeA || s.Controller != nodeA || s.Term != 7 || s.Replicas != 1 {
		t.Errorf("%+v", s)
	}
	if len(s.Nodes) != 2 || s.Nodes[0].Report.Ops != 5 || s.Nodes[1].Report.Ops != 7 {
		t.Fatalf("nodes: %+v", s.Nodes)
	}
	if n := s.Nodes[1]; n.Addr != "10.0.0.2:6379" || n.Zone != "z" || n.Primary != 8192 || n.Replica != 8192 || n.Self || n.Controller || n.Health != "alive" || n.State != "active" {
		t.Errorf("node B: %+v", n)
	}
	covered := 0
	for _, row := range s.Slots {
		covered += row[1] - row[0] + 1
		if row[0] == 100 && (row[1] != 199 || row[2] != 0 || row[3] != 1 || row[4] != 1) {
			t.Errorf("slots that move: %v", row)
		}
	}
	if covered != 16384 {
		t.Errorf("%d slots", covered)
	}
	if len(s.Moves) != 2 {
		t.Fatalf("moves: %+v", s.Moves)
	}
	if m := s.Moves[0]; m.Phase != "copy" || m.From != nodeB || m.To != nodeA || m.Slots != 40 || m.Done != 0.605 || m.Bytes != 5 {
		t.Errorf("copy: %+v", m)
	}
	if m := s.Moves[1]; m.Phase != "handoff" || m.From != nodeA || m.To != nodeB || m.Slots != 100 {
		t.Errorf("handoff: %+v", m)
	}
	// Of both nodes, the newest first.
	if len(s.Events) != 2 || s.Events[0].Kind != "lease-lost" || s.Events[1].Kind != "failover" || s.Events[1].Lost != 3 || s.Events[1].Slots != "1-2" {
		t.Errorf("events: %+v", s.Events)
	}
}

func TestStatusWords(t *testing.T) {
	for _, test := range []struct {
		change func(s *source)
		state  string
		reason string
	}{
		{func(*source) {}, "ok", ""},
		{func(s *source) { s.view.Info.OK = false; s.ready = errors.New("no lease") }, "down", "no lease"},
		{func(s *source) { s.view.Info.SlotsOK = 16000 }, "degraded", "384 slots without a primary that answers"},
		{func(s *source) { s.view.Info.Members[1].Health = cluster.Failed }, "degraded", "1 of 2 nodes away"},
		{func(s *source) { s.view = nil }, "ok", ""},
	} {
		src := &source{view: testView()}
		test.change(src)
		if s := statusOf(t, src); s.State != test.state || s.Reason != test.reason {
			t.Errorf("%q %q, want %q %q", s.State, s.Reason, test.state, test.reason)
		}
	}
}

// TestStatusSurvivesOtherNodes: a node that hangs, fails or talks nonsense costs
// its own line, no more.
func TestStatusSurvivesOtherNodes(t *testing.T) {
	for name, fetch := range map[string]func(ctx context.Context) ([]byte, error){
		"hangs":    func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() },
		"fails":    func(context.Context) ([]byte, error) { return nil, errors.New("refused") },
		"nonsense": func(context.Context) ([]byte, error) { return []byte("{\"links\":3}"), nil },
		"babbles": func(context.Context) ([]byte, error) {
			return encode(Report{Events: make([]EventReport, 100_000)}), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := &source{view: testView(), fetch: fetch}
			began := time.Now()
			s := statusOf(t, src)
			if took := time.Since(began); took > 10*fetchTime {
				t.Errorf("the page waited %v", took)
			}
			if n := s.Nodes[1]; n.Report != nil || !strings.HasPrefix(n.Error, "does not answer: ") || s.Nodes[0].Report == nil {
				t.Errorf("%+v", n)
			}
		})
	}
}

func TestReportFitsItsFrame(t *testing.T) {
	src := &source{view: testView()}
	long := cluster.RecentEvent{Event: cluster.Event{Kind: "move-abort", Node: nodeA, Peer: nodeB, Reason: strings.Repeat("<", 10_000)}}
	for range 128 {
		src.view.Recent = append(src.view.Recent, long)
	}
	data := encode(report(src, src.view))
	if len(data) > 512<<10 { // "<" is six bytes in JSON
		t.Errorf("a report of %d bytes", len(data))
	}
	if _, err := decodeReport(data); err != nil {
		t.Error(err)
	}
}

func FuzzReport(f *testing.F) {
	f.Add(encode(report(&source{view: testView()}, testView())))
	f.Add([]byte(`{"links":[{}],"events":[{"at":-1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := &source{view: testView(), fetch: func(context.Context) ([]byte, error) { return data, nil }}
		o := New(src, "", slog.New(slog.DiscardHandler))
		defer o.Close()
		if s := o.status(); len(s.Nodes) != 2 || len(s.Events) > maxShownEvents {
			t.Errorf("%+v", s)
		}
	})
}
