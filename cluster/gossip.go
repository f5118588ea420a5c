package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/control"
	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// gossipTransport runs memberlist over the shared cluster port.
type gossipTransport struct {
	mux     *mux.Mux
	host    string
	port    int
	streams *mux.Stream
	packets chan *memberlist.Packet
	done    chan struct{}
}

func newGossipTransport(m *mux.Mux, host string, port int) *gossipTransport {
	t := &gossipTransport{mux: m, host: host, port: port, streams: mux.NewStream(m),
		packets: make(chan *memberlist.Packet), done: make(chan struct{})}
	m.Handle(mux.Gossip, t.streams.Deliver)
	go t.readPackets()
	return t
}

func (t *gossipTransport) readPackets() {
	for {
		buf := make([]byte, 65536)
		n, addr, err := t.mux.UDP().ReadFrom(buf)
		at := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP answer to an earlier packet
		}
		if n == 0 {
			continue
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: buf[:n:n], From: addr, Timestamp: at}:
		case <-t.done:
			return
		}
	}
}

// FinalAdvertiseAddr resolves what this node announces.
func (t *gossipTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	ip, err := resolve(t.host)
	return ip, t.port, err
}

func resolve(host string) (net.IP, error) {
	if ip := net.ParseIP(host); ip != nil {
		return ip, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return nil, fmt.Errorf("announced host: %w", err)
	}
	for _, ip := range ips {
		if ip.To4() != nil {
			return ip, nil
		}
	}
	return ips[0], nil
}

func (t *gossipTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = t.mux.UDP().WriteTo(b, udp)
	return time.Now(), err
}

func (t *gossipTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *gossipTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.mux.Dial(ctx, addr, mux.Gossip)
}

func (t *gossipTransport) StreamCh() <-chan net.Conn { return t.streams.Conns() }

func (t *gossipTransport) Shutdown() error {
	close(t.done)
	return t.streams.Close()
}

// meta is what a node says about itself in gossip: enough to reach it and to
// form a cluster. Everything else is in the map.
type meta struct {
	Host    string         `json:"h"`
	Port    int            `json:"p"`           // cluster port
	Cluster string         `json:"c,omitempty"` // formed: the cluster it belongs to
	Vote    slotmap.NodeID `json:"v,omitempty"` // who it wants to form the cluster; formed: who did
}

var errMeta = errors.New("bad gossip metadata")

func (m meta) encode() []byte {
	data, err := json.Marshal(m)
	if err != nil {
		return nil // two strings and two numbers: cannot happen
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
	c.SecretKey = mux.Key(cfg.Secret, "gossip")
	c.Delegate, c.Events, c.Ping = d, d, d
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

// gossipDelegate connects memberlist with the node: its callbacks come from
// memberlist's goroutines.
type gossipDelegate struct {
	meta   func() []byte
	change func(n *memberlist.Node, state control.Life)
	heard  func(id slotmap.NodeID)
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

func (d *gossipDelegate) NotifyJoin(n *memberlist.Node)   { d.change(n, control.Alive) }
func (d *gossipDelegate) NotifyLeave(n *memberlist.Node)  { d.change(n, control.Failed) }
func (d *gossipDelegate) NotifyUpdate(n *memberlist.Node) { d.change(n, control.Alive) }
