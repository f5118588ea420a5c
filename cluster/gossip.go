package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/control"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// meta is what a node says about itself in gossip: enough to reach it and to
// form a cluster. Everything else is in the map.
type meta struct {
	Host    string         `json:"h"`
	Port    int            `json:"p"`           // cluster port
	Cluster string         `json:"c,omitempty"` // formed: the cluster it belongs to
	Vote    slotmap.NodeID `json:"v,omitempty"` // who it wants to form the cluster; formed: who did
	Bound   bool           `json:"b,omitempty"` // it has raft state of the cluster that its vote is for
	Slots   int            `json:"s,omitempty"` // how many it was given by hand, not in a cluster yet
	Given   string         `json:"g,omitempty"` // which; the first of them, if they are scattered
	// ClientPort and TLSPort are for CLUSTER NODES while there is no cluster.
	ClientPort int `json:"k,omitempty"`
	TLSPort    int `json:"t,omitempty"`
}

var errMeta = errors.New("bad gossip metadata")

func (m meta) encode() []byte {
	data, err := json.Marshal(m)
	if err != nil {
		return nil // strings and numbers: cannot happen
	}
	if m.Given != "" && len(data) > memberlist.MetaMaxSize { // a host name of 255 bytes
		m.Given = ""
		return m.encode()
	}
	return data
}

func decodeMeta(data []byte) (meta, error) {
	var m meta
	if len(data) > memberlist.MetaMaxSize {
		return m, errMeta
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%w: %v", errMeta, err)
	}
	if m.Host == "" || len(m.Host) > 255 || m.Port < 1 || m.Port > 65535 {
		return m, fmt.Errorf("%w: address", errMeta)
	}
	if m.Slots < 0 || m.Slots > hashslot.Count || m.ClientPort < 0 || m.ClientPort > 65535 || m.TLSPort < 0 || m.TLSPort > 65535 {
		return m, fmt.Errorf("%w: number", errMeta)
	}
	if _, err := slotmap.ParseRanges(m.Given); err != nil {
		return m, fmt.Errorf("%w: %v", errMeta, err)
	}
	if m.Cluster != "" && slotmap.NodeID(m.Cluster).Validate() != nil || m.Vote != "" && m.Vote.Validate() != nil {
		return m, fmt.Errorf("%w: ID", errMeta)
	}
	return m, nil
}

// gossipName makes the process, not the node, the gossip member: a restarted
// node has nothing to refute, wherever it comes back.
func gossipName(id slotmap.NodeID, boot uint64) string {
	return string(id) + ":" + strconv.FormatUint(boot, 16)
}

func parseGossipName(name string) (slotmap.NodeID, uint64, error) {
	id, rest, ok := strings.Cut(name, ":")
	if !ok || slotmap.NodeID(id).Validate() != nil {
		return "", 0, errMeta
	}
	boot, err := strconv.ParseUint(rest, 16, 64)
	return slotmap.NodeID(id), boot, err
}

// gossipMember is a process seen in gossip.
type gossipMember struct {
	id    slotmap.NodeID
	boot  uint64
	meta  meta
	state control.Life // Alive, Suspect or Failed
}

// gossipConfig derives memberlist's timings from the node timeout T: a probe
// every T/5, answered within T/10, else suspected; a suspicion that nobody
// refutes is final after some T.
func gossipConfig(cfg *Config, name string, t *gossipTransport, d *gossipDelegate, logger *slog.Logger) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = name
	c.Transport = t
	c.BindPort, c.AdvertisePort = t.port, t.port
	c.ProbeInterval = cfg.NodeTimeout / 5
	c.ProbeTimeout = cfg.NodeTimeout / 10
	c.SuspicionMult = 4
	c.SuspicionMaxTimeoutMult = 3
	c.GossipInterval = min(200*time.Millisecond, cfg.NodeTimeout/5)
	c.GossipToTheDeadTime = 30 * cfg.NodeTimeout
	c.PushPullInterval = max(5*time.Second, 10*cfg.NodeTimeout)
	c.TCPTimeout = max(time.Second, cfg.NodeTimeout)
	c.EnableCompression = false
	c.SecretKey = nil // the transport seals
	d.admission = newGossipAdmission(c)
	c.Delegate, c.Events, c.Alive, c.Merge, c.Ping = d, d, d, d, d
	d.self = name
	c.LogOutput = nil
	c.Logger = log.New(logWriter{logger}, "", 0)
	return c
}

