package store

import (
	"math/bits"
	"sort"
	"sync"
	"unsafe"
)

// Size classes: steps of 8 bytes to 248, then sixteen to each power of two, and from 16
// to 64 KB eight and four. Few small ones belong to heaps of single shards: 256 shards
// times many classes would hold a partly used run each, more than the data where that
// is little.
const (
	linearClasses = 31                              // ..248 bytes
	doubleClasses = 16                              // to each doubling of the size
	shardClasses  = 16                              // ..128 bytes: heap of the shard
	groupClasses  = linearClasses + 3*doubleClasses // ..2 KB: heap of a group of shards; the rest: heap of the store
	groupShards   = 16                              // shards that share a group heap
	subRunShift   = 11                              // sub-runs of 2 KB
	subRunSize    = 1 << subRunShift
	subRunsFirst  = 4 // runs of a class that are sub-runs before whole runs are taken
	subRuns       = blockSize / subRunSize
)

// runBlocks is the size of a run in blocks, a power of two, no more than 16: enough
// for 16 to 31 cells up to 16 KB, 4 of 64 KB. More would be partly used runs that are
// larger, one for each class and heap.
func runBlocks(class int) int {
	return min(1<<max(0, (class-linearClasses)/doubleClasses-1), 16)
}

// sizeClasses are the sizes of all classes. Past the linear ones it is the number of
// cells in a run that makes a class, 31 to 16 where it has so many, and they fill it: a
// power of two would leave the place of one cell unused, next to the header.
var sizeClasses, firstClass = makeClasses()

// maxCell is the size of the largest cells; larger memory is blocks of the arena.
var maxCell = sizeClasses[len(sizeClasses)-1]

// makeClasses returns the sizes of the classes and, by eighth, the first class that a
// size in it may be of.
func makeClasses() (sizes []int, first []uint8) {
	for c := range linearClasses {
		sizes = append(sizes, (c+1)*8)
	}
	for low := 256; low < 64<<10; low *= 2 {
		for n := 2*doubleClasses - 1; n >= doubleClasses; n-- {
			run := runBlocks(len(sizes)) << blockShift
			cells := n * run / (2 * doubleClasses * low)
			if size := (run - runHeaderSize - (cells+63)/64*8) / cells &^ 7; size > sizes[len(sizes)-1] {
				sizes = append(sizes, size)
			}
		}
	}
	for size := 1; size <= 64<<10; size++ {
		if i := eighth(size); i == len(first) {
			first = append(first, uint8(sort.SearchInts(sizes, size)))
		}
	}
	return sizes, first
}

// eighth numbers steps of sizes: 8 bytes, past 256 an eighth of the power of two.
func eighth(size int) int {
	if size <= 256 {
		return (size+7)>>3 - 1
	}
	s := size - 1
	e := bits.Len(uint(s)) - 1
	return 32 + (e-8)*8 + s>>(e-3)&7
}

// classOf is the class of cells for a size that is not inBlocks.
func classOf(size int) int {
	if size <= 8*linearClasses {
		return (size+7)>>3 - 1
	}
	c := int(firstClass[eighth(size)])
	for sizeClasses[c] < size {
		c++
	}
	return c
}

func classSize(c int) int { return sizeClasses[c] }

// inBlocks says whether memory of that size is blocks of the arena, not a cell: it
// is too large, or fills blocks, as the segments of an index do.
func inBlocks(size int) bool { return size > maxCell || -size&(blockSize-1) < 8 }

// runShape is how a run of one size is divided for one class.
type runShape struct {
	cells int // number of cells
	first int // offset of the first
	size  int // of a cell
}

func shapeOf(runSize, class int) runShape {
	size := classSize(class)
	n := (runSize - runHeaderSize) / size
	for runHeaderSize+(n+63)/64*8+n*size > runSize {
		n--
	}
	return runShape{cells: n, first: runHeaderSize + (n+63)/64*8, size: size}
}

// runHeader stands at the start of each run and is followed by one bit per
// cell, set while the cell is in use, and the cells. A 16 KB block of a shard
// heap may be divided into eight sub-runs with a header each; the fields about
// the division are those of the first, whether that one is a run or not.
type runHeader struct {
	divided uint8  // block: divided into sub-runs
	subs    uint8  // block: mask of sub-runs in use
	class   uint8  // run
	list    uint8  // run: list it is on
	used    uint32 // run: cells in use
	next    uint32 // run: neighbours on its list, as runID
	prev    uint32
	subNext uint32 // block: neighbours on the list of blocks with a free sub-run
	subPrev uint32
	hint    uint32 // run: no free cell in bitmap words before it
	_       uint32
}

const runHeaderSize = int(unsafe.Sizeof(runHeader{}))

// runID is the offset of a run in the arena in units of 2 KB; 0 is no run.
type runID = uint32

func (id runIDRef) ref() ref { return ref(id) << (subRunShift - 3) }

type runIDRef uint32

// Lists of runs with free cells. New cells come from dense runs first, so that
// sparse ones have the chance to become empty; compaction moves the records of
// sparse runs.
const (
	listNone   = 0 // full
	listDense  = 1 // at least 3/4 used
	listSparse = 2
)

