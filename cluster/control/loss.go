package control

import "respkv/cluster/slotmap"

// lossSums compares what a failed primary said of itself last with what its
// successors have. Its status carries one sum of sequences for each range, so
// the comparison is by such ranges; and it may be as old as a renewal of the
// lease, so what is found is the least that was lost. Exact numbers come from
// the node itself when it returns with its data.
type lossSums struct {
	ranges []rangeLoss
}

type rangeLoss struct {
	slotmap.RangeStatus
	told int            // slots of the range with a successor
	seqs uint64         // sum of the successors' sequences
	to   slotmap.NodeID // one of the successors
}

// lossSums are the ranges that the failed process was primary of.
func (c *Controller) lossSums(f *failover) *lossSums {
	sums := &lossSums{}
	if t := c.node(f.node); t.statusOf == f.boot {
		for _, s := range t.status {
			if s.Primary {
				sums.ranges = append(sums.ranges, rangeLoss{RangeStatus: s})
			}
		}
	}
	return sums
}

// promoted adds a slot's successor and its sequence; slots come in order.
func (l *lossSums) promoted(slot uint16, to slotmap.NodeID, seq uint64) {
	for i := range l.ranges {
		if r := &l.ranges[i]; r.Contains(slot) {
			r.told++
			r.seqs += seq
			r.to = to
			return
		}
	}
}

// lost are the effects that the failed primary had and nobody has now, by a
// successor of the range. A range of which some slots have moved away, or have
// no successor, cannot be compared.
func (l *lossSums) lost() map[slotmap.NodeID]uint64 {
	out := map[slotmap.NodeID]uint64{}
	for _, r := range l.ranges {
		if r.told == r.Len() && r.Seqs > r.seqs {
			out[r.to] += r.Seqs - r.seqs
		}
	}
	return out
}
