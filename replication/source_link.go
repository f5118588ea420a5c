package replication

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/beat"
)

// sourceLink is the primary's end of one link. One goroutine receives what the
// replica says, another one (send) does everything else; fields without a note
// are the latter's.
type sourceLink struct {
	source *Source
	conn   net.Conn
	cancel context.CancelCauseFunc
	node   string
	in     *frameReader // receive
	out    frameWriter
	reader *ringReader
	acked  *ackedLink // see acks

	subs             []*subscription // by slot
	voided           uint64          // Log.voided when all subs were looked at last
	lastSubscription uint64
	effectsOpen      bool            // out has an effects message that goes on
	copyQueue        []*subscription // waiting for a full copy, in order
	copy             *slotCopy       // the one under way; holds a token of source.copies
	copyAfter        time.Time       // not to go on with before

	mu       sync.Mutex // guards the next three: from receive to send
	commands []linkCommand
	echo     uint64
	hasEcho  bool

	kick        chan struct{} // capacity 1: look at commands, asked
	asked       atomic.Bool
	sentOffset  atomic.Uint64 // of the ring: everything wanted before was sent
	ackedOffset atomic.Uint64
	lagSince    atomic.Int64 // Unix ns: when the oldest unacknowledged byte came, as of the last ack; 0: none
	lastAck     atomic.Int64 // Unix ns

	queued, copying, streaming atomic.Int64
	copied, bytesOut, bytesIn  atomic.Uint64
}

// linkCommand is a wish of the replica.
type linkCommand struct {
	want uint64 // number of the wish, named in the answer; 0: the slot is not wanted any more
	SlotPosition
}

// maxCommands bounds the wishes that wait: a replica asks for a slot again only
// after an answer.
const maxCommands = 4 * slotCount

type subscriptionState uint8

const (
	subscriptionQueued subscriptionState = iota
	subscriptionCopying
	subscriptionStreaming
)

// subscription is one slot on one link.
type subscription struct {
	slot       uint16
	state      subscriptionState
	want       uint64 // the wish that it answers
	id         uint64 // names it in acknowledgements
	generation uint32 // of the slot in the log: when that changes, it is over
	valid      uint64 // ring offset: records before it are of another copy
	sent       uint64 // sequence up to which the replica was served
	goal       uint64 // sequence of the primary when the replica asked
}

// receive takes the replica's messages until the link breaks.
func (k *sourceLink) receive() error {
	for {
		kind, message, err := k.in.next(maxFrameBytes)
		if err != nil {
			return err
		}
		p := payload{b: message}
		switch kind {
		case messageWant, messageUnwant:
			err = k.receiveCommands(kind, &p)
		case messageAck:
			err = k.receiveAck(&p)
		default:
			err = protocolError("message %d from a replica", kind)
		}
		if err != nil {
			return err
		}
	}
}

func (k *sourceLink) receiveCommands(kind messageType, p *payload) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p.more() {
		c := linkCommand{}
		c.Slot = p.slot()
		if kind == messageWant {
			c.want, c.Position = p.uvarint(), p.position()
		}
		if p.bad || (c.want == 0) == (kind == messageWant) {
			return protocolError("malformed message %d", kind)
		}
		if len(k.commands) >= maxCommands {
			return protocolError("more than %d wishes", maxCommands)
		}
		k.commands = append(k.commands, c)
	}
	k.wake()
	return nil
}

func (k *sourceLink) receiveAck(p *payload) error {
	echo, offset := p.uvarint(), p.uvarint()
	var batch []slotAck
	for p.more() {
		ack := slotAck{slot: p.slot(), subscription: p.uvarint(), seq: p.uvarint()}
		if p.bad = p.bad || len(batch) == slotCount; p.bad {
			break
		}
		batch = append(batch, ack)
	}
	if p.bad || offset > k.sentOffset.Load() {
		return protocolError("malformed acknowledgement")
	}
	now := time.Now()
	if offset > k.ackedOffset.Load() {
		k.ackedOffset.Store(offset)
	}
	since := int64(0)
	if age := k.source.log.age(k.ackedOffset.Load(), now); age > 0 {
		since = now.Add(-age).UnixNano()
	}
	k.lagSince.Store(since)
	k.lastAck.Store(now.UnixNano())
	k.source.acks.record(k.acked, batch)
	if echo != 0 {
		k.mu.Lock()
		k.echo, k.hasEcho = echo, true
		k.mu.Unlock()
		k.wake()
	}
	return nil
}

