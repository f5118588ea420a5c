package store

import (
	"cmp"
	"slices"
)

// Scan is as Hash.Scan, but for what is returned whole: that is an intset. A
// packed set is a hash table for clients (Redis 7.0 has no other form), and there
// are some that count on its coming in pages.
func (s *Set) Scan(cursor uint64, count int, fn func(member []byte)) (next uint64) {
	switch {
	case s.isLarge():
		return s.large().walk(cursor, count, func(r *element) { fn(r.name()) })
	case s.it.live && !s.isIntset() && (cursor > 0 || count < s.Len()):
		return s.page(cursor, count, fn)
	}
	s.Each(func(member []byte) bool { fn(member); return true })
	return 0
}

// page is elements.walk for a packed set: members come in the order of their tags
// here, too, since their positions change when others go, and all when the set
// becomes large, and cursors must outlast that.
func (s *Set) page(cursor uint64, count int, fn func(member []byte)) (next uint64) {
	type place struct {
		tag uint32
		pos int
	}
	var room [maxPackedSetEntries]place
	found := room[:0]
	text := s.it.sh.text[0][:0]
	p := s.it.packed()
	for pos := p.first(); pos < p.end(); {
		e, after := p.get(pos)
		if tag := elementTag(e.bytes(text)); uint64(tag) >= cursor {
			found = append(found, place{tag, pos})
		}
		pos = after
	}
	slices.SortFunc(found, func(a, b place) int { return cmp.Compare(a.tag, b.tag) })
	for i, f := range found {
		if i >= count && f.tag != found[i-1].tag {
			return uint64(f.tag) // never 0: it is not the first one
		}
		e, _ := p.get(f.pos)
		fn(e.bytes(text))
	}
	return 0
}