// logWriter passes a library's log lines on, its own levels kept low: what
// matters to an operator the cluster says itself.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}

var _ io.Writer = logWriter{}

// errAloof refuses gossip of nodes that have not met this one.
var errAloof = errors.New("this node has been reset, and has not met anybody since")

// gossipDelegate connects memberlist with the node: its callbacks come from
// memberlist's goroutines.
type gossipDelegate struct {
	meta      func() []byte
	change    func(n *memberlist.Node, state control.Life)
	heard     func(id slotmap.NodeID)
	admission *gossipAdmission
	self      string       // gossip name
	aloof     *atomic.Bool // see Options.Aloof
}

func (d *gossipDelegate) NodeMeta(limit int) []byte {
	if data := d.meta(); len(data) <= limit {
		return data
	}
	return nil
}
func (d *gossipDelegate) NotifyMsg([]byte)                {}
func (d *gossipDelegate) GetBroadcasts(int, int) [][]byte { return nil }
func (d *gossipDelegate) LocalState(bool) []byte          { return nil }
func (d *gossipDelegate) MergeRemoteState([]byte, bool)   {}

// NotifyAlive refuses processes past the limit, and all as long as this one is
// aloof.
func (d *gossipDelegate) NotifyAlive(n *memberlist.Node) error {
	if n.Name != d.self && d.aloof.Load() {
		return errAloof
	}
	return d.admission.admit(n.Name)
}

// NotifyMerge is called when another node meets this one.
func (d *gossipDelegate) NotifyMerge([]*memberlist.Node) error {
	d.aloof.Store(false)
	return nil
}

func (d *gossipDelegate) NotifyJoin(n *memberlist.Node) {
	d.admission.joined(n.Name)
	d.change(n, control.Alive)
}

func (d *gossipDelegate) NotifyLeave(n *memberlist.Node) {
	d.admission.left(n.Name)
	d.change(n, control.Failed)
}
func (d *gossipDelegate) NotifyUpdate(n *memberlist.Node) { d.change(n, control.Alive) }

// gossipAdmission bounds the processes that memberlist keeps. It is called by
// memberlist under its lock only.
type gossipAdmission struct {
	known map[string]time.Time // when it left; zero while it is there
	limit int
	// forget is after what time memberlist has let go of a process that left: it
	// keeps the dead for a while, and looks for them once it has probed all.
	forget time.Duration
	now    func() time.Time
}

func newGossipAdmission(c *memberlist.Config) *gossipAdmission {
	return &gossipAdmission{known: map[string]time.Time{}, limit: maxGossipMembers, now: time.Now,
		forget: c.GossipToTheDeadTime + 2*maxGossipMembers*c.ProbeInterval}
}

func (a *gossipAdmission) admit(name string) error {
	if _, known := a.known[name]; known || len(a.known) < a.limit {
		return nil
	}
	now := a.now()
	for other, left := range a.known {
		if !left.IsZero() && now.Sub(left) > a.forget {
			delete(a.known, other)
		}
	}
	if len(a.known) >= a.limit {
		return fmt.Errorf("%w: more than %d processes", errGossip, a.limit)
	}
	return nil
}

func (a *gossipAdmission) joined(name string) { a.known[name] = time.Time{} }
func (a *gossipAdmission) left(name string)   { a.known[name] = a.now() }
