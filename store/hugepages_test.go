package store

import (
	"bufio"
	"bytes"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// smaps adds up one field of the mappings that lie in mem, in bytes.
func smaps(t *testing.T, mem []byte, field string) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	from := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	var sum int64
	in := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		var start, end uintptr
		if n, _ := fmt.Sscanf(words[0], "%x-%x", &start, &end); n == 2 {
			in = start >= from && end <= from+uintptr(len(mem))
		} else if in && words[0] == field+":" {
			kb, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += kb << 10
		}
	}
	return sum
}

// TestHugePages: a large piece lies on huge pages, gives the memory of single
// blocks back, and asks for huge pages again where it is full again. Contents
// stay.
func TestHugePages(t *testing.T) {
	a, err := newArena(true)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if a.huge.off || freeHuge() < 1<<30 {
		t.Skip("no huge pages here")
	}
	// The last piece shall be a large one, and full.
	var blocks []ref
	fill := func() {
		for a.mapped < 4*hugePiece || a.pieces[len(a.pieces)-1].free > 0 {
			r, err := a.alloc(1, 1)
			if err != nil {
				t.Fatal(err)
			}
			content := unsafe.Slice((*byte)(a.ptr(r)), blockSize)
			copy(content, bytes.Repeat(fmt.Appendf(nil, "%8x", r), blockSize/8))
			blocks = append(blocks, r)
		}
	}
	check := func() {
		t.Helper()
		for _, r := range blocks {
			content := unsafe.Slice((*byte)(a.ptr(r)), blockSize)
			if !bytes.Equal(content, bytes.Repeat(fmt.Appendf(nil, "%8x", r), blockSize/8)) {
				t.Fatalf("block %x has other contents", r)
			}
		}
	}
	fill()
	p := a.pieces[len(a.pieces)-1]
	if freeHuge() < 1<<30 {
		t.Skip("something else took the huge pages")
	}
	if len(p.mem) < hugePiece || !p.isHuge(0) || !p.isHuge(p.places()-1) {
		t.Fatalf("a piece of %d bytes, asked %x", len(p.mem), p.huge)
	}
	// The system may refuse some of them.
	if n := smaps(t, p.mem, "AnonHugePages"); n < int64(len(p.mem)/2) {
		t.Fatalf("%d bytes of %d on huge pages", n, len(p.mem))
	}
	// Every other block of its first place goes.
	before := smaps(t, p.mem, "Rss")
	inside := func(r ref) int {
		return int(uintptr(a.ptr(r))-uintptr(unsafe.Pointer(unsafe.SliceData(p.mem)))) >> blockShift
	}
	kept := blocks[:0:0]
	for _, r := range blocks {
		if at := inside(r); at >= 0 && at < hugeBlocks && at%2 == 0 {
			a.free(r, 1)
			continue
		}
		kept = append(kept, r)
	}
	freed := int64(len(blocks)-len(kept)) * blockSize
	if blocks = kept; freed != hugeSize/2 {
		t.Fatalf("%d bytes freed", freed)
	}
	if n := a.releaseStep(1 << 40); n != freed {
		t.Fatalf("%d bytes released of %d", n, freed)
	}
	if n := before - smaps(t, p.mem, "Rss"); n != freed {
		t.Fatalf("%d bytes less are resident, %d were released", n, freed)
	}
	check()
	for a.hugeStep(1000) > 0 {
	}
	if p.isHuge(0) || !p.isHuge(1) {
		t.Fatal("a huge page for what has holes, or none for what has none")
	}
	fill()
	if a.hugeStep(1000) != 1 || !p.isHuge(0) {
		t.Fatal("no huge page for what is full again")
	}
	check()
}