func (k *sourceLink) wake() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// lag returns how far the replica is behind with slot; false when it does not
// stream it.
func (k *sourceLink) lag(slot uint16, seq uint64, now time.Time) (SlotLag, bool) {
	k.source.acks.mu.Lock()
	ack := k.acked.peek(slot)
	k.source.acks.mu.Unlock()
	if !ack.streaming {
		return SlotLag{}, false
	}
	if ack.seq >= seq {
		return SlotLag{}, true
	}
	since := k.lagSince.Load()
	if since == 0 {
		since = k.lastAck.Load() // all was acknowledged then
	}
	end := k.source.log.end()
	return SlotLag{
		Effects: seq - ack.seq,
		Bytes:   end - min(end, k.ackedOffset.Load()),
		Age:     max(now.Sub(time.Unix(0, since)), 0),
	}, true
}

// send serves the replica until the link breaks.
func (k *sourceLink) send(ctx context.Context) error {
	config := &k.source.Config
	check := beat.NewTicker(config.Heartbeat)
	defer check.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		k.mu.Lock()
		commands, echo, hasEcho := k.commands, k.echo, k.hasEcho
		k.commands, k.hasEcho = nil, false
		k.mu.Unlock()
		if err := k.execute(commands); err != nil {
			return err
		}
		asked := k.asked.Swap(false)
		if asked || hasEcho {
			// What follows speaks for everything that happened until now.
			k.source.log.Flush()
		}
		more, sent, err := k.pump()
		if err != nil {
			return err
		}
		if (asked || sent && k.source.acks.waiting.Load() > 0) && !more {
			if err := k.message(messageAsk, nil); err != nil {
				return err
			}
		} else if asked {
			k.asked.Store(true)
		}
		if hasEcho {
			if err := k.beat(echo); err != nil {
				return err
			}
		}
		copying, err := k.copySome()
		if err != nil {
			return err
		}
		if err := k.out.flush(); err != nil {
			return err
		}
		if more || copying {
			continue
		}
		var token chan struct{}
		if k.copy == nil && len(k.copyQueue) > 0 {
			token = k.source.copies
		}
		var rested <-chan time.Time
		if k.copy != nil {
			pause.Reset(time.Until(k.copyAfter))
			rested = pause.C
		}
		select {
		case <-k.reader.more:
		case <-k.kick:
		case <-rested:
		case token <- struct{}{}:
			if err := k.startCopy(); err != nil {
				return err
			}
		case <-check.C:
			if err := k.checkGenerations(); err != nil {
				return err
			}
		case <-ctx.Done():
		}
	}
}

// message sends a message whose payload fill writes.
func (k *sourceLink) message(kind messageType, fill func(w *frameWriter)) error {
	if err := k.endEffects(); err != nil {
		return err
	}
	k.out.begin(kind)
	if fill != nil {
		fill(&k.out)
	}
	return k.out.end(k.source.Config.BatchBytes)
}

// beat answers the time stamp of an acknowledgement: what the replica got before
// this is all there was lag ago.
func (k *sourceLink) beat(echo uint64) error {
	offset := k.sentOffset.Load()
	lag := k.source.log.age(offset, time.Now())
	return k.message(messageBeat, func(w *frameWriter) {
		w.uvarint(echo)
		w.uvarint(uint64(lag.Microseconds()))
		w.uvarint(offset)
	})
}

