package replication

import (
	"math"
	"time"
)

// slotCopy is a full copy of one slot in the making. A link copies one slot
// after the other.
//
// The slot is scanned in small steps under the shard lock while it goes on
// changing. Nothing is applied on top of a key that is not exact on the replica:
//
//	scan     Steps of the scan are sent as they are read. Effects are not sent;
//	         the keys they name are noted as inexact, for it is not known
//	         whether the scan had passed them.
//	settle   The scan is over at sequence end. Effects up to there, still on
//	         their way through the log, are treated as before. From there on an
//	         effect all of whose keys are exact is sent; of any other one, the
//	         keys are noted. Inexact keys are sent again, whole, a few at a
//	         time; a key read at sequence s is exact for the effects after s.
//	         Keys with large values come last, each in steps of its own, and
//	         are exact when the last step is sent: they did not change since
//	         the first one.
//	stream   No key is inexact, and all effects up to the last reading were
//	         seen: the replica's copy is the primary's at that sequence.
//
// In settle, keys become inexact only by sharing an effect with one that is, so
// it ends. An effect that names no keys concerns the whole slot: the copy starts
// again. So it does when the ring has lost effects that it needs.
type slotCopy struct {
	sub     *subscription
	started bool
	cursor  uint64
	scanned bool
	scanEnd uint64 // sequence of the last step of the scan
	end     uint64 // sequence of the newest reading

	// inexact keys: the sequence at which they were sent again, or unsent.
	inexact map[string]uint64
	unsent  []string // those with unsent
	large   []string // those with largeValue
	reading string   // the one of them that is being read
	value   Snapshot // of reading; nil: to be begun
	tries   int      // to read it; 0: none is being read
	bytes   int      // of the names in unsent
	flushed bool     // the taps were emptied since the last reading
	args    [][]byte
}

const (
	unsent = math.MaxUint64
	// largeValue marks an inexact key whose value is read in steps of its own,
	// as soon as no other key is unsent. When the key changes meanwhile, the
	// reading begins again, and the last time is done in one step.
	largeValue    = math.MaxUint64 - 1
	maxValueTries = 4
	// Inexact keys are sent again before the scan is over where there are more
	// than this, to bound the memory that they take.
	maxInexactKeys  = 4096
	maxInexactBytes = 256 << 10
	// againKeys is how many keys are read under one lock.
	againKeys = 16
)

// enqueue has the slot wait for a full copy.
func (k *sourceLink) enqueue(sub *subscription) {
	k.setState(sub, subscriptionQueued)
	k.copyQueue = append(k.copyQueue, sub)
}

// resync starts over with a full copy, under a new subscription: what the
// replica acknowledges from here on must be of the new copy.
func (k *sourceLink) resync(sub *subscription) error {
	if quiet, ok := k.source.behind.Next(); ok {
		k.source.Logger.Info("slot falls behind the log, copying it", "slot", sub.slot, "replica", k.node, "more_like_it", quiet)
	}
	k.drop(sub.slot)
	k.lastSubscription++
	again := &subscription{slot: sub.slot, want: sub.want, id: k.lastSubscription, generation: sub.generation, valid: sub.valid}
	k.subs[sub.slot] = again
	k.count(again.state, +1)
	k.enqueue(again)
	return k.message(messageRestart, func(w *frameWriter) {
		w.uvarint(uint64(sub.slot))
		w.uvarint(sub.want)
	})
}

