package sim

import (
	"slices"
	"time"

	"respkv/cluster/slotmap"
)

// probed are the slots that clients write to, at the ends and in the middle of
// the first shares. The others have copies without content.
var probed = []uint16{0, 1, 2700, 5460, 5461, 8000, 10922, 10923, 13000, 16000, 16383}

// plane models store and replication of one process: per slot a history of
// writes. Slots that are not probed share one copy per span of the map, found
// under the span's first slot, which is enough for positions.
type plane struct {
	node   *node
	m      *slotmap.Map
	copies map[uint16]*slotCopy
}

type slotCopy struct {
	epoch    uint64
	complete bool
	log      []uint64
	ready    time.Duration // when the full copy under way is done
}

// apply follows a map: begin epochs, drop what is not held any more.
func (p *plane) apply(m *slotmap.Map) {
	p.m = m
	self := m.Node(p.node.id)
	mine := self != nil && self.Boot == p.node.boot
	for _, slot := range probed {
		a := m.Slot(slot)
		c := p.copies[slot]
		switch {
		case !mine || !a.Holds(p.node.id):
			delete(p.copies, slot)
		case a.Primary == p.node.id:
			if c == nil || !c.complete {
				c = &slotCopy{complete: true} // starts empty: the map counts that as lost
				p.copies[slot] = c
			}
			c.epoch = max(c.epoch, a.Epoch)
		case c == nil:
			p.copies[slot] = &slotCopy{}
		}
	}
}

// replicate pulls from the primaries: the rest of the history, or a full copy
// where the own history is not a beginning of theirs.
func (p *plane) replicate() {
	w := p.node.w
	if p.m == nil {
		return
	}
	for slot, c := range p.sorted() {
		a := p.m.Slot(slot)
		if a.Primary == p.node.id || a.Primary == "" {
			continue
		}
		src := w.byID[a.Primary]
		if !src.active() || !w.connected(p.node, src) || src.plane.m == nil {
			continue
		}
		from := src.plane.copies[slot]
		if from == nil || !from.complete || src.plane.m.Slot(slot).Primary != src.id || from.epoch < c.epoch {
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
		}
	}
}

// sorted walks the copies in the same order in every run.
func (p *plane) sorted() func(func(uint16, *slotCopy) bool) {
	return func(yield func(uint16, *slotCopy) bool) {
		for _, slot := range probed {
			if c := p.copies[slot]; c != nil && !yield(slot, c) {
				return
			}
		}
	}
}

// near is the probed slot whose fate slot shares in this model.
func near(slot uint16) uint16 {
	i, found := slices.BinarySearch(probed, slot)
	if !found {
		i--
	}
	return probed[i]
}

// positions answers for every held slot: those without content take the state
// of the probed slot before them, where that is held too.
func (p *plane) positions(rs slotmap.Ranges) []slotmap.SlotPosition {
	if p.m == nil {
		return nil
	}
	var out []slotmap.SlotPosition
	self := p.m.Node(p.node.id)
	if self == nil || self.Boot != p.node.boot {
		return nil
	}
	for _, s := range p.m.Within(rs.Normalize()) {
		if !s.Holds(p.node.id) {
			continue
		}
		for slot := int(s.First); slot <= int(s.Last); slot++ {
			pos := slotmap.SlotPosition{Slot: uint16(slot), Epoch: s.Epoch, Complete: true}
			if c := p.copies[uint16(slot)]; c != nil {
				pos.Epoch, pos.Seq, pos.Complete = c.epoch, uint64(len(c.log)), c.complete
			} else if c := p.copies[near(uint16(slot))]; c != nil {
				pos.Complete = c.complete
			}
			out = append(out, pos)
		}
	}
	return out
}

func (p *plane) has(positions []slotmap.SlotPosition) bool {
	for _, want := range positions {
		if !slices.Contains(probed, want.Slot) {
			continue
		}
		c := p.copies[want.Slot]
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
		caught := true
		for slot, c := range p.sorted() {
			if s.Contains(slot) || slot == near(s.First) {
				caught = caught && c.complete
			}
		}
		out = append(out, slotmap.RangeStatus{Range: s.Range, Primary: s.Primary == p.node.id, CaughtUp: caught})
	}
	return out
}

// write is one client doing one write, and the place where invariant 1 is
// checked: whatever the moment, one node at most would acknowledge it.
func (w *world) write() {
	slot := probed[w.rng.IntN(len(probed))]
	var owner *node
	for _, n := range w.nodes {
		if !n.serves(slot) {
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
	c := owner.plane.copies[slot]
	if c == nil || !c.complete {
		w.failf("slot %d: node %d serves it without a complete copy", slot, owner.index)
		return
	}
	if w.quiet {
		return
	}
	w.writes++
	c.log = append(c.log, w.writes)
	w.acked[slot] = append(w.acked[slot], w.writes)
}
