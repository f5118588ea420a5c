package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

var seedFlag = flag.Uint64("seed", 0, "run this seed only")

// seeds is how many each test runs by default. SIM_SEEDS sets the number of
// those that run 100 by default, and the others in proportion; SIM_FIRST is the
// first of them, another one each time where it is not set.
func seeds(t *testing.T, fallback int) (first, count uint64) {
	if *seedFlag != 0 {
		return *seedFlag, 1
	}
	if n, err := strconv.Atoi(os.Getenv("SIM_SEEDS")); err == nil {
		fallback = max(1, fallback*n/100)
	}
	if testing.Short() {
		fallback = max(1, fallback/10)
	}
	first, err := strconv.ParseUint(os.Getenv("SIM_FIRST"), 10, 64)
	if err != nil {
		first = uint64(time.Now().UnixNano()) % 1e12
	}
	t.Logf("seeds %d to %d; replay one with -seed", first, first+uint64(fallback)-1)
	return first, uint64(fallback)
}

// simulate runs count worlds or so, as many at a time as there are processors,
// and hands what came of them to done, one at a time.
func simulate(t *testing.T, count int, run func(seed uint64) *world, done func(w *world)) int {
	t.Helper()
	first, total := seeds(t, count)
	var next atomic.Uint64
	var mu sync.Mutex
	var failed []string
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				seed := first + next.Add(1) - 1
				if seed >= first+total {
					return
				}
				w := run(seed)
				mu.Lock()
				if w.failure != "" {
					tail := w.trace[max(0, len(w.trace)-80):]
					failed = append(failed, fmt.Sprintf("replay with -run %s -seed=%d: %s\n%s", t.Name(), seed, w.failure, strings.Join(tail, "\n")))
				} else if done != nil {
					done(w)
				}
				stop := len(failed) > 0
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	return int(total)
}

// converged: all slots served by one node each, all copies equal, and of the
// members nobody missing.
func (w *world) converged() string {
	m := w.raft.last()
	if !m.Formed() {
		return "not formed"
	}
	for _, s := range m.Spans() {
		if s.Move != nil || s.Primary == "" {
			return "slots " + s.Range.String() + " move or have no primary"
		}
		if len(s.Replicas) != w.policy.Replicas || len(s.InSync) != w.policy.Replicas {
			return "slots " + s.Range.String() + " without a replica in sync"
		}
	}
	for i, slot := range probed {
		if !w.byID[m.Slot(slot).Primary].serves(i) {
			return "slot " + strconv.Itoa(int(slot)) + " is not served"
		}
	}
	for _, n := range w.living() {
		if m.Node(n.id) == nil {
			return "node " + strconv.Itoa(n.index) + " is no member"
		}
	}
	return ""
}

// describe is the map for a failure's trace.
func (w *world) describe() string {
	m := w.raft.last()
	var b strings.Builder
	for _, n := range m.Nodes() {
		fmt.Fprintf(&b, "\n  node %s boot %d %v", short(n.ID), n.Boot, n.State)
	}
	for _, s := range m.Spans() {
		fmt.Fprintf(&b, "\n  %v: primary %s epoch %d", s.Range, short(s.Primary), s.Epoch)
		for _, id := range s.Replicas {
			fmt.Fprintf(&b, " replica %s sync %v", short(id), s.IsInSync(id))
		}
		if s.Move != nil {
			fmt.Fprintf(&b, " moves to %s", short(s.Move.Target))
		}
	}
	return b.String()
}

// settle waits for convergence, then lets replication catch up without writes
// and compares the copies.
func (w *world) settle(within time.Duration) {
	deadline := w.now + within
	for w.failure == "" {
		why := w.converged()
		if why == "" {
			break
		}
		if w.now > deadline {
			w.logf("%s", w.describe())
			w.failf("not healed: %s", why)
			return
		}
		w.run(w.now + 50*ms)
	}
}

