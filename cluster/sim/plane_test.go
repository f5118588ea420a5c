package sim

import (
	"slices"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// probed are the slots that clients write to, at the ends and in the middle of
// the first shares. The others have copies without content.
var probed = [...]uint16{0, 1, 2700, 5460, 5461, 8000, 10922, 10923, 13000, 16000, 16383}

// plane models store and replication of one process: per slot a history of
// writes. Of slots that are not probed it is only known whether their copy is
// complete, and they share the history of the probed slot before them, where that is
// held too: enough for positions.
type plane struct {
	node   *node
	m      *slotmap.Map
	copies [len(probed)]*slotCopy
	from   [len(probed)]*node // primaries of the slots held as a replica
	filled slotmap.Ranges     // slots not probed whose copy is complete
	behind bool               // says that no copy is complete
}

type slotCopy struct {
	epoch    uint64
	complete bool
	log      []uint64
	ready    time.Duration // when the full copy under way is done
	answered int           // primary, with durability quorum: writes up to there are answered, or will never be
}

// apply follows a map: begin epochs, drop what is not held any more.
func (p *plane) apply(m *slotmap.Map) {
	p.m = m
	self := m.Node(p.node.id)
	mine := self != nil && self.Boot == p.node.boot
	p.filled = append(p.filled.Intersect(m.HeldBy(p.node.id)), m.PrimaryOf(p.node.id)...).Normalize()
	if !mine {
		p.filled = nil
	}
	for i, slot := range probed {
		a := m.Slot(slot)
		c := p.copies[i]
		p.from[i] = nil
		if mine && a.HasReplica(p.node.id) {
			p.from[i] = p.node.w.byID[a.Primary]
		}
		switch {
		case !mine || !a.Holds(p.node.id):
			p.copies[i] = nil
		case a.Primary == p.node.id:
			if c == nil || !c.complete {
				c = &slotCopy{complete: true} // starts empty: the map counts that as lost
				p.copies[i] = c
			}
			if c.epoch < a.Epoch {
				c.epoch, c.answered = a.Epoch, len(c.log)
			}
		case c == nil:
			p.copies[i] = &slotCopy{}
		}
	}
}

// replicate pulls from the primaries: the rest of the history, or a full copy
// where the own history is not a beginning of theirs.
func (p *plane) replicate() {
	w := p.node.w
	if p.m == nil || w.stalled {
		return
	}
	p.fill()
	for i, src := range p.from {
		c := p.copies[i]
		if src == nil || c == nil || !src.active() || !w.connected(p.node, src) || src.plane.m == nil {
			continue
		}
		from := src.plane.copies[i]
		if from == nil || !from.complete || src.plane.from[i] != nil || from.epoch < c.epoch {
			continue
		}
		// Writes are unique, so equal ends mean equal beginnings.
		have := len(c.log)
		if c.complete && have <= len(from.log) && (have == 0 || c.log[have-1] == from.log[have-1]) {
			// Partial: some of what is missing.
			n := len(from.log)
			if w.rng.IntN(3) == 0 && n > have {
				n = have + w.rng.IntN(n-have+1)
			}
			c.log = append(c.log, from.log[have:n]...)
			if n == len(from.log) {
				c.epoch = from.epoch
			}
			continue
		}
		if c.complete || c.ready == 0 {
			c.complete, c.log = false, nil
			c.ready = w.now + w.between(5*ms, 120*ms)
			continue
		}
		if w.now >= c.ready {
			c.complete, c.ready, c.epoch, c.log = true, 0, from.epoch, slices.Clone(from.log)
			p.node.do(w.timing.Soon, p.node.agent.Tick)
		}
	}
}

// fill makes the copies of slots that are not probed complete whose primaries can be
// reached.
func (p *plane) fill() {
	self := p.m.Node(p.node.id)
	if self == nil || self.Boot != p.node.boot {
		return
	}
	var found slotmap.Ranges
	for _, s := range p.m.Within(p.m.ReplicaOf(p.node.id).Subtract(p.filled)) {
		if src := p.node.w.byID[s.Primary]; src.active() && p.node.w.connected(p.node, src) && src.plane.m != nil {
			found = append(found, (slotmap.Ranges{s.Range}).Intersect(src.plane.m.PrimaryOf(src.id).Intersect(src.plane.filled))...)
		}
	}
	if len(found) > 0 {
		p.filled = append(found, p.filled...).Normalize()
	}
}

// near is the probed slot, by index, whose fate slot shares in this model.
func near(slot uint16) int {
	i, found := slices.BinarySearch(probed[:], slot)
	if !found {
		i--
	}
	return i
}

// positions answers for every held slot: those without content take the state
// of the probed slot before them, where that is held too.
func (p *plane) positions(rs slotmap.Ranges) []slotmap.SlotPosition {
	if p.m == nil {
		return nil
	}
	self := p.m.Node(p.node.id)
	if self == nil || self.Boot != p.node.boot {
		return nil
	}
	rs = rs.Normalize()
	out := make([]slotmap.SlotPosition, 0, rs.Len())
	for _, s := range p.m.Within(rs) {
		if !s.Holds(p.node.id) {
			continue
		}
		i := near(s.First)
		for slot := int(s.First); slot <= int(s.Last); slot++ {
			if i+1 < len(probed) && int(probed[i+1]) == slot {
				i++
			}
			pos := slotmap.SlotPosition{Slot: uint16(slot), Epoch: s.Epoch, Complete: p.filled.Contains(uint16(slot))}
			if c := p.copies[i]; c != nil {
				pos.Complete = pos.Complete && c.complete
				if int(probed[i]) == slot {
					pos.Epoch, pos.Seq = c.epoch, uint64(len(c.log))
				}
			}
			out = append(out, pos)
		}
	}
	return out
}

func (p *plane) has(positions []slotmap.SlotPosition) bool {
	for _, want := range positions {
		i := near(want.Slot)
		if probed[i] != want.Slot {
			continue
		}
		c := p.copies[i]
		if c == nil || !c.complete || c.epoch < want.Epoch || c.epoch == want.Epoch && uint64(len(c.log)) < want.Seq {
			return false
		}
	}
	return true
}

func (p *plane) status() []slotmap.RangeStatus {
	if p.m == nil {
		return nil
	}
	self := p.m.Node(p.node.id)
	if self == nil || self.Boot != p.node.boot {
		return nil
	}
	var out []slotmap.RangeStatus
	for _, s := range p.m.Spans() {
		if !s.Holds(p.node.id) {
			continue
		}
		caught, seqs := len((slotmap.Ranges{s.Range}).Subtract(p.filled)) == 0, uint64(0)
		for i := near(s.First); i < len(probed) && probed[i] <= s.Last; i++ {
			if c := p.copies[i]; c != nil {
				caught = caught && c.complete
				if s.Contains(probed[i]) {
					seqs += uint64(len(c.log))
				}
			}
		}
		out = append(out, slotmap.RangeStatus{Range: s.Range, Primary: s.Primary == p.node.id, CaughtUp: caught && !p.behind, Seqs: seqs})
	}
	return out
}

// write is one client doing one write, and the place where invariant 1 is
// checked: whatever the moment, one node at most would acknowledge it.
func (w *world) write() {
	i := w.rng.IntN(len(probed))
	slot := probed[i]
	var owner *node
	for _, n := range w.nodes {
		if !n.serves(i) {
			continue
		}
		if owner != nil {
			w.failf("slot %d: nodes %d and %d both acknowledge writes", slot, owner.index, n.index)
			return
		}
		owner = n
	}
	if owner == nil {
		w.refused++
		return
	}
	c := owner.plane.copies[i]
	if c == nil || !c.complete {
		w.failf("slot %d: node %d serves it without a complete copy", slot, owner.index)
		return
	}
	if w.quiet {
		return
	}
	w.writes++
	c.log = append(c.log, w.writes)
	if w.acks == 0 {
		w.acked[i] = append(w.acked[i], w.writes)
	}
}

// answer lets primaries answer the writes that a quorum holds, or that clients wait for.
func (w *world) answer() {
	for _, n := range w.nodes {
		for i, slot := range probed {
			if !n.serves(i) {
				continue
			}
			c := n.plane.copies[i]
			var held []int
			for _, id := range n.opened.Slot(slot).Replicas {
				r := w.byID[id].plane.copies[i]
				if r == nil || !r.complete || !n.opened.Slot(slot).Counts(id) || !w.byID[id].up || w.byID[id].plane.from[i] != n {
					continue
				}
				if have := len(r.log); have <= len(c.log) && (have == 0 || c.log[have-1] == r.log[have-1]) {
					held = append(held, have)
				}
			}
			acks := n.opened.Acks(n.id)
			if w.acks == waits {
				acks = 1
			}
			if len(held) < acks {
				continue
			}
			slices.Sort(held)
			if upTo := held[len(held)-acks]; upTo > c.answered {
				w.acked[i] = append(w.acked[i], c.log[c.answered:upTo]...)
				c.answered = upTo
			}
		}
	}
}

// missing counts the writes of a copy that another does not have.
func missing(from, in *slotCopy) int {
	common := 0
	for common < min(len(from.log), len(in.log)) && from.log[common] == in.log[common] {
		common++
	}
	return len(from.log) - common
}

// checkLost holds what a failover says that was lost against what was, as long
// as the failed process's memory is there to be looked at.
func (w *world) checkLost(ev control.Event) {
	from := w.byID[ev.Node]
	if n := w.raft.last().Node(ev.Node); ev.Lost == 0 || n == nil || n.Boot != from.boot || n.State != slotmap.NodeFailed {
		return
	}
	if from.up || w.now-ev.Took-ev.Took/50 < from.crashed {
		return // it went on sending after the successors had told their positions
	}
	// What a range lost is told with one of its successors.
	lost := 0
	for i, slot := range probed {
		a, now := from.plane.copies[i], w.byID[w.raft.last().Slot(slot).Primary]
		if !now.up || now.boot != w.raft.last().Node(now.id).Boot {
			return // it is gone, too, with what it had
		}
		if a != nil && now != from && now.plane.copies[i] != nil {
			lost += missing(a, now.plane.copies[i])
		}
	}
	if ev.Lost > uint64(lost) {
		w.failf("a failover of node %d tells of %d lost effects, there were %d", from.index, ev.Lost, lost)
	}
}
