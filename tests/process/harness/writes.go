package harness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Writers write numbered values to keys of their own, one at a time each, and
// remember what was acknowledged: the load under which a test changes the
// cluster, and the record of what must not be lost.
type Writers struct {
	client redis.UniversalClient
	stop   context.CancelFunc
	done   sync.WaitGroup
	each   []*writer

	acknowledged atomic.Int64
	failed       atomic.Int64
	longest      atomic.Int64 // nanoseconds between two acknowledgements of one writer
}

// keysPerWriter spreads a writer's keys over the slots.
const keysPerWriter = 500

type writer struct {
	name string
	// acked and tried are the last numbers acknowledged and sent, by key. What
	// was sent and not acknowledged may or may not have been applied.
	acked, tried [keysPerWriter]int
}

func (w *writer) key(i int) string { return w.name + ":" + strconv.Itoa(i) }

// StartWriters starts count writers. They never give up: an error is counted
// and the next key is tried.
func StartWriters(t testing.TB, client redis.UniversalClient, count int) *Writers {
	ctx, stop := context.WithCancel(context.Background())
	w := &Writers{client: client, stop: stop}
	for i := range count {
		one := &writer{name: fmt.Sprintf("writer%d", i)}
		w.each = append(w.each, one)
		w.done.Go(func() { w.run(ctx, one) })
	}
	t.Cleanup(func() { stop(); w.done.Wait() })
	return w
}

func (w *Writers) run(ctx context.Context, one *writer) {
	last := time.Now()
	for n := 1; ctx.Err() == nil; n++ {
		i := n % keysPerWriter
		one.tried[i] = n
		// Not ctx: a write cut off by the end of the test would be unknown.
		err := w.client.Set(context.Background(), one.key(i), n, 0).Err()
		if err != nil {
			w.failed.Add(1)
			continue
		}
		one.acked[i] = n
		w.acknowledged.Add(1)
		now := time.Now()
		if gap := int64(now.Sub(last)); gap > w.longest.Load() {
			w.longest.Store(gap)
		}
		last = now
	}
}

// Acknowledged counts the writes that were answered with OK so far.
func (w *Writers) Acknowledged() int64 { return w.acknowledged.Load() }

// WaitFor waits until that many more writes have been acknowledged: proof that
// the cluster serves.
func (w *Writers) WaitFor(t testing.TB, more int64, within time.Duration) {
	t.Helper()
	goal := w.Acknowledged() + more
	Eventually(t, within, func() error {
		if now := w.Acknowledged(); now < goal {
			return fmt.Errorf("%d writes acknowledged, want %d", now, goal)
		}
		return nil
	})
}

// Stop ends the load and returns how many writes failed, and the longest time
// that a writer went without an acknowledgement.
func (w *Writers) Stop() (failed int64, longest time.Duration) {
	w.stop()
	w.done.Wait()
	return w.failed.Load(), time.Duration(w.longest.Load())
}

// Lost reads every key back, after Stop, and describes acknowledged writes that
// are gone: the value is older than the last acknowledged one.
func (w *Writers) Lost(t testing.TB) []string {
	t.Helper()
	var lost []string
	for _, one := range w.each {
		for i := range keysPerWriter {
			if one.tried[i] == 0 {
				continue
			}
			got := w.read(t, one.key(i))
			if got < one.acked[i] || got > one.tried[i] {
				lost = append(lost, fmt.Sprintf("%s is %d: acknowledged %d, sent %d", one.key(i), got, one.acked[i], one.tried[i]))
			}
		}
	}
	return lost
}

// Keys are all keys that were written to. Call it after Stop.
func (w *Writers) Keys() []string {
	var keys []string
	for _, one := range w.each {
		for i, n := range one.tried {
			if n > 0 {
				keys = append(keys, one.key(i))
			}
		}
	}
	return keys
}

// read returns the number at a key, 0 when it is missing. That a client cannot
// reach a node for a while is no loss: go-redis answers with the error of an
// earlier dial to a node that is back, or asks one that is gone, for some seconds.
func (w *Writers) read(t testing.TB, key string) (n int) {
	t.Helper()
	Eventually(t, Patience, func() (err error) {
		n, err = w.client.Get(context.Background(), key).Int()
		if errors.Is(err, redis.Nil) {
			n, err = 0, nil
		}
		return err
	})
	return n
}

// RequireNothingLost stops the load and fails the test for every acknowledged
// write that is gone.
func (w *Writers) RequireNothingLost(t testing.TB) {
	t.Helper()
	failed, longest := w.Stop()
	t.Logf("%d writes acknowledged, %d refused or failed, longest pause of a writer %v", w.Acknowledged(), failed, longest)
	if w.Acknowledged() == 0 {
		t.Fatal("no write was acknowledged: the test shows nothing")
	}
	lost := w.Lost(t)
	for i, l := range lost {
		if i == 10 {
			t.Errorf("and %d more", len(lost)-i)
			break
		}
		t.Errorf("acknowledged write lost: %s", l)
	}
}
