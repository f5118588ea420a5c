package store

// Random access to data of more than a few MB misses the processor's table of
// pages each time: 10 to 15 % of the server's CPU at pipeline 128, less with one
// entry for 2 MB instead of one for 4 KB each; and there are fewer page faults
// while data grows. Huge pages have two dangers, memory that is not used and a
// kernel that looks for 2 MB in one piece, moving other pages, while a client's
// command waits for it. So the arena has them
//
//   - in large pieces, which are filled from one end to the other, as long as
//     the system has enough free in pieces of that size;
//   - elsewhere only where all is in use: the kernel replaces the small pages
//     there in its own time.
//
// Where memory goes back to the system, in runs of 16 KB, small pages follow.

const (
	hugeSize   = 2 << 20
	hugeBlocks = hugeSize / blockSize
	hugeWords  = hugeBlocks / 64

	hugePlaces = (pieceBlocks/hugeBlocks + 63) / 64

	hugePiece = 16 << 20 // the smallest piece that begins with huge pages

	// hugeScan is how many places one call looks at, with the lock held.
	hugeScan = 1024
)

// hugePages is what an arena knows of them; guarded by its mutex.
type hugePages struct {
	off  bool
	next int // where the search goes on: hugeBlocks times that, over all pieces

	wanted chan struct{} // has one when ahead is set
	ahead  []byte        // the page to be populated; nil: none
}

// full says whether all blocks of a huge page's place are in use, as a whole: an empty server
// has 256 shards with a block each.
func (p *piece) full(at int) bool {
	for i := at * hugeWords; i < (at+1)*hugeWords; i++ {
		if p.used[i]&^p.sparse[i] != ^uint64(0) {
			return false
		}
	}
	return true
}

// places is how many huge pages the piece has room for, one after the other.
func (p *piece) places() int { return p.blocks / hugeBlocks }

func (p *piece) isHuge(at int) bool { return p.huge[at/64]&(1<<(at%64)) != 0 }

func (p *piece) setHuge(at int, huge bool) {
	if p.isHuge(at) == huge {
		return
	}
	p.huge[at/64] ^= 1 << (at % 64)
	p.begun[at/64] &^= 1 << (at % 64)
	adviseHuge(p.mem[at*hugeSize:(at+1)*hugeSize], huge)
}

// beginHuge has a new piece filled with huge pages from the start, if it is a
// large one and the system has plenty. The caller holds a.mu.
func (a *arena) beginHuge(p *piece) {
	if a.huge.off || len(p.mem) < hugePiece || freeHuge() < 2*int64(len(p.mem)) {
		return
	}
	for at := range p.places() {
		p.huge[at/64] |= 1 << (at % 64)
	}
	adviseHuge(p.mem[:p.places()*hugeSize], true)
}

// hugeStep asks for up to n huge pages where all blocks are in use, and returns
// for how many.
func (a *arena) hugeStep(n int) (done int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.huge.off {
		return 0
	}
	const perPiece = pieceBlocks / hugeBlocks
	all := len(a.pieces) * perPiece
	for range min(hugeScan, all) {
		if a.huge.next >= all {
			a.huge.next = 0
		}
		p, at := a.pieces[a.huge.next/perPiece], a.huge.next%perPiece
		if at >= p.places() {
			a.huge.next += perPiece - at // the rest of this piece is not mapped
			continue
		}
		a.huge.next++
		if !p.isHuge(at) && p.full(at) {
			p.setHuge(at, true)
			if done++; done == n {
				break
			}
		}
	}
	return done
}

// splitHuge is called before memory of the place goes back to the system. The
// caller holds a.mu.
func (p *piece) splitHuge(at int) {
	if at < p.places() {
		p.setHuge(at, false)
	}
}
