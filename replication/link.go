package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/beat"
	"respkv/internal/throttle"
)

// LinkOptions are what a Link needs. The callbacks may be nil; they run on the
// link's goroutine without locks, must not block and must not call the link's
// AddSlots, RemoveSlots or Close.
type LinkOptions struct {
	Config    Config
	Log       *Log
	Applier   Applier
	Slots     Slots
	NodeID    string // of this node, 1 to 64 bytes
	BootID    uint64 // differs from process to process
	PrimaryID string // node ID that the other side must have
	Dial      Dialer
	Logger    *slog.Logger

	// OnBroken is told each time the link breaks or cannot be opened, with the
	// dialer's error where it was that (ECONNREFUSED: the process is gone), and
	// ErrPrimaryRestarted when the primary turns out to be a new process.
	OnBroken func(err error)
	// OnLoss is told what this node drops because its primary has not got it.
	OnLoss func(Loss)
	// OnCaughtUp is told each time a slot begins to stream.
	OnCaughtUp func(slot uint16)
}

// Loss is the receipt for the effects of one slot that this node drops, because
// they are not on the history of the slot's present primary: effects it made, or
// received, that did not reach the node promoted after it.
type Loss struct {
	Slot    uint16
	Had     Position // of the copy that is dropped
	Fork    Position // the last it has in common with the primary; zero: unknown, perhaps nothing
	Effects uint64   // dropped
}

// Link is the replica side of replication: it follows one primary node for a set
// of slots, applies their effects and acknowledges them. It reconnects by itself.
// All methods are safe for concurrent use, but must not be called with a shard
// lock held.
type Link struct {
	LinkOptions
	log      *Log
	complain throttle.Lines // about effects that cannot be applied: each of a kind that is not known here

	// apply guards the slots, except for reading their state, and everything
	// that has to do with a message being applied. It comes before shard locks
	// and is held for one message at a time.
	apply     sync.Mutex
	slots     []linkSlot
	connected bool
	commands  []linkCommand // to be sent; positions are filled in then
	refused   []uint16      // to be asked for again at the next heartbeat
	dirty     []uint16      // slots with something to acknowledge
	lastWant  uint64
	args      [][]byte
	current   record // being applied
	encoded   []byte
	applied   bool
	after     func() // moves the position past current
	groups    map[uint16]*linkGroup
	callbacks []func()
	ahead     lookAhead

	mu     sync.Mutex // guards the next three; a leaf
	state  LinkState
	since  time.Time // of the state, or of the first failure in a row
	failed error     // the last failure

	boot  uint64 // of the primary, last seen
	epoch time.Time
	kick  chan struct{} // capacity 1: commands or an acknowledgement to send

	started atomic.Bool
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}

	offset   atomic.Uint64 // of the primary's log, applied
	fresh    atomic.Int64  // ns since epoch: the streaming slots show the primary as of then, or later; 0: never
	lastIO   atomic.Int64  // ns since epoch
	bytesIn  atomic.Uint64
	bytesOut atomic.Uint64

	copiedBytes, copyKeys, copyKeysTotal atomic.Uint64
	effects, applyErrors                 atomic.Uint64
}

// linkSlot is one slot of a link.
type linkSlot struct {
	state        atomic.Uint32 // SlotState
	want         uint64        // number of the newest wish
	subscription uint64
	goal         uint64 // while resuming
	dirty        bool   // is in Link.dirty
}

// ErrPrimaryRestarted says that the process behind the primary's address is
// another one than before: what it held in memory is gone.
var ErrPrimaryRestarted = errors.New("replication: primary was restarted")

// NewLink returns a link that does nothing until Start.
func NewLink(o LinkOptions) (*Link, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if len(o.NodeID) == 0 || len(o.NodeID) > maxNodeID || len(o.PrimaryID) == 0 || len(o.PrimaryID) > maxNodeID {
		return nil, fmt.Errorf("replication: link from node %q to node %q", o.NodeID, o.PrimaryID)
	}
	l := &Link{
		LinkOptions: o,
		log:         o.Log,
		slots:       make([]linkSlot, slotCount),
		epoch:       time.Now(),
		since:       time.Now(),
		kick:        make(chan struct{}, 1),
		done:        make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.after = func() {
		l.applied = true
		l.log.appendReplica(&l.current, l.encoded)
	}
	return l, nil
}

// Start begins to connect. It may be called once.
func (l *Link) Start() {
	l.started.Store(true)
	go l.run()
}

// Close ends the link. When it returns, nothing is applied any more and no
// callback runs.
func (l *Link) Close() {
	l.cancel()
	if l.started.Load() {
		<-l.done
	}
}

// run connects again and again.
func (l *Link) run() {
	defer close(l.done)
	defer l.transition(linkClose, nil)
	pause := time.Duration(0)
	for {
		err := l.connect(func() { pause = 0 })
		if l.ctx.Err() != nil {
			return
		}
		l.transition(linkFailed, err)
		if l.OnBroken != nil {
			l.OnBroken(err)
		}
		pause = min(max(2*pause, l.Config.ReconnectMin), l.Config.ReconnectMax)
		// Jitter keeps the replicas of a node from coming back all at once.
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			timer.Stop()
			return
		}
		l.transition(linkRetry, nil)
	}
}

