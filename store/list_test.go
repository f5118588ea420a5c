package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestListModel does random operations on a list and on a slice, with nodes so
// small that their boundaries are everywhere, with and without compressed ones and
// elements that stand alone.
func TestListModel(t *testing.T) {
	for _, fill := range []int{-2, -1, 1, 2, 7, 300} {
		t.Run(fmt.Sprint(fill), func(t *testing.T) { testListModel(t, fill, 0) })
		t.Run(fmt.Sprint(fill, " compressed"), func(t *testing.T) { testListModel(t, fill, 2) })
	}
}

func testListModel(t *testing.T, fill, depth int) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	limits := DefaultLimits()
	limits.ListMaxListpackSize, limits.ListCompressDepth = fill, depth
	s.SetLimits(limits)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	tx := &Tx{Store: s, Now: 1000, AllLocked: true}
	k, other := MakeKey([]byte("{k}list")), MakeKey([]byte("other"))
	var model []string
	value := func() string {
		switch rng.IntN(12) {
		case 0:
			return strings.Repeat("x", rng.IntN(3000))
		case 1:
			return strings.Repeat("y", 8000+rng.IntN(400))
		case 2:
			return "pivot"
		case 3:
			return strings.Repeat("z", 1+rng.IntN(50))
		default:
			return fmt.Sprint(rng.IntN(100) - 50)
		}
	}
	grow := true
	for step := range shorter(2000) {
		if len(model) > 900 {
			grow = false
		} else if len(model) < 3 {
			grow = true
		}
		l, err := tx.OpenList(k)
		if err != nil {
			t.Fatal(err)
		}
		n := len(model)
		v := value()
		op := rng.IntN(10)
		if depth > 0 && step%50 == 0 {
			limits.ListCompressDepth = rng.IntN(4)
			s.SetLimits(limits)
			s.SetPackedThreshold([]int64{1, 20, 1000, DefaultPackedThreshold}[rng.IntN(4)])
		}
		switch {
		case op < 4 && grow || n == 0:
			values := []string{v, value(), value()}[:1+rng.IntN(3)]
			front := rng.IntN(2) == 0
			var args [][]byte
			for _, v := range values {
				args = append(args, []byte(v))
				if front {
					model = slices.Insert(model, 0, v)
				} else {
					model = append(model, v)
				}
			}
			_, err = l.Push(front, args...)
		case op < 4:
			count := 1 + rng.IntN(min(n, 30))
			i := rng.IntN(n - count + 1)
			if op == 0 {
				i = 0
			} else if op == 1 {
				i = n - count
			}
			model = slices.Delete(model, i, i+count)
			err = l.RemoveRange(i, count)
		case op < 6:
			i := rng.IntN(n)
			model[i] = v
			err = l.Set(i, []byte(v))
		case op < 8:
			pivot, before := model[rng.IntN(n)], rng.IntN(2) == 0
			i := slices.Index(model, pivot)
			if !before {
				i++
			}
			model = slices.Insert(model, i, v)
			_, err = l.Insert([]byte(pivot), before, []byte(v), func(int) bool { return true })
		case op == 8:
			gone, count := model[rng.IntN(n)], rng.IntN(7)-3
			var removed int
			removed, err = l.RemoveValue([]byte(gone), count)
			was := len(model)
			model = withoutValue(model, gone, count)
			if removed != was-len(model) {
				t.Fatalf("step %d: removed %d, want %d", step, removed, was-len(model))
			}
		default:
			if rng.IntN(20) == 0 {
				if _, err = tx.Copy(k, 0, other, true); err == nil {
					err = tx.Rename(other, k)
				}
			} else if payload, _, ok := tx.DumpValue(k, nil); ok && rng.IntN(5) == 0 {
				tx.Delete(k)
				err = tx.LoadValue(k, payload, -1, false)
			} else {
				s.CompactStep(k.Shard(), 100)
			}
		}
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		checkList(t, tx, k, model, step, rng)
	}
	tx.Delete(k)
	for s.FreeStep(k.Shard(), 10) {
	}
	if n := s.shards[k.Shard()].owner.cells; n > 64<<10 {
		t.Errorf("%d bytes held after all was freed", n)
	}
}

func withoutValue(list []string, gone string, count int) []string {
	if count < 0 {
		list = slices.Clone(list)
		slices.Reverse(list)
		list = withoutValue(list, gone, -count)
		slices.Reverse(list)
		return list
	}
	var kept []string
	n := 0
	for _, v := range list {
		if v == gone && (count == 0 || n < count) {
			n++
			continue
		}
		kept = append(kept, v)
	}
	return kept
}

