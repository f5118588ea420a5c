package resp

import (
	"slices"
	"sync"
)

// Clients is the registry of connected clients. Safe for concurrent use.
type Clients struct {
	mu     sync.Mutex // guards below; a leaf: nothing is called while it is held
	byID   map[uint64]*Client
	nextID uint64
	empty  chan struct{} // closed when the last client goes; nil: nobody waits
}

// add registers c under a new ID unless there are max clients already.
func (r *Clients) add(c *Client, max int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byID) >= max {
		return false
	}
	if r.byID == nil {
		r.byID = make(map[uint64]*Client)
	}
	r.nextID++
	c.ID = r.nextID
	r.byID[c.ID] = c
	return true
}

func (r *Clients) remove(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, c.ID)
	if len(r.byID) == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

// Len is the number of connected clients.
func (r *Clients) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byID)
}

// Find returns the client of that ID, nil when there is none.
func (r *Clients) Find(id uint64) *Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

// All returns the connected clients, oldest first. Clients may come and go
// meanwhile.
func (r *Clients) All() []*Client {
	r.mu.Lock()
	all := make([]*Client, 0, len(r.byID))
	for _, c := range r.byID {
		all = append(all, c)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b *Client) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all
}

// Kill closes the clients that match and returns their number. self, the
// client on whose goroutine the caller runs, or nil, is closed after its
// reply; the others at once.
func (r *Clients) Kill(match func(*Client) bool, self *Client) int {
	n := 0
	for _, c := range r.All() {
		if !match(c) {
			continue
		}
		n++
		if c == self {
			c.CloseAfterReply()
		} else {
			c.Close()
		}
	}
	return n
}

// gone returns a channel that is closed once no client is left.
func (r *Clients) gone() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byID) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if r.empty == nil {
		r.empty = make(chan struct{})
	}
	return r.empty
}
