package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// stream checks a stream and returns what it takes, as checker.object.
func (c *checker) stream(sh *shard, o *streamObject) (cells, index, external int64) {
	if o.parent != &sh.owner {
		c.t.Errorf("stream of another shard")
	}
	live := 0
	cells += c.idTree(&o.owner, &o.blocks, func(id StreamID, value []uint64) {
		b := o.block(ref(value[0]))
		p := o.packedAt(ref(value[0]))
		size := streamBlockHeader
		if b.region == 0 {
			size += int(b.cap)
		} else {
			external += int64(len(o.external.regions[b.region-1]))
		}
		c.cell(&o.owner, ref(value[0]), size)
		cells += int64(cellSize(size))
		n, ok := validStreamBlock(p)
		if live += n; !ok || len(p)+streamSpare-2 > int(b.cap) {
			c.t.Errorf("block %v of %d bytes in %d is not well-formed: %v", id, len(p), b.cap, ok)
		}
	})
	if live != o.count || o.first != o.edge() {
		c.t.Errorf("stream: %d entries, counted %d; first %v, counted %v", live, o.count, o.edge(), o.first)
	}
	for _, g := range o.groups {
		owned := 0
		cells += c.idTree(&o.owner, &g.pending, func(id StreamID, value []uint64) {
			if p, ok := g.Pending(id); !ok || p.Consumer == nil {
				c.t.Errorf("%v is pending with nobody", id)
			} else if _, ok := p.Consumer.pending.find(c.s.arena, id); !ok {
				c.t.Errorf("%q does not know that %v is pending", p.Consumer.Name, id)
			}
		})
		for _, consumer := range g.consumers {
			owned += consumer.pending.count
			cells += c.idTree(&o.owner, &consumer.pending, func(StreamID, []uint64) {})
		}
		if owned != g.pending.count {
			c.t.Errorf("group %q: %d pending, consumers have %d", g.Name, g.pending.count, owned)
		}
	}
	if cells != o.cells || o.external != nil && external != o.external.bytes {
		c.t.Errorf("stream: cells %d counted %d, external %d", cells, o.cells, external)
	}
	return cells, 0, external
}

// idTree checks a tree and returns the bytes of its nodes.
func (c *checker) idTree(o *owner, t *idTree, visit func(id StreamID, value []uint64)) (bytes int64) {
	count := 0
	var last StreamID
	var node func(r ref, bound StreamID, height int)
	node = func(r ref, bound StreamID, height int) {
		n := t.node(c.s.arena, r)
		c.cell(o, r, t.size(n))
		bytes += int64(cellSize(t.size(n)))
		if n.n == 0 || n.n > n.cap || n.cap > idFanout || height >= 0 && int(n.height) != height {
			c.t.Fatalf("node with %d of %d entries at height %d", n.n, n.cap, n.height)
		}
		for i := range int(n.n) {
			e := t.entry(n, i)
			id := idOfEntry(e)
			if n.height > 0 {
				if i == 0 {
					id = bound
				}
				node(ref(e[2]), id, int(n.height)-1)
				continue
			}
			if id.Before(bound) || count > 0 && !last.Before(id) {
				c.t.Fatalf("ID %v after %v below the bound %v", id, last, bound)
			}
			last = id
			count++
			visit(id, e[2:])
		}
	}
	if t.root != 0 {
		node(t.root, StreamID{}, -1)
	}
	if count != t.count || bytes != t.bytes {
		c.t.Errorf("tree: %d entries counted %d, %d bytes counted %d", count, t.count, bytes, t.bytes)
	}
	return bytes
}

// modelStream is what a stream holds, without blocks and trees.
type modelStream struct {
	entries    []modelEntry
	last, dead StreamID
	added      int
	groups     map[string]map[StreamID]modelPending
}

type modelEntry struct {
	id     StreamID
	fields []string
}

type modelPending struct {
	consumer    string
	time, count int64
}

// TestStreamModel does random operations on a stream and on a slice, with blocks
// so small that their boundaries are everywhere.
func TestStreamModel(t *testing.T) {
	for _, limits := range [][2]int{{100, 4096}, {1, 0}, {3, 0}, {0, 120}, {700, 0}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) { testStreamModel(t, limits[0], limits[1]) })
	}
}

func testStreamModel(t *testing.T, entries, bytes int) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	limits := DefaultLimits()
	limits.StreamNodeMaxEntries, limits.StreamNodeMaxBytes = entries, bytes
	s.SetLimits(limits)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	m := &streamTest{t: t, rng: rng, tx: &Tx{Store: s, Now: 1000, AllLocked: true}, k: MakeKey([]byte("{k}stream"))}
	m.model.groups = map[string]map[StreamID]modelPending{}
	for step := range shorter(2500) {
		m.step()
		if step%200 == 0 || t.Failed() {
			m.compare()
			for s.Garbage() {
				for i := range Shards {
					s.FreeStep(i, 1000)
				}
			}
			checkStore(t, s)
		}
		if t.Failed() {
			t.Fatalf("step %d", step)
		}
	}
	m.tx.Delete(m.k)
	for i := range Shards {
		for s.HasGarbage(i) {
			s.FreeStep(i, 7)
		}
	}
	checkStore(t, s)
	if used := m.k.Shard(); s.shards[used].external.foreign != 0 {
		t.Errorf("%d bytes of mappings are left", s.shards[used].external.foreign)
	}
}

