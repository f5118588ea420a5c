package sim

import (
	"errors"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// raftModel is what raft promises, without how: one log; entries of a leader
// that can reach a majority are committed; those of a leader that is lost
// meanwhile are committed by the next one or never; a leader that is cut off
// believes in itself for a while.
type raftModel struct {
	maps    []*slotmap.Map // after each committed entry
	results []slotmap.Result
	servers []control.RaftServer
	leader  *node
	gen     int // of the leader's process
	term    uint64
	limbo   []slotmap.Entry // of lost leaders
	silent  time.Duration   // since when the leader has no majority; 0: it has
	patient time.Duration
}

var errLeadership = errors.New("leadership lost")

func (r *raftModel) majority(w *world, of *node) bool {
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
		if n.active() && w.connected(of, n) {
			reached++
		}
	}
	return member && of.active() && reached > voters/2
}

func (r *raftModel) leads(n *node) bool { return r.leader == n && r.gen == n.gen && n.up }

func (r *raftModel) commit(e slotmap.Entry) slotmap.Result {
	data, err := slotmap.Encode(e)
	if err != nil {
		panic(err)
	}
	decoded, err := slotmap.Decode(data)
	if err != nil {
		panic(err)
	}
	m, res := r.maps[len(r.maps)-1].Apply(decoded)
	r.maps = append(r.maps, m)
	return res
}

func (r *raftModel) propose(n *node, e slotmap.Entry) {
	w := n.w
	term := n.term
	w.after(w.delay()+w.delay(), func() {
		if r.leads(n) && term == r.term && r.majority(w, n) {
			res := r.commit(e)
			if res.Stale != "" {
				w.stale++
				w.logf("node %d: %T %+v is stale: %s", n.index, e, e, res.Stale)
				if w.stale > 200 {
					w.failf("a controller keeps proposing what has no effect")
				}
			}
			index := len(r.maps) - 1
			n.do(0, func() {
				n.applied = max(n.applied, index)
				n.publish()
				n.ctl.Proposed(res, nil)
			})
			return
		}
		if term == r.term && w.rng.IntN(2) == 0 {
			r.limbo = append(r.limbo, e)
		}
		n.do(w.between(0, time.Second), func() { n.ctl.Proposed(slotmap.Result{}, errLeadership) })
	})
}

func (r *raftModel) change(n *node, c control.RaftChange) {
	w := n.w
	w.after(w.delay()+w.delay(), func() {
		if !r.leads(n) || !r.majority(w, n) {
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

// elect replaces a leader that is gone or has had no majority for long.
func (w *world) elect() {
	r := &w.raft
	if r.leader != nil && r.leads(r.leader) && r.majority(w, r.leader) {
		r.silent = 0
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
		if n := w.byID[s.ID]; s.Voter && n.up && n != r.leader && r.majority(w, n) {
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
		if v := w.byID[s.ID]; s.Voter && v.active() && w.connected(n, v) {
			v.term = r.term
		}
	}
	for _, e := range r.limbo {
		r.commit(e)
	}
	r.limbo = nil
	term, index := r.term, len(r.maps)-1
	w.logf("node %d is elected for term %d", n.index, term)
	n.do(w.delay()+w.delay(), func() {
		if r.term == term && r.leader == n {
			n.applied = max(n.applied, index)
			n.publish()
			n.ctl.Start(term, r.maps[n.applied], r.servers)
			n.agent.SetController(n.id)
		}
	})
}

// follow is what a follower hears of the leader.
func (n *node) follow() {
	r := &n.w.raft
	l := r.leader
	member := false
	for _, s := range r.servers {
		member = member || s.ID == n.id
	}
	if l == nil || !l.active() || !member || !n.w.connected(n, l) {
		return
	}
	n.term = r.term
	if l != n && n.ctl.Active() {
		n.ctl.Stop()
	}
	n.applied = max(n.applied, len(r.maps)-1)
	n.publish()
	n.agent.SetController(l.id)
}
