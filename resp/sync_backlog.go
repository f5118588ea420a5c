package resp

// backlog is the newest part of the stream to replicas of Redis's own protocol, for those
// who come back. It grows with the stream up to its size, in blocks, one of which may be
// held beyond.
type backlog struct {
	size   int64
	start  uint64   // bytes of the stream before the first that is held
	blocks [][]byte // all but the last are full
	spare  []byte   // a block to be used again
}

const backlogBlock = 64 << 10

func (l *backlog) append(b []byte) {
	for len(b) > 0 {
		last := len(l.blocks) - 1
		if last < 0 || len(l.blocks[last]) == backlogBlock {
			l.grow()
			last = len(l.blocks) - 1
		}
		n := min(len(b), backlogBlock-len(l.blocks[last]))
		l.blocks[last] = append(l.blocks[last], b[:n]...)
		b = b[n:]
	}
}

// grow adds a block, and drops the oldest if size is held without it.
func (l *backlog) grow() {
	if held := int64(len(l.blocks)) * backlogBlock; held >= l.size+backlogBlock {
		l.start += backlogBlock
		l.spare = l.blocks[0][:0]
		l.blocks[0] = nil
		l.blocks = l.blocks[1:]
	}
	block := l.spare
	if l.spare = nil; block == nil {
		block = make([]byte, 0, backlogBlock)
	}
	l.blocks = append(l.blocks, block)
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

func (l *backlog) memory() int64 { return int64(len(l.blocks)) * backlogBlock }
