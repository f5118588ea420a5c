package slotmap

import "slices"

// maxForgotten bounds the memory of nodes that left; the oldest go first.
const maxForgotten = 1024

// Result says what an entry did.
type Result struct {
	// Stale is why nothing changed: a precondition no longer held. Empty when
	// the entry took effect.
	Stale string
	// Version of the map after the entry.
	Version uint64
	// Token of the move that a BeginMove started.
	Token uint64
	// Slots that got another primary, or started a move.
	Slots Ranges
	// Lost are slots that start empty because no copy was left.
	Lost Ranges
}

// Apply returns the map after entry e. It is deterministic and keeps m as it
// is. An entry whose preconditions do not hold returns m itself and says why.
func (m *Map) Apply(e Entry) (*Map, Result) {
	next := *m
	ed := &edit{Map: &next, version: m.version + 1}
	if reason := e.apply(ed); reason != "" {
		return m, Result{Stale: reason, Version: m.version}
	}
	next.version = ed.version
	return &next, Result{Version: next.version, Token: ed.token, Slots: ed.slots.Normalize(), Lost: ed.lost.Normalize()}
}

// edit is a map being changed: a shallow copy whose parts are replaced, never
// written to.
type edit struct {
	*Map
	version uint64
	token   uint64
	slots   Ranges
	lost    Ranges
}

// each replaces the assignments of the slots in rs by what fn returns for
// them; fn returns its argument for "leave it". It reports whether any changed.
func (e *edit) each(rs Ranges, fn func(r Range, a *Assignment) *Assignment) bool {
	rs = rs.Normalize()
	out := make([]Span, 0, len(e.spans)+2*len(rs))
	changed := false
	add := func(first, last int, a *Assignment) {
		if first > last {
			return
		}
		if n := len(out); n > 0 && out[n-1].Assignment.equal(a) {
			out[n-1].Last = uint16(last)
			return
		}
		out = append(out, Span{Range{uint16(first), uint16(last)}, a})
	}
	k := 0
	for _, s := range e.spans {
		next := int(s.First)
		for k < len(rs) && rs[k].First <= s.Last {
			first, last := max(int(rs[k].First), next), min(rs[k].Last, s.Last)
			add(next, first-1, s.Assignment)
			cut := Range{uint16(first), last}
			a := fn(cut, s.Assignment)
			if a != s.Assignment && !a.equal(s.Assignment) {
				changed = true
			}
			add(first, int(last), a)
			next = int(last) + 1
			if rs[k].Last > s.Last {
				break // the rest of this range lies in the next span
			}
			k++
		}
		add(next, int(s.Last), s.Assignment)
	}
	if changed {
		e.spans = out
	}
	return changed
}

// setNode replaces or adds a node.
func (e *edit) setNode(n Node) {
	i, found := slices.BinarySearchFunc(e.nodes, n.ID, func(a Node, id NodeID) int {
		switch {
		case a.ID < id:
			return -1
		case a.ID > id:
			return 1
		}
		return 0
	})
	nodes := slices.Clone(e.nodes)
	if found {
		nodes[i] = n
	} else {
		nodes = slices.Insert(nodes, i, n)
	}
	e.nodes = nodes
}

// fence makes leases of id count only for holders that know this change.
func (e *edit) fence(id NodeID) {
	if n := e.Node(id); n != nil {
		changed := *n
		changed.Fence = e.version
		e.setNode(changed)
	}
}

