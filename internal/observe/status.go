package observe

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"respkv/cluster"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

const (
	maxShownEvents = 100
	// fetchers bounds the nodes that are asked at a time, fetchTime how long one
	// is waited for: a page must not wait for a node that hangs.
	fetchers  = 16
	fetchTime = 700 * time.Millisecond
)

// Status is the whole cluster as one node sees it: what the page shows.
type Status struct {
	Now        int64          `json:"now"`
	Self       slotmap.NodeID `json:"self,omitempty"`
	Mode       string         `json:"mode"`
	State      string         `json:"state"`            // ok, degraded, down, forming
	Reason     string         `json:"reason,omitempty"` // why it is not ok
	Controller slotmap.NodeID `json:"controller,omitempty"`
	MapVersion uint64         `json:"map_version"`
	Replicas   int            `json:"replicas"` // wanted of each slot
	Term       uint64         `json:"term"`
	Assigned   int            `json:"assigned"` // slots that have a primary
	Serving    int            `json:"serving"`  // slots whose primary is alive

	Nodes  []NodeStatus  `json:"nodes"`
	Slots  [][]int       `json:"slots"` // first, last, primary, move target, replicas...; indexes of Nodes, -1: none
	Moves  []MoveStatus  `json:"moves"`
	Events []EventReport `json:"events"` // the newest first
}

// NodeStatus is one node.
type NodeStatus struct {
	ID         slotmap.NodeID `json:"id,omitempty"`
	Addr       string         `json:"addr"`
	Zone       string         `json:"zone,omitempty"`
	Weight     int            `json:"weight"`
	State      string         `json:"state"`  // what the map expects: active, leaving, failed, stopped; joining: not in it yet
	Health     string         `json:"health"` // how it looks from here
	Self       bool           `json:"self"`
	Controller bool           `json:"controller"`
	Primary    int            `json:"primary"` // slots, by role
	Replica    int            `json:"replica"`
	Report     *Report        `json:"report,omitempty"`
	Error      string         `json:"error,omitempty"` // why there is no report
}

// MoveStatus is data on its way from one node to another.
type MoveStatus struct {
	From  slotmap.NodeID `json:"from"`
	To    slotmap.NodeID `json:"to"`
	Phase string         `json:"phase"` // copy: a replica is being filled; handoff: the primary changes
	Slots int            `json:"slots"`
	Done  float64        `json:"done"` // 0 to 1
	Bytes uint64         `json:"bytes"`
}

// status looks at the whole cluster.
func (o *Observer) status() *Status {
	view := o.source.Cluster()
	own := report(o.source, view)
	s := &Status{Now: own.Now, Mode: "standalone", State: "ok", Nodes: []NodeStatus{}, Slots: [][]int{}, Moves: []MoveStatus{}, Events: []EventReport{}}
	if view == nil {
		s.Nodes = append(s.Nodes, NodeStatus{Self: true, Addr: o.addr, State: "active", Health: healthNames[cluster.Alive],
			Primary: hashslot.Count, Report: own})
		s.Slots = append(s.Slots, []int{0, hashslot.Count - 1, 0, -1})
		s.Assigned, s.Serving = hashslot.Count, hashslot.Count
		return s
	}
	s.Mode = "cluster"
	info := &view.Info
	s.Self, s.Controller, s.MapVersion, s.Replicas = info.Self, info.Controller, info.Map.Version(), info.Map.ReplicationFactor()
	s.Term, s.Assigned, s.Serving = view.Raft.Term, info.SlotsAssigned, info.SlotsOK
	index := s.addNodes(info)
	o.fetch(s, own)
	s.addSlots(info.Map, index)
	s.addMoves(info.Map)
	s.judge(info, own)
	for i := range s.Nodes {
		if r := s.Nodes[i].Report; r != nil {
			s.Events = append(s.Events, r.Events...)
			r.Events = nil // once is enough
		}
	}
	slices.SortStableFunc(s.Events, func(a, b EventReport) int { return cmp.Compare(b.At, a.At) })
	s.Events = s.Events[:min(len(s.Events), maxShownEvents)]
	return s
}

