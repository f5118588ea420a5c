package resp

import (
	"context"
	"strconv"
	"time"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/resp/proto"
)

func init() {
	handle(map[string]Handler{
		"role":      roleCommand,
		"wait":      wait,
		"readonly":  readOnly,
		"readwrite": readWrite,
		"asking":    asking,
		"replicaof": replicaOf,
		"slaveof":   replicaOf,
	})
}

// nodeRole is this node's role as Redis, which knows one role per node, would
// put it: a node that is primary of no slot and replica of some is a replica,
// of the primary that it shares most slots with. Every other node is a master.
//
// A standalone node is a replica while it follows a primary (follow.go).
type nodeRole struct {
	replica bool
	host    string // of the primary, as all below
	port    int
	link    PrimaryLink
	state   string // of the link, as ROLE shows it
	counted bool   // its position is known
}

func (d *Dispatcher) role() nodeRole {
	if d.routing == nil {
		if a, _ := d.follow.current(); a != nil {
			return d.follow.role(a, d)
		}
		return nodeRole{}
	}
	m := d.routing.Map()
	id := primaryFollowed(m, d.routing.ID())
	if id == "" {
		return nodeRole{}
	}
	n := m.Node(id)
	if n == nil {
		return nodeRole{}
	}
	info := d.replicationInfo()
	r := nodeRole{replica: true, host: n.Host, port: cluster.PortOf(n, false), link: info.primaryLink(id), counted: true}
	switch {
	case !r.link.Up:
		r.state = followConnect
	case r.link.Syncing:
		r.state = followSync
	default:
		r.state = followConnected
	}
	return r
}

// primaryFollowed returns whose replica a node is in Redis's sense, or "".
func primaryFollowed(m *slotmap.Map, id slotmap.NodeID) slotmap.NodeID {
	shared := make(map[slotmap.NodeID]int)
	var best slotmap.NodeID
	for _, s := range m.Spans() {
		switch {
		case s.Primary == id:
			return ""
		case s.Primary == "" || !s.HasReplica(id):
			continue
		}
		shared[s.Primary] += s.Len()
		n, most := shared[s.Primary], shared[best]
		if best == "" || n > most || n == most && s.Primary < best {
			best = s.Primary
		}
	}
	if n := m.Node(id); n != nil && n.Follows != "" {
		return n.Follows // its copies come
	}
	return best
}

// primaryLink describes this node's link to a primary; the zero link, which is
// down, when there is none.
func (r *ReplicationInfo) primaryLink(id slotmap.NodeID) PrimaryLink {
	for _, l := range r.Primaries {
		if l.NodeID == string(id) {
			return l
		}
	}
	return PrimaryLink{NodeID: string(id)}
}

// replicationInfo is the picture of replication; of a node that does not
// replicate, too.
func (d *Dispatcher) replicationInfo() ReplicationInfo {
	if d.repl == nil {
		return d.feed.info(time.Now(), d.config.Config().Replication.LogSize)
	}
	return d.repl.Info()
}

func roleCommand(c *Ctx) {
	role, info := c.d.role(), c.d.replicationInfo()
	if role.replica {
		c.W.Array(5)
		c.W.BulkString("slave")
		c.W.BulkString(role.host)
		c.W.Int(int64(role.port))
		c.W.BulkString(role.state)
		if c.d.routing == nil && (!role.counted || !role.link.Up) {
			c.W.Int(-1)
			return
		}
		c.W.Int(int64(role.link.Offset))
		return
	}
	c.W.Array(3)
	c.W.BulkString("master")
	c.W.Int(int64(info.Offset))
	online := onlineReplicas(info.Replicas)
	c.W.Array(len(online))
	for _, r := range online {
		c.W.Array(3)
		c.W.BulkString(r.Host)
		c.W.BulkInt(int64(r.Port))
		c.W.BulkString(strconv.FormatUint(r.Offset, 10))
	}
}

func onlineReplicas(links []ReplicaLink) []ReplicaLink {
	var online []ReplicaLink
	for _, r := range links {
		if r.State == "online" {
			online = append(online, r)
		}
	}
	return online
}

// wait: WAIT numreplicas timeout. The client is parked meanwhile.
func wait(c *Ctx) {
	if c.d.follow.on.Load() {
		c.W.Error(errWaitReplica)
		return
	}
	n, ok := parseLong(c.Args[1])
	if !ok {
		c.W.Error(errNotInteger)
		return
	}
	timeout, ok := c.timeoutMillis(c.Args[2])
	if !ok {
		return
	}
	repl := c.d.repl
	if repl == nil {
		c.waitFed(n, timeout)
		return
	}
	marks := c.session().marks(repl)
	if len(marks) == 0 {
		// Nothing was written: whoever is there has it all.
		c.W.Int(int64(len(onlineReplicas(repl.Info().Replicas))))
		return
	}
	acked := ackedNow(repl, marks)
	if int64(acked) >= n || c.DenyBlocking() {
		c.W.Int(int64(acked))
		return
	}
	want := int(min(n, maxReplicas))
	b := c.background(timeout,
		func(w *proto.Writer) { w.Int(int64(ackedNow(repl, marks))) },
		func(ctx context.Context, w *proto.Writer) { w.Int(int64(repl.WaitAcked(ctx, marks, want))) })
	c.d.blocked.waitFor(b, marks, repl)
}

// maxReplicas is more than there can be.
const maxReplicas = 1 << 20

// ackedNow counts the replicas that have acknowledged marks, without waiting.
func ackedNow(repl Replicator, marks []Mark) int {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return repl.WaitAcked(ctx, marks, 0)
}

// marks returns the positions that hold everything the client has written. What
// it wrote to slots that have another primary now is answered for once more, by
// a count that says that nobody knows, and forgotten: later waits are about what
// is written later.
func (s *session) marks(repl Replicator) []Mark {
	if s.written != nil {
		if s.waited == nil {
			s.waited = make(map[uint16]Mark)
		}
		for i, word := range s.written {
			for bit := range 64 {
				if word&(1<<bit) != 0 {
					slot := uint16(i*64 + bit)
					s.waited[slot] = repl.Mark(slot)
				}
			}
		}
		s.written = nil
	}
	marks := make([]Mark, 0, len(s.waited))
	for slot, m := range s.waited {
		marks = append(marks, m)
		if !repl.Leads(slot) {
			delete(s.waited, slot)
		}
	}
	return marks
}

// inCluster replies with Redis's error on a node without cluster mode.
func (c *Ctx) inCluster() bool {
	if c.d.routing == nil {
		c.W.Error(errClusterOff)
		return false
	}
	return true
}

func readOnly(c *Ctx) {
	if c.inCluster() {
		c.Client.SetFlag(FlagReadOnly, true)
		c.W.OK()
	}
}

// readsReplicas says whether a client may read from slots that this node is a replica of.
func (d *Dispatcher) readsReplicas(client *Client) bool {
	return client.Has(FlagReadOnly) || d.config.Config().Cluster.ReadsWithoutReadonly
}

func readWrite(c *Ctx) {
	if c.inCluster() {
		c.Client.SetFlag(FlagReadOnly, false)
		c.W.OK()
	}
}

func asking(c *Ctx) {
	if c.inCluster() {
		c.Client.SetFlag(FlagAsking, true)
		c.W.OK()
	}
}
