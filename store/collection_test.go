package store

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// collectionModel is the second implementation of hashes and sets: maps.
type collectionModel struct {
	t    *testing.T
	rng  *rand.Rand
	s    *Store
	tx   Tx
	dbs  [2]map[string]*modelCollection
	last string
}

type modelCollection struct {
	typ    Type
	fields map[string]modelField
}

type modelField struct {
	value    string
	deadline int64 // -1: none
}

func (m *collectionModel) Expired(int, Key) { m.t.Fatal("no key has a deadline") }

// FieldsExpired: what is removed must be due.
func (m *collectionModel) FieldsExpired(db int, k Key, fields [][]byte, all bool) {
	c := m.dbs[db][string(k.Name)]
	if c == nil {
		m.t.Fatalf("fields %q of %q expired, which is not there", fields, k.Name)
	}
	for _, f := range fields {
		if v, ok := c.fields[string(f)]; !ok || v.deadline < 0 || v.deadline >= m.tx.Now {
			m.t.Fatalf("field %q of %q expired, model has %v %v", f, k.Name, v, ok)
		}
		delete(c.fields, string(f))
	}
	if all != (len(c.fields) == 0) {
		m.t.Fatalf("%q is said to be empty: %v; model has %d fields", k.Name, all, len(c.fields))
	}
	m.tidy(db, string(k.Name))
}

// tidy removes an empty collection.
func (m *collectionModel) tidy(db int, name string) {
	if c := m.dbs[db][name]; c != nil && len(c.fields) == 0 {
		delete(m.dbs[db], name)
	}
}

func (m *collectionModel) live(f modelField, ok bool) bool {
	return ok && (f.deadline < 0 || f.deadline >= m.tx.Now)
}

func (m *collectionModel) name() string {
	return fmt.Sprintf("key%d", m.rng.Intn(12))
}

// member is short or long, text or integer.
func (m *collectionModel) member() string {
	n := m.rng.Intn(30)
	if m.rng.Intn(12) == 0 {
		n = m.rng.Intn(600)
	}
	switch m.rng.Intn(8) {
	case 0:
		return strings.Repeat("x", n)
	case 1:
		return strconv.Itoa(n * 5000)
	case 2, 3:
		return "m" + strconv.Itoa(n)
	default:
		return strconv.Itoa(n - 5)
	}
}

// want returns the collection of the type at name, nil when missing; not ok:
// there is one of another type.
func (m *collectionModel) want(name string, t Type) (c *modelCollection, ok bool) {
	c = m.dbs[m.tx.DB][name]
	return c, c == nil || c.typ == t
}

// ensure is want for a write.
func (m *collectionModel) ensure(name string, t Type) *modelCollection {
	c, _ := m.want(name, t)
	if c == nil {
		c = &modelCollection{typ: t, fields: map[string]modelField{}}
		m.dbs[m.tx.DB][name] = c
	}
	return c
}

func (m *collectionModel) step() {
	name := m.name()
	k := MakeKey([]byte(name))
	m.last = name
	switch n := m.rng.Intn(100); {
	case n < 25:
		m.hset(name, k)
	case n < 35:
		m.hdel(name, k)
	case n < 45:
		m.hexpire(name, k)
	case n < 65:
		m.sadd(name, k)
	case n < 75:
		m.srem(name, k)
	case n < 79:
		m.combine(name, k)
	case n < 83:
		m.transfer(name, k)
	case n < 85:
		m.tx.Delete(k)
		delete(m.dbs[m.tx.DB], name)
	case n < 88:
		m.tx.Now += int64(m.rng.Intn(3000))
		for i := range Shards {
			m.s.ExpireFields(i, m.tx.Now, 20, nil)
		}
	case n < 91:
		m.reload(name, k)
	case n < 93:
		m.s.CompactStep(k.Shard(), 100)
	case n < 94:
		m.s.SetLimits([]Limits{DefaultLimits(), {4, 10, 5, 4, 10, -2, 1, 3, 100}, {ListMaxListpackSize: 3, ListCompressDepth: 2}, {1000, 1000, 1000, 1000, 1000, -5, 0, 0, 0}}[m.rng.Intn(4)])
	case n < 95:
		m.tx.DB = m.rng.Intn(2)
	default:
		m.compareKey(m.tx.DB, name)
	}
}