// startCopy begins the next full copy. A token of source.copies was taken.
func (k *sourceLink) startCopy() error {
	for len(k.copyQueue) > 0 {
		sub := k.copyQueue[0]
		k.copyQueue[0] = nil
		k.copyQueue = k.copyQueue[1:]
		if k.subs[sub.slot] != sub || sub.state != subscriptionQueued {
			continue // dropped meanwhile
		}
		k.copy = &slotCopy{sub: sub, inexact: make(map[string]uint64)}
		k.setState(sub, subscriptionCopying)
		k.source.fullSyncs.Add(1)
		k.source.acks.subscribe(k.acked, sub.slot, sub.id)
		state := &k.source.log.slots[sub.slot]
		seq, h := state.seq.Load(), state.load()
		// Effects before the first reading are part of it.
		sub.sent = math.MaxUint64
		return k.message(messageFull, func(w *frameWriter) {
			w.uvarint(uint64(sub.slot))
			w.uvarint(sub.want)
			w.uvarint(sub.id)
			w.uvarint(seq)
			w.uvarint(uint64(k.source.Slots.SlotKeyCount(sub.slot)))
			w.history(h)
		})
	}
	k.copyQueue = nil
	<-k.source.copies
	return nil
}

// releaseCopy ends the copy under way, if any.
func (k *sourceLink) releaseCopy() {
	if k.copy != nil {
		k.copy.closeValue()
		k.copy = nil
		<-k.source.copies
	}
}

// copySome makes one step of the copy under way and reports whether there is
// more to do at once.
func (k *sourceLink) copySome() (bool, error) {
	c := k.copy
	if c == nil {
		return false, nil
	}
	if wait := time.Until(k.copyAfter); wait > 0 {
		return false, nil
	}
	if !k.alive(c.sub) {
		return true, k.end(c.sub)
	}
	full := len(c.unsent) >= maxInexactKeys || c.bytes >= maxInexactBytes
	switch {
	case !c.scanned && !full:
		return true, k.scan(c)
	case len(c.unsent) > 0:
		return true, k.sendAgain(c)
	case c.tries > 0 || len(c.large) > 0:
		return true, k.sendLarge(c)
	case c.sub.sent >= c.end:
		return true, k.finishCopy(c)
	case !c.flushed:
		c.flushed = true
		k.source.log.Flush()
		return true, nil
	case k.reader.offset < k.source.log.end():
		return true, nil
	default:
		// The log was not wanted for a while: effects are missing in it.
		return true, k.resync(c.sub)
	}
}

// scan sends the next keys of the slot.
func (k *sourceLink) scan(c *slotCopy) error {
	return k.read(c, func(emit func(key, entry []byte), at func()) error {
		next, done, err := k.source.Slots.SnapshotStep(c.sub.slot, c.cursor, k.source.Config.CopyStepBytes, emit, at)
		c.cursor, c.scanned, c.scanEnd = next, done, c.end
		return err
	}, nil)
}

// sendAgain sends the state of some inexact keys.
func (k *sourceLink) sendAgain(c *slotCopy) error {
	n := min(len(c.unsent), againKeys)
	names := make([][]byte, n)
	for i := range names {
		name := c.unsent[len(c.unsent)-1-i]
		names[i] = []byte(name)
		c.bytes -= len(name)
	}
	c.unsent = c.unsent[:len(c.unsent)-n]
	return k.read(c, func(emit func(key, entry []byte), at func()) error {
		return k.source.Slots.SnapshotKeys(c.sub.slot, names, emit, at)
	}, names)
}

// sendLarge sends some of the state of a key with a large value.
func (k *sourceLink) sendLarge(c *slotCopy) error {
	if c.tries == 0 {
		last := len(c.large) - 1
		c.reading, c.large = c.large[last], c.large[:last]
	}
	if c.value == nil {
		c.tries++
		c.value = k.source.Slots.SnapshotValue(c.sub.slot, []byte(c.reading), c.tries >= maxValueTries)
	}
	var done, changed bool
	err := k.read(c, func(emit func(key, entry []byte), at func()) error {
		done, changed = c.value.Step(func(entry []byte) { emit(nil, entry) }, at)
		return nil
	}, nil)
	if err != nil || k.copy != c {
		return err
	}
	if done || changed {
		c.closeValue()
	}
	if done {
		c.tries = 0
		c.inexact[c.reading] = c.end
	}
	return nil
}

func (c *slotCopy) closeValue() {
	if c.value != nil {
		c.value.Close()
		c.value = nil
	}
}

