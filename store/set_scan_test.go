package store

import (
	"fmt"
	"testing"
)

// TestSetScanPages: a set that clients take for a hash table comes in pages, each
// member once, in whatever form it is.
func TestSetScanPages(t *testing.T) {
	for _, members := range []int{1, 7, 8, 65, 128, 129, 1000} {
		s := openStore(t, Options{})
		tx := Tx{Store: s, Now: 1}
		add(t, &tx, "set", "member:", members)
		set, _ := tx.OpenSet(key("set"))
		seen := map[string]int{}
		pages, cursor := 0, uint64(0)
		for pages == 0 || cursor != 0 {
			n := 0
			cursor = set.Scan(cursor, 7, func(member []byte) { seen[string(member)]++; n++ })
			if pages++; n > 9 || n < 7 && cursor != 0 {
				t.Errorf("%d members: %d in a page", members, n)
			}
		}
		if len(seen) != members || pages > (members+6)/7+1 {
			t.Errorf("%d of %d members in %d pages", len(seen), members, pages)
		}
		for member, n := range seen {
			if n != 1 {
				t.Errorf("%s came %d times", member, n)
			}
		}
	}
}

// TestSetScanMeanwhile: what is there from the first page to the last one comes,
// though others go, and although the set becomes large between two pages.
func TestSetScanMeanwhile(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	add(t, &tx, "set", "stays:", 50)
	add(t, &tx, "set", "goes:", 60)
	seen := map[string]bool{}
	for page, cursor := 0, uint64(0); page == 0 || cursor != 0; page++ {
		set, _ := tx.OpenSet(key("set"))
		cursor = set.Scan(cursor, 5, func(member []byte) { seen[string(member)] = true })
		switch {
		case page < 3:
			for i := range 20 {
				if _, err := set.Remove(fmt.Appendf(nil, "goes:%d", 20*page+i)); err != nil {
					t.Fatal(err)
				}
			}
		case page == 3:
			if set.isLarge() {
				t.Fatal("the set is large already")
			}
			add(t, &tx, "set", "came:", 200)
		}
	}
	for i := range 50 {
		if member := fmt.Sprint("stays:", i); !seen[member] {
			t.Errorf("%s did not come", member)
		}
	}
}
