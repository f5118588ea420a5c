package resp

import "sync/atomic"

// Parking: a blocking command leaves its connection parked. The connection's
// goroutine goes back to waiting for its socket, where it costs nothing and
// notices when the peer goes away; commands that follow wait in the input.
// Whoever has the answer claims the client, which succeeds for one caller
// only, and resumes it.
//
//	          Park             Claim              Resume
//	running ---------> parked ---------> claimed ---------> running
//	   |                 |                  |
//	   +-----------------+------------------+--- connection ends ---> closed
//
// So of a value that arrives, a timeout, CLIENT UNBLOCK and a disconnect
// exactly one wins, and only the winner takes the value from the key.
type parking struct {
	word atomic.Uint64 // ParkID<<2 | phase
	last ParkID        // own goroutine
}

const (
	phaseRunning = iota
	phaseParked
	phaseClaimed
	phaseClosed
	phaseMask = 3
)

// ParkID names one period of being parked.
type ParkID uint64

// Park makes the connection stop after the current command until Resume. Own
// goroutine, within Batch.
func (c *Client) Park() ParkID {
	c.park.last++
	id := c.park.last
	c.stop = true
	c.SetFlag(FlagBlocked, true)
	c.server.blocked.Add(1)
	c.park.word.Store(uint64(id)<<2 | phaseParked)
	return id
}

// Parked reports whether the client is parked and not resumed yet.
func (c *Client) Parked() bool {
	phase := c.park.word.Load() & phaseMask
	return phase == phaseParked || phase == phaseClaimed
}

// Claim wins the right to answer the client parked under id: true for one
// caller at most. The winner must call Resume.
func (c *Client) Claim(id ParkID) bool {
	return c.park.word.CompareAndSwap(uint64(id)<<2|phaseParked, uint64(id)<<2|phaseClaimed)
}

// Resume sends reply, in wire format of the client's protocol version, and
// lets the connection go on with the commands that follow, on its own
// goroutine. reply is copied; it may be empty. For the winner of Claim, once.
func (c *Client) Resume(reply []byte) {
	c.Push(reply)
	word := c.park.word.Load()
	c.SetFlag(FlagBlocked, false)
	if word&phaseMask != phaseClaimed || !c.park.word.CompareAndSwap(word, word&^phaseMask|phaseRunning) {
		return // the connection ended meanwhile
	}
	c.server.blocked.Add(-1)
	c.wake()
}

// Unpark is Claim and, when that is won, Resume.
func (c *Client) Unpark(id ParkID, reply []byte) bool {
	if !c.Claim(id) {
		return false
	}
	c.Resume(reply)
	return true
}

// closeParking makes every Claim fail from now on.
func (c *Client) closeParking() {
	word := c.park.word.Swap(uint64(c.park.last)<<2 | phaseClosed)
	if phase := word & phaseMask; phase == phaseParked || phase == phaseClaimed {
		c.server.blocked.Add(-1)
	}
}