func (m *collectionModel) hset(name string, k Key) {
	h, err := m.tx.Hash(k)
	if _, ok := m.want(name, TypeHash); !ok {
		if err != ErrWrongType {
			m.t.Fatalf("Hash %q: %v", name, err)
		}
		return
	}
	var pairs [][]byte
	count := 1 + m.rng.Intn(3)
	if m.rng.Intn(20) == 0 {
		count = 1 + m.rng.Intn(400)
	}
	for range count {
		pairs = append(pairs, []byte(m.member()), []byte(m.member()))
	}
	deadline, keep := int64(noDeadline), m.rng.Intn(4) == 0
	if m.rng.Intn(4) == 0 {
		deadline = m.tx.Now + int64(m.rng.Intn(5000)) - 500
	}
	c := m.ensure(name, TypeHash)
	added := 0
	for i := 0; i < len(pairs); i += 2 {
		old, ok := c.fields[string(pairs[i])]
		f := modelField{string(pairs[i+1]), deadline}
		if !m.live(old, ok) {
			added++
		} else if keep {
			f.deadline = old.deadline
		}
		c.fields[string(pairs[i])] = f
	}
	if got, done, err := h.SetAt(deadline, keep, pairs...); got != added || done != count || err != nil {
		m.t.Fatalf("SetAt %q %q: %d %d %v, want %d", name, pairs, got, done, err, added)
	}
}

func (m *collectionModel) hdel(name string, k Key) {
	h, err := m.tx.Hash(k)
	if err != nil {
		return
	}
	c, _ := m.want(name, TypeHash)
	for range 1 + m.rng.Intn(3) {
		field := m.member()
		var f modelField
		var stored bool
		if c != nil {
			f, stored = c.fields[field]
			delete(c.fields, field)
		}
		ok, was, err := h.Delete([]byte(field))
		if ok != m.live(f, stored) || was != stored || err != nil {
			m.t.Fatalf("Delete %q %q: %v %v %v, want %v", name, field, ok, was, err, f)
		}
	}
	m.tidy(m.tx.DB, name)
}

func (m *collectionModel) hexpire(name string, k Key) {
	h, err := m.tx.Hash(k)
	if err != nil {
		return
	}
	c, _ := m.want(name, TypeHash)
	field := m.member()
	var f modelField
	var ok bool
	if c != nil {
		f, ok = c.fields[field]
	}
	want := int64(FieldMissing)
	if m.live(f, ok) {
		want = f.deadline
	}
	if got := h.Deadline([]byte(field)); got != want {
		m.t.Fatalf("Deadline %q %q: %d, want %d", name, field, got, want)
	}
	if want == int64(FieldMissing) {
		return
	}
	f.deadline = m.tx.Now + int64(m.rng.Intn(5000))
	if m.rng.Intn(3) == 0 {
		f.deadline = noDeadline
	}
	if err := h.SetDeadline([]byte(field), f.deadline); err != nil {
		m.t.Fatal(err)
	}
	c.fields[field] = f
}

func (m *collectionModel) sadd(name string, k Key) {
	s, err := m.tx.OpenSet(k)
	if _, ok := m.want(name, TypeSet); !ok {
		if err != ErrWrongType {
			m.t.Fatalf("OpenSet %q: %v", name, err)
		}
		return
	}
	var members [][]byte
	count := 1 + m.rng.Intn(3)
	if m.rng.Intn(20) == 0 {
		count = 1 + m.rng.Intn(400)
	}
	c := m.ensure(name, TypeSet)
	before := len(c.fields)
	for range count {
		member := m.member()
		members = append(members, []byte(member))
		c.fields[member] = modelField{deadline: noDeadline}
	}
	if got, done, err := s.Add(members...); got != len(c.fields)-before || done != count || err != nil {
		m.t.Fatalf("Add %q %q: %d %d %v, want %d", name, members, got, done, err, len(c.fields)-before)
	}
}

