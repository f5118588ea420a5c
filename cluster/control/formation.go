package control

import (
	"slices"
	"time"

	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
)

// Formation decides when a fresh node, one without raft state, forms a cluster
// with others like it. Every fresh node votes, visibly for all, for the one
// that is to form the cluster: the fresh node with the lowest ID among those it
// sees, once they are as many as expected.
//
//	          expect nodes seen             expect votes for it
//	Watching -------------------> Voting ------------------------> Begun
//	   |  ^                        |  ^      (the candidate; others when its
//	   |  |                        +--+       raft leader reaches them)
//	   |  |    the candidate votes for another,          |        |
//	   |  |    or is gone for very long                  |        | the log names
//	   |  +----------------------------------------------+        | the cluster
//	   |            another cluster has formed                    v
//	   +-----------------------------------------------------> Formed
//	      a cluster is seen: it takes this node in
//
// A vote is kept until the candidate has visibly voted for somebody else: it
// forms a cluster only while its own vote is for itself, so by then it has
// given up. Votes outlive the process: they are written down before they are
// shown. So no two candidates count the vote of one node.
//
// A candidate that is not seen for very long is given up all the same; without
// that, one lost disk would keep a cluster from ever forming. It may have begun
// one. Therefore raft of a cluster that has begun and not formed runs only
// while the votes for its candidate are in sight: long before the others give
// the candidate up, it has stopped, and it stays stopped when it returns to
// nodes that have made another choice. When they form a cluster, it drops what
// it had begun, in which nothing was ever acknowledged, and joins them.
//
// The leader has the log name the cluster only when all nodes that were counted
// are bound: they have its raft state on disk, and show it. A bound node never
// gives its candidate up by time, so there are not enough others left for
// another cluster. If one of those counted stays away after its vote, it is done
// without, provided that as many as expected still vote for this candidate and
// are in sight. Fresh nodes vote for a candidate that has bound others, whatever
// its ID.
//
// By hand, as redis-cli makes a Redis Cluster, nobody says how many nodes there
// will be: operators give slots to fresh nodes that expect nobody, and make them
// meet. Then it is all the slots that are expected: a candidate has the votes of
// nodes that were given them all. Nodes without slots vote, too, and are counted
// in if they are there.
//
// What cannot be excluded: nodes that are twice as many as expected, cut in
// halves that do not see each other, form two clusters. So do fewer, if after a
// cluster was formed without a node that voted, its other unbound nodes vanish
// before it has taken them in, and that one returns to them.
type Formation struct {
	self   slotmap.NodeID
	expect int
	slots  int // given to this node
	lease  time.Duration
	vote   slotmap.NodeID
	lost   map[slotmap.NodeID]time.Duration // since when a candidate is not seen

	since      time.Duration // since when there is raft state; 0: there is none
	inSight    time.Duration // when the votes were last in sight; 0: never
	otherSince time.Duration // since when only another cluster is seen; 0: it is not
}

// Patience, in leases. holdBack must be well below candidateGone: it is what
// keeps a candidate that was given up from going on.
const (
	candidateGone = 30 // a candidate that is not seen is waited for
	holdBack      = 10 // raft goes on without the votes in sight
	strandedAfter = 5  // another cluster is looked at before joining it
	unboundAfter  = 8  // a node that voted is waited for, to be bound
)

// Seen is a living node as gossip describes it.
type Seen struct {
	ID     slotmap.NodeID
	Vote   slotmap.NodeID // of a member of a cluster: the cluster's founder
	Bound  bool           // it has raft state of the cluster that its vote is for
	Formed bool           // it belongs to a cluster
	Slots  int            // given to it by operators, not in a cluster yet
}

// FormationStep is what a node in formation is to do, in this order: write down
// and show its vote, then the rest.
type FormationStep struct {
	// Begin is not empty when this node is to form the cluster with those
	// nodes, itself the first of them.
	Begin []slotmap.NodeID
	// Run says that raft may run. It is always true without raft state: such a
	// node only follows.
	Run bool
	// Form says that the leader may have the log name the cluster.
	Form bool
	// Discard asks to throw the raft state away.
	Discard bool
}

// NewFormation returns the part of self in a formation of expect nodes; 0: of
// nodes that were given all slots by hand, else it only joins. vote is the one written down by an earlier
// process, if any.
func NewFormation(self slotmap.NodeID, expect int, timing Timing, vote slotmap.NodeID) *Formation {
	return &Formation{self: self, expect: expect, lease: timing.Lease, vote: vote,
		lost: map[slotmap.NodeID]time.Duration{}}
}

// SetSlots tells how many slots operators have given to this node.
func (f *Formation) SetSlots(n int) { f.slots = n }

// Vote is whom this node votes for; empty: nobody.
func (f *Formation) Vote() slotmap.NodeID { return f.vote }

// Bound reports whether raft state is of the cluster that this node votes for.
// group are the members of raft's configuration, the founder first; none: there
// is no raft state.
func (f *Formation) Bound(group []slotmap.NodeID) bool {
	return len(group) > 0 && f.vote != "" && group[0] == f.vote
}