type streamTest struct {
	t     *testing.T
	rng   *rand.Rand
	tx    *Tx
	k     Key
	model modelStream
}

func (m *streamTest) open() *Stream {
	s, err := m.tx.OpenStream(m.k)
	if err != nil {
		m.t.Fatal(err)
	}
	return &s
}

func (m *streamTest) someID() StreamID {
	if n := len(m.model.entries); n > 0 && m.rng.IntN(5) > 0 {
		return m.model.entries[m.rng.IntN(n)].id
	}
	return StreamID{m.rng.Uint64N(m.model.last.Ms + 2), m.rng.Uint64N(3)}
}

func (m *streamTest) value() string {
	switch m.rng.IntN(40) {
	case 0:
		return strings.Repeat("x", m.rng.IntN(5000))
	case 1:
		return strings.Repeat("huge", 300_000+m.rng.IntN(1000))
	case 2, 3, 4:
		return ""
	case 5, 6, 7, 8, 9:
		return fmt.Sprint(m.rng.Int64N(1 << 40))
	}
	return strings.Repeat("v", m.rng.IntN(40))
}

func (m *streamTest) step() {
	s, rng, model := m.open(), m.rng, &m.model
	op := rng.IntN(100)
	if len(model.entries) > 900 && op < 45 {
		op = 60 // trim
	}
	switch {
	case op < 45 || !s.Exists():
		m.add(s)
	case op < 60:
		id := m.someID()
		i, found := slices.BinarySearchFunc(model.entries, id, func(e modelEntry, id StreamID) int { return e.id.Compare(id) })
		if found {
			model.entries = slices.Delete(model.entries, i, i+1)
			if model.dead.Before(id) {
				model.dead = id
			}
		}
		if n := s.Delete(id); n == 1 != found {
			m.t.Errorf("deleted %d, want %v", n, found)
		}
	case op < 68:
		m.trim(s)
	case op < 72:
		name := fmt.Sprint("group", rng.IntN(3))
		_, found := model.groups[name]
		if created := s.CreateGroup([]byte(name), m.someID(), UnknownRead); created == found {
			m.t.Errorf("created group: %v", created)
		}
		if !found {
			model.groups[name] = map[StreamID]modelPending{}
		} else if rng.IntN(4) == 0 {
			if !s.DestroyGroup([]byte(name)) {
				m.t.Error("no group to destroy")
			}
			delete(model.groups, name)
		}
	case op < 96:
		m.group(s)
	case op < 97:
		m.tx.Store.CompactStep(m.k.Shard(), 100)
	case op < 98:
		other := MakeKey([]byte("other"))
		if _, err := m.tx.Copy(m.k, 0, other, true); err != nil {
			m.t.Fatal(err)
		}
		if err := m.tx.Rename(other, m.k); err != nil {
			m.t.Fatal(err)
		}
	default:
		payload, _, _ := m.tx.DumpValue(m.k, nil)
		if err := m.tx.LoadValue(m.k, payload, -1, true); err != nil {
			m.t.Fatal(err)
		}
		if again, _, _ := m.tx.DumpValue(m.k, nil); string(again) != string(payload) {
			m.t.Error("the payload of a loaded stream differs")
		}
	}
}

func (m *streamTest) add(s *Stream) {
	model := &m.model
	id, _ := model.last.Next()
	if m.rng.IntN(2) == 0 {
		id = StreamID{id.Ms + m.rng.Uint64N(3), m.rng.Uint64N(1 << 20)}
		if !model.last.Before(id) {
			id = StreamID{id.Ms + 1, 0}
		}
	}
	e := modelEntry{id: id, fields: []string{"field", m.value(), "number", m.value()}}
	switch m.rng.IntN(5) {
	case 0:
		e.fields = []string{m.value(), m.value()}
	case 1:
		e.fields = append(e.fields, m.value(), "12")
	}
	var args [][]byte
	for _, f := range e.fields {
		args = append(args, []byte(f))
	}
	if err := s.Append(id, args...); err != nil {
		m.t.Fatal(err)
	}
	model.entries, model.last = append(model.entries, e), id
	model.added++
}

