package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestFullCopyThenStream(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 5, 6, 7000)
	for i := range 500 {
		p.write(5, 0, "SET", fmt.Sprint("k", i), "v")
		p.write(7000, 1, "SET", fmt.Sprint("k", i), "v")
	}
	l := r.follow(t, p, nil)
	l.AddSlots([]uint16{5, 6, 7000})
	for _, slot := range []uint16{5, 6, 7000} {
		same(t, p, r, slot)
	}
	p.write(5, 0, "DEL", "k7")
	p.write(6, 0, "SET", "a", "b")
	same(t, p, r, 5)
	same(t, p, r, 6)
	if got := p.source.Stats(); got.FullSyncs != 3 || got.PartialOK != 0 || got.PartialErr != 0 {
		t.Errorf("%+v", got)
	}
	if info := l.Info(); info.Streaming != 3 || info.CopyKeys == 0 && info.CopiedBytes == 0 {
		t.Errorf("%+v", info)
	}
	until(t, "the replica's offset is the log's", func() bool {
		infos := p.source.Replicas()
		return len(infos) == 1 && infos[0].NodeID == "r" && infos[0].Streaming == 3 && infos[0].Offset == p.log.Stats().Offset && infos[0].Lag == 0
	})
	until(t, "the replica is fresh", func() bool { return l.SlotStatus(5).Staleness < time.Second })
}

func TestPartialResync(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 3, 1, 2)
	l := r.follow(t, p, nil)
	l.AddSlots([]uint16{1, 2})
	for i := range 100 {
		p.write(1, 0, "SET", fmt.Sprint(i), "v")
	}
	same(t, p, r, 1)
	same(t, p, r, 2)
	before := p.source.Stats()
	l.RemoveSlots([]uint16{1, 2})
	for i := range 100 {
		p.write(1, 0, "APPEND", fmt.Sprint(i), "w")
	}
	l.AddSlots([]uint16{1, 2})
	same(t, p, r, 1)
	same(t, p, r, 2)
	if after := p.source.Stats(); after.FullSyncs != before.FullSyncs || after.PartialOK != before.PartialOK+2 {
		t.Errorf("%+v, then %+v", before, after)
	}
}

// TestPartialResyncAfterFailover: what a replica applied is in its own log, so
// another replica that is behind resumes from it.
func TestPartialResyncAfterFailover(t *testing.T) {
	a, b, c := newFakeNode(t, "a", testConfig()), newFakeNode(t, "b", testConfig()), newFakeNode(t, "c", testConfig())
	slots := []uint16{1, 9000}
	a.lead(t, 1, slots...)
	ab, ac := b.follow(t, a, nil), c.follow(t, a, nil)
	ab.AddSlots(slots)
	ac.AddSlots(slots)
	// b, too, has its copies before the writes: what came with a copy is not in
	// its log, and c could not resume from it.
	same(t, a, b, 1)
	same(t, a, b, 9000)
	same(t, a, c, 1)
	same(t, a, c, 9000)
	ac.Close()
	for i := range 50 {
		a.write(1, 0, "SET", fmt.Sprint(i), "v")
	}
	same(t, a, b, 1)
	same(t, a, b, 9000)
	ab.RemoveSlots(slots)
	b.lead(t, 2, slots...)
	b.write(1, 0, "SET", "x", "y")
	c.follow(t, b, nil).AddSlots(slots)
	same(t, b, c, 1)
	same(t, b, c, 9000)
	if got := b.source.Stats(); got.FullSyncs != 0 || got.PartialOK != 2 {
		t.Errorf("%+v", got)
	}
	if got := c.log.Position(9000); got != (Position{2, 0}) {
		t.Errorf("epoch without effects: %v", got)
	}
}

