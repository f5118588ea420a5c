package observe

import (
	"sync"
	"time"
)

// cached makes an answer at most every age, whoever asks.
type cached struct {
	make func() []byte

	mu   sync.Mutex // held while the answer is made: nobody makes a second one meanwhile
	last []byte
	at   time.Time
}

// get returns the answer; it must not be changed.
func (c *cached) get() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.last == nil || now.Sub(c.at) >= age {
		c.last = c.make()
		c.at = time.Now()
	}
	return c.last
}
