package resp

import (
	"sync"
	"time"

	"respkv/internal/beat"
)

const (
	// tick is the period of the server's clock, that of Redis's hz 10.
	tick = 100 * time.Millisecond
	// sweepTicks is how many ticks lie between looks at all clients.
	sweepTicks = 10
)

// recentClients are those that sent something since they last fell silent.
type recentClients struct {
	mu      sync.Mutex // a leaf
	clients []*Client
}

// lookAgain lists a client driven by serveRaw that has sent something. Once it is silent for a
// tick its goroutine is woken to read once more: the end of input that came
// together with data is not reported by an edge-triggered poller. Busy
// connections never pay for that, silent ones once.
func (s *Server) lookAgain(c *Client) {
	c.recent.Store(true)
	s.recent.mu.Lock()
	s.recent.clients = append(s.recent.clients, c)
	s.recent.mu.Unlock()
}

// cron is the server's clock: coarse time, second looks, idle clients and soft
// output limits.
func (s *Server) cron() {
	ticker := beat.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.done:
			return
		case <-s.clientGrowth.much:
			s.evictClients()
		case now := <-ticker.C:
			s.clock.Store(now.UnixMilli())
			s.wakeSilent(now.UnixMilli())
			s.evictClients()
			if n%sweepTicks == 0 {
				s.sweep(now)
			}
		}
	}
}

func (s *Server) wakeSilent(now int64) {
	s.recent.mu.Lock()
	list := s.recent.clients
	s.recent.clients = nil
	s.recent.mu.Unlock()
	busy := list[:0]
	for _, c := range list {
		if now-c.lastActive.Load() < tick.Milliseconds()*3/2 {
			busy = append(busy, c)
			continue
		}
		c.recent.Store(false)
		if c.state.Load() == stateOpen {
			c.wake()
		}
	}
	clear(list[len(busy):])
	s.recent.mu.Lock()
	s.recent.clients = append(busy, s.recent.clients...)
	s.recent.mu.Unlock()
}

// sweep closes clients idle for longer than timeout and those past their soft
// output limit. As in Redis, replicas, monitors, blocked clients and subscribers are
// never idle.
func (s *Server) sweep(now time.Time) {
	timeout := s.limits.Load().Timeout
	s.resetPeaks(now)
	for _, c := range s.clients.All() {
		if timeout > 0 && !c.Has(FlagReplica|FlagMonitor|FlagMaster|FlagBlocked|FlagPubSub) &&
			now.UnixMilli()-c.lastActive.Load() > timeout.Milliseconds() {
			s.log.Debug("client closed: idle", "id", c.ID, "addr", c.addr)
			c.Close()
			continue
		}
		c.out.mu.Lock()
		if c.out.queued > 0 {
			c.checkOutput(now)
		}
		c.out.mu.Unlock()
	}
}