// TestLossReceipt also covers records of a dropped copy in the log: after the
// old primary leads again, they must not be taken for those of the new copy.
func TestLossReceipt(t *testing.T) {
	a, b := newFakeNode(t, "a", testConfig()), newFakeNode(t, "b", testConfig())
	a.lead(t, 1, 5, 6)
	ab := b.follow(t, a, nil)
	ab.AddSlots([]uint16{5, 6})
	for i := range 5 {
		a.write(5, 0, "SET", fmt.Sprint(i), "common")
	}
	same(t, a, b, 5)
	same(t, a, b, 6)
	ab.RemoveSlots([]uint16{5, 6})
	a.write(6, 0, "SET", "x", "1") // for b to go back to, before the fork
	for i := range 15 {
		a.write(5, 0, "SET", fmt.Sprint(i), "lost")
	}
	a.store.WithSlot(5, func() { a.log.EndEpoch(5) })
	b.lead(t, 2, 5)
	for i := range 3 {
		b.write(5, 0, "SET", fmt.Sprint(i), "kept")
	}
	ba := a.follow(t, b, nil)
	ba.AddSlots([]uint16{5})
	same(t, b, a, 5)
	select {
	case loss := <-a.losses:
		if want := (Loss{Slot: 5, Had: Position{1, 20}, Fork: Position{1, 5}, Effects: 15}); loss != want {
			t.Errorf("%+v, want %+v", loss, want)
		}
	case <-time.After(settle):
		t.Error("no receipt")
	}
	ba.RemoveSlots([]uint16{5})
	b.store.WithSlot(5, func() { b.log.EndEpoch(5) })
	a.lead(t, 3, 5)
	a.write(5, 0, "SET", "new", "1")
	before := a.source.Stats()
	ab.AddSlots([]uint16{5, 6})
	same(t, a, b, 5)
	same(t, a, b, 6)
	if after := a.source.Stats(); after.FullSyncs != before.FullSyncs || after.PartialOK != before.PartialOK+2 {
		t.Errorf("%+v, then %+v", before, after)
	}
	if len(b.losses) != 0 {
		t.Errorf("%+v", <-b.losses)
	}
}

// gateConn reads only while the gate is open.
type gateConn struct {
	net.Conn
	gate *sync.RWMutex
}

func (c gateConn) Read(b []byte) (int, error) {
	c.gate.RLock()
	defer c.gate.RUnlock()
	return c.Conn.Read(b)
}

// TestOverrun: a replica that does not read falls behind the log; the primary
// goes on, and the replica gets back the slot of which nothing is written any
// more, too.
func TestOverrun(t *testing.T) {
	config := testConfig()
	p, r := newFakeNode(t, "p", config), newFakeNode(t, "r", config)
	p.shrink(t, 32<<10)
	p.lead(t, 1, 1, 2)
	var gate sync.RWMutex
	l := r.follow(t, p, func(c net.Conn) net.Conn { return gateConn{c, &gate} })
	l.AddSlots([]uint16{1, 2})
	same(t, p, r, 1)
	same(t, p, r, 2)
	gate.Lock()
	for range 2000 {
		p.write(2, 0, "APPEND", "b", "0123456789")
	}
	p.write(1, 0, "SET", "a", "1")
	for range 2000 {
		p.write(2, 0, "SET", "b", "0123456789")
	}
	p.log.Flush()
	gate.Unlock()
	same(t, p, r, 1)
	same(t, p, r, 2)
	if got := p.source.Stats(); got.FullSyncs < 3 {
		t.Errorf("%+v", got)
	}
}

// TestOversizedEffect: an effect that the log cannot take has its slot copied.
func TestOversizedEffect(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 1, 2)
	r.follow(t, p, nil).AddSlots([]uint16{1, 2})
	same(t, p, r, 1)
	same(t, p, r, 2)
	p.write(1, 0, "SET", "large", strings.Repeat("x", 100<<10)) // fits the ring, not a tap
	same(t, p, r, 1)
	if got := p.source.Stats().FullSyncs; got != 2 {
		t.Errorf("%d full resyncs for an effect that fits", got)
	}
	p.write(1, 0, "SET", "huge", strings.Repeat("y", 8<<20)) // fits neither, nor one frame
	p.write(1, 0, "SET", "small", "1")
	same(t, p, r, 1)
	if got := p.source.Stats().FullSyncs; got != 3 {
		t.Errorf("%d full resyncs", got)
	}
	if got := p.log.Stats(); got.Oversized != 1 || got.HistoryBytes > 300<<10 {
		t.Errorf("%+v", got)
	}
}

