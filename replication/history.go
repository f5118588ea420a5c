package replication

import "slices"

// EpochStart says that the effects of a slot after sequence Start were made
// under config epoch Epoch, up to the next EpochStart.
type EpochStart struct {
	Epoch uint64
	Start uint64
}

// history is the epochs of one slot's copy, ascending in both fields. It is
// never changed once published. Two nodes that hold an effect of the same epoch
// and sequence hold the same effects before it: only one node makes effects
// under an epoch, and it begins with a copy. That is what makes the few numbers
// here enough to tell whether one copy is a prefix of another.
type history []EpochStart

// maxHistory bounds the epochs kept per slot. A position from before them needs
// a full resync, which a replica that missed so many failovers would need anyway.
const maxHistory = 32

// with returns h followed by a new epoch.
func (h history) with(epoch, start uint64) history {
	if len(h) >= maxHistory {
		h = h[len(h)-maxHistory+1:]
	}
	return append(slices.Clone(h), EpochStart{epoch, start})
}

// upTo returns the part of h that a copy at sequence seq knows of.
func (h history) upTo(seq uint64) history {
	n := len(h)
	for n > 0 && h[n-1].Start > seq {
		n--
	}
	return slices.Clone(h[:n])
}

// segment returns the sequences made under epoch, (start, end], where the copy
// ends at last.
func (h history) segment(epoch, last uint64) (start, end uint64, ok bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Epoch == epoch {
			return h[i].Start, last, true
		}
		last = h[i].Start
	}
	return 0, 0, false
}

// contains reports whether a copy at pos is a prefix of the copy that has
// history h and ends at sequence last.
func (h history) contains(pos Position, last uint64) bool {
	start, end, ok := h.segment(pos.Epoch, last)
	return ok && start <= pos.Seq && pos.Seq <= end
}

// lastEffect returns the position of the newest effect of a copy at sequence
// seq: where the newest epoch has no effects yet, that of an earlier one. Two
// copies with the same effects may differ in the epochs they saw begin.
func (h history) lastEffect(seq uint64) Position {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Start < seq || i == 0 {
			return Position{h[i].Epoch, seq}
		}
	}
	return Position{}
}

// fork returns the last position that a copy (own, up to sequence last) has in
// common with another one (other, up to otherLast); zero when the histories,
// which are bounded, share none.
func (own history) fork(last uint64, other history, otherLast uint64) Position {
	end := last
	for i := len(own) - 1; i >= 0; i-- {
		start, otherEnd, ok := other.segment(own[i].Epoch, otherLast)
		if ok && start <= end && otherEnd >= own[i].Start {
			return Position{own[i].Epoch, min(end, otherEnd)}
		}
		end = own[i].Start
	}
	return Position{}
}

// valid reports whether a history from the network may be used.
func (h history) valid() bool {
	if len(h) == 0 || len(h) > maxHistory {
		return false
	}
	for i := range h {
		if h[i].Epoch == 0 || i > 0 && (h[i].Epoch <= h[i-1].Epoch || h[i].Start < h[i-1].Start) {
			return false
		}
	}
	return true
}