func (w *world) copiesEqual() string {
	m := w.raft.last()
	for i, slot := range probed {
		a := m.Slot(slot)
		p := w.byID[a.Primary].plane.copies[i]
		for _, id := range a.Replicas {
			c := w.byID[id].plane.copies[i]
			if p == nil || c == nil || !c.complete || !slices.Equal(p.log, c.log) {
				return "slot " + strconv.Itoa(int(slot)) + ": copies differ"
			}
		}
	}
	return ""
}

// checkCopies stops the writes and waits for equal copies.
func (w *world) checkCopies() {
	w.quiet = true
	deadline := w.now + 5*time.Second
	for w.failure == "" && w.copiesEqual() != "" {
		if w.now > deadline {
			w.failf("%s", w.copiesEqual())
		}
		w.run(w.now + 10*ms)
	}
}

// lost counts acknowledged writes that the primaries do not have.
func (w *world) lost() int {
	m := w.raft.last()
	count := 0
	for i, list := range w.acked {
		have := map[uint64]bool{}
		for _, id := range w.byID[m.Slot(probed[i]).Primary].plane.copies[i].log {
			have[id] = true
		}
		for _, id := range list {
			if !have[id] {
				w.logf("write %d to slot %d is lost", id, probed[i])
				count++
			}
		}
	}
	return count
}

// TestPlannedChanges: joins, departures, planned stops and restarts, operator
// failovers, on a network that loses messages: nothing that was acknowledged
// is ever lost.
func TestPlannedChanges(t *testing.T) {
	moves := 0
	count := simulate(t, 100, func(seed uint64) *world {
		w := newWorld(seed, 3)
		w.settle(10 * time.Second)
		w.loss = w.rng.Float64() * 0.05
		for range 4 {
			w.planned()
			w.settle(60 * time.Second)
		}
		w.loss = 0
		w.checkCopies()
		if w.failure == "" && w.lost() > 0 {
			w.failf("%d acknowledged writes lost in planned changes", w.lost())
		}
		if m := w.raft.last(); w.failure == "" && m.LostSlots() > 0 {
			w.failf("%d slots started empty in planned changes", m.LostSlots())
		}
		return w
	}, func(w *world) { moves += w.kinds[control.EventMoveEnd] })
	if moves < count {
		t.Fatalf("only %d handoffs in %d runs: the test does not test", moves, count)
	}
}

// planned does one planned change and waits for its end.
func (w *world) planned() {
	alive := w.living()
	n := alive[w.rng.IntN(len(alive))]
	wait := func(what string, op control.Op, done func(*slotmap.Map) bool) {
		deadline := w.now + 60*time.Second
		for w.failure == "" && !done(n.disk()) {
			if w.now > deadline {
				w.logf("%s", w.describe())
				w.failf("node %d: %s takes for ever", n.index, what)
			}
			n.request(op, n.id)
			w.run(w.now + 100*ms)
		}
	}
	switch k := w.rng.IntN(5); {
	case k == 4:
		first := uint16(w.rng.IntN(16000))
		slots := slotmap.Range{First: first, Last: first + uint16(w.rng.IntN(380))}
		to := alive[w.rng.IntN(len(alive))]
		w.logf("slots %v are moved to node %d by hand", slots, to.index)
		deadline := w.now + 60*time.Second
		for w.failure == "" && len((slotmap.Ranges{slots}).Subtract(w.raft.last().PrimaryOf(to.id))) > 0 {
			if w.now > deadline {
				w.logf("%s", w.describe())
				w.failf("slots %v do not move to node %d", slots, to.index)
			}
			n.request(control.OpMove, to.id, slots)
			w.run(w.now + 500*ms)
		}
		if w.rng.IntN(3) == 0 {
			n.request(control.OpMove, alive[0].id, slots)
			w.run(w.now + w.between(0, 100*ms))
			n.request(control.OpKeep, n.id, slots)
		}
	case k == 0 && len(alive) < 5:
		w.logf("node %d joins", len(w.nodes))
		w.add()
	case k == 1 && len(alive) > 3:
		w.logf("node %d is to leave", n.index)
		wait("leaving", control.OpLeave, func(m *slotmap.Map) bool { return m.IsForgotten(n.id) })
		n.gone, n.up = true, false
		n.group.lost(n)
	case k == 2:
		w.logf("node %d takes over", n.index)
		n.request(control.OpTakeover, n.id)
		w.run(w.now + 200*ms)
	default:
		w.logf("node %d is to stop", n.index)
		wait("stopping", control.OpStop, func(m *slotmap.Map) bool {
			self := m.Node(n.id)
			return self != nil && self.State == slotmap.NodeStopped && len(m.PrimaryOf(n.id)) == 0
		})
		w.run(w.now + w.between(0, 50*ms))
		n.up = false
		n.group.lost(n)
		w.run(w.now + w.between(0, 2*time.Second))
		w.logf("node %d starts again", n.index)
		n.boots()
	}
}

