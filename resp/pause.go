package resp

import (
	"sync"
	"sync/atomic"
	"time"

	"respkv/resp/command"
)

// pauseState is CLIENT PAUSE: commands of clients wait until a deadline.
//
// Source: the CLIENT PAUSE command page. A pause never gets shorter or weaker
// by another CLIENT PAUSE, only by CLIENT UNPAUSE.
type pauseState struct {
	mu      sync.Mutex
	until   time.Time // guarded by mu, as all below; zero: no pause
	writes  bool      // only writes are held
	waiting []pausedClient
	timer   *time.Timer
	active  atomic.Bool
}

type pausedClient struct {
	client *Client
	id     ParkID
}

// holds says whether a command of e has to wait. One atomic load while nothing
// is paused.
func (p *pauseState) holds() bool { return p.active.Load() }

// wait parks the client if its command has to wait. True: run it now.
func (p *pauseState) wait(client *Client, e *entry) (run bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.pausedLocked(time.Now()) || p.writes && !e.pausedByWrites() || client.Has(FlagReplica) {
		return true
	}
	p.waiting = append(p.waiting, pausedClient{client, client.Park()})
	return false
}

func (p *pauseState) pausedLocked(now time.Time) bool {
	return !p.until.IsZero() && now.Before(p.until)
}

// start begins or extends a pause.
func (p *pauseState) start(timeout time.Duration, writes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.pausedLocked(now) {
		p.writes = writes
	} else if !writes {
		p.writes = false
	}
	if until := now.Add(timeout); until.After(p.until) {
		p.until = until
	}
	p.active.Store(true)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(time.Until(p.until), p.expire)
}

func (p *pauseState) expire() {
	p.mu.Lock()
	ended := !p.pausedLocked(time.Now())
	p.mu.Unlock()
	if ended {
		p.stop()
	}
}

// stop ends the pause and lets the clients go on, in the order in which they
// came.
func (p *pauseState) stop() {
	p.mu.Lock()
	p.until = time.Time{}
	p.active.Store(false)
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, w := range waiting {
		w.client.Unpark(w.id, nil)
	}
}

// state tells INFO and the expiry cycle: a pause of any kind also holds expiry,
// which would change the keyspace.
func (p *pauseState) state() (paused, writes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pausedLocked(time.Now()), p.writes
}

// pausedByWrites says whether CLIENT PAUSE WRITE holds the command: writes, and
// what replicates or runs scripts that may write.
func (e *entry) pausedByWrites() bool {
	return e.write || e.cmd.Flags&command.MayReplicate != 0
}
