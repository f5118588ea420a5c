package store

import "testing"

// TestSizeClasses: each size has one class, the smallest that holds it, a cell of it
// has that size again, and a run of the class is filled.
func TestSizeClasses(t *testing.T) {
	for c := 1; c < len(sizeClasses); c++ {
		if classSize(c) <= classSize(c-1) || classSize(c)%8 != 0 {
			t.Errorf("class %d has %d bytes, the one before %d", c, classSize(c), classSize(c-1))
		}
	}
	if len(sizeClasses) > 255 || classSize(groupClasses-1) > 2<<10 || classSize(groupClasses) <= 2<<10 || classSize(shardClasses-1) != 128 {
		t.Errorf("%d classes, bounds of heaps %d and %d", len(sizeClasses), classSize(shardClasses-1), classSize(groupClasses-1))
	}
	for c := range sizeClasses {
		run := runBlocks(c) << blockShift
		sh := shapeOf(run, c)
		if rest := run - sh.first - sh.cells*sh.size; rest < 0 || rest >= max(sh.size, 8*sh.cells+8) || c >= linearClasses && rest >= 8*sh.cells+8 {
			t.Errorf("a run of class %d, %d bytes, has %d cells and %d bytes unused", c, sh.size, sh.cells, rest)
		}
	}
	for size := 1; size <= 3*64<<10; size++ {
		got := cellSize(size)
		if got < size || cellSize(got) != got || size > 256 && got*7 > size*9 && got > size+16<<10 {
			t.Fatalf("%d bytes take %d, these %d", size, got, cellSize(got))
		}
		if inBlocks(size) {
			if got%blockSize != 0 {
				t.Fatalf("%d bytes take %d in blocks", size, got)
			}
			continue
		}
		if c := classOf(size); c > 0 && classSize(c-1) >= size {
			t.Fatalf("%d bytes are of class %d, and fit the one before", size, c)
		}
	}
	for _, n := range segSizes {
		if cellSize(n*8) != n*8 {
			t.Errorf("a segment of %d entries leaves %d bytes of its cell unused", n, cellSize(n*8)-n*8)
		}
	}
	for _, n := range listNodeSizes {
		if cellSize(n) != n {
			t.Errorf("a list node of %d bytes leaves %d of its cell unused", n, cellSize(n)-n)
		}
	}
}