// TestFaults: crashes at any moment, restarts, partitions, one-way cuts,
// frozen processes, joins and departures in between. One node at most
// acknowledges at any moment; after healing everything is served and equal.
func TestFaults(t *testing.T) {
	kinds := map[control.EventKind]int{}
	count := simulate(t, 100, func(seed uint64) *world {
		w := newWorld(seed, 3+int(seed%3))
		w.settle(10 * time.Second)
		w.loss = w.rng.Float64() * 0.1
		for range 10 {
			w.fault()
			w.run(w.now + w.between(0, 2*time.Second))
		}
		w.heal()
		w.settle(90 * time.Second)
		w.checkCopies()
		return w
	}, func(w *world) {
		for k, n := range w.kinds {
			kinds[k] += n
		}
	})
	t.Logf("events: %v", kinds)
	if *seedFlag == 0 && kinds[control.EventFailover] < count {
		t.Fatalf("only %d failovers in %d runs: the test does not test", kinds[control.EventFailover], count)
	}
}

func (w *world) fault() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if n.gone {
		return
	}
	switch w.rng.IntN(9) {
	case 0, 1:
		if n.up {
			n.crashFor(w.between(0, 4*time.Second))
		}
	case 2:
		if l := w.raft.leader; l != nil && l.up {
			l.crashFor(w.between(0, 3*time.Second))
		}
	case 3:
		w.logf("node %d is cut off", n.index)
		for i := range w.nodes {
			w.cut[[2]int{i, n.index}], w.cut[[2]int{n.index, i}] = true, true
		}
	case 4:
		other := w.nodes[w.rng.IntN(len(w.nodes))]
		w.logf("node %d cannot send to node %d", n.index, other.index)
		w.cut[[2]int{n.index, other.index}] = true
	case 5, 6:
		w.logf("the network heals")
		clear(w.cut)
	case 7:
		if w.rng.IntN(2) == 0 {
			w.trap = true
			break
		}
		n.frozen = w.now + w.between(50*ms, 3*time.Second)
		w.logf("node %d is frozen until %.3f", n.index, n.frozen.Seconds())
	case 8:
		if len(w.nodes) < 6 {
			w.logf("node %d joins", len(w.nodes))
			w.add()
		} else if n.up {
			op := control.OpTakeover + control.Op(w.rng.IntN(3))
			w.logf("node %d takes over, forced: %v, by move: %v", n.index, op == control.OpForce, op == control.OpMove)
			n.request(op, n.id, slotmap.Range{First: 2000, Last: 9000})
		}
	}
}

func (w *world) heal() {
	w.logf("everything heals")
	clear(w.cut)
	w.loss, w.trap = 0, false
	for _, n := range w.nodes {
		n.frozen = 0
		if !n.up && !n.gone {
			n.boots()
		}
	}
}