// execute does what the replica wishes.
func (k *sourceLink) execute(commands []linkCommand) error {
	var behind []*subscription
	for _, c := range commands {
		k.drop(c.Slot)
		if c.want == 0 {
			continue
		}
		sub, plan := k.subscribe(c)
		var err error
		switch plan {
		case planRefuse:
			err = k.refuse(c.Slot, c.want)
		case planFull:
			k.enqueue(sub)
		case planCurrent:
			err = k.partial(sub)
		case planBehind:
			behind = append(behind, sub)
		}
		if err != nil {
			return err
		}
	}
	if len(behind) == 0 {
		return nil
	}
	log := k.source.log
	log.Flush()
	for _, sub := range behind {
		if k.subs[sub.slot] != sub {
			continue // taken back by a later command
		}
		log.mu.Lock()
		held := log.ring.holds(sub.slot, sub.sent, sub.goal)
		from := max(log.ring.first, sub.valid)
		log.mu.Unlock()
		if !held {
			k.source.partialErr.Add(1)
			k.enqueue(sub)
			continue
		}
		// Go back in the ring: each subscription skips what it has sent.
		k.reader.offset = min(k.reader.offset, from)
		if err := k.partial(sub); err != nil {
			return err
		}
	}
	return nil
}

// plan is how a replica gets a slot.
type plan uint8

const (
	planRefuse  plan = iota // not from here
	planFull                // its copy is none, or not a prefix of this one
	planCurrent             // its copy is this one
	planBehind              // its copy is a prefix: if the ring has the rest, partial
)

// subscribe begins a subscription for a replica whose copy is at want. It is
// decided under the shard lock: all effects up to the goal are in taps and ring
// then, and none after it.
func (k *sourceLink) subscribe(want linkCommand) (*subscription, plan) {
	log := k.source.log
	state := &log.slots[want.Slot]
	k.lastSubscription++
	sub := &subscription{slot: want.Slot, want: want.want, id: k.lastSubscription, sent: want.Seq}
	result := planRefuse
	k.source.Slots.WithSlot(want.Slot, func() {
		if !state.primary.Load() || want.Epoch > state.epoch.Load() {
			return
		}
		sub.generation = state.generation.Load()
		sub.goal = state.seq.Load()
		switch {
		case want.Epoch == 0 || !state.load().contains(want.Position, sub.goal):
			result = planFull
		case want.Seq == sub.goal:
			result = planCurrent
		default:
			result = planBehind
		}
	})
	if result == planRefuse {
		return nil, result
	}
	if result == planFull && want.Epoch != 0 {
		k.source.partialErr.Add(1)
	}
	log.mu.Lock()
	sub.valid = log.ring.slots[want.Slot].valid
	log.mu.Unlock()
	k.subs[want.Slot] = sub
	k.count(sub.state, +1)
	return sub, result
}

// partial resumes a slot from the ring.
func (k *sourceLink) partial(sub *subscription) error {
	k.source.partialOK.Add(1)
	k.setState(sub, subscriptionStreaming)
	k.source.acks.subscribe(k.acked, sub.slot, sub.id)
	k.source.acks.stream(k.acked, slotAck{sub.slot, sub.id, sub.sent})
	h := k.source.log.slots[sub.slot].load()
	return k.message(messagePartial, func(w *frameWriter) {
		w.uvarint(uint64(sub.slot))
		w.uvarint(sub.want)
		w.uvarint(sub.id)
		w.uvarint(sub.goal)
		w.history(h)
	})
}

// refuse tells the replica that it does not get, or no longer gets, a slot here.
func (k *sourceLink) refuse(slot uint16, want uint64) error {
	return k.message(messageRefused, func(w *frameWriter) {
		w.uvarint(uint64(slot))
		w.uvarint(want)
	})
}

// end ends a subscription that this node is no longer primary for.
func (k *sourceLink) end(sub *subscription) error {
	k.drop(sub.slot)
	return k.refuse(sub.slot, sub.want)
}

// drop ends a subscription.
func (k *sourceLink) drop(slot uint16) {
	sub := k.subs[slot]
	if sub == nil {
		return
	}
	k.subs[slot] = nil
	k.count(sub.state, -1)
	k.source.acks.subscribe(k.acked, slot, 0)
	if k.copy != nil && k.copy.sub == sub {
		k.releaseCopy()
	}
}