func TestRoleEnds(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 1, 2)
	l := r.follow(t, p, nil)
	l.AddSlots([]uint16{1, 2, 3}) // 3 has no primary
	same(t, p, r, 1)
	p.store.WithSlot(1, func() { p.log.EndEpoch(1) })
	until(t, "the slot is refused", func() bool { return l.SlotStatus(1).State == SlotWanted })
	if got := l.SlotStatus(2).State; got != SlotStreaming {
		t.Errorf("the other slot is %v", got)
	}
	p.lead(t, 1, 1)
	same(t, p, r, 1)
	p.lead(t, 1, 3)
	same(t, p, r, 3)
}

// TestDivergedSlot: an effect that fails on the replica has the slot copied.
func TestDivergedSlot(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 1)
	l := r.follow(t, p, nil)
	l.AddSlots([]uint16{1})
	p.write(1, 0, "SET", "a", "12345")
	same(t, p, r, 1)
	r.store.WithSlot(1, func() { delete(r.store.db(1, 0), "a") })
	p.write(1, 0, "POP", "a")
	same(t, p, r, 1)
	if got := l.Info().ApplyErrors; got != 1 {
		t.Errorf("%d errors", got)
	}
}

func TestWaitAcked(t *testing.T) {
	config := testConfig()
	config.Heartbeat, config.Timeout = settle, 2*settle // acknowledgements come because they are asked for
	p := newFakeNode(t, "p", config)
	p.lead(t, 1, 1, 2)
	var replicas []*fakeNode
	for i := range 2 {
		r := newFakeNode(t, fmt.Sprint("r", i), config)
		r.follow(t, p, nil).AddSlots([]uint16{1, 2})
		replicas = append(replicas, r)
		same(t, p, r, 1)
		same(t, p, r, 2)
	}
	for i := range 20 {
		p.write(1, 0, "SET", "a", fmt.Sprint(i))
		p.write(2, 0, "SET", "a", fmt.Sprint(i))
		marks := []SlotPosition{{1, p.log.Position(1)}, {2, p.log.Position(2)}}
		ctx, cancel := context.WithTimeout(t.Context(), settle)
		start := time.Now()
		if n := p.source.WaitAcked(ctx, marks, 2); n != 2 {
			t.Fatalf("acknowledged by %d", n)
		}
		cancel()
		if d := time.Since(start); d > settle/2 {
			t.Errorf("took %v", d)
		}
	}
	at := p.log.Position(1)
	if n := p.source.AckedBy(1, at); n != 2 {
		t.Errorf("AckedBy %d", n)
	}
	if lag := p.source.Lag(1); lag.Replicas != 2 || lag.Effects != 0 || lag.Age != 0 {
		t.Errorf("%+v", lag)
	}
	// One replica goes: it does not count any more.
	replicas[0].links["p"].Close()
	until(t, "one replica", func() bool { return len(p.source.Replicas()) == 1 })
	p.write(1, 0, "SET", "a", "b")
	done := make(chan int, 1)
	w := p.source.NotifyAcked([]SlotPosition{{1, p.log.Position(1)}}, 2, func(n int) { done <- n })
	until(t, "the other one", func() bool { return p.source.AckedBy(1, p.log.Position(1)) == 1 })
	if n, cancelled := w.Cancel(); n != 1 || !cancelled || len(done) != 0 {
		t.Errorf("%d acknowledged, cancelled %v", n, cancelled)
	}
	if got := p.source.AckedNodes(nil, 1, p.log.Position(1)); len(got) != 1 || got[0] != "r1" {
		t.Errorf("%v", got)
	}
	if n := p.source.AckedBy(1, Position{2, 1}); n != 0 {
		t.Errorf("a position of no history is acknowledged by %d", n)
	}
	if n := p.source.WaitAcked(t.Context(), []SlotPosition{{1, at}}, 0); n != 0 && n != 1 {
		t.Errorf("waiting for none: %d", n)
	}
	if got := len(p.source.acks.bySlot); got != 0 || p.source.acks.waiting.Load() != 0 {
		t.Errorf("%d slots with waiters are left", got)
	}
	if n := p.source.GoodReplicas(1, time.Minute); n != 1 {
		t.Errorf("%d good replicas", n)
	}
}

