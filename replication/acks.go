package replication

import (
	"context"
	"sync"
	"sync/atomic"
)

// acks knows which replica has acknowledged what, and who waits for it.
// Lock order: acks.mu comes after the shard lock and is never held while
// another lock is taken.
type acks struct {
	log    *Log
	counts func(node string, slot uint16) bool // nil: always

	mu     sync.Mutex
	links  map[*ackedLink]struct{}
	bySlot map[uint16]map[*Waiter]struct{}

	waiting atomic.Int64 // waiters not done
}

// ackedLink is what one replica has acknowledged.
type ackedLink struct {
	node  string
	pages [tapCount]*[slotCount / tapCount]acked // by slot >> tapShift, made on first use
}

// acked is the acknowledged sequence of one slot under one subscription; an
// acknowledgement of an earlier subscription, before the slot was copied anew,
// says nothing about the new copy.
type acked struct {
	subscription uint64 // 0: none
	seq          uint64
	streaming    bool // the replica has a whole copy: what it acknowledges counts
}

func newAcks(log *Log, counts func(node string, slot uint16) bool) *acks {
	return &acks{log: log, counts: counts, links: make(map[*ackedLink]struct{}), bySlot: make(map[uint16]map[*Waiter]struct{})}
}

// Waiter is one wait for acknowledgements, see Source.NotifyAcked.
type Waiter struct {
	acks  *acks
	marks []SlotPosition
	need  int
	done  func(count int)

	// acks.mu guards the rest. next counts the marks from the start on that
	// were seen on enough replicas: an acknowledgement looks at the next one
	// only, so a wait for many slots goes over them once.
	next     int
	count    int // the result, once finished
	finished bool
}

func (a *acks) add(node string) *ackedLink {
	link := &ackedLink{node: node}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.links[link] = struct{}{}
	return link
}

func (a *acks) remove(link *ackedLink) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.links, link)
}

func (l *ackedLink) slot(slot uint16) *acked {
	page := l.pages[slot>>tapShift]
	if page == nil {
		page = new([slotCount / tapCount]acked)
		l.pages[slot>>tapShift] = page
	}
	return &page[slot&(slotCount/tapCount-1)]
}

// peek returns what slot says without making its page.
func (l *ackedLink) peek(slot uint16) acked {
	if page := l.pages[slot>>tapShift]; page != nil {
		return page[slot&(slotCount/tapCount-1)]
	}
	return acked{}
}

// subscribe starts (subscription not 0) or ends the counting of a slot: from
// here on only acknowledgements of this subscription count, and none has come.
func (a *acks) subscribe(link *ackedLink, slot uint16, subscription uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*link.slot(slot) = acked{subscription: subscription}
}

// slotAck is one acknowledgement.
type slotAck struct {
	slot         uint16
	subscription uint64
	seq          uint64
}

// stream says that the replica of a subscription has, or is about to have, a
// whole copy, and has acknowledged as much of it as ack says.
func (a *acks) stream(link *ackedLink, ack slotAck) {
	a.mu.Lock()
	if s := link.slot(ack.slot); s.subscription == ack.subscription {
		s.streaming = true
	}
	a.mu.Unlock()
	a.record(link, []slotAck{ack})
}

// record takes acknowledgements of a link and ends the waits they satisfy.
func (a *acks) record(link *ackedLink, batch []slotAck) {
	var done []*Waiter
	a.mu.Lock()
	for _, ack := range batch {
		s := link.slot(ack.slot)
		if ack.subscription == 0 || s.subscription != ack.subscription || ack.seq <= s.seq {
			continue
		}
		s.seq = ack.seq
		for w := range a.bySlot[ack.slot] {
			if a.advance(w) {
				done = append(done, w)
			}
		}
	}
	a.mu.Unlock()
	for _, w := range done {
		w.done(w.count)
	}
}

// advance looks at a waiter after news. It reports true once: when the wait is
// over. Lock held.
func (a *acks) advance(w *Waiter) bool {
	if w.finished {
		return false
	}
	for w.next < len(w.marks) {
		if a.holders(w.marks[w.next]) < w.need {
			return false
		}
		w.next++
	}
	a.finish(w)
	return true
}

// holders counts the replicas that have acknowledged mark. Lock held.
func (a *acks) holders(mark SlotPosition) (n int) {
	for link := range a.links {
		if a.has(link, mark) {
			n++
		}
	}
	return n
}

