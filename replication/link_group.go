package replication

import "fmt"

// maxGroupBytes bounds what is held back of one group. The effects of a larger
// transaction are applied as they come.
const maxGroupBytes = 64 << 20

// linkGroup is the beginning of a group of effects of one slot, held back until
// its end has come. The slot's position is still before it, so that a link that
// breaks asks for all of it again.
type linkGroup struct {
	encoded [][]byte // the records, copied
	bytes   int
}

// held is the number of effects held back; g may be nil.
func (g *linkGroup) held() uint64 {
	if g == nil {
		return 0
	}
	return uint64(len(g.encoded))
}

// handleGrouped takes an effect that is followed by more of its group, or that
// follows others.
func (l *Link) handleGrouped(s *linkSlot, group *linkGroup, r record, encoded []byte) error {
	if group == nil {
		group = &linkGroup{}
		if l.groups == nil {
			l.groups = make(map[uint16]*linkGroup)
		}
		l.groups[r.slot] = group
	}
	group.encoded = append(group.encoded, append([]byte(nil), encoded...))
	group.bytes += len(encoded)
	if r.flags&FlagGroup != 0 && group.bytes < maxGroupBytes {
		return nil
	}
	delete(l.groups, r.slot)
	return l.applyGroup(s, r, group)
}

// applyGroup applies a group; last is its last effect.
func (l *Link) applyGroup(s *linkSlot, last record, group *linkGroup) error {
	records := make([]record, len(group.encoded))
	args := make([][][]byte, len(records))
	for i, encoded := range group.encoded {
		var err error
		if records[i], err = parseRecord(encoded); err == nil {
			args[i], err = records[i].args(nil)
		}
		if err != nil {
			return err
		}
	}
	applied := 0
	err := l.Applier.ApplyGroup(last.slot, len(records),
		func(i int) (int, [][]byte) { return records[i].db, args[i] },
		func(i int) {
			applied++
			l.log.appendReplica(&records[i], group.encoded[i])
		})
	l.effects.Add(uint64(applied))
	if err == nil && applied < len(records) {
		err = fmt.Errorf("%d of %d effects of a group applied", applied, len(records))
	}
	if err != nil {
		return l.diverged(last, err)
	}
	l.advanced(s, last)
	return nil
}
