package sim

import (
	"fmt"
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/shared"
)

// valueWrite is one change of a shared value as its client saw it. Values are
// unique.
type valueWrite struct {
	name, value  string
	began, acked time.Duration // acked 0: never answered
	version      uint64
}

func (e agentEnv) Changed(id, version uint64, refused string) {
	c := e.w.changes[id]
	if refused != "" {
		e.w.failf("change %s=%s refused: %s", c.name, c.value, refused)
	}
	c.acked, c.version = e.w.now, version
}

func (e ctlEnv) Change(entry []byte, done func(version uint64, refused string, err error)) {
	decoded, err := shared.Decode(entry)
	if err != nil {
		panic(err)
	}
	e.group.put(proposal{decoded, e.node, func(res any, err error) {
		result, _ := res.(shared.Result)
		done(result.Version, result.Refused, err)
	}})
}

// change has some node change one of few values, and give up after a while.
func (w *world) change() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if !n.active() || !n.disk().Formed() || w.quiet {
		return
	}
	id := uint64(len(w.changes))
	c := &valueWrite{name: fmt.Sprint("name", w.rng.IntN(3)), value: fmt.Sprint(id), began: w.now}
	w.changes = append(w.changes, c)
	data, err := shared.Encode(&shared.Entry{ID: id, Changes: []shared.Change{{Kind: "test", Name: c.name, Value: []byte(c.value)}}})
	if err != nil {
		panic(err)
	}
	n.agent.Propose(id, data)
	n.do(w.between(time.Second, 3*time.Second), func() { n.agent.Withdraw(id) })
}

// checkValues: every node has the same values; each change took effect once at
// most, those that were answered exactly once, and in the order in which clients
// saw them.
func (w *world) checkValues() {
	r := w.raft
	last := r.values[len(r.values)-1]
	deadline := w.now + 5*time.Second
	for _, n := range w.living() {
		for w.failure == "" && !n.values.Equal(last) {
			if w.now > deadline {
				w.failf("node %d has version %d of the values, of %d", n.index, n.values.Version(), last.Version())
			}
			w.run(w.now + 10*ms)
		}
	}
	at := map[string]int{} // when in the log a value came
	for i := 1; i < len(r.values); i++ {
		for _, c := range r.values[i].Since(r.values[i-1]) {
			if at[string(c.Value)] != 0 {
				w.failf("change %s=%s took effect twice", c.Name, c.Value)
			}
			at[string(c.Value)] = i
		}
	}
	for i, a := range w.changes {
		if a.acked == 0 {
			continue
		}
		if at[a.value] == 0 {
			w.failf("change %s=%s was answered and is not in the log", a.name, a.value)
		}
		for _, b := range w.changes[i+1:] {
			if b.name == a.name && a.acked < b.began && at[b.value] != 0 && at[b.value] < at[a.value] {
				w.failf("%s=%s was answered before %s began, and overwrote it", a.name, a.value, b.value)
			}
		}
	}
}

// TestSharedValues: the faults of TestFaults while values change.
func TestSharedValues(t *testing.T) {
	answered, repeated := 0, 0
	count := simulate(t, 50, func(seed uint64) *world {
		w := newWorld(seed, 3+int(seed%3))
		w.every(20*ms, w.change)
		w.settle(10 * time.Second)
		w.loss = w.rng.Float64() * 0.3
		for range 8 {
			w.fault()
			w.run(w.now + w.between(0, 2*time.Second))
		}
		w.heal()
		w.settle(90 * time.Second)
		w.run(w.now + 4*time.Second)
		w.quiet = true
		w.run(w.now + 4*time.Second)
		w.checkValues()
		return w
	}, func(w *world) {
		for _, c := range w.changes {
			if c.acked != 0 {
				answered++
			}
		}
		for i := 1; i < len(w.raft.values); i++ {
			if w.raft.values[i] == w.raft.values[i-1] && w.raft.maps[i] == w.raft.maps[i-1] {
				repeated++
			}
		}
	})
	t.Logf("%d changes answered, %d entries without effect", answered, repeated)
	if *seedFlag == 0 && (answered < 100*count || repeated < count) {
		t.Fatalf("only %d changes answered and %d entries came again in %d runs: the test does not test", answered, repeated, count)
	}
}

var _ control.ControllerEnv = ctlEnv{}