// Step looks at the nodes seen, other than this one, until the map names the
// cluster. group is as for Bound. now is monotonic and not 0.
func (f *Formation) Step(now time.Duration, group []slotmap.NodeID, seen []Seen) FormationStep {
	if len(group) > 0 {
		return f.begun(now, group, seen)
	}
	f.inSight, f.otherSince, f.since = 0, 0, 0
	step := FormationStep{Run: true}
	lowest := f.self
	votes := map[slotmap.NodeID]slotmap.NodeID{}
	begun := slotmap.NodeID("")
	for _, s := range seen {
		if s.Formed {
			return step // it takes this node in
		}
		votes[s.ID] = s.Vote
		lowest = min(lowest, s.ID)
		if s.Bound && (begun == "" || s.Vote < begun) {
			begun = s.Vote
		}
	}
	if begun != "" {
		lowest = begun // bound nodes vote for nobody else
	}
	if !f.enough(seen) {
		return step
	}
	switch {
	case f.vote == "" || f.vote == f.self && (lowest < f.self || begun != "" && begun != f.self):
		f.vote = lowest
	case f.vote == f.self:
		if step.Begin = f.electorate(seen); step.Begin != nil {
			f.inSight = now
		}
	default:
		if theirs, there := votes[f.vote]; f.released(now, theirs, there) {
			f.vote = lowest
		}
	}
	return step
}

// begun is Step for a node with the raft state of a cluster that has not formed
// as far as it knows.
func (f *Formation) begun(now time.Duration, group []slotmap.NodeID, seen []Seen) FormationStep {
	if f.vote == "" {
		return FormationStep{Run: true, Form: true} // taken in by a cluster that had formed
	}
	if f.since == 0 {
		f.since = now
	}
	f.follow(now, group[0], seen)
	sight := f.vote == f.self && f.electorate(seen) != nil
	mine, other := false, false
	for _, s := range seen {
		mine = mine || s.Formed && s.Vote == f.vote
		other = other || s.Formed && s.Vote != f.vote
		sight = sight || s.ID == f.vote && s.Vote == f.vote
	}
	if sight || mine {
		f.inSight = now
	}
	switch {
	case mine || !other:
		f.otherSince = 0
	case f.otherSince == 0:
		f.otherSince = now
	case now-f.otherSince > strandedAfter*f.lease:
		f.vote, f.otherSince = "", 0
		return FormationStep{Discard: true, Run: true}
	}
	run := f.inSight != 0 && now-f.inSight < holdBack*f.lease
	return FormationStep{Run: run, Form: run && f.Bound(group) && f.mayForm(now, group, seen)}
}

// follow is for a node that votes for another one than the founder of the cluster
// whose raft state it was given meanwhile: it voted anew while the founder was away, and is
// counted by neither. It is free as a node without raft state is, since it has begun nothing
// itself, and votes for the founder where that one is there.
func (f *Formation) follow(now time.Duration, founder slotmap.NodeID, seen []Seen) {
	if f.vote == founder {
		return
	}
	votes := map[slotmap.NodeID]slotmap.NodeID{}
	for _, s := range seen {
		votes[s.ID] = s.Vote
	}
	if theirs, there := votes[f.vote]; f.vote == f.self || f.released(now, theirs, there) {
		if votes[founder] == founder {
			f.vote = founder
		}
	}
}

// released reports whether the candidate that this node votes for has voted for
// another, or has not been there for very long.
func (f *Formation) released(now time.Duration, theirs slotmap.NodeID, there bool) bool {
	if there {
		delete(f.lost, f.vote)
		return theirs != "" && theirs != f.vote
	}
	if f.lost[f.vote] == 0 {
		f.lost[f.vote] = now
	}
	return now-f.lost[f.vote] > candidateGone*f.lease
}

// mayForm: all that were counted are bound, or, when one of them has been lost
// since it voted, as many as are expected vote for this cluster and are in
// sight.
func (f *Formation) mayForm(now time.Duration, group []slotmap.NodeID, seen []Seen) bool {
	bound := map[slotmap.NodeID]bool{f.self: true}
	var votes []Seen
	for _, s := range seen {
		if s.Vote == f.vote {
			votes = append(votes, s)
			bound[s.ID] = s.Bound || s.Formed
		}
	}
	if now-f.since > unboundAfter*f.lease && f.enough(votes) {
		return true
	}
	return !slices.ContainsFunc(group, func(id slotmap.NodeID) bool { return !bound[id] })
}

// enough reports whether this node and others are those that form a cluster.
func (f *Formation) enough(others []Seen) bool {
	if f.expect > 0 {
		return len(others)+1 >= f.expect
	}
	slots := f.slots
	for _, s := range others {
		slots += s.Slots
	}
	return slots >= hashslot.Count
}

// electorate are the expected number of nodes that vote for this one; none
// while they are too few.
func (f *Formation) electorate(seen []Seen) []slotmap.NodeID {
	with := []slotmap.NodeID{f.self}
	var votes []Seen
	for _, s := range seen {
		if s.Vote == f.self {
			with = append(with, s.ID)
			votes = append(votes, s)
		}
	}
	if !f.enough(votes) {
		return nil
	}
	slices.Sort(with[1:])
	if f.expect > 0 {
		with = with[:f.expect]
	}
	return with
}

// Voters are those of with that are to vote in raft: an odd number up to five.
func Voters(with []slotmap.NodeID) []slotmap.NodeID {
	n := min(maxVoters, len(with))
	if n%2 == 0 {
		n--
	}
	return with[:n]
}
