package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestRemoveLess removes large parts of large sorted sets in steps, some of which are told
// that the set has changed, and goes on with what stays while the rest is being freed: adds
// and removes members, gives the set to another shard, drops it.
func TestRemoveLess(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1_700_000_000_000}
	model := map[string]float64{}
	names := []Key{MakeKey([]byte("a")), MakeKey([]byte("b")), MakeKey([]byte("c"))}
	k := names[0]
	open := func() ZSet {
		z, err := tx.OpenZSet(k)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	add := func() {
		member, score := fmt.Sprint("member:", rng.IntN(40_000)), float64(rng.IntN(500))
		z := open()
		if _, err := z.Add(0, Scored{score, []byte(member)}); err != nil {
			t.Fatal(err)
		}
		model[member] = score
	}
	inOrder := func() (members []string) {
		for m := range model {
			members = append(members, m)
		}
		slices.SortFunc(members, func(a, b string) int {
			if model[a] != model[b] {
				return int(model[a] - model[b])
			}
			if a < b {
				return -1
			}
			return 1
		})
		return members
	}
	compare := func() {
		t.Helper()
		z, want, i := open(), inOrder(), 0
		if z.Len() != len(want) {
			t.Fatalf("%d members, want %d", z.Len(), len(want))
		}
		z.Walk(0, false, func(member []byte, score float64) bool {
			if string(member) != want[i] || score != model[want[i]] {
				t.Fatalf("%q %v at %d, want %q %v", member, score, i, want[i], model[want[i]])
			}
			i++
			return true
		})
		for range 1000 {
			m := fmt.Sprint("member:", rng.IntN(40_000))
			score, found := z.Score([]byte(m))
			if want, there := model[m]; found != there || score != want {
				t.Fatalf("%q: %v %v, want %v %v", m, score, found, want, there)
			}
		}
	}
	free := func(steps int) {
		for i := range Shards {
			for n := 0; n < steps && s.FreeStep(i, 64); n++ {
			}
		}
	}
	for round := range 30 {
		for len(model) < 20_000 {
			add()
		}
		order := inOrder()
		rank := rng.IntN(len(order))
		count := min(manyLess+1+rng.IntN(len(order)), len(order)-rank)
		if round%3 == 0 {
			count = min(count, manyLess*2)
		}
		pauses, stopAt := 0, -1
		if round%4 == 1 {
			stopAt = 1 + rng.IntN(300)
		}
		tx.Pause = func() bool { pauses++; return pauses != stopAt }
		z := open()
		digest := tx.DigestValue(k)
		switch err := z.RemoveRange(rank, count); {
		case stopAt > 0 && pauses >= stopAt:
			if !errors.Is(err, ErrChanged) {
				t.Fatalf("stopped at pause %d: %v", stopAt, err)
			}
			if tx.DigestValue(k) != digest {
				t.Fatal("stopped, and changed")
			}
		case err != nil:
			t.Fatal(err)
		default:
			if count > manyLess && count < len(order) && pauses == 0 {
				t.Fatalf("%d pauses for %d members", pauses, count)
			}
			for _, m := range order[rank : rank+count] {
				delete(model, m)
			}
			if z.Exists() != (len(model) > 0) {
				t.Fatal("exists", z.Exists())
			}
		}
		tx.Pause = nil
		free(rng.IntN(20))
		compare()
		switch rng.IntN(4) {
		case 0:
			to := names[rng.IntN(len(names))]
			if len(model) > 0 && string(to.Name) != string(k.Name) {
				if err := tx.Rename(k, to); err != nil {
					t.Fatal(err)
				}
				k = to
			}
		case 1:
			tx.Delete(k)
			clear(model)
		default:
			for range 3000 {
				add()
			}
			z := open()
			for _, m := range inOrder()[:500] {
				if ok, err := z.Remove([]byte(m)); !ok || err != nil {
					t.Fatal(ok, err)
				}
				delete(model, m)
			}
		}
		compare()
		if round%5 == 4 {
			free(1 << 30)
			checkStore(t, s)
			for i := range Shards {
				s.CompactStep(i, 1000)
			}
			compare()
		}
	}
	free(1 << 30)
	checkStore(t, s)
}
