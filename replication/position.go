package replication

import (
	"cmp"
	"fmt"
)

// Position is how far the effects of one slot have come. Seq counts the effects
// of the slot and goes on across failovers; Epoch is the config epoch under
// which the last of them was (or the next will be) made. Positions of one slot
// are ordered by Epoch, then Seq. The zero Position means that nothing is known:
// a node that never had the slot, or lost or dropped its copy.
type Position struct {
	Epoch uint64
	Seq   uint64
}

// Compare returns -1, 0 or +1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Epoch, q.Epoch); c != 0 {
		return c
	}
	return cmp.Compare(p.Seq, q.Seq)
}

// IsZero reports whether p says nothing.
func (p Position) IsZero() bool { return p == Position{} }

// String returns p as epoch:sequence.
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Epoch, p.Seq) }

// SlotPosition is the position of a slot.
type SlotPosition struct {
	Slot uint16
	Position
}
