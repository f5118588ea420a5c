package chunks

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSorted(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{0, 1, 2, most - 1, most, most + 1, 2 * most, 3*most + 7, 9*most + r.IntN(most)} {
		var l List[int]
		var want []int
		for range n {
			e := r.IntN(n * 2)
			l.Add(e)
			want = append(want, e)
		}
		got := []int{}
		for e := range l.All() {
			got = append(got, *e)
		}
		if l.Len() != n || !slices.Equal(got, want) {
			t.Errorf("%d elements: not as added", n)
		}
		slices.Sort(want)
		got = got[:0]
		for e := range l.Sorted(cmp.Compare[int], func() bool { return true }) {
			got = append(got, *e)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d elements: not in order", n)
		}
	}
}

// TestSortedStops: once next says so no comparison is made.
func TestSortedStops(t *testing.T) {
	compared := 0
	compare := func(a, b int) int { compared++; return cmp.Compare(a, b) }
	all := 1 << 30
	for stopAt := 0; stopAt < all; stopAt = stopAt*2 + 1 {
		var l List[int]
		for i := range 5 * most {
			l.Add(i * 7919 % (5 * most))
		}
		compared = 0
		last := -1
		for e := range l.Sorted(compare, func() bool { return compared < stopAt }) {
			if *e != last+1 {
				t.Fatalf("%d after %d", *e, last)
			}
			last = *e
		}
		if compared > stopAt {
			t.Errorf("%d comparisons, stopped after %d", compared, stopAt)
		}
		if last == 5*most-1 {
			all = stopAt
		}
	}
}

func TestTexts(t *testing.T) {
	var texts Texts
	if texts.Keep(nil) == nil {
		t.Error("an empty text is nil")
	}
	var kept [][]byte
	text := func(i int) []byte { return bytes.Repeat(fmt.Append(nil, i, ","), i%997*i%97) }
	for i := range 3000 {
		kept = append(kept, texts.Keep(text(i)))
	}
	for i, k := range kept {
		if !bytes.Equal(k, text(i)) {
			t.Fatalf("text %d has changed", i)
		}
		_ = append(k, "over"...)
	}
	for i, k := range kept {
		if !bytes.Equal(k, text(i)) {
			t.Fatalf("text %d was written over", i)
		}
	}
}