// postpone leaves a key to sendLarge.
func (c *slotCopy) postpone(name string) {
	if c.inexact[name] != largeValue {
		c.inexact[name] = largeValue
		c.large = append(c.large, name)
	}
}

// read sends what one reading of the slot emits, and notes the sequence it was
// made at.
func (k *sourceLink) read(c *slotCopy, reading func(emit func(key, entry []byte), at func()) error, again [][]byte) error {
	if err := k.endEffects(); err != nil {
		return err
	}
	state := &k.source.log.slots[c.sub.slot]
	alive := false
	k.out.begin(messageEntries)
	k.out.uvarint(uint64(c.sub.slot))
	k.out.uvarint(c.sub.id)
	empty := k.out.pending()
	var large []string
	err := reading(func(key, entry []byte) {
		if entry == nil {
			large = append(large, string(key))
			return
		}
		k.out.uvarint(uint64(len(entry)))
		k.out.bytes(entry)
	}, func() {
		alive = k.alive(c.sub)
		c.end = state.seq.Load()
	})
	if err != nil {
		return err
	}
	if !alive {
		k.out.cancel()
		return k.end(c.sub)
	}
	c.flushed = false
	if !c.started {
		c.started = true
		c.sub.sent = c.end
	}
	for _, name := range again {
		if c.inexact[string(name)] != largeValue {
			c.inexact[string(name)] = c.end
		}
	}
	for _, name := range large {
		c.postpone(name)
	}
	n := k.out.pending()
	k.copied.Add(uint64(n))
	k.copyAfter = k.source.budget.take(n, time.Now())
	if n == empty {
		k.out.cancel()
		return nil
	}
	return k.out.end(k.source.Config.BatchBytes)
}

// copyRecord handles the next effect of a slot that is being copied.
func (k *sourceLink) copyRecord(sub *subscription, seq uint64, encoded []byte) error {
	c := k.copy
	r, err := parseRecord(encoded)
	if err == nil {
		c.args, err = r.args(c.args[:0])
	}
	if err != nil {
		return err
	}
	keys := k.source.Keys(c.args)
	if len(keys) == 0 {
		return k.resync(sub)
	}
	send := c.scanned && seq > c.scanEnd
	for _, key := range keys {
		if at, ok := c.inexact[string(key)]; ok && seq <= at {
			send = false
		}
	}
	sub.sent = seq
	if send {
		k.forward(encoded)
		return nil
	}
	for _, key := range keys {
		if at, ok := c.inexact[string(key)]; ok && seq <= at {
			continue // its next reading, or the last one, has this effect
		}
		name := string(key)
		c.inexact[name] = unsent
		c.unsent = append(c.unsent, name)
		c.bytes += len(name)
	}
	c.forgetExact()
	return nil
}

// forgetExact drops the keys that all effects to come find exact, once there are
// many.
func (c *slotCopy) forgetExact() {
	if len(c.inexact) < 2*len(c.unsent)+maxInexactKeys {
		return
	}
	for name, at := range c.inexact {
		if at <= c.sub.sent {
			delete(c.inexact, name)
		}
	}
}

// finishCopy: the replica's copy is complete and at sequence sub.sent.
func (k *sourceLink) finishCopy(c *slotCopy) error {
	sub := c.sub
	h := k.source.log.slots[sub.slot].load().upTo(sub.sent)
	k.releaseCopy()
	if !k.alive(sub) || len(h) == 0 {
		return k.end(sub)
	}
	k.setState(sub, subscriptionStreaming)
	k.source.acks.stream(k.acked, slotAck{sub.slot, sub.id, 0})
	err := k.message(messageCopied, func(w *frameWriter) {
		w.uvarint(uint64(sub.slot))
		w.uvarint(sub.id)
		w.uvarint(sub.sent)
		w.history(h)
	})
	if err != nil {
		return err
	}
	// Slots are often small and many: go on with the next one at once.
	if len(k.copyQueue) > 0 {
		select {
		case k.source.copies <- struct{}{}:
			return k.startCopy()
		default:
		}
	}
	return nil
}
