package node

import (
	"testing"
	"time"

	"respkv/replication"
)

func TestLossBudget(t *testing.T) {
	const slot = 5
	var b lossBudget
	now := time.Unix(1000, 0)
	follows := func(effects uint64, age time.Duration, bytes uint64) replication.SlotLag {
		return replication.SlotLag{Replicas: 1, Effects: effects, Age: age, Bytes: bytes}
	}
	none := replication.SlotLag{Effects: 77}
	for i, step := range []struct {
		after  time.Duration
		lag    replication.SlotLag
		limits budgetLimits
		offset uint64
		want   bool
	}{
		{0, follows(0, time.Hour, 1<<30), budgetLimits{time.Second, 100}, 0, true},
		{0, follows(1, time.Second, 100), budgetLimits{time.Second, 100}, 0, true},
		{0, follows(1, time.Second+1, 0), budgetLimits{time.Second, 0}, 0, false},
		{0, follows(1, 0, 101), budgetLimits{0, 100}, 0, false},
		{0, none, budgetLimits{time.Second, 0}, 1000, true},                   // the first without one
		{time.Second, none, budgetLimits{time.Second, 0}, 5000, true},         // just in time
		{time.Millisecond, none, budgetLimits{time.Second, 0}, 5000, false},   // too late
		{0, none, budgetLimits{time.Minute, 100}, 1101, false},                // too much
		{0, none, budgetLimits{time.Minute, 100}, 1100, true},                 // just not
		{0, follows(0, 0, 0), budgetLimits{time.Second, 0}, 6000, true},       // one follows
		{time.Hour, none, budgetLimits{time.Second, 0}, 7000, true},           // and is gone again
		{2 * time.Second, none, budgetLimits{time.Second, 0}, 7000, false},    //
		{0, replication.SlotLag{}, budgetLimits{time.Second, 0}, 7000, false}, // empty slots, too
	} {
		now = now.Add(step.after)
		if got := b.within(slot, step.lag, step.limits, func() uint64 { return step.offset }, now); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if !b.within(slot+1, none, budgetLimits{time.Second, 0}, func() uint64 { return 0 }, now) {
		t.Error("another slot's budget was used up")
	}
}