func (m *collectionModel) srem(name string, k Key) {
	s, err := m.tx.OpenSet(k)
	if err != nil {
		return
	}
	c, _ := m.want(name, TypeSet)
	for range 1 + m.rng.Intn(3) {
		member := m.member()
		ok := false
		if c != nil {
			_, ok = c.fields[member]
			delete(c.fields, member)
		}
		if got := s.Contains([]byte(member)); got != ok {
			m.t.Fatalf("Contains %q %q: %v, want %v", name, member, got, ok)
		}
		if got, err := s.Remove([]byte(member)); got != ok || err != nil {
			m.t.Fatalf("Remove %q %q: %v %v, want %v", name, member, got, err, ok)
		}
	}
	m.tidy(m.tx.DB, name)
}

func (m *collectionModel) combine(name string, k Key) {
	var keys []Key
	var operands []map[string]modelField
	wrong := false
	for range 1 + m.rng.Intn(3) {
		other := m.name()
		keys = append(keys, MakeKey([]byte(other)))
		c, ok := m.want(other, TypeSet)
		wrong = wrong || !ok
		if c == nil {
			c = &modelCollection{}
		}
		operands = append(operands, c.fields)
	}
	op := SetOp(m.rng.Intn(3))
	result := map[string]modelField{}
	for i, o := range operands {
		for member := range o {
			in := 0
			for _, p := range operands {
				if _, ok := p[member]; ok {
					in++
				}
			}
			if op == Union || op == Intersection && in == len(operands) || op == Difference && i == 0 && in == 1 {
				result[member] = modelField{deadline: noDeadline}
			}
		}
	}
	r, err := m.tx.Combine(op, keys)
	if wrong != (err == ErrWrongType) || err != nil && !wrong {
		m.t.Fatalf("Combine %d: %v", op, err)
	}
	if wrong {
		return
	}
	if op == Intersection {
		if n, err := m.tx.IntersectionLen(keys, 3); n != min(3, len(result)) || err != nil {
			m.t.Fatalf("IntersectionLen %d %v, want %d", n, err, min(3, len(result)))
		}
	}
	if r.Len() != len(result) {
		m.t.Fatalf("Combine %d of %v: %d members, want %d", op, keys, r.Len(), len(result))
	}
	if m.rng.Intn(3) == 0 {
		r.Close()
		return
	}
	if _, err := r.Store(&m.tx, k); err != nil {
		m.t.Fatal(err)
	}
	m.dbs[m.tx.DB][name] = &modelCollection{TypeSet, result}
	m.tidy(m.tx.DB, name)
}

func (m *collectionModel) transfer(name string, k Key) {
	other := m.name()
	db := m.rng.Intn(2)
	from := m.dbs[m.tx.DB][name]
	switch m.rng.Intn(2) {
	case 0:
		err := m.tx.Rename(k, MakeKey([]byte(other)))
		if from == nil {
			if err != ErrNoSuchKey {
				m.t.Fatal(err)
			}
			return
		}
		if err != nil {
			m.t.Fatal(err)
		}
		delete(m.dbs[m.tx.DB], name)
		m.dbs[m.tx.DB][other] = from
	case 1:
		if db == m.tx.DB && other == name {
			return
		}
		ok, err := m.tx.Copy(k, db, MakeKey([]byte(other)), true)
		if ok != (from != nil) || err != nil {
			m.t.Fatalf("Copy %q: %v %v", name, ok, err)
		}
		if ok {
			m.dbs[db][other] = &modelCollection{from.typ, maps.Clone(from.fields)}
		}
	}
}

