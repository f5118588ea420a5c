package observe

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/replication"
)

// Report is what a node tells of itself, to its own page and to those of other
// nodes. Fields may be added: a node of another version leaves out what it does
// not know.
type Report struct {
	Version string  `json:"version"`
	Now     int64   `json:"now"`    // Unix milliseconds, of the node's clock
	Uptime  float64 `json:"uptime"` // seconds

	Ops       float64 `json:"ops"` // commands a second
	In        float64 `json:"in"`  // bytes a second, from and to clients
	Out       float64 `json:"out"`
	Processed int64   `json:"processed"`
	Hits      int64   `json:"hits"`
	Misses    int64   `json:"misses"`
	Expired   int64   `json:"expired"`
	Evicted   int64   `json:"evicted"`

	Clients   int   `json:"clients"`
	Blocked   int   `json:"blocked"`
	Keys      int64 `json:"keys"`
	Memory    int64 `json:"memory"` // used_memory
	Resident  int64 `json:"resident"`
	MaxMemory int64 `json:"max_memory"` // 0: no limit

	Ready  string        `json:"ready"` // why it does not serve; empty: it does
	Lease  bool          `json:"lease"`
	Links  []LinkReport  `json:"links,omitempty"`  // to the primaries that it follows
	Events []EventReport `json:"events,omitempty"` // the last ones told by it, the oldest first
}

// LinkReport is a replication link, told by the replica.
type LinkReport struct {
	Primary   slotmap.NodeID `json:"primary"`
	Up        bool           `json:"up"`
	Lag       float64        `json:"lag"`     // seconds
	Slots     int            `json:"slots"`   // all that are followed
	Copying   int            `json:"copying"` // of them, those whose copy is not complete
	Bytes     uint64         `json:"bytes"`   // of copies, received on this link
	SlotKeys  uint64         `json:"slot_keys"`
	SlotTotal uint64         `json:"slot_total"` // keys received, and to come, of the slot being copied
}

// EventReport is an event.
type EventReport struct {
	At     int64             `json:"at"` // Unix milliseconds
	Kind   cluster.EventKind `json:"kind"`
	Node   slotmap.NodeID    `json:"node,omitempty"`
	Peer   slotmap.NodeID    `json:"peer,omitempty"`
	Slots  string            `json:"slots,omitempty"`
	Reason string            `json:"reason,omitempty"`
	Took   float64           `json:"took,omitempty"` // seconds
	Lost   uint64            `json:"lost,omitempty"`
}

// limits of what is taken from another node's report.
const (
	maxReportLinks = 1024
	maxReportText  = 400 // bytes of a text
)

var errReport = errors.New("malformed report")

// report describes this node.
func report(src Source, view *View) *Report {
	s := src.Statistics()
	now := time.Now()
	r := &Report{
		Version: s.Version, Now: now.UnixMilli(), Uptime: now.Sub(s.Started).Seconds(),
		Ops: s.OpsPerSecond, In: s.InputPerSecond, Out: s.OutputPerSecond, Processed: s.Processed,
		Hits: s.Hits, Misses: s.Misses, Expired: s.Store.Expired, Evicted: s.Store.Evicted,
		Clients: s.Server.ConnectedClients, Blocked: s.Server.BlockedClients,
		Memory: s.Memory.Used, Resident: s.Memory.Resident, MaxMemory: s.Memory.Max, Lease: view == nil,
	}
	for _, db := range s.Databases {
		r.Keys += db.Keys
	}
	if err := src.Ready(); err != nil {
		r.Ready = err.Error()
	}
	if view == nil {
		return r
	}
	r.Lease = view.Info.Lease
	for _, l := range view.Links {
		r.Links = append(r.Links, LinkReport{
			Primary: slotmap.NodeID(l.PrimaryID), Up: l.State == replication.LinkStreaming, Lag: l.Staleness.Seconds(),
			Slots: l.Wanted + l.Resuming + l.Copying + l.Streaming, Copying: l.Wanted + l.Copying,
			Bytes: l.CopiedBytes, SlotKeys: l.CopyKeys, SlotTotal: l.CopyTotal,
		})
	}
	slices.SortFunc(r.Links, func(a, b LinkReport) int {
		if a.Primary < b.Primary {
			return -1
		}
		return 1
	})
	for _, e := range view.Recent {
		r.Events = append(r.Events, EventReport{At: e.At.UnixMilli(), Kind: e.Kind, Node: e.Node, Peer: e.Peer,
			Slots: shorten(e.Slots.String()), Reason: shorten(e.Reason), Took: e.Took.Seconds(), Lost: e.Lost})
	}
	return r
}

// shorten keeps texts within what receivers take.
func shorten(s string) string {
	if len(s) <= maxReportText {
		return s
	}
	return s[:maxReportText-3] + "..."
}

// decodeReport reads what another node sent. Sizes are bounded; the page shows
// texts as texts, whatever they say.
func decodeReport(data []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, errReport
	}
	if len(r.Links) > maxReportLinks || len(r.Events) > 4*maxShownEvents || len(r.Version)+len(r.Ready) > 2*maxReportText {
		return nil, errReport
	}
	for i := range r.Events {
		e := &r.Events[i]
		if len(e.Kind)+len(e.Node)+len(e.Peer)+len(e.Slots)+len(e.Reason) > 4*maxReportText {
			return nil, errReport
		}
	}
	return r, nil
}
