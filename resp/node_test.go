package resp

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"respkv/cluster"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
	"respkv/internal/config"
	"respkv/store"
)

// testNode runs commands through a dispatcher, without sockets. Its store must
// be released by the caller's test ending.
type testNode struct {
	t      testing.TB
	d      *Dispatcher
	store  *store.Store
	log    *effectLog // nil: not replicated
	client *Client
}

// forwardedHooks breaks the circle of store and dispatcher.
type forwardedHooks struct{ d *Dispatcher }

func (h *forwardedHooks) Expired(db int, k store.Key) { h.d.Expired(db, k) }

func (h *forwardedHooks) FieldsExpired(db int, k store.Key, fields [][]byte, all bool) {
	h.d.FieldsExpired(db, k, fields, all)
}

// newTestNode returns a node with one client. routing nil: a standalone node.
// log nil: not replicated.
func newTestNode(t testing.TB, routing Routing, log *effectLog) *testNode {
	t.Helper()
	hooks := &forwardedHooks{}
	st, err := store.Open(store.Options{Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	o := DispatcherOptions{Store: st, Routing: routing, Config: config.NewLive(config.Default())}
	if log != nil {
		o.Replicator = log
	}
	d, err := NewDispatcher(o)
	if err != nil {
		t.Fatal(err)
	}
	hooks.d = d
	d.server = &Server{} // not Attach: nothing happens in the background
	limits := DefaultLimits()
	d.server.limits.Store(&limits)
	t.Cleanup(func() {
		d.Close()
		st.Close()
	})
	n := &testNode{t: t, d: d, store: st, log: log}
	n.client = n.newClient(2)
	return n
}

// oneGoroutine skips a long test with -short, as under the race detector, which
// has nothing to find in it.
func oneGoroutine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long, with one goroutine")
	}
}

// newClient returns another client that speaks that version of the protocol.
func (n *testNode) newClient(version int) *Client {
	c := &Client{server: n.d.server}
	n.d.Connected(c)
	c.SetProto(version)
	return c
}

// do runs one command of n.client and returns the reply in wire format.
func (n *testNode) do(args ...string) string { return n.doAs(n.client, args...) }

func (n *testNode) doAs(client *Client, args ...string) string {
	n.t.Helper()
	if consumed := n.d.Batch(client, [][][]byte{bytesOf(args)}); consumed != 1 {
		n.t.Fatalf("%q was not consumed", args)
	}
	return string(client.W.Take())
}

// expect runs one command, given as words, and compares the reply.
func (n *testNode) expect(line, want string) {
	n.t.Helper()
	if got := n.do(strings.Fields(line)...); got != want {
		n.t.Errorf("%s: got %q, want %q", line, got, want)
	}
}

// countSlot is the number of keys in a slot of database 0.
func countSlot(st *store.Store, slot uint16) int {
	shard := store.ShardOf(slot)
	st.LockShard(shard)
	defer st.UnlockShard(shard)
	return st.CountSlot(0, slot)
}

func bytesOf(args []string) [][]byte {
	b := make([][]byte, len(args))
	for i, arg := range args {
		b[i] = []byte(arg)
	}
	return b
}

// storedKey is a key as it is stored, past its deadline or not.
type storedKey struct {
	db       int
	name     string
	encoding store.Encoding
	value    [20]byte // digest
	deadline int64
	payload  string // of a stream, whose groups the digest leaves out
}

