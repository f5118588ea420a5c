package replication

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// lineLog counts lines of a log.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// TestLogOfManyLosses: a node that comes back may have lost effects of each of its
// slots. That is told to OnLoss, and does not fill the log.
func TestLogOfManyLosses(t *testing.T) {
	const many = 500
	var slots []uint16
	for slot := range uint16(many) {
		slots = append(slots, slot)
	}
	a, b := newFakeNode(t, "a", testConfig()), newFakeNode(t, "b", testConfig())
	a.lead(t, 1, slots...)
	ab := b.follow(t, a, nil)
	ab.AddSlots(slots)
	for _, slot := range slots {
		same(t, a, b, slot)
	}
	ab.RemoveSlots(slots)
	for _, slot := range slots {
		a.write(slot, 0, "SET", "x", "lost")
		a.store.WithSlot(slot, func() { a.log.EndEpoch(slot) })
	}
	b.lead(t, 2, slots...)
	log := &lineLog{}
	a.follow(t, b, nil, func(o *LinkOptions) { o.Logger = slog.New(slog.NewTextHandler(log, nil)) }).AddSlots(slots)
	for range many {
		select {
		case <-a.losses:
		case <-time.After(settle):
			t.Fatal("not every loss is told")
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.lines) > 10 {
		t.Errorf("%d lines: %s", len(log.lines), strings.Join(log.lines[:10], ""))
	}
}
