package store

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand"
	"slices"
	"strconv"
	"testing"
)

// zset checks the order of a large sorted set against its elements, and returns
// the bytes of its nodes.
func (c *checker) zset(o *zsetObject) (cells int64) {
	a := c.s.arena
	var last zsetEntry
	seen := 0
	var node func(r ref, height uint32) uint64
	node = func(r ref, height uint32) uint64 {
		n := a.zsetNode(r)
		size := zsetNodeSize(height)
		cells += int64(cellSize(size))
		c.cell(&o.owner, r, size)
		if n.height != height || n.n == 0 || n.n > zsetFanout {
			c.t.Fatalf("node of height %d, %d entries where %d is due", n.height, n.n, height)
		}
		if height == 0 {
			for _, e := range n.leaf()[:n.n] {
				r := a.parseElement(e.at)
				found, _, ok := o.lookup(r.name())
				if !ok || found.ref != e.at || math.Float64bits(elementScore(&found)) != math.Float64bits(e.score) {
					c.t.Fatalf("entry %v does not lead to its element", e)
				}
				if before := a.parseElement; seen > 0 {
					l := before(last.at)
					if last.score > e.score || last.score == e.score && string(l.name()) >= string(r.name()) {
						c.t.Fatalf("%q comes after %q", r.name(), l.name())
					}
				}
				last = e
				seen++
			}
			return uint64(n.n)
		}
		sum := uint64(0)
		for _, e := range n.inner()[:n.n] {
			if got := node(e.child, height-1); got != e.count {
				c.t.Fatalf("%d members below an entry that counts %d", got, e.count)
			}
			if first := a.zsetNode(e.child).first(); first != e.first {
				c.t.Fatalf("first entry %v, noted %v", first, e.first)
			}
			sum += e.count
		}
		return sum
	}
	node(o.tree.root, a.zsetNode(o.tree.root).height)
	if seen != o.length() {
		c.t.Fatalf("%d members in order, %d in the index", seen, o.length())
	}
	return cells
}

// zsetModel is the second implementation of sorted sets: maps, sorted anew each
// time.
type zsetModel struct {
	t    *testing.T
	rng  *rand.Rand
	s    *Store
	tx   Tx
	sets map[string]map[string]float64
}

func (m *zsetModel) name() string { return fmt.Sprintf("key%d", m.rng.Intn(5)) }

func (m *zsetModel) score() float64 {
	switch m.rng.Intn(10) {
	case 0:
		return math.Inf(m.rng.Intn(2)*2 - 1)
	case 1:
		return m.rng.NormFloat64()
	case 2:
		return float64(m.rng.Int63())
	}
	return float64(m.rng.Intn(20) - 5)
}

func (m *zsetModel) member() string {
	n := m.rng.Intn(20)
	if m.rng.Intn(2) == 0 {
		n = m.rng.Intn(1500)
	}
	if m.rng.Intn(2) == 0 {
		return strconv.Itoa(n - 10)
	}
	return fmt.Sprintf("m%d", n)
}

func (m *zsetModel) sorted(name string) []Scored {
	var list []Scored
	for member, score := range m.sets[name] {
		list = append(list, Scored{score, []byte(member)})
	}
	slices.SortFunc(list, func(a, b Scored) int {
		if c := cmp.Compare(a.Score, b.Score); c != 0 {
			return c
		}
		return cmp.Compare(string(a.Member), string(b.Member))
	})
	return list
}

func (m *zsetModel) open(name string) ZSet {
	z, err := m.tx.OpenZSet(MakeKey([]byte(name)))
	if err != nil {
		m.t.Fatal(err)
	}
	return z
}

func (m *zsetModel) tidy(name string) {
	if len(m.sets[name]) == 0 {
		delete(m.sets, name)
	}
}