func (l *Link) transition(e linkEvent, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to, ok := l.state.next(e)
	if !ok {
		l.Logger.Error("replication link: event out of place", "primary", l.PrimaryID, "state", l.state, "event", e)
		return
	}
	switch e {
	case linkGreeted:
		l.Logger.Info("replication link up", "primary", l.PrimaryID)
		l.since, l.failed = time.Now(), nil
	case linkFailed:
		if l.failed == nil {
			l.Logger.Warn("replication link down", "primary", l.PrimaryID, "err", err)
			l.since = time.Now()
		}
		l.failed = err
	}
	l.state = to
}

// connect opens the link and serves it until it breaks.
func (l *Link) connect(up func()) error {
	dialing, cancel := context.WithTimeout(l.ctx, l.Config.Timeout)
	conn, err := l.Dial(dialing)
	cancel()
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(l.ctx, func() { conn.Close() })
	defer stop()
	l.transition(linkDialed, nil)
	in := newFrameReader(conn, l.Config.Timeout, 64<<10, func(n int) {
		l.bytesIn.Add(uint64(n))
		l.lastIO.Store(int64(time.Since(l.epoch)))
	})
	out := &frameWriter{conn: conn, timeout: l.Config.Timeout, out: func(n int) { l.bytesOut.Add(uint64(n)) }}
	if err := out.hello(hello{node: l.NodeID, boot: l.BootID, target: l.PrimaryID}); err != nil {
		return err
	}
	peer, err := in.hello()
	if err != nil {
		return err
	}
	if peer.node != l.PrimaryID {
		return protocolError("node %q answers in place of %q", peer.node, l.PrimaryID)
	}
	if l.boot != 0 && l.boot != peer.boot && l.OnBroken != nil {
		l.OnBroken(ErrPrimaryRestarted)
	}
	l.boot = peer.boot
	l.transition(linkGreeted, nil)
	up()
	l.begin()
	defer l.lose()

	ended := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		if err := l.send(out, ended); err != nil {
			conn.Close()
		}
	})
	err = l.receive(in)
	conn.Close()
	close(ended)
	sender.Wait()
	return err
}

// begin asks for all slots.
func (l *Link) begin() {
	l.apply.Lock()
	defer l.apply.Unlock()
	l.connected = true
	l.offset.Store(0)
	for slot := range l.slots {
		if l.slots[slot].get() == SlotWanted {
			l.ask(uint16(slot))
		}
	}
	l.wake()
}

// lose takes all slots back to wanted.
func (l *Link) lose() {
	l.apply.Lock()
	defer l.apply.Unlock()
	l.connected = false
	clear(l.groups)
	l.commands, l.refused, l.dirty = nil, nil, nil
	for slot := range l.slots {
		s := &l.slots[slot]
		s.dirty = false
		if s.get() != SlotDetached {
			l.move(uint16(slot), slotLost)
		}
	}
}

func (s *linkSlot) get() SlotState { return SlotState(s.state.Load()) }

// move makes a transition. apply held.
func (l *Link) move(slot uint16, e slotEvent) bool {
	s := &l.slots[slot]
	to, ok := s.get().next(e)
	if !ok {
		return false
	}
	s.state.Store(uint32(to))
	delete(l.groups, slot) // what comes next begins at the slot's position
	if to == SlotStreaming && l.OnCaughtUp != nil {
		l.callbacks = append(l.callbacks, func() { l.OnCaughtUp(slot) })
	}
	return true
}

// ask queues a wish for a slot. apply held.
func (l *Link) ask(slot uint16) {
	if !l.connected {
		return
	}
	l.lastWant++
	l.slots[slot].want = l.lastWant
	l.commands = append(l.commands, linkCommand{want: l.lastWant, SlotPosition: SlotPosition{Slot: slot}})
}

func (l *Link) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// AddSlots follows more slots. A live link asks for them at once. Slots that it
// follows already are left alone. No other link may follow them.
func (l *Link) AddSlots(slots []uint16) {
	l.apply.Lock()
	defer l.apply.Unlock()
	for _, slot := range slots {
		if l.move(slot, slotAdd) {
			l.ask(slot)
		}
	}
	l.wake()
}

// RemoveSlots ends following slots. When it returns, the link applies none of
// their effects any more. A copy cut short leaves part of the slot's keys, and
// its position zero.
func (l *Link) RemoveSlots(slots []uint16) {
	l.apply.Lock()
	defer l.apply.Unlock()
	for _, slot := range slots {
		if l.move(slot, slotRemove) && l.connected {
			l.commands = append(l.commands, linkCommand{SlotPosition: SlotPosition{Slot: slot}})
		}
	}
	l.wake()
}

