package resp

import (
	"time"

	"respkv/store"
)

// mayRemove says whether keys of slot may be removed without a client asking
// for it. The caller holds the lock of the slot's shard.
func (d *Dispatcher) mayRemove(slot uint16) bool {
	return d.routing == nil || d.routing.Admit(slot, true).Owner
}

// upkeep closes the holes of the heap, gives unused memory back to the system
// and asks it for huge pages, each in short steps, for about as long as budget.
func (c *cron) upkeep(d *Dispatcher, now time.Time, budget time.Duration) {
	if now.Before(c.nextUpkeep) && !c.compacting {
		return
	}
	c.nextUpkeep = now.Add(upkeepPeriod)
	deadline := now.Add(budget)
	m := c.memory.last.Load()
	if !c.compacting && m.store.Free > slackBytes+m.store.Data/8 && !now.Before(c.nextCompact) {
		c.compacting = true
		c.compactNext = 0
	}
	c.defragRunning.Store(c.compacting)
	if c.compacting && c.compact(d, deadline) {
		c.compacting = false
		c.defragRunning.Store(false)
		c.nextCompact = time.Now().Add(compactPause)
	}
	c.release(d, deadline)
	d.store.HugePageStep(hugePageStep)
}

// compact goes once through all shards. False: out of time.
func (c *cron) compact(d *Dispatcher, deadline time.Time) (done bool) {
	for ; c.compactNext < store.Shards; c.compactNext++ {
		for more := true; more; {
			_, more = d.compactStep(c.compactNext, compactStep)
			if time.Now().After(deadline) {
				return false
			}
		}
	}
	return true
}

// compactStep looks at that many records of a shard.
func (d *Dispatcher) compactStep(shard, records int) (moved int, more bool) {
	d.store.LockShard(shard)
	defer d.store.UnlockShard(shard)
	moved, more = d.store.CompactStep(shard, records)
	d.cron.moved.Add(int64(moved))
	return moved, more
}

// release gives memory back that is neither used nor kept for what comes.
func (c *cron) release(d *Dispatcher, deadline time.Time) {
	m := c.memory.last.Load().store
	used := m.Data + m.Index + m.Free
	spare := m.Resident - used - max(slackBytes, used/8)
	for spare > 0 && time.Now().Before(deadline) {
		n := d.store.ReleaseStep(min(spare, releaseStep))
		if n == 0 {
			return
		}
		spare -= n
	}
}

// sampleRates feeds the instantaneous_* fields of INFO, and what goes by them.
func (d *Dispatcher) sampleRates(now time.Time) {
	s := d.server.Stats()
	var totals [rateMetrics]int64
	totals[rateCommands] = d.stats.commands.Load()
	totals[rateReads] = s.Reads
	totals[rateInput] = s.InputBytes
	totals[rateOutput] = s.OutputBytes
	r := d.replicationInfo()
	totals[rateReplInput] = int64(r.BytesIn)
	totals[rateReplOutput] = int64(r.BytesOut)
	d.rates.sample(now, totals)
	d.arrivals.busy.Store(d.rates.latest(rateReads) > busyRate)
}