func (m *zsetModel) step() {
	name := m.name()
	switch n := m.rng.Intn(100); {
	case n < 40:
		m.add(name)
	case n < 55:
		z := m.open(name)
		member := m.member()
		_, want := m.sets[name][member]
		delete(m.sets[name], member)
		if ok, err := z.Remove([]byte(member)); ok != want || err != nil {
			m.t.Fatalf("Remove %q: %v %v", member, ok, err)
		}
		m.tidy(name)
	case n < 62:
		list := m.sorted(name)
		first := m.rng.Intn(len(list) + 1)
		count := m.rng.Intn(len(list) - first + 1)
		if m.rng.Intn(4) > 0 {
			count = min(count, 30)
		}
		z := m.open(name)
		if err := z.RemoveRange(first, count); err != nil {
			m.t.Fatal(err)
		}
		for _, s := range list[first : first+count] {
			delete(m.sets[name], string(s.Member))
		}
		m.tidy(name)
	case n < 75:
		m.ranges(name)
	case n < 80:
		m.combine(name)
	case n < 84:
		other := m.name()
		if other != name {
			ok, err := m.tx.Copy(MakeKey([]byte(name)), 0, MakeKey([]byte(other)), true)
			if err != nil || ok != (m.sets[name] != nil) {
				m.t.Fatal(ok, err)
			}
			if ok {
				m.sets[other] = maps.Clone(m.sets[name])
			}
		}
	case n < 88:
		k := MakeKey([]byte(name))
		digest := m.tx.DigestValue(k)
		if payload, _, ok := m.tx.DumpValue(k, nil); ok {
			if err := m.tx.LoadValue(k, payload, -1, true); err != nil {
				m.t.Fatal(err)
			}
		}
		if m.tx.DigestValue(k) != digest {
			m.t.Fatal("another digest after LoadValue")
		}
	case n < 92:
		for i := range Shards {
			m.s.CompactStep(i, 100)
		}
	case n < 94:
		l := DefaultLimits()
		l.ZSetMaxListpackEntries = []int{0, 5, 128, 1000}[m.rng.Intn(4)]
		m.s.SetLimits(l)
	case n < 95:
		m.tx.Delete(MakeKey([]byte(name)))
		delete(m.sets, name)
	default:
		m.compare(name)
	}
}

func (m *zsetModel) add(name string) {
	z := m.open(name)
	count := 1 + m.rng.Intn(3)
	if m.rng.Intn(10) == 0 {
		count = m.rng.Intn(400)
	}
	flags := []ZAddFlags{0, 0, 0, ZAddNX, ZAddXX, ZAddGT, ZAddLT, ZAddIncr, ZAddXX | ZAddGT | ZAddIncr}[m.rng.Intn(9)]
	var members []Scored
	base := float64(m.rng.Intn(10))
	for i := range count {
		s := Scored{m.score(), []byte(m.member())}
		if count > 50 && base > 5 { // in order
			s.Score = base + float64(i/3)
		}
		members = append(members, s)
	}
	set := m.sets[name]
	if set == nil {
		set = map[string]float64{}
	}
	var want ZAddResult
	var wantErr error
	after := maps.Clone(set)
	for _, s := range members {
		was, found := after[string(s.Member)]
		score := s.Score
		if found && flags&ZAddIncr != 0 {
			score += was
		}
		if math.IsNaN(score) {
			wantErr = ErrScoreNaN
			break
		}
		want.Done++
		want.Kept = found && (flags&ZAddNX != 0 || flags&ZAddGT != 0 && score <= was || flags&ZAddLT != 0 && score >= was) ||
			!found && flags&ZAddXX != 0
		if want.Kept {
			continue
		}
		want.Score = score
		if !found {
			want.Added++
		} else if score != was {
			want.Updated++
		}
		after[string(s.Member)] = score
	}
	large := z.it.live && z.it.rec.large()
	got, err := z.Add(flags, members...)
	if err != wantErr || err == nil && (got.Added != want.Added || got.Updated != want.Updated || got.Kept != want.Kept || !got.Kept && got.Score != want.Score) {
		m.t.Fatalf("Add %d %v: %+v %v, want %+v %v", flags, members, got, err, want, wantErr)
	}
	if err != nil && !large {
		return // all or nothing
	}
	m.sets[name] = after
	m.tidy(name)
}

