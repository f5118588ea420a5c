package store

// LCSRange is a common substring: bytes AStart..AEnd of the first string equal
// BStart..BEnd of the second, ends included.
type LCSRange struct{ AStart, AEnd, BStart, BEnd int }

// Len returns the length of the range.
func (r LCSRange) Len() int { return r.AEnd - r.AStart + 1 }

// LCSLen returns the length of the longest common subsequence. Time is the
// product of the lengths, memory linear in that of the shorter one.
func LCSLen(a, b []byte) int {
	if len(b) > len(a) {
		a, b = b, a
	}
	row := make([]uint32, len(b)+1)
	for _, x := range a {
		var diagonal uint32
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return int(row[len(b)])
}

// LCS returns the longest common subsequence of a and b, and the common
// substrings it consists of that are at least minMatchLen long, last one first:
// of several solutions the one that Redis's LCS finds. Time and memory are the
// product of the lengths, 4 bytes each: ErrLCSTooLarge when that would exceed
// maxBytes.
func LCS(a, b []byte, minMatchLen int, maxBytes int64) (seq []byte, ranges []LCSRange, err error) {
	width := len(b) + 1
	if cells := maxBytes / 4; int64(len(a)+1) > cells/int64(width) {
		return nil, nil, ErrLCSTooLarge
	}
	table := make([]uint32, (len(a)+1)*width)
	for i, x := range a {
		above, row := table[i*width:(i+1)*width], table[(i+1)*width:(i+2)*width]
		for j, y := range b {
			if x == y {
				row[j+1] = above[j] + 1
			} else {
				row[j+1] = max(above[j+1], row[j])
			}
		}
	}
	seq = make([]byte, table[len(table)-1])
	free := len(seq)

	// The way back from the end. open is the range that may still grow
	// towards the start.
	var open *LCSRange
	finish := func() {
		if open != nil && open.Len() >= minMatchLen {
			ranges = append(ranges, *open)
		}
		open = nil
	}
	for i, j := len(a), len(b); i > 0 && j > 0; {
		if a[i-1] != b[j-1] {
			finish()
			// On a tie Redis gives up a byte of the second string.
			if table[(i-1)*width+j] > table[i*width+j-1] {
				i--
			} else {
				j--
			}
			continue
		}
		i, j, free = i-1, j-1, free-1
		seq[free] = a[i]
		if open == nil {
			open = &LCSRange{AStart: i, AEnd: i, BStart: j, BEnd: j}
		} else {
			open.AStart, open.BStart = i, j
		}
	}
	finish()
	return seq, ranges, nil
}
