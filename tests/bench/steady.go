package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// steadyLoad sends GET and SET at a fixed rate over several connections and
// measures each from the moment when it was due: what a server that stood still
// kept from being sent counts too. It follows MOVED.
type steadyLoad struct {
	addr      string
	clients   int
	perSecond int      // of all clients together
	keys      []string // all of them

	mu       sync.Mutex // guards below
	from, to time.Time  // what was due in between is kept; to zero: no end yet
	times    []time.Duration
	due      []time.Time // of each client: what it is at
	err      error

	stop chan struct{}
	done sync.WaitGroup
}

func (l *steadyLoad) start() error {
	l.stop, l.due = make(chan struct{}), make([]time.Time, l.clients)
	every := time.Duration(l.clients) * time.Second / time.Duration(l.perSecond)
	began := time.Now()
	for i := range l.clients {
		c, err := dialClient(l.addr)
		if err != nil {
			l.end()
			return err
		}
		due := began.Add(every * time.Duration(i) / time.Duration(l.clients))
		l.done.Go(func() {
			if err := l.run(i, c, due, every, rand.New(rand.NewPCG(uint64(i), 2))); err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.err, l.due[i] = errors.Join(l.err, err), began.Add(time.Hour*24)
			}
		})
	}
	return nil
}

func (l *steadyLoad) run(i int, c *client, due time.Time, every time.Duration, random *rand.Rand) error {
	conns := map[string]*client{l.addr: c}
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	value := strings.Repeat("x", 64)
	for ; ; due = due.Add(every) {
		select {
		case <-l.stop:
			return nil
		case <-time.After(time.Until(due)):
		}
		key := l.keys[random.IntN(len(l.keys))]
		args := []string{"GET", key}
		if random.IntN(2) == 0 {
			args = []string{"SET", key, value}
		}
		for {
			err := c.do(args...)
			var refused serverError
			if errors.As(err, &refused) {
				var slot int
				var addr string
				if n, _ := fmt.Sscanf(string(refused), "MOVED %d %s", &slot, &addr); n == 2 {
					if conns[addr] == nil {
						if conns[addr], err = dialClient(addr); err != nil {
							return err
						}
					}
					c = conns[addr]
					continue
				}
			}
			if err != nil {
				return err
			}
			break
		}
		took := time.Since(due)
		l.mu.Lock()
		l.due[i] = due
		if !l.from.IsZero() && due.After(l.from) && (l.to.IsZero() || due.Before(l.to)) {
			l.times = append(l.times, took)
		}
		l.mu.Unlock()
	}
}

// during returns the latencies of what was due while fn ran, ascending.
func (l *steadyLoad) during(fn func() error) ([]time.Duration, error) {
	l.mu.Lock()
	l.times, l.from, l.to = nil, time.Now(), time.Time{}
	l.mu.Unlock()
	err := fn()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = time.Now()
	for slices.ContainsFunc(l.due, func(due time.Time) bool { return !due.After(l.to) }) {
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
		l.mu.Lock()
	}
	times := l.times
	l.times, l.from = nil, time.Time{}
	slices.Sort(times)
	if err = errors.Join(err, l.err); err == nil && len(times) == 0 {
		err = errors.New("nothing was answered meanwhile")
	}
	return times, err
}

func (l *steadyLoad) end() {
	close(l.stop)
	l.done.Wait()
}

// rank is the p-th percentile, of 100, of ascending times, by nearest rank.
func rank(times []time.Duration, p float64) time.Duration {
	return times[min(len(times)-1, max(0, int(float64(len(times))*p/100+0.999999)-1))]
}
