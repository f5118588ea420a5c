package sim

import (
	"errors"
	"slices"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

// raftModel is what raft promises, without how: one log; entries of a leader
// that can reach a majority are committed; those of a leader that is lost
// meanwhile are committed by the next one or never; a leader that is cut off
// believes in itself for a while.
type raftModel struct {
	w       *world
	maps    []*slotmap.Map  // after each committed entry
	values  []*shared.State // the same
	servers []control.RaftServer
	leader  *node
	gen     int // of the leader's process
	term    uint64
	pending []proposal    // of a leader without a majority: the next one decides
	silent  time.Duration // since when the leader has no majority; 0: it has
	patient time.Duration
}

// proposal is an entry in the log of a leader, not committed.
type proposal struct {
	entry any // slotmap.Entry or *shared.Entry
	by    *node
	done  func(res any, err error)
}

var errLeadership = errors.New("leadership lost")

func (r *raftModel) majority(of *node) bool {
	w := r.w
	voters, reached := 0, 0
	member := false
	for _, s := range r.servers {
		if !s.Voter {
			continue
		}
		voters++
		n := w.byID[s.ID]
		if n == of {
			member = true
		}
		if n.follows(r) && n.active() && w.connected(of, n) {
			reached++
		}
	}
	return member && of.active() && reached > voters/2
}

// last is the newest committed map.
func (r *raftModel) last() *slotmap.Map { return r.maps[len(r.maps)-1] }

// follows reports whether the node's raft answers that group: a fresh one
// answers any.
func (n *node) follows(r *raftModel) bool { return n.running && (n.group == nil || n.group == r) }

func (r *raftModel) leads(n *node) bool { return r.leader == n && r.gen == n.gen && n.up && n.running }

// newRaft is a group with an empty log.
func newRaft(w *world) *raftModel {
	return &raftModel{w: w, maps: []*slotmap.Map{slotmap.New()}, values: []*shared.State{shared.New()}}
}

// throughLog takes an entry through its form in the log: not always, it takes
// long.
func (r *raftModel) throughLog(entry any) any {
	if r.w.rng.IntN(8) != 0 {
		return entry
	}
	var data []byte
	var err error
	switch e := entry.(type) {
	case *shared.Entry:
		data, err = shared.Encode(e)
	case slotmap.Entry:
		data, err = slotmap.Encode(e)
	}
	if err == nil && shared.IsEntry(data) {
		entry, err = shared.Decode(data)
	} else if err == nil {
		entry, err = slotmap.Decode(data)
	}
	if err != nil {
		panic(err)
	}
	return entry
}

func (r *raftModel) commit(entry any) any {
	m, values := r.last(), r.values[len(r.values)-1]
	var out any
	switch e := r.throughLog(entry).(type) {
	case *shared.Entry:
		var res shared.Result
		values, res = values.Apply(e)
		out = res
	case slotmap.Entry:
		var res slotmap.Result
		m, res = m.Apply(e)
		out = res
	}
	r.maps, r.values = append(r.maps, m), append(r.values, values)
	if m.Formed() && r.w.raft != r {
		if r.w.raft.last().Formed() {
			r.w.failf("two clusters have formed")
		}
		r.w.raft = r
	}
	return out
}

func (r *raftModel) propose(n *node, e slotmap.Entry) {
	r.put(proposal{e, n, func(res any, err error) {
		result, _ := res.(slotmap.Result)
		n.ctl.Proposed(e, result, err)
	}})
}

// put takes an entry of a node that believes to lead.
func (r *raftModel) put(p proposal) {
	w, n, term := r.w, p.by, p.by.term
	if w.proposed != nil {
		w.proposed(p.entry)
	}
	w.after(w.delay()+w.delay(), func() {
		switch {
		case !r.leads(n) || term != r.term:
			n.do(w.between(0, time.Second), func() { p.done(nil, errLeadership) })
		case r.majority(n):
			r.accept(p)
		default:
			r.pending = append(r.pending, p)
		}
	})
}

// accept commits an entry of the leader.
func (r *raftModel) accept(p proposal) {
	w, n := r.w, p.by
	out := r.commit(p.entry)
	if res, ok := out.(slotmap.Result); ok && res.Stale != "" {
		w.stale++
		w.logf("node %d: %T %+v is stale: %s", n.index, p.entry, p.entry, res.Stale)
		if w.stale > 200 {
			w.failf("a controller keeps proposing what has no effect")
		}
	}
	index := len(r.maps) - 1
	n.do(0, func() {
		n.applied = max(n.applied, index)
		n.publish()
		p.done(out, nil)
	})
}

func (r *raftModel) change(n *node, c control.RaftChange) {
	w := n.w
	w.after(w.delay()+w.delay(), func() {
		if !r.leads(n) || !r.majority(n) {
			n.do(w.between(0, time.Second), func() { n.ctl.RaftDone(r.servers, errLeadership) })
			return
		}
		var next []control.RaftServer
		found := false
		for _, s := range r.servers {
			if s.ID == c.ID {
				found = true
				switch c.Op {
				case control.RaftRemove:
					continue
				case control.RaftAddVoter:
					s.Voter = true
				case control.RaftDemote:
					s.Voter = false
				}
			}
			next = append(next, s)
		}
		if !found && c.Op != control.RaftRemove && c.Op != control.RaftTransfer {
			next = append(next, control.RaftServer{ID: c.ID, Voter: c.Op == control.RaftAddVoter})
		}
		r.servers = next
		n.do(0, func() { n.ctl.RaftDone(next, nil) })
		if c.Op == control.RaftTransfer {
			n.do(0, n.ctl.Stop)
			r.leader = nil
			r.patient = w.now + 5*ms
			n.term-- // until it hears of the next
		}
	})
}

// lost notes that a process ended.
func (r *raftModel) lost(n *node) {
	if r.leader == n {
		r.leader = nil
		r.silent = 0
		r.patient = n.w.now + n.w.between(250*ms, 550*ms)
	}
}

// elect lets time pass for the raft groups.
func (w *world) elect() {
	for _, r := range w.groups {
		r.elect()
	}
}

// elect replaces a leader that is gone or has had no majority for long.
func (r *raftModel) elect() {
	w := r.w
	if r.leader != nil && r.leads(r.leader) && r.majority(r.leader) {
		r.silent = 0
		for _, p := range r.pending {
			r.accept(p)
		}
		r.pending = nil
		return
	}
	if r.leader != nil {
		if r.silent == 0 {
			r.silent = w.now
			r.patient = w.now + w.between(250*ms, 550*ms)
		}
	}
	if w.now < r.patient {
		return
	}
	var able []*node
	for _, s := range r.servers {
		if n := w.byID[s.ID]; s.Voter && n.up && n.running && n.group == r && n != r.leader && r.majority(n) {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return
	}
	if old := r.leader; old != nil {
		// It finds out some time: until then it goes on.
		old.do(w.between(0, 800*ms), func() {
			if r.leader != old {
				old.ctl.Stop()
			}
		})
	}
	n := able[w.rng.IntN(len(able))]
	r.term++
	r.leader, r.gen, r.silent = n, n.gen, 0
	for _, s := range r.servers {
		if v := w.byID[s.ID]; s.Voter && v.follows(r) && v.active() && w.connected(n, v) {
			v.term = r.term
			v.group = r
		}
	}
	for _, p := range r.pending {
		if w.rng.IntN(2) == 0 {
			r.commit(p.entry)
		}
		p.by.do(w.between(0, time.Second), func() { p.done(nil, control.ErrUndecided) })
	}
	r.pending = nil
	term, index := r.term, len(r.maps)-1
	w.logf("node %d is elected for term %d", n.index, term)
	n.do(w.delay()+w.delay(), func() {
		if r.term == term && r.leads(n) {
			n.applied = max(n.applied, index)
			n.publish()
			n.ctl.Start(term, r.maps[n.applied], r.servers)
			n.agent.SetController(n.id)
		}
	})
}

// follow is what a follower hears of the leader.
func (n *node) follow() {
	for _, r := range n.w.groups {
		if l := r.leader; l != nil && r.leads(l) && l.active() && n.follows(r) && n.w.connected(n, l) &&
			slices.ContainsFunc(r.servers, func(s control.RaftServer) bool { return s.ID == n.id }) {
			n.hears(r, l)
			return
		}
	}
}

func (n *node) hears(r *raftModel, l *node) {
	n.group = r
	n.term = r.term
	if l != n && n.ctl.Active() {
		n.ctl.Stop()
	}
	n.applied = max(n.applied, len(r.maps)-1)
	n.publish()
	n.agent.SetController(l.id)
}
