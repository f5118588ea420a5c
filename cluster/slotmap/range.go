package slotmap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"respkv/cluster/hashslot"
)

// ErrRange says that a range is reversed or lies outside the slots.
var ErrRange = errors.New("slot range out of bounds")

// Range is a contiguous run of slots, both ends included.
type Range struct {
	First uint16 `json:"f"`
	Last  uint16 `json:"l"`
}

// All is the whole keyspace.
func All() Range { return Range{0, hashslot.Count - 1} }

// Len is the number of slots in r.
func (r Range) Len() int { return int(r.Last) - int(r.First) + 1 }

// Contains reports whether slot lies in r.
func (r Range) Contains(slot uint16) bool { return r.First <= slot && slot <= r.Last }

// String is the form of CLUSTER NODES: "5-9", or "5" for a single slot.
func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("%d", r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Validate returns ErrRange for a range that no slot map can hold.
func (r Range) Validate() error {
	if r.First > r.Last || r.Last >= hashslot.Count {
		return fmt.Errorf("%w: %d-%d", ErrRange, r.First, r.Last)
	}
	return nil
}

// Ranges is a set of slots. Functions of this package return it sorted, without
// overlaps and with neighbours joined; Normalize gives that form.
type Ranges []Range

// Len is the number of slots in a normalized set.
func (rs Ranges) Len() int {
	n := 0
	for _, r := range rs {
		n += r.Len()
	}
	return n
}

// Contains reports whether slot is in the set.
func (rs Ranges) Contains(slot uint16) bool {
	for _, r := range rs {
		if r.Contains(slot) {
			return true
		}
	}
	return false
}

// Normalize sorts the set and joins overlapping and neighbouring ranges. The
// result shares no memory with rs.
func (rs Ranges) Normalize() Ranges {
	if len(rs) == 0 {
		return nil
	}
	sorted := slices.Clone(rs)
	if rs.normal() {
		return sorted
	}
	slices.SortFunc(sorted, func(a, b Range) int { return int(a.First) - int(b.First) })
	out := sorted[:1]
	for _, r := range sorted[1:] {
		last := &out[len(out)-1]
		if int(r.First) <= int(last.Last)+1 {
			last.Last = max(last.Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// normal reports whether the set has the form that Normalize gives.
func (rs Ranges) normal() bool {
	for i := 1; i < len(rs); i++ {
		if int(rs[i].First) <= int(rs[i-1].Last)+1 {
			return false
		}
	}
	return true
}

// Intersect returns the slots that are in both normalized sets.
func (rs Ranges) Intersect(other Ranges) Ranges {
	var out Ranges
	for i, j := 0, 0; i < len(rs) && j < len(other); {
		first, last := max(rs[i].First, other[j].First), min(rs[i].Last, other[j].Last)
		if first <= last {
			out = append(out, Range{first, last})
		}
		if rs[i].Last < other[j].Last {
			i++
		} else {
			j++
		}
	}
	return out
}

// Subtract returns the slots of rs that are not in other; both normalized.
func (rs Ranges) Subtract(other Ranges) Ranges {
	var out Ranges
	for _, r := range rs {
		next := int(r.First)
		for _, o := range other {
			if int(o.Last) < next || o.First > r.Last {
				continue
			}
			if int(o.First) > next {
				out = append(out, Range{uint16(next), o.First - 1})
			}
			next = int(o.Last) + 1
		}
		if next <= int(r.Last) {
			out = append(out, Range{uint16(next), r.Last})
		}
	}
	return out
}

// Append returns the set with slot, which is above all that are in it. It may
// change the set it is called on.
func (rs Ranges) Append(slot uint16) Ranges {
	if n := len(rs); n > 0 && int(rs[n-1].Last)+1 == int(slot) {
		rs[n-1].Last = slot
		return rs
	}
	return append(rs, Range{slot, slot})
}

// Take returns the first n slots of the set and the others.
func (rs Ranges) Take(n int) (taken, rest Ranges) {
	for _, r := range rs {
		switch {
		case n <= 0:
			rest = append(rest, r)
		case r.Len() <= n:
			taken = append(taken, r)
			n -= r.Len()
		default:
			cut := r.First + uint16(n)
			taken = append(taken, Range{r.First, cut - 1})
			rest = append(rest, Range{cut, r.Last})
			n = 0
		}
	}
	return taken, rest
}

// Validate checks every range of the set.
func (rs Ranges) Validate() error {
	for _, r := range rs {
		if err := r.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// String lists the ranges separated by spaces.
func (rs Ranges) String() string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = r.String()
	}
	return strings.Join(parts, " ")
}

// ParseRanges reads what String writes.
func ParseRanges(text string) (Ranges, error) {
	var rs Ranges
	for word := range strings.FieldsSeq(text) {
		first, last, two := strings.Cut(word, "-")
		if !two {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		r := Range{uint16(a), uint16(b)}
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%w: %q", ErrRange, word)
		}
		if err := r.Validate(); err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs.Normalize(), nil
}