// SlotStatus is how a replica stands with one slot.
type SlotStatus struct {
	State    SlotState
	Position Position
	// Staleness bounds the age of what the copy shows, while State is
	// SlotStreaming: every write that the primary answered longer ago is in it.
	// It rises by itself while nothing is heard, and includes a round trip and
	// up to a heartbeat.
	Staleness time.Duration
}

// SlotStatus returns how the link stands with slot. It takes no lock.
func (l *Link) SlotStatus(slot uint16) SlotStatus {
	return SlotStatus{State: l.slots[slot].get(), Position: l.log.Position(slot), Staleness: l.staleness()}
}

func (l *Link) staleness() time.Duration {
	now := int64(time.Since(l.epoch))
	return time.Duration(now - l.fresh.Load())
}

// LinkInfo describes a link.
type LinkInfo struct {
	PrimaryID   string
	State       LinkState
	Since       time.Duration // it is up, or since the first failure in a row
	Err         error         // the last failure, while not up
	Wanted      int           // slots that wait for an answer or their copy
	Resuming    int
	Copying     int
	Streaming   int
	Offset      uint64        // of the primary's log, applied
	LastIO      time.Duration // since something was heard
	Staleness   time.Duration // see SlotStatus
	Effects     uint64        // applied
	ApplyErrors uint64
	CopiedBytes uint64 // of full copies, all together
	CopyKeys    uint64 // keys received of the slot being copied
	CopyTotal   uint64 // keys that it had when the copy began
	BytesIn     uint64
	BytesOut    uint64
}

// Info returns how the link stands.
func (l *Link) Info() LinkInfo {
	now := time.Since(l.epoch)
	info := LinkInfo{
		PrimaryID: l.PrimaryID,
		Offset:    l.offset.Load(), LastIO: now - time.Duration(l.lastIO.Load()), Staleness: l.staleness(),
		Effects: l.effects.Load(), ApplyErrors: l.applyErrors.Load(),
		CopiedBytes: l.copiedBytes.Load(), CopyKeys: l.copyKeys.Load(), CopyTotal: l.copyKeysTotal.Load(),
		BytesIn: l.bytesIn.Load(), BytesOut: l.bytesOut.Load(),
	}
	for i := range l.slots {
		switch l.slots[i].get() {
		case SlotDetached:
		case SlotWanted:
			info.Wanted++
		case SlotResuming:
			info.Resuming++
		case SlotCopying:
			info.Copying++
		case SlotStreaming:
			info.Streaming++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	info.State, info.Since, info.Err = l.state, time.Since(l.since), l.failed
	return info
}

// send writes wishes and acknowledgements until the link breaks.
func (l *Link) send(w *frameWriter, ended chan struct{}) error {
	tick := beat.NewTicker(l.Config.Heartbeat)
	defer tick.Stop()
	for {
		due := false
		select {
		case <-l.kick:
		case <-tick.C:
			due = true
		case <-ended:
			return nil
		}
		if err := l.compose(w, due); err != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
	}
}

// compose builds what there is to say to the primary.
func (l *Link) compose(w *frameWriter, due bool) error {
	l.apply.Lock()
	defer l.apply.Unlock()
	if due {
		for _, slot := range l.refused {
			if l.slots[slot].get() == SlotWanted {
				l.ask(slot)
			}
		}
		l.refused = l.refused[:0]
	}
	open := messageType(0)
	for _, c := range l.commands {
		kind := messageUnwant
		if c.want != 0 {
			kind = messageWant
			if l.slots[c.Slot].want != c.want || l.slots[c.Slot].get() != SlotWanted {
				continue // taken back, or asked for again
			}
		}
		if open != kind || w.pending() > maxFrameBytes/2 {
			if open != 0 {
				if err := w.end(maxFrameBytes); err != nil {
					return err
				}
			}
			open = kind
			w.begin(kind)
		}
		w.uvarint(uint64(c.Slot))
		if kind == messageWant {
			state := &l.log.slots[c.Slot]
			w.uvarint(c.want)
			w.position(state.load().lastEffect(state.seq.Load()))
		}
	}
	l.commands = l.commands[:0]
	if open != 0 {
		if err := w.end(maxFrameBytes); err != nil {
			return err
		}
	}
	w.begin(messageAck)
	w.uvarint(uint64(time.Since(l.epoch)))
	w.uvarint(l.offset.Load())
	for _, slot := range l.dirty {
		s := &l.slots[slot]
		s.dirty = false
		if state := s.get(); state != SlotStreaming && state != SlotResuming {
			continue
		}
		w.uvarint(uint64(slot))
		w.uvarint(s.subscription)
		w.uvarint(l.log.slots[slot].seq.Load())
	}
	l.dirty = l.dirty[:0]
	return w.end(maxFrameBytes)
}
