package node

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"respkv/cluster"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
	"respkv/replication"
)

// plane makes the data of this node follow the slot map. It implements
// cluster.DataPlane.
//
// Each slot has a role here:
//
//	         gained by formation,            lost by handoff,
//	         failover, handoff               failover
//	none ------------------------> primary ------------------> replica or none
//	 ^  \--------> replica ----------^                              |
//	 |   copies      |  promoted                                    |
//	 +---------------+---- dropped: position forgotten, data cleared+
type plane struct {
	node     *Node
	cfg      replication.Config
	keyspace *keyspace
	log      *slog.Logger

	// applying is held by whoever changes what is below: Apply, the cleaner,
	// close. Links end and slots are cleared under it, which may take a while;
	// readers do not wait for that. Before mu; shard locks are taken under it.
	applying sync.Mutex
	// mu guards roles, follows and links for readers and is held for no more than
	// writing them. Whoever holds applying may read them without it; stale, givenUp
	// and closed are guarded by applying alone.
	mu      sync.RWMutex
	roles   [hashslot.Count]role
	follows [hashslot.Count]slotmap.NodeID // primary of the slots held as a replica
	stale   [hashslot.Count]bool           // dropped, data not yet cleared
	givenUp [hashslot.Count]bool           // nobody's, by CLUSTER DELSLOTS here: data stays until somebody has them
	links   map[slotmap.NodeID]*link
	closed  bool

	lost   lossCounter
	status statusCache
	wake   chan struct{} // stale slots wait for the cleaner
	quit   chan struct{}
	clean  sync.WaitGroup
}

// role is what this node is for a slot.
type role uint8

const (
	roleNone role = iota
	rolePrimary
	roleReplica
)

// link is a replication link to one primary node.
type link struct {
	*replication.Link
	slots int
}

func newPlane(n *Node, cfg replication.Config) *plane {
	p := &plane{
		node: n, cfg: cfg, log: n.log,
		keyspace: newKeyspace(n.store),
		links:    make(map[slotmap.NodeID]*link),
		wake:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
	}
	p.clean.Add(1)
	go p.cleaner()
	return p
}