func (m *zsetModel) ranges(name string) {
	z := m.open(name)
	list := m.sorted(name)
	r := ZRange{Min: m.score(), Max: m.score(), MinOpen: m.rng.Intn(2) == 0, MaxOpen: m.rng.Intn(2) == 0}
	first, last := -1, -1
	for i, s := range list {
		if (s.Score > r.Min || s.Score == r.Min && !r.MinOpen) && (s.Score < r.Max || s.Score == r.Max && !r.MaxOpen) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	var want []Scored
	if first >= 0 {
		want = list[first : last+1]
	}
	if rank, count := z.RangeRanks(&r); count != len(want) || count > 0 && rank != first {
		m.t.Fatalf("RangeRanks %+v: %d %d, want %d %d", r, rank, count, first, len(want))
	}
	offset := m.rng.Intn(4)
	for _, reverse := range []bool{false, true} {
		i := offset
		z.Range(&r, reverse, offset, func(member []byte, score float64) bool {
			if i >= len(want) {
				m.t.Fatalf("Range %+v: more than %d", r, len(want))
			}
			if w := want[at(i, len(want), reverse)]; string(w.Member) != string(member) || w.Score != score {
				m.t.Fatalf("Range %+v, place %d: %q %v, want %q %v", r, i, member, score, w.Member, w.Score)
			}
			i++
			return true
		})
		if i < len(want) {
			m.t.Fatalf("Range %+v: %d, want %d", r, i, len(want))
		}
	}
	member := m.member()
	want2 := slices.IndexFunc(list, func(s Scored) bool { return string(s.Member) == member })
	rank, score, ok := z.Rank([]byte(member), false)
	if ok != (want2 >= 0) || ok && (rank != want2 || score != list[want2].Score) {
		m.t.Fatalf("Rank %q: %d %v %v, want %d", member, rank, score, ok, want2)
	}
}

func (m *zsetModel) combine(name string) {
	a, b := m.name(), m.name()
	in, err := m.tx.OpenInputs([]Key{MakeKey([]byte(a)), MakeKey([]byte(b))})
	if err != nil {
		m.t.Fatal(err)
	}
	op := SetOp(m.rng.Intn(3))
	r, err := in.Combine(op, AggregateMax)
	if err != nil {
		m.t.Fatal(err)
	}
	result := map[string]float64{}
	for member, score := range m.sets[a] {
		other, both := m.sets[b][member]
		switch {
		case op == Union && !both || op == Difference && !both:
			result[member] = score
		case op != Difference && both:
			result[member] = max(score, other)
		}
	}
	if op == Union {
		for member, score := range m.sets[b] {
			if _, both := m.sets[a][member]; !both {
				result[member] = score
			}
		}
	}
	if _, err := r.Store(&m.tx, MakeKey([]byte(name))); err != nil {
		m.t.Fatal(err)
	}
	m.sets[name] = result
	m.tidy(name)
}

func (m *zsetModel) compare(name string) {
	z := m.open(name)
	list := m.sorted(name)
	if z.Len() != len(list) {
		m.t.Fatalf("%q: %d members, want %d", name, z.Len(), len(list))
	}
	for _, reverse := range []bool{false, true} {
		i := 0
		z.Walk(at(0, len(list), reverse), reverse, func(member []byte, score float64) bool {
			if w := list[at(i, len(list), reverse)]; string(w.Member) != string(member) || w.Score != score {
				m.t.Fatalf("%q, place %d: %q %v, want %q %v", name, i, member, score, w.Member, w.Score)
			}
			i++
			return true
		})
		if i != len(list) {
			m.t.Fatalf("%q: walked %d of %d", name, i, len(list))
		}
	}
	scanned := map[string]bool{}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = z.Scan(cursor, 7, func(member, _ []byte) { scanned[string(member)] = true })
	}
	sampled := map[string]bool{}
	z.Sample(len(list)/2+1, func(member []byte, _ float64) bool { sampled[string(member)] = true; return true })
	if len(scanned) != len(list) || len(sampled) != min(len(list), len(list)/2+1) {
		m.t.Fatalf("%q: scanned %d, sampled %d of %d", name, len(scanned), len(sampled), len(list))
	}
}