// has reports whether link has acknowledged mark. Lock held.
func (a *acks) has(link *ackedLink, mark SlotPosition) bool {
	s := link.peek(mark.Slot)
	return s.streaming && s.seq >= mark.Seq && a.log.Contains(mark.Slot, mark.Position) &&
		(a.counts == nil || a.counts(link.node, mark.Slot))
}

// recount looks at all waits again.
func (a *acks) recount() {
	var done []*Waiter
	a.mu.Lock()
	for _, waiters := range a.bySlot {
		for w := range waiters {
			if a.advance(w) {
				done = append(done, w)
			}
		}
	}
	a.mu.Unlock()
	for _, w := range done {
		w.done(w.count)
	}
}

// finish takes a waiter off the lists and counts: the replicas of the mark that
// has the fewest. Slots may have their replicas on different nodes, so there may
// be no single one that has all marks. Lock held.
func (a *acks) finish(w *Waiter) {
	w.finished = true
	for i, mark := range w.marks {
		n := a.holders(mark)
		if i < w.next {
			n = max(n, w.need) // were there, even if a link has gone since
		}
		if i == 0 || n < w.count {
			w.count = n
		}
	}
	for _, mark := range w.marks {
		if waiters := a.bySlot[mark.Slot]; waiters != nil {
			delete(waiters, w)
			if len(waiters) == 0 {
				delete(a.bySlot, mark.Slot)
			}
		}
	}
	a.waiting.Add(-1)
}

// notify registers a wait; the second result says that it is over already.
func (a *acks) notify(marks []SlotPosition, n int, done func(int)) (*Waiter, bool) {
	w := &Waiter{acks: a, marks: marks, need: n, done: done}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting.Add(1)
	for _, mark := range marks {
		waiters := a.bySlot[mark.Slot]
		if waiters == nil {
			waiters = make(map[*Waiter]struct{})
			a.bySlot[mark.Slot] = waiters
		}
		waiters[w] = struct{}{}
	}
	return w, a.advance(w)
}

// Cancel ends the wait and returns how many replicas have acknowledged each of
// the marks. cancelled is false when the wait was over before: done has been called
// or is being called.
func (w *Waiter) Cancel() (count int, cancelled bool) {
	w.acks.mu.Lock()
	defer w.acks.mu.Unlock()
	if w.finished {
		return w.count, false
	}
	w.acks.finish(w)
	return w.count, true
}

func (a *acks) by(slot uint16, pos Position, each func(node string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for link := range a.links {
		if a.has(link, SlotPosition{slot, pos}) {
			each(link.node)
		}
	}
}

// AckedBy returns how many replicas have acknowledged the effect at pos of slot.
func (s *Source) AckedBy(slot uint16, pos Position) int {
	n := 0
	s.acks.by(slot, pos, func(string) { n++ })
	return n
}

// AckedNodes appends to dst the node IDs of the replicas that have acknowledged
// the effect at pos of slot.
func (s *Source) AckedNodes(dst []string, slot uint16, pos Position) []string {
	s.acks.by(slot, pos, func(node string) { dst = append(dst, node) })
	return dst
}

// NotifyAcked calls done once, when each mark has been acknowledged by n
// replicas, not necessarily the same for all: before it returns if they already
// have, else on a goroutine of the source. done must not block; its count is that
// of the mark that has the fewest. The replicas are asked to acknowledge at once.
// marks belong to the source until then. A mark that is not, or no longer, on
// this node's history is never acknowledged. No shard lock may be held.
func (s *Source) NotifyAcked(marks []SlotPosition, n int, done func(count int)) *Waiter {
	w, over := s.acks.notify(marks, n, done)
	if over {
		done(w.count)
		return w
	}
	s.ask()
	return w
}

// Recount says that SourceOptions.Counts may answer otherwise than before. No shard
// lock may be held.
func (s *Source) Recount() { s.acks.recount() }

// WaitAcked waits as NotifyAcked, or until ctx ends, and returns the count. No
// shard lock may be held.
func (s *Source) WaitAcked(ctx context.Context, marks []SlotPosition, n int) int {
	reached := make(chan int, 1)
	w := s.NotifyAcked(marks, n, func(count int) { reached <- count })
	select {
	case count := <-reached:
		return count
	case <-ctx.Done():
		count, cancelled := w.Cancel()
		if !cancelled {
			count = <-reached
		}
		return count
	}
}
