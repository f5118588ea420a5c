package resp

import (
	"sync"
	"sync/atomic"
	"time"
)

// PauseMode says which commands CLIENT PAUSE holds back.
type PauseMode int32

// Pause modes, from the weakest to the strongest.
const (
	PauseOff PauseMode = iota
	PauseWrite
	PauseAll
)

// pause is the state of CLIENT PAUSE. Clients whose command has to wait are
// parked with the command not consumed, and resumed together.
type pause struct {
	mode atomic.Int32

	mu      sync.Mutex // guards below; held while clients are parked, not while they are resumed
	asked   PauseMode  // by CLIENT PAUSE
	writes  bool       // are held back for a failover
	until   time.Time
	timer   *time.Timer
	waiting []pausedClient
}

type pausedClient struct {
	client *Client
	id     ParkID
}

// Pause holds back commands until the given time. While a pause is in effect
// another one can make it stronger and longer, not weaker or shorter.
func (s *Server) Pause(mode PauseMode, until time.Time) {
	p := &s.pause
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = max(p.asked, mode)
	p.set()
	if until.After(p.until) {
		p.until = until
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(time.Until(p.until), s.pauseExpired)
}

// pauseExpired ends the pause unless it was prolonged meanwhile.
func (s *Server) pauseExpired() {
	s.pause.mu.Lock()
	over := !time.Now().Before(s.pause.until)
	s.pause.mu.Unlock()
	if over {
		s.Unpause()
	}
}

// set makes the mode what is asked for. The caller holds mu.
func (p *pause) set() {
	mode := p.asked
	if p.writes {
		mode = max(mode, PauseWrite)
	}
	p.mode.Store(int32(mode))
}

// HoldWrites holds writes back, or lets them go on, whatever Pause and Unpause say.
func (s *Server) HoldWrites(hold bool) {
	p := &s.pause
	p.mu.Lock()
	p.writes = hold
	p.set()
	var waiting []pausedClient
	if !hold {
		waiting, p.waiting = p.waiting, nil
	}
	p.mu.Unlock()
	resumePaused(waiting)
}

// resumePaused has clients try again.
func resumePaused(waiting []pausedClient) {
	for _, w := range waiting {
		w.client.Unpark(w.id, nil)
	}
}

// Unpause ends the pause; clients held back execute their commands.
func (s *Server) Unpause() {
	p := &s.pause
	p.mu.Lock()
	p.asked = PauseOff
	p.set()
	p.until = time.Time{}
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	resumePaused(waiting)
}

// Paused is what is held back now. One atomic load: for every command.
func (s *Server) Paused() PauseMode { return PauseMode(s.pause.mode.Load()) }

// ParkPaused parks the client until the pause is over, if mode or a stronger
// one is still in effect: then Batch returns without consuming the command.
// False: it is over, go on. Own goroutine, within Batch.
func (c *Client) ParkPaused(mode PauseMode) bool {
	p := &c.server.pause
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.server.Paused() < mode {
		return false
	}
	p.waiting = append(p.waiting, pausedClient{c, c.Park()})
	return true
}