type classLists struct {
	heads [3]runID // by list; listNone unused
	runs  int32    // runs held
	cells int32    // cells in them
	used  int32    // cells in use
}

// heap hands out cells of fixed size classes from runs of blocks. It is guarded
// by the lock of its shard (classes to 128 bytes) or by its own (shared ones).
type heap struct {
	mu      sync.Mutex // shared heaps only; taken under shard locks, before the arena's
	shared  bool
	arena   *arena
	base    int // first class
	subRuns bool
	shapes  []runShape
	sub     []runShape
	classes []classLists
	divided runID // blocks with a free sub-run
	used    int64 // bytes of cells in use
	held    int64 // bytes of blocks held
	unnoted int64 // change of held-used that usage does not know yet
}

func (h *heap) init(a *arena, first, end int, subRuns, shared bool) {
	*h = heap{shared: shared, arena: a, base: first, subRuns: subRuns, classes: make([]classLists, end-first)}
	h.shapes = shapesFor(first, end, 0)
	if subRuns {
		h.sub = shapesFor(first, end, subRunSize)
	}
}

type shapeKey struct{ first, end, size int }

var shapeTables sync.Map // shapeKey → []runShape: 256 shard heaps share one

// shapesFor returns the shapes of runs of the given size, 0: as runBlocks says.
func shapesFor(first, end, size int) []runShape {
	key := shapeKey{first, end, size}
	if t, ok := shapeTables.Load(key); ok {
		return t.([]runShape)
	}
	t := make([]runShape, 0, end-first)
	for c := first; c < end; c++ {
		if size == 0 {
			t = append(t, shapeOf(runBlocks(c)<<blockShift, c))
		} else {
			t = append(t, shapeOf(size, c))
		}
	}
	shapeTables.Store(key, t)
	return t
}

func (h *heap) header(id runID) *runHeader {
	return (*runHeader)(h.arena.ptr(runIDRef(id).ref()))
}

func idOf(r ref) runID { return runID(r >> (subRunShift - 3)) }

// bitmap returns the cell bits of the run at hd.
func bitmap(hd *runHeader, sh runShape) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Add(unsafe.Pointer(hd), runHeaderSize)), (sh.cells+63)/64)
}

// isSub says whether the run id is a sub-run: its block is divided.
func (h *heap) isSub(id runID) bool {
	return h.subRuns && h.header(id&^(subRuns-1)).divided != 0
}

func (h *heap) shape(id runID, c int) runShape {
	if h.isSub(id) {
		return h.sub[c]
	}
	return h.shapes[c]
}

// runOf returns the run that the cell r lies in.
func (h *heap) runOf(r ref, class int) runID {
	block := idOf(r) &^ runID(runBlocks(class)*subRuns-1)
	if h.subRuns && h.header(block).divided != 0 {
		return idOf(r)
	}
	return block
}

// alloc returns a cell of the class. Its contents are undefined.
func (h *heap) alloc(class int) (ref, error) {
	c := class - h.base
	cl := &h.classes[c]
	id := cl.heads[listDense]
	if id == 0 {
		id = cl.heads[listSparse]
	}
	if id == 0 {
		var err error
		if id, err = h.newRun(c); err != nil {
			return 0, err
		}
	}
	hd := h.header(id)
	sh := h.shape(id, c)
	bm := bitmap(hd, sh)
	w := int(hd.hint)
	for bm[w] == ^uint64(0) {
		w++
	}
	hd.hint = uint32(w)
	bit := bits.TrailingZeros64(^bm[w])
	bm[w] |= 1 << bit
	hd.used++
	cl.used++
	h.used += int64(sh.size)
	h.noteFree(-sh.size)
	h.relist(id, hd, sh, c)
	return runIDRef(id).ref() + ref(sh.first+(w*64+bit)*sh.size)>>3, nil
}

// free takes a cell of the class back.
func (h *heap) free(r ref, class int) {
	c := class - h.base
	id := h.runOf(r, class)
	hd := h.header(id)
	sh := h.shape(id, c)
	off := int(r-runIDRef(id).ref())<<3 - sh.first
	cell := off / sh.size
	bm := bitmap(hd, sh)
	if int(hd.class) != class || off%sh.size != 0 || bm[cell/64]&(1<<(cell%64)) == 0 {
		panic("store: cell freed twice or with a wrong size")
	}
	bm[cell/64] &^= 1 << (cell % 64)
	hd.hint = min(hd.hint, uint32(cell/64))
	hd.used--
	h.classes[c].used--
	h.used -= int64(sh.size)
	h.noteFree(sh.size)
	if hd.used == 0 {
		h.dropRun(id, hd, sh, c)
		return
	}
	h.relist(id, hd, sh, c)
}

// relist puts a run on the list that its use asks for.
func (h *heap) relist(id runID, hd *runHeader, sh runShape, c int) {
	want := uint8(listSparse)
	switch used := int(hd.used); {
	case used == sh.cells:
		want = listNone
	case used*4 >= sh.cells*3:
		want = listDense
	}
	if want != hd.list {
		h.unlink(hd, c)
		h.link(id, hd, c, want)
	}
}