// dump returns everything in the store, ordered.
func (n *testNode) dump() []storedKey {
	var all []storedKey
	n.store.LockAll()
	defer n.store.UnlockAll()
	for db := range n.store.Databases() {
		if n.store.DBSize(db) == 0 {
			continue
		}
		tx := store.Tx{Store: n.store, DB: db, IgnoreDeadlines: true, NoTouch: true, AllLocked: true}
		for slot := range uint16(hashslot.Count) {
			for _, name := range n.store.SlotKeys(db, slot, 1<<30) {
				k := store.MakeKey(name)
				encoding, _ := tx.Encoding(k)
				key := storedKey{db, string(name), encoding, tx.DigestValue(k), tx.Deadline(k), ""}
				if encoding == store.EncodingStream {
					payload, _, _ := tx.DumpValue(k, nil)
					key.payload = string(payload[5:]) // behind the access time
				}
				all = append(all, key)
			}
		}
	}
	slices.SortFunc(all, func(a, b storedKey) int {
		if a.db != b.db {
			return a.db - b.db
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

// effectLog is a Replicator that records.
type effectLog struct {
	mu      sync.Mutex
	effects []loggedEffect // guarded by mu
	durable int            // replicas that must hold a write
	acked   int            // replicas that hold everything
	waited  []Mark         // guarded by mu: what WaitAcked was last called for
}

type loggedEffect struct {
	slot  uint16
	db    int
	flags uint8
	args  [][]byte
}

func (e loggedEffect) String() string {
	words := make([]string, len(e.args))
	for i, arg := range e.args {
		words[i] = string(arg)
	}
	return strings.Join(words, " ")
}

func (l *effectLog) Append(slot uint16, db int, flags uint8, args [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := loggedEffect{slot: slot, db: db, flags: flags}
	for _, arg := range args {
		e.args = append(e.args, slices.Clone(arg))
	}
	l.effects = append(l.effects, e)
}

// take returns what was logged since the last call.
func (l *effectLog) take() []loggedEffect {
	l.mu.Lock()
	defer l.mu.Unlock()
	effects := l.effects
	l.effects = nil
	return effects
}

func (l *effectLog) Mark(slot uint16) Mark { return Mark{Slot: slot} }
func (l *effectLog) Leads(uint16) bool     { return true }
func (l *effectLog) WaitAcked(_ context.Context, marks []Mark, _ int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waited = slices.Clone(marks)
	return l.acked
}
func (l *effectLog) Durable() int                 { return l.durable }
func (l *effectLog) WithinLossBudget(uint16) bool { return true }
func (l *effectLog) Info() ReplicationInfo        { return ReplicationInfo{} }

// apply replays effects on n as on a replica.
func (n *testNode) apply(effects []loggedEffect) {
	n.t.Helper()
	for _, e := range effects {
		if err := n.d.Apply(e.slot, e.db, e.args, func() {}); err != nil {
			n.t.Fatalf("effect %q: %v", e, err)
		}
	}
}

// Nodes of test maps.
var (
	self  = slotmap.NodeID(strings.Repeat("a", slotmap.NodeIDLen))
	other = slotmap.NodeID(strings.Repeat("b", slotmap.NodeIDLen))
)

// testRouting is a cluster of self and other with a fixed map.
type testRouting struct {
	Routing // what is not overridden is not called
	shown   atomic.Pointer[slotmap.Map]
	lost    bool // the lease
	returns atomic.Pointer[chan struct{}]
	looked  atomic.Int32 // how often Returning was asked

	mu     sync.Mutex
	paused map[uint16]chan struct{}
	asked  chan uint16    // receives the slots found paused
	admits map[uint16]int // for slots in it: how often they may still be written

	published []string // guarded by mu: what went to other nodes
}

// newRouting returns the routing of self. primary says for each slot whether
// self is primary of it; otherwise other is, with self as replica.
func newRouting(t testing.TB, primary func(slot uint16) bool) *testRouting {
	t.Helper()
	var spans []slotmap.Span
	for slot := range uint16(hashslot.Count) {
		a := &slotmap.Assignment{Primary: self, Epoch: 1, Replicas: []slotmap.NodeID{other}}
		if !primary(slot) {
			a = &slotmap.Assignment{Primary: other, Epoch: 1, Replicas: []slotmap.NodeID{self}}
		}
		if last := len(spans) - 1; last >= 0 && spans[last].Primary == a.Primary {
			spans[last].Last = slot
			continue
		}
		spans = append(spans, slotmap.Span{Range: slotmap.Range{First: slot, Last: slot}, Assignment: a})
	}
	r := &testRouting{}
	r.setMap(testMap(t, spans))
	return r
}

func testMap(t testing.TB, spans []slotmap.Span) *slotmap.Map {
	t.Helper()
	epoch := uint64(1)
	for _, s := range spans {
		epoch = max(epoch, s.Epoch)
	}
	image, err := json.Marshal(map[string]any{
		"version": 1, "cluster": self, "epoch": epoch, "replicas": 1, "spans": spans,
		"nodes": []slotmap.Node{
			{ID: self, Host: "127.0.0.1", ClientPort: 7000, ClusterPort: 17000, Weight: 1, Boot: 1},
			{ID: other, Host: "127.0.0.1", ClientPort: 7001, ClusterPort: 17001, Weight: 1, Boot: 1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := slotmap.DecodeSnapshot(append([]byte("respkv-slotmap\x00\x01"), image...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newRoutingEpoch is a map whose slots all have that primary, replica and epoch.
func newRoutingEpoch(t testing.TB, epoch uint64, primary, replica slotmap.NodeID) *testRouting {
	t.Helper()
	r := newRouting(t, everySlot)
	a := &slotmap.Assignment{Primary: primary, Epoch: epoch}
	if replica != "" {
		a.Replicas = []slotmap.NodeID{replica}
	}
	r.setMap(testMap(t, []slotmap.Span{{Range: slotmap.Range{First: 0, Last: hashslot.Count - 1}, Assignment: a}}))
	return r
}

func everySlot(uint16) bool { return true }

func (r *testRouting) setMap(m *slotmap.Map) { r.shown.Store(m) }

func (r *testRouting) Map() *slotmap.Map  { return r.shown.Load() }
func (r *testRouting) ID() slotmap.NodeID { return self }
func (r *testRouting) Serving() bool      { return !r.lost }

func (r *testRouting) Returning() <-chan struct{} {
	r.looked.Add(1)
	if wait := r.returns.Load(); wait != nil {
		return *wait
	}
	return nil
}

func (r *testRouting) Route(slot uint16, readonly, _, write bool) cluster.Decision {
	a := r.Map().Slot(slot)
	if a.Primary == self || readonly && !write && a.HasReplica(self) {
		return cluster.Decision{Verdict: cluster.Here}
	}
	return cluster.Decision{Verdict: cluster.Moved, Node: r.Map().Node(a.Primary)}
}

func (r *testRouting) Mine(slot uint16) bool { return r.Map().Slot(slot).Primary == self }

func (r *testRouting) Admit(slot uint16, write bool) cluster.Admission {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := r.paused[slot]; wait != nil && write {
		select {
		case r.asked <- slot:
		default:
		}
		return cluster.Admission{Gate: cluster.Paused, Wait: wait}
	}
	if left, limited := r.admits[slot]; limited {
		if left == 0 {
			return cluster.Admission{Gate: cluster.Reroute}
		}
		r.admits[slot] = left - 1
	}
	if write && (r.lost || r.Map().Slot(slot).Primary != self) {
		return cluster.Admission{Gate: cluster.Reroute}
	}
	owner := !r.lost && r.Map().Slot(slot).Primary == self
	return cluster.Admission{Gate: cluster.Run, Owner: owner}
}

// pause makes writes of slot wait.
func (r *testRouting) pause(slot uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused == nil {
		r.paused = make(map[uint16]chan struct{})
		r.asked = make(chan uint16, 1)
	}
	r.paused[slot] = make(chan struct{})
}

func (r *testRouting) resume(slot uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.paused[slot])
	delete(r.paused, slot)
}

func (r *testRouting) Publish(channel, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = append(r.published, string(channel)+" "+string(text))
}

func (r *testRouting) PublishSlot(_ uint16, channel, text []byte) { r.Publish(channel, text) }
func (n *testNode) keyOf(name string) store.Key                   { return store.MakeKey([]byte(name)) }
