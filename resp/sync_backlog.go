package resp

// backlog is the newest part of the stream to replicas of Redis's own protocol, for those
// who come back. It grows with the stream up to its size, in blocks, one of which may be
// held beyond.
type backlog struct {
	size   int64
	start  uint64   // bytes of the stream before the first that is held
	blocks [][]byte // all but the last are full
	room   int64    // of all blocks
	spare  []byte   // a block to be used again
}

// A block is an eighth of the backlog, within these bounds.
const (
	smallestBlock = 1 << 10
	largestBlock  = 64 << 10
)

func (l *backlog) append(b []byte) {
	for len(b) > 0 {
		last := len(l.blocks) - 1
		if last < 0 || len(l.blocks[last]) == cap(l.blocks[last]) {
			l.grow()
			last = len(l.blocks) - 1
		}
		n := min(len(b), cap(l.blocks[last])-len(l.blocks[last]))
		l.blocks[last] = append(l.blocks[last], b[:n]...)
		b = b[n:]
	}
}

// grow adds a block, and drops the oldest if size is held without it.
func (l *backlog) grow() {
	l.trim()
	block := l.spare
	if l.spare = nil; block == nil {
		block = make([]byte, 0, min(max(l.size/8, smallestBlock), largestBlock))
	}
	l.blocks = append(l.blocks, block)
	l.room += int64(cap(block))
}

// trim drops the oldest blocks that are not needed for size, and keeps one to be used again.
func (l *backlog) trim() {
	for len(l.blocks) > 1 && l.room-int64(cap(l.blocks[0])) >= l.size {
		l.start += uint64(len(l.blocks[0]))
		l.room -= int64(cap(l.blocks[0]))
		l.spare = l.blocks[0][:0]
		l.blocks[0] = nil
		l.blocks = l.blocks[1:]
	}
}

// from calls fn with what is held of the stream from a position on, which is not before
// start.
func (l *backlog) from(position uint64, fn func(b []byte)) {
	skip := position - l.start
	for _, block := range l.blocks {
		if n := uint64(len(block)); skip >= n {
			skip -= n
			continue
		}
		fn(block[skip:])
		skip = 0
	}
}

func (l *backlog) memory() int64 { return l.room }