// Apply implements cluster.DataPlane.
//
// While it runs, readers see what has ended already, and not yet what begins.
func (p *plane) Apply(m *slotmap.Map) {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.closed {
		return
	}
	self := p.node.Cluster().ID()
	member := m.Node(self)
	// The map may still speak of an earlier process of this node: what that one
	// was primary of died with it.
	current := member != nil && member.Boot == p.node.Cluster().Boot()

	var roles [hashslot.Count]role
	var follows [hashslot.Count]slotmap.NodeID
	var epochs [hashslot.Count]uint64
	var nobodys [hashslot.Count]bool
	for _, span := range m.Spans() {
		r, primary := roleNone, slotmap.NodeID("")
		switch {
		case member == nil:
		case span.Primary == self && current:
			r = rolePrimary
		case span.HasReplica(self):
			r, primary = roleReplica, span.Primary
		}
		for slot := int(span.First); slot <= int(span.Last); slot++ {
			roles[slot], follows[slot], epochs[slot] = r, primary, span.Epoch
			nobodys[slot] = current && span.Primary == ""
		}
	}

	// First whatever ends, then whatever begins: a slot must never be written
	// by a link and by clients at the same time.
	was := p.roles
	p.mu.Lock()
	for slot, now := range roles {
		if now == roleNone || was[slot] == rolePrimary {
			p.roles[slot] = now
		}
	}
	p.mu.Unlock()
	ended := false
	for slot, was := range was {
		if was == rolePrimary && roles[slot] != rolePrimary {
			s := uint16(slot)
			p.keyspace.WithSlot(s, func() { p.node.repl.EndEpoch(s) })
			ended = true
		}
	}
	p.unfollow(func(slot int) bool { return follows[slot] != p.follows[slot] })
	for slot, was := range was {
		s := uint16(slot)
		switch now := roles[slot]; {
		case now == roleNone && was != roleNone:
			p.keyspace.WithSlot(s, func() { p.node.repl.Forget(s) })
			p.givenUp[slot] = was == rolePrimary && nobodys[slot]
			p.stale[slot] = !p.givenUp[slot]
		case p.givenUp[slot] && (now == roleReplica || now == roleNone && !nobodys[slot]):
			p.givenUp[slot], p.stale[slot] = false, true
		case now == rolePrimary:
			p.givenUp[slot] = false
		}
		switch roles[slot] {
		case rolePrimary:
			p.clearStale(slot)
			p.beginEpoch(s, epochs[slot], was == rolePrimary)
		case roleReplica:
			p.clearStale(slot)
		}
	}
	opened := p.follow(follows)
	p.mu.Lock()
	p.roles, p.follows = roles, follows
	for primary, l := range opened {
		p.links[primary] = l
	}
	p.mu.Unlock()
	p.status.changed.Store(true)
	if p.node.dispatcher != nil {
		if ended {
			p.node.dispatcher.PrimarySlotsLost(func(slot uint16) bool { return was[slot] == rolePrimary && roles[slot] != rolePrimary })
		}
		p.node.dispatcher.SlotsLost(func(slot uint16) bool { return roles[slot] == roleNone })
	}
	if source := p.node.source.Load(); source != nil {
		source.Recount() // by this map
	}
	if err := p.node.repl.SetWanted(logWanted(m)); err != nil {
		p.log.Error("no memory for the replication log: replicas will need full resyncs", "error", err)
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// logWanted says whether any node could ever ask for the effects of this one.
func logWanted(m *slotmap.Map) bool {
	return m.ReplicationFactor() > 0 || len(m.Nodes()) > 1
}

func (p *plane) beginEpoch(slot uint16, epoch uint64, wasPrimary bool) {
	if wasPrimary && p.node.repl.Position(slot).Epoch == epoch {
		return
	}
	p.keyspace.WithSlot(slot, func() {
		err := p.node.repl.BeginEpoch(slot, epoch)
		switch now := p.node.repl.Position(slot).Epoch; {
		case err == nil:
		case now > epoch:
			// It was replaced before it learned that it was promoted, and has followed its
			// successor already, by the map from before. The map that says so is next; no
			// lease holds until then.
			p.log.Debug("the config epoch of a slot was over before this node knew of it", "slot", slot, "epoch", epoch, "now", now)
		default:
			p.log.Error("cannot begin the config epoch of a slot", "slot", slot, "epoch", epoch, "error", err)
		}
	})
}

// unfollow takes slots that are followed and meet changed off their links. Links
// without slots end.
func (p *plane) unfollow(changed func(slot int) bool) {
	leaving := make(map[slotmap.NodeID][]uint16)
	for slot, primary := range p.follows {
		if primary != "" && changed(slot) {
			leaving[primary] = append(leaving[primary], uint16(slot))
		}
	}
	for primary, slots := range leaving {
		l := p.links[primary]
		if l == nil {
			continue
		}
		l.RemoveSlots(slots)
		if l.slots -= len(slots); l.slots == 0 {
			p.mu.Lock()
			delete(p.links, primary)
			p.mu.Unlock()
			l.Close() // waits for its goroutine
		}
	}
}

// follow opens links for, or adds to them, the slots that have a new primary. It
// returns the links that are new.
func (p *plane) follow(follows [hashslot.Count]slotmap.NodeID) map[slotmap.NodeID]*link {
	fresh := make(map[slotmap.NodeID]*link)
	joining := make(map[slotmap.NodeID][]uint16)
	for slot, primary := range follows {
		if primary != "" && primary != p.follows[slot] {
			joining[primary] = append(joining[primary], uint16(slot))
		}
	}
	for primary, slots := range joining {
		l := p.links[primary]
		if l == nil {
			opened, err := p.open(primary)
			if err != nil {
				p.log.Error("cannot make a replication link", "primary", primary, "error", err)
				continue
			}
			l = opened
			fresh[primary] = l
			l.AddSlots(slots)
			l.Start()
		} else {
			l.AddSlots(slots)
		}
		l.slots += len(slots)
	}
	return fresh
}

func (p *plane) open(primary slotmap.NodeID) (*link, error) {
	l, err := replication.NewLink(replication.LinkOptions{
		Config: p.cfg, Log: p.node.repl, Slots: p.keyspace, Applier: p.node.dispatcher,
		NodeID: string(p.node.Cluster().ID()), BootID: p.node.Cluster().Boot(),
		PrimaryID: string(primary),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return p.node.Cluster().DialReplication(ctx, primary)
		},
		OnBroken: func(error) {
			p.status.changed.Store(true)
			p.node.Cluster().LinkBroken(primary)
		},
		OnCaughtUp: func(uint16) {
			p.status.changed.Store(true)
			p.node.Cluster().CopiesChanged()
		},
		OnLoss: func(l replication.Loss) {
			p.lost.add(l)
			p.node.Cluster().EffectsLost(l.Slot, l.Effects)
		},
		Logger: p.log,
	})
	if err != nil {
		return nil, err
	}
	return &link{Link: l}, nil
}

// clearStale removes what an earlier copy of the slot left behind. The caller
// holds applying.
func (p *plane) clearStale(slot int) {
	if !p.stale[slot] {
		return
	}
	p.stale[slot] = false
	if err := p.keyspace.ClearSlot(uint16(slot)); err != nil {
		p.log.Error("cannot clear a slot", "slot", slot, "error", err)
	}
}

// empty lets go of everything: this node belongs to no cluster, and has no data.
func (p *plane) empty() {
	p.Apply(slotmap.New())
	for slot := range hashslot.Count {
		p.applying.Lock()
		p.stale[slot] = true
		p.clearStale(slot)
		p.applying.Unlock()
	}
}

// cleaner clears dropped slots in the background, one at a time, so that Apply
// stays quick.
func (p *plane) cleaner() {
	defer p.clean.Done()
	for {
		select {
		case <-p.quit:
			return
		case <-p.wake:
		}
		for slot := range hashslot.Count {
			select {
			case <-p.quit:
				return
			default:
			}
			p.applying.Lock()
			p.clearStale(slot)
			p.applying.Unlock()
		}
	}
}

// Positions implements cluster.DataPlane.
func (p *plane) Positions(ranges slotmap.Ranges) []cluster.SlotPosition {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []cluster.SlotPosition
	each(ranges, func(slot uint16) {
		if p.roles[slot] == roleNone {
			return
		}
		out = append(out, p.position(slot))
	})
	return out
}

// position describes the copy of a slot that is held. The caller holds mu.
func (p *plane) position(slot uint16) cluster.SlotPosition {
	pos := p.node.repl.Position(slot)
	// A copy that was complete stays so when its link breaks: only a full resync
	// in progress makes it useless, and then its position is zero. So is that of
	// a copy that is dropped; that of a primary never is.
	return cluster.SlotPosition{Slot: slot, Epoch: pos.Epoch, Seq: pos.Seq, Complete: !pos.IsZero()}
}

// Pause implements cluster.DataPlane. Admit already answers Paused: whoever
// still writes holds the lock of the slot's shard, so taking each lock once
// waits for all of them.
func (p *plane) Pause(ctx context.Context, ranges slotmap.Ranges) ([]cluster.SlotPosition, error) {
	var out []cluster.SlotPosition
	each(ranges, func(slot uint16) {
		if ctx.Err() != nil {
			return
		}
		p.keyspace.WithSlot(slot, func() {
			pos := p.node.repl.Position(slot)
			out = append(out, cluster.SlotPosition{Slot: slot, Epoch: pos.Epoch, Seq: pos.Seq, Complete: true})
		})
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.node.repl.Flush() // what waits in the taps leaves at once: clients are waiting
	return out, nil
}

// Resume implements cluster.DataPlane: nothing was stopped but what Admit
// refuses.
func (p *plane) Resume(slotmap.Ranges) {}

// waitStep is how often WaitFor looks. A handoff is waited for by paused
// clients, and lasts milliseconds.
const waitStep = 250 * time.Microsecond

// WaitFor implements cluster.DataPlane.
func (p *plane) WaitFor(ctx context.Context, positions []cluster.SlotPosition) error {
	timer := time.NewTicker(waitStep)
	defer timer.Stop()
	for {
		if p.applied(positions) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (p *plane) applied(positions []cluster.SlotPosition) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, want := range positions {
		have := p.position(want.Slot)
		if p.roles[want.Slot] == roleNone || !have.Complete || have.Less(want) {
			return false
		}
	}
	return true
}

// statusAge is how old an answer of Status may be while no slot changed its
// state: sequences and lag move all the time, and going through all slots costs
// some hundred microseconds.
const statusAge = 250 * time.Millisecond

// statusCache holds the last answer of Status.
type statusCache struct {
	changed atomic.Bool // a slot changed its state since

	mu   sync.Mutex // guards all below; taken before plane.mu
	last []cluster.RangeStatus
	at   time.Time
}

// Status implements cluster.DataPlane.
func (p *plane) Status() []cluster.RangeStatus {
	c := &p.status
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.changed.Swap(false) || now.Sub(c.at) >= statusAge {
		c.last, c.at = p.currentStatus(), now
	}
	return c.last
}

func (p *plane) currentStatus() []cluster.RangeStatus {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []cluster.RangeStatus
	for slot := range hashslot.Count {
		var s cluster.RangeStatus
		switch p.roles[slot] {
		case roleNone:
			continue
		case rolePrimary:
			s.Primary, s.CaughtUp = true, true
		case roleReplica:
			if l := p.links[p.follows[slot]]; l != nil {
				status := l.SlotStatus(uint16(slot))
				s.CaughtUp = status.State == replication.SlotStreaming
				s.LagMs = status.Staleness.Milliseconds()
			}
		}
		s.Seqs = p.node.repl.Position(uint16(slot)).Seq
		s.First, s.Last = uint16(slot), uint16(slot)
		if n := len(out); n > 0 {
			last := &out[n-1]
			if int(last.Last)+1 == slot && last.Primary == s.Primary && last.CaughtUp == s.CaughtUp {
				last.Last = s.Last
				last.Seqs += s.Seqs
				last.LagMs = max(last.LagMs, s.LagMs)
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// close ends all links and the cleaner.
func (p *plane) close() {
	p.applying.Lock()
	if p.closed {
		p.applying.Unlock()
		return
	}
	p.closed = true
	p.mu.Lock()
	links := p.links
	p.links = nil
	p.mu.Unlock()
	p.applying.Unlock()
	for _, l := range links {
		l.Close()
	}
	close(p.quit)
	p.clean.Wait()
}

func each(ranges slotmap.Ranges, fn func(slot uint16)) {
	for _, r := range ranges {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			fn(uint16(slot))
		}
	}
}