func checkList(t *testing.T, tx *Tx, k Key, model []string, step int, rng *rand.Rand) {
	t.Helper()
	l, err := tx.OpenList(k)
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != len(model) || l.Exists() != (len(model) > 0) {
		t.Fatalf("step %d: length %d, want %d", step, l.Len(), len(model))
	}
	if len(model) == 0 {
		return
	}
	i := rng.IntN(len(model))
	if got := string(l.Index(i)); got != model[i] {
		t.Fatalf("step %d: element %d is %q, want %q", step, i, got, model[i])
	}
	reverse := rng.IntN(2) == 0
	bad := -1
	l.Walk(i, reverse, func(v []byte) bool {
		if i >= len(model) || i < 0 || string(v) != model[i] {
			bad = i
			return false
		}
		if reverse {
			i--
		} else {
			i++
		}
		return true
	})
	if bad >= 0 || reverse && i != -1 || !reverse && i != len(model) {
		t.Fatalf("step %d: walk differs at %d, ends at %d", step, bad, i)
	}
	if e, ok := tx.Encoding(k); !ok || e != EncodingQuicklist {
		t.Fatalf("step %d: encoding %v", step, e)
	}
}

// Ends of a list of millions are as near as those of a short one.
func TestListHuge(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx := &Tx{Store: s, Now: 1000, AllLocked: true}
	k := MakeKey([]byte("k"))
	values := make([][]byte, 1000)
	for i := range values {
		values[i] = fmt.Append(nil, "value-", i)
	}
	for range 1000 {
		l, err := tx.OpenList(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Push(false, values...); err != nil {
			t.Fatal(err)
		}
	}
	bytes, _ := tx.MemoryUsage(k)
	if per := float64(bytes) / 1e6; per > 12 {
		t.Errorf("%.1f bytes an element of 9", per)
	}
	l, _ := tx.OpenList(k)
	for i := range 100_000 {
		if err := l.RemoveRange(l.Len()-1, 1); err != nil {
			t.Fatal(err)
		}
		if err := l.RemoveRange(0, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Push(true, values[i%10]); err != nil {
			t.Fatal(err)
		}
	}
	if l.Len() != 900_000 {
		t.Fatal(l.Len())
	}
	tx.Delete(k)
	if !s.HasGarbage(k.Shard()) {
		t.Error("a large list was freed at once")
	}
	for s.FreeStep(k.Shard(), 1000) {
	}
}

func TestListLoadRefusesDamage(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx := &Tx{Store: s, Now: 1000, AllLocked: true}
	k := MakeKey([]byte("k"))
	l, _ := tx.OpenList(k)
	for i := range 2000 {
		if _, err := l.Push(false, fmt.Append(nil, "element ", i)); err != nil {
			t.Fatal(err)
		}
	}
	payload, _, _ := tx.DumpValue(k, nil)
	for n := range len(payload) {
		if n%97 != 0 {
			continue
		}
		if tx.LoadValue(MakeKey([]byte("x")), payload[:n], -1, true) == nil {
			// Whole nodes make a list.
			if l, err := tx.OpenList(MakeKey([]byte("x"))); err != nil || l.Len() == 0 {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
		damaged := slices.Clone(payload)
		damaged[n] ^= 1 << (n % 8)
		if tx.LoadValue(MakeKey([]byte("x")), damaged, -1, true) == nil {
			tx.DigestValue(MakeKey([]byte("x")))
		}
	}
}

// StoreList replaces whatever is there, in either form, and leaves nothing
// behind.
func TestStoreList(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1}
	k := MakeKey([]byte("k"))
	values := func(n int) (list [][]byte) {
		for i := range n {
			list = append(list, []byte(strconv.Itoa(i)))
		}
		return list
	}
	for _, n := range []int{0, 3, 5000, 10, 9000, 5000, 0, 1, 0} {
		before := tx.Exists(k)
		existed, err := tx.StoreList(k, n, slices.Values(values(n)))
		if err != nil || existed != before {
			t.Fatalf("%d: existed %v, error %v", n, existed, err)
		}
		l, err := tx.OpenList(k)
		if err != nil || l.Len() != n || tx.Deadline(k) >= 0 {
			t.Fatalf("%d: length %d, deadline %d, error %v", n, l.Len(), tx.Deadline(k), err)
		}
		if n == 0 {
			continue
		}
		i := 0
		l.Walk(0, false, func(value []byte) bool {
			if string(value) != strconv.Itoa(i) {
				t.Fatalf("%d: element %d is %q", n, i, value)
			}
			i++
			return true
		})
		if _, err := tx.SetDeadline(k, 1000); err != nil {
			t.Fatal(err)
		}
	}
}
