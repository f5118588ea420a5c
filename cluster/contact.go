package cluster

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// contacts remembers when other nodes were heard of, for CLUSTER NODES. Its
// lock is a leaf: memberlist's callbacks take it.
type contacts struct {
	mu   sync.Mutex
	pong map[slotmap.NodeID]int64 // Unix milliseconds of the last sign of life
	lost map[slotmap.NodeID]int64 // since when probes are known to be unanswered
	met  map[slotmap.NodeID]int64 // since when it answers
}

// heard notes a sign of life.
func (c *contacts) heard(id slotmap.NodeID) {
	now := time.Now().UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pong == nil {
		c.pong, c.lost, c.met = map[slotmap.NodeID]int64{}, map[slotmap.NodeID]int64{}, map[slotmap.NodeID]int64{}
	}
	if c.met[id] == 0 || c.lost[id] != 0 {
		c.met[id] = now
	}
	c.pong[id] = now
	delete(c.lost, id)
}

// silent notes that gossip has given the node up.
func (c *contacts) silent(id slotmap.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pong[id] != 0 && c.lost[id] == 0 {
		c.lost[id] = time.Now().UnixMilli()
	}
}

func (c *contacts) snapshot() (pong, lost map[slotmap.NodeID]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.pong), maps.Clone(c.lost)
}

// links completes the links of control messages to one to and one from each of the
// nodes that gossip knows to be alive: with some this node exchanges nothing but
// gossip, which needs no connection. In Redis all nodes have links with all.
func (c *contacts) links(links []LinkStat, alive []gossipMember) []LinkStat {
	has := map[LinkStat]bool{}
	for _, l := range links {
		has[LinkStat{To: l.To, Node: l.Node}] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range alive {
		for _, to := range []bool{true, false} {
			if l := (LinkStat{To: to, Node: g.id}); !has[l] {
				has[l] = true
				l.CreateTimeMillis = c.met[g.id]
				links = append(links, l)
			}
		}
	}
	return links
}

// AckPayload, NotifyPingComplete: memberlist.PingDelegate.

// AckPayload adds nothing to answers.
func (d *gossipDelegate) AckPayload() []byte { return nil }

// NotifyPingComplete is called when a probe has been answered.
func (d *gossipDelegate) NotifyPingComplete(other *memberlist.Node, _ time.Duration, _ []byte) {
	if id, _, err := parseGossipName(other.Name); err == nil {
		d.heard(id)
	}
}

// MessageCount is the traffic of one kind of control message.
type MessageCount struct {
	Kind           string
	Sent, Received uint64
}

// messageCounts are counters by kind of message.
type messageCounts struct {
	sent, received [control.Kinds]atomic.Uint64
}

// snapshot lists the kinds that occurred, in a fixed order.
func (c *messageCounts) snapshot() []MessageCount {
	var out []MessageCount
	for k := range c.sent {
		m := MessageCount{control.KindName(k), c.sent[k].Load(), c.received[k].Load()}
		if m.Sent+m.Received > 0 {
			out = append(out, m)
		}
	}
	return out
}
