// Package throttle keeps strangers from filling the log.
package throttle

import (
	"sync"
	"time"
)

// every is the shortest time between two lines.
const every = time.Second

// Lines bounds the lines about one kind of thing. The zero value is ready; safe
// for concurrent use.
type Lines struct {
	mu    sync.Mutex // a leaf
	last  time.Time
	quiet int // not told since
}

// Next says whether a line may be written now, and how many were left out since
// the last one.
func (l *Lines) Next() (quiet int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < every {
		l.quiet++
		return 0, false
	}
	quiet = l.quiet
	l.last, l.quiet = now, 0
	return quiet, true
}