// TestZSets compares random operations on sorted sets of both forms with maps,
// and the store's own counts with what it holds.
func TestZSets(t *testing.T) {
	m := &zsetModel{t: t, rng: testSeed(t), sets: map[string]map[string]float64{}}
	m.s = openStore(t, Options{})
	m.tx = Tx{Store: m.s, Now: 1, AllLocked: true}
	for range 15 {
		for range 500 {
			m.step()
		}
		for i := range 5 {
			m.compare(fmt.Sprintf("key%d", i))
		}
		freeAll(m.s)
		checkStore(t, m.s)
	}
	m.s.FlushAll()
	freeAll(m.s)
	checkStore(t, m.s)
	if mem := m.s.Memory(true); mem.Data != 0 || m.s.Garbage() {
		t.Errorf("empty store holds %+v", mem)
	}
}

// TestZSetOutOfMemory: a failing write leaves the set sound.
func TestZSetOutOfMemory(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	k := MakeKey([]byte("z"))
	z, _ := tx.OpenZSet(k)
	s.arena.mapLimit = s.arena.mapped
	rng := testSeed(t)
	n, failed := 0, 0
	for failed < 100 {
		r, err := z.Add(0, Scored{rng.Float64(), fmt.Appendf(nil, "member:%d", rng.Intn(1<<20))})
		n += r.Added
		if err == ErrOutOfMemory {
			failed++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if z.Len() != n {
		t.Errorf("%d members after %d additions", z.Len(), n)
	}
	checkStore(t, s)
	if _, err := tx.Copy(k, 1, k, true); err != ErrOutOfMemory {
		t.Error(err)
	}
	freeAll(s)
	checkStore(t, s)
}

// TestZSetLarge: in a set of many members, ranks are found from both sides, in
// whatever order the members came; freeing it takes many small steps, and
// thinning it out gives memory back.
func TestZSetLarge(t *testing.T) {
	const n = 100_000
	rng := testSeed(t)
	for _, order := range []string{"ascending", "descending", "random"} {
		t.Run(order, func(t *testing.T) {
			s := openStore(t, Options{})
			tx := Tx{Store: s, Now: 1}
			k := MakeKey([]byte("z"))
			z, _ := tx.OpenZSet(k)
			scores := rng.Perm(n)
			if order != "random" {
				slices.Sort(scores)
			}
			if order == "descending" {
				slices.Reverse(scores)
			}
			for _, score := range scores {
				if _, err := z.Add(0, Scored{float64(score), fmt.Appendf(nil, "member:%d", score)}); err != nil {
					t.Fatal(err)
				}
			}
			used, _ := tx.MemoryUsage(k)
			t.Logf("%.1f bytes a member, height %d", float64(used)/n, s.arena.zsetNode(z.view().o.tree.root).height)
			for range 1000 {
				i := rng.Intn(n)
				if rank, _, _ := z.Rank(fmt.Appendf(nil, "member:%d", i), true); rank != n-1-i {
					t.Fatalf("member %d has rank %d", i, rank)
				}
				z.Walk(i, true, func(member []byte, score float64) bool {
					if score != float64(i) {
						t.Fatalf("rank %d has score %v", i, score)
					}
					return false
				})
			}
			for i := range n {
				if i%10 != 0 {
					if ok, err := z.Remove(fmt.Appendf(nil, "member:%d", i)); !ok || err != nil {
						t.Fatal(i, ok, err)
					}
				}
			}
			checkStore(t, s)
			for more := true; more; {
				_, more = s.CompactStep(k.Shard(), 1000)
			}
			checkStore(t, s)
			after, _ := tx.MemoryUsage(k)
			if after > used/5 {
				t.Errorf("%d bytes, %d after nine of ten members went", used, after)
			}
			tx.Delete(k)
			steps := 1
			for s.FreeStep(k.Shard(), 100) {
				steps++
			}
			if steps < n/10/100 {
				t.Errorf("freed in %d steps", steps)
			}
			checkStore(t, s)
			if mem := s.Memory(false); mem.Data != 0 {
				t.Errorf("empty store holds %+v", mem)
			}
		})
	}
}
