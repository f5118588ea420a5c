package store

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// ref names a place in the arena in units of 8 bytes; 0 names nothing. It has
// 36 bits: 512 GB.
type ref uint64

const (
	refBits = 36
	refMask = 1<<refBits - 1

	blockShift = 14 // unit of the arena: 16 KB
	blockSize  = 1 << blockShift

	pieceShift  = 28 // address space of one piece: 256 MB
	pieceSize   = 1 << pieceShift
	pieceBlocks = pieceSize / blockSize
	maxPieces   = 1 << (refBits + 3 - pieceShift)

	firstPiece = 4 << 20 // an empty server stays small under ulimit -v, too
	minPiece   = 1 << 20
)

// arena hands out blocks of 16 KB from anonymous mappings ("pieces").
//
// Pieces are added as needed, each as large as half of what there is, at most
// 256 MB: one large reservation would fail under ulimit -v and with strict
// overcommit. They are never unmapped before close, so that whoever reads
// without a lock (the prefetches) reads mapped memory; free blocks are given
// back with madvise.
type arena struct {
	// bases[i] is the address of offset i<<pieceShift; written under mu,
	// read by everyone.
	bases [maxPieces]atomic.Pointer[byte]

	usage usage

	mu      sync.Mutex // guards all below; no other lock is taken under it
	pieces  []*piece
	hint    int // no piece before it has a free block
	mapped  int64
	inUse   int64 // blocks handed out
	dirty   int64 // free blocks that the system may hold pages for
	release int   // piece at which releaseStep goes on
	huge    hugePages

	// mapLimit, when not 0, makes growth beyond it fail: tests of running
	// out of memory.
	mapLimit int64
}

// piece is one mapping. A set bit in used is a block handed out; in stale, a
// free block that may still hold pages; in sparse, a block handed out of which a heap
// uses some pages only.
type piece struct {
	mem    []byte
	blocks int
	free   int
	hint   int // no free block in words before it
	used   []uint64
	stale  []uint64
	sparse []uint64

	huge  [hugePlaces]uint64 // places of huge pages where the system was asked for one
	begun [hugePlaces]uint64 // of these, those that were used since, or populated
}

func newArena(hugePages bool) (*arena, error) {
	a := &arena{}
	a.huge.wanted = make(chan struct{}, 1)
	a.huge.off = !hugePages || hugeForbidden()
	if err := a.grow(1); err != nil {
		return nil, err
	}
	a.pieces[0].take(0, 1) // reference 0 is nobody's
	a.inUse++
	a.usage.blocks.Store(a.inUse)
	a.usage.grain.Store(maxGrain)
	return a, nil
}

func (a *arena) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var first error
	for i, p := range a.pieces {
		a.bases[i].Store(nil)
		if err := unmapMemory(p.mem); err != nil && first == nil {
			first = err
		}
	}
	a.pieces, a.mapped, a.inUse, a.dirty, a.hint = nil, 0, 0, 0, 0
	a.huge.off = true
	return first
}

// ptr returns the address of r, which must lie in memory handed out.
func (a *arena) ptr(r ref) unsafe.Pointer {
	off := uint64(r) << 3
	base := a.bases[off>>pieceShift].Load()
	return unsafe.Add(unsafe.Pointer(base), off&(pieceSize-1))
}

// mappedPtr is ptr for an r that once was in use; nil after close.
func (a *arena) mappedPtr(r ref) unsafe.Pointer {
	off := uint64(r) << 3
	base := a.bases[off>>pieceShift].Load()
	if base == nil {
		return nil
	}
	return unsafe.Add(unsafe.Pointer(base), off&(pieceSize-1))
}

// mappedAddr is the address of r, which may be garbage: for prefetches only.
func (a *arena) mappedAddr(r ref) uintptr {
	off := uint64(r&refMask) << 3
	return uintptr(unsafe.Pointer(a.bases[off>>pieceShift].Load())) + uintptr(off&(pieceSize-1))
}

// alloc hands out n contiguous blocks starting at a multiple of align blocks
// (a power of two). Their contents are undefined.
func (a *arena) alloc(n, align int) (ref, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for i := a.hint; i < len(a.pieces); i++ {
			p := a.pieces[i]
			if p.free == 0 {
				if i == a.hint {
					a.hint++
				}
				continue
			}
			if p.free < n {
				continue
			}
			if at := p.find(n, align); at >= 0 {
				a.dirty -= int64(p.take(at, n))
				a.lookAhead(p, at+n-1)
				a.inUse += int64(n)
				a.usage.blocks.Store(a.inUse)
				a.usage.dirty.Store(a.dirty)
				return ref(uint64(i)<<pieceShift|uint64(at)<<blockShift) >> 3, nil
			}
		}
		if err := a.grow(n); err != nil {
			return 0, err
		}
	}
}

// free takes back n blocks that alloc handed out together.
func (a *arena) free(r ref, n int) {
	off := uint64(r) << 3
	i := int(off >> pieceShift)
	at := int(off & (pieceSize - 1) >> blockShift)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pieces[i].put(at, n)
	a.inUse -= int64(n)
	a.dirty += int64(n)
	a.usage.blocks.Store(a.inUse)
	a.usage.dirty.Store(a.dirty)
	a.hint = min(a.hint, i)
}