func (s *Status) addNodes(info *cluster.Info) (index map[slotmap.NodeID]int) {
	index = make(map[slotmap.NodeID]int)
	for i := range info.Members {
		m := &info.Members[i]
		n := NodeStatus{ID: m.ID, Zone: m.Zone, Weight: m.Weight, State: "joining", Health: healthNames[m.Health], Self: m.Self, Controller: m.Controller}
		if known := info.Map.Node(m.ID); known != nil {
			n.State = known.State.String()
			n.Addr = net.JoinHostPort(m.Host, strconv.Itoa(cluster.PortOf(&m.Node, false)))
		} else {
			n.Addr = net.JoinHostPort(m.Host, strconv.Itoa(m.ClusterPort))
		}
		index[m.ID] = len(s.Nodes)
		s.Nodes = append(s.Nodes, n)
	}
	return index
}

func (s *Status) addSlots(m *slotmap.Map, index map[slotmap.NodeID]int) {
	at := func(id slotmap.NodeID) int {
		if i, ok := index[id]; ok && id != "" {
			return i
		}
		return -1
	}
	for _, span := range m.Spans() {
		row := []int{int(span.First), int(span.Last), at(span.Primary), -1}
		if span.Move != nil {
			row[3] = at(span.Move.Target)
		}
		if i := row[2]; i >= 0 {
			s.Nodes[i].Primary += span.Len()
		}
		for _, id := range span.Replicas {
			if i := at(id); i >= 0 {
				row = append(row, i)
				s.Nodes[i].Replica += span.Len()
			}
		}
		s.Slots = append(s.Slots, row)
	}
}

// addMoves shows copies, as the nodes that receive them tell, and handoffs, as
// the map has them: a move to a node that holds nothing is first the one, then
// the other.
func (s *Status) addMoves(m *slotmap.Map) {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Report == nil {
			continue
		}
		for _, l := range n.Report.Links {
			if l.Copying == 0 {
				continue
			}
			done := float64(l.Slots - l.Copying)
			if l.SlotTotal > 0 {
				done += min(1, float64(l.SlotKeys)/float64(l.SlotTotal))
			}
			s.Moves = append(s.Moves, MoveStatus{From: l.Primary, To: n.ID, Phase: "copy", Slots: l.Copying, Done: done / float64(max(1, l.Slots)), Bytes: l.Bytes})
		}
	}
	handoffs := make(map[uint64]int) // index in s.Moves
	for _, span := range m.Spans() {
		if span.Move == nil {
			continue
		}
		i, ok := handoffs[span.Move.Token]
		if !ok {
			i = len(s.Moves)
			handoffs[span.Move.Token] = i
			s.Moves = append(s.Moves, MoveStatus{From: span.Primary, To: span.Move.Target, Phase: "handoff", Done: 1})
		}
		s.Moves[i].Slots += span.Len()
	}
}

// judge puts the cluster's state into a word.
func (s *Status) judge(info *cluster.Info, own *Report) {
	away := 0
	for i := range s.Nodes {
		if s.Nodes[i].Health != healthNames[cluster.Alive] && s.Nodes[i].State != slotmap.NodeStopped.String() {
			away++
		}
	}
	switch {
	case !info.Map.Formed():
		s.State, s.Reason = "forming", "waiting for the nodes that make the cluster"
	case !info.OK:
		s.State, s.Reason = "down", cmp.Or(own.Ready, "slots without a primary that answers")
	case s.Serving < hashslot.Count:
		s.State, s.Reason = "degraded", strconv.Itoa(hashslot.Count-s.Serving)+" slots without a primary that answers"
	case away > 0:
		s.State, s.Reason = "degraded", strconv.Itoa(away)+" of "+strconv.Itoa(len(s.Nodes))+" nodes away"
	}
}

// fetch asks all members that look alive for their reports.
func (o *Observer) fetch(s *Status, own *Report) {
	ctx, cancel := context.WithTimeout(o.ctx, fetchTime)
	defer cancel()
	turns := make(chan struct{}, fetchers)
	var wg sync.WaitGroup
	for i := range s.Nodes {
		n := &s.Nodes[i]
		switch {
		case n.Self:
			n.Report = own
			continue
		case n.Health != healthNames[cluster.Alive]:
			n.Error = n.Health
			continue
		}
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			data, err := o.source.Fetch(ctx, n.ID)
			if err == nil {
				n.Report, err = decodeReport(data)
			}
			if err != nil {
				n.Error = "does not answer: " + shorten(err.Error())
			}
		})
	}
	wg.Wait()
}

// encode is for values that have a JSON form.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // a number that is none: cannot happen
	}
	return data
}
