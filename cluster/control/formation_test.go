package control

import (
	"slices"
	"testing"
	"time"

	"respkv/cluster/slotmap"
)

// TestFollowsFounder: a candidate that was given up for another one comes back and
// its raft reaches nodes that have voted anew. When their new candidate votes for the
// one that has come back, so do they; while it does not, they keep their vote.
func TestFollowsFounder(t *testing.T) {
	const founder, candidate, self = slotmap.NodeID("1"), slotmap.NodeID("2"), slotmap.NodeID("3")
	timing := TimingFor(time.Second)
	group := []slotmap.NodeID{founder, candidate, self}
	back := Seen{ID: founder, Vote: founder, Bound: true}
	for name, c := range map[string]struct {
		vote slotmap.NodeID
		seen []Seen
		took time.Duration
		want slotmap.NodeID
	}{
		"the candidate has given up":       {candidate, []Seen{back, {ID: candidate, Vote: founder}}, 0, founder},
		"the candidate goes on":            {candidate, []Seen{back, {ID: candidate, Vote: candidate}}, time.Hour, candidate},
		"the candidate is away":            {candidate, []Seen{back}, timing.Lease, candidate},
		"the candidate is gone for long":   {candidate, []Seen{back}, (candidateGone + 1) * timing.Lease, founder},
		"the founder is not there":         {candidate, []Seen{{ID: candidate, Vote: founder}}, time.Hour, candidate},
		"this node was a candidate itself": {self, []Seen{back, {ID: candidate, Vote: founder}}, 0, founder},
	} {
		f := NewFormation(self, len(group), timing, c.vote)
		step := f.Step(1, group, c.seen)
		if c.took > 0 {
			step = f.Step(1+c.took, group, c.seen)
		}
		if f.Vote() != c.want {
			t.Errorf("%s: votes for %s, want %s", name, f.Vote(), c.want)
		}
		if runs := c.want == founder || slices.Contains(c.seen, Seen{ID: candidate, Vote: candidate}); step.Run != runs {
			t.Errorf("%s: raft runs %v, want %v", name, step.Run, runs)
		}
	}
}