// TestWaitAckedCounts: a replica that does not count is waited for by nobody, however
// much it has acknowledged; who waits is told as soon as it counts again.
func TestWaitAckedCounts(t *testing.T) {
	p := newFakeNode(t, "p", testConfig())
	p.lead(t, 1, 1, 2)
	var going atomic.Bool // slot 1 from r1
	p.source.acks.counts = func(node string, slot uint16) bool { return !going.Load() || node != "r1" || slot != 1 }
	first, second := newFakeNode(t, "r1", testConfig()), newFakeNode(t, "r2", testConfig())
	first.follow(t, p, nil).AddSlots([]uint16{1, 2})
	second.follow(t, p, nil).AddSlots([]uint16{1, 2})
	for slot := range uint16(2) {
		same(t, p, first, slot+1)
		same(t, p, second, slot+1)
	}
	going.Store(true)
	p.write(1, 0, "SET", "a", "b")
	p.write(2, 0, "SET", "a", "b")
	done := make(chan int, 1)
	w := p.source.NotifyAcked([]SlotPosition{{1, p.log.Position(1)}, {2, p.log.Position(2)}}, 2, func(n int) { done <- n })
	until(t, "the second slot", func() bool { return p.source.AckedBy(2, p.log.Position(2)) == 2 })
	until(t, "the first replica", func() bool {
		a := p.source.acks
		a.mu.Lock()
		defer a.mu.Unlock()
		for link := range a.links {
			if link.node == "r1" && link.peek(1).seq == p.log.Position(1).Seq {
				return true
			}
		}
		return false
	})
	until(t, "the other one", func() bool { return p.source.AckedBy(1, p.log.Position(1)) == 1 })
	if len(done) != 0 {
		t.Fatal("a replica that is to go was counted")
	}
	going.Store(false)
	p.source.Recount()
	if n := <-done; n != 2 {
		t.Errorf("%d replicas, want 2", n)
	}
	if _, cancelled := w.Cancel(); cancelled {
		t.Error("the wait is not over")
	}
}

// TestWaitAckedBySeveral: slots have their replicas on different nodes; what counts
// is how many replicas each slot has.
func TestWaitAckedBySeveral(t *testing.T) {
	config := testConfig()
	config.Heartbeat, config.Timeout = settle, 2*settle // acknowledgements come because they are asked for
	p := newFakeNode(t, "p", config)
	p.lead(t, 1, 1, 2)
	first, second := newFakeNode(t, "r1", config), newFakeNode(t, "r2", config)
	first.follow(t, p, nil).AddSlots([]uint16{1})
	second.follow(t, p, nil).AddSlots([]uint16{2})
	same(t, p, first, 1)
	same(t, p, second, 2)
	write := func() []SlotPosition {
		p.write(1, 0, "SET", "a", "b")
		p.write(2, 0, "SET", "a", "b")
		return []SlotPosition{{1, p.log.Position(1)}, {2, p.log.Position(2)}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), settle/2)
	defer cancel()
	for range 20 {
		if n := p.source.WaitAcked(ctx, write(), 1); n != 1 {
			t.Fatalf("each slot is acknowledged by one replica, counted %d", n)
		}
	}
	// One slot has a second replica: still one is what all marks have.
	third := newFakeNode(t, "r3", config)
	third.follow(t, p, nil).AddSlots([]uint16{1})
	same(t, p, third, 1)
	marks := write()
	done := make(chan int, 1)
	w := p.source.NotifyAcked(marks, 2, func(n int) { done <- n })
	until(t, "all", func() bool {
		return p.source.AckedBy(1, marks[0].Position) == 2 && p.source.AckedBy(2, marks[1].Position) == 1
	})
	if n, cancelled := w.Cancel(); n != 1 || !cancelled || len(done) != 0 {
		t.Errorf("%d acknowledged, cancelled %v", n, cancelled)
	}
	// Without the only replica of a slot there is none.
	second.links["p"].Close()
	until(t, "two replicas", func() bool { return len(p.source.Replicas()) == 2 })
	marks = write()
	w = p.source.NotifyAcked(marks, 1, func(n int) { done <- n })
	until(t, "the others", func() bool { return p.source.AckedBy(1, marks[0].Position) == 2 })
	if n, cancelled := w.Cancel(); n != 0 || !cancelled || len(done) != 0 {
		t.Errorf("%d acknowledged, cancelled %v", n, cancelled)
	}
	if got := len(p.source.acks.bySlot); got != 0 || p.source.acks.waiting.Load() != 0 {
		t.Errorf("%d slots with waiters are left", got)
	}
}