func (k *sourceLink) count(state subscriptionState, n int64) {
	switch state {
	case subscriptionQueued:
		k.queued.Add(n)
	case subscriptionCopying:
		k.copying.Add(n)
	case subscriptionStreaming:
		k.streaming.Add(n)
	}
}

func (k *sourceLink) setState(sub *subscription, state subscriptionState) {
	k.count(sub.state, -1)
	sub.state = state
	k.count(state, +1)
}

// alive reports whether this node is still the primary that sub was made under.
func (k *sourceLink) alive(sub *subscription) bool {
	s := &k.source.log.slots[sub.slot]
	return s.generation.Load() == sub.generation && s.primary.Load()
}

// checkGenerations ends the subscriptions of slots that this node is no longer
// primary of.
func (k *sourceLink) checkGenerations() error {
	voided := k.source.log.voided.Load()
	if voided == k.voided {
		return nil
	}
	k.voided = voided
	for _, sub := range k.subs {
		if sub != nil && !k.alive(sub) {
			if err := k.end(sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// pump ships the next records of the ring. more says that there are further
// ones, sent that some of these went to the replica.
func (k *sourceLink) pump() (more, sent bool, err error) {
	records, offset, end, lost := k.reader.next(k.source.Config.BatchBytes)
	if lost {
		if err := k.overrun(); err != nil {
			return false, false, err
		}
	}
	// What a slot's next primary logs comes after the change, so all
	// subscriptions are alive for these records if nothing has changed yet.
	unchanged := k.source.log.voided.Load() == k.voided
	for len(records) > 0 {
		size := int(binary.LittleEndian.Uint32(records))
		sub := k.subs[binary.LittleEndian.Uint16(records[4:])&(slotCount-1)]
		if sub != nil && sub.state != subscriptionQueued && offset >= sub.valid {
			if err := k.ship(sub, records[:size], unchanged); err != nil {
				return false, false, err
			}
		}
		records = records[size:]
		offset += uint64(size)
	}
	if offset > k.sentOffset.Load() {
		k.sentOffset.Store(offset)
	}
	sent = k.effectsOpen
	return offset < end, sent, k.endEffects()
}

// ship handles one record of a slot that the replica follows. alive: this node is
// known to be its primary still.
func (k *sourceLink) ship(sub *subscription, encoded []byte, alive bool) error {
	if !alive && !k.alive(sub) {
		return k.end(sub)
	}
	kind, seq := recordKind(encoded[6]), binary.LittleEndian.Uint64(encoded[8:])
	switch {
	case kind == recordEpoch:
		if sub.state == subscriptionStreaming && seq == sub.sent {
			k.forward(encoded)
		}
		return nil
	case seq <= sub.sent:
		return nil
	case kind == recordGap || seq != sub.sent+1:
		return k.resync(sub)
	case sub.state == subscriptionCopying:
		return k.copyRecord(sub, seq, encoded)
	}
	sub.sent = seq
	k.forward(encoded)
	return nil
}

// forward adds a record to the effects message.
func (k *sourceLink) forward(encoded []byte) {
	if !k.effectsOpen {
		k.effectsOpen = true
		k.out.begin(messageEffects)
		k.out.bytes(make([]byte, 8)) // the offset after them, see endEffects
	}
	k.out.bytes(encoded)
}

func (k *sourceLink) endEffects() error {
	if !k.effectsOpen {
		return nil
	}
	k.effectsOpen = false
	binary.LittleEndian.PutUint64(k.out.buf[k.out.start+frameHeadBytes:], k.sentOffset.Load())
	return k.out.end(k.source.Config.BatchBytes)
}

// overrun looks after the slots of which the ring has lost effects that the
// replica has not got.
func (k *sourceLink) overrun() error {
	log := k.source.log
	var late []*subscription
	log.mu.Lock()
	for slot, sub := range k.subs {
		if sub != nil && sub.state != subscriptionQueued && sub.sent < log.ring.slots[slot].floor {
			late = append(late, sub)
		}
	}
	log.mu.Unlock()
	for _, sub := range late {
		if err := k.resync(sub); err != nil {
			return err
		}
	}
	return nil
}
