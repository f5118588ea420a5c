package resp

import "respkv/store"

// pauseEvery is how many elements or comparisons come between two calls of Tx.Pause.
const pauseEvery = 256

// pauses are those of a handler that looks at many elements itself.
type pauses struct {
	tx      *store.Tx
	n       int
	stopped bool // what it looks at has changed
}

// next is called for each element and comparison. False: the result is not wanted.
func (s *pauses) next() bool {
	if s.tx.Pause == nil || s.stopped {
		return !s.stopped
	}
	if s.n++; s.n%pauseEvery == 0 {
		s.stopped = !s.tx.Pause()
	}
	return !s.stopped
}