func (m *streamTest) trim(s *Stream) {
	model, rng := &m.model, m.rng
	trim := StreamTrim{ByID: rng.IntN(2) == 0, Approx: rng.IntN(2) == 0, MinID: m.someID(), MaxLen: int64(rng.IntN(len(model.entries) + 3))}
	if trim.Approx && rng.IntN(2) == 0 {
		trim.Limit = int64(rng.IntN(300))
	}
	keep := max(0, len(model.entries)-int(trim.MaxLen)) // index of the first to stay, if exact
	if trim.ByID {
		keep, _ = slices.BinarySearchFunc(model.entries, trim.MinID, func(e modelEntry, id StreamID) int { return e.id.Compare(id) })
	}
	if rng.IntN(2) == 0 { // as in steps
		s.tx.Pause = func() bool { return true }
		trim.Front, _ = s.Front(trim)
		s.tx.Pause = nil
	}
	done := s.Trim(trim)
	if trim.Approx && done.Removed > keep || !trim.Approx && done.Removed != keep || trim.Limit > 0 && int64(done.Removed) > trim.Limit {
		m.t.Errorf("%+v removed %d of %d, exactly %d", trim, done.Removed, len(model.entries), keep)
	}
	model.entries = slices.Clone(model.entries[done.Removed:])
	before := 0
	s.Range(StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool {
		if e.ID.Before(done.Before) {
			before++
		}
		return true
	})
	if before > 0 {
		m.t.Errorf("%d entries before %v are left", before, done.Before)
	}
}

func (m *streamTest) group(s *Stream) {
	model, rng := &m.model, m.rng
	name := fmt.Sprint("group", rng.IntN(3))
	g, pending := s.Group([]byte(name)), model.groups[name]
	if (g == nil) != (pending == nil) {
		m.t.Fatalf("group %s: %v", name, g)
	}
	if g == nil {
		return
	}
	who := fmt.Sprint("consumer", rng.IntN(4))
	c := g.Consumer([]byte(who))
	if c == nil {
		c = g.CreateConsumer([]byte(who), 1)
	}
	now := rng.Int64N(1000)
	switch op := rng.IntN(12); {
	case op < 4:
		i, found := slices.BinarySearchFunc(model.entries, g.Last, func(e modelEntry, id StreamID) int { return e.id.Compare(id) })
		if found {
			i++
		}
		most := 1 + rng.IntN(50)
		n, err := s.Deliver(g, c, most, op == 0, now, func(e *StreamEntry) {
			if i >= len(model.entries) || e.ID != model.entries[i].id {
				m.t.Errorf("delivered %v", e.ID)
			}
			if i++; op > 0 {
				pending[e.ID] = modelPending{who, now, 1}
			}
		})
		if err != nil || n < most && i < len(model.entries) {
			m.t.Errorf("delivered %d: %v", n, err)
		}
	case op < 5:
		g.Last, g.Read = m.someID(), UnknownRead
	case op < 8:
		id := m.someID()
		_, want := pending[id]
		if g.Ack(id) != want {
			m.t.Errorf("acknowledged %v: not %v", id, want)
		}
		delete(pending, id)
	case op < 10:
		id := m.someID()
		if err := g.Assign(id, c, now, 5); err != nil {
			m.t.Fatal(err)
		}
		pending[id] = modelPending{who, now, 5}
	case op < 11:
		s.History(g, c, m.someID(), rng.IntN(20), now, func(id StreamID, e *StreamEntry) {
			p := pending[id]
			if p.consumer != who {
				m.t.Errorf("%v belongs to %q", id, p.consumer)
			}
			if e != nil {
				pending[id] = modelPending{who, now, p.count + 1}
			}
		})
	case rng.IntN(4) == 0:
		n := g.DeleteConsumer(c)
		for id, p := range pending {
			if p.consumer == who {
				delete(pending, id)
				n--
			}
		}
		if n != 0 {
			m.t.Errorf("%d too many were pending", n)
		}
	}
}

func (m *streamTest) compare() {
	s, model := m.open(), &m.model
	info := s.Info()
	if info.Length != len(model.entries) || info.Last != model.last || info.MaxDeleted != model.dead || int(info.Added) != model.added {
		m.t.Errorf("%+v, want %d entries, last %v, deleted %v, added %d", info, len(model.entries), model.last, model.dead, model.added)
	}
	from, to := m.someID(), m.someID()
	for _, reverse := range []bool{false, true} {
		want := slices.Clone(model.entries)
		want = slices.DeleteFunc(want, func(e modelEntry) bool { return e.id.Before(from) || to.Before(e.id) })
		if reverse {
			slices.Reverse(want)
		}
		i := 0
		s.Range(from, to, reverse, func(e *StreamEntry) bool {
			var fields []string
			e.Each(func(field, value []byte) { fields = append(fields, string(field), string(value)) })
			if i >= len(want) || want[i].id != e.ID || !slices.Equal(fields, want[i].fields) {
				m.t.Errorf("entry %d from %v to %v, reversed %v: %v %.60q", i, from, to, reverse, e.ID, fields)
				return false
			}
			i++
			return true
		})
		if i != len(want) {
			m.t.Errorf("%d entries, want %d", i, len(want))
		}
	}
	for name, pending := range model.groups {
		g := s.Group([]byte(name))
		n := 0
		g.EachPending(nil, StreamID{}, func(p Pending) bool {
			if want := pending[p.ID]; want != (modelPending{p.Consumer.Name, p.Time, p.Count}) {
				m.t.Errorf("%v is pending with %q, %d, %d; want %+v", p.ID, p.Consumer.Name, p.Time, p.Count, want)
			}
			n++
			return true
		})
		if n != len(pending) || g.Len() != n {
			m.t.Errorf("group %s: %d pending, counted %d, want %d", name, n, g.Len(), len(pending))
		}
	}
}