// TestManyWaiters: each of many waits costs its share only, and none is missed.
func TestManyWaiters(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 1)
	r.follow(t, p, nil).AddSlots([]uint16{1})
	same(t, p, r, 1)
	var done sync.WaitGroup
	for i := range 5000 {
		p.write(1, 0, "SET", "a", fmt.Sprint(i))
		done.Add(1)
		p.source.NotifyAcked([]SlotPosition{{1, p.log.Position(1)}}, 1, func(int) { done.Done() })
	}
	finished := make(chan struct{})
	go func() { done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(settle):
		t.Fatalf("%d waiters are left", p.source.acks.waiting.Load())
	}
}

func TestLinkReportsFailures(t *testing.T) {
	config := testConfig()
	p, r := newFakeNode(t, "p", config), newFakeNode(t, "r", config)
	broken := make(chan error, 100)
	l := r.follow(t, p, nil, func(o *LinkOptions) {
		o.Dial = func(context.Context) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
		o.OnBroken = func(err error) {
			select {
			case broken <- err:
			default:
			}
		}
	})
	for range 3 {
		if err := <-broken; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
	}
	if info := l.Info(); info.Err == nil || info.State == LinkStreaming {
		t.Errorf("%+v", info)
	}
	l.Close()
	if info := l.Info(); info.State != LinkClosed {
		t.Errorf("%+v", info)
	}
	other := r.follow(t, p, nil, func(o *LinkOptions) {
		o.PrimaryID = "q" // p is at this address
		o.OnBroken = func(err error) {
			select {
			case broken <- err:
			default:
			}
		}
	})
	for len(broken) > 0 {
		<-broken
	}
	if err := <-broken; err == nil {
		t.Error("linked to the wrong node")
	}
	other.Close()
}

func TestSilentPrimary(t *testing.T) {
	config := testConfig()
	config.Timeout = 100 * time.Millisecond
	p, r := newFakeNode(t, "p", config), newFakeNode(t, "r", config)
	broken := make(chan error, 100)
	var gate sync.RWMutex
	l := r.follow(t, p, func(c net.Conn) net.Conn { return silentConn{c, &gate} }, func(o *LinkOptions) {
		o.OnBroken = func(err error) { broken <- err }
	})
	until(t, "link up", func() bool { return l.Info().State == LinkStreaming })
	gate.Lock()
	defer gate.Unlock()
	select {
	case err := <-broken:
		if err == nil {
			t.Error("no reason")
		}
	case <-time.After(settle):
		t.Error("not noticed")
	}
}

// silentConn loses what the replica writes while the gate is closed: the primary
// hears nothing and ends the link.
type silentConn struct {
	net.Conn
	gate *sync.RWMutex
}

func (c silentConn) Write(b []byte) (int, error) {
	if !c.gate.TryRLock() {
		return len(b), nil
	}
	defer c.gate.RUnlock()
	return c.Conn.Write(b)
}