// setSparse says whether the block r, which is handed out, is one of which some pages may never
// be used.
func (a *arena) setSparse(r ref, sparse bool) {
	off := uint64(r) << 3
	at := int(off & (pieceSize - 1) >> blockShift)
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.pieces[off>>pieceShift]
	p.sparse[at/64] &^= 1 << (at % 64)
	if sparse {
		p.sparse[at/64] |= 1 << (at % 64)
	}
}

// grow maps one more piece that has at least n blocks.
func (a *arena) grow(n int) error {
	need := int64(n) << blockShift
	if need > pieceSize || len(a.pieces) == maxPieces {
		return ErrOutOfMemory
	}
	size := min(max(a.mapped/2, firstPiece, need), pieceSize)
	size = (size + minPiece - 1) &^ (minPiece - 1)
	for {
		if a.mapLimit == 0 || a.mapped+size <= a.mapLimit {
			if mem, err := mapMemory(int(size)); err == nil {
				a.add(mem)
				return nil
			}
		}
		// The limit may leave room for less.
		if size/2 < max(need, minPiece) {
			return ErrOutOfMemory
		}
		size = size / 2 &^ (minPiece - 1)
	}
}

func (a *arena) add(mem []byte) {
	blocks := len(mem) / blockSize
	words := (blocks + 63) / 64
	p := &piece{mem: mem, blocks: blocks, free: blocks, used: make([]uint64, words), stale: make([]uint64, words), sparse: make([]uint64, words)}
	if rest := blocks % 64; rest != 0 {
		p.used[words-1] = ^uint64(0) << rest
	}
	a.beginHuge(p)
	a.bases[len(a.pieces)].Store(unsafe.SliceData(mem))
	a.pieces = append(a.pieces, p)
	a.mapped += int64(len(mem))
}

// find returns the first free block that starts n free ones, or -1.
func (p *piece) find(n, align int) int {
	if n == 1 {
		for w := p.hint; w < len(p.used); w++ {
			if free := ^p.used[w]; free != 0 {
				p.hint = w
				return w*64 + bits.TrailingZeros64(free)
			}
		}
		return -1
	}
	at := p.hint * 64
	for at = (at + align - 1) &^ (align - 1); at+n <= p.blocks; {
		busy := p.lastUsed(at, n)
		if busy < 0 {
			return at
		}
		at = (busy + align) &^ (align - 1)
	}
	return -1
}

// lastUsed returns the last block in use among the n from at on, or -1.
func (p *piece) lastUsed(at, n int) int {
	for end := at + n; end > at; {
		w := (end - 1) / 64
		lo := max(at, w*64)
		word := p.used[w] & mask64(lo-w*64, end-w*64)
		if word != 0 {
			return w*64 + 63 - bits.LeadingZeros64(word)
		}
		end = lo
	}
	return -1
}

// mask64 has bits lo..hi-1 set.
func mask64(lo, hi int) uint64 {
	return ^uint64(0) << lo & (^uint64(0) >> (64 - hi))
}

// take marks n blocks as handed out and returns how many of them were stale.
func (p *piece) take(at, n int) (stale int) {
	for end := at + n; at < end; {
		w := at / 64
		hi := min(end, w*64+64)
		m := mask64(at-w*64, hi-w*64)
		stale += bits.OnesCount64(p.stale[w] & m)
		p.used[w] |= m
		p.stale[w] &^= m
		at = hi
	}
	p.free -= n
	return stale
}

func (p *piece) put(at, n int) {
	p.free += n
	p.hint = min(p.hint, at/64)
	for end := at + n; at < end; {
		w := at / 64
		hi := min(end, w*64+64)
		m := mask64(at-w*64, hi-w*64)
		if p.used[w]&m != m {
			panic("store: arena block freed twice")
		}
		p.used[w] &^= m
		p.stale[w] |= m
		at = hi
	}
}

// releaseStep gives up to max bytes of free blocks back to the system and
// returns how many. The lock is held for one piece of at most 1 MB at a time.
func (a *arena) releaseStep(max int64) int64 {
	var done int64
	for done < max {
		n := a.releaseRun(int(min(max-done, 1<<20)+blockSize-1) >> blockShift)
		if n == 0 {
			break
		}
		done += n
	}
	return done
}

// releaseRun gives back one run of at most n free blocks.
func (a *arena) releaseRun(n int) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dirty == 0 {
		return 0
	}
	for range a.pieces {
		if a.release >= len(a.pieces) {
			a.release = 0
		}
		p := a.pieces[a.release]
		for w := range p.stale {
			if p.stale[w] == 0 {
				continue
			}
			at := w*64 + bits.TrailingZeros64(p.stale[w])
			p.splitHuge(at / hugeBlocks)
			end, limit := at, min(at+n, (at/hugeBlocks+1)*hugeBlocks, p.blocks)
			for end < limit && p.stale[end/64]&(1<<(end%64)) != 0 {
				p.stale[end/64] &^= 1 << (end % 64)
				end++
			}
			a.dirty -= int64(end - at)
			a.usage.dirty.Store(a.dirty)
			// A refusal leaves the pages resident; the blocks stay usable.
			_ = releaseMemory(p.mem[at<<blockShift : end<<blockShift])
			return int64(end-at) << blockShift
		}
		a.release++
	}
	return 0
}

// stats returns reserved address space and the bytes that the system may hold
// pages for.
func (a *arena) stats() (mapped, resident int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mapped, (a.inUse + a.dirty) << blockShift
}
