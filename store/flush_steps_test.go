package store

import (
	"fmt"
	"testing"
)

// TestFreeStepIsShort: whatever a large value and an emptied database consist of, a step
// frees about as much as it is asked to, and all that was dropped counts until it is free.
func TestFreeStepIsShort(t *testing.T) {
	s := openStore(t, Options{})
	tx := &Tx{Store: s, Now: 1_700_000_000_000}
	const n, step = 5000, 64
	k := MakeKey([]byte("k"))
	members := func(add func(member []byte)) {
		for i := range n {
			add(fmt.Appendf(nil, "member:%d", i))
		}
	}
	fill := map[string]func(){
		"set": func() {
			v, err := tx.OpenSet(k)
			if err != nil {
				t.Fatal(err)
			}
			members(func(m []byte) {
				if _, _, err := v.Add(m); err != nil {
					t.Fatal(err)
				}
			})
		},
		"sorted set": func() {
			v, err := tx.OpenZSet(k)
			if err != nil {
				t.Fatal(err)
			}
			members(func(m []byte) {
				if _, err := v.Add(0, Scored{1, m}); err != nil {
					t.Fatal(err)
				}
			})
		},
	}
	drop := map[string]func() (values int64){
		"unlinked": func() int64 { tx.Unlink(k); return 1 },
		"flushed":  func() int64 { s.FlushShard(0, k.Shard()); return 1 },
	}
	for name, fill := range fill {
		for how, drop := range drop {
			before := s.Used()
			fill()
			used := s.Used()
			_, freedBefore := s.LazyValues()
			want := drop()
			if pending, _ := s.LazyValues(); pending != want {
				t.Errorf("%s %s: %d values pending, want %d", name, how, pending, want)
			}
			steps := 1
			for ; s.FreeStep(k.Shard(), step); steps++ {
			}
			if least := n / step / 3; steps < least {
				t.Errorf("%s %s: free after %d steps, want %d at least", name, how, steps, least)
			}
			pending, freed := s.LazyValues()
			if pending != 0 || freed == freedBefore {
				t.Errorf("%s %s: %d values pending at the end, %d freed", name, how, pending, freed-freedBefore)
			}
			if s.Used() > before+(used-before)/4 {
				t.Errorf("%s %s: %d bytes used before, %d after", name, how, before, s.Used())
			}
		}
	}
}
