package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRemoveMany removes members and fields by name in steps, with some that are missing
// and some that come twice, and with tries that are told that the value has changed.
func TestRemoveMany(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := openStore(t, Options{})
	const size = 6000
	name := func(i int) []byte { return fmt.Appendf(nil, "name:%d", i) }
	free := func(steps int) {
		for i := range Shards {
			for n := 0; n < steps && s.FreeStep(i, 64); n++ {
			}
		}
	}
	for round := range 40 {
		tx := &Tx{Store: s, Now: 1_700_000_000_000}
		k := MakeKey(fmt.Append(nil, round%3))
		var has func(i int) bool
		var remove func(names [][]byte) (int, bool, error)
		var length func() int
		switch round % 3 {
		case 0:
			v := opened(tx.OpenSet(k))
			for i := range size {
				if _, _, err := v.Add(name(i)); err != nil {
					t.Fatal(err)
				}
			}
			has = func(i int) bool { v := opened(tx.OpenSet(k)); return v.Contains(name(i)) }
			length = func() int { v := opened(tx.OpenSet(k)); return v.Len() }
			remove = func(names [][]byte) (int, bool, error) { v := opened(tx.OpenSet(k)); return v.RemoveMany(names) }
		case 1:
			v := opened(tx.OpenZSet(k))
			for i := range size {
				if _, err := v.Add(0, Scored{float64(i % 50), name(i)}); err != nil {
					t.Fatal(err)
				}
			}
			has = func(i int) bool { v := opened(tx.OpenZSet(k)); _, ok := v.Score(name(i)); return ok }
			length = func() int { v := opened(tx.OpenZSet(k)); return v.Len() }
			remove = func(names [][]byte) (int, bool, error) { v := opened(tx.OpenZSet(k)); return v.RemoveMany(names) }
		case 2:
			v := opened(tx.Hash(k))
			for i := range size {
				if _, _, err := v.Set(name(i), []byte("value")); err != nil {
					t.Fatal(err)
				}
			}
			has = func(i int) bool { v := opened(tx.Hash(k)); _, ok := v.Get(name(i)); return ok }
			length = func() int { v := opened(tx.Hash(k)); return v.Len() }
			remove = func(names [][]byte) (int, bool, error) { v := opened(tx.Hash(k)); return v.RemoveMany(names) }
		}
		var names [][]byte
		chosen := map[int]bool{}
		for range 500 + rng.IntN(2*size) {
			i := rng.IntN(size + size/4)
			names = append(names, name(i))
			if i < size {
				chosen[i] = true
			}
		}
		if round%10 >= 8 { // all of them
			for i := range size {
				names, chosen[i] = append(names, name(i)), true
			}
		}
		digest := tx.DigestValue(k)
		pauses, stopAt := 0, 1+rng.IntN(200)
		tx.Pause = func() bool { pauses++; return pauses != stopAt }
		removed, done, err := remove(names)
		if pauses >= stopAt {
			if !errors.Is(err, ErrChanged) {
				t.Fatalf("round %d: stopped: %v", round, err)
			}
			tx.Pause = func() bool { return true }
			if tx.DigestValue(k) != digest {
				t.Fatalf("round %d: stopped, and changed", round)
			}
			free(rng.IntN(3))
			removed, done, err = remove(names)
		}
		tx.Pause = nil
		if err != nil || !done || removed != len(chosen) {
			t.Fatalf("round %d: %d removed of %d, done %v: %v", round, removed, len(chosen), done, err)
		}
		free(rng.IntN(10))
		if n := length(); n != size-len(chosen) {
			t.Fatalf("round %d: %d left, want %d", round, n, size-len(chosen))
		}
		for i := range size {
			if has(i) == chosen[i] {
				t.Fatalf("round %d: element %d is there: %v", round, i, has(i))
			}
		}
		if tx.Exists(k) != (len(chosen) < size) {
			t.Fatalf("round %d: the key exists: %v", round, tx.Exists(k))
		}
		if round%4 == 3 {
			tx.Delete(k)
			free(1 << 30)
			checkStore(t, s)
		}
	}
	free(1 << 30)
	checkStore(t, s)
}

// opened is what opening a key returned, without error.
func opened[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