// TestHugePagesAhead: a huge page is resident before a block on it is handed out, if it
// could be populated meanwhile; what is there stays.
func TestHugePagesAhead(t *testing.T) {
	a, err := newArena(true)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if a.huge.off || freeHuge() < 1<<30 {
		t.Skip("no huge pages here")
	}
	pages := make(map[*byte]int) // first of a page -> blocks seen on it
	for a.mapped < 4*hugePiece || a.pieces[len(a.pieces)-1].free > 0 {
		r, err := a.alloc(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		p := a.pieces[uint64(r)<<3>>pieceShift]
		block := int(uint64(r) << 3 & (pieceSize - 1) >> blockShift)
		at := block / hugeBlocks
		content := unsafe.Slice((*byte)(a.ptr(r)), blockSize)
		if at < p.places() && p.isHuge(at) {
			page := p.mem[at*hugeSize : (at+1)*hugeSize]
			if at > 0 && block%hugeBlocks == 0 {
				if n := smaps(t, p.mem, "Rss"); n < int64(at+1)*hugeSize {
					t.Fatalf("page %d is used first, %d bytes of its piece are resident", at, n)
				}
			}
			pages[unsafe.SliceData(page)]++
		}
		copy(content, bytes.Repeat([]byte{byte(r>>11) | 1}, blockSize))
		if len(a.huge.wanted) > 0 {
			<-a.huge.wanted
			if !a.populate() {
				t.Skip("this system cannot populate memory")
			}
		}
		if got := content[blockSize-1]; got != byte(r>>11)|1 {
			t.Fatalf("block %x: %d", r, got)
		}
	}
	if len(pages) == 0 {
		t.Fatal("no huge pages were used")
	}
}

// TestHugePagesWhereFull: the first, small pieces ask where all is in use.
func TestHugePagesWhereFull(t *testing.T) {
	a, err := newArena(true)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	a.huge.off = false
	if a.hugeStep(1000) != 0 {
		t.Fatal("for an empty piece")
	}
	for range hugeBlocks - 1 { // block 0 is in use
		if a.hugeStep(1000) != 0 {
			t.Fatal("for a place that is not full")
		}
		if _, err := a.alloc(1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if a.hugeStep(1000) != 1 || a.hugeStep(1000) != 0 {
		t.Fatal("not once for a full place")
	}
	a.huge.off = true
	for range hugeBlocks {
		if _, err := a.alloc(1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if a.hugeStep(1000) != 0 {
		t.Fatal("turned off, and asked")
	}
}

// TestHugePagesOfSmallData: blocks that shards take for their first records do not count as
// full until they are, or an empty server would be megabytes larger.
func TestHugePagesOfSmallData(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sparse := func() (n int) {
		for _, p := range s.arena.pieces {
			for _, w := range p.sparse {
				n += bits.OnesCount64(w)
			}
		}
		return n
	}
	sh := &s.shards[0].heap
	var cells []ref
	add := func(n int) {
		for range n {
			r, err := sh.alloc(0)
			if err != nil {
				t.Fatal(err)
			}
			cells = append(cells, r)
		}
	}
	add(1)
	if sparse() != 1 {
		t.Fatalf("%d blocks of which one page is used, want 1", sparse())
	}
	for s.arena.pieces[0].free > 0 {
		if _, err := s.arena.alloc(1, 1); err != nil {
			t.Fatal(err)
		}
	}
	full := 0
	for at := range s.arena.pieces[0].places() {
		if s.arena.pieces[0].full(at) {
			full++
		}
	}
	if places := s.arena.pieces[0].places(); full != places-1 {
		t.Errorf("%d of %d places are full, want all but that of the shard", full, places)
	}
	// Sub-runs of other classes fill the block.
	for class := 1; class < subRuns; class++ {
		r, err := sh.alloc(class)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 0, false: 1}[class == subRuns-1]; sparse() != want {
			t.Errorf("%d sub-runs: %d sparse blocks, want %d", class+1, sparse(), want)
		}
		if class == subRuns-1 {
			sh.free(r, class)
		}
	}
	if sparse() != 1 {
		t.Errorf("a free sub-run again: %d sparse blocks, want 1", sparse())
	}
}
