package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestZSetUnordered makes sorted sets of members in no order, many with the same score,
// and stops the making in its pauses: it is the same set as one that is made member by
// member, or nothing.
func TestZSetUnordered(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	plain, err := tx.OpenZSet(key("plain"))
	if err != nil {
		t.Fatal(err)
	}
	type scored struct {
		member []byte
		score  float64
	}
	var members []scored
	for i := range 3000 {
		score := float64(rand.New(rand.NewPCG(seed, uint64(i))).IntN(50))
		members = append(members, scored{fmt.Append(nil, "m", i), score})
		if _, err := plain.Add(0, Scored{score, members[i].member}); err != nil {
			t.Fatal(err)
		}
	}
	for stopAt := 0; stopAt < 3000; stopAt += 1 + stopAt {
		pauses := 0
		steps := Tx{Store: s, Now: 1, Pause: func() bool { pauses++; return pauses != stopAt }}
		r := steps.NewZSetResult(key("to"), false)
		var err error
		for _, m := range members {
			if err = r.Add(m.member, m.score); err != nil {
				break
			}
		}
		if err == nil {
			err = r.Order()
		}
		if stopAt > 0 && pauses >= stopAt {
			if r.Close(); err != ErrChanged {
				t.Fatalf("stopped after %d pauses: error %v", stopAt, err)
			}
			continue
		}
		if err == nil {
			_, err = r.Store(&tx, key("to"))
		}
		if err != nil || pauses < 3000/stepElements {
			t.Fatalf("error %v with %d pauses", err, pauses)
		}
		if tx.DigestValue(key("to")) != tx.DigestValue(key("plain")) {
			t.Error("another set")
		}
		to, err := tx.OpenZSet(key("to"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members[:200] {
			rank, _, _ := to.Rank(m.member, false)
			if want, _, _ := plain.Rank(m.member, false); rank != want {
				t.Fatalf("rank %d of %s, want %d", rank, m.member, want)
			}
		}
	}
	for i := range Shards {
		for s.FreeStep(i, 1000) {
		}
	}
	checkStore(t, s)
}
