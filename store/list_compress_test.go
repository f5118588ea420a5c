package store

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// frozenNodes says which nodes of a list are compressed, from the front.
func frozenNodes(t *testing.T, tx *Tx, k Key) (nodes []bool) {
	t.Helper()
	l, err := tx.OpenList(k)
	if err != nil || !l.isLarge() {
		t.Fatalf("no large list: %v", err)
	}
	o := l.large()
	for r := o.head; r != 0; r = o.node(r).next {
		nodes = append(nodes, o.node(r).frozen())
	}
	return nodes
}

// TestListCompression: with a depth of 2, all nodes but two at each end are compressed,
// whatever changed the list, and take less memory; without one they expand as they are
// changed. The value stays the same.
func TestListCompression(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1000, AllLocked: true}
	k, plain := MakeKey([]byte("{k}")), MakeKey([]byte("{k}plain"))
	limits := DefaultLimits()
	limits.ListMaxListpackSize = 4
	element := func(i int) []byte { return bytes.Repeat(fmt.Append(nil, "element ", i, " "), 30) }
	var model []string
	same := func(what string) {
		t.Helper()
		nodes := frozenNodes(t, tx, k)
		want := slices.Repeat([]bool{true}, len(nodes))
		for i := range min(2, len(want)) {
			want[i], want[len(want)-1-i] = false, false
		}
		if !slices.Equal(nodes, want) {
			t.Errorf("%s: compressed are %v", what, nodes)
		}
		l, _ := tx.OpenList(k)
		var got []string
		l.Walk(0, false, func(v []byte) bool { got = append(got, string(v)); return true })
		if !slices.Equal(got, model) {
			t.Fatalf("%s: %d elements of %d, or others", what, len(got), len(model))
		}
	}
	for _, name := range []Key{plain, k} {
		model = model[:0]
		for i := range 400 {
			l, _ := tx.OpenList(name)
			if _, err := l.Push(i%2 == 0, element(i)); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				model = slices.Insert(model, 0, string(element(i)))
			} else {
				model = append(model, string(element(i)))
			}
		}
		limits.ListCompressDepth = 2
		s.SetLimits(limits)
	}
	same("pushed")
	full, _ := tx.MemoryUsage(plain)
	small, _ := tx.MemoryUsage(k)
	if small > full/3 {
		t.Errorf("%d bytes of %d", small, full)
	}
	if tx.DigestValue(k) != tx.DigestValue(plain) {
		t.Error("digests differ")
	}
	if info, _ := tx.ObjectInfo(k); info.Uncompressed < 340*400 || info.Length > info.Uncompressed/3 {
		t.Errorf("%+v", info)
	}
	change := func(what string, fn func(l *List) error) {
		t.Helper()
		l, _ := tx.OpenList(k)
		if err := fn(&l); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same(what)
	}
	change("set", func(l *List) error {
		model[200] = string(element(1000))
		return l.Set(200, element(1000))
	})
	change("insert", func(l *List) error {
		pivot := model[100]
		model = slices.Insert(model, 100, string(element(1001)))
		_, err := l.Insert([]byte(pivot), true, element(1001), func(int) bool { return true })
		return err
	})
	change("range", func(l *List) error {
		model = slices.Delete(model, 150, 161)
		return l.RemoveRange(150, 11)
	})
	change("value", func(l *List) error {
		gone := model[201]
		model = slices.Delete(model, 201, 202)
		_, err := l.RemoveValue([]byte(gone), 0)
		return err
	})
	change("trim", func(l *List) error {
		model = model[7 : len(model)-9]
		return l.Trim(7, len(model))
	})
	if _, err := tx.Copy(k, 0, plain, true); err != nil {
		t.Fatal(err)
	}
	if copied, _ := tx.MemoryUsage(plain); copied > full/3 || !slices.Contains(frozenNodes(t, tx, plain), true) {
		t.Errorf("a copy takes %d bytes", copied)
	}
	payload, _, _ := tx.DumpValue(k, nil)
	tx.Delete(k)
	if err := tx.LoadValue(k, payload, -1, false); err != nil {
		t.Fatal(err)
	}
	same("loaded")
	for len(model) > 40 {
		change("popped", func(l *List) error {
			if len(model)%2 == 0 {
				model = model[1:]
				return l.RemoveRange(0, 1)
			}
			model = model[:len(model)-1]
			return l.RemoveRange(len(model), 1)
		})
	}
	limits.ListCompressDepth = 0
	s.SetLimits(limits)
	l, _ := tx.OpenList(k)
	if err := l.Set(20, element(5)); err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(frozenNodes(t, tx, k), true); i < 0 {
		t.Error("what was not changed was expanded")
	}
	for l.Len() > 1 {
		if err := l.RemoveRange(l.Len()/2, 1); err != nil {
			t.Fatal(err)
		}
		l, _ = tx.OpenList(k)
	}
}

// TestListPackedThreshold: elements of that size have nodes of their own.
func TestListPackedThreshold(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1000, AllLocked: true}
	k := MakeKey([]byte("k"))
	s.SetPackedThreshold(10)
	nodes := func(want int, what string, values ...string) {
		t.Helper()
		l, _ := tx.OpenList(k)
		var got []string
		l.Walk(0, false, func(v []byte) bool { got = append(got, string(v)); return true })
		info, _ := tx.ObjectInfo(k)
		if !slices.Equal(got, values) || info.Nodes != want {
			t.Errorf("%s: %q in %d nodes, want %q in %d", what, got, info.Nodes, values, want)
		}
	}
	push := func(front bool, values ...string) {
		t.Helper()
		l, _ := tx.OpenList(k)
		for _, v := range values {
			if _, err := l.Push(front, []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const long, other = "0123456789", "abcdefghijklm"
	push(false, "a", "b")
	nodes(1, "short", "a", "b")
	push(false, "c", long, "d", "e", long)
	nodes(4, "pushed", "a", "b", "c", long, "d", "e", long)
	push(true, long, "z")
	nodes(6, "in front", "z", long, "a", "b", "c", long, "d", "e", long)
	l, _ := tx.OpenList(k)
	if err := l.Set(3, []byte(other)); err != nil {
		t.Fatal(err)
	}
	nodes(8, "set in the middle of a node", "z", long, "a", other, "c", long, "d", "e", long)
	if err := l.Set(1, []byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Insert([]byte("e"), true, []byte(other), func(int) bool { return true }); err != nil {
		t.Fatal(err)
	}
	nodes(10, "inserted", "z", "y", "a", other, "c", long, "d", other, "e", long)
	s.SetPackedThreshold(DefaultPackedThreshold)
	push(false, "f")
	nodes(10, "with the default again", "z", "y", "a", other, "c", long, "d", other, "e", long, "f")
}