// reload replaces a value by its own dump, and sees that its digest stays.
func (m *collectionModel) reload(name string, k Key) {
	digest := m.tx.DigestValue(k)
	payload, deadline, ok := m.tx.DumpValue(k, nil)
	if ok != (m.dbs[m.tx.DB][name] != nil) {
		m.t.Fatalf("DumpValue %q: %v", name, ok)
	}
	if !ok {
		return
	}
	if err := m.tx.LoadValue(k, payload, deadline, true); err != nil {
		m.t.Fatalf("LoadValue %q: %v", name, err)
	}
	if m.tx.DigestValue(k) != digest {
		m.t.Fatalf("%q has another digest after LoadValue", name)
	}
	if len(payload) > 10 {
		cut := payload[:len(payload)-1-m.rng.Intn(len(payload)/2)]
		if err := m.tx.LoadValue(k, cut, deadline, true); err == nil {
			// A cut dump may be whole again; then it is the value now.
			if err := m.tx.LoadValue(k, payload, deadline, true); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

func (m *collectionModel) compareKey(db int, name string) {
	tx := m.tx
	tx.DB = db
	k := MakeKey([]byte(name))
	c := m.dbs[db][name]
	if c == nil {
		if tx.Exists(k) {
			m.t.Fatalf("%q exists", name)
		}
		return
	}
	if got := tx.Type(k); got != c.typ {
		m.t.Fatalf("%q is a %v, want %v", name, got, c.typ)
	}
	got := map[string]modelField{}
	scanned := map[string]bool{}
	drawn, sampled := 0, map[string]bool{}
	if c.typ == TypeHash {
		h, _ := tx.Hash(k)
		h.Each(func(field, value []byte, deadline int64) bool {
			got[string(field)] = modelField{string(value), deadline}
			return true
		})
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = h.Scan(cursor, 7, func(field, value []byte) { scanned[string(field)] = true })
		}
		h.Random(5, func(field, value []byte) bool { drawn++; return got[string(field)].value == string(value) })
		h.Sample(len(c.fields)/2+1, func(field, _ []byte) bool { sampled[string(field)] = true; return true })
	} else {
		s, _ := tx.OpenSet(k)
		if s.Len() != len(c.fields) {
			m.t.Fatalf("%q: Len %d, want %d", name, s.Len(), len(c.fields))
		}
		s.Each(func(member []byte) bool {
			got[string(member)] = modelField{deadline: noDeadline}
			return true
		})
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = s.Scan(cursor, 7, func(member []byte) { scanned[string(member)] = true })
		}
		s.Random(5, func(member []byte) bool { drawn++; _, ok := got[string(member)]; return ok })
		s.Sample(len(c.fields)/2+1, func(member []byte) bool { sampled[string(member)] = true; return true })
	}
	want := maps.Clone(c.fields)
	maps.DeleteFunc(want, func(_ string, f modelField) bool { return !m.live(f, true) })
	if !maps.Equal(got, want) || len(scanned) != len(want) {
		m.t.Fatalf("%q has %v, scanned %v, want %v", name, got, scanned, want)
	}
	if len(want) > 0 && (drawn != 5 || len(sampled) != min(len(want), len(c.fields)/2+1)) {
		m.t.Fatalf("%q: %d drawn, %d sampled of %d", name, drawn, len(sampled), len(want))
	}
	for f := range sampled {
		if _, ok := want[f]; !ok {
			m.t.Fatalf("%q: sampled %q", name, f)
		}
	}
}

// TestCollections compares random operations on hashes and sets of all forms
// with maps, and the store's own counts with what it holds.
func TestCollections(t *testing.T) {
	m := &collectionModel{t: t, rng: testSeed(t)}
	m.dbs = [2]map[string]*modelCollection{{}, {}}
	m.s = openStore(t, Options{Databases: 2, Hooks: m})
	m.tx = Tx{Store: m.s, Now: 1_700_000_000_000, AllLocked: true}
	for range shorter(20) {
		for range 4000 {
			m.step()
		}
		for db := range m.dbs {
			for i := range 12 {
				m.compareKey(db, fmt.Sprintf("key%d", i))
			}
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

// TestBigValueInHash: values past maxInline have a mapping of their own, which
// follows the hash to another shard.
func TestBigValueInHash(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	from, to := MakeKey([]byte("from")), MakeKey([]byte("to"))
	h, _ := tx.Hash(from)
	big := bytes.Repeat([]byte("b"), 3<<20)
	for i := range 3 {
		if _, _, err := h.Set([]byte{byte(i)}, big, []byte("small"), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	checkStore(t, s)
	if err := tx.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s)
	h, _ = tx.Hash(to)
	if v, ok := h.Get([]byte{1}); !ok || !bytes.Equal(v, big) {
		t.Error("a big value is lost")
	}
	if _, _, err := h.Delete([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Set([]byte{1}, []byte("small now")); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s)
	tx.Delete(to)
	freeAll(s)
	checkStore(t, s)
	if mem := s.Memory(false); mem.Data != 0 {
		t.Errorf("empty store holds %+v", mem)
	}
}

// TestFairChoice draws from large sets whose segments differ in size.
func TestFairChoice(t *testing.T) {
	testSeed(t)
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	for _, n := range []int{600, 3000, 9000} {
		k := MakeKey(fmt.Appendf(nil, "set%d", n))
		set, _ := tx.OpenSet(k)
		for i := range n {
			if _, _, err := set.Add(fmt.Appendf(nil, "member:%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		const each = 100
		counts := map[string]int{}
		set.Random(n*each, func(m []byte) bool { counts[string(m)]++; return true })
		// Chi squared of n-1 degrees of freedom: mean n-1, variance 2(n-1).
		// Ten standard deviations are beyond chance.
		chi := 0.0
		for i := range n {
			d := float64(counts[fmt.Sprintf("member:%d", i)] - each)
			chi += d * d / each
		}
		if f := float64(n - 1); (chi-f)*(chi-f) > 100*2*f {
			t.Errorf("%d members: chi squared %.0f", n, chi)
		}
	}
}

// TestCollectionsOutOfMemory: a failing write leaves the value as it was.
func TestCollectionsOutOfMemory(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	k := MakeKey([]byte("h"))
	h, _ := tx.Hash(k)
	s.arena.mapLimit = s.arena.mapped
	value := bytes.Repeat([]byte("v"), 1000)
	n := 0
	var err error
	for ; err == nil; n++ {
		_, _, err = h.Set(fmt.Appendf(nil, "field:%d", n), value)
	}
	if err != ErrOutOfMemory || h.Len() != n-1 {
		t.Errorf("%v, %d fields after %d", err, h.Len(), n-1)
	}
	checkStore(t, s)
	if _, err := tx.Copy(k, 1, k, true); err != ErrOutOfMemory {
		t.Error(err)
	}
	freeAll(s)
	checkStore(t, s)
}

// TestSteps: however large a value is, each step of freeing it is small.
func TestSteps(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	k := MakeKey([]byte("s"))
	set, _ := tx.OpenSet(k)
	for i := range 50000 {
		if _, _, err := set.Add(fmt.Appendf(nil, "member:%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	tx.Delete(k)
	if !s.HasGarbage(k.Shard()) || tx.Exists(k) {
		t.Fatal("a large set was freed at once")
	}
	steps := 1
	for before := s.Memory(false).Data; s.FreeStep(k.Shard(), 100); steps++ {
		now := s.Memory(false).Data
		if now >= before || before-now > 2048*64 {
			t.Fatalf("a step freed %d bytes", before-now)
		}
		before = now
	}
	if steps < 25 || s.Garbage() {
		t.Errorf("%d steps", steps)
	}
	checkStore(t, s)
}

func TestPackedBothWays(t *testing.T) {
	rng := testSeed(t)
	p := newPacked(nil)
	var want []string
	for range 500 {
		var v string
		switch rng.Intn(4) {
		case 0:
			v = strconv.FormatInt(rng.Int63()>>rng.Intn(63)-rng.Int63()>>rng.Intn(63), 10)
		case 1:
			v = strconv.Itoa(rng.Intn(8400) - 4200)
		default:
			v = strings.Repeat("a", rng.Intn(90)*rng.Intn(3)*rng.Intn(80))
		}
		want = append(want, v)
		p = p.add([]byte(v))
	}
	if !validPacked(p) || p.entries() != len(want) {
		t.Fatal("not well-formed")
	}
	var forth, back []string
	for pos := p.first(); pos < p.end(); {
		var e packedEntry
		e, pos = p.get(pos)
		forth = append(forth, string(e.bytes(nil)))
	}
	for pos := p.end(); pos > p.first(); {
		pos = p.prev(pos)
		e, _ := p.get(pos)
		back = append(back, string(e.bytes(nil)))
	}
	slices.Reverse(back)
	if !slices.Equal(forth, want) || !slices.Equal(back, want) {
		t.Error("entries differ")
	}
	for i := range want {
		e, _ := p.get(p.seek(i))
		if !e.equal([]byte(want[i])) || e.length() != len(want[i]) {
			t.Fatalf("entry %d", i)
		}
	}
}
