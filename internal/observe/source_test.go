package observe

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"respkv/cluster"
	"respkv/cluster/control"
	"respkv/cluster/slotmap"
	"respkv/replication"
	"respkv/resp"
)

var (
	nodeA = slotmap.NodeID(strings.Repeat("a", 40))
	nodeB = slotmap.NodeID(strings.Repeat("b", 40))
)

// testView is a cluster of two nodes, A the one asked, with a move from A to B.
func testView() *View {
	m := slotmap.New()
	for _, e := range []slotmap.Entry{
		&slotmap.Form{ClusterID: strings.Repeat("c", 40), Replicas: 1},
		&slotmap.Register{Node: slotmap.Node{ID: nodeA, Host: "10.0.0.1", ClientPort: 6379, ClusterPort: 16379, Weight: 100, Boot: 1}},
		&slotmap.Register{Node: slotmap.Node{ID: nodeB, Host: "10.0.0.2", ClientPort: 6379, ClusterPort: 16379, Weight: 100, Boot: 2, Zone: "z"}},
		&slotmap.Assign{List: []slotmap.Assigned{
			{Slots: slotmap.Ranges{{First: 0, Last: 8191}}, To: nodeA, Replicas: []slotmap.NodeID{nodeB}},
			{Slots: slotmap.Ranges{{First: 8192, Last: 16383}}, To: nodeB, Replicas: []slotmap.NodeID{nodeA}},
		}},
		&slotmap.InSync{Node: nodeB, Boot: 2, Add: slotmap.Ranges{{First: 0, Last: 8191}}},
		&slotmap.BeginMove{Slots: slotmap.Ranges{{First: 100, Last: 199}}, From: nodeA, To: nodeB},
	} {
		next, result := m.Apply(e)
		if result.Stale != "" {
			panic(result.Stale)
		}
		m = next
	}
	member := func(id slotmap.NodeID, h cluster.Health) cluster.Member {
		return cluster.Member{Node: *m.Node(id), Health: h, Self: id == nodeA, Controller: id == nodeA}
	}
	return &View{
		Info: cluster.Info{Map: m, Self: nodeA, Controller: nodeA, OK: true, Lease: true, SlotsAssigned: 16384, SlotsOK: 16384,
			Members:  []cluster.Member{member(nodeA, cluster.Alive), member(nodeB, cluster.Alive)},
			Messages: []cluster.MessageCount{{Kind: "lease", Sent: 1, Received: 2}}},
		Raft:     cluster.RaftStatus{Running: true, Leader: true, Term: 7, Voters: 1, Members: 2, MapVersion: m.Version()},
		Recent:   []cluster.RecentEvent{{At: time.UnixMilli(1000), Event: cluster.Event{Kind: control.EventFailover, Node: nodeB, Peer: nodeA, Slots: slotmap.Ranges{{First: 1, Last: 2}}, Took: time.Second, Lost: 3}}},
		Events:   map[cluster.EventKind]uint64{control.EventFailover: 1},
		Replicas: []replication.ReplicaInfo{{NodeID: string(nodeB), Lag: 250 * time.Millisecond}, {NodeID: string(nodeB), Lag: time.Second}},
		Links: []replication.LinkInfo{{PrimaryID: string(nodeB), State: replication.LinkStreaming,
			Streaming: 60, Copying: 1, Wanted: 39, CopyKeys: 1, CopyTotal: 2, CopiedBytes: 5}},
	}
}

// source is a node made up for tests.
type source struct {
	view   *View
	ready  error
	pprof  bool
	fetch  func(ctx context.Context) ([]byte, error)
	asked  atomic.Int64 // calls of Statistics
	gauges resp.Statistics
}

func (s *source) Statistics() resp.Statistics    { s.asked.Add(1); return s.gauges }
func (s *source) Cluster() *View                 { return s.view }
func (s *source) Ready() error                   { return s.ready }
func (s *source) Certificate() (time.Time, bool) { return time.Time{}, false }
func (s *source) PProf() bool                    { return s.pprof }
func (s *source) Fetch(ctx context.Context, _ slotmap.NodeID) ([]byte, error) {
	if s.fetch == nil {
		return nil, errors.New("nobody is there")
	}
	return s.fetch(ctx)
}
