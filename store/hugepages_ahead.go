package store

// The first touch of a huge page has the kernel clear 2 MB, which takes from 0.2 ms to, on a
// virtual machine whose host has to find the memory first, 9 ms. That would happen under the
// lock of a shard, to whoever adds the element that is the first one there. Blocks are handed
// out from one end of a piece to the other, so it is known before: when the first block of a
// page is, the page after it is asked for, and populated without locks. Nobody waits for
// that: who comes earlier touches the page himself.

// lookAhead is told of each block that is handed out, the last one of those that go together.
// The caller holds a.mu.
func (a *arena) lookAhead(p *piece, block int) {
	at := block / hugeBlocks
	if at >= p.places() || !p.isHuge(at) {
		return
	}
	p.begun[at/64] |= 1 << (at % 64)
	if at++; at >= p.places() || !p.isHuge(at) || p.begun[at/64]&(1<<(at%64)) != 0 {
		return
	}
	p.begun[at/64] |= 1 << (at % 64)
	a.huge.ahead = p.mem[at*hugeSize : (at+1)*hugeSize]
	select {
	case a.huge.wanted <- struct{}{}:
	default:
	}
}

// PopulateAhead has memory ready that is going to be used soon, until stop is closed. It is
// to run beside all else, and has to have ended before Close. No lock is needed.
func (s *Store) PopulateAhead(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-s.arena.huge.wanted:
		}
		if !s.arena.populate() {
			return
		}
	}
}

// populate makes the page that is asked for resident. False: the system cannot do that.
func (a *arena) populate() bool {
	a.mu.Lock()
	mem := a.huge.ahead
	a.huge.ahead = nil
	a.mu.Unlock()
	return len(mem) == 0 || populateMemory(mem)
}