func (h *heap) link(id runID, hd *runHeader, c int, list uint8) {
	hd.list, hd.prev, hd.next = list, 0, 0
	if list == listNone {
		return
	}
	head := &h.classes[c].heads[list]
	if *head != 0 {
		h.header(*head).prev = id
		hd.next = *head
	}
	*head = id
}

func (h *heap) unlink(hd *runHeader, c int) {
	if hd.list == listNone {
		return
	}
	if hd.next != 0 {
		h.header(hd.next).prev = hd.prev
	}
	if hd.prev != 0 {
		h.header(hd.prev).next = hd.next
	} else {
		h.classes[c].heads[hd.list] = hd.next
	}
	hd.list = listNone
}

// newRun adds an empty run for class c. The first runs of a class in a shard
// are sub-runs: 256 shards times 32 classes would otherwise hold much memory
// for little data.
func (h *heap) newRun(c int) (runID, error) {
	cl := &h.classes[c]
	var id runID
	sh := h.shapes[c]
	if h.subRuns && cl.runs < subRunsFirst {
		var err error
		if id, err = h.takeSub(); err != nil {
			return 0, err
		}
		sh = h.sub[c]
	} else {
		n := runBlocks(c + h.base)
		r, err := h.arena.alloc(n, n)
		if err != nil {
			return 0, err
		}
		h.held += int64(n) << blockShift
		h.noteFree(n << blockShift)
		id = idOf(r)
		*h.header(id) = runHeader{}
	}
	hd := h.header(id)
	hd.class = uint8(c + h.base)
	hd.used, hd.hint = 0, 0
	clear(bitmap(hd, sh))
	h.link(id, hd, c, listSparse)
	cl.runs++
	cl.cells += int32(sh.cells)
	return id, nil
}

func (h *heap) dropRun(id runID, hd *runHeader, sh runShape, c int) {
	h.unlink(hd, c)
	h.classes[c].runs--
	h.classes[c].cells -= int32(sh.cells)
	if h.isSub(id) {
		h.putSub(id)
		return
	}
	n := runBlocks(c + h.base)
	h.arena.free(runIDRef(id).ref(), n)
	h.held -= int64(n) << blockShift
	h.noteFree(-n << blockShift)
}

// takeSub returns a free sub-run, dividing another block when there is none.
func (h *heap) takeSub() (runID, error) {
	if h.divided == 0 {
		r, err := h.arena.alloc(1, 1)
		if err != nil {
			return 0, err
		}
		h.held += blockSize
		h.noteFree(blockSize)
		block := idOf(r)
		*h.header(block) = runHeader{divided: 1}
		h.divided = block
		h.arena.setSparse(r, true)
	}
	block := h.divided
	bh := h.header(block)
	i := bits.TrailingZeros8(^bh.subs)
	bh.subs |= 1 << i
	if bh.subs == 1<<subRuns-1 {
		h.unlinkDivided(bh)
		h.arena.setSparse(runIDRef(block).ref(), false)
	}
	id := block + runID(i)
	if i != 0 {
		*h.header(id) = runHeader{}
	}
	return id, nil
}

func (h *heap) putSub(id runID) {
	block := id &^ (subRuns - 1)
	bh := h.header(block)
	if bh.subs == 1<<subRuns-1 {
		bh.subNext, bh.subPrev = h.divided, 0
		if h.divided != 0 {
			h.header(h.divided).subPrev = block
		}
		h.divided = block
		h.arena.setSparse(runIDRef(block).ref(), true)
	}
	bh.subs &^= 1 << (id - block)
	if bh.subs == 0 {
		h.unlinkDivided(bh)
		h.arena.setSparse(runIDRef(block).ref(), false)
		h.arena.free(runIDRef(block).ref(), 1)
		h.held -= blockSize
		h.noteFree(-blockSize)
	}
}

func (h *heap) unlinkDivided(bh *runHeader) {
	if bh.subNext != 0 {
		h.header(bh.subNext).subPrev = bh.subPrev
	}
	if bh.subPrev != 0 {
		h.header(bh.subPrev).subNext = bh.subNext
	} else {
		h.divided = bh.subNext
	}
	bh.subNext, bh.subPrev = 0, 0
}

// worthMoving says whether moving the cell r elsewhere helps to empty its run:
// the run is sparse and another one has room.
func (h *heap) worthMoving(r ref, class int) bool {
	id := h.runOf(r, class)
	if h.header(id).list != listSparse {
		return false
	}
	heads := &h.classes[class-h.base].heads
	return heads[listDense] != 0 || heads[listSparse] != id
}

// fragmented says whether compaction could empty a run: some class has a sparse
// run and room for its cells elsewhere.
func (h *heap) fragmented() bool {
	for c := range h.classes {
		cl := &h.classes[c]
		if cl.heads[listSparse] != 0 && int64(cl.used)*4 < int64(cl.cells)*3 && cl.runs > 1 {
			return true
		}
	}
	return false
}