func without(ids []NodeID, id NodeID) []NodeID {
	if !slices.Contains(ids, id) {
		return ids
	}
	out := make([]NodeID, 0, len(ids)-1)
	for _, other := range ids {
		if other != id {
			out = append(out, other)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func with(ids []NodeID, id NodeID) []NodeID {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(slices.Clone(ids), id)
}

// promoted is a under a new primary; the old one takes its place among the
// replicas.
func promoted(a *Assignment, to NodeID, epoch uint64, oldInSync bool) *Assignment {
	b := &Assignment{Primary: to, Epoch: epoch}
	b.Replicas = slices.Clone(a.Replicas)
	if i := slices.Index(b.Replicas, to); i >= 0 {
		b.Replicas[i] = a.Primary
	}
	b.InSync = without(a.InSync, to)
	if oldInSync {
		b.InSync = with(b.InSync, a.Primary)
	}
	return b
}

func (f *Form) apply(e *edit) string {
	if e.clusterID != "" {
		return "the cluster is formed already"
	}
	e.clusterID, e.replicas, e.founder, e.byHand = f.ClusterID, f.Replicas, f.Founder, f.ByHand
	e.nextToken = 1
	return ""
}

// promoteAll makes the promotions whose preconditions hold.
func (e *edit) promoteAll(from NodeID, list []Promotion) {
	for _, p := range list {
		if e.Node(p.To) == nil {
			continue
		}
		epoch := e.currentEpoch + 1
		ok := e.each(p.Slots, func(r Range, a *Assignment) *Assignment {
			if a.Primary != from || !a.HasReplica(p.To) {
				return a
			}
			e.slots = append(e.slots, r)
			return promoted(a, p.To, epoch, false)
		})
		if ok {
			e.currentEpoch = epoch
		}
	}
}

func (r *Register) apply(e *edit) string {
	if e.clusterID == "" {
		return "the cluster is not formed"
	}
	if e.IsForgotten(r.Node.ID) {
		return "the node has left for good"
	}
	n := r.Node
	old := e.Node(n.ID)
	if old == nil {
		if r.PrevBoot != 0 {
			return "the node is not a member"
		}
		if len(e.nodes) >= maxNodes {
			return "too many nodes"
		}
		n.State, n.Fence, n.PrevBoot, n.Follows = NodeActive, e.version, 0, ""
		e.setNode(n)
		e.pinned = false
		return ""
	}
	if old.Boot != r.PrevBoot {
		return "the node was registered anew meanwhile"
	}
	n.State = NodeActive
	if old.State == NodeLeaving {
		n.State = NodeLeaving
	}
	n.Fence, n.PrevBoot, n.Follows = old.Fence, old.PrevBoot, old.Follows
	if n.Boot == old.Boot {
		n.State = old.State
		if n == *old {
			return "nothing changed"
		}
		e.setNode(n)
		return ""
	}
	n.Fence, n.PrevBoot = e.version, old.Boot
	e.setNode(n)
	e.pinned = false
	e.promoteAll(n.ID, r.Promote)
	e.changePlaces(n.ID)
	e.reborn(n.ID)
	return ""
}

// reborn applies the death of id's former process: its copies are gone.
func (e *edit) reborn(id NodeID) {
	epoch := e.currentEpoch + 1
	raised := false
	e.each(Ranges{All()}, func(r Range, a *Assignment) *Assignment {
		switch {
		case a.Primary == id:
			raised = true
			e.lost = append(e.lost, r)
			return &Assignment{Primary: id, Epoch: epoch, Replicas: a.Replicas}
		case a.HasReplica(id) && (a.IsInSync(id) || a.Move != nil && a.Move.Target == id):
			b := *a
			b.InSync = without(a.InSync, id)
			if b.Move != nil && b.Move.Target == id {
				b.Move = nil
			}
			return &b
		}
		return a
	})
	if raised {
		e.currentEpoch = epoch
		e.lostSlots += uint64(e.lost.Len())
	}
}

func (p *Promote) apply(e *edit) string {
	n := e.Node(p.From)
	if n == nil || n.Boot != p.Boot {
		return "the failed node has another process or is gone"
	}
	e.promoteAll(p.From, p.List)
	changedState := p.Fail && n.State == NodeActive
	if len(e.slots) == 0 && !changedState {
		return "nothing to promote"
	}
	failed := *n
	if changedState {
		failed.State = NodeFailed
	}
	if len(e.slots) > 0 {
		failed.Fence = e.version
	}
	e.setNode(failed)
	if len(e.slots) > 0 {
		e.changePlaces(p.From)
	}
	// What the failed node was receiving does not matter any more, and it is
	// behind from now on.
	e.each(e.ReplicaOf(p.From), func(_ Range, a *Assignment) *Assignment {
		if !a.IsInSync(p.From) && (a.Move == nil || a.Move.Target != p.From) {
			return a
		}
		b := *a
		b.InSync = without(a.InSync, p.From)
		if b.Move != nil && b.Move.Target == p.From {
			b.Move = nil
		}
		return &b
	})
	return ""
}

func (s *SetState) apply(e *edit) string {
	n := e.Node(s.Node)
	if n == nil || n.Boot != s.Boot {
		return "the node has another process or is gone"
	}
	if n.State == s.State {
		return "the node is in that state"
	}
	if n.State == NodeLeaving && s.State != NodeLeaving {
		return "the node is leaving for good"
	}
	changed := *n
	changed.State = s.State
	e.setNode(changed)
	e.pinned = e.pinned && s.State != NodeLeaving && s.State != NodeStopped
	return ""
}

func (p *Place) apply(e *edit) string {
	changed := false
	for _, c := range p.List {
		ok := e.each(c.Slots, func(_ Range, a *Assignment) *Assignment {
			b := *a
			for _, id := range c.Remove {
				if b.Move == nil || b.Move.Target != id {
					b.Replicas = without(b.Replicas, id)
					b.InSync = without(b.InSync, id)
					b.Going = without(b.Going, id)
				}
			}
			for _, id := range c.Release {
				if b.HasReplica(id) && (b.Move == nil || b.Move.Target != id) {
					b.Going = with(b.Going, id)
				}
			}
			for _, id := range c.Add {
				b.Going = without(b.Going, id)
				if id != b.Primary && b.Primary != "" && e.Node(id) != nil && len(b.Replicas) < maxReplicas {
					b.Replicas = with(b.Replicas, id)
				}
			}
			return &b
		})
		changed = changed || ok
	}
	if !changed {
		return "nothing changed"
	}
	return ""
}

func (as *Assign) apply(e *edit) string {
	if e.clusterID == "" {
		return "the cluster is not formed"
	}
	for _, c := range as.List {
		if e.Node(c.To) == nil {
			continue
		}
		var replicas []NodeID
		for _, id := range c.Replicas {
			if id != c.To && e.Node(id) != nil {
				replicas = append(replicas, id)
			}
		}
		epoch := e.currentEpoch + 1
		ok := e.each(c.Slots, func(r Range, a *Assignment) *Assignment {
			if a.Primary != as.From || a.Primary == c.To {
				return a
			}
			e.slots = append(e.slots, r)
			if as.From != "" {
				e.lost = append(e.lost, r)
			}
			return &Assignment{Primary: c.To, Epoch: epoch, Replicas: replicas}
		})
		if ok {
			e.currentEpoch = epoch
		}
	}
	if len(e.slots) == 0 {
		return "no slot is in the state that was expected"
	}
	e.lostSlots += uint64(e.lost.Len())
	if as.From != "" {
		e.fence(as.From)
	}
	return ""
}

func (i *InSync) apply(e *edit) string {
	n := e.Node(i.Node)
	if n == nil || n.Boot != i.Boot {
		return "the node has another process or is gone"
	}
	added := e.each(i.Add, func(_ Range, a *Assignment) *Assignment {
		if !a.HasReplica(i.Node) || a.IsInSync(i.Node) {
			return a
		}
		b := *a
		b.InSync = with(a.InSync, i.Node)
		return &b
	})
	removed := e.each(i.Remove, func(_ Range, a *Assignment) *Assignment {
		if !a.IsInSync(i.Node) {
			return a
		}
		b := *a
		b.InSync = without(a.InSync, i.Node)
		return &b
	})
	if !added && !removed {
		return "nothing changed"
	}
	return ""
}

func (b *BeginMove) apply(e *edit) string {
	n := e.Node(b.To)
	switch {
	case n == nil:
		return "the target is no member"
	case b.Boot != 0 && b.Boot != n.Boot:
		return "the target has another process"
	}
	move := &Move{Target: b.To, Token: e.nextToken}
	e.each(b.Slots, func(r Range, a *Assignment) *Assignment {
		if a.Primary != b.From || a.Move != nil || !a.IsInSync(b.To) && (b.Boot == 0 || !a.HasReplica(b.To)) {
			return a
		}
		e.slots = append(e.slots, r)
		moving := *a
		moving.Move, moving.InSync, moving.Going = move, with(a.InSync, b.To), without(a.Going, b.To)
		return &moving
	})
	if len(e.slots) == 0 {
		return "no slot can be moved"
	}
	e.token = e.nextToken
	e.nextToken++
	return ""
}

func (c *CommitMove) apply(e *edit) string {
	var from NodeID
	epoch := e.currentEpoch + 1
	e.each(e.Moving(c.Token), func(r Range, a *Assignment) *Assignment {
		from = a.Primary
		e.slots = append(e.slots, r)
		return promoted(a, a.Move.Target, epoch, true)
	})
	if len(e.slots) == 0 {
		return "no such move"
	}
	e.currentEpoch = epoch
	e.fence(from)
	e.changePlaces(from)
	return ""
}

func (ab *AbortMove) apply(e *edit) string {
	e.each(e.Moving(ab.Token), func(r Range, a *Assignment) *Assignment {
		e.slots = append(e.slots, r)
		b := *a
		b.Move = nil
		return &b
	})
	if len(e.slots) == 0 {
		return "no such move"
	}
	return ""
}

func (f *Forget) apply(e *edit) string {
	n := e.Node(f.Node)
	if n == nil || n.Boot != f.Boot {
		return "the node has another process or is gone"
	}
	if len(e.PrimaryOf(f.Node)) > 0 {
		return "the node is primary of slots"
	}
	e.each(e.ReplicaOf(f.Node), func(_ Range, a *Assignment) *Assignment {
		b := *a
		b.Replicas = without(a.Replicas, f.Node)
		b.InSync = without(a.InSync, f.Node)
		b.Going = without(a.Going, f.Node)
		if b.Move != nil && b.Move.Target == f.Node {
			b.Move = nil
		}
		return &b
	})
	i := e.nodeIndex(f.Node)
	e.nodes = slices.Delete(slices.Clone(e.nodes), i, i+1)
	e.unfollow(f.Node)
	forgotten := append(slices.Clone(e.forgotten), f.Node)
	e.forgotten = forgotten[max(0, len(forgotten)-maxForgotten):]
	e.pinned = false
	return ""
}

func (r *Replicas) apply(e *edit) string {
	if e.replicas == r.Factor {
		return "nothing changed"
	}
	e.replicas = r.Factor
	return ""
}

func (*Pin) apply(e *edit) string {
	if e.pinned {
		return "nothing changed"
	}
	e.pinned = true
	return ""
}
