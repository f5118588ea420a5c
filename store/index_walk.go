package store

// walkLimits bound one call of collect.
type walkLimits struct {
	entries  int  // stop at the next tag once so many are collected
	segments int  // stop after so many segments
	deadline bool // collect only entries of records with a deadline
}

// collect appends the entries with tags in [pos, end) to out, in order, within
// limits, and returns the tag to go on from, end when all were visited. Entries
// with one tag are not separated. The walk touches no record.
func (o *owner) collect(ix *index, pos, end uint32, l walkLimits, out []entry) (_ []entry, next uint32) {
	first := len(out)
	for dir := ix.dir.Load(); pos < end && l.segments > 0; l.segments-- {
		w := dir.word(pos)
		span := uint32(1) << (tagBits - w.depth())
		cells := o.cellsOf(w)
		if uint32(cells[0]) == 0 || l.deadline && cells[0]>>32 == 0 {
			pos = pos&^(span-1) + span
			continue
		}
		last := uint32(tagEnd)
		for i := w.home(pos); i < len(cells); i++ {
			e := cells[i]
			t := tagOf(e)
			if e == 0 || t < pos {
				continue
			}
			if t >= end {
				return out, end
			}
			if len(out)-first >= l.entries && t != last {
				return out, t
			}
			if !l.deadline || e&deadlineBit != 0 {
				out = append(out, e)
				last = t
			}
		}
		pos = pos&^(span-1) + span
	}
	return out, min(pos, end)
}

// slotRange returns the tags of a slot: [pos, end).
func slotRange(slot uint16) (pos, end uint32) {
	pos = uint32(slot%SlotsPerShard) << hashBits
	return pos, pos + 1<<hashBits
}
