package replication

import (
	"encoding/binary"
	"time"
)

// receive applies what the primary sends until the link breaks.
func (l *Link) receive(in *frameReader) error {
	for {
		kind, message, err := in.next(l.Config.MaxMessageBytes)
		if err != nil {
			return err
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		l.apply.Lock()
		err = l.handle(kind, &payload{b: message})
		callbacks := l.callbacks
		l.callbacks = nil
		l.apply.Unlock()
		for _, call := range callbacks {
			call()
		}
		if err != nil {
			return err
		}
	}
}

func (l *Link) handle(kind messageType, p *payload) error {
	var err error
	switch kind {
	case messagePartial:
		err = l.handlePartial(p)
	case messageFull:
		err = l.handleFull(p)
	case messageEntries:
		err = l.handleEntries(p)
	case messageCopied:
		err = l.handleCopied(p)
	case messageRefused, messageRestart:
		slot, want := p.slot(), p.uvarint()
		if p.bad || l.slots[slot].want != want || l.slots[slot].get() == SlotDetached {
			break
		}
		l.move(slot, slotLost)
		if kind == messageRefused {
			l.refused = append(l.refused, slot)
		}
	case messageEffects:
		err = l.handleEffects(p)
	case messageBeat:
		l.handleBeat(p)
	case messageAsk:
		l.wake()
	default:
		return protocolError("message %d from a primary", kind)
	}
	if err == nil && p.bad {
		err = protocolError("malformed message %d", kind)
	}
	return err
}

// answer decodes the start of the answer to a wish; ok is false when the wish is
// not the slot's newest.
func (l *Link) answer(p *payload) (slot uint16, s *linkSlot, ok bool) {
	slot = p.slot()
	s = &l.slots[slot]
	want := p.uvarint()
	subscription := p.uvarint()
	if p.bad || want != s.want || s.get() != SlotWanted {
		return slot, s, false
	}
	s.subscription = subscription
	return slot, s, true
}

func (l *Link) handlePartial(p *payload) error {
	slot, s, ok := l.answer(p)
	goal, h := p.uvarint(), p.history()
	if p.bad || !ok {
		return nil
	}
	bad, primary := false, false
	seq := uint64(0)
	l.Slots.WithSlot(slot, func() {
		state := &l.log.slots[slot]
		seq = state.seq.Load()
		primary = state.primary.Load()
		bad = state.epoch.Load() == 0 || goal < seq
		if !bad && !primary {
			l.log.adopt(slot, h)
		}
	})
	if primary {
		l.yield(slot)
		return nil
	}
	if bad {
		return protocolError("partial resync of slot %d from %v to sequence %d", slot, l.log.Position(slot), goal)
	}
	s.goal = goal
	if goal == seq {
		l.move(slot, slotPartialCurrent)
	} else {
		l.move(slot, slotPartialBehind)
	}
	return nil
}

func (l *Link) handleFull(p *payload) error {
	slot, _, ok := l.answer(p)
	seq, keys, h := p.uvarint(), p.uvarint(), p.history()
	if p.bad || !ok {
		return nil
	}
	primary := false
	l.Slots.WithSlot(slot, func() {
		state := &l.log.slots[slot]
		if primary = state.primary.Load(); primary {
			return
		}
		if had := l.log.Position(slot); had.Epoch != 0 {
			l.reportLoss(slot, had, state.load().fork(had.Seq, h, seq))
		}
		l.log.Forget(slot)
	})
	if primary {
		l.yield(slot)
		return nil
	}
	l.move(slot, slotFull)
	l.copyKeys.Store(0)
	l.copyKeysTotal.Store(keys)
	return l.Slots.ClearSlot(slot)
}

// yield leaves a slot alone that this node became primary of without taking it
// off the link: nothing may be applied to it. The slot is asked for again later,
// for when the role ends.
func (l *Link) yield(slot uint16) {
	l.Logger.Error("slot is followed and led by this node", "slot", slot, "primary", l.PrimaryID)
	l.move(slot, slotLost)
	l.slots[slot].want = 0
	l.refused = append(l.refused, slot)
}

// reportLoss accounts for what a full copy drops.
func (l *Link) reportLoss(slot uint16, had, fork Position) {
	if fork.Seq >= had.Seq {
		return // behind, not beside
	}
	loss := Loss{Slot: slot, Had: had, Fork: fork, Effects: had.Seq - fork.Seq}
	// OnLoss tells it for all slots together: there may be thousands.
	l.Logger.Debug("effects lost: not on the history of the new primary",
		"slot", slot, "had", had.String(), "fork", fork.String(), "effects", loss.Effects, "primary", l.PrimaryID)
	if l.OnLoss != nil {
		l.callbacks = append(l.callbacks, func() { l.OnLoss(loss) })
	}
}

// copyOf decodes which copy a message belongs to; ok is false when it is none
// that is under way here.
func (l *Link) copyOf(p *payload) (slot uint16, ok bool) {
	slot = p.slot()
	subscription := p.uvarint()
	s := &l.slots[slot]
	return slot, !p.bad && s.get() == SlotCopying && s.subscription == subscription
}

func (l *Link) handleEntries(p *payload) error {
	slot, ok := l.copyOf(p)
	if !ok {
		return nil
	}
	l.copiedBytes.Add(uint64(len(p.b)))
	if l.log.IsPrimary(slot) {
		l.yield(slot)
		return nil
	}
	for p.more() {
		entry := p.bytes()
		if p.bad {
			return nil
		}
		if err := l.Slots.LoadEntry(slot, entry); err != nil {
			return err
		}
		l.copyKeys.Add(1)
	}
	return nil
}

func (l *Link) handleCopied(p *payload) error {
	slot, ok := l.copyOf(p)
	seq, h := p.uvarint(), p.history()
	if p.bad || !ok {
		return nil
	}
	if h[len(h)-1].Start > seq {
		return protocolError("copy of slot %d at sequence %d with epoch %v", slot, seq, h[len(h)-1])
	}
	primary := false
	l.Slots.WithSlot(slot, func() {
		if primary = l.log.IsPrimary(slot); !primary {
			l.log.reset(slot, h, seq)
		}
	})
	if primary {
		l.yield(slot)
		return nil
	}
	l.move(slot, slotCopied)
	l.touch(slot)
	return nil
}

// touch notes that a slot has something to acknowledge.
func (l *Link) touch(slot uint16) {
	if s := &l.slots[slot]; !s.dirty {
		s.dirty = true
		l.dirty = append(l.dirty, slot)
	}
}

func (l *Link) handleEffects(p *payload) error {
	if len(p.b) < 8 {
		p.bad = true
		return nil
	}
	offset, rest := binary.LittleEndian.Uint64(p.b), p.b[8:]
	for len(rest) > 0 {
		// A few at a time, so that the memory of one is fetched while others are
		// applied.
		records, malformed := l.lookAhead(rest)
		for _, r := range records {
			if err := l.handleRecord(r, rest[:r.size]); err != nil {
				return err
			}
			rest = rest[r.size:]
		}
		if malformed != nil {
			return malformed
		}
	}
	l.offset.Store(max(l.offset.Load(), offset))
	return nil
}

// aheadRecords is how many records are decoded before the first of them is
// applied. Their keys' memory has to stay in the processor's cache that long.
const aheadRecords = 16

// lookAhead are the next records of a message; guarded by Link.apply.
type lookAhead struct {
	records []record
	dbs     []int
	names   [][]byte
}

// lookAhead decodes the next records and has the applier expect their keys. With
// an error come the records before the one that is malformed.
func (l *Link) lookAhead(rest []byte) ([]record, error) {
	a := &l.ahead
	a.records, a.dbs, a.names = a.records[:0], a.dbs[:0], a.names[:0]
	var malformed error
	for len(rest) > 0 && len(a.records) < aheadRecords {
		r, err := parseRecord(rest)
		if err != nil {
			malformed = err
			break
		}
		a.records = append(a.records, r)
		if name := r.likelyKey(); name != nil {
			a.dbs, a.names = append(a.dbs, r.db), append(a.names, name)
		}
		rest = rest[r.size:]
	}
	if len(a.names) > 1 {
		l.Applier.Expect(a.dbs, a.names)
	}
	return a.records, malformed
}

func (l *Link) handleRecord(r record, encoded []byte) error {
	s := &l.slots[r.slot]
	state := s.get()
	if state == SlotDetached || state == SlotWanted {
		return nil // sent before the primary knew
	}
	if r.kind == recordGap {
		return protocolError("gap in the effects of slot %d", r.slot)
	}
	if l.log.IsPrimary(r.slot) {
		l.yield(r.slot)
		return nil
	}
	if state == SlotCopying {
		return l.applyCopying(r)
	}
	position := l.log.Position(r.slot)
	if r.kind == recordEpoch {
		if r.epoch <= position.Epoch {
			return nil
		}
		if r.seq != position.Seq {
			return protocolError("slot %d at %v: epoch %d begins after %d", r.slot, position, r.epoch, r.seq)
		}
		l.Slots.WithSlot(r.slot, func() { l.log.appendReplica(&r, encoded) })
		return nil
	}
	group := l.groups[r.slot]
	if r.seq != position.Seq+1+group.held() || r.epoch < position.Epoch {
		return protocolError("slot %d at %v: effect %d:%d", r.slot, position, r.epoch, r.seq)
	}
	if group != nil || r.flags&FlagGroup != 0 {
		return l.handleGrouped(s, group, r, encoded)
	}
	var err error
	if l.args, err = r.args(l.args[:0]); err != nil {
		return err
	}
	l.current, l.encoded, l.applied = r, encoded, false
	err = l.Applier.Apply(r.slot, r.db, l.args, l.after)
	l.effects.Add(1)
	if err != nil || !l.applied {
		return l.diverged(r, err)
	}
	l.advanced(s, r)
	return nil
}

// advanced notes that the copy of a slot includes the effect r.
func (l *Link) advanced(s *linkSlot, r record) {
	if s.get() == SlotResuming && r.seq >= s.goal {
		l.move(r.slot, slotReached)
	}
	l.touch(r.slot)
}

// applyCopying applies an effect to a slot that is being copied. All keys it
// names are exact here, others may not be there yet; the slot has no position.
func (l *Link) applyCopying(r record) error {
	if r.kind != recordEffect {
		return nil
	}
	var err error
	if l.args, err = r.args(l.args[:0]); err != nil {
		return err
	}
	l.effects.Add(1)
	if err := l.Applier.Apply(r.slot, r.db, l.args, func() {}); err != nil {
		return l.diverged(r, err)
	}
	return nil
}

// diverged has a slot copied anew, for an effect of its primary that cannot be
// applied here says that the copies differ.
func (l *Link) diverged(r record, err error) error {
	l.applyErrors.Add(1)
	if quiet, ok := l.complain.Next(); ok {
		l.Logger.Error("effect cannot be applied, copying the slot anew",
			"slot", r.slot, "seq", r.seq, "epoch", r.epoch, "primary", l.PrimaryID, "err", err, "more_like_it", quiet)
	}
	l.Slots.WithSlot(r.slot, func() { l.log.Forget(r.slot) })
	l.move(r.slot, slotLost)
	l.slots[r.slot].want = 0 // answers to come are for the old copy
	l.refused = append(l.refused, r.slot)
	return nil
}

// handleBeat takes the answer to an acknowledgement: everything before it in the
// stream was all there was, lag before the acknowledgement was sent.
func (l *Link) handleBeat(p *payload) {
	echo, lag, offset := p.uvarint(), p.uvarint(), p.uvarint()
	if p.bad || echo > uint64(time.Since(l.epoch)) || lag > uint64(time.Hour*24*365/time.Microsecond) {
		p.bad = true
		return
	}
	l.offset.Store(max(l.offset.Load(), offset))
	// Heartbeats answered by earlier connections of this link say less.
	l.fresh.Store(max(l.fresh.Load(), int64(echo)-int64(lag)*int64(time.Microsecond)))
}
